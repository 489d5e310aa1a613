//! Sweeps: everybody of a shop is brought past a boundary that concerns everybody, a midnight (January 1 among them) or a
//! new version of the program.
//!
//! A sweep decides nothing. What it records is what `rules::advance` yields, which is what an event about the member
//! would have recorded at the next opportunity; so sweeps and ingest may meet in any order, and a sweep that is late,
//! repeated, half done or done by two at once ends in the same rows.
//!
//! - a **job** is a boundary of a shop; it opens itself when the boundary is there ([`Sweep::tick`]);
//! - its **segments** are ranges of the shop's buckets, worked on by whoever takes their message ([`Sweep::work`]), page
//!   by page, under a lease; the place and what was counted are one write, so that a page never counts twice;
//! - on the way everybody is looked at for the **lists** and the **insight** of the shop ([`crate::lists`],
//!   [`crate::insight`]).

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

/// A segment to be worked on: the message that a worker takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Work {
    /// The shop.
    pub shop: ShopId,
    /// Its job.
    pub job: JobId,
    /// Which part of it.
    pub segment: u16,
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {} of {} of shop {}", self.segment, self.job, self.shop)
    }
}

/// Where segments wait for a worker: a queue of SQS, or tasks of this process.
pub trait SegmentQueue: Send + Sync {
    /// Has segments worked on, not before a while has passed.
    ///
    /// # Errors
    /// Says why they will not be; the next tick tries again.
    fn enqueue(&self, work: Vec<Work>, delay: Duration) -> impl Future<Output = Result<(), TransportError>> + Send;

    /// Lets live traffic go first, where it is known that there is some.
    fn yield_to_traffic(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// How sweeps are done in a deployment.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who works here: what a lease names. Two who work at once need two names.
    pub owner: String,
    /// So long after a boundary nobody writes any more who could have missed it.
    pub margin: Duration,
    /// A worker gives a segment back after so long, to be gone on with afresh.
    pub budget: Duration,
    /// So many members are committed in one transaction, where nobody else writes and that is quicker.
    pub together: usize,
    /// A checkpoint follows on about so many members, at least one, and so many items are asked for at once.
    pub page: u16,
    /// A tick goes on deleting shops for so long, after everything else.
    pub redaction: Duration,
}

/// As many as [`Settings::page`] is wherever shops are served: of ordinary members some 200 kB, after which a checkpoint is
/// worth writing.
pub const PAGE: u16 = 1_000;

/// Behind a boundary writers may still be under way who read before it: for the longest time that a writer is given (60 s,
/// the time-out of functions), and half a minute for clocks that differ.
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
    /// Sweeps over a store.
    pub fn new(store: Store, workers: W, clock: Clock, settings: Settings) -> Self {
        Self { store, workers, clock, settings }
    }

    /// What was used of the store since this was asked last.
    pub fn used(&self) -> Units {
        self.store.meter().take()
    }

    /// Those who work on segments.
    pub fn workers(&self) -> &W {
        &self.workers
    }
}
