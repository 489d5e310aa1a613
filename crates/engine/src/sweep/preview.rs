//! The preview of a draft before it is published. It reads every member of the shop as a sweep does, and writes
//! nothing.

use futures::Stream;
use futures::stream::{self, StreamExt};
use rules::id::{MemberId, TierId};
use rules::preview::{Movement, preview};
use rules::version::Versions;
use store::shop::ShopId;
use store::{Store, StoreError};

use crate::preview::Preview;
use crate::sweep::PAGE;

/// The number of parts read at a time.
const AT_A_TIME: usize = 3;

/// One of 256 parts of a shop's members, previewed.
#[derive(Debug, Default)]
pub struct Part {
    /// The preview of these members, added up.
    pub preview: Preview,
    /// The members whose tier would change, by id, if requested.
    pub changes: Vec<Changed>,
    /// The number of members who cannot be decoded, and are not counted.
    pub unreadable: u64,
}

/// A member whose tier would change.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Changed {
    /// The member.
    pub member_id: MemberId,
    /// The tier before.
    pub from: Option<TierId>,
    /// The tier after.
    pub to: Option<TierId>,
    /// The direction.
    pub movement: Movement,
}

/// The 256 parts of a shop in order, starting with one of them. The draft is the newest of the versions
/// ([`Store::draft`]). `listed` says whether members whose tier changes are listed.
pub fn parts<'a>(
    store: &'a Store,
    shop: &'a ShopId,
    versions: &'a Versions,
    listed: bool,
    from: u16,
) -> impl Stream<Item = Result<Part, StoreError>> + 'a {
    let parts = from..store.tables().spread.buckets();
    stream::iter(parts).map(move |bucket| part(store, shop, versions, bucket, listed)).buffered(AT_A_TIME)
}

async fn part(
    store: &Store,
    shop: &ShopId,
    versions: &Versions,
    bucket: u16,
    listed: bool,
) -> Result<Part, StoreError> {
    let (mut part, mut behind) = (Part::default(), None);
    loop {
        let page = store.scan(shop, (bucket, behind.as_deref()), PAGE).await?;
        part.unreadable += page.unreadable.len() as u64;
        let alive = page.members.into_iter().filter_map(|(id, stored)| Some((id, stored.alive()?)));
        for (member, held) in alive.filter(|(_, held)| held.stands_for.is_none()) {
            let others = held.others.iter().map(|other| &other.record);
            let outcome =
                held.record.clone().sharing_with(others, |record| preview(&held.counting(), record, versions));
            part.preview.add(&member, &outcome);
            if listed && outcome.movement != Movement::Retained {
                let (from, to) = (outcome.before.tier, outcome.after.tier);
                part.changes.push(Changed { member_id: member, from, to, movement: outcome.movement });
            }
        }
        behind = page.next;
        if behind.is_none() {
            return Ok(part);
        }
    }
}
