//! Where a member stands now, and why, as JSON.

use rules::explain::explain;
use rules::id::MemberId;
use rules::prose::{Lists, prose};
use rules::standing::evaluate;
use serde_json::{Value, json};
use service::shop::ShopId;
use service::store::StoreError;
use service::wire::history;

use super::System;

/// The standing of a member; none if nothing is known of them, or they were erased.
///
/// # Errors
/// See [`StoreError`].
pub async fn standing(system: &System, shop: &ShopId, member: &MemberId) -> Result<Option<Value>, StoreError> {
    let now = system.time.now();
    let Some(versions) = system.store.versions(shop).await? else { return Ok(None) };
    let held = system.store.members(shop, [member.clone()]).await?.remove(member);
    let Some(held) = held.filter(|held| held.is_stored() && !held.erased) else { return Ok(None) };
    let version = versions.in_force(now);
    let standing = evaluate(version, &held.ledger, now);
    let explanation = explain(version, &held.ledger, now);
    Ok(Some(json!({
        "shop": shop,
        "member_id": member,
        "as_of": now,
        "standing": history::standing(version, &standing),
        "prose": prose(version, &standing, &explanation, Lists::Short),
    })))
}
