//! The built command on systems that are not a file: one behind a DynamoDB endpoint, and a deployed one.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::aws::Aws;
use tests::built::built;
use tests::dynamodb::{self, KEY, REGION};
use tests::system::{System, instant};

/// Of a machine as busy as may be.
const PATIENCE: Duration = Duration::from_secs(60);

const QUARANTINE: &str = "https://sqs.local.amazonaws.com/123456789012/quarantine";
const INGEST: &str = "https://sqs.local.amazonaws.com/123456789012/ingest";

/// Gold takes 500.
fn program() -> Value {
    json!({ "start_date": "2023-01-01", "currency": "USD",
            "milestone": { "metric": "amount_spent", "period": "lifetime", "on_refund": "revoke" },
            "tiers": [{ "id": "silver", "threshold": 100 }, { "id": "gold", "threshold": 500 }] })
}

fn order(member: &str, id: &str, total: &str) -> Value {
    json!({ "type": "order.paid", "member_id": member, "order_id": id, "occurred_at": "2024-05-01T10:00:00Z",
            "total": total })
}

fn lines(folder: &Path, events: &[Value]) -> PathBuf {
    let path = folder.join("events.jsonl");
    fs::write(&path, events.iter().map(|event| format!("{event}\n")).collect::<String>()).unwrap();
    path
}

/// The command, with these services in place of AWS's.
struct Echelon {
    environment: Vec<(&'static str, String)>,
    database: String,
}

impl Echelon {
    async fn new(sqs: Option<&Aws>) -> Self {
        let mut environment = vec![
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", KEY.to_owned()),
        ];
        environment.extend(sqs.map(|aws| ("AWS_ENDPOINT_URL_SQS", aws.url.clone())));
        Self { environment, database: dynamodb::local_url().await }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(built("echelon", &["rules", "service", "embedded", "echelon"]));
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.args(args).args(["--dynamodb", &self.database]).stdin(Stdio::null());
        command
    }

    /// To its end, without holding up whoever serves it.
    async fn run(&self, args: &[&str]) -> Output {
        let mut command = self.command(args);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// To an end with this exit code; what it printed as JSON.
    async fn json(&self, args: &[&str], code: i32) -> Value {
        let output = self.run(&[args, &["--format", "json"]].concat()).await;
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// A command that runs until the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The body of an answer, of a server on this machine.
fn ask(address: &str, request: &str, body: &str) -> Value {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    write!(stream, "{request} HTTP/1.0\r\nhost: {address}\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn served_on_dynamodb_it_takes_events_and_a_history_goes_straight_into_its_tables() {
    let folder = tempfile::tempdir().unwrap();
    let echelon = Echelon::new(None).await;
    let prefix = dynamodb::local().await.table("served");
    let file = folder.path().join("program.json");
    fs::write(&file, program().to_string()).unwrap();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--shop", "acme", "--prefix", &prefix, "--program"];
    let mut serve = echelon.command(&[&serve[..], &[file.to_str().unwrap()]].concat());
    let mut served = Running(serve.current_dir(&folder).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap());
    let said = BufReader::new(served.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut address = said.filter_map(|line| Some(line.split_once("http://")?.1.split_once(',')?.0.to_owned()));
    let address = address.next().expect("it ended without listening");

    assert_eq!(ask(&address, "POST /events", &order("anna", "1", "520").to_string()), json!({ "accepted": 1 }));
    let until = Instant::now() + PATIENCE;
    while ask(&address, "GET /members/anna", "")["standing"]["tier"] != "gold" {
        assert!(Instant::now() < until, "{}", ask(&address, "GET /health", ""));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let history: Vec<_> = (0..60).map(|number| order("ben", &format!("b{number}"), "2")).collect();
    let events = lines(folder.path(), &[&history[..], &[order("anna", "1", "520")]].concat());
    let load = ["load", events.to_str().unwrap(), "--prefix", &prefix, "--live"];
    let taken_in = echelon.json(&load, 0).await["taken_in"].clone();
    assert_eq!((&taken_in["applied"], &taken_in["duplicates"]), (&json!(60), &json!(1)));
    let ben = ask(&address, "GET /members/ben", "");
    assert_eq!((&ben["standing"]["tier"], &ben["standing"]["counted"]), (&json!("silver"), &json!("120.00")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_goes_into_a_deployed_system_and_on_from_where_it_was_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let (aws, place) = (Aws::start().await, dynamodb::local().await);
    let system = System::new(place.client, &place.prefix).await;
    system.at(instant("2024-01-01T00:00:00Z"));
    system.publish(&program(), &json!({})).await;
    let echelon = Echelon::new(Some(&aws)).await;
    let tables = system.store.tables();
    let tables = format!("{},{},{}", tables.members, tables.ledger, tables.control);
    let deployed = ["--tables", &tables];
    let queue = ["--quarantine-queue", QUARANTINE];

    let broken = |member: &str| json!({ "type": "order.paid", "member_id": member });
    let mut events = vec![order("anna", "1", "60"), order("anna", "2", "60"), json!(7)];
    events.extend([broken("ben"), broken("dora"), order("ben", "3", "500")]);
    let file = lines(folder.path(), &events);
    let load = [&["load", file.to_str().unwrap(), "--per-second", "2"], &deployed[..]].concat();
    let unsaid = echelon.run(&load).await;
    assert_eq!(unsaid.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unsaid.stderr).contains("QuarantineQueueUrl"), "{unsaid:?}");
    let load = [&load[..], &queue].concat();
    let interrupted = echelon.run(&load).await;
    assert_eq!(interrupted.status.code(), Some(2), "{interrupted:?}");
    assert_eq!(system.tier("anna").await.as_deref(), Some("silver"));

    events[2] = order("carla", "4", "100");
    lines(folder.path(), &events);
    let report = echelon.json(&load, 1).await;
    assert_eq!((&report["from_line"], &report["reasons"]), (&json!(3), &json!({ "invalid": 2 })));
    assert_eq!(report["taken_in"]["applied"], 2);
    assert_eq!(system.tier("ben").await.as_deref(), Some("gold"));
    assert_eq!(echelon.run(&[&["verify"], &deployed[..]].concat()).await.status.code(), Some(0));

    // One of the two bodies goes to where events come in; the other stays, hidden from nobody.
    let list = [&["quarantine", "list"], &deployed[..]].concat();
    let rows = echelon.json(&list, 0).await["rows"].clone();
    let [one, other] = &rows.as_array().unwrap()[..] else { panic!("{rows}") };
    let replay = ["quarantine", "replay", one["id"].as_str().unwrap(), "--ingest-queue", INGEST];
    let replayed = echelon.run(&[&replay, &deployed[..], &queue].concat()).await;
    assert_eq!(replayed.status.code(), Some(0), "{replayed:?}");
    let [(again, false)] = &aws.queue(INGEST)[..] else { panic!("{:?}", aws.queue(INGEST)) };
    assert!(again["MessageBody"].as_str().unwrap().contains("order.paid"), "{again}");
    let [(left, false)] = &aws.queue(QUARANTINE)[..] else { panic!("{:?}", aws.queue(QUARANTINE)) };
    assert_eq!(left["MessageAttributes"]["id"]["StringValue"], other["id"]);
    assert_eq!(echelon.json(&list, 0).await["rows"], json!([other]));
    let unknown = echelon.run(&[&replay, &deployed[..], &queue].concat()).await;
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
}
