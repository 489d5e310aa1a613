//! Receivers of the webhook that misbehave: facts go on, it ends in order, and nothing is lost for a better receiver.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use libtest_mimic::Trial;
use serde_json::Value;
use tests::served::Served;

use super::case::case;
use super::{admin, served, until};

const GOOD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// The behavior of a receiver on a connection.
type Does = fn(TcpStream);

pub fn cases() -> Vec<Trial> {
    let receivers: [(&str, Does); 14] = [
        ("one_that_closes_at_once", drop),
        ("one_that_closes_after_it_was_told", |stream| answers(stream, "")),
        ("one_that_answers_500", |stream| answers(stream, "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n")),
        ("one_that_answers_503", |stream| {
            answers(stream, "HTTP/1.1 503 No\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n")
        }),
        ("one_that_answers_410", |stream| answers(stream, "HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n")),
        ("one_that_answers_401", |stream| answers(stream, "HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n")),
        ("one_that_asks_to_come_again_in_an_age", |stream| {
            answers(stream, "HTTP/1.1 429 No\r\nretry-after: 99999999999999999999\r\ncontent-length: 0\r\n\r\n");
        }),
        ("one_that_leads_elsewhere", |stream| {
            answers(stream, "HTTP/1.1 307 There\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n");
        }),
        ("one_that_speaks_another_language", |stream| answers(stream, "220 mail ready\r\n")),
        ("one_that_ends_in_the_middle_of_a_line", |stream| answers(stream, "HTTP/1.1 20")),
        ("one_that_answers_with_a_header_without_end", |stream| {
            answers(stream, &format!("HTTP/1.1 200 OK\r\nx: {}", "a".repeat(2_000_000)));
        }),
        ("one_that_hangs_before_it_listens", |stream| held(stream)),
        ("one_that_hangs_after_it_was_told", |mut stream| {
            told(&mut stream);
            held(stream);
        }),
        ("one_that_answers_byte_by_byte", |mut stream| {
            told(&mut stream);
            GOOD.bytes().take(20).for_each(|byte| {
                let _ = stream.write_all(&[byte]);
                thread::sleep(Duration::from_millis(50));
            });
            held(stream);
        }),
    ];
    let tried = receivers.map(|(name, does)| {
        case("receivers", &format!("{name}_holds_up_nothing_and_a_better_one_is_told_all"), move || {
            holds_up_nothing(does)
        })
    });
    let others = [
        case("receivers", "one_that_is_not_there_holds_up_nothing_and_is_told_all_when_it_is", comes_late),
        case("receivers", "one_that_answers_with_a_body_without_end_is_not_read_to_it", || {
            tells_all_to_one_that(endless)
        }),
        case("receivers", "one_that_is_slow_is_told_all", || tells_all_to_one_that(slow)),
        case("receivers", "one_that_fails_at_first_is_told_all", || tells_all_to_one_that(takes)),
    ];
    tried.into_iter().chain(others).collect()
}

/// Reads a request; returns its body, if it was whole.
fn told(stream: &mut TcpStream) -> Option<Value> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).ok()? > 2 {
        if let Some(said) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = said.trim().parse().ok()?;
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

fn answers(mut stream: TcpStream, with: &str) {
    told(&mut stream);
    let _ = stream.write_all(with.as_bytes());
}

/// Holds a connection until the other side closes it.
fn held(mut stream: TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}

/// Answers 200.
fn takes(mut stream: TcpStream) {
    let _ = stream.write_all(GOOD.as_bytes());
}

fn slow(stream: TcpStream) {
    thread::sleep(Duration::from_millis(300));
    takes(stream);
}

fn endless(mut stream: TcpStream) {
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
    while stream.write_all(&[b'a'; 1_000]).is_ok() {
        thread::sleep(Duration::from_millis(10));
    }
}

/// Runs a receiver at a URL, as long as the tests run; counts its connections.
fn receiver(
    listener: TcpListener,
    does: impl Fn(usize, TcpStream) + Send + Sync + 'static,
) -> (String, Arc<Mutex<usize>>) {
    let (url, count) = (format!("http://{}/hook", listener.local_addr().unwrap()), Arc::new(Mutex::new(0)));
    let (does, counted) = (Arc::new(does), Arc::clone(&count));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let number = {
                let mut count = counted.lock().unwrap();
                *count += 1;
                *count
            };
            let does = Arc::clone(&does);
            thread::spawn(move || does(number, stream));
        }
    });
    (url, count)
}

fn free() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// A receiver that takes everything, and the members whose tier it was told of.
fn good(listener: TcpListener) -> (String, Arc<Mutex<BTreeSet<String>>>) {
    let members: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let heard = Arc::clone(&members);
    let (url, _) = receiver(listener, move |_, mut stream| {
        while let Some(event) = told(&mut stream) {
            let member = event["member_id"].as_str().map(str::to_owned);
            heard.lock().unwrap().extend(member);
            let _ = stream.write_all(GOOD.as_bytes());
        }
    });
    (url, members)
}

fn spend(served: &Served, members: &[&str]) {
    members.iter().for_each(|member| served.spent(member, member, "2025-05-01T10:00:00Z", "600"));
}

fn all() -> BTreeSet<String> {
    ["anna", "bert", "carl"].map(str::to_owned).into()
}

fn holds_up_nothing(does: Does) {
    let folder = tempfile::tempdir().unwrap();
    let (url, count) = receiver(free(), move |_, stream| does(stream));
    let first = served(folder.path(), &["--webhook", &url]);
    spend(&first, &["anna", "bert"]);
    until("it is tried", || *count.lock().unwrap() > 0);
    spend(&first, &["carl"]);
    let (status, health) = first.send("GET", "/health", &[("Authorization", &admin())], "");
    assert_eq!((status, &health["status"]), (200, &Value::from("ok")), "{health}");
    assert!(health["unannounced"].as_u64() > Some(0), "{health}");
    assert!(first.end(), "it does not end in order");
    let (url, members) = good(free());
    let _better = served(folder.path(), &["--webhook", &url]);
    until("all are told of", || *members.lock().unwrap() == all());
}

fn comes_late() {
    let folder = tempfile::tempdir().unwrap();
    let address = free().local_addr().unwrap();
    let served = served(folder.path(), &["--webhook", &format!("http://{address}/hook")]);
    spend(&served, &["anna", "bert", "carl"]);
    until("it is said", || served.said().contains("the webhook"));
    assert_eq!(served.ask("GET", "/health", &Value::Null)["status"], "ok");
    let (_, members) = good(TcpListener::bind(address).unwrap());
    until("all are told of", || *members.lock().unwrap() == all());
}

/// Tells everything to a receiver that fails twice, and then reads each event and behaves as given.
fn tells_all_to_one_that(does: Does) {
    let folder = tempfile::tempdir().unwrap();
    let heard: Arc<Mutex<Vec<Value>>> = Arc::default();
    let hears = Arc::clone(&heard);
    let (url, count) = receiver(free(), move |number, mut stream| {
        if number <= 2 {
            return;
        }
        if let Some(event) = told(&mut stream) {
            hears.lock().unwrap().push(event);
            does(stream);
        }
    });
    let served = served(folder.path(), &["--webhook", &url]);
    spend(&served, &["anna", "bert", "carl"]);
    let entered_gold = || -> BTreeSet<String> {
        let heard = heard.lock().unwrap();
        let entered = heard.iter().filter(|event| event["change"] == "entered" && event["after"]["id"] == "gold");
        entered.filter_map(|event| event["member_id"].as_str().map(str::to_owned)).collect()
    };
    until("all are told of", || entered_gold() == all());
    until("all is announced", || served.ask("GET", "/health", &Value::Null)["unannounced"] == 0);
    assert!(*count.lock().unwrap() > 2, "it did not fail at first");
    assert!(served.end(), "it does not end in order");
}
