//! Lanes of the ingest queue. Shops are spread over them and the lanes take turns, so that no shop waits for everything
//! that another shop has sent. A history that is loaded has a lane of its own, so that a live event waits for a batch
//! of it, not for all of it.

use store::shop::ShopId;

/// The prefix of the names of all lanes, and the name of the lane that belongs to no shop.
const INGEST: &str = "ingest";
/// The number of lanes that belong to shops.
pub const LANES: u8 = 16;

/// The number of all lanes: those of shops, the common one, and that of histories.
pub const LANES_ALL: usize = LANES as usize + 2;

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

    /// The lane of histories, whichever shop they are of.
    pub fn history() -> Self {
        Self(LANES + 1)
    }

    /// All lanes.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=LANES + 1).map(Self)
    }

    /// The name of the lane's queue.
    pub fn name(self) -> String {
        match self.0 {
            0 => INGEST.to_owned(),
            1..=LANES => format!("{INGEST}-{}", self.0),
            _ => format!("{INGEST}-history"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Queues;

    #[tokio::test]
    async fn a_live_event_is_in_the_next_batch_however_long_the_history_before_it() {
        let store = embedded_dynamodb::Store::memory().unwrap();
        let queues = Queues::open(store.client(), "test", false).await.unwrap();
        let history: Vec<(Lane, String)> = (0..1_000).map(|number| (Lane::history(), number.to_string())).collect();
        queues.send(&history).await.unwrap();
        let live = Lane::of(&ShopId::new("acme").unwrap());
        for turn in 0..3 {
            queues.send(&[(live, "live".to_owned())]).await.unwrap();
            let batch = queues.receive(100).await.unwrap();
            let is_live = |queued: &&crate::queue::Queued| queued.body == "live";
            assert_eq!(batch.iter().filter(is_live).count(), 1, "turn {turn}");
            assert!(batch.len() > 50, "turn {turn}: the history goes on, too: {}", batch.len());
            queues.delete(&batch).await.unwrap();
        }
    }

    #[test]
    fn every_lane_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<String> = Lane::all().map(Lane::name).collect();
        assert_eq!((names.len(), Lane::all().count()), (LANES_ALL, LANES_ALL));
    }
}
