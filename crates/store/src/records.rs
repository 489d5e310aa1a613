//! The contents of rows beside facts and members: jobs and their results, lists, insight, and quarantined messages.

pub mod insight;
mod job;
pub mod list;
mod quarantined;
pub mod tally;

pub use insight::{Counts, InTier, Insight};
pub use job::{Job, JobId, JobIdError, Kind, Lease, ScanPosition, Segment, State};
pub use list::{Entry, Keep, Lists, Month, Name, Next, Restart};
pub use quarantined::{Quarantined, Reason};
pub use tally::{Moves, Tally};
