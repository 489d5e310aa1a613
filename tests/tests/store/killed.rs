//! Sweeps that are killed at any request, and sweeps on a database that is too busy.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use embedded_dynamodb::{Answer, Decision, Intercept, Request};
use engine::sweep::RunEnd;
use store::Store;
use store::records::State;
use store::table::Tables;
use tests::crash::CrashAtRequest;
use tests::in_memory_tables::InMemoryTables;
use tests::new_year::{NEW_YEAR, ROLLOVER, counted, eve, histories, job};
use tests::system::{System, instant};

/// Opens what is due and sweeps, until the first failure; returns whether all went well.
async fn swept(system: &System) -> bool {
    if system.sweep.tick().await.is_err() {
        return false;
    }
    for work in system.sweep.workers().take() {
        // A worker whose database does not answer gives its segment back in the end; here the process is gone at once.
        match tokio::time::timeout(Duration::from_millis(150), system.sweep.work(&work)).await {
            Ok(Ok(stint)) if stint.ended == RunEnd::Done => {}
            _ => return false,
        }
    }
    true
}

/// Every request is tried: leases, reads of every bucket, commits, checkpoints, and the end of the job. Each run begins on the
/// same eve, a copy of which costs nothing.
#[tokio::test(start_paused = true)]
async fn killed_at_any_request_a_sweep_ends_where_it_would_have() {
    let begin = InMemoryTables::default();
    eve(begin.client(), "t").await;
    let opened = |tables: &InMemoryTables| {
        let system = System::over(Store::new(tables.client(), Tables::prefixed("t")));
        system.at(instant(NEW_YEAR));
        system
    };
    let tables = begin.copied();
    let system = opened(&tables);
    let seen = Arc::new(AtomicUsize::new(0));
    let whole =
        CrashAtRequest { at: usize::MAX, carried_out: true, seen: Arc::clone(&seen), ..CrashAtRequest::default() };
    assert!(swept(&system.another(tables.client_with(whole))).await);
    let (expected, requests) =
        ((histories(&system).await, counted(&job(&system, ROLLOVER).await)), seen.load(Ordering::SeqCst));
    assert_eq!(expected.1, (4, 1, 1, 1, 1));
    assert!(requests > 256 + 2 * 16, "every bucket, and of each segment lease and checkpoint: {requests}");
    for (at, carried_out) in (0..requests).flat_map(|at| [(at, false), (at, true)]) {
        let tables = begin.copied();
        let system = opened(&tables);
        let dies = CrashAtRequest { at, carried_out, ..CrashAtRequest::default() };
        let _ = swept(&system.another(tables.client_with(dies))).await;
        // The next tick comes after the lease of the dead worker.
        system.at(instant(NEW_YEAR).plus_millis(15 * 60_000));
        system.sweep_all().await;
        let progress = job(&system, ROLLOVER).await;
        assert_eq!(progress.job.state, State::Done, "{at} {carried_out}");
        assert_eq!((histories(&system).await, counted(&progress)), expected, "{at} {carried_out}");
    }
}

/// Every second query of members is refused. A page that began anew each time would never come to an end.
#[tokio::test(start_paused = true)]
async fn what_was_read_before_the_database_was_too_busy_is_a_page() {
    #[derive(Debug, Default)]
    struct EverySecond(AtomicUsize);

    impl Intercept for EverySecond {
        fn before<'a>(&'a self, request: &'a Request) -> Decision<'a> {
            let is_asked = request.operation == "Query" && String::from_utf8_lossy(&request.body).contains("t-members");
            let is_refused = is_asked && self.0.fetch_add(1, Ordering::SeqCst) % 2 == 1;
            Box::pin(std::future::ready(is_refused.then(Answer::throttled)))
        }
    }

    let tables = InMemoryTables::default();
    let system = eve(tables.client(), "t").await;
    system.at(instant(NEW_YEAR));
    let busy = system.another(tables.client_with(EverySecond::default()));
    let all = tokio::time::timeout(Duration::from_secs(3_600), busy.sweep_all()).await;
    assert!(all.is_ok(), "the sweep begins anew forever");
    let progress = job(&system, ROLLOVER).await;
    assert_eq!((progress.job.state, counted(&progress)), (State::Done, (4, 1, 1, 1, 1)));
}
