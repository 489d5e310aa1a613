//! Sweeps on one machine. Jobs open themselves as they do when deployed, and tasks of this process work on them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::lists;
use engine::sweep::{PAGE, Progress, SegmentQueue, Settings, Sweep, Ticked, Work};
use engine::transport::TransportError;
use futures::StreamExt;
use store::StoreError;
use store::records::{JobId, State};
use store::shop::ShopId;
use tokio::sync::watch;

use super::System;
use super::health::{Pulse, Trouble};
use super::queue::Queues;
use super::watch::ClockError;
use crate::console::{counted, say};

/// The interval at which due jobs are looked for.
const TICK: Duration = Duration::from_secs(1);
/// The number of segments that are worked on at once: while one waits for the store, another one computes.
const AT_ONCE: usize = 3;
/// The time per tick for deleting shops, so that other shops do not wait.
const REDACTION: Duration = Duration::from_millis(300);
/// The number of segments of a shop that are worked on before it is another shop's turn.
const TURN: usize = 16;
/// The time after which due jobs are looked for again while segments wait, so that a new job gets its turn.
const TURNS: Duration = Duration::from_secs(2);
/// The maximum time that a sweep waits for events that are being ingested.
const GIVE_WAY: Duration = Duration::from_millis(500);
const GIVE_WAY_STEP: Duration = Duration::from_millis(5);

/// The workers of one process: the segments that wait, each of them once.
#[derive(Debug, Clone, Default)]
pub struct Here {
    waiting: Arc<Mutex<BTreeSet<Work>>>,
    queues: Option<Queues>,
    pulse: Arc<Pulse>,
}

impl Here {
    /// Workers that let the events of these queues go first, and report that they are at work.
    pub fn beside(queues: Queues, pulse: Arc<Pulse>) -> Self {
        Self { queues: Some(queues), pulse, ..Self::default() }
    }

    /// Takes waiting segments: of each shop at most a turn, so that no shop waits for all that another one has to do.
    pub fn take_turn(&self) -> Vec<Work> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken: BTreeMap<ShopId, usize> = BTreeMap::new();
        let is_in_turn = |work: &&Work| {
            let count = taken.entry(work.shop.clone()).or_default();
            *count += 1;
            *count <= TURN
        };
        let turn: Vec<Work> = waiting.iter().filter(is_in_turn).cloned().collect();
        for work in &turn {
            waiting.remove(work);
        }
        turn
    }

    fn is_idle(&self) -> bool {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

impl SegmentQueue for Here {
    /// Enqueues only work without delay. The rest comes again with a later tick, since ticks come all the time.
    async fn enqueue(&self, work: Vec<Work>, delay: Duration) -> Result<(), TransportError> {
        if delay.is_zero() {
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).extend(work);
        }
        Ok(())
    }

    async fn yield_to_traffic(&self) {
        self.pulse.beat();
        let Some(queues) = &self.queues else { return };
        let begun = tokio::time::Instant::now();
        while queues.waiting() > 0 && begun.elapsed() < GIVE_WAY {
            tokio::time::sleep(GIVE_WAY_STEP).await;
        }
    }
}

/// The settings of sweeps by one process, either alone on a file or beside other processes behind an endpoint.
pub fn settings(alone: bool) -> Settings {
    if alone {
        Settings {
            owner: "here".to_owned(),
            margin: Duration::ZERO,
            budget: Duration::MAX,
            together: 30,
            page: PAGE,
            redaction: REDACTION,
        }
    } else {
        let owner = uuid::Uuid::new_v4().to_string();
        Settings {
            owner,
            margin: engine::sweep::MARGIN,
            budget: Duration::MAX,
            together: 1,
            page: PAGE,
            redaction: REDACTION,
        }
    }
}

/// Works on all waiting segments, and on those that they enqueue; returns their jobs, and the first failure that is not caused by
/// a busy store. The other segments continue, and the next tick tries again. After `at_most` no further turn is begun.
pub async fn drain(sweep: &Sweep<Here>, at_most: Duration) -> (BTreeSet<(ShopId, JobId)>, Result<(), StoreError>) {
    let (mut jobs, mut failed) = (BTreeSet::new(), None);
    let begun = tokio::time::Instant::now();
    loop {
        if begun.elapsed() > at_most {
            break;
        }
        let waiting = sweep.workers().take_turn();
        if waiting.is_empty() {
            break;
        }
        jobs.extend(waiting.iter().map(|work| (work.shop.clone(), work.job)));
        let worked = futures::stream::iter(waiting).map(|work| async move { sweep.work(&work).await });
        let mut worked = std::pin::pin!(worked.buffer_unordered(AT_ONCE));
        while let Some(worked) = worked.next().await {
            if let Err(error) = worked {
                failed.get_or_insert(error);
            }
        }
    }
    (jobs, failed.map_or(Ok(()), Err))
}

/// Opens due jobs and sweeps, until the system stops.
pub async fn sweep(system: Arc<System>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        // Unfinished work continues where it was, at the next start at the latest.
        let done = tokio::select! {
            done = once(&system) => done,
            _ = stop.changed() => return,
        };
        system.health.sweeper.beat();
        match done {
            Ok(true) => system.health.swept(system.time.now()),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, "the sweep cannot go on; it is tried again");
                system.health.note(Trouble::Sweep, Some(error.to_string()));
            }
        }
        tokio::select! {
            () = system.api.due.notified() => {}
            () = tokio::time::sleep(TICK) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Opens due jobs and sweeps them; returns whether everything was swept.
async fn once(system: &System) -> Result<bool, StoreError> {
    if !system.has_its_file() {
        return Ok(false);
    }
    let was_wrong = system.health.is_troubled(Trouble::Clock);
    match system.watch.look(&system.time, &system.queues).await {
        Ok(()) => system.health.note(Trouble::Clock, None),
        Err(why @ (ClockError::Behind { .. } | ClockError::FarAhead(_))) => {
            if !was_wrong {
                tracing::error!(%why, "the clock is wrong");
            }
            system.health.note(Trouble::Clock, Some(why.to_string()));
            return Ok(false);
        }
        Err(ClockError::Unnoted(error)) => {
            tracing::warn!(%error, "what time it is cannot be noted; it is tried again");
            system.health.wrote(&Err(error), system.time.now());
            return Ok(false);
        }
    }
    let Ticked { sent, failed, .. } = system.sweep.tick().await?;
    if failed > 0 {
        let why = format!("{failed} shops cannot be looked at; the log says why");
        system.health.note(Trouble::Sweep, Some(why));
    }
    if sent == 0 && system.sweep.workers().is_idle() {
        return Ok(failed == 0);
    }
    // A batch of events may have begun before the boundary. It ends first.
    drop(system.api.batch.write().await);
    let (jobs, drained) = drain(&system.sweep, TURNS).await;
    system.api.recorded.notify_one();
    // A segment that fails is of one shop: what the others' jobs have ended in is told and tidied all the same.
    for (shop, job) in jobs {
        if let Some(progress) = system.sweep.progress(&shop, &job).await?
            && progress.job.state == State::Done
        {
            say(&format!("{}  {shop}  {}", system.time.now(), told(&progress)));
            // The store on one machine does not delete expired rows by itself.
            lists::tidy(&system.store, &shop, system.time.now()).await?;
        }
    }
    drained?;
    if !system.sweep.workers().is_idle() {
        system.api.due.notify_one();
        return Ok(false);
    }
    Ok(failed == 0)
}

/// The result of a job, on a line.
pub fn told(progress: &Progress) -> String {
    let tally = &progress.so_far;
    let mut parts = Vec::new();
    for (count, what) in [
        (tally.entered, "entered"),
        (tally.upgraded, "upgraded"),
        (tally.downgraded, "downgraded"),
        (tally.left, "left"),
        (tally.renewed, "renewed"),
        (tally.held, "held"),
        (tally.retained, "retained"),
        (tally.unreadable, "skipped: the log says why"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    let members = counted(usize::try_from(tally.members).unwrap_or(usize::MAX), "member");
    let parts = if parts.is_empty() { "no member holds a tier".to_owned() } else { parts.join(", ") };
    format!("{} {}: {members}, {parts}", progress.job.id, progress.job.state.word())
}

#[cfg(test)]
mod tests {
    use rules::calendar::Instant;
    use store::records::Kind;

    use super::*;

    #[tokio::test]
    async fn a_shop_with_much_to_sweep_takes_turns_with_the_others() {
        let work = |shop: &str, segment: u16| Work {
            shop: ShopId::new(shop).unwrap(),
            job: JobId { until: Instant::from_millis(0), kind: Kind::Recalculation { version: 2 } },
            segment,
        };
        let here = Here::default();
        let busy: Vec<Work> = (0..40).map(|segment| work("a", segment)).collect();
        here.enqueue(busy, Duration::ZERO).await.unwrap();
        here.enqueue(vec![work("b", 0), work("b", 1)], Duration::ZERO).await.unwrap();
        let turn = |here: &Here| {
            let turn = here.take_turn();
            let of = |shop: &str| turn.iter().filter(|work| work.shop.as_str() == shop).count();
            (of("a"), of("b"))
        };
        assert_eq!([turn(&here), turn(&here), turn(&here)], [(TURN, 2), (TURN, 0), (40 - 2 * TURN, 0)]);
        assert!(here.is_idle());
    }
}
