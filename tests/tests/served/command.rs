//! The built command on systems that are not a file: one behind a DynamoDB endpoint, a deployed one, and the whole template
//! deployed to a stand-in for AWS.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use aws::SdkConfig;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, Target};
use serde_json::{Value, json};
use tests::aws::Aws;
use tests::built::built;
use tests::dynamodb::{self, KEY, REGION};
use tests::system::{System, instant};

/// Long enough for a very busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const QUARANTINE: &str = "https://sqs.local.amazonaws.com/123456789012/quarantine";
const INGEST: &str = "https://sqs.local.amazonaws.com/123456789012/ingest";

/// A program in which silver takes 100 and gold 500.
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
    fn new(database: String, region: &str, key: &str) -> Self {
        let variables = [("AWS_REGION", region), ("AWS_ACCESS_KEY_ID", key), ("AWS_SECRET_ACCESS_KEY", key)];
        Self { environment: variables.map(|(name, value)| (name, value.to_owned())).into(), database }
    }

    async fn on_dynamodb_local() -> Self {
        Self::new(dynamodb::local_url().await, REGION, KEY)
    }

    fn with_queues_at(mut self, url: &str) -> Self {
        self.environment.push(("AWS_ENDPOINT_URL_SQS", url.to_owned()));
        self
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(built("echelon"));
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.args(args).args(["--dynamodb", &self.database]).stdin(Stdio::null());
        command
    }

    /// Runs the command to its end, without blocking a server in this process.
    async fn run(&self, args: &[&str]) -> Output {
        let mut command = self.command(args);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// Runs the command to its end with this exit code; returns the JSON that it printed.
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

/// The template deployed, with the built functions. It ends with its standard input, and therefore with this process.
struct Deployed {
    outputs: Value,
    config: SdkConfig,
    process: Child,
}

/// The account, which is its own access key there.
const ACCOUNT: &str = "123456789012";

impl Deployed {
    fn new() -> Self {
        let folder = ["ingest", "relay"].map(|name| built(name).parent().unwrap().to_owned());
        let mut script = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("servers/ministack"));
        let script = script.arg("deploy").arg(&folder[0]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = script.spawn().unwrap();
        let line = BufReader::new(process.stdout.take().unwrap()).lines().next();
        let line = line.expect("no deployment: `tests/servers/ministack fetch` fetches it, or says what is missing");
        let outputs: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let config = aws::config_of_a_command(|name| match name {
            "AWS_REGION" => Some("eu-central-1".to_owned()),
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some(ACCOUNT.to_owned()),
            _ => None,
        });
        let config = config.unwrap().into_builder().endpoint_url(outputs["Endpoint"].as_str().unwrap()).build();
        Self { outputs, config, process }
    }

    fn output(&self, name: &str) -> &str {
        self.outputs[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.outputs))
    }
}

impl Drop for Deployed {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// The body of an answer from a server on this machine.
fn ask(address: &str, request: &str, body: &str) -> Value {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let about = format!("host: {address}\r\ncontent-type: application/json\r\ncontent-length: {length}");
    write!(stream, "{request} HTTP/1.0\r\n{about}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn served_on_dynamodb_it_takes_events_and_a_history_goes_straight_into_its_tables() {
    let folder = tempfile::tempdir().unwrap();
    let echelon = Echelon::on_dynamodb_local().await;
    let prefix = dynamodb::local().await.table("served");
    let file = folder.path().join("program.json");
    fs::write(&file, program().to_string()).unwrap();
    let serve = ["serve", "--open", "--listen", "127.0.0.1:0", "--shop", "acme", "--prefix", &prefix, "--program"];
    let mut serve = echelon.command(&[&serve[..], &[file.to_str().unwrap()]].concat());
    let mut served = Running(serve.current_dir(&folder).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap());
    let said = BufReader::new(served.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut address = said.filter_map(|line| Some(line.split_once("http://")?.1.split_once(',')?.0.to_owned()));
    let address = address.next().expect("it ended without listening");

    assert_eq!(ask(&address, "POST /events", &order("anna", "1", "520").to_string()), json!({ "accepted": 1 }));
    let until = Instant::now() + PATIENCE;
    while ask(&address, "GET /v1/members/anna/explain", "")["standing"]["tier"]["id"] != "gold" {
        assert!(Instant::now() < until, "{}", ask(&address, "GET /health", ""));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let history: Vec<_> = (0..60).map(|number| order("ben", &format!("b{number}"), "2")).collect();
    let events = lines(folder.path(), &[&history[..], &[order("anna", "1", "520")]].concat());
    let load = ["load", events.to_str().unwrap(), "--prefix", &prefix, "--live"];
    let taken_in = echelon.json(&load, 0).await["taken_in"].clone();
    assert_eq!((&taken_in["applied"], &taken_in["duplicates"]), (&json!(60), &json!(1)));
    let ben = ask(&address, "GET /v1/members/ben/explain", "");
    assert_eq!(
        (&ben["standing"]["tier"]["id"], &ben["standing"]["progress"]["counted"]),
        (&json!("silver"), &json!("120.00"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_goes_into_a_deployed_system_and_on_from_where_it_was_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let (aws, place) = (Aws::start().await, dynamodb::local().await);
    let system = System::new(place.client, &place.prefix).await;
    system.at(instant("2024-01-01T00:00:00Z"));
    system.publish(&program(), &json!({})).await;
    let echelon = Echelon::on_dynamodb_local().await.with_queues_at(&aws.url);
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

    // One of the two bodies goes to the queue of incoming events; the other stays, hidden from no receiver.
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

/// A change is previewed, published an hour ahead, and withdrawn. What is due is done by one more worker.
#[tokio::test(flavor = "multi_thread")]
async fn rules_change_and_midnights_pass_on_a_deployed_system() {
    let folder = tempfile::tempdir().unwrap();
    let place = dynamodb::local().await;
    let system = System::new(place.client, &place.prefix).await;
    system.at(instant("2024-01-01T00:00:00Z"));
    let mut yearly = program();
    yearly["milestone"]["period"] = json!("calendar_year");
    system.publish(&yearly, &json!({})).await;
    system.at(instant("2024-05-01T10:00:00Z"));
    assert_eq!(system.tell(&[order("anna", "1", "120")]).await.counts.applied, 1);
    let echelon = Echelon::on_dynamodb_local().await;
    let tables = system.store.tables();
    let tables = format!("{},{},{}", tables.members, tables.ledger, tables.control);
    let on = ["--tables", &tables, "--shop", "acme"];

    // Anna was silver long ago. What has been due since the end of 2025 is recorded now, but not within the margin of a midnight.
    let rolled = loop {
        let rolled = echelon.run(&[&["rollover", "--format", "json"], &on[..]].concat()).await;
        if rolled.status.code() == Some(0) {
            break serde_json::from_slice::<Value>(&rolled.stdout).unwrap();
        }
        assert!(String::from_utf8_lossy(&rolled.stderr).contains("start"), "{rolled:?}");
        tokio::time::sleep(Duration::from_secs(5)).await;
    };
    assert_eq!(rolled["done"][0]["so_far"]["left"], 1, "{rolled}");
    assert_eq!(system.tier("anna").await, None);
    let jobs = echelon.json(&[&["jobs"], &on[..]].concat(), 0).await;
    assert_eq!(jobs["jobs"][0]["state"], "done", "{jobs}");

    let next = folder.path().join("next.json");
    fs::write(&next, program().to_string()).unwrap();
    let wanted = ["--program", next.to_str().unwrap(), "--options", r#"{"notify": true}"#];
    let at = store::key::at(rules::calendar::Instant::from_millis(
        i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()).unwrap()
            + 3_600_000,
    ));
    let preview = echelon.json(&[&["preview"], &wanted[..], &["--at", &at], &on].concat(), 0).await;
    assert_eq!(preview["preview"]["moves"]["entered"], 1, "{preview}");
    assert_eq!(system.store.publications(&system.shop).await.unwrap().len(), 1, "a preview writes nothing");
    let published = echelon.run(&[&["publish"], &wanted[..], &["--at", &at, "--by", "eve"], &on].concat()).await;
    assert_eq!(published.status.code(), Some(0), "{published:?}");
    let withdrawn = echelon.run(&[&["publish", "--withdraw", "--by", "eve"], &on[..]].concat()).await;
    assert_eq!(withdrawn.status.code(), Some(0), "{withdrawn:?}");
    let listed = echelon.json(&[&["publish", "--list"], &on[..]].concat(), 0).await;
    assert_eq!(listed["programs"].as_array().unwrap().len(), 2, "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deployed_an_event_on_the_bus_becomes_an_announcement_on_the_bus() {
    let folder = tempfile::tempdir().unwrap();
    let deployed = Deployed::new();
    let (url, bus) = (deployed.output("Endpoint"), deployed.output("EventBusName"));
    let echelon = Echelon::new(url.to_owned(), "eu-central-1", ACCOUNT);
    let tables =
        ["MembersTableName", "LedgerTableName", "ControlTableName"].map(|name| deployed.output(name)).join(",");
    let file = folder.path().join("program.json");
    fs::write(&file, program().to_string()).unwrap();
    let publish = ["publish", "--tables", &tables, "--shop", "acme", "--program", file.to_str().unwrap()];
    let published = echelon.run(&publish).await;
    assert_eq!(published.status.code(), Some(0), "{published:?}");

    let (sqs, events) =
        (aws_sdk_sqs::Client::new(&deployed.config), aws_sdk_eventbridge::Client::new(&deployed.config));
    let listener = sqs.create_queue().queue_name("listener").send().await.unwrap().queue_url.unwrap();
    let rule =
        events.put_rule().name("listener").event_bus_name(bus).event_pattern(r#"{"detail-type": ["tier.changed.v1"]}"#);
    rule.send().await.unwrap();
    let arn = format!("arn:aws:sqs:eu-central-1:{ACCOUNT}:listener");
    let target = Target::builder().id("listener").arn(arn).build().unwrap();
    events.put_targets().rule("listener").event_bus_name(bus).targets(target).send().await.unwrap();

    let entry = |event: &Value| {
        let entry = PutEventsRequestEntry::builder().source("echelon.shop/acme").event_bus_name(bus);
        entry.detail_type(event["type"].as_str().unwrap()).detail(event.to_string()).build()
    };
    let broken = json!({ "type": "order.paid", "member_id": "ben" });
    let put = events.put_events().entries(entry(&order("anna", "1", "520"))).entries(entry(&broken));
    assert_eq!(put.send().await.unwrap().failed_entry_count, 0);

    let received = async |queue: &str| {
        let asked = sqs.receive_message().queue_url(queue).wait_time_seconds(10).message_attribute_names("All");
        asked.send().await.unwrap().messages.unwrap_or_default().pop().expect("nothing came")
    };
    let told: Value = serde_json::from_str(received(&listener).await.body().unwrap()).unwrap();
    assert_eq!((&told["source"], &told["detail-type"]), (&json!("echelon"), &json!("tier.changed.v1")));
    assert_eq!((&told["detail"]["member_id"], &told["detail"]["after"]["id"]), (&json!("anna"), &json!("gold")));
    let body = received(deployed.output("QuarantineQueueUrl")).await;
    let listed = echelon.json(&["quarantine", "list", "--tables", &tables], 0).await;
    assert_eq!(listed["rows"][0]["reason"], "invalid");
    assert_eq!(listed["rows"][0]["id"], body.message_attributes.unwrap()["id"].string_value().unwrap());

    // The gateway hands requests to the function, which refuses those without a token.
    let api = deployed.output("ApiUrl").split(['/', '.']).nth(2).unwrap().to_owned();
    let address = url.trim_start_matches("http://");
    let ask = |path: &str| ask(address, &format!("GET /_aws/execute-api/{api}/$default{path}"), "");
    let document = ask("/openapi.json");
    assert_eq!(document["info"]["title"], "Echelon", "{document} {}", deployed.outputs);
    let said = ask("/v1/me");
    assert_eq!(said["type"], "urn:echelon:problem:unauthenticated", "{said}");
}
