//! A clock that can be moved: it starts at any instant and runs on, and never goes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use engine::clock::Clock;
use rules::calendar::Instant;

/// The latest instant that the clock can be moved to, January 1, 9000: what follows, at most a century ahead, must have
/// a date.
const LATEST: Instant = Instant::from_millis(221_845_392_000_000);

/// An instant after every recorded event: the end of the year 9999.
pub(crate) const EVER: Instant = Instant::from_millis(253_402_300_799_999);

/// A clock so far ahead that nothing could be dated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it says {0}, and from the year 9000 on nothing that follows could be dated: set it right")]
pub struct FarAhead(pub Instant);

/// The clock of a system.
#[derive(Debug, Clone, Default)]
pub struct Time {
    /// The milliseconds that it is ahead of the real time.
    ahead_ms: Arc<AtomicI64>,
}

/// An instant, or a step from the present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// To an instant.
    To(Instant),
    /// A step in milliseconds.
    By(i64),
}

impl Move {
    /// Reads `2026-12-31T23:59:50Z`, `+30d`, `+12h`, `+45m` or `+10s`.
    ///
    /// # Errors
    /// A text that says what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let what = || format!("`{text}` is neither an instant such as 2026-12-31T23:59:50Z nor a step such as +30d");
        let Some(step) = text.strip_prefix('+') else {
            return Instant::parse(text).map(Self::To).map_err(|_| what());
        };
        let units = [('d', 86_400_000_i64), ('h', 3_600_000), ('m', 60_000), ('s', 1_000)];
        let read = units.iter().find_map(|(unit, ms)| {
            let count = step.strip_suffix(*unit)?;
            let digits = !count.is_empty() && count.len() <= 6 && count.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| count.parse::<i64>().ok()?.checked_mul(*ms))?
        });
        read.map(Self::By).ok_or_else(what)
    }
}

impl Time {
    /// The present instant.
    pub fn now(&self) -> Instant {
        crate::now().plus_millis(self.ahead_ms.load(Ordering::SeqCst))
    }

    /// The present instant, if what follows from it can be dated.
    ///
    /// # Errors
    /// [`FarAhead`].
    pub fn datable(&self) -> Result<Instant, FarAhead> {
        let now = self.now();
        if now <= LATEST { Ok(now) } else { Err(FarAhead(now)) }
    }

    /// The same clock, for reading only.
    pub fn clock(&self) -> Clock {
        let time = self.clone();
        Clock::new(move || time.now())
    }

    /// Sets the clock before anything has happened, also to the past.
    pub fn start(&self, at: Move) {
        let to = match at {
            Move::To(instant) => instant,
            Move::By(ms) => self.now().plus_millis(ms),
        };
        self.ahead_ms.store(to.millis() - crate::now().millis(), Ordering::SeqCst);
    }

    /// The time after a move.
    ///
    /// # Errors
    /// A text that says why it cannot be moved: it never goes back, because what was recorded has happened.
    pub fn after(&self, at: Move) -> Result<Instant, String> {
        let now = self.now();
        let to = match at {
            Move::To(to) => to,
            Move::By(ms) => now.plus_millis(ms),
        };
        if to < now {
            return Err(format!("it is {now} already, and time only moves on: name a later instant"));
        }
        if to > LATEST {
            return Err("nothing that follows could be dated: name an instant before the year 9000".to_owned());
        }
        Ok(to)
    }

    /// Moves the clock forward.
    ///
    /// # Errors
    /// The same as for [`Self::after`].
    pub fn advance(&self, at: Move) -> Result<Instant, String> {
        self.after(at)?;
        self.start(at);
        Ok(self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_or_an_instant_moves_time() {
        assert_eq!(Move::parse("+30d"), Ok(Move::By(30 * 86_400_000)));
        assert_eq!(Move::parse("+10s"), Ok(Move::By(10_000)));
        let new_year = "2026-12-31T23:59:50Z";
        assert_eq!(Move::parse(new_year), Ok(Move::To(Instant::parse(new_year).unwrap())));
        for wrong in ["", "+", "+d", "30d", "+-3d", "+3w", "tomorrow", "+9999999d"] {
            assert!(Move::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn time_starts_anywhere_and_never_goes_back() {
        let time = Time::default();
        let start = Instant::parse("2020-01-01T00:00:00Z").unwrap();
        time.start(Move::To(start));
        assert!(time.now() >= start && time.now() < start.plus_millis(60_000));
        assert!(time.advance(Move::By(86_400_000)).unwrap() >= start.plus_millis(86_400_000));
        assert!(time.advance(Move::To(start)).unwrap_err().contains("only moves on"));
        let far = Instant::parse("9999-12-31T00:00:00Z").unwrap();
        assert!(time.advance(Move::To(far)).unwrap_err().contains("before the year 9000"));
        assert!(time.datable().is_ok());
        time.start(Move::To(far));
        assert!(time.datable().unwrap_err().to_string().contains("year 9000"));
    }
}
