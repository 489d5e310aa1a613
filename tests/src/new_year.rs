//! A shop on the eve of 2025, and its events: the material for tests of sweeps.

use aws_sdk_dynamodb::Client;
use engine::sweep::Progress;
use serde_json::{Value, json};
use store::announce::Tier;
use store::history::Recorded;

use crate::system::{System, instant};

const TIERS: [(&str, u32); 2] = [("silver", 100), ("gold", 500)];

/// A program that counts spending in a calendar year.
pub fn program(changes: Value) -> Value {
    let tier = |(id, threshold): (&str, u32)| {
        json!({ "id": id, "threshold": threshold, "entry_rewards": [{ "type": "points", "points": 50 }],
                "perks": [{ "type": "birthday_points", "points": 100 }] })
    };
    let mut program = json!({ "start_date": "2023-01-01", "timezone": "America/New_York",
        "milestone": { "metric": "amount_spent", "period": "calendar_year" }, "tiers": TIERS.map(tier) });
    program.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    program
}

/// An order.
pub fn order(id: &str, member: &str, total: u32, on: &str) -> Value {
    json!({ "type": "order.paid", "order_id": id, "member_id": member, "total": total.to_string(), "occurred_at": on })
}

/// The new year of 2025 in the program's time zone.
pub const NEW_YEAR: &str = "2025-01-01T05:00:00Z";

/// A shop on the eve of 2025. Anna was gold in 2023 and has spent nothing since: she leaves. Ben was gold and made silver: he is
/// downgraded. Carl made gold again: he keeps it. Dora never had a tier.
pub async fn eve(client: Client, prefix: &str) -> System {
    let system = System::new(client, prefix).await;
    system.at(instant("2023-01-01T05:00:00Z"));
    system.publish(&program(json!({})), &json!({})).await;
    for (n, (member, total, on)) in [
        ("anna", 600, "2023-03-01T10:00:00Z"),
        ("ben", 700, "2023-03-01T10:00:00Z"),
        ("carl", 800, "2023-03-01T10:00:00Z"),
        ("dora", 20, "2023-04-01T10:00:00Z"),
        ("ben", 150, "2024-06-01T10:00:00Z"),
        ("carl", 500, "2024-06-01T10:00:00Z"),
    ]
    .into_iter()
    .enumerate()
    {
        system.at(instant(on));
        let report = system.tell(&[order(&n.to_string(), member, total, on)]).await;
        assert_eq!(report.counts.applied, 1, "{report:?}");
    }
    system
}

/// The members of the shop.
pub const MEMBERS: [&str; 4] = ["anna", "ben", "carl", "dora"];

/// The history of a member: its rows, without the instants at which they were recorded.
pub async fn history(system: &System, member: &str) -> Vec<String> {
    let member = rules::id::MemberId::new(member).unwrap();
    let rows = system.store.history(&system.shop, &member).await.unwrap();
    let told = |row: Recorded| match row {
        Recorded::Transition { event, .. } => {
            let tier = |tier: &Option<Tier>| tier.as_ref().map_or("none".to_owned(), |it| it.id.to_string());
            let (from, to) = (tier(&event.before), tier(&event.after));
            format!("{} {:?} {from}->{to} {} {:?}", event.sequence, event.change, event.effective_at, event.cause)
        }
        Recorded::Reward { event, .. } => format!("{} reward {}", event.sequence, event.tier.id),
        Recorded::Birthday(event) => format!("birthday {} {}", event.on, event.points),
        Recorded::Correction(event) => format!("corrected {}", event.summary),
        Recorded::Held(held) => format!("held {} by {}", held.tier, held.version),
        Recorded::Expiring(event) => format!("{} expires {} in {}", event.tier.id, event.valid_until, event.days),
        Recorded::WithinReach(event) => format!("{} to {}", event.remaining, event.next.id),
    };
    rows.into_iter().map(told).collect()
}

/// The histories of all members.
pub async fn histories(system: &System) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for member in MEMBERS {
        all.push(history(system, member).await);
    }
    all
}

/// The progress of a job.
pub async fn job(system: &System, id: &str) -> Progress {
    system.sweep.progress(&system.shop, &id.parse().unwrap()).await.unwrap().unwrap()
}

/// The job of the new year.
pub const ROLLOVER: &str = "2025-01-01T05:00:00.000Z-rollover";

/// The counts of a job: members, and those who kept their tier, were downgraded, left, and had none.
pub fn counted(progress: &Progress) -> (u64, u64, u64, u64, u64) {
    let tally = &progress.so_far;
    (tally.members, tally.retained, tally.downgraded, tally.left, tally.without)
}
