//! Lanes of the ingest queue: shops are spread over them, and each lane has its turn, so that nobody waits for all that another
//! shop has sent.

use std::hash::{DefaultHasher, Hash, Hasher};

use store::shop::ShopId;

/// What the names of all lanes begin with, and the name of the one that belongs to no shop.
const INGEST: &str = "ingest";
/// So many lanes have shops.
pub const LANES: u8 = 16;

/// Where messages of a shop wait to be taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lane(pub(super) u8);

impl Lane {
    /// A shop's.
    pub fn of(shop: &ShopId) -> Self {
        let mut hasher = DefaultHasher::new();
        shop.hash(&mut hasher);
        Self(u8::try_from(hasher.finish() % u64::from(LANES)).unwrap_or_default() + 1)
    }

    /// The one that belongs to no shop: of what is tried again, and of what earlier releases sent.
    pub fn common() -> Self {
        Self(0)
    }

    /// All lanes.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=LANES).map(Self)
    }

    /// The name of its queue.
    pub fn name(self) -> String {
        if self.0 == 0 { INGEST.to_owned() } else { format!("{INGEST}-{}", self.0) }
    }
}
