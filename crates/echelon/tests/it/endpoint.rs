//! The errors about a store behind an endpoint that is not ready, cannot be used, or is not the intended one; and that
//! nothing is created or written there. A server answers as DynamoDB does in each case.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Served, echelon, program};
use serde_json::{Value, json};

const REGION: &str = "eu-west-3";

/// The behavior of a database that is empty and forgets what is written.
#[derive(Clone, Copy)]
enum Behaves {
    /// Its new tables become usable after a while.
    Slowly,
    /// It does not know these operations.
    Without(&'static [&'static str]),
    /// It answers all operations, or only these, with this error.
    Refusing(&'static str, &'static [&'static str]),
    /// It is not a database.
    NoDatabase,
}

#[derive(Default)]
struct State {
    /// When each table was created.
    made: HashMap<String, Instant>,
    /// The operations, in order.
    asked: Vec<String>,
}

/// A stub of a database, as far as the command uses it at its start.
struct Stub {
    url: String,
    state: Arc<Mutex<State>>,
}

/// The time until a new table can be used.
const MADE_IN: Duration = Duration::from_millis(1_500);

impl Stub {
    fn that_is(behaves: Behaves) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                thread::spawn(move || while answer(&stream, behaves, &state).is_some() {});
            }
        });
        Self { url, state }
    }

    /// The stub with tables that were created long ago.
    fn with_tables(self, prefix: &str) -> Self {
        let long_ago = Instant::now().checked_sub(2 * MADE_IN).unwrap();
        let made = ["members", "ledger", "control"].map(|name| (format!("{prefix}-{name}"), long_ago));
        self.state.lock().unwrap().made.extend(made);
        self
    }

    fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }

    /// The output of a command, which must end with this exit code.
    #[track_caller]
    fn says(&self, folder: &Path, code: i32, args: &[&str]) -> String {
        says(folder, code, &[args, &["--dynamodb", &self.url]].concat())
    }
}

#[track_caller]
fn says(folder: &Path, code: i32, args: &[&str]) -> String {
    let mut command = Command::new(echelon());
    command.env_clear().envs([("AWS_REGION", REGION), ("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "key")]);
    let output = command.args(args).current_dir(folder).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    said
}

/// Asserts that an error takes one line and has no details of the SDK's errors.
#[track_caller]
fn is_plain(said: &str) {
    assert_eq!(said.lines().count(), 1, "{said}");
    for inward in ["ServiceError", "DispatchFailure", "SdkBody", "Unhandled", "service error", "dispatch failure"] {
        assert!(!said.contains(inward), "`{inward}` in {said}");
    }
}

/// Answers a request; none when the connection is over.
fn answer(stream: &TcpStream, behaves: Behaves, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut operation, mut length, mut line) = (String::new(), 0, String::new());
    while reader.read_line(&mut line).ok()? > 2 {
        if let Some((name, value)) = line.trim_end().split_once(": ") {
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().ok()?,
                "x-amz-target" => operation = value.rsplit('.').next()?.to_owned(),
                _ => {}
            }
        }
        line.clear();
    }
    if length == 0 && operation.is_empty() {
        return None;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (status, kind, answer) = match behaves {
        Behaves::NoDatabase => ("200 OK", "text/html", "<!doctype html><title>A page</title>".to_owned()),
        Behaves::Slowly | Behaves::Without(_) | Behaves::Refusing(..) => {
            let said = state.lock().unwrap().answer(behaves, &operation, &serde_json::from_slice(&body).ok()?);
            let status = if said.is_ok() { "200 OK" } else { "400 Bad Request" };
            let error =
                |name| json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{name}"), "message": "so it is" });
            (status, "application/x-amz-json-1.0", said.unwrap_or_else(error).to_string())
        }
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", answer.len());
    let mut stream = stream;
    stream.write_all((head + &answer).as_bytes()).ok()
}

impl State {
    fn answer(&mut self, behaves: Behaves, operation: &str, body: &Value) -> Result<Value, &'static str> {
        self.asked.push(operation.to_owned());
        match behaves {
            Behaves::Refusing(error, only) if only.is_empty() || only.contains(&operation) => return Err(error),
            Behaves::Without(unknown) if unknown.contains(&operation) => return Err("UnknownOperationException"),
            Behaves::Slowly | Behaves::Without(_) | Behaves::Refusing(..) | Behaves::NoDatabase => {}
        }
        let name = body["TableName"].as_str().unwrap_or_default();
        let since = self.made.get(name).map(Instant::elapsed);
        match operation {
            "CreateTable" if since.is_some() => Err("ResourceInUseException"),
            "CreateTable" => {
                self.made.insert(name.to_owned(), Instant::now());
                Ok(json!({ "TableDescription": { "TableName": name, "TableStatus": "CREATING" } }))
            }
            "DescribeTable" => {
                let status = if since.ok_or("ResourceNotFoundException")? < MADE_IN { "CREATING" } else { "ACTIVE" };
                Ok(json!({ "Table": { "TableName": name, "TableStatus": status } }))
            }
            "TransactWriteItems" => {
                let tables = body["TransactItems"].as_array().into_iter().flatten().filter_map(|item| {
                    let (_, write) = item.as_object()?.iter().next()?;
                    write["TableName"].as_str()
                });
                let is_usable = |name| self.made.get(name).is_some_and(|made: &Instant| made.elapsed() >= MADE_IN);
                if tables.into_iter().all(is_usable) { Ok(json!({})) } else { Err("ResourceNotFoundException") }
            }
            _ if name.is_empty() => Ok(json!({ "Responses": {}, "UnprocessedKeys": {} })),
            _ if since.is_none_or(|since| since < MADE_IN) => Err("ResourceNotFoundException"),
            "Query" | "Scan" => Ok(json!({ "Items": [], "Count": 0, "ScannedCount": 0 })),
            _ => Ok(json!({})),
        }
    }
}

/// A folder with a program, and a history.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("vip.json"), program().to_string()).unwrap();
    fs::write(folder.path().join("events.jsonl"), crate::common::order("anna", "1", "520").to_string()).unwrap();
    folder
}

const PUBLISH: [&str; 5] = ["publish", "--shop", "acme", "--program", "vip.json"];
const SERVE: [&str; 4] = ["serve", "--open", "--listen", "127.0.0.1:0"];

#[test]
fn new_tables_are_waited_for() {
    let (stub, folder) = (Stub::that_is(Behaves::Slowly), folder());
    let started = Instant::now();
    let said = stub.says(folder.path(), 0, &PUBLISH);
    assert!(said.contains("version 1 of shop `acme`"), "{said}");
    assert!(started.elapsed() >= MADE_IN);
}

#[test]
fn a_served_system_waits_for_the_table_of_its_queues_too() {
    let (stub, folder) = (Stub::that_is(Behaves::Slowly), folder());
    let served = Served::on(folder.path(), &["--open", "--dynamodb", &stub.url]);
    // If the start had failed, the error would name the endpoint, too.
    assert!(served.said().contains("listening on http://"), "{}", served.said());
    assert!(stub.state.lock().unwrap().made.contains_key("echelon-queues"), "{}", served.said());
}

#[test]
fn a_store_without_transactions_is_refused_by_every_command_and_nothing_is_made_there() {
    let folder = folder();
    for unknown in [&["TransactWriteItems"][..], &["TransactWriteItems", "TransactGetItems"]] {
        let stub = Stub::that_is(Behaves::Without(unknown)).with_tables("old");
        for args in [
            &SERVE[..],
            &PUBLISH,
            &["publish", "--shop", "acme", "--program", "vip.json", "--tables", "old-members,old-ledger,old-control"],
            &["load", "events.jsonl", "--shop", "acme", "--prefix", "old"],
            &["verify", "--prefix", "old"],
            &["rollover", "--prefix", "old"],
        ] {
            let said = stub.says(folder.path(), 2, args);
            assert!(said.contains("it has no transactions (TransactWriteItems)"), "{args:?}: {said}");
            is_plain(&said);
        }
        assert!(stub.asked().iter().all(|operation| operation == "TransactWriteItems"), "{:?}", stub.asked());
    }
}

#[test]
fn refused_credentials_are_said_with_the_variables_that_hold_them() {
    let folder = folder();
    for error in [
        "UnrecognizedClientException",
        "InvalidSignatureException",
        "ExpiredTokenException",
        "MissingAuthenticationTokenException",
    ] {
        let stub = Stub::that_is(Behaves::Refusing(error, &[]));
        for args in [&SERVE[..], &PUBLISH, &["verify"], &["load", "events.jsonl", "--shop", "acme"]] {
            let said = stub.says(folder.path(), 2, args);
            assert!(said.contains(&format!("the credentials are refused ({error})")), "{args:?}: {said}");
            assert!(said.contains("AWS_SECRET_ACCESS_KEY") && said.contains("AWS_SESSION_TOKEN"), "{said}");
            is_plain(&said);
        }
    }
}

#[test]
fn what_credentials_may_not_do_is_said_with_the_table() {
    let folder = folder();
    let stub = Stub::that_is(Behaves::Refusing("AccessDeniedException", &["CreateTable"]));
    let said = stub.says(folder.path(), 2, &SERVE);
    assert!(said.contains("table `echelon-members`: these credentials may not do that: so it is"), "{said}");
    is_plain(&said);
    // Credentials that may not describe a table may still be allowed to use it.
    let stub = Stub::that_is(Behaves::Refusing("AccessDeniedException", &["DescribeTable"])).with_tables("echelon");
    stub.says(folder.path(), 0, &["verify"]);
    let stub = Stub::that_is(Behaves::Refusing("AccessDeniedException", &["Query", "Scan", "GetItem"]));
    let stub = stub.with_tables("echelon");
    for args in [&["verify"][..], &PUBLISH] {
        let said = stub.says(folder.path(), 2, args);
        let refused = format!("{}: the database refused: AccessDeniedException: so it is", stub.url);
        assert!(said.contains(&refused), "{args:?}: {said}");
        is_plain(&said);
    }
}

#[test]
fn in_a_wrong_region_it_is_said_which_table_is_missing_and_where() {
    let (stub, folder) = (Stub::that_is(Behaves::Slowly), folder());
    for args in [&["verify"][..], &["rebuild"], &["rollover"], &["jobs"], &["quarantine", "list"]] {
        let said = stub.says(folder.path(), 2, args);
        assert!(
            said.contains(&format!("there is no table `echelon-members` in the region {REGION}")),
            "{args:?}: {said}"
        );
        assert!(said.contains("nothing was made") && said.contains("AWS_REGION"), "{said}");
        is_plain(&said);
    }
    let said = stub.says(folder.path(), 2, &["verify", "--tables", "one,two,three"]);
    assert!(said.contains("no table `one`") && said.contains("--tables"), "{said}");
    assert!(!stub.asked().contains(&"CreateTable".to_owned()), "{:?}", stub.asked());
}

#[test]
fn what_is_no_endpoint_is_said_in_a_line() {
    let folder = folder();
    let page = Stub::that_is(Behaves::NoDatabase);
    for (url, why) in [
        ("http://127.0.0.1:9", "it does not answer: Connection refused"),
        (page.url.as_str(), "its answer cannot be read"),
        ("127.0.0.1:8000", "not the URL of an endpoint"),
        ("nowhere", "not the URL of an endpoint"),
        ("http://", "not the URL of an endpoint"),
    ] {
        for args in [&["verify"][..], &PUBLISH] {
            let said = says(folder.path(), 2, &[args, &["--dynamodb", url]].concat());
            assert!(said.contains(why) && said.contains(url), "{url}: {said}");
            is_plain(&said);
        }
    }
}
