//! The storage in DynamoDB: facts, members and what was recorded about them, programs.
//!
//! - **members** has one item per member, the compact value of `rules::compact`, with pages for heavy members. It can
//!   be rebuilt, except for what is on record.
//! - **ledger** has one row per subject with the latest revision of its facts, and one row per transition and reward:
//!   audit, history and outbox in one. It also has one row per published version, to be announced.
//! - **control** has program versions, the shops, jobs with the lists and the insight that they wrote, and the
//!   quarantine.
//!
//! A [`Commit`] gives every item a version of its own and writes it only if the item is exactly as it was read. A
//! writer that loses a race loads again and decides again.

pub mod announce;
mod commit;
mod draft;
mod erase;
mod error;
pub mod history;
mod item;
mod job;
pub mod key;
mod list;
mod load;
mod merged;
mod meter;
mod money;
mod outbox;
mod program;
mod quarantine;
mod query;
pub mod records;
mod request;
mod scan;
pub mod shop;
mod sortable;
mod spread;
pub mod table;
mod timeline;
pub mod unread;
mod walk;

pub use commit::{Commit, WRITES_MAX};
pub use draft::SavedDraft;
pub use erase::owns_subject;
pub use error::{Remedy, Source, StoreError, in_words};
pub use item::{Attributes, Item};
pub use job::Row;
pub use list::NewListRow;
pub use load::{Member, StoredMember, StoredSubject};
pub use merged::{Links, MERGED_MAX, OtherId, Tombstone, merges_of};
pub use meter::{Meter, Units};
pub use outbox::{OutboxBatch, Outgoing};
pub use program::{
    BroughtForward, PastPublication, Publication, PublicationError, SETTLED_MS, VersionDraft, Withdrawn, published,
};
pub use quarantine::{Exact, QuarantineMark, QuarantinePage, TURN_MS_MAX};
pub use request::{DataRequest, REDACTED_AFTER_MS, Redaction};
pub use scan::Scanned;
pub use timeline::{Mark, Stretch, Told};

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use rules::calendar::Zones;

use crate::shop::{Aliases, ShopId};
use table::Tables;

/// The tables of a deployment, with a count of the capacity used through this handle.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    tables: Arc<Tables>,
    zones: Zones,
    aliases: Aliases,
    meter: Arc<Meter>,
}

impl Store {
    /// Opens the tables behind a client. Programs are read by the built-in release of the time zone database.
    pub fn new(client: Client, tables: Tables) -> Self {
        let (zones, aliases) = (Zones::built_in(), Aliases::default());
        Self { client, tables: Arc::new(tables), zones, aliases, meter: Arc::default() }
    }

    /// Reads programs by another release of the time zone database.
    #[must_use]
    pub fn with_zones(self, zones: Zones) -> Self {
        Self { zones, ..self }
    }

    /// Takes other names for shops.
    #[must_use]
    pub fn with_aliases(self, aliases: Aliases) -> Self {
        Self { aliases, ..self }
    }

    /// The shop that a name means, in an event, a request or a token: the name may be an alias.
    pub fn shop_named(&self, name: ShopId) -> ShopId {
        self.aliases.shop(name)
    }

    /// Whether a shop may be several shops of Shopify ([`Aliases::are_several`](shop::Aliases::are_several)).
    pub fn has_several_names(&self, shop: &ShopId) -> bool {
        self.aliases.are_several(shop)
    }

    /// The time zones that programs are read by.
    pub fn zones(&self) -> &Zones {
        &self.zones
    }

    /// The meter of what was used through this handle and its clones.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// The client, for what only a single machine does: creating tables, and queues of its own.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The tables.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }
}

/// The only shop of a store, if it has exactly one beside the canary's.
///
/// # Errors
/// See [`StoreError`].
pub async fn only_shop(store: &Store) -> Result<Option<ShopId>, StoreError> {
    let mut shops = store.shops().await?;
    shops.retain(|shop| !shop.is_canary());
    Ok(match shops.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    })
}

/// The number of shops that a message names; of more it gives the number.
const SHOPS_NAMED_MAX: usize = 10;

/// The shops with a program in words, for the message about a shop that has none; none if there are none. The canary's
/// shop is not named.
pub fn shops_in_words(shops: &[ShopId]) -> Option<String> {
    let names: Vec<String> = shops.iter().filter(|shop| !shop.is_canary()).map(|shop| format!("`{shop}`")).collect();
    let named = names.iter().take(SHOPS_NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => None,
        1 => Some(format!("the shop with a program is {named}")),
        2..=SHOPS_NAMED_MAX => Some(format!("the shops with a program are {named}")),
        all => Some(format!("of the {all} shops with a program, the first are {named}")),
    }
}
