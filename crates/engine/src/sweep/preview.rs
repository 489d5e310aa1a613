//! A draft looked at before it is published: every member of the shop, read as a sweep reads them, and nothing written.

use futures::Stream;
use futures::stream::{self, StreamExt};
use rules::id::{MemberId, TierId};
use rules::preview::{Movement, preview};
use rules::version::Versions;
use store::shop::ShopId;
use store::{Store, StoreError};

use crate::preview::Preview;
use crate::sweep::PAGE;

/// So many parts are read at a time.
const AT_A_TIME: usize = 3;

/// One of 256 parts of a shop's members, previewed.
#[derive(Debug, Default)]
pub struct Part {
    /// What the draft would do to them, added up.
    pub preview: Preview,
    /// Those whose tier would change, by id, if they are asked for.
    pub changes: Vec<Changed>,
    /// How many do not read, and are not among them.
    pub unreadable: u64,
}

/// Somebody whose tier would change.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Changed {
    /// Who.
    pub member_id: MemberId,
    /// From which tier.
    pub from: Option<TierId>,
    /// To which.
    pub to: Option<TierId>,
    /// Up or down.
    pub movement: Movement,
}

/// The 256 parts of a shop, in their order, from one of them on. The draft is the newest of the versions
/// ([`Store::draft`]). `listed`: whether those who change are listed one by one.
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
        for (member, held) in alive {
            let outcome = preview(&held.ledger, &held.record, versions);
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
