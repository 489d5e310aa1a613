//! The state of announcing, for the health report.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rules::calendar::Instant;
use serde::Serialize;
use store::shop::ShopId;

/// The value for no instant, before all of them.
const NEVER: i64 = i64::MIN;

/// The state of announcing.
#[derive(Debug)]
pub struct State {
    announced: AtomicU64,
    failures: AtomicU64,
    last_success: AtomicI64,
    failing: Mutex<Option<Failing>>,
    waiting: Mutex<BTreeMap<ShopId, u64>>,
}

/// The state of announcing at an instant, as it is reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Announcing {
    /// The number of recorded events that are not announced, as far as is known.
    pub unannounced: u64,
    /// The number of events announced since the process began.
    pub announced: u64,
    /// The number of failed tries since the process began.
    pub failures: u64,
    /// When an event was last accepted, if any was.
    pub last_success: Option<Instant>,
    /// When the first of the present failures occurred, while there are any.
    pub failing_since: Option<Instant>,
    /// The reason of the last failure.
    pub last_failure: Option<String>,
}

/// The failure of an event.
#[derive(Debug, Clone)]
struct Failing {
    since: Instant,
    why: String,
}

impl Default for State {
    fn default() -> Self {
        Self {
            announced: AtomicU64::default(),
            failures: AtomicU64::default(),
            last_success: AtomicI64::new(NEVER),
            failing: Mutex::default(),
            waiting: Mutex::default(),
        }
    }
}

impl State {
    /// The present state.
    pub fn now(&self) -> Announcing {
        let failing = held(&self.failing).clone();
        let (failing_since, last_failure) = failing.map(|failing| (failing.since, failing.why)).unzip();
        let last_success = Some(self.last_success.load(Ordering::Relaxed)).filter(|at| *at != NEVER);
        Announcing {
            unannounced: held(&self.waiting).values().sum(),
            announced: self.announced.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            last_success: last_success.map(Instant::from_millis),
            failing_since,
            last_failure,
        }
    }

    /// Notes the number of a shop's waiting events.
    pub(super) fn waits(&self, shop: &ShopId, count: u64) {
        let mut waiting = held(&self.waiting);
        if count == 0 {
            waiting.remove(shop);
        } else {
            waiting.insert(shop.clone(), count);
        }
    }

    /// Notes that some of a shop's events no longer wait, whether this process announced them or another one.
    pub(super) fn waits_no_longer(&self, shop: &ShopId, count: u64) {
        let mut waiting = held(&self.waiting);
        let left = waiting.get(shop).map_or(0, |waiting| waiting.saturating_sub(count));
        if left == 0 {
            waiting.remove(shop);
        } else {
            waiting.insert(shop.clone(), left);
        }
    }

    /// Notes that an event was accepted.
    pub(super) fn taken(&self, now: Instant) {
        self.announced.fetch_add(1, Ordering::Relaxed);
        self.last_success.store(now.millis(), Ordering::Relaxed);
    }

    /// Notes that an event was not accepted.
    pub(super) fn not_taken(&self, now: Instant, why: &str) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut failing = held(&self.failing);
        let since = failing.as_ref().map_or(now, |failing| failing.since);
        *failing = Some(Failing { since, why: why.to_owned() });
    }

    /// Notes that every event that was tried is accepted.
    pub(super) fn well(&self) {
        *held(&self.failing) = None;
    }
}

fn held<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_waits_since_when_and_why() {
        let (state, acme, late) = (State::default(), ShopId::new("acme").unwrap(), ShopId::new("late").unwrap());
        let nothing = state.now();
        assert_eq!((nothing.unannounced, nothing.last_success, nothing.failing_since), (0, None, None));
        state.waits(&acme, 3);
        state.waits(&late, 2);
        state.waits_no_longer(&acme, 1);
        state.waits_no_longer(&late, 5);
        state.not_taken(Instant::from_millis(1), "one");
        state.not_taken(Instant::from_millis(2), "other");
        state.taken(Instant::from_millis(3));
        let failing = Announcing {
            unannounced: 2,
            announced: 1,
            failures: 2,
            last_success: Some(Instant::from_millis(3)),
            failing_since: Some(Instant::from_millis(1)),
            last_failure: Some("other".to_owned()),
        };
        assert_eq!(state.now(), failing);
        state.well();
        assert_eq!(state.now(), Announcing { failing_since: None, last_failure: None, ..failing });
    }
}
