//! Turns of shops for reads that take long: explanations, exports, standings of many members, pages of facts. A shop that
//! asks for very many at once waits for its own, and keeps no other shop waiting.

use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use store::shop::ShopId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::problem::Problem;

/// The number of places over which shops are spread. The shops of one place share its turns.
const PLACES: u8 = 64;
/// The maximum number of reads that wait at one place. More could not be answered within [`WAIT_MAX`] anyway, and would
/// hold their connections for nothing.
const WAITING_MAX: usize = 100;
/// The maximum time that a read waits: a little less than the 30 s after which gateways and most clients give up.
const WAIT_MAX: Duration = Duration::from_secs(25);

/// The turns of all shops.
#[derive(Debug)]
pub(crate) struct ReadTurns {
    places: Vec<Place>,
    wait_max: Duration,
}

/// The turns of the shops at one place.
#[derive(Debug)]
struct Place {
    /// Held while a read is carried out.
    turns: Arc<Semaphore>,
    /// Held while a read waits.
    waiting: Semaphore,
}

impl ReadTurns {
    /// Turns for this machine: a shop gets at most half of its cores.
    pub(crate) fn of_this_machine() -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        Self::new((cores / 2).max(1), WAITING_MAX, WAIT_MAX)
    }

    fn new(at_once: usize, waiting_max: usize, wait_max: Duration) -> Self {
        let place = || Place { turns: Arc::new(Semaphore::new(at_once)), waiting: Semaphore::new(waiting_max) };
        Self { places: std::iter::repeat_with(place).take(PLACES.into()).collect(), wait_max }
    }

    /// The next turn of a shop.
    ///
    /// # Errors
    /// A problem (429) if too many reads of the shop wait, or if this one has waited for too long.
    pub(crate) async fn next(&self, shop: &ShopId) -> Result<ReadTurn, Problem> {
        let place = self.places.get(usize::from(shop.place_among(PLACES))).ok_or_else(Problem::internal_error)?;
        let turns = Arc::clone(&place.turns);
        if let Ok(turn) = Arc::clone(&turns).try_acquire_owned() {
            return Ok(ReadTurn(turn));
        }
        let _waits = place.waiting.try_acquire().map_err(|_| Problem::too_many_reads())?;
        let turn = timeout(self.wait_max, turns.acquire_owned()).await.map_err(|_| Problem::too_many_reads())?;
        turn.map(ReadTurn).map_err(|_| Problem::internal_error())
    }
}

/// The turn of a read, which ends when it is dropped.
#[derive(Debug)]
pub(crate) struct ReadTurn(OwnedSemaphorePermit);

impl ReadTurn {
    /// Computes an answer beside the threads on which requests are received. The turn lasts as long as the work does, even
    /// if the caller goes away meanwhile.
    ///
    /// # Errors
    /// A problem (500) if the work panics.
    pub(crate) async fn compute<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let Self(turn) = self;
        let work = move || {
            let done = work();
            drop(turn);
            done
        };
        spawn_blocking(work).await.map_err(|error| {
            tracing::error!(%error, "a read could not be computed");
            Problem::internal_error()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop(name: &str) -> ShopId {
        ShopId::new(name).unwrap()
    }

    /// A shop that shares no place with another one.
    fn elsewhere(than: &ShopId) -> ShopId {
        let mut names = (0..).map(|number| shop(&format!("shop-{number}")));
        names.find(|other| other.place_among(PLACES) != than.place_among(PLACES)).unwrap()
    }

    #[tokio::test]
    async fn a_shop_with_too_many_reads_is_refused_and_another_one_is_not() {
        let turns = ReadTurns::new(1, 2, WAIT_MAX);
        let (loud, quiet) = (shop("loud"), elsewhere(&shop("loud")));
        let first = turns.next(&loud).await.unwrap();
        let refused = async {
            // Two wait by now.
            let refused = turns.next(&loud).await.unwrap_err();
            assert!(turns.next(&quiet).await.is_ok());
            drop(first);
            refused
        };
        let waits = async || turns.next(&loud).await.is_ok();
        let (second, third, refused) = tokio::join!(waits(), waits(), refused);
        assert_eq!((refused.status, &*refused.kind), (429, "urn:echelon:problem:too-many-requests"));
        assert!(second && third, "each waited for the turn before it");
        assert!(turns.next(&loud).await.is_ok(), "every turn and every wait has ended");
    }

    #[tokio::test]
    async fn a_read_that_has_waited_for_as_long_as_it_may_is_refused() {
        let turns = ReadTurns::new(1, 1, Duration::ZERO);
        let first = turns.next(&shop("acme")).await.unwrap();
        for _ in 0..3 {
            assert_eq!(turns.next(&shop("acme")).await.unwrap_err().status, 429);
        }
        drop(first);
        assert!(turns.next(&shop("acme")).await.is_ok());
    }

    #[tokio::test]
    async fn a_turn_ends_with_the_work_and_also_if_the_work_panics() {
        let turns = ReadTurns::new(1, 0, WAIT_MAX);
        assert_eq!(turns.next(&shop("acme")).await.unwrap().compute(|| 7).await, Ok(7));
        let failed = turns.next(&shop("acme")).await.unwrap().compute(|| panic!("on purpose")).await;
        assert_eq!(failed.map_err(|problem: Problem| problem.status), Err::<(), _>(500));
        assert!(turns.next(&shop("acme")).await.is_ok());
    }
}
