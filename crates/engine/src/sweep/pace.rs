//! How fast a sweep goes: live traffic comes first.

use std::time::Duration;

/// So many commits at a time at the most.
const AT_A_TIME_MAX: usize = 16;
/// So many to begin with.
const AT_A_TIME: usize = 4;
/// After the first sign that the database is busy the sweep rests this long, then twice as long each time.
const REST: Duration = Duration::from_millis(200);
/// After so many signs in a row a segment is given back.
const PATIENCE: u32 = 6;

/// The pace of a worker: a little faster with each page that went well, half as fast where the database is busy.
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
    /// How many commits may be under way at once.
    pub(super) fn at_a_time(self) -> usize {
        self.at_a_time
    }

    /// A page went well.
    pub(super) fn speed_up(&mut self) {
        *self = Self { at_a_time: (self.at_a_time + 1).min(AT_A_TIME_MAX), busy: 0 };
    }

    /// The database is busy: how long to rest; nothing if that was too often.
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
