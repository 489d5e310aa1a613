//! The pace of a sweep: live traffic comes first.

use std::time::Duration;

/// The maximum number of concurrent commits.
const AT_A_TIME_MAX: usize = 16;
/// The initial number of concurrent commits.
const AT_A_TIME: usize = 4;
/// The rest after the first sign that the database is busy; it doubles each time.
const REST: Duration = Duration::from_millis(200);
/// The number of signs in a row after which a segment is given back.
const PATIENCE: u32 = 6;

/// The pace of a worker: a little faster with each page that went well, half as fast when the database is busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    at_a_time: usize,
    busy: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { at_a_time: AT_A_TIME, busy: 0 }
    }
}

impl Pace {
    /// The number of commits that may be under way at once.
    pub(super) fn at_a_time(self) -> usize {
        self.at_a_time
    }

    /// Speeds up after a page that went well.
    pub(super) fn speed_up(&mut self) {
        *self = Self { at_a_time: (self.at_a_time + 1).min(AT_A_TIME_MAX), busy: 0 };
    }

    /// Slows down because the database is busy. Yields the time to rest; none if it was busy too often.
    pub(super) fn back_off(&mut self) -> Option<Duration> {
        *self = Self { at_a_time: (self.at_a_time / 2).max(1), busy: self.busy + 1 };
        (self.busy <= PATIENCE).then(|| REST * 2_u32.pow(self.busy - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_speeds_up_slowly_and_slows_down_at_once() {
        let mut pace = Pace::default();
        (0..100).for_each(|_| pace.speed_up());
        assert_eq!(pace.at_a_time(), AT_A_TIME_MAX);
        let rests: Vec<_> = std::iter::from_fn(|| pace.back_off()).map(|rest| rest.as_millis()).collect();
        assert_eq!((rests, pace.at_a_time()), (vec![200, 400, 800, 1_600, 3_200, 6_400], 1));
        pace.speed_up();
        assert_eq!(pace.back_off(), Some(REST));
    }
}
