use std::collections::VecDeque;
use std::sync::Mutex;

use rules::calendar;
use store::key::Key;

use super::*;

/// A bus that gives prepared answers, batch by batch, and then takes everything. It records the entries it was given.
#[derive(Default)]
struct Told {
    answers: Mutex<VecDeque<Vec<PutResult>>>,
    given: Mutex<Vec<Vec<String>>>,
}

impl Told {
    fn to_say(answers: impl IntoIterator<Item = Vec<PutResult>>) -> Self {
        Self { answers: Mutex::new(answers.into_iter().collect()), given: Mutex::default() }
    }

    fn given(&self) -> Vec<Vec<String>> {
        self.given.lock().unwrap().clone()
    }
}

impl Bus for Told {
    async fn put(&self, entries: &[&Outgoing]) -> Vec<PutResult> {
        assert!(entries.len() <= ENTRIES_MAX && entries.iter().map(|row| size(row)).sum::<usize>() <= BYTES_MAX);
        self.given.lock().unwrap().push(entries.iter().map(|row| row.key.sk.clone()).collect());
        let answers = self.answers.lock().unwrap().pop_front();
        answers.unwrap_or_else(|| vec![PutResult::Taken; entries.len()])
    }
}

fn row(number: usize, bytes: usize) -> Outgoing {
    let key = Key { pk: "acme#history#anna".to_owned(), sk: number.to_string() };
    let recorded_at = calendar::Instant::from_millis(0);
    Outgoing { key, kind: "tier.changed.v1".to_owned(), detail: "x".repeat(bytes), recorded_at }
}

fn rows(count: usize) -> Vec<Outgoing> {
    (0..count).map(|number| row(number, 500)).collect()
}

fn retry_policy() -> RetryPolicy {
    RetryPolicy { attempts: 3, wait: Duration::from_millis(1), budget: Duration::from_secs(20) }
}

fn throttled() -> PutResult {
    PutResult::Later("ThrottlingException".to_owned())
}

#[tokio::test]
async fn rows_go_in_batches_that_the_bus_takes() {
    let bus = Told::default();
    assert_eq!(publish(&bus, &rows(23), &retry_policy()).await, vec![Delivery::Published; 23]);
    assert_eq!(bus.given().iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 3]);
    let bus = Told::default();
    let large: Vec<_> = (0..5).map(|number| row(number, 100_000)).collect();
    assert_eq!(publish(&bus, &large, &retry_policy()).await, vec![Delivery::Published; 5]);
    assert_eq!(bus.given().iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
}

#[tokio::test]
async fn only_what_the_bus_did_not_take_is_sent_again() {
    let partly = vec![PutResult::Taken, throttled(), PutResult::Taken, throttled()];
    let bus = Told::to_say([partly, vec![throttled(), PutResult::Taken]]);
    assert_eq!(publish(&bus, &rows(4), &retry_policy()).await, vec![Delivery::Published; 4]);
    assert_eq!(bus.given(), [vec!["0", "1", "2", "3"], vec!["1", "3"], vec!["1"]]);
}

#[tokio::test]
async fn a_bus_that_is_busy_for_long_is_left_alone_and_says_what_it_has_not_taken() {
    let bus = Told::to_say(vec![
        vec![throttled(), PutResult::Taken, throttled()],
        vec![throttled(); 2],
        vec![throttled(); 2],
    ]);
    let deliveries = publish(&bus, &rows(3), &retry_policy()).await;
    let later = Delivery::Later("ThrottlingException".to_owned());
    assert_eq!(deliveries, [later.clone(), Delivery::Published, later]);
    assert_eq!(bus.given().len(), 3);
}

#[tokio::test]
async fn a_row_that_can_never_be_sent_blocks_no_other() {
    let mut rows = rows(3);
    rows[1] = row(1, BYTES_MAX);
    let bus = Told::to_say([vec![PutResult::Taken, PutResult::Never("MalformedDetail".to_owned())]]);
    let deliveries = publish(&bus, &rows, &retry_policy()).await;
    assert_eq!(deliveries[0], Delivery::Published);
    assert!(matches!(&deliveries[1], Delivery::Never(why) if why.contains("the bus takes 262144")));
    assert_eq!(deliveries[2], Delivery::Never("MalformedDetail".to_owned()));
    assert_eq!(bus.given(), [["0", "2"]]);
}

#[tokio::test]
async fn an_entry_without_an_answer_is_sent_again() {
    let bus = Told::to_say([vec![PutResult::Taken]]);
    assert_eq!(publish(&bus, &rows(2), &retry_policy()).await, vec![Delivery::Published; 2]);
    assert_eq!(bus.given(), [vec!["0", "1"], vec!["1"]]);
}

#[tokio::test]
async fn when_time_is_up_the_rest_stays_where_it_is() {
    let bus = Told::default();
    let retry_policy = RetryPolicy { budget: Duration::ZERO, ..retry_policy() };
    let deliveries = publish(&bus, &rows(2), &retry_policy).await;
    assert!(deliveries.iter().all(|delivery| matches!(delivery, Delivery::Later(_))) && bus.given().is_empty());
}
