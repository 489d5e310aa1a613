//! placeholder
use super::item::Item;
use super::key;
use crate::shop::ShopId;
use rules::calendar::Instant;
use rules::id::MemberId;
use rules::record::Row;
use rules::version::Versions;
/// x
pub fn item(shop: &ShopId, member: &MemberId, row: &Row, _versions: &Versions, now: Instant) -> Item {
    let k = match row {
        Row::Transition(t) => key::transition(shop, member, t.seq),
        Row::Reward(r) => key::reward(shop, member, r.transition, &r.tier),
        Row::Birthday(b) => key::birthday(shop, member, b.on.year()),
        Row::Held(_) => key::hold(shop, member, 0),
    };
    let (by, at) = key::BY_MEMBER;
    Item::at(&k).text(by, key::about(shop, member)).text(at, key::at(now))
}
