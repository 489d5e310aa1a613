//! The last assessment of a member, for the next step and for the explanation of the recorded rows: nothing is assessed twice.

use crate::calendar::Instant;
use crate::explain::{self, Explanation};
use crate::ledger::Ledger;
use crate::standing::{Assessment, Facts, assess};
use crate::version::Version;

/// A member as assessed under a version at an instant. It is valid until the ledger changes.
pub(super) struct Assessed<'v> {
    pub version: &'v Version,
    pub at: Instant,
    pub now: Assessment,
}

impl<'v> Assessed<'v> {
    pub(super) fn new(version: &'v Version, ledger: &Ledger, at: Instant) -> Self {
        Self { version, at, now: assess(version, &Facts::of(ledger), at, at) }
    }

    /// The last assessment if it is of this version and instant, else a new one.
    pub(super) fn last_or_new(last: Option<Self>, version: &'v Version, ledger: &Ledger, at: Instant) -> Self {
        let is_it = |last: &Self| (last.version.number, last.at) == (version.number, at);
        last.filter(is_it).unwrap_or_else(|| Self::new(version, ledger, at))
    }

    /// The findings at an instant. Between an assessment and the next review the tier stays the same, but windows may
    /// move. A new assessment is needed only for rows that a repair records later than this one.
    pub(super) fn explained(&self, ledger: &Ledger, as_of: Instant) -> Explanation {
        if self.at == as_of {
            explain::of(self.version, ledger, as_of, &self.now)
        } else {
            explain::explain(self.version, ledger, as_of)
        }
    }
}
