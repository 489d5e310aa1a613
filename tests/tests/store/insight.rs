//! Insight as sweeps count it: it agrees with counting every member one by one, night after night.

use std::collections::{BTreeMap, BTreeSet};

use engine::insight::{flows, latest};
use engine::lists::List;
use rules::calendar::Instant;
use rules::id::TierId;
use serde_json::{Value, json};
use store::records::insight::Insight;
use store::records::{Job, JobId, Kind, Moves, State};
use tests::dynamodb::Place;
use tests::list_oracle::{Dice, everybody, in_tiers, is_on, life, new_year, program, tier, tiers, told, version_at};
use tests::system::{System, instant};

tests::for_every_table!(
    insight_says_what_counting_everybody_says,
    flows_lead_from_the_tiers_of_one_midnight_to_those_of_another,
    a_night_on_which_nothing_was_swept_is_in_the_flows_of_the_next,
    a_correction_restates_the_past_and_is_no_move,
    a_rollover_that_was_overtaken_as_it_ended_is_not_counted_twice,
);

const NIGHT: &str = "2024-10-02T04:00:00Z";

async fn shop(place: &Place, name: &str, program: &Value, members: usize) -> System {
    let system = System::new(place.client.clone(), &place.table(name)).await;
    system.at(instant("2023-01-01T05:00:00Z"));
    system.publish(program, &json!({})).await;
    system.at(instant(NIGHT).plus_millis(-3_600_000));
    let mut dice = Dice(members as u64);
    for n in 0..members {
        let events = life(&format!("member-{n}"), &mut dice, instant(NIGHT));
        assert_eq!(system.tell(&events).await.counts.quarantined, 0);
    }
    system
}

type Path = (Option<TierId>, Option<TierId>);

fn moves(paths: impl IntoIterator<Item = Path>) -> Moves {
    let mut moves = BTreeMap::new();
    for (from, to) in paths {
        if from != to {
            *moves.entry((from, to)).or_default() += 1;
        }
    }
    Moves(moves)
}

async fn insight_says_what_counting_everybody_says(place: Place) {
    let periods =
        ["calendar_year".into(), "since_last_upgrade".into(), json!({ "rolling": { "days": 365 } }), "lifetime".into()];
    for (n, period) in periods.iter().enumerate() {
        let system = shop(&place, &format!("p{n}"), &program(period), 50).await;
        assert_eq!(latest(&system.store, &system.shop, system.now()).await.unwrap(), None);
        system.at(instant(NIGHT));
        system.sweep_all().await;
        let found = latest(&system.store, &system.shop, system.now()).await.unwrap().unwrap();
        // As it is sent.
        assert_eq!(serde_json::from_value::<Insight>(json!(found)).unwrap(), found);
        let (at, all, version) = (instant(NIGHT), everybody(&system).await, version_at(&system, instant(NIGHT)).await);
        assert_eq!(told(&found), in_tiers(&version, &all, at), "{period}");
        let on = |list: List| all.iter().filter(|(_, ledger)| is_on(&list, &version, ledger, at)).count() as u64;
        assert_eq!((found.near_upgrade, found.at_risk), (on(List::NearUpgrade), on(List::AtRisk)), "{period}");
        let ever = on(List::ExpiringBefore(instant("9999-01-01T00:00:00Z")));
        assert_eq!((found.members, found.expiring.values().sum::<u64>()), (50, ever));
        let ahead = |ledger| (tier(&version, ledger, at), tier(&version, ledger, new_year(&version, at)));
        assert_eq!(found.forecast, moves(all.iter().map(|(_, ledger)| ahead(ledger))), "{period}");
        assert_eq!((found.as_of, found.new_year, found.version), (at, instant("2025-01-01T05:00:00Z"), 1));
        assert_eq!((found.currency.as_str(), found.revenue_since), ("USD", instant("2023-10-03T04:00:00Z")));
        assert_eq!(found.since, Some(instant("2024-10-01T04:00:00Z")), "the first looks a day back");
    }
}

/// The members by tier after these moves.
fn moved(mut members: BTreeMap<Option<TierId>, i64>, moves: &Moves) -> BTreeMap<Option<TierId>, i64> {
    for ((from, to), count) in &moves.0 {
        *members.entry(from.clone()).or_default() -= i64::try_from(*count).unwrap();
        *members.entry(to.clone()).or_default() += i64::try_from(*count).unwrap();
    }
    members.retain(|tier, members| tier.is_some() && *members != 0);
    members
}

fn by_tier(insight: &Insight) -> BTreeMap<Option<TierId>, i64> {
    insight.tiers.iter().map(|of| (of.tier.clone(), i64::try_from(of.members).unwrap())).collect()
}

async fn flows_lead_from_the_tiers_of_one_midnight_to_those_of_another(place: Place) {
    let spends = |gold: u32| {
        let mut program = program(&json!("calendar_year"));
        program["tiers"][1]["threshold"] = json!(gold);
        program
    };
    let system = shop(&place, "s", &spends(500), 40).await;
    let mut dice = Dice(7);
    let (mut expected, mut first, mut last) = (Vec::<Path>::new(), None::<Insight>, None::<Instant>);
    // Around January 1, with two changes of rules: the first holds members who would drop, the second drops them at once.
    let changes = BTreeMap::from([("2024-12-30", (900, "hold")), ("2025-01-02", (700, "apply"))]);
    for day in ["2024-12-29", "2024-12-30", "2024-12-31", "2025-01-01", "2025-01-02", "2025-01-03"] {
        let midnight = instant(&format!("{day}T05:00:00Z"));
        system.at(midnight);
        system.sweep_all().await;
        if let Some(last) = last {
            let (version, all) = (version_at(&system, midnight).await, everybody(&system).await);
            // The change of the day before moved the beginning of this stretch.
            let from = version.effective_at.max(last);
            let path = |ledger| (tier(&version, ledger, from), tier(&version, ledger, midnight));
            expected.extend(all.iter().map(|(_, ledger)| path(ledger)));
        }
        let found = latest(&system.store, &system.shop, system.now()).await.unwrap().unwrap();
        let since = Some(last.unwrap_or(midnight.plus_millis(-86_400_000)));
        assert_eq!((found.as_of, found.since), (midnight, since));
        first.get_or_insert(found);
        last = Some(midnight);
        // The day: orders, some of them by new members.
        for n in 0..8 {
            let at = midnight.plus_millis(3_600_000 * (1 + n));
            system.at(at);
            let member = format!("member-{}", dice.roll(44));
            let order = json!({ "type": "order.paid", "order_id": format!("{day} {n}"), "member_id": member,
                                "total": (50 + dice.roll(700)).to_string(), "occurred_at": at.to_string() });
            assert_eq!(system.tell(&[order]).await.counts.applied, 1);
        }
        if let Some((gold, demotions)) = changes.get(day) {
            let at = midnight.plus_millis(43_200_000);
            let (version, before) = (version_at(&system, at).await, everybody(&system).await);
            let eve = at.plus_millis(-1);
            expected.extend(before.iter().map(|(_, of)| (tier(&version, of, midnight), tier(&version, of, eve))));
            let was = tiers(&version, &before, eve);
            system.at(at);
            system.publish(&spends(*gold), &json!({ "demotions": demotions })).await;
            system.sweep_all().await;
            let (version, after) = (version_at(&system, at).await, everybody(&system).await);
            let is = tiers(&version, &after, at);
            let change: Vec<Path> = was.iter().map(|(id, from)| (from.clone(), is[id].clone())).collect();
            let told = latest(&system.store, &system.shop, system.now()).await.unwrap().unwrap();
            assert_eq!((told.version, told.since), (version.number, None));
            assert_eq!(told.flows, moves(change.clone()), "{day}");
            assert_eq!(moves(change.clone()).0.is_empty(), *demotions == "hold", "{change:?}");
            expected.extend(change);
        }
    }
    let (first, last) = (first.unwrap(), last.unwrap());
    let all = flows(&system.store, &system.shop, first.as_of, last).await.unwrap();
    assert_eq!((all.since, all.until, all.jobs), (Some(first.as_of), Some(last), 7));
    assert_eq!(all.moves, moves(expected));
    let now = latest(&system.store, &system.shop, system.now()).await.unwrap().unwrap();
    assert_eq!(moved(by_tier(&first), &all.moves), moved(by_tier(&now), &Moves::default()));
    // January 1 alone, and nothing where nothing was swept.
    let new_year = instant("2025-01-01T05:00:00Z");
    let night = flows(&system.store, &system.shop, new_year.plus_millis(-1), new_year).await.unwrap();
    assert_eq!((night.jobs, night.moves.0.is_empty()), (1, false));
    let none = flows(&system.store, &system.shop, last, last.plus_millis(86_400_000)).await.unwrap();
    assert_eq!((none.since, none.until, none.jobs, none.moves), (None, None, 0, Moves::default()));
    let backwards = flows(&system.store, &system.shop, last, first.as_of).await.unwrap();
    assert_eq!(backwards.jobs, 0);
}

fn order(id: &str, total: u32, on: &str) -> Value {
    json!({ "type": "order.paid", "order_id": id, "member_id": "anna", "total": total.to_string(), "occurred_at": on })
}

/// Moves as text.
fn said(moves: &Moves) -> Vec<String> {
    let name = |tier: &Option<TierId>| tier.as_ref().map_or("none".to_owned(), ToString::to_string);
    moves.0.iter().map(|((from, to), count)| format!("{} -> {}: {count}", name(from), name(to))).collect()
}

async fn anna(place: &Place) -> System {
    let system = System::new(place.client.clone(), &place.table("s")).await;
    system.at(instant("2023-01-01T05:00:00Z"));
    system.publish(&program(&json!("calendar_year")), &json!({})).await;
    system
}

async fn told_at(system: &System, at: &str, events: &[Value]) {
    system.at(instant(at));
    assert_eq!(system.tell(events).await.counts.applied, events.len() as u64);
}

async fn night(system: &System, at: &str) -> Insight {
    system.at(instant(at));
    system.sweep_all().await;
    latest(&system.store, &system.shop, system.now()).await.unwrap().unwrap()
}

async fn a_night_on_which_nothing_was_swept_is_in_the_flows_of_the_next(place: Place) {
    let system = anna(&place).await;
    night(&system, "2024-03-01T05:00:00Z").await;
    told_at(&system, "2024-03-01T12:00:00Z", &[order("1", 150, "2024-03-01T12:00:00Z")]).await;
    told_at(&system, "2024-03-02T12:00:00Z", &[order("2", 400, "2024-03-02T12:00:00Z")]).await;
    let found = night(&system, "2024-03-03T05:00:00Z").await;
    assert_eq!(
        (found.since, said(&found.flows)),
        (Some(instant("2024-03-01T05:00:00Z")), vec!["none -> gold: 1".to_owned()])
    );
}

async fn a_correction_restates_the_past_and_is_no_move(place: Place) {
    let system = anna(&place).await;
    told_at(&system, "2024-02-01T12:00:00Z", &[order("1", 150, "2024-02-01T12:00:00Z")]).await;
    assert_eq!(said(&night(&system, "2024-03-01T05:00:00Z").await.flows), Vec::<String>::new());
    // Told late: she had gold already when the night began.
    told_at(&system, "2024-03-01T12:00:00Z", &[order("2", 400, "2024-02-20T12:00:00Z")]).await;
    let found = night(&system, "2024-03-02T05:00:00Z").await;
    let in_gold = found.tiers.iter().find(|of| of.tier.as_ref().is_some_and(|tier| tier.as_str() == "gold")).unwrap();
    assert_eq!((in_gold.members, said(&found.flows)), (1, Vec::new()));
}

/// Two ticks at once may open a rollover beside one that is just ending. Both reach back to the same midnight, and the later one
/// has it all.
async fn a_rollover_that_was_overtaken_as_it_ended_is_not_counted_twice(place: Place) {
    let system = anna(&place).await;
    told_at(&system, "2024-03-01T12:00:00Z", &[order("1", 150, "2024-03-01T12:00:00Z")]).await;
    let model = night(&system, "2024-03-02T05:00:00Z").await;
    let since = instant("2024-03-01T05:00:00Z");
    for day in ["2024-03-03", "2024-03-04"] {
        let id = JobId { until: instant(&format!("{day}T05:00:00Z")), kind: Kind::Rollover };
        let job = Job {
            id,
            state: State::Running,
            opened_at: id.until,
            starts_at: id.until,
            ended_at: None,
            segments: 1,
            tally: None,
            since: Some(since),
            day: None,
            zones: BTreeSet::new(),
            lists: None,
        };
        system.store.open_job(&system.shop, &job).await.unwrap();
        let mut row = system.store.job(&system.shop, &id).await.unwrap().unwrap();
        row.body.state = State::Done;
        let found = Insight { job: id, as_of: id.until, since: Some(since), ..model.clone() };
        system.store.write_found(&system.shop, &mut row, &found).await.unwrap();
    }
    let all = flows(&system.store, &system.shop, since, instant("2024-03-04T05:00:00Z")).await.unwrap();
    assert_eq!((all.jobs, said(&all.moves)), (1, vec!["none -> silver: 1".to_owned()]));
}
