//! Time zones: which local day it is, and when a day begins.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use chrono::{DateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;

use super::{Day, Instant, MS_PER_DAY, TWO_DAYS};

const FIRST: i64 = -5_364_662_400_000; // 1800-01-01
const LAST: i64 = 4_133_980_800_000; // 2101-01-01
const FIRST_DAY: i64 = i32::MIN as i64;
/// Slots are 2^33 ms long: 99 days, in which most zones change their offset at most once.
const SLOT_BITS: u32 = 33;

/// A stretch of time during which a zone's clocks keep one offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Regime {
    from: i64,
    until: i64,
    offset: i64,
}

impl Regime {
    #[inline]
    fn day(&self, at: Instant) -> Day {
        // Counted from the first day there is, as dividing without a sign is cheaper.
        let since_first = at.0.saturating_add(self.offset - FIRST_DAY * MS_PER_DAY);
        let day = since_first.cast_unsigned() / MS_PER_DAY.cast_unsigned();
        Day(i32::try_from(day.cast_signed() + FIRST_DAY).unwrap_or(i32::MAX))
    }
}

/// An IANA time zone, with its changes of offset laid out so that a day or a midnight costs a few nanoseconds.
///
/// The changes are read from chrono-tz, once for each zone that a process meets: that takes longer than all else about a
/// program.
#[derive(Clone)]
pub struct Zone {
    tz: Tz,
    regimes: Arc<[Regime]>,
    /// Which regime holds at the start of each slot from `FIRST` on.
    slots: Arc<[u16]>,
}

/// The zones that were asked for: always the same, whoever asks first.
static KNOWN: LazyLock<Mutex<HashMap<Tz, Zone>>> = LazyLock::new(Mutex::default);

impl Zone {
    /// The zone of a name such as `America/New_York`.
    pub fn named(name: &str) -> Option<Self> {
        name.parse().ok().map(Self::of)
    }

    /// Coordinated universal time.
    pub fn utc() -> Self {
        Self::of(Tz::UTC)
    }

    fn of(tz: Tz) -> Self {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(tz).or_insert_with(|| Self::laid_out(tz)).clone()
    }

    fn laid_out(tz: Tz) -> Self {
        let regimes = regimes(tz);
        let holds_at = |at: i64| regimes.partition_point(|regime| regime.until <= at);
        let slots = (FIRST..LAST).step_by(1 << SLOT_BITS).map(|at| u16::try_from(holds_at(at)).unwrap_or(0)).collect();
        Self { tz, regimes: regimes.into(), slots }
    }

    /// The IANA name.
    pub fn name(&self) -> &'static str {
        self.tz.name()
    }

    /// The regimes from the one that holds at an instant on.
    #[inline]
    fn regimes_from(&self, at: i64) -> &[Regime] {
        let slot = usize::try_from(at.saturating_sub(FIRST) >> SLOT_BITS).unwrap_or(0);
        let first = self.slots.get(slot).or(self.slots.last()).copied().map_or(0, usize::from);
        let mut regimes = self.regimes.get(first..).unwrap_or_default();
        while let Some((regime, later)) = regimes.split_first()
            && regime.until <= at
        {
            regimes = later;
        }
        regimes
    }

    fn regime(&self, at: i64) -> Regime {
        let regime = self.regimes_from(at).first().or(self.regimes.last());
        regime.copied().unwrap_or(Regime { from: at, until: at, offset: 0 })
    }

    /// The local day of an instant.
    pub fn day(&self, at: Instant) -> Day {
        self.regime(at.0).day(at)
    }

    /// The first instant of a local day: where the clock skips midnight the end of the gap, where it comes twice
    /// the first (section 2).
    pub fn midnight(&self, day: Day) -> Instant {
        let local = i64::from(day.0).saturating_mul(MS_PER_DAY);
        // Offsets stay within 26 hours: no regime that ended before that can hold the midnight.
        let regimes = self.regimes_from(local - 26 * 3_600_000);
        let mut starts =
            regimes.iter().map(|regime| (regime.from.max(local.saturating_sub(regime.offset)), regime.until));
        Instant(starts.find(|(start, until)| start < until).map_or(local, |(start, _)| start))
    }

    /// The last full day before an exclusive end, which people are shown as `valid_through` (section 2); none where the
    /// end is not at a midnight, so that part of its own day still belongs.
    pub fn last_day_before(&self, until: Instant) -> Option<Day> {
        let day = self.day(until);
        (self.midnight(day) == until).then(|| day.previous())
    }

    /// The local date and time of an instant, for people.
    pub fn local(&self, at: Instant) -> DateTime<Tz> {
        DateTime::<Utc>::from_timestamp_millis(at.0).unwrap_or_default().with_timezone(&self.tz)
    }
}

/// A zone with the stretch of one offset that was last asked about: neighbouring questions cost next to nothing.
#[derive(Debug, Clone)]
pub(crate) struct Clock<'z> {
    zone: &'z Zone,
    now: Regime,
    /// Two days away from any change of offset a midnight is what it seems.
    plain: Range<i64>,
    later: &'z [Regime],
}

impl<'z> Clock<'z> {
    pub(crate) fn new(zone: &'z Zone) -> Self {
        Self { zone, now: Regime { from: 0, until: 0, offset: 0 }, plain: 0..0, later: &[] }
    }

    /// [`Zone::day`].
    #[inline]
    pub(crate) fn day(&mut self, at: Instant) -> Day {
        if !(self.now.from <= at.0 && at.0 < self.now.until) {
            self.turn_to(at);
        }
        self.now.day(at)
    }

    /// [`Zone::midnight`].
    #[inline]
    pub(crate) fn midnight(&mut self, day: Day) -> Instant {
        let start = i64::from(day.0) * MS_PER_DAY - self.now.offset;
        if self.plain.contains(&start) {
            return Instant(start);
        }
        let midnight = self.zone.midnight(day);
        self.turn_to(midnight);
        midnight
    }

    #[inline(never)] // out of loops over all orders
    fn turn_to(&mut self, at: Instant) {
        // Questions come mostly in the order of time: what comes next is tried first.
        let is_next = |regime: &Regime| regime.from <= at.0 && at.0 < regime.until;
        if !self.later.first().is_some_and(is_next) {
            self.later = self.zone.regimes_from(at.0);
        }
        match self.later.split_first() {
            Some((now, later)) => (self.now, self.later) = (*now, later),
            None => self.now = self.zone.regime(at.0),
        }
        self.plain = self.now.from.saturating_add(TWO_DAYS)..self.now.until.saturating_sub(TWO_DAYS);
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.tz == other.tz
    }
}

impl Eq for Zone {}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Finds the changes of offset by looking every few days and halving in on each difference. No zone has ever
/// changed twice within the step and back again; after 2100 chrono-tz knows no further changes.
fn regimes(tz: Tz) -> Vec<Regime> {
    const STEP: i64 = 6 * MS_PER_DAY;
    let offset = |ms: i64| {
        let at = DateTime::<Utc>::from_timestamp_millis(ms).unwrap_or_default();
        i64::from(tz.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc()) * 1_000
    };
    let mut found = Vec::new();
    if tz == Tz::UTC {
        return vec![Regime { from: i64::MIN, until: i64::MAX, offset: 0 }]; // the default: asked of every program
    }
    let (mut seen, mut current) = (FIRST, Regime { from: i64::MIN, until: i64::MAX, offset: offset(FIRST) });
    while seen < LAST {
        let ahead = seen + STEP;
        if offset(ahead) == current.offset {
            seen = ahead;
            continue;
        }
        let (mut before, mut after) = (seen, ahead);
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            if offset(middle) == current.offset { before = middle } else { after = middle }
        }
        found.push(Regime { until: after, ..current });
        current = Regime { from: after, until: i64::MAX, offset: offset(after) };
        seen = after;
    }
    found.push(current);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::of(text.parse().unwrap())
    }

    #[test]
    fn midnight_is_the_first_instant_of_the_local_day() {
        for (zone, date, expected) in [
            ("UTC", "2024-01-01", "2024-01-01T00:00:00Z"),
            ("America/New_York", "2024-01-01", "2024-01-01T05:00:00Z"),
            ("America/New_York", "2024-07-14", "2024-07-14T04:00:00Z"),
            ("Africa/Cairo", "2024-04-26", "2024-04-25T22:00:00Z"), // skipped: the end of the gap
            ("America/Havana", "2024-11-03", "2024-11-03T04:00:00Z"), // comes twice: the first
            ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"), // the whole day was skipped
            ("Asia/Kathmandu", "2024-01-01", "2023-12-31T18:15:00Z"),
            ("Pacific/Kiritimati", "2024-01-01", "2023-12-31T10:00:00Z"),
        ] {
            assert_eq!(Zone::named(zone).unwrap().midnight(day(date)).to_string(), expected, "{zone} {date}");
        }
    }

    #[test]
    fn days_agree_with_chrono_tz_in_every_zone() {
        for tz in chrono_tz::TZ_VARIANTS {
            let zone = Zone::of(tz);
            let mut clock = Clock::new(&zone);
            for step in 0..4_000_i64 {
                let ms = -3_000_000_000_000 + step * 1_812_345_678;
                let local = DateTime::<Utc>::from_timestamp_millis(ms).unwrap().with_timezone(&tz).date_naive();
                assert_eq!(zone.day(Instant(ms)).date(), local, "{tz} {ms}");
                assert_eq!(clock.day(Instant(ms)).date(), local, "{tz} {ms}");
                assert_eq!(clock.midnight(Day::of(local)), zone.midnight(Day::of(local)), "{tz} {ms}");
            }
        }
    }
}
