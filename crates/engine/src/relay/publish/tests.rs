use std::collections::VecDeque;
use std::sync::Mutex;

use rules::calendar;
use store::key::Key;

use super::*;

/// A bus that says what it was told to, batch by batch, and then takes everything. It notes what it was given.
#[derive(Default)]
struct Told {
    answers: Mutex<VecDeque<Vec<Answer>>>,
    given: Mutex<Vec<Vec<String>>>,
}

impl Told {
    fn to_say(answers: impl IntoIterator<Item = Vec<Answer>>) -> Self {
        Self { answers: Mutex::new(answers.into_iter().collect()), given: Mutex::default() }
    }

    fn given(&self) -> Vec<Vec<String>> {
        self.given.lock().unwrap().clone()
    }
}

impl Bus for Told {
    async fn put(&self, entries: &[&Outgoing]) -> Vec<Answer> {
        assert!(entries.len() <= ENTRIES_MAX && entries.iter().map(|row| size(row)).sum::<usize>() <= BYTES_MAX);
        self.given.lock().unwrap().push(entries.iter().map(|row| row.key.sk.clone()).collect());
        let answers = self.answers.lock().unwrap().pop_front();
        answers.unwrap_or_else(|| vec![Answer::Taken; entries.len()])
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

fn pace() -> Pace {
    Pace { attempts: 3, wait: Duration::from_millis(1), budget: Duration::from_secs(20) }
}

fn throttled() -> Answer {
    Answer::Later("ThrottlingException".to_owned())
}

#[tokio::test]
async fn rows_go_in_batches_that_the_bus_takes() {
    let bus = Told::default();
    assert_eq!(publish(&bus, &rows(23), &pace()).await, vec![Fate::Published; 23]);
    assert_eq!(bus.given().iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 3]);
    let bus = Told::default();
    let large: Vec<_> = (0..5).map(|number| row(number, 100_000)).collect();
    assert_eq!(publish(&bus, &large, &pace()).await, vec![Fate::Published; 5]);
    assert_eq!(bus.given().iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
}

#[tokio::test]
async fn only_what_the_bus_did_not_take_is_sent_again() {
    let partly = vec![Answer::Taken, throttled(), Answer::Taken, throttled()];
    let bus = Told::to_say([partly, vec![throttled(), Answer::Taken]]);
    assert_eq!(publish(&bus, &rows(4), &pace()).await, vec![Fate::Published; 4]);
    assert_eq!(bus.given(), [vec!["0", "1", "2", "3"], vec!["1", "3"], vec!["1"]]);
}

#[tokio::test]
async fn a_bus_that_is_busy_for_long_is_left_alone_and_says_what_it_has_not_taken() {
    let bus =
        Told::to_say(vec![vec![throttled(), Answer::Taken, throttled()], vec![throttled(); 2], vec![throttled(); 2]]);
    let fates = publish(&bus, &rows(3), &pace()).await;
    let later = Fate::Later("ThrottlingException".to_owned());
    assert_eq!(fates, [later.clone(), Fate::Published, later]);
    assert_eq!(bus.given().len(), 3);
}

#[tokio::test]
async fn what_can_never_be_sent_blocks_nobody() {
    let mut rows = rows(3);
    rows[1] = row(1, BYTES_MAX);
    let bus = Told::to_say([vec![Answer::Taken, Answer::Never("MalformedDetail".to_owned())]]);
    let fates = publish(&bus, &rows, &pace()).await;
    assert_eq!(fates[0], Fate::Published);
    assert!(matches!(&fates[1], Fate::Never(why) if why.contains("the bus takes 262144")));
    assert_eq!(fates[2], Fate::Never("MalformedDetail".to_owned()));
    assert_eq!(bus.given(), [["0", "2"]]);
}

#[tokio::test]
async fn an_entry_without_an_answer_is_sent_again() {
    let bus = Told::to_say([vec![Answer::Taken]]);
    assert_eq!(publish(&bus, &rows(2), &pace()).await, vec![Fate::Published; 2]);
    assert_eq!(bus.given(), [vec!["0", "1"], vec!["1"]]);
}

#[tokio::test]
async fn when_time_is_up_the_rest_stays_where_it_is() {
    let bus = Told::default();
    let pace = Pace { budget: Duration::ZERO, ..pace() };
    let fates = publish(&bus, &rows(2), &pace).await;
    assert!(fates.iter().all(|fate| matches!(fate, Fate::Later(_))) && bus.given().is_empty());
}
