//! Jobs: the boundary to sweep, the progress, and the result. All of it is in rows; any worker can continue where
//! another stopped.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use rules::calendar::{Day, Instant, Release, Zones};
use serde::{Deserialize, Serialize};

use super::tally::Tally;
use crate::records::insight::Counts;
use crate::records::list::{Lists, Restart};
use crate::sortable::at;
use crate::spread::Spread;

/// The kind of boundary that a job brings all members past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Kind {
    /// A local midnight: January 1, and every other deadline.
    Rollover,
    /// A version of the program that takes effect.
    Recalculation {
        /// Its number.
        version: u32,
    },
}

impl Kind {
    /// Whether a later job replaces an earlier one: the latest midnight among rollovers, the newest version among
    /// recalculations.
    pub fn is_like(self, other: Self) -> bool {
        match (self, other) {
            (Self::Rollover, Self::Rollover) | (Self::Recalculation { .. }, Self::Recalculation { .. }) => true,
            (Self::Rollover, Self::Recalculation { .. }) | (Self::Recalculation { .. }, Self::Rollover) => false,
        }
    }
}

/// A job's name within its shop: the instant up to which it brings all members, and its kind. Names sort as instants
/// do. The same boundary has the same job, whichever task opens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId {
    /// The instant up to which members are brought, inclusive.
    pub until: Instant,
    /// The kind of boundary at that instant.
    pub kind: Kind,
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-", at(self.until))?;
        match self.kind {
            Kind::Rollover => f.write_str("rollover"),
            Kind::Recalculation { version } => write!(f, "recalculation-{version}"),
        }
    }
}

/// A text that is not a job's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no job: jobs are named like `2027-01-01T00:00:00.000Z-rollover`; `echelon jobs` lists them")]
pub struct JobIdError(String);

impl FromStr for JobId {
    type Err = JobIdError;

    fn from_str(text: &str) -> Result<Self, JobIdError> {
        let parsed = || {
            let (until, kind) = text.split_once("Z-")?;
            let until = Instant::parse(&format!("{until}Z")).ok()?;
            let kind = match kind.split_once('-') {
                None if kind == "rollover" => Kind::Rollover,
                Some(("recalculation", version)) => Kind::Recalculation { version: version.parse().ok()? },
                None | Some(_) => return None,
            };
            Some(Self { until, kind })
        };
        parsed().ok_or_else(|| JobIdError(text.to_owned()))
    }
}

impl Serialize for JobId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The state of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Segments are worked on, or wait for a worker.
    Running,
    /// An operator paused it.
    Paused,
    /// It was ended early. Members pass the boundary with the next event about them, or with the next job.
    Cancelled,
    /// A later job of its kind takes over the rest.
    Superseded,
    /// All members are past the boundary.
    Done,
}

impl State {
    /// Whether there is something left to do.
    pub fn is_open(self) -> bool {
        match self {
            Self::Running | Self::Paused => true,
            Self::Cancelled | Self::Superseded | Self::Done => false,
        }
    }

    /// The name of the state in texts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::Done => "done",
        }
    }
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// Its state.
    pub state: State,
    /// When it was opened.
    pub opened_at: Instant,
    /// When work may begin: no writer is left by then that could have missed the boundary.
    pub starts_at: Instant,
    /// When the last segment was done, or the job was ended early.
    pub ended_at: Option<Instant>,
    /// The number of segments into which the shop's members are divided.
    pub segments: u16,
    /// Its result, once it has ended.
    pub tally: Option<Tally>,
    /// For a rollover, the boundary since which it counts moves: that of the last rollover done before it was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Instant>,
    /// For a rollover, the local day that begins at its boundary, by the release of zones under which it was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<Day>,
    /// The releases of zones under which it was opened and ended, but not those in between; empty for jobs that an
    /// earlier release of Echelon opened.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub zones: BTreeSet<Release>,
    /// The lists of members that it writes; none once they are deleted, and for jobs that an earlier release opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lists: Option<Lists>,
}

impl Job {
    /// Ends in a state.
    pub fn end(&mut self, state: State, now: Instant, zones: &Zones) {
        self.state = state;
        self.ended_at = Some(now);
        self.zones.insert(zones.release());
    }

    /// Whether all of it is swept. Other readers see a transaction item by item: while a job is being opened, some
    /// segments may still be missing.
    pub fn is_swept<'a>(&self, spread: Spread, mut segments: impl ExactSizeIterator<Item = &'a Segment>) -> bool {
        segments.len() == Segment::divide(spread, self.segments).len() && segments.all(Segment::is_done)
    }
}

/// The row version of a segment that was taken once since it was created.
const FIRST_TAKEN: u64 = 2;

/// A part of a job: a range of a shop's buckets, and its progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Its number, from 0.
    pub number: u16,
    /// The place where the sweep continues.
    pub place: ScanPosition,
    /// The bucket at which the segment ends.
    pub end: u16,
    /// The first bucket.
    pub begin: u16,
    /// The worker that owns it, and until when.
    pub lease: Option<Lease>,
    /// The counts so far. They are written together with the place; no page is counted twice.
    pub tally: Tally,
    /// The figures of all members so far, written likewise.
    #[serde(default)]
    pub found: Counts,
    /// The places at which a worker took the segment although an earlier worker may have begun there.
    #[serde(default)]
    pub restarts: Vec<Restart>,
}

/// A place in a shop's members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanPosition {
    /// The next bucket; the segment's end if all are done.
    pub bucket: u16,
    /// The sort key in that bucket after which the sweep continues; none at the bucket's beginning.
    pub behind: Option<String>,
}

/// The worker that owns a segment, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The worker.
    pub owner: String,
    /// The end of the lease.
    pub until: Instant,
}

impl Segment {
    /// The segments of a whole shop.
    pub fn divide(spread: Spread, segments: u16) -> Vec<Self> {
        let buckets = spread.buckets();
        let segments = segments.clamp(1, buckets);
        let border = |number: u16| {
            let at = u32::from(number) * u32::from(buckets) / u32::from(segments);
            u16::try_from(at).unwrap_or(buckets)
        };
        let part = |number| {
            let (begin, end) = (border(number), border(number + 1));
            let place = ScanPosition { bucket: begin, behind: None };
            Self {
                number,
                place,
                end,
                begin,
                lease: None,
                tally: Tally::default(),
                found: Counts::default(),
                restarts: Vec::new(),
            }
        };
        (0..segments).map(part).collect()
    }

    /// Whether all of it is swept.
    pub fn is_done(&self) -> bool {
        self.place.bucket >= self.end
    }

    /// Notes that the segment is taken, in the write that gives it this row version. Rows that an earlier worker wrote
    /// from this place on are not part of the lists: only a worker that continues from here reaches the page's end.
    /// Before the first take, no worker can have begun. `place` is where the sweep continues, in the form of list rows'
    /// keys.
    pub fn taken_as(&mut self, version: u64, place: String) {
        if version <= FIRST_TAKEN {
            return;
        }
        self.restarts.retain(|restart| restart.place != place);
        self.restarts.push(Restart { place, attempt: version });
    }

    /// Whether another worker's lease forbids this one to work on it now.
    pub fn is_leased_to_another(&self, owner: &str, now: Instant) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.owner != owner && lease.until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_named_by_its_boundary_and_names_sort_as_boundaries_do() {
        let until = Instant::parse("2027-01-01T05:00:00Z").unwrap();
        let rollover = JobId { until, kind: Kind::Rollover };
        assert_eq!(rollover.to_string(), "2027-01-01T05:00:00.000Z-rollover");
        let version = JobId { until: until.plus_millis(1), kind: Kind::Recalculation { version: 12 } };
        assert_eq!(version.to_string(), "2027-01-01T05:00:00.001Z-recalculation-12");
        assert!(rollover.to_string() < version.to_string());
        for id in [rollover, version] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for wrong in ["", "rollover", "2027-01-01T05:00:00.000Z-", "2027-01-01T05:00:00.000Z-recalculation-x"] {
            assert!(wrong.parse::<JobId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn segments_cover_every_bucket_once() {
        for spread in [Spread::DEPLOYED, Spread::over(0, 0), Spread::over(1, 1), Spread::over(7, 1)] {
            for count in [1, 2, 3, 7, 16, 256, 1000] {
                let segments = Segment::divide(spread, count);
                let covered: Vec<u16> = segments.iter().flat_map(|segment| segment.begin..segment.end).collect();
                assert_eq!(covered, (0..spread.buckets()).collect::<Vec<_>>(), "{spread:?} {count}");
                assert!(segments.iter().all(|segment| !segment.is_done()));
            }
        }
    }
}
