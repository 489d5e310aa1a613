//! The health of a served system: whether its parts are at work, whether the store accepts writes, and how much waits.

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

/// The silence after which a part counts as not at work.
const SILENT: Duration = Duration::from_secs(60);
/// The pause before a part that ended is restarted.
const AGAIN: Duration = Duration::from_secs(1);

/// The number of failures from which on an event does not fail by chance.
const FAILING_FROM: u32 = 3;
/// Twice the longest pause between two tries of an event.
const FORGOTTEN: Duration = Duration::from_secs(10 * 60);

/// The pulse of a part: whether it is at work.
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

    /// The time since the part was last seen at work; none before it began.
    fn silent_for(&self) -> Option<Duration> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner).map(|at| at.elapsed())
    }
}

/// The things that fail again and again, each with the time and the reason of its last failure.
#[derive(Debug, Default)]
pub struct Failing(Mutex<BTreeMap<String, Failed>>);

#[derive(Debug)]
struct Failed {
    at: time::Instant,
    times: u32,
    why: String,
}

impl Failing {
    /// Notes that something failed, and why, or that it succeeded.
    pub fn note(&self, id: &str, why: Option<&str>) {
        let mut failing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(why) = why else { return drop(failing.remove(id)) };
        let times = failing.get(id).map_or(0, |failed| failed.times).saturating_add(1);
        failing.insert(id.to_owned(), Failed { at: time::Instant::now(), times, why: why.to_owned() });
    }

    /// The number of things that keep failing, and why one of them does; none if there are none.
    fn in_words(&self, part: &str, what: &str) -> Option<String> {
        let mut failing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What another process has done meanwhile is never noted as done here.
        failing.retain(|_, failed| failed.at.elapsed() < FORGOTTEN);
        // One or two failures are usual where several processes write.
        let mut on = failing.values().filter(|failed| failed.times >= FAILING_FROM);
        let why = on.next()?.why.clone();
        Some(format!("{part}: {} {what}: {why}", on.count() + 1))
    }
}

/// The health of a system.
#[derive(Debug)]
pub struct Health {
    /// The pulse of the worker, which ingests events.
    pub worker: std::sync::Arc<Pulse>,
    /// The pulse of the sweeper.
    pub sweeper: std::sync::Arc<Pulse>,
    /// The pulse of the announcer.
    pub announcer: std::sync::Arc<Pulse>,
    /// The present troubles, each with its reason.
    troubles: Mutex<BTreeMap<Trouble, String>>,
    /// Events that fail again and again.
    events: Failing,
    /// Members whose announcements cannot be read, or marked as announced.
    pub announcements: Failing,
    started_at: Instant,
    wrote_at: AtomicI64,
    swept_at: AtomicI64,
}

/// The kinds of trouble, besides a part that is not at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// The store does not accept writes.
    Write,
    /// No events can be ingested.
    Ingest,
    /// Sweeps cannot go on.
    Sweep,
    /// The clock is behind what is on record.
    Clock,
    /// The file is not where it was. New writes are lost when the process ends.
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
    /// Notes that a trouble has begun or ended.
    pub fn note(&self, trouble: Trouble, why: Option<String>) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        match why {
            Some(why) => troubles.insert(trouble, why),
            None => troubles.remove(&trouble),
        };
    }

    /// Notes the result of a write to the store.
    pub fn wrote(&self, result: &Result<(), QueueError>, now: Instant) {
        if result.is_ok() {
            self.wrote_at.store(now.millis(), Ordering::SeqCst);
        }
        self.note(Trouble::Write, result.as_ref().err().map(ToString::to_string));
    }

    /// Notes which events of a batch failed, and why the first one did.
    pub fn took<'a>(&self, events: impl IntoIterator<Item = (&'a Queued, bool)>, why: Option<&str>) {
        for (event, failed) in events {
            let is_dead = event.received.saturating_add(1) >= RECEIVED_MAX;
            self.events.note(&event.id, why.filter(|_| failed && !is_dead));
        }
    }

    /// Notes that everything that was due is swept.
    pub fn swept(&self, now: Instant) {
        self.swept_at.store(now.millis(), Ordering::SeqCst);
        self.note(Trouble::Sweep, None);
    }

    /// Whether this trouble is present.
    pub fn is_troubled(&self, trouble: Trouble) -> bool {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&trouble)
    }

    /// Everything that is wrong, in words.
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

/// Runs a part until the system stops. A part that ends or panics earlier is restarted, and does again whatever it was
/// doing.
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

/// The health of a system, as it is reported.
#[derive(Debug, Serialize)]
pub struct Report {
    /// `ok`, or `failing`.
    pub status: &'static str,
    /// The time.
    pub now: Instant,
    /// The release of the time zone database in use.
    pub zones: String,
    /// More, for callers who may see it.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
}

/// The details, only for callers who may see them.
#[derive(Debug, Serialize)]
pub struct Details {
    /// Everything that is wrong.
    pub problems: Vec<String>,
    /// When this process was started, by the machine's clock. All counters count from then on.
    pub started_at: Instant,
    /// The number of events that wait to be ingested.
    pub waiting: u64,
    /// The time for which the oldest of them has waited.
    pub oldest_waiting_ms: i64,
    /// The number of events that failed too often.
    pub dead: u64,
    /// The number of events that can never succeed as they are.
    pub quarantined: u64,
    /// The state of announcing.
    #[serde(flatten)]
    pub announcing: Announcing,
    /// The number of restarts of parts of the system.
    pub restarts: u64,
    /// When events sent over HTTP were last queued, or a probe of the store last succeeded.
    pub last_write: Option<Instant>,
    /// When everything that was due was last swept.
    pub last_sweep: Option<Instant>,
    /// The counts of ingested events since the start.
    pub taken_in: Counts,
}

impl System {
    /// Whether the file of the system is where it was, and whole. The result is noted.
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

    /// The health of the system, with details for callers who may see them.
    pub async fn report(&self, in_full: bool) -> Report {
        self.has_its_file();
        if self.health.is_troubled(Trouble::Write) {
            // If no caller writes, nothing else would notice that writes succeed again.
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
    /// The same in the format of Prometheus.
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
        // Until the first sweep has ended, the start stands for it: otherwise an alarm on its age could not fire.
        let last_sweep = details.last_sweep.or(Some(details.started_at));
        let instants = [
            ("last_write", "When something sent over HTTP was last written.", details.last_write),
            ("last_sweep", "When every due sweep was last done; before the first time, the start.", last_sweep),
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
