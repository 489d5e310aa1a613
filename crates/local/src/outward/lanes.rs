//! The order in which events are announced, and the times at which they are retried.
//!
//! The rows of a member are a lane, and so are the versions of a shop. The rows of a lane go out one after the other.
//! Lanes do not wait for each other. A lane whose event is not accepted rests, with a backoff that doubles each time.
//! If many lanes in a row get no answer, the receiver counts as absent, and one lane at a time probes whether it is
//! back.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use super::webhook::DeliveryError;

/// The backoff after the first failure.
const SOON: Duration = Duration::from_secs(1);
/// The maximum backoff. It always applies to events that were refused for good.
const SLOW: Duration = Duration::from_secs(5 * 60);
/// The maximum interval between probes of an absent receiver.
const PROBED: Duration = Duration::from_secs(10);
/// The number of lanes that must fail in a row for the receiver to count as absent.
const IN_A_ROW: usize = 8;
/// The number of failed lanes that may be retried at the same time, so that other lanes continue.
const REPEATED_AT_ONCE: usize = 4;

/// All lanes that are under way or rest.
#[derive(Debug, Default)]
pub struct Lanes {
    busy: HashMap<String, Busy>,
    resting: HashMap<String, Rest>,
    /// The number of lanes under way that have failed before, and whether more of them wait.
    repeated: usize,
    crowded: bool,
    /// The lanes that failed since an event was last accepted.
    in_a_row: HashSet<String>,
    absent: Option<Absent>,
    /// The failures that were reported since everything last succeeded, by status code; 0 for no answer.
    told: BTreeSet<u16>,
    /// The number of times in a row that a lane's announced row could not be marked.
    unmarked: HashMap<String, u32>,
}

/// A lane that is under way.
#[derive(Debug, Clone, Copy)]
struct Busy {
    /// Whether a pass skipped it meanwhile, so there may be more rows.
    passed_by: bool,
    /// Whether it has failed before.
    repeated: bool,
    /// Whether it probes the receiver.
    probes: bool,
}

/// A lane that has failed.
#[derive(Debug, Clone, Copy)]
struct Rest {
    until: Instant,
    tries: u32,
    /// Whether its event was refused. Otherwise the receiver may be the cause.
    refused: bool,
}

/// The receiver is absent.
#[derive(Debug, Clone, Copy)]
struct Absent {
    until: Instant,
    tries: u32,
    probed: bool,
}

/// Whether a lane may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum May {
    /// The lane may begin, or has begun.
    Go,
    /// The lane is under way, or others must finish first. There is more to do later.
    Later,
    /// The lane rests.
    Rest,
    /// No lane may begin.
    NoLane,
}

/// News about the receiver, to be reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Nothing new.
    None,
    /// The first event that is not accepted, or the first that is refused with this status.
    NotTaken,
    /// The receiver is absent.
    Absent,
    /// The receiver is back.
    Back,
    /// Every event that was tried is accepted.
    Well,
}

/// Whether there is more to do, now that a lane is no longer under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct More {
    /// In the lane's shop, whose pass skipped it.
    pub here: bool,
    /// In any shop: failed lanes waited for this one.
    pub elsewhere: bool,
}

impl Lanes {
    /// Whether a lane may begin now.
    pub fn may(&mut self, lane: &str, now: Instant) -> May {
        if self.absent.is_some_and(|absent| absent.probed || absent.until > now) {
            return May::NoLane;
        }
        if let Some(busy) = self.busy.get_mut(lane) {
            busy.passed_by = true;
            return May::Later;
        }
        match self.resting.get(lane) {
            Some(rest) if rest.until > now => May::Rest,
            Some(_) if self.repeated >= REPEATED_AT_ONCE => {
                self.crowded = true;
                May::Later
            }
            Some(_) | None => May::Go,
        }
    }

    /// Begins a lane, if it may.
    pub fn begin(&mut self, lane: &str, now: Instant) -> May {
        let may = self.may(lane, now);
        if may == May::Go {
            let (repeated, probes) = (self.resting.contains_key(lane), self.absent.is_some());
            self.busy.insert(lane.to_owned(), Busy { passed_by: false, repeated, probes });
            self.repeated += usize::from(repeated);
            if let Some(absent) = &mut self.absent {
                absent.probed = true;
            }
        }
        may
    }

    /// Notes that an event was accepted, so the receiver is present.
    pub fn taken(&mut self, lane: &str, now: Instant) -> News {
        self.in_a_row.clear();
        self.resting.remove(lane);
        let back = self.absent.take().is_some();
        if back {
            let waiting = self.resting.values_mut().filter(|rest| !rest.refused);
            waiting.for_each(|rest| rest.until = rest.until.min(now));
        }
        let well = self.well();
        if well == News::None && back { News::Back } else { well }
    }

    /// Notes that a lane has nothing left to announce.
    pub fn empty(&mut self, lane: &str) -> News {
        self.resting.remove(lane);
        self.unmarked.remove(lane);
        self.well()
    }

    fn well(&mut self) -> News {
        if self.told.is_empty() || !self.resting.is_empty() {
            return News::None;
        }
        self.told.clear();
        News::Well
    }

    /// Notes that an event was not accepted: its lane rests.
    pub fn not_taken(&mut self, lane: &str, why: &DeliveryError, now: Instant) -> News {
        let tries = self.tries(lane);
        let (refused, code) = match why {
            DeliveryError::Refused(status) => (true, status.as_u16()),
            DeliveryError::Trouble(_) => (false, 0),
        };
        self.rest(lane, if refused { SLOW } else { twice(SOON, tries, SLOW) }, tries, refused, now);
        let first = self.told.insert(code);
        if refused {
            // The receiver is present.
            self.in_a_row.clear();
            let back = self.absent.take().is_some();
            return if first || back { News::NotTaken } else { News::None };
        }
        self.in_a_row.insert(lane.to_owned());
        let probes = self.busy.get(lane).is_some_and(|busy| busy.probes);
        match &mut self.absent {
            Some(absent) => {
                if probes {
                    absent.until = now + twice(SOON, absent.tries, PROBED);
                    absent.tries = absent.tries.saturating_add(1);
                }
                News::None
            }
            None if self.in_a_row.len() >= IN_A_ROW => {
                self.absent = Some(Absent { until: now + SOON, tries: 1, probed: false });
                News::Absent
            }
            None if first => News::NotTaken,
            None => News::None,
        }
    }

    /// Notes that a lane cannot be read. It is retried soon.
    pub fn unread(&mut self, lane: &str, now: Instant) {
        self.rest(lane, SOON, self.tries(lane), false, now);
    }

    /// Notes that an announced row could not be marked: its lane rests, for longer each time.
    pub fn unmarked(&mut self, lane: &str, now: Instant) {
        let tries = self.unmarked.entry(lane.to_owned()).or_default();
        *tries = tries.saturating_add(1);
        let tries = *tries;
        self.rest(lane, twice(SOON, tries, SLOW), tries, false, now);
    }

    /// Notes that an announced row was marked.
    pub fn marked(&mut self, lane: &str) {
        self.unmarked.remove(lane);
    }

    /// Notes that a lane is no longer under way.
    pub fn end(&mut self, lane: &str) -> More {
        let Some(Busy { passed_by, repeated, probes }) = self.busy.remove(lane) else { return More::default() };
        self.repeated = self.repeated.saturating_sub(usize::from(repeated));
        if let Some(absent) = self.absent.as_mut().filter(|_| probes) {
            absent.probed = false;
        }
        More { here: passed_by, elsewhere: repeated && std::mem::take(&mut self.crowded) }
    }

    /// The next instant at which a resting lane is retried or the receiver is probed. Lanes that are already due do not
    /// count: they wait for other lanes.
    pub fn next(&self, now: Instant) -> Option<Instant> {
        match &self.absent {
            Some(absent) => (!absent.probed && absent.until > now).then_some(absent.until),
            None => {
                let resting = self.resting.iter().filter(|(lane, _)| !self.busy.contains_key(*lane));
                resting.map(|(_, rest)| rest.until).filter(|until| *until > now).min()
            }
        }
    }

    /// Notes that a pass over a shop found these lanes. A resting lane that was not found has nothing left, because
    /// another process announced or erased its rows, and rests no more.
    pub fn keep(&mut self, is_of_shop: impl Fn(&str) -> bool, found: &HashSet<String>) -> News {
        let before = self.resting.len();
        let busy = &self.busy;
        self.unmarked.retain(|lane, _| !is_of_shop(lane) || found.contains(lane) || busy.contains_key(lane));
        self.resting.retain(|lane, _| !is_of_shop(lane) || found.contains(lane) || busy.contains_key(lane));
        if self.resting.len() == before {
            return News::None;
        }
        if self.resting.is_empty() && self.busy.is_empty() {
            // No lane is left to probe the receiver.
            self.absent = None;
            self.in_a_row.clear();
        }
        self.well()
    }

    fn rest(&mut self, lane: &str, long: Duration, tries: u32, refused: bool, now: Instant) {
        let rest = Rest { until: now + long, tries: tries.saturating_add(1), refused };
        self.resting.insert(lane.to_owned(), rest);
    }

    /// The number of failures of a lane.
    fn tries(&self, lane: &str) -> u32 {
        self.resting.get(lane).map_or(0, |rest| rest.tries)
    }
}

/// A duration, doubled this many times, up to a maximum.
fn twice(time: Duration, times: u32, most: Duration) -> Duration {
    time.saturating_mul(2_u32.saturating_pow(times)).min(most)
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    fn trouble() -> DeliveryError {
        DeliveryError::Trouble("no answer".to_owned())
    }

    fn fails(lanes: &mut Lanes, lane: &str, why: &DeliveryError, now: Instant) -> News {
        assert_eq!(lanes.begin(lane, now), May::Go);
        let news = lanes.not_taken(lane, why, now);
        lanes.end(lane);
        news
    }

    #[test]
    fn what_cannot_be_marked_goes_out_again_after_longer_and_longer() {
        let (mut lanes, mut now) = (Lanes::default(), Instant::now());
        let mut rested = Vec::new();
        for _ in 0..4 {
            assert_eq!(lanes.begin("a", now), May::Go);
            // The event goes out, and its row cannot be marked.
            lanes.taken("a", now);
            lanes.unmarked("a", now);
            lanes.end("a");
            let until = lanes.next(now).unwrap();
            rested.push(until - now);
            now = until;
        }
        assert!(rested.is_sorted() && rested[3] >= rested[0] * 8, "{rested:?}");
        lanes.marked("a");
        lanes.begin("a", now);
        lanes.taken("a", now);
        lanes.unmarked("a", now);
        lanes.end("a");
        assert_eq!(lanes.next(now).unwrap() - now, rested[0]);
    }

    #[test]
    fn a_due_lane_that_waits_for_others_sets_no_timer() {
        let (mut lanes, now) = (Lanes::default(), Instant::now());
        for lane in ["a", "b", "c", "d", "e"] {
            fails(&mut lanes, lane, &trouble(), now);
        }
        assert_eq!(lanes.next(now), Some(now + SOON));
        let later = now + SOON;
        for lane in ["a", "b", "c", "d"] {
            assert_eq!(lanes.begin(lane, later), May::Go);
        }
        assert_eq!(lanes.begin("e", later), May::Later);
        assert_eq!(lanes.next(later), None, "it goes on when one of the others ends");
        assert!(lanes.end("a").elsewhere);
    }

    #[test]
    fn a_lane_of_which_nothing_is_left_rests_no_more() {
        let (mut lanes, now) = (Lanes::default(), Instant::now());
        fails(&mut lanes, "acme#anna", &trouble(), now);
        fails(&mut lanes, "other#bert", &trouble(), now);
        let of_acme = |lane: &str| lane.starts_with("acme#");
        assert_eq!(lanes.keep(of_acme, &HashSet::from(["acme#anna".to_owned()])), News::None);
        assert_eq!(lanes.keep(of_acme, &HashSet::new()), News::None);
        assert_eq!(lanes.keep(|lane| lane.starts_with("other#"), &HashSet::new()), News::Well);
        assert_eq!(lanes.next(now), None);
    }

    #[test]
    fn a_lane_that_fails_rests_twice_as_long_each_time_and_holds_up_no_other() {
        let (mut lanes, mut now) = (Lanes::default(), Instant::now());
        assert_eq!(fails(&mut lanes, "anna", &trouble(), now), News::NotTaken);
        for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            let until = now + Duration::from_secs(seconds);
            assert_eq!(lanes.next(now), Some(until));
            assert_eq!(lanes.may("anna", until - Duration::from_millis(1)), May::Rest);
            assert_eq!(lanes.may("bert", now), May::Go);
            now = until;
            assert_eq!(fails(&mut lanes, "anna", &trouble(), now), News::None);
        }
        let now = now + SLOW;
        assert_eq!(lanes.begin("anna", now), May::Go);
        assert_eq!(lanes.taken("anna", now), News::Well);
        assert_eq!((lanes.end("anna"), lanes.next(now)), (More::default(), None));
    }

    #[test]
    fn what_is_refused_for_good_is_tried_slowly_and_told_of_once() {
        let (mut lanes, now) = (Lanes::default(), Instant::now());
        let gone = DeliveryError::Refused(StatusCode::GONE);
        assert_eq!(fails(&mut lanes, "anna", &gone, now), News::NotTaken);
        assert_eq!(lanes.next(now), Some(now + SLOW));
        for other in 0..2 * IN_A_ROW {
            assert_eq!(fails(&mut lanes, &format!("m{other}"), &gone, now), News::None);
        }
        assert_eq!(fails(&mut lanes, "bert", &DeliveryError::Refused(StatusCode::BAD_REQUEST), now), News::NotTaken);
        assert_eq!((lanes.may("carl", now), lanes.may("anna", now)), (May::Go, May::Rest));
        assert_eq!(lanes.may("anna", now + SLOW), May::Go);
    }

    #[test]
    fn an_absent_receiver_is_probed_by_one_lane_at_a_time_until_it_is_back() {
        let (mut lanes, now) = (Lanes::default(), Instant::now());
        let names: Vec<_> = (0..IN_A_ROW).map(|number| format!("m{number}")).collect();
        let news: Vec<_> = names.iter().map(|name| fails(&mut lanes, name, &trouble(), now)).collect();
        assert_eq!((news[0], news[1], news[IN_A_ROW - 1]), (News::NotTaken, News::None, News::Absent));
        assert_eq!((lanes.may("anna", now), lanes.next(now)), (May::NoLane, Some(now + SOON)));
        let now = now + SOON;
        assert_eq!(lanes.begin("anna", now), May::Go);
        assert_eq!((lanes.begin("bert", now), lanes.next(now)), (May::NoLane, None));
        assert_eq!(lanes.not_taken("anna", &trouble(), now), News::None);
        lanes.end("anna");
        assert_eq!(lanes.next(now), Some(now + 2 * SOON));
        let now = now + PROBED;
        assert_eq!(lanes.begin("bert", now), May::Go);
        assert_eq!(lanes.taken("bert", now), News::Back);
        lanes.end("bert");
        // The lanes failed because of an outage that is over.
        assert!(names[..REPEATED_AT_ONCE].iter().all(|name| lanes.begin(name, now) == May::Go));
        assert_eq!((lanes.begin("m7", now), lanes.begin("carl", now)), (May::Later, May::Go));
        assert_eq!(lanes.taken("m0", now), News::None);
        assert_eq!(lanes.end("m0"), More { here: false, elsewhere: true });
        assert_eq!(lanes.begin("m7", now), May::Go);
    }

    #[test]
    fn one_that_never_answers_is_not_taken_for_all() {
        let (mut lanes, mut now) = (Lanes::default(), Instant::now());
        for _ in 0..3 * IN_A_ROW {
            fails(&mut lanes, "anna", &trouble(), now);
            now += SLOW;
        }
        assert_eq!(lanes.begin("anna", now), May::Go);
        assert_eq!((lanes.begin("anna", now), lanes.begin("bert", now)), (May::Later, May::Go));
        lanes.unread("anna", now);
        assert_eq!(lanes.end("anna"), More { here: true, elsewhere: false });
        assert_eq!(lanes.empty("anna"), News::Well);
    }
}
