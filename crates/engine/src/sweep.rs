//! Sweeps bring all members of a shop past a boundary: a midnight (January 1 among them) or a new version of the
//! program.
//!
//! A sweep decides nothing. It records what `rules::advance` yields, which the next event about the member would have
//! recorded as well. Sweeps and ingest may therefore meet in any order. A sweep that is late, repeated, half done or
//! done by two workers at once ends in the same rows.
//!
//! - a **job** is a boundary of a shop; a tick opens it when the boundary has come ([`Sweep::tick`]);
//! - its **segments** are ranges of the shop's buckets. The worker that takes a segment's message ([`Sweep::work`])
//!   works on it page by page, under a lease. The place and the counts are one write; no page counts twice;
//! - on the way the sweep fills the **lists** and the **insight** of the shop ([`crate::lists`], [`crate::insight`]).

mod again;
mod batch;
mod due;
mod member;
mod pace;
mod page;
pub mod preview;
mod progress;
mod since;
mod statistics;
mod tick;
mod work;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use store::records::JobId;
use store::shop::ShopId;
use store::{Store, Units};

pub use again::sweep_again;
pub use batch::{Batch, Failures};
pub use due::due;
pub use progress::{Listed, Order, Progress, latest, progress};
pub use tick::Ticked;
pub use work::{RunEnd, SegmentRun};

use crate::clock::Clock;
use crate::transport::TransportError;

/// A segment to sweep: the message that a worker takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Work {
    /// The shop.
    pub shop: ShopId,
    /// Its job.
    pub job: JobId,
    /// The number of the segment.
    pub segment: u16,
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {} of {} of shop {}", self.segment, self.job, self.shop)
    }
}

/// The queue of segments that wait for a worker: an SQS queue, or tasks of this process.
pub trait SegmentQueue: Send + Sync {
    /// Hands segments to workers after a delay.
    ///
    /// # Errors
    /// The reason why they were not handed over; the next tick tries again.
    fn enqueue(&self, work: Vec<Work>, delay: Duration) -> impl Future<Output = Result<(), TransportError>> + Send;

    /// Lets live traffic go first, if the implementation knows of any.
    fn yield_to_traffic(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// The settings of sweeps in a deployment.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The owner that a lease names. Two workers that run at once need two names.
    pub owner: String,
    /// The time after a boundary by which no writer is left that could have missed it.
    pub margin: Duration,
    /// The time after which a worker gives a segment back, to be continued from a new message.
    pub budget: Duration,
    /// The number of members committed in one transaction. Larger groups pay where no other process writes.
    pub together: usize,
    /// The approximate number of members between checkpoints, at least one, and the number of items read at once.
    pub page: u16,
    /// The time for which a tick continues deleting shops, after everything else.
    pub redaction: Duration,
}

/// The value of [`Settings::page`] wherever shops are served: some 200 kB of ordinary members, after which a checkpoint
/// is worth writing.
pub const PAGE: u16 = 1_000;

/// The value of [`Settings::margin`] in deployments. After a boundary, writers may still be at work that read before
/// it: for at most 60 s, the time-out of functions. Half a minute more is for clocks that differ.
pub const MARGIN: Duration = Duration::from_secs(90);

/// The sweeps of a deployment.
#[derive(Debug)]
pub struct Sweep<W> {
    store: Store,
    workers: W,
    clock: Clock,
    settings: Settings,
}

impl<W: SegmentQueue> Sweep<W> {
    /// Creates the sweeps of a store.
    pub fn new(store: Store, workers: W, clock: Clock, settings: Settings) -> Self {
        Self { store, workers, clock, settings }
    }

    /// The units of the store used since the last call.
    pub fn used(&self) -> Units {
        self.store.meter().take()
    }

    /// The queue of segments.
    pub fn workers(&self) -> &W {
        &self.workers
    }
}
