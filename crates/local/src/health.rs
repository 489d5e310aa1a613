//! How a served system does: whether its parts are at work, whether the store takes what is written, and how much waits.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::future::Future;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use engine::ingest::Counts;
use rules::calendar::Instant;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time;

use super::System;
use super::outward::Announcing;
use super::queue::{DEAD, QUARANTINE, QueueError, Queued, RECEIVED_MAX};
use super::whereabouts::is_where_it_was;

/// A part that has not come round for so long is not at work.
const SILENT: Duration = Duration::from_secs(60);
/// A part that ended is begun again after so long.
const AGAIN: Duration = Duration::from_secs(1);

/// An event that failed so often does not fail by chance.
const FAILING_FROM: u32 = 3;
/// Twice the longest pause between two tries of an event.
const FORGOTTEN: Duration = Duration::from_secs(10 * 60);

/// Whether a part is at work.
#[derive(Debug, Default)]
pub struct Pulse {
    at: Mutex<Option<time::Instant>>,
    restarts: AtomicU64,
}

impl Pulse {
    /// Notes that the part is at work.
    pub fn beat(&self) {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = Some(time::Instant::now());
    }

    /// For how long the part has not been seen at work; nothing before it began.
    fn silent_for(&self) -> Option<Duration> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner).map(|at| at.elapsed())
    }
}

/// What fails again and again, each with when it last did, and why.
#[derive(Debug, Default)]
pub struct Failing(Mutex<BTreeMap<String, Failed>>);

#[derive(Debug)]
struct Failed {
    at: time::Instant,
    times: u32,
    why: String,
}

impl Failing {
    /// Notes that something failed, and why; or that it did not.
    pub fn note(&self, id: &str, why: Option<&str>) {
        let mut failing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(why) = why else { return drop(failing.remove(id)) };
        let times = failing.get(id).map_or(0, |failed| failed.times).saturating_add(1);
        failing.insert(id.to_owned(), Failed { at: time::Instant::now(), times, why: why.to_owned() });
    }

    /// How many go on failing, and why one of them does; nothing if there are none.
    fn in_words(&self, part: &str, what: &str) -> Option<String> {
        let mut failing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What another process has done meanwhile does not come again.
        failing.retain(|_, failed| failed.at.elapsed() < FORGOTTEN);
        // That something fails once or twice is usual where several write.
        let mut on = failing.values().filter(|failed| failed.times >= FAILING_FROM);
        let why = on.next()?.why.clone();
        Some(format!("{part}: {} {what}: {why}", on.count() + 1))
    }
}

/// How a system does.
#[derive(Debug)]
pub struct Health {
    /// What takes events in.
    pub worker: std::sync::Arc<Pulse>,
    /// What sweeps.
    pub sweeper: std::sync::Arc<Pulse>,
    /// What announces.
    pub announcer: std::sync::Arc<Pulse>,
    /// What is wrong, by what it is wrong with.
    troubles: Mutex<BTreeMap<Trouble, String>>,
    /// Events that fail again and again.
    events: Failing,
    /// Members whose announcements cannot be read, or marked as announced.
    pub announcements: Failing,
    started_at: Instant,
    wrote_at: AtomicI64,
    swept_at: AtomicI64,
}

/// What can be wrong with a system, beside a part that is not at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// The store does not take what is written.
    Write,
    /// No events can be taken in.
    Ingest,
    /// Sweeps cannot go on.
    Sweep,
    /// The clock is behind what is on record.
    Clock,
    /// The file is not where it was: what is written is lost when the process ends.
    File,
}

const NEVER: i64 = i64::MIN;

impl Default for Health {
    fn default() -> Self {
        let (worker, sweeper, announcer) = Default::default();
        let (wrote_at, swept_at) = (AtomicI64::new(NEVER), AtomicI64::new(NEVER));
        let (troubles, events, announcements) = Default::default();
        Self {
            worker,
            sweeper,
            announcer,
            troubles,
            events,
            announcements,
            started_at: crate::now(),
            wrote_at,
            swept_at,
        }
    }
}

impl Health {
    /// Notes that something is wrong, or is no more.
    pub fn note(&self, trouble: Trouble, why: Option<String>) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        match why {
            Some(why) => troubles.insert(trouble, why),
            None => troubles.remove(&trouble),
        };
    }

    /// Notes what came of writing to the store.
    pub fn wrote(&self, result: &Result<(), QueueError>, now: Instant) {
        if result.is_ok() {
            self.wrote_at.store(now.millis(), Ordering::SeqCst);
        }
        self.note(Trouble::Write, result.as_ref().err().map(ToString::to_string));
    }

    /// Notes which of the events that were taken together failed, and why the first did.
    pub fn took<'a>(&self, events: impl IntoIterator<Item = (&'a Queued, bool)>, why: Option<&str>) {
        for (event, failed) in events {
            let is_dead = event.received.saturating_add(1) >= RECEIVED_MAX;
            self.events.note(&event.id, why.filter(|_| failed && !is_dead));
        }
    }

    /// Notes that it was looked whether a sweep is due, and what was due is swept.
    pub fn swept(&self, now: Instant) {
        self.swept_at.store(now.millis(), Ordering::SeqCst);
        self.note(Trouble::Sweep, None);
    }

    /// Whether something is wrong with this.
    pub fn is_troubled(&self, trouble: Trouble) -> bool {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&trouble)
    }

    /// What is wrong, in words.
    fn problems(&self) -> Vec<String> {
        let parts = [("ingest", &self.worker), ("sweeps", &self.sweeper), ("announcements", &self.announcer)];
        let silent = parts.into_iter().filter_map(|(part, pulse)| {
            let silent = pulse.silent_for().filter(|silent| *silent > SILENT)?;
            Some(format!("{part}: not at work for {} s", silent.as_secs()))
        });
        let troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        let told = troubles.iter().map(|(trouble, why)| format!("{}: {why}", trouble.name()));
        let events = self.events.in_words("events", "fail again and again, and are tried again");
        let announcements =
            self.announcements.in_words("announcements", "members have some that cannot be read or marked");
        silent.chain(told).chain(events).chain(announcements).collect()
    }
}

impl Trouble {
    fn name(self) -> &'static str {
        match self {
            Self::Write => "writing",
            Self::Ingest => "ingest",
            Self::Sweep => "sweeps",
            Self::Clock => "clock",
            Self::File => "file",
        }
    }
}

/// Runs a part until it is told to stop. One that ends or panics before is begun again: what it was doing it does again.
pub async fn supervised<F>(name: &'static str, pulse: &Pulse, mut stop: watch::Receiver<bool>, part: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        pulse.beat();
        let ended = tokio::spawn(part()).await;
        if *stop.borrow() {
            return;
        }
        let why = ended.err().map_or_else(|| "it ended".to_owned(), |error| error.to_string());
        tracing::error!(part = name, why, "a part of the system broke off, and is begun again");
        pulse.restarts.fetch_add(1, Ordering::SeqCst);
        tokio::select! {
            () = time::sleep(AGAIN) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// How a system does, as it is told.
#[derive(Debug, Serialize)]
pub struct Report {
    /// `ok`, or `failing`.
    pub status: &'static str,
    /// The time.
    pub now: Instant,
    /// The release of the time zone database in use.
    pub zones: String,
    /// More, for whoever may look.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
}

/// What only those are told who may look.
#[derive(Debug, Serialize)]
pub struct Details {
    /// What is wrong.
    pub problems: Vec<String>,
    /// When this process was started, by the machine's clock: what is counted is counted from then on.
    pub started_at: Instant,
    /// How many events wait to be taken in.
    pub waiting: u64,
    /// How long the oldest of them has waited.
    pub oldest_waiting_ms: i64,
    /// How many failed too often.
    pub dead: u64,
    /// How many can never succeed as they are.
    pub quarantined: u64,
    /// How announcing goes.
    #[serde(flatten)]
    pub announcing: Announcing,
    /// How often parts of the system were begun again.
    pub restarts: u64,
    /// When something was last written that was told over HTTP.
    pub last_write: Option<Instant>,
    /// When it was last looked for sweeps that are due, and all was swept.
    pub last_sweep: Option<Instant>,
    /// What was taken in since the start.
    pub taken_in: Counts,
}

impl System {
    /// Whether the file of the system is where it was, and whole; it is noted.
    pub fn has_its_file(&self) -> bool {
        let is_there = self.here.as_ref().is_none_or(is_where_it_was);
        if !is_there && !self.health.is_troubled(Trouble::File) {
            tracing::error!(
                "the file is not where it was any more, or was cut off, and nothing is accepted: put it back, or stop and restore"
            );
        }
        let gone = "it is not where it was any more, or was cut off; nothing is accepted until it is back, or restored";
        self.health.note(Trouble::File, (!is_there).then(|| gone.to_owned()));
        is_there
    }

    /// How the system does; more for whoever may look.
    pub async fn report(&self, in_full: bool) -> Report {
        self.has_its_file();
        if self.health.is_troubled(Trouble::Write) {
            // Nobody may be writing who would notice that it can be written again.
            self.health.wrote(&self.queues.probe().await, self.time.now());
        }
        let mut problems = self.health.problems();
        if self.accept.is_over() {
            problems.push("writing: nothing is accepted any more; start the system again".to_owned());
        }
        let details = if in_full {
            let details = self.details(Vec::new()).await;
            problems.extend(details.as_ref().err().map(|error| format!("reading: {error}")));
            details.ok()
        } else {
            problems.extend(self.queues.oldest().await.err().map(|error| format!("reading: {error}")));
            None
        };
        let status = if problems.is_empty() { "ok" } else { "failing" };
        let details = details.map(|details| Details { problems, ..details });
        let zones = self.store.zones().release().to_string();
        Report { status, now: self.time.now(), zones, details }
    }

    async fn details(&self, problems: Vec<String>) -> Result<Details, QueueError> {
        let instant =
            |at: &AtomicI64| Some(at.load(Ordering::SeqCst)).filter(|at| *at != NEVER).map(Instant::from_millis);
        let health = &self.health;
        let oldest = self.queues.oldest().await?;
        let waited = |sent_at: Instant| (crate::now().millis() - sent_at.millis()).max(0);
        let restarts = [&health.worker, &health.sweeper, &health.announcer];
        Ok(Details {
            problems,
            started_at: health.started_at,
            waiting: self.queues.waiting(),
            oldest_waiting_ms: oldest.map_or(0, waited),
            dead: self.queues.count(DEAD).await?,
            quarantined: self.queues.count(QUARANTINE).await?,
            announcing: self.announcing.now(),
            restarts: restarts.into_iter().map(|pulse| pulse.restarts.load(Ordering::SeqCst)).sum(),
            last_write: instant(&health.wrote_at),
            last_sweep: instant(&health.swept_at),
            taken_in: self.counts(),
        })
    }
}

impl Report {
    /// The same as Prometheus reads it.
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        let mut tell = |name: &str, kind: &str, help: &str, value: String| {
            // Writing to a string does not fail.
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name}{value}\n");
        };
        tell("echelon_up", "gauge", "1 while nothing is wrong.", format!(" {}", u8::from(self.status == "ok")));
        let zones = format!("{{release=\"{}\"}} 1", self.zones);
        tell("echelon_zones_info", "gauge", "The release of the time zone database in use.", zones);
        let Some(details) = &self.details else { return text };
        let gauges = [
            ("waiting", "Events that wait to be taken in.", details.waiting),
            ("dead", "Events that failed too often.", details.dead),
            ("quarantined", "Events that can never succeed as they are.", details.quarantined),
            ("unannounced", "Recorded rows that are not announced yet.", details.announcing.unannounced),
        ];
        for (name, help, value) in gauges {
            tell(&format!("echelon_{name}"), "gauge", help, format!(" {value}"));
        }
        let seconds = |ms: i64| format!(" {}.{:03}", ms.div_euclid(1_000), ms.rem_euclid(1_000));
        let oldest = seconds(details.oldest_waiting_ms);
        tell("echelon_oldest_waiting_seconds", "gauge", "How long the oldest waiting event has waited.", oldest);
        let instants = [
            ("last_write", "When something was last written that was told over HTTP.", details.last_write),
            ("last_sweep", "When it was last looked for sweeps that are due, and all was swept.", details.last_sweep),
        ];
        for (name, help, at) in instants {
            if let Some(at) = at {
                tell(&format!("echelon_{name}_timestamp_seconds"), "gauge", help, seconds(at.millis()));
            }
        }
        let restarts = format!(" {}", details.restarts);
        tell("echelon_restarts_total", "counter", "How often parts of the system were begun again.", restarts);
        for (metric, count) in details.taken_in.measured() {
            let name = format!("echelon_{}_total", metric.snake_case());
            tell(&name, "counter", metric.help(), format!(" {count}"));
        }
        text
    }
}
