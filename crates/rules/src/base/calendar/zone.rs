//! Time zones: the local day of an instant, and the start of a day.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Day, Instant, MS_PER_DAY, TWO_DAYS};

const FIRST: i64 = -5_364_662_400_000; // 1800-01-01
/// From here on every zone follows a rule. Rules repeat as the calendar does, every 400 years.
const RULES: i64 = 4_102_444_800_000; // 2100-01-01
const CYCLE: i64 = 146_097 * MS_PER_DAY;
/// The changes of offset are laid out up to here; a later instant is looked up in the cycle before.
const LAST: i64 = RULES + CYCLE;
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
        // Counted from the first representable day, because unsigned division is cheaper.
        let since_first = at.0.saturating_add(self.offset - FIRST_DAY * MS_PER_DAY);
        let day = since_first.cast_unsigned() / MS_PER_DAY.cast_unsigned();
        Day(i32::try_from(day.cast_signed() + FIRST_DAY).unwrap_or(i32::MAX))
    }
}

/// An IANA time zone. Its changes of offset are laid out, so a day or a midnight costs a few nanoseconds.
///
/// It belongs to one release of the database ([`super::Zones`]), which lays it out once: that takes longer than
/// everything else about a program. Two zones of the same name are equal, whatever their releases.
#[derive(Clone)]
pub struct Zone {
    name: Arc<str>,
    regimes: Arc<[Regime]>,
    /// The index of the regime that holds at the start of each slot from `FIRST` on.
    slots: Arc<[u16]>,
}

impl Zone {
    /// Coordinated universal time, the same in every release.
    pub fn utc() -> Self {
        Self::of("UTC", vec![Regime { from: i64::MIN, until: i64::MAX, offset: 0 }])
    }

    pub(super) fn laid_out(name: &str, tz: &TimeZone) -> Self {
        Self::of(name, regimes(tz))
    }

    fn of(name: &str, regimes: Vec<Regime>) -> Self {
        let holds_at = |at: i64| regimes.partition_point(|regime| regime.until <= at);
        // A zone that never changes needs no lookup.
        let end = if regimes.len() > 1 { LAST } else { FIRST + 1 };
        let slots = (FIRST..end).step_by(1 << SLOT_BITS).map(|at| u16::try_from(holds_at(at)).unwrap_or(0)).collect();
        Self { name: name.into(), regimes: regimes.into(), slots }
    }

    /// The IANA name, as the caller gave it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether every day begins as in another zone: two names of one zone, or two zones that never differed.
    pub fn has_the_days_of(&self, other: &Self) -> bool {
        self.regimes == other.regimes
    }

    /// The regimes from the one that holds at `at` on.
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

    /// The regime of an instant. An instant beyond the laid-out changes has the regime of some cycles earlier.
    #[inline] // with the far case out of line, because it is rare
    fn regime(&self, at: i64) -> Regime {
        self.regimes_from(at).first().copied().unwrap_or_else(|| self.far_regime(at))
    }

    #[cold]
    fn far_regime(&self, at: i64) -> Regime {
        let later = cycles(at);
        let regime = self.regimes_from(at.saturating_sub(later)).first().copied();
        regime.map_or(Regime { from: at, until: at, offset: 0 }, |regime| Regime {
            from: regime.from.saturating_add(later),
            until: regime.until.saturating_add(later),
            offset: regime.offset,
        })
    }

    /// The local day of an instant.
    pub fn day(&self, at: Instant) -> Day {
        self.regime(at.0).day(at)
    }

    /// The end of a local day, exclusive; none after the year 9999, which no fact can say.
    pub fn end_of(&self, day: Day) -> Option<Instant> {
        Instant::written(self.midnight(day.next()).millis())
    }

    /// The first instant of a local day. Where the clock skips midnight, it is the end of the gap; where midnight comes
    /// twice, the first (section 2).
    pub fn midnight(&self, day: Day) -> Instant {
        let local = i64::from(day.0).saturating_mul(MS_PER_DAY);
        let laid_out = self.laid_out_midnight(local).or_else(|| {
            let later = cycles(local);
            self.laid_out_midnight(local.saturating_sub(later)).map(|start| start.saturating_add(later))
        });
        Instant(laid_out.unwrap_or(local))
    }

    fn laid_out_midnight(&self, local: i64) -> Option<i64> {
        // Offsets stay within 26 hours: a regime that ended earlier cannot hold the midnight.
        let regimes = self.regimes_from(local.saturating_sub(26 * 3_600_000));
        let mut starts =
            regimes.iter().map(|regime| (regime.from.max(local.saturating_sub(regime.offset)), regime.until));
        starts.find(|(start, until)| start < until).map(|(start, _)| start)
    }

    /// The last full day before an exclusive end, shown to people as `valid_through` (section 2). None where the end is
    /// not at a midnight, because part of its own day still belongs to the period.
    pub fn last_day_before(&self, until: Instant) -> Option<Day> {
        let day = self.day(until);
        (self.midnight(day) == until).then(|| day.previous())
    }

    /// The local date and time of an instant.
    pub fn local(&self, at: Instant) -> NaiveDateTime {
        let local = at.0.saturating_add(self.regime(at.0).offset);
        DateTime::from_timestamp_millis(local).unwrap_or_default().naive_utc()
    }

    /// The instant of a local date and time. Where the time comes twice, it is the first; in a gap of the clock, the
    /// end of the gap, as for midnights (section 2).
    pub fn instant(&self, local: NaiveDateTime) -> Instant {
        let local = local.and_utc().timestamp_millis();
        let day_before = Day(i32::try_from(local.div_euclid(MS_PER_DAY)).unwrap_or(i32::MAX)).previous();
        // The last regime of a cycle is followed by the first of the next.
        let first = self.regime(self.midnight(day_before).0);
        let mut regimes =
            std::iter::successors(Some(first), |regime| (regime.until < i64::MAX).then(|| self.regime(regime.until)));
        let start = |regime: Regime| (regime.from.max(local.saturating_sub(regime.offset)), regime.until);
        let found = regimes.find_map(|regime| Some(start(regime)).filter(|(start, until)| start < until));
        Instant(found.map_or(local, |(start, _)| start))
    }
}

/// A zone with the regime of the last lookup: a lookup close to it costs next to nothing.
#[derive(Debug, Clone)]
pub(crate) struct Clock<'z> {
    zone: &'z Zone,
    now: Regime,
    /// The instants at which a midnight needs no lookup: at least two days away from any change of offset.
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
        // Lookups come mostly in the order of time, so the next regime is tried first.
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
        self.name == other.name
    }
}

impl Eq for Zone {}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The milliseconds of whole cycles by which an instant lies beyond the laid-out cycle.
fn cycles(at: i64) -> i64 {
    at.saturating_sub(RULES).max(0) / CYCLE * CYCLE
}

/// The regimes of a zone, up to a change that lies beyond `LAST` in any local time.
fn regimes(tz: &TimeZone) -> Vec<Regime> {
    let at = |ms: i64| Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let ms = |offset: jiff::tz::Offset| i64::from(offset.seconds()) * 1_000;
    let mut found = Vec::new();
    let mut current = Regime { from: i64::MIN, until: i64::MAX, offset: ms(tz.to_offset(at(FIRST))) };
    let mut last = i64::MIN;
    for change in tz.following(at(FIRST)) {
        let (from, offset) = (change.timestamp().as_millisecond(), ms(change.offset()));
        // Without a rule, jiff yields the last change again and again. Given zones always have a rule.
        if from <= last {
            break;
        }
        last = from;
        // Some changes affect only the name.
        if offset == current.offset {
            continue;
        }
        found.push(Regime { until: from, ..current });
        current = Regime { from, until: i64::MAX, offset };
        if from >= LAST + TWO_DAYS {
            return found;
        }
    }
    found.push(current);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Zones;

    fn day(text: &str) -> Day {
        Day::of(text.parse().unwrap())
    }

    fn zone(name: &str) -> Zone {
        Zones::built_in().named(name).unwrap()
    }

    #[test]
    fn midnight_is_the_first_instant_of_the_local_day() {
        for (name, date, expected) in [
            ("UTC", "2024-01-01", "2024-01-01T00:00:00Z"),
            ("America/New_York", "2024-01-01", "2024-01-01T05:00:00Z"),
            ("America/New_York", "2024-07-14", "2024-07-14T04:00:00Z"),
            ("Africa/Cairo", "2024-04-26", "2024-04-25T22:00:00Z"), // skipped: the end of the gap
            ("America/Havana", "2024-11-03", "2024-11-03T04:00:00Z"), // comes twice: the first
            ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"), // the whole day was skipped
            ("Asia/Kathmandu", "2024-01-01", "2023-12-31T18:15:00Z"),
            ("Pacific/Kiritimati", "2024-01-01", "2023-12-31T10:00:00Z"),
            // Release 2026f: the first four clocks no longer go back in the winter of 2026, and Morocco keeps UTC.
            ("America/Vancouver", "2027-01-01", "2027-01-01T07:00:00Z"),
            ("America/Edmonton", "2027-01-01", "2027-01-01T06:00:00Z"),
            ("America/Winnipeg", "2027-01-01", "2027-01-01T05:00:00Z"),
            ("America/Havana", "2027-01-01", "2027-01-01T04:00:00Z"),
            ("Africa/Casablanca", "2027-01-01", "2027-01-01T00:00:00Z"),
        ] {
            assert_eq!(zone(name).midnight(day(date)).to_string(), expected, "{name} {date}");
        }
    }

    /// Rules repeat every 400 years, and so do midnights, for every instant that can be written.
    #[test]
    fn far_years_go_by_the_rules_of_near_ones() {
        let zones = Zones::built_in();
        for name in zones.names() {
            let zone = zones.named(name).unwrap();
            let mut clock = Clock::new(&zone);
            for cycle in [1, 2, 19] {
                for step in 0..1_200 {
                    let near = Day::of(day("2100-01-02").date()).0 + step * 122;
                    let far = Day(near + 146_097 * cycle);
                    let later = i64::from(cycle) * CYCLE;
                    let midnight = zone.midnight(Day(near)).plus_millis(later);
                    assert_eq!(zone.midnight(far), midnight, "{name} {far}");
                    assert_eq!(clock.midnight(far), midnight, "{name} {far}");
                    assert_eq!((zone.day(midnight), clock.day(midnight)), (far, far), "{name} {far}");
                    let before = midnight.plus_millis(-1);
                    assert_eq!((zone.day(before), clock.day(before)), (far.previous(), far.previous()), "{name} {far}");
                }
            }
        }
    }

    /// The expected midnights are from Python's zoneinfo. They lie on both sides of the start of the rules and of the
    /// end of the laid-out changes.
    #[test]
    fn the_seams_of_what_is_laid_out_do_not_show() {
        for (name, midnights) in [
            ("America/New_York", ["12-31T05", "01-01T05", "07-01T04"]),
            ("America/Santiago", ["12-31T03", "01-01T03", "07-01T04"]),
            ("America/Vancouver", ["12-31T07", "01-01T07", "07-01T07"]),
        ] {
            let zone = zone(name);
            for (year, which) in
                [(2099, 0), (2100, 1), (2100, 2), (2499, 0), (2500, 1), (2500, 2), (2899, 0), (2900, 2), (9998, 2)]
            {
                let text = format!("{year}-{}:00:00Z", midnights[which]);
                let midnight = Instant::parse(&text).unwrap();
                let on = day(&text[..10]);
                assert_eq!(zone.midnight(on), midnight, "{name} {on}");
                assert_eq!(Clock::new(&zone).midnight(on), midnight, "{name} {on}");
                assert_eq!(
                    (zone.day(midnight), zone.day(midnight.plus_millis(-1))),
                    (on, on.previous()),
                    "{name} {on}"
                );
            }
        }
    }

    #[test]
    fn a_clock_says_what_its_zone_says() {
        let zones = Zones::built_in();
        for name in zones.names() {
            let zone = zones.named(name).unwrap();
            let mut clock = Clock::new(&zone);
            for step in 0..4_000_i64 {
                let at = Instant(-3_000_000_000_000 + step * 1_812_345_678);
                let day = zone.day(at);
                assert_eq!(clock.day(at), day, "{name} {at}");
                assert_eq!(clock.midnight(day), zone.midnight(day), "{name} {at}");
                assert!(zone.midnight(day) <= at && at < zone.midnight(day.next()), "{name} {at}");
            }
        }
    }

    #[test]
    fn a_local_time_has_an_instant_and_an_instant_its_local_time() {
        let check = |name: &str, local: &str, expected: &str| {
            let found = zone(name).instant(local.parse().unwrap());
            assert_eq!(found.to_string(), expected, "{name} {local}");
        };
        check("America/New_York", "2024-07-14T10:00:00", "2024-07-14T14:00:00Z");
        check("Europe/London", "2011-10-30T01:30:00", "2011-10-30T00:30:00Z"); // comes twice: the first
        check("Europe/London", "2011-03-27T01:30:15", "2011-03-27T01:00:00Z"); // skipped: the end of the gap
        check("Pacific/Apia", "2011-12-30T12:00:00", "2011-12-30T10:00:00Z");
        check("America/Vancouver", "2027-01-01T00:30:00", "2027-01-01T07:30:00Z");
        check("Europe/Berlin", "2899-07-01T12:00:00", "2899-07-01T10:00:00Z");
        check("Europe/Berlin", "2500-01-01T00:30:00", "2499-12-31T23:30:00Z");
        let at = Instant::parse("2024-07-14T14:00:00.250Z").unwrap();
        assert_eq!(zone("America/New_York").local(at).to_string(), "2024-07-14 10:00:00.250");
    }
}
