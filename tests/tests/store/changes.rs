//! Changes of rules as a shop owner makes them: their effect on members, rewards and notices, the same in the preview and in the
//! sweep that follows.

use engine::preview::Preview;
use engine::sweep::preview::parts;
use rules::record::Change;
use rules::version::Published;
use serde_json::{Value, json};
use store::history::Recorded;
use tests::dynamodb::Place;
use tests::system::{System, instant};

tests::for_every_table!(
    changes_do_what_their_preview_says,
    switched_off_changed_and_switched_on_only_real_changes_are_announced,
    a_tier_list_changes_only_if_that_is_meant,
    readers_see_the_old_version_until_the_new_one_is_in_force,
    changed_reward_rules_hold_for_what_is_reached_from_then_on,
    what_a_change_brings_within_reach_is_told_at_the_next_midnight,
);

/// A program that counts spending in a lifetime: a tier once achieved is kept.
fn program(changes: &Value) -> Value {
    let mut program = json!({ "start_date": "2023-01-01", "milestone": { "metric": "amount_spent", "period": "lifetime" },
        "notices": { "expiring_days": [], "within_reach_percent": 0 },
        "tiers": [tier("silver", 100), tier("gold", 500)] });
    program.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    program
}

fn tier(id: &str, threshold: u32) -> Value {
    json!({ "id": id, "threshold": threshold, "entry_rewards": [{ "type": "points", "points": 50, "unit_cost": "1.50" }] })
}

/// Anna spent 600 in 2023: gold. Ben spent 150 in 2024, 60 of it tax, and is tagged: silver. Carl spent 90 and has 1,000
/// points: no tier yet.
async fn shop(place: &Place, name: &str, base: &Value) -> System {
    let system = System::new(place.client.clone(), &place.table(name)).await;
    system.at(instant("2023-01-01T00:00:00Z"));
    system.publish(&program(base), &json!({})).await;
    let order = |member: &str, total: u32, tax: u32, on: &str| {
        json!({ "type": "order.paid", "order_id": member, "member_id": member, "total": total.to_string(),
                "tax": tax.to_string(), "occurred_at": on })
    };
    let carl = json!({ "type": "points.earned", "entry_id": "p", "member_id": "carl", "points": 1000,
                       "occurred_at": "2024-04-01T10:00:00Z" });
    let ben = json!({ "type": "customer.tags_set", "member_id": "ben", "tags": ["vip"],
                      "occurred_at": "2024-04-01T10:00:00Z" });
    for told in [
        order("anna", 600, 0, "2023-06-01T10:00:00Z"),
        order("ben", 150, 60, "2024-03-01T10:00:00Z"),
        order("carl", 90, 0, "2024-03-01T10:00:00Z"),
        carl,
        ben,
    ] {
        system.at(instant(told["occurred_at"].as_str().unwrap()));
        assert_eq!(system.tell(&[told]).await.counts.applied, 1);
    }
    system.at(instant(NOW));
    system.sweep_all().await;
    system
}

const NOW: &str = "2024-07-01T10:00:00Z";
const MEMBERS: [&str; 3] = ["anna", "ben", "carl"];

/// The recorded history of every member, in words.
async fn told(system: &System) -> Vec<String> {
    let mut all = Vec::new();
    for name in MEMBERS {
        let member = rules::id::MemberId::new(name).unwrap();
        for row in system.store.history(&system.shop, &member).await.unwrap() {
            let tier =
                |tier: &Option<store::announce::Tier>| tier.as_ref().map_or("none".to_owned(), |it| it.id.to_string());
            all.push(match row {
                Recorded::Transition { event, .. } => {
                    let loud = if event.notify { ", told" } else { "" };
                    let what = match event.change {
                        Change::Entered => "enters",
                        Change::Upgraded => "rises to",
                        Change::Downgraded => "falls to",
                        Change::Left => "leaves",
                        Change::Renewed => "renews",
                    };
                    let to = if event.change == Change::Left { tier(&event.before) } else { tier(&event.after) };
                    format!("{name} {what} {to}{loud}")
                }
                Recorded::Reward { event, .. } => format!("{name} gets the rewards of {}", event.tier.id),
                Recorded::Birthday(event) => format!("{name} has a birthday on {}", event.on),
                Recorded::Correction(event) => format!("{name}: {}", event.summary),
                Recorded::Held(held) => format!("{name} holds {}", held.tier),
                Recorded::Expiring(event) => format!("{name}: {} expires", event.tier.id),
                Recorded::WithinReach(event) => format!("{name}: {} is within reach", event.next.id),
            });
        }
    }
    all
}

async fn preview(system: &System, program: &Value, options: &Value) -> Preview {
    let event = Published::of(system.now(), program, options, system.store.zones()).unwrap();
    let draft = system.store.draft(&system.shop, &event, system.now()).await.unwrap();
    let parts =
        futures::StreamExt::collect::<Vec<_>>(parts(&system.store, &system.shop, &draft.versions, true, 0)).await;
    parts.into_iter().fold(Preview::default(), |mut whole, part| {
        whole.merge(&part.unwrap().preview);
        whole
    })
}

/// A change, and its expected effect.
struct Case {
    what: &'static str,
    base: Value,
    change: Value,
    options: Value,
    expected: &'static [&'static str],
}

fn case(what: &'static str, change: Value, options: Value, expected: &'static [&'static str]) -> Case {
    Case { what, base: json!({}), change, options, expected }
}

fn cases() -> Vec<Case> {
    let spent = |period: Value| json!({ "metric": "amount_spent", "period": period });
    let tiers = |tiers: &[(&str, u32)]| tiers.iter().map(|(id, from)| tier(id, *from)).collect::<Vec<_>>();
    let apply = || json!({ "demotions": "apply" });
    vec![
        case(
            "a lower threshold lets people in, quietly and without rewards",
            json!({ "tiers": tiers(&[("silver", 80), ("gold", 500)]) }),
            json!({}),
            &["carl enters silver"],
        ),
        case(
            "the same, announced and rewarded because the publisher says so",
            json!({ "tiers": tiers(&[("silver", 80), ("gold", 500)]) }),
            json!({ "rewards": true, "notify": true }),
            &["carl enters silver, told", "carl gets the rewards of silver"],
        ),
        case(
            "a higher threshold takes nothing away where tiers are kept for life",
            json!({ "tiers": tiers(&[("silver", 100), ("gold", 700)]) }),
            json!({}),
            &["anna holds gold"],
        ),
        case(
            "unless the publisher means it",
            json!({ "tiers": tiers(&[("silver", 100), ("gold", 700)]) }),
            apply(),
            &["anna falls to silver"],
        ),
        case(
            "a tier added on top",
            json!({ "tiers": tiers(&[("silver", 100), ("gold", 500), ("platinum", 550)]) }),
            json!({ "while_active": true }),
            &["anna rises to platinum"],
        ),
        case(
            "a tier removed cannot be held",
            json!({ "tiers": tiers(&[("silver", 100)]) }),
            json!({ "while_active": true }),
            &["anna falls to silver"],
        ),
        case(
            "names and rewards are free to change",
            json!({ "name": "Club", "tiers": [json!({ "id": "silver", "name": "S", "threshold": 100 }), tier("gold", 500)],
                    "skipped_tier_rewards": "all_skipped", "repeat_tier_rewards": true }),
            json!({ "rewards": true, "notify": true }),
            &[],
        ),
        case(
            "a start moved forward leaves out what came before",
            json!({ "start_date": "2024-01-01" }),
            apply(),
            &["anna leaves gold"],
        ),
        Case {
            base: json!({ "start_date": "2024-01-01" }),
            ..case(
                "a start moved backward counts it again",
                json!({ "start_date": "2023-01-01" }),
                json!({}),
                &["anna enters gold"],
            )
        },
        case(
            "another metric counts other facts",
            json!({ "milestone": { "metric": "points_earned", "period": "lifetime" } }),
            apply(),
            &["anna leaves gold", "ben leaves silver", "carl enters gold"],
        ),
        case(
            "customer tags in place of amounts",
            json!({ "milestone": { "metric": "customer_tags" },
                    "tiers": [{ "id": "silver", "tags": ["vip"] }, { "id": "gold", "tags": ["svip"] }] }),
            apply(),
            &["anna leaves gold"],
        ),
        case(
            "a trailing year in place of a lifetime",
            json!({ "milestone": spent(json!({ "rolling": { "days": 365 } })) }),
            apply(),
            &["anna leaves gold"],
        ),
        case(
            "the calendar year in place of a lifetime clamps the start to January 1; a member who would drop is held",
            json!({ "milestone": spent(json!("calendar_year")) }),
            json!({}),
            &["anna holds gold"],
        ),
        case(
            "365 days from the last upgrade: the tier of a year ago is over",
            json!({ "milestone": spent(json!("since_last_upgrade")) }),
            apply(),
            &["anna leaves gold"],
        ),
        case("tax no longer counts", json!({ "spend": { "include_tax": false } }), apply(), &["ben leaves silver"]),
        case("another time zone", json!({ "timezone": "Pacific/Auckland" }), apply(), &[]),
        case("switching off announces nothing", json!({ "active": false }), json!({ "notify": true }), &[]),
        Case {
            base: json!({ "milestone": { "metric": "customer_tags" },
                          "tiers": [{ "id": "silver", "tags": ["vip"] }, { "id": "gold", "tags": ["svip"] }] }),
            ..case(
                "the tags of tiers are free to change",
                json!({ "tiers": [{ "id": "silver", "tags": ["member"] }, { "id": "gold", "tags": ["vip"] }] }),
                json!({}),
                &["ben rises to gold"],
            )
        },
        Case {
            base: json!({ "active": false }),
            ..case(
                "switching on announces what everybody has by then",
                json!({ "active": true }),
                json!({ "notify": true }),
                &["anna enters gold, told", "ben enters silver, told"],
            )
        },
    ]
}

async fn changes_do_what_their_preview_says(place: Place) {
    for (n, Case { what, base, change, options, expected }) in cases().into_iter().enumerate() {
        let system = shop(&place, &format!("case{n}"), &base).await;
        let before = told(&system).await;
        let mut merged = base;
        merged.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let program = program(&merged);
        let preview = preview(&system, &program, &options).await;
        assert_eq!(told(&system).await, before, "{what}: a preview writes nothing");
        system.publish(&program, &options).await;
        system.sweep_all().await;
        let mut came = told(&system).await;
        came.retain(|row| !before.contains(row));
        assert_eq!(came, expected, "{what}");
        let version = system.store.versions(&system.shop).await.unwrap().unwrap().last().number;
        let job = format!("2024-07-01T10:00:00.000Z-recalculation-{version}").parse().unwrap();
        let tally = system.sweep.progress(&system.shop, &job).await.unwrap().unwrap().so_far;
        let moves = preview.moves;
        let swept = (tally.members, tally.entered, tally.upgraded, tally.downgraded, tally.left, tally.held);
        assert_eq!(
            (preview.members, moves.entered, moves.upgraded, moves.downgraded, moves.left, preview.held),
            swept,
            "{what}"
        );
        let rewards: u64 = preview.rewards.values().map(|rewards| rewards.due).sum();
        assert_eq!(
            (rewards, came.iter().filter(|row| row.contains("rewards")).count() as u64),
            (tally.rewards, rewards),
            "{what}"
        );
    }
}

/// The steps that AiTrillion asks of its merchants: switch off, add a tier, switch on.
async fn switched_off_changed_and_switched_on_only_real_changes_are_announced(place: Place) {
    let system = shop(&place, "off", &json!({})).await;
    let before = told(&system).await;
    let with = json!([tier("silver", 100), tier("gold", 500), tier("platinum", 550)]);
    for (minute, change) in
        [(1, json!({ "active": false })), (2, json!({ "active": false, "tiers": with })), (3, json!({ "tiers": with }))]
    {
        system.at(instant(NOW).plus_millis(minute * 60_000));
        system.publish(&program(&change), &json!({ "notify": true })).await;
        system.sweep_all().await;
    }
    let mut came = told(&system).await;
    came.retain(|row| !before.contains(row));
    assert_eq!(came, ["anna rises to platinum, told"]);
}

async fn a_tier_list_changes_only_if_that_is_meant(place: Place) {
    let system = shop(&place, "meant", &json!({})).await;
    let changed = program(&json!({ "tiers": [tier("silver", 100), tier("gold", 500), tier("platinum", 900)] }));
    let event = Published::of(system.now(), &changed, &json!({}), system.store.zones()).unwrap();
    let refused = system.store.draft(&system.shop, &event, system.now()).await.unwrap_err();
    assert!(refused.to_string().starts_with("program_active"), "{refused}");
    assert_eq!(system.store.versions(&system.shop).await.unwrap().unwrap().last().number, 1);
}

async fn readers_see_the_old_version_until_the_new_one_is_in_force(place: Place) {
    let system = shop(&place, "pending", &json!({})).await;
    let at = instant(NOW).plus_millis(3_600_000);
    let dearer = program(&json!({ "tiers": [tier("silver", 100), tier("gold", 700)] }));
    let event = Published::of(at, &dearer, &json!({ "demotions": "apply" }), system.store.zones()).unwrap();
    let publication = store::Publication { event, by: "eve".to_owned(), why: "too easy".to_owned() };
    system.store.publish(&system.shop, &publication, system.now()).await.unwrap();
    system.ingest.invalidate_programs();
    let versions = system.store.versions(&system.shop).await.unwrap().unwrap();
    let before = told(&system).await;
    for (now, version, tier) in [(at.plus_millis(-1), 1, "gold"), (at, 2, "silver")] {
        system.at(now);
        system.sweep_all().await;
        let anna = system.member("anna").await;
        let standing = rules::standing::evaluate(versions.in_force(now), &anna.ledger, now);
        assert_eq!(versions.in_force(now).number, version);
        assert_eq!(versions.in_force(now).program.tier_id(standing.tier).unwrap().as_str(), tier);
        assert_eq!(system.tier("anna").await.as_deref(), Some(tier));
    }
    let mut came = told(&system).await;
    came.retain(|row| !before.contains(row));
    assert_eq!(came, ["anna falls to silver"]);
}

/// Carl gets the rewards of the rules in force: none for what was reached before, those of both tiers from now on.
async fn changed_reward_rules_hold_for_what_is_reached_from_then_on(place: Place) {
    let system = shop(&place, "rewards", &json!({})).await;
    let before = told(&system).await;
    system.publish(&program(&json!({ "skipped_tier_rewards": "all_skipped" })), &json!({ "rewards": true })).await;
    system.sweep_all().await;
    assert_eq!(told(&system).await, before);
    let order =
        json!({ "type": "order.paid", "order_id": "more", "member_id": "carl", "total": "500", "occurred_at": NOW });
    assert_eq!(system.tell(&[order]).await.counts.applied, 1);
    let mut came = told(&system).await;
    came.retain(|row| !before.contains(row));
    assert_eq!(came, ["carl enters gold, told", "carl gets the rewards of gold", "carl gets the rewards of silver"]);
}

/// Ben's 150 are far from 500, and near 160.
async fn what_a_change_brings_within_reach_is_told_at_the_next_midnight(place: Place) {
    let notices = json!({ "expiring_days": [30], "within_reach_percent": 10 });
    let system = shop(&place, "notices", &json!({ "notices": notices })).await;
    let before = told(&system).await;
    let nearer = json!({ "notices": notices, "tiers": [tier("silver", 100), tier("gold", 160)] });
    system.publish(&program(&nearer), &json!({})).await;
    system.sweep_all().await;
    assert_eq!(told(&system).await, before, "the change itself tells nothing");
    for day in ["2024-07-02", "2024-07-03"] {
        system.at(instant(&format!("{day}T00:00:00Z")));
        system.sweep_all().await;
    }
    let mut came = told(&system).await;
    came.retain(|row| !before.contains(row));
    assert_eq!(came, ["ben: gold is within reach"]);
}
