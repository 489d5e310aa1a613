//! The calls of AWS that the code makes, read from the code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The functions that sweep.
const SWEEPS: [&str; 2] = ["RolloverFunction", "RecalculateFunction"];
const ALL: [&str; 5] = ["IngestFunction", "RelayFunction", "RolloverFunction", "RecalculateFunction", "ApiFunction"];
/// The functions that write members.
const WRITERS: [&str; 4] = ["IngestFunction", "RolloverFunction", "RecalculateFunction", "ApiFunction"];

/// The functions that run a piece of code: a folder, a file, or `file: function`. The longest match counts. Code that calls AWS
/// and is not listed here fails.
const RUN_BY: [(&str, &[&str]); 28] = [
    ("crates/lambda-ingest/src", &["IngestFunction"]),
    ("crates/lambda-relay/src", &["RelayFunction"]),
    ("crates/lambda-rollover/src", &["RolloverFunction"]),
    ("crates/lambda-recalculate/src", &["RecalculateFunction"]),
    ("crates/aws/src/segments.rs", &["RolloverFunction", "RecalculateFunction", "ApiFunction"]),
    ("crates/store/src/scan.rs", &["RolloverFunction", "RecalculateFunction", "ApiFunction"]),
    ("crates/store/src/job.rs", &["RolloverFunction", "RecalculateFunction", "ApiFunction"]),
    ("crates/aws/src/bus.rs", &["RelayFunction"]),
    ("crates/aws/src/quarantine.rs", &["IngestFunction"]),
    ("crates/aws/src/bodies.rs", &["ApiFunction"]),
    ("crates/store/src/quarantine.rs", &["ApiFunction"]),
    ("crates/store/src/quarantine.rs: quarantine", &["IngestFunction"]),
    // Going through whole shops is a command.
    ("crates/store/src/walk.rs", &[]),
    ("crates/store/src/commit.rs", &WRITERS),
    ("crates/store/src/erase.rs", &["IngestFunction", "RolloverFunction", "ApiFunction"]),
    // A whole shop is deleted by the tick; the rest is requested over HTTP.
    ("crates/store/src/request.rs", &["ApiFunction"]),
    // After a clock that was ahead, of which only `echelon serve` is told.
    ("crates/store/src/request.rs: bring_requests_forward", &[]),
    ("crates/store/src/request.rs: put_pass", &["RolloverFunction"]),
    ("crates/store/src/request.rs: forget_some", &["RolloverFunction"]),
    ("crates/store/src/request.rs: delete_together", &["RolloverFunction"]),
    ("crates/store/src/timeline.rs", &["ApiFunction"]),
    ("crates/store/src/load.rs", &WRITERS),
    ("crates/store/src/load.rs: get_some", &ALL),
    // Lists are read where they are asked for, and deleted on one machine alone.
    ("crates/store/src/list.rs", &[]),
    ("crates/store/src/list.rs: write_list", &SWEEPS),
    ("crates/store/src/outbox.rs", &["RelayFunction"]),
    ("crates/store/src/query.rs", &ALL),
    // Makes tables on one machine; in AWS the template does.
    ("crates/store/src/table.rs", &[]),
];

/// The spelling of a call, and the action that it needs. Transactions need the actions of their items.
const CALLS: [(&str, &str); 27] = [
    (".get_item()", "dynamodb:GetItem"),
    (".batch_get_item()", "dynamodb:BatchGetItem"),
    (".transact_get_items()", ""),
    ("Get::builder()", "dynamodb:GetItem"),
    (".query()", "dynamodb:Query"),
    (".scan()", "dynamodb:Scan"),
    (".put_item()", "dynamodb:PutItem"),
    (".update_item()", "dynamodb:UpdateItem"),
    (".delete_item()", "dynamodb:DeleteItem"),
    (".batch_write_item()", "dynamodb:BatchWriteItem"),
    (".transact_write_items()", ""),
    ("Put::builder()", "dynamodb:PutItem"),
    ("Update::builder()", "dynamodb:UpdateItem"),
    ("Delete::builder()", "dynamodb:DeleteItem"),
    ("ConditionCheck::builder()", "dynamodb:ConditionCheckItem"),
    (".create_table()", "dynamodb:CreateTable"),
    (".describe_table()", "dynamodb:DescribeTable"),
    (".put_events()", "events:PutEvents"),
    (".send_message()", "sqs:SendMessage"),
    (".send_message_batch()", "sqs:SendMessage"),
    (".receive_message()", "sqs:ReceiveMessage"),
    (".delete_message()", "sqs:DeleteMessage"),
    (".delete_message_batch()", "sqs:DeleteMessage"),
    (".change_message_visibility()", "sqs:ChangeMessageVisibility"),
    (".change_message_visibility_batch()", "sqs:ChangeMessageVisibility"),
    (".get_queue_attributes()", "sqs:GetQueueAttributes"),
    (".get_queue_url()", "sqs:GetQueueUrl"),
];

/// The actions that the code of a function needs.
pub fn actions(function: &str) -> BTreeSet<String> {
    let runs = |call: &&Call| run_by(&call.place).is_some_and(|functions| functions.contains(&function));
    let needed = all().iter().filter(runs).map(|call| call.action.to_owned()).collect::<BTreeSet<_>>();
    needed.into_iter().filter(|action| !action.is_empty()).collect()
}

#[derive(Debug, PartialEq, Eq)]
struct Call {
    /// `file: function`.
    place: String,
    action: &'static str,
}

fn run_by(place: &str) -> Option<&'static [&'static str]> {
    let fitting = RUN_BY.iter().filter(|(of, _)| place.starts_with(of));
    fitting.max_by_key(|(of, _)| of.len()).map(|(_, functions)| *functions)
}

#[test]
fn code_that_asks_something_of_aws_is_known_here() {
    let unknown: Vec<_> = all().into_iter().filter(|call| run_by(&call.place).is_none()).collect();
    assert!(unknown.is_empty(), "which functions run this code? {unknown:#?}");
}

/// All calls of the crates that are deployed.
fn all() -> Vec<Call> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut calls = Vec::new();
    let deployed = ["lambda-api", "lambda-ingest", "lambda-relay", "lambda-rollover", "lambda-recalculate"];
    for crate_ in ["store", "engine", "aws"].into_iter().chain(deployed) {
        let crate_ = format!("crates/{crate_}/src");
        for path in sources(&root.join(&crate_)) {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
            calls.extend(calls_in(&name, &fs::read_to_string(&path).unwrap()));
        }
    }
    calls
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The calls in a file, without its tests. A function that sends something that `CALLS` does not know fails.
fn calls_in(file: &str, text: &str) -> Vec<Call> {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut calls = Vec::new();
    for (name, body) in functions(&code) {
        let place = format!("{file}: {name}");
        let known = CALLS.iter().filter(|(spelled, _)| is_in(&body, spelled));
        let known: Vec<_> = known.map(|&(_, action)| Call { place: place.clone(), action }).collect();
        assert!(!body.contains(".send()") || !known.is_empty(), "{place}: sends what `CALLS` does not know");
        calls.extend(known);
    }
    calls
}

/// The name and the text of each function, without white space. Text before the first function belongs to none.
fn functions(code: &str) -> Vec<(String, String)> {
    let dense = |text: &str| text.split_whitespace().collect::<String>();
    let mut found: Vec<(String, String)> = Vec::new();
    for line in code.lines() {
        let words: Vec<_> = line.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        if let Some(at) =
            words.iter().position(|word| *word == "fn").filter(|at| words.get(at + 1).is_some_and(|w| !w.is_empty()))
        {
            found.push((words[at + 1].to_owned(), String::new()));
        }
        if let Some((_, body)) = found.last_mut() {
            body.push_str(&dense(line));
        }
    }
    found
}

/// Whether a call is in a text, and not only as the end of a longer name.
fn is_in(text: &str, call: &str) -> bool {
    text.match_indices(call).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        call.starts_with('.') || !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[test]
fn calls_are_found_wherever_they_are_broken_into_lines() {
    let code = "
        impl Store {
            async fn read(&self) { self.client.get_item().table_name(name).send().await }
            // self.client.scan()
            async fn commit(&self) {
                let put = aws_sdk_dynamodb::types::Put::builder();
                self.client
                    .transact_write_items()
                    .send()
                    .await
            }
        }\n#[cfg(test)]\nmod tests { fn a() { client.delete_item().send() } }";
    let call = |place: &str, action| Call { place: place.to_owned(), action };
    let expected = [
        call("store.rs: read", "dynamodb:GetItem"),
        call("store.rs: commit", ""),
        call("store.rs: commit", "dynamodb:PutItem"),
    ];
    assert_eq!(calls_in("store.rs", code), expected);
    assert!(!is_in("InputPut::builder()", "Put::builder()") && is_in("types::Put::builder()", "Put::builder()"));
}

#[test]
#[should_panic(expected = "sends what `CALLS` does not know")]
fn calls_that_are_not_known_are_no_secret() {
    calls_in("store.rs", "fn export() { client.export_table_to_point_in_time().send().await }");
}
