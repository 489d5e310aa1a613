//! Notices lie with a member's history: told once, announced, and erased with the member. On every table.

use engine::verify::recompute;
use rules::id::MemberId;
use rules::notice::{Notice, due};
use rules::standing::evaluate;
use serde_json::json;
use store::announce::{About, EXPIRING, WITHIN_REACH};
use store::history::{self, Recorded};
use store::key::Spread;
use store::{Commit, StoreError};
use tests::dynamodb::Place;
use tests::system::{System, instant};

tests::for_every_table!(
    what_is_told_ahead_is_recorded_once_read_back_and_announced,
    what_was_told_ahead_changes_nothing_of_the_member_and_is_erased_with_them,
);

const NOW: &str = "2025-12-15T12:00:00Z";

/// Anna reached silver in 2024, and is near gold this year, when silver ends soon.
async fn shop(place: Place) -> System {
    let system = System::new(place.client, &place.prefix).await;
    system.at(instant("2024-01-01T00:00:00Z"));
    let program = json!({ "start_date": "2024-01-01", "notices": { "within_reach_percent": 100 },
                          "milestone": { "metric": "amount_spent", "period": "calendar_year" },
                          "tiers": [{ "id": "silver", "threshold": 100 }, { "id": "gold", "threshold": 500 }] });
    system.publish(&program, &json!({})).await;
    let order = |id: &str, total: u32, at: &str| json!({ "type": "order.paid", "member_id": "anna", "order_id": id, "total": total, "occurred_at": at });
    system.at(instant("2025-06-01T00:00:00Z"));
    let told = system.tell(&[order("1", 150, "2024-06-01T00:00:00Z"), order("2", 50, "2025-05-01T00:00:00Z")]).await;
    assert_eq!(told.counts.applied, 2);
    system.at(instant(NOW));
    system
}

fn anna() -> MemberId {
    MemberId::new("anna").unwrap()
}

/// Records every notice that is due to Anna.
async fn tell(system: &System) -> Result<Vec<Notice>, StoreError> {
    let (shop, member, at) = (&system.shop, &anna(), instant(NOW));
    let versions = system.store.versions(shop).await?.unwrap();
    let version = versions.in_force(at);
    let found = due(version, &evaluate(version, &system.member("anna").await.ledger, at), at);
    let about = About { shop, member, versions: &versions, recorded_at: at };
    let mut commit = Commit::default();
    for told in &found {
        commit.record(&system.store, history::notice(Spread::DEPLOYED, about, version, told, at))?;
    }
    system.store.commit(commit).await?;
    Ok(found)
}

async fn what_is_told_ahead_is_recorded_once_read_back_and_announced(place: Place) {
    let system = shop(place).await;
    let told = tell(&system).await.unwrap();
    assert!(matches!(told[..], [Notice::Expiring(_), Notice::WithinReach(_)]), "{told:?}");
    assert!(matches!(tell(&system).await, Err(StoreError::Conflict)), "the same is not told twice");
    let history = system.store.history(&system.shop, &anna()).await.unwrap();
    let [Recorded::Transition { .. }, Recorded::Expiring(ends), Recorded::WithinReach(near)] = &history[..] else {
        panic!("{history:?}")
    };
    assert_eq!((ends.tier.id.as_str(), ends.upcoming.as_ref(), ends.days), ("silver", None, 30));
    assert_eq!((near.next.id.as_str(), &*near.remaining, near.recorded_at), ("gold", "450.00", instant(NOW)));
    let mut kinds = Vec::new();
    for outbox in 0..Spread::DEPLOYED.outboxes() {
        let page = system.store.unpublished(&system.shop, outbox, instant("2026-01-01T00:00:00Z"), None).await.unwrap();
        kinds.extend(system.store.outgoing(&page.keys).await.unwrap().0.into_iter().map(|row| row.kind));
    }
    assert!(
        [EXPIRING, WITHIN_REACH].iter().all(|kind| kinds.iter().filter(|sent| sent == kind).count() == 1),
        "{kinds:?}"
    );
}

async fn what_was_told_ahead_changes_nothing_of_the_member_and_is_erased_with_them(place: Place) {
    let system = shop(place).await;
    tell(&system).await.unwrap();
    let versions = system.store.versions(&system.shop).await.unwrap().unwrap();
    let differs = async || {
        let found = recompute(&system.store, &system.shop, &anna(), &versions, system.now()).await.unwrap();
        found.differences
    };
    assert_eq!(differs().await, []);
    let erased = json!({ "type": "customer.erased", "member_id": "anna", "occurred_at": NOW });
    assert_eq!(system.tell(&[erased]).await.counts.applied, 1);
    assert_eq!(differs().await, []);
    assert_eq!(system.store.history(&system.shop, &anna()).await.unwrap(), []);
    let left: Vec<_> = system.items("ledger").await.into_iter().filter(|item| item.contains("anna")).collect();
    assert_eq!(left, Vec::<String>::new());
}
