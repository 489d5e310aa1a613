//! A preview agrees with what publishing then does, member for member, and its parts make the same whole in any order.

use engine::preview::{Preview, SAMPLES_MAX, picture};
use proptest::prelude::*;
use pure_tests::random::{BEGIN, HOUR, arrival, at, erasure, message, programs, published, replayed};
use rules::advance::advance;
use rules::calendar::{Instant, Zones};
use rules::id::MemberId;
use rules::preview::{Movement, Outcome, preview};
use rules::record::{Change, Row};
use rules::replay::Replay;
use rules::standing::evaluate;
use rules::version::{Options, Published, Versions};
use serde_json::{Value, json};

/// A shop's story up to an instant, and a draft that is published then.
fn stories() -> impl Strategy<Value = (Value, Vec<Value>, i64, Value)> {
    let lines = prop::collection::vec(prop_oneof![12 => message(), 1 => published()], 1..40);
    (programs(), lines, erasure(), 0..2000_i64, published()).prop_map(
        |(program, mut lines, erased, hours, mut draft)| {
            lines.extend(erased);
            lines.sort_by(|a, b| arrival(a).cmp(arrival(b)));
            // Half of all drafts take effect at a midnight, where periods end too.
            let hours = if hours % 2 == 0 { hours / 24 * 24 } else { hours };
            draft["occurred_at"] = at(hours).into();
            (program, lines, hours, draft)
        },
    )
}

fn with_draft(versions: &Versions, draft: &Value) -> Versions {
    let Published { at, program, options, .. } = Published::read(draft.clone(), &Zones::built_in()).unwrap();
    let mut versions = versions.clone();
    versions.publish(program, at, Options { while_active: true, ..options }, false).unwrap();
    versions
}

/// The move of the tier on record by these rows, from the transitions alone.
fn moved(rows: &[Row]) -> Movement {
    let kinds = rows.iter().filter_map(|row| match row {
        Row::Transition(made) if made.kind != Change::Renewed => Some(made.kind),
        Row::Transition(_) | Row::Reward(_) | Row::Birthday(_) | Row::Correction(_) | Row::Held(_) => None,
    });
    match kinds.collect::<Vec<_>>().as_slice() {
        [] => Movement::Retained,
        [Change::Entered] => Movement::Entered,
        [Change::Upgraded] => Movement::Upgraded,
        [Change::Downgraded] => Movement::Downgraded,
        [Change::Left] => Movement::Left,
        several => panic!("one change, and {several:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_outcome_of_every_member_is_what_publishing_then_records((program, lines, hours, draft) in stories()) {
        let change = Instant::from_millis(BEGIN + hours * HOUR);
        let until = lines.iter().filter(|line| Instant::parse(arrival(line)).unwrap() < change).cloned().collect::<Vec<_>>();
        let mut replay = replayed(&program, &until, until.last().map_or(change, |last| Instant::parse(arrival(last)).unwrap()));
        // The first version is in force from the beginning, whatever it says.
        prop_assume!(replay.versions().iter().skip(1).all(|version| version.effective_at < change));
        let versions = with_draft(replay.versions(), &draft);
        let members: Vec<_> = replay.members().into_iter().cloned().collect();
        let before: Vec<(Outcome, usize, Vec<Row>)> = members.iter().map(|id| {
            let ledger = replay.index().ledger(id).cloned().unwrap_or_default();
            let record = replay.record(id).cloned().unwrap_or_default();
            let mut anyway = (ledger.clone(), record.clone());
            let due = advance(&mut anyway.0, &mut anyway.1, replay.versions(), change.plus_millis(-1));
            (preview(&ledger, &record, &versions), replay.rows(id).len(), due)
        }).collect();

        replay.line(&draft, change).unwrap();
        prop_assert_eq!(replay.versions(), &versions);
        for (id, (outcome, recorded, due)) in members.iter().zip(&before) {
            let expected: Vec<Row> = due.iter().chain(&outcome.rows).cloned().collect();
            prop_assert_eq!(&replay.rows(id)[*recorded..], &*expected, "{}", id);
            let record = replay.record(id).cloned().unwrap_or_default();
            prop_assert_eq!(record.tier(), outcome.after.tier.as_ref());
            prop_assert_eq!(outcome.movement, moved(&outcome.rows));
            let ledger = replay.index().ledger(id).cloned().unwrap_or_default();
            let standing = evaluate(versions.last(), &ledger, change);
            prop_assert_eq!(outcome.after.valid_until, standing.valid_until);
            if outcome.wiped {
                prop_assert!(standing.progress.is_none_or(|progress| progress.counted <= rules::quantity::Quantity::ZERO));
            }
            let rewarded = outcome.rows.iter().filter(|row| matches!(row, Row::Reward(_))).count();
            prop_assert_eq!(outcome.rewards.len(), rewarded);
        }
    }
}

fn tiers(silver: u32, gold: u32) -> Value {
    json!([{ "id": "silver", "name": "Silver", "threshold": silver,
             "entry_rewards": [{ "type": "points", "points": 50, "unit_cost": "0.5" }, { "type": "free_shipping" }] },
           { "id": "gold", "name": "Gold", "threshold": gold, "entry_rewards": [{ "type": "discount_percent", "percent": "10", "unit_cost": "12.25" }] }])
}

fn shop(tiers: &Value) -> Value {
    json!({ "start_date": "2024-01-01", "milestone": { "metric": "amount_spent", "period": "calendar_year" }, "tiers": tiers })
}

fn spent(member: &str, total: u32) -> Value {
    json!({ "type": "order.paid", "order_id": member, "member_id": member, "total": total, "occurred_at": "2024-02-01T12:00:00Z" })
}

/// The outcome of every member, in order of id, and the versions with the draft among them.
fn outcomes(program: &Value, facts: &[Value], draft: &Value, options: &Value) -> (Versions, Vec<(MemberId, Outcome)>) {
    let replay = replayed(program, facts, Instant::parse("2024-06-01T00:00:00Z").unwrap());
    let event = json!({ "type": "program.published", "occurred_at": "2024-07-01T00:00:00Z", "program": draft, "options": options });
    let versions = with_draft(replay.versions(), &event);
    let of = |id: &MemberId| {
        let (ledger, record) = (replay.index().ledger(id).unwrap(), replay.record(id).unwrap());
        (id.clone(), preview(ledger, record, &versions))
    };
    let all = Replay::members(&replay).into_iter().map(of).collect();
    (versions, all)
}

fn added<'a>(all: impl IntoIterator<Item = &'a (MemberId, Outcome)>) -> Preview {
    let mut sum = Preview::default();
    all.into_iter().for_each(|(id, outcome)| sum.add(id, outcome));
    sum
}

/// Two members in silver, one in gold, thirty without a tier.
fn members() -> Vec<Value> {
    let few = (0..30).map(|n| spent(&format!("m{n:02}"), 40 + n));
    few.chain([spent("anna", 120), spent("ben", 450), spent("carl", 700)]).collect()
}

#[test]
fn a_preview_counts_the_moves_of_members_and_their_cost() {
    let program = shop(&tiers(100, 500));
    let (versions, all) = outcomes(&program, &members(), &shop(&tiers(60, 400)), &json!({ "rewards": true }));
    let sum = added(&all);
    let moves = sum.moves;
    assert_eq!(
        (sum.members, moves.entered, moves.upgraded, moves.retained, moves.downgraded, moves.without_tier),
        (33, 10, 1, 2, 0, 20)
    );
    let told: Vec<_> = sum
        .rewards
        .iter()
        .map(|(tier, due)| (tier.as_str(), due.due, due.unit_cost.to_string(), due.unpriced))
        .collect();
    assert_eq!(told, [("gold", 1, "12.25".to_owned(), 0), ("silver", 10, "5".to_owned(), 10)]);
    let [old, new] = versions.iter().collect::<Vec<_>>()[..] else { panic!() };
    let picture = picture(&sum, old, new);
    let expected = "\
from ↓  to →   Gold     Silver     no tier
Gold              1          ·           ·     ━━━━━━━━━━━━━━━━━━━━━━━━
Silver            1 ▲        1           ·     ━━━━━━━━━━━━▲▲▲▲▲▲▲▲▲▲▲▲
no tier           ·         10 ▲        20     ━━━━━━━━━━━━━━━━▲▲▲▲▲▲▲▲

33 members: 10 entered, 1 upgraded, 2 retained, 20 without a tier
entry rewards of Gold for 1 member: 12.25 USD
entry rewards of Silver for 10 members: 5.00 USD, and 10 of no known cost
";
    assert_eq!(picture, expected);
}

#[test]
fn a_preview_shows_what_is_wiped_held_and_moved_to_another_end() {
    let program = shop(&tiers(100, 500));
    let dearer = shop(&tiers(100, 900));
    let (_, all) = outcomes(&program, &members(), &dearer, &json!({ "demotions": "hold" }));
    let sum = added(&all);
    assert_eq!((sum.held, sum.moves.retained, sum.wiped, sum.rewards.len()), (1, 3, 0, 0));
    let (versions, all) = outcomes(&program, &members(), &dearer, &json!({}));
    let sum = added(&all);
    assert_eq!((sum.held, sum.moves.downgraded, sum.moves.retained), (0, 1, 2));
    let [old, new] = versions.iter().collect::<Vec<_>>()[..] else { panic!() };
    assert!(picture(&sum, old, new).contains("1 ▼"));

    let mut points = program.clone();
    points["milestone"]["metric"] = json!("points_earned");
    let (_, all) = outcomes(&program, &members(), &points, &json!({}));
    let sum = added(&all);
    assert_eq!((sum.wiped, sum.moves.left), (33, 3));

    for (period, expected) in [(json!("lifetime"), (0, 0, 3, 0)), (json!({ "rolling": { "days": 200 } }), (0, 3, 0, 0))]
    {
        let mut other = program.clone();
        other["milestone"]["period"] = period;
        let validity = added(&outcomes(&program, &members(), &other, &json!({})).1).validity;
        assert_eq!((validity.longer, validity.shorter, validity.now_without_end, validity.now_with_end), expected);
    }
}

#[test]
fn the_first_members_of_each_way_are_named() {
    let (_, all) = outcomes(&shop(&tiers(100, 500)), &members(), &shop(&tiers(100, 400)), &json!({}));
    let sum = added(&all);
    let (way, passage) = sum.ways.first_key_value().unwrap();
    assert_eq!((&way.from, &way.to, passage.members, passage.samples.len()), (&None, &None, 30, SAMPLES_MAX));
    let last = passage.samples.last().unwrap().as_str();
    assert_eq!(last, "m19");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parts_of_a_preview_make_the_same_whole_in_any_order(
        order in Just((0..33_usize).collect::<Vec<_>>()).prop_shuffle(),
        cuts in prop::collection::vec(1..12_usize, 1..8),
    ) {
        let draft = shop(&tiers(60, 400));
        let (_, all) = outcomes(&shop(&tiers(100, 500)), &members(), &draft, &json!({ "rewards": true }));
        let whole = added(&all);
        let mut rest = order.as_slice();
        let mut sum = Preview::default();
        for cut in cuts.iter().cycle() {
            let (some, others) = rest.split_at((*cut).min(rest.len()));
            let part = serde_json::to_string(&added(some.iter().map(|place| &all[*place]))).unwrap();
            sum.merge(&serde_json::from_str(&part).unwrap());
            rest = others;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(sum, whole);
    }
}
