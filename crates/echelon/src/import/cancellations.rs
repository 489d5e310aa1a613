//! Orders that one file of an import has as cancelled and another as paid. A cancellation and a restoration are facts of their
//! own, and the later one by its date rules (section 4 of the semantics): a later version of the order alone brings nothing back.

use std::collections::{HashMap, VecDeque};

use rules::calendar::Instant;

use super::repeats::ROWS_REMEMBERED;

/// A file of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Export {
    /// The place of the file among those given.
    pub file: u32,
    /// When it was exported, if that is known.
    pub at: Option<Instant>,
}

impl Export {
    /// Whether it is the later one: by its time, and at the same time, or where none is known, by its place.
    fn is_after(self, other: Self) -> bool {
        match (self.at, other.at) {
            (Some(at), Some(before)) => (at, self.file) > (before, other.file),
            (Some(_) | None, None) | (None, Some(_)) => self.file > other.file,
        }
    }

    /// When an order that this file shows in another state got into it, at the latest: after the instant of the state before.
    fn seen_at(self, before: Instant) -> Instant {
        let after = before.plus_millis(1);
        self.at.map_or(after, |at| at.max(after))
    }
}

/// The cancelled orders of the files read so far, at most as many as rows are remembered.
#[derive(Debug, Default)]
pub struct Cancellations {
    known: HashMap<u64, Told>,
    order: VecDeque<u64>,
}

/// The facts told of an order that a file had as cancelled.
#[derive(Debug, Clone, Copy)]
struct Told {
    /// The latest file that tells of it.
    by: Export,
    /// The latest instant of a cancellation.
    cancelled_at: Instant,
    /// The latest instant of a restoration, if one was told. The order counts again if it is the later of the two.
    restored_at: Option<Instant>,
}

impl Told {
    fn counts(self) -> bool {
        self.restored_at.is_some_and(|at| at > self.cancelled_at)
    }

    /// The instant to tell of a cancellation that a file dates so. What a later export has as cancelled was cancelled after
    /// the restorations before; what an earlier one has was cancelled before the restoration by which the order counts.
    fn cancelled_again(self, by: Export, at: Instant) -> Instant {
        let Some(restored_at) = self.restored_at else { return at };
        if by.is_after(self.by) {
            match (restored_at < at, self.counts()) {
                (true, _) => at,
                (false, true) => by.seen_at(restored_at),
                (false, false) => self.cancelled_at,
            }
        } else if self.counts() {
            at.min(restored_at.plus_millis(-1))
        } else {
            at
        }
    }
}

impl Cancellations {
    /// Notes that a file has an order as paid; returns the restoration to tell, if an earlier export had it as cancelled.
    pub fn counts(&mut self, order: u64, by: Export) -> Option<Instant> {
        let told = self.known.get_mut(&order).filter(|told| by.is_after(told.by))?;
        told.by = by;
        if told.counts() {
            return None;
        }
        told.restored_at = Some(by.seen_at(told.cancelled_at));
        told.restored_at
    }

    /// Notes that a file has an order as cancelled at an instant, as far as it knows, and which file had it before. Returns the
    /// instant of the cancellation to tell, and that of a restoration, if the file before is the later export and has the
    /// order as paid.
    pub fn cancelled(
        &mut self,
        order: u64,
        by: Export,
        at: Instant,
        before: Option<Export>,
    ) -> (Instant, Option<Instant>) {
        if let Some(told) = self.known.get_mut(&order) {
            let cancelled_at = told.cancelled_again(by, at);
            told.cancelled_at = told.cancelled_at.max(cancelled_at);
            if by.is_after(told.by) {
                told.by = by;
            }
            return (cancelled_at, None);
        }
        let later = before.filter(|before| before.is_after(by));
        let restored_at = later.map(|later| later.seen_at(at));
        self.remember(order, Told { by: later.unwrap_or(by), cancelled_at: at, restored_at });
        (at, restored_at)
    }

    fn remember(&mut self, order: u64, told: Told) {
        if self.known.insert(order, told).is_none() {
            self.order.push_back(order);
        }
        if self.order.len() > ROWS_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn export(file: u32, at: i64) -> Export {
        Export { file, at: Some(Instant::from_millis(at)) }
    }

    fn millis(at: Option<Instant>) -> Option<i64> {
        at.map(Instant::millis)
    }

    #[test]
    fn an_order_may_be_cancelled_and_count_again_any_number_of_times() {
        let mut all = Cancellations::default();
        let placed = Instant::from_millis(10);
        assert_eq!(all.cancelled(7, export(1, 100), placed, None), (placed, None));
        assert_eq!(millis(all.counts(7, export(2, 200))), Some(200));
        assert_eq!(all.counts(7, export(3, 300)), None, "it is told already");
        let (again, restored) = all.cancelled(7, export(4, 400), placed, Some(export(3, 300)));
        assert_eq!((again.millis(), restored), (400, None));
        assert_eq!(
            millis(all.counts(7, export(5, 400))),
            Some(401),
            "at the same instant the later one given is the later one"
        );
        assert_eq!(all.counts(8, export(5, 400)), None, "another order");
    }

    /// From a report: the third cancellation had the date of the first one under a later revision, and the restoration won.
    #[test]
    fn what_is_cancelled_again_and_still_is_stays_cancelled_after_its_restoration() {
        let mut all = Cancellations::default();
        let placed = Instant::from_millis(10);
        all.cancelled(7, export(1, 100), placed, None);
        assert_eq!(millis(all.counts(7, export(2, 200))), Some(200));
        for (file, at) in [(3, 300), (4, 400)] {
            let (again, restored) = all.cancelled(7, export(file, at), placed, Some(export(file - 1, at - 100)));
            assert_eq!((again.millis(), restored), (300, None), "file {file}");
        }
        assert_eq!(millis(all.counts(7, export(5, 500))), Some(500));
        // An earlier export that is given late says nothing that is not older than this restoration.
        let late = Instant::from_millis(600);
        assert_eq!(all.cancelled(7, export(6, 350), late, None).0.millis(), 499);
        assert_eq!(all.counts(7, export(7, 700)), None, "it counts");
    }

    #[test]
    fn files_may_be_given_in_any_order() {
        let mut all = Cancellations::default();
        let placed = Instant::from_millis(10);
        // The earlier export, given after the one in which the order counts again.
        let (at, restored) = all.cancelled(7, export(2, 100), placed, Some(export(1, 200)));
        assert_eq!((at, millis(restored)), (placed, Some(200)));
        // An earlier export, from before the cancellation.
        assert_eq!(all.cancelled(8, export(1, 200), placed, None), (placed, None));
        assert_eq!(all.counts(8, export(2, 100)), None);
    }

    #[test]
    fn without_a_time_of_the_export_the_restoration_follows_the_cancellation() {
        let mut all = Cancellations::default();
        let at = |file| Export { file, at: None };
        all.cancelled(7, at(1), Instant::from_millis(10), None);
        assert_eq!(millis(all.counts(7, at(2))), Some(11));
    }
}
