//! Lanes of the ingest queue. Shops are spread over them and the lanes take turns, so that no shop waits for everything
//! that another shop has sent.

use store::shop::ShopId;

/// The prefix of the names of all lanes, and the name of the lane that belongs to no shop.
const INGEST: &str = "ingest";
/// The number of lanes that belong to shops.
pub const LANES: u8 = 16;

/// The lane in which messages of a shop wait to be ingested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lane(pub(super) u8);

impl Lane {
    /// The lane of a shop.
    pub fn of(shop: &ShopId) -> Self {
        Self(shop.place_among(LANES) + 1)
    }

    /// The lane that belongs to no shop: for messages that are replayed, and for those from earlier releases.
    pub fn common() -> Self {
        Self(0)
    }

    /// All lanes.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=LANES).map(Self)
    }

    /// The name of the lane's queue.
    pub fn name(self) -> String {
        if self.0 == 0 { INGEST.to_owned() } else { format!("{INGEST}-{}", self.0) }
    }
}
