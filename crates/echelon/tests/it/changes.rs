//! A change of rules and a New Year, with the built command: `publish`, `preview`, `jobs`, `rollover`, and the same
//! over HTTP.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use crate::common::{Served, Webhook, command, eventually, order, program};
use serde_json::{Value, json};

/// A folder with a store, and commands run on it.
struct ApiHarness {
    folder: tempfile::TempDir,
}

impl ApiHarness {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &Value) -> String {
        fs::write(self.path(name), content.to_string()).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    fn run(&self, args: &[&str]) -> Output {
        let data = self.path("echelon.db");
        command(&[args, &["--data", data.to_str().unwrap()]].concat())
    }

    /// The output of a command, both standard output and standard error. The command must end with this exit code.
    #[track_caller]
    fn says(&self, args: &[&str], code: i32) -> String {
        let Output { status, stdout, stderr } = self.run(args);
        let said = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(code), "{args:?}: {said}");
        said
    }

    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        let Output { status, stdout, stderr } = self.run(&[args, &["--format", "json"]].concat());
        assert!(status.success(), "{args:?}: {}", String::from_utf8_lossy(&stderr));
        serde_json::from_slice(&stdout).unwrap()
    }
}

/// A program that counts money over a calendar year, with this threshold for gold.
fn yearly(gold: &str) -> Value {
    let mut program = program();
    program["milestone"] = json!({ "metric": "amount_spent", "period": "calendar_year" });
    program["effective_at"] = json!("2020-01-01T00:00:00Z");
    program["tiers"][1]["threshold"] = json!(gold);
    program
}

/// Sixty members who spent from 10 to 600 within the last year.
fn history(path: &Path) -> String {
    let now = chrono::Utc::now().format("%Y-%m-%dT00:00:00Z").to_string();
    let line = |number: u32| {
        let mut event = order(&format!("m{number:02}"), &number.to_string(), &format!("{}.00", number * 10));
        event["occurred_at"] = json!(now);
        event.to_string()
    };
    fs::write(path, (1..=60).map(line).collect::<Vec<_>>().join("\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_preview_tells_what_publishing_then_does() {
    let desk = ApiHarness::new();
    let (first, next) = (desk.write("vip.json", &yearly("500")), desk.write("next.json", &yearly("300")));
    desk.says(&["publish", "--shop", "acme", "--program", &first], 0);
    desk.says(&["load", &history(&desk.path("events.jsonl"))], 0);
    let list = desk.path("changes.csv");
    let previewed = desk.json(&["preview", "--program", &next, "--list", list.to_str().unwrap()]);
    assert_eq!(previewed["preview"]["moves"]["upgraded"], 20, "{previewed}");
    let listed = fs::read_to_string(&list).unwrap();
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!((lines[0], lines[1], lines.len()), ("member_id,from,to,movement", "m30,bronze,gold,upgraded", 21));
    let shown = desk.says(&["preview", "--program", &next], 0);
    assert!(
        shown.contains("from ↓  to →") && shown.contains("20 upgraded") && shown.contains("nothing was written"),
        "{shown}"
    );

    let published = desk.json(&["publish", "--program", &next, "--why", "easier"]);
    let (job, moves) = (&published["job"], &previewed["preview"]["moves"]);
    assert_eq!((&job["state"], &job["parts_done"]), (&json!("done"), &json!(256)));
    let done = &job["so_far"];
    for counted in ["entered", "upgraded", "retained", "downgraded", "left"] {
        assert_eq!(done[counted], moves[counted], "{counted}: {published}");
    }
    assert_eq!((&done["members"], &done["without"]), (&previewed["preview"]["members"], &moves["without_tier"]));
    assert_eq!(done["moves"], json!([{ "from": "bronze", "to": "gold", "members": 20 }]));
    let jobs = desk.json(&["jobs"]);
    let id = jobs["jobs"][0]["id"].as_str().unwrap();
    assert_eq!(jobs["jobs"][0]["so_far"], *done);
    let shown = desk.says(&["jobs", "show", id], 0);
    assert!(shown.contains("bronze  ->  gold  20") && shown.contains("100 %"), "{shown}");

    // The way back takes gold from 20 members, and says so. With `hold`, no member drops.
    let held = ["--options", r#"{"demotions": "hold"}"#];
    assert_eq!(desk.json(&[&["preview", "--roll-back", "1"], &held[..]].concat())["preview"]["held"], 20);
    let back = desk.says(&["publish", "--roll-back", "1", "--why", "too easy"], 0);
    assert!(back.contains("warning: Gold now takes 500 instead of 300") && back.contains("20 downgraded"), "{back}");
    assert!(back.contains("gold  ->  bronze  20"), "{back}");
    desk.says(&["verify"], 0);
}

#[test]
fn one_version_waits_is_replaced_withdrawn_and_listed() {
    let desk = ApiHarness::new();
    let [first, next, other] = ["500", "300", "400"].map(|gold| desk.write(&format!("{gold}.json"), &yearly(gold)));
    desk.says(&["publish", "--shop", "acme", "--program", &first], 0);
    let later = ["--at", "2126-01-01T00:00:00Z"];
    let said = desk.says(&[&["publish", "--program", &next], &later[..]].concat(), 0);
    assert!(said.contains("version 2 of shop `acme`, in force from 2126"), "{said}");
    let said = desk.says(&[&["publish", "--program", &other], &later[..]].concat(), 0);
    assert!(said.contains("version 3") && said.contains("instead of version 2"), "{said}");
    // For another instant it is another version; for the same instant it is known.
    assert!(desk.says(&[&["publish", "--program", &other], &later[..]].concat(), 0).contains("nothing was published"));
    let said = desk.says(&["publish", "--program", &other, "--at", "2127-01-01T00:00:00Z"], 0);
    assert!(said.contains("version 4") && said.contains("instead of version 3"), "{said}");
    let said = desk.says(&["publish", "--withdraw", "--by", "eve"], 0);
    assert!(said.contains("version 4 of shop `acme` is withdrawn"), "{said}");
    assert!(desk.says(&["publish", "--withdraw"], 2).contains("no version waits"));
    assert!(desk.says(&["publish", "--roll-back", "2"], 2).contains("no version 2 to roll back to"));
    desk.says(&["publish"], 2);
    desk.says(&["publish", "--program", &next, "--roll-back", "1"], 2);
    let listed = desk.json(&["publish", "--list"]);
    let states: Vec<&str> =
        listed["programs"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["in_force", "withdrawn", "withdrawn", "withdrawn"]);
    assert_eq!(listed["programs"][3]["withdrawn"]["by"], "eve");
    assert!(desk.says(&["publish", "--list"], 0).contains("withdrawn by eve at "));
}

#[test]
fn what_is_due_in_a_file_is_done_once() {
    let desk = ApiHarness::new();
    let first = desk.write("vip.json", &yearly("500"));
    desk.says(&["publish", "--shop", "acme", "--program", &first], 0);
    let events = desk.path("events.jsonl");
    let long_ago = order("anna", "1", "900.00").to_string();
    fs::write(&events, &long_ago).unwrap();
    desk.says(&["load", events.to_str().unwrap()], 0);
    let done = desk.json(&["rollover"]);
    assert_eq!((&done["done"][0]["state"], &done["left"]), (&json!("done"), &json!([])), "{done}");
    assert!(done["done"][0]["id"].as_str().unwrap().ends_with("T00:00:00.000Z-rollover"), "{done}");
    assert!(desk.says(&["rollover", "--shop", "acme"], 0).contains("Nothing is due."));
    desk.says(&["jobs", "pause", "2027-01-01T00:00:00.000Z-rollover"], 2);
    assert!(desk.says(&["jobs", "show", "tomorrow"], 2).contains("names no job"));
    assert_eq!(command(&["rollover"]).status.code(), Some(2));
}

/// The clock of a served system is moved over New Year: a member who earned too little falls, and one with a birthday
/// is notified.
#[test]
fn a_new_year_comes_where_the_clock_is_moved() {
    let desk = ApiHarness::new();
    let webhook = Webhook::listening();
    let mut program = yearly("500");
    program["tiers"][0]["perks"] = json!([{ "type": "birthday_points", "points": 50 }]);
    let (file, data) = (desk.write("vip.json", &program), desk.path("echelon.db"));
    let data = data.to_str().unwrap();
    let served = Served::on(
        desk.folder.path(),
        &[
            "--data",
            data,
            "--program",
            &file,
            "--shop",
            "acme",
            "--clock",
            "2030-12-30T12:00:00Z",
            "--webhook",
            &webhook.url(),
        ],
    );
    let paid = |member: &str, id: &str, at: &str, total: &str| {
        let mut event = order(member, id, total);
        event["occurred_at"] = json!(at);
        event
    };
    let bella = json!({ "type": "customer.birthday_set", "member_id": "bella", "birthday": "01-01",
                        "occurred_at": "2029-05-01T00:00:00Z" });
    let events = json!([
        paid("anna", "1", "2029-06-01T00:00:00Z", "900.00"),
        paid("anna", "2", "2030-06-01T00:00:00Z", "60.00"),
        paid("bella", "3", "2030-06-01T00:00:00Z", "70.00"),
        paid("carl", "4", "2029-06-01T00:00:00Z", "80.00"),
        bella,
    ]);
    assert_eq!(served.post("/events", &events.to_string(), &[]).0, 202);
    served.health_once(|health| health["waiting"] == 0);
    assert_eq!(served.get("/v1/members/anna/explain").1["standing"]["tier"]["id"], "gold");
    assert_eq!(served.post("/clock", r#"{"now": "2031-01-01T00:00:05Z"}"#, &[]).0, 200);
    let told = webhook.once(|told| {
        let fallen = |event: &Value| event["cause"] == "period_end";
        told.iter().filter(|(kind, event)| kind == "tier.changed.v1" && fallen(event)).count() >= 2
            && told.iter().any(|(kind, _)| kind == "tier.birthday_points_due.v1")
    });
    let fell: BTreeSet<(&str, &str)> = told
        .iter()
        .filter(|(_, event)| event["cause"] == "period_end")
        .map(|(_, event)| (event["member_id"].as_str().unwrap(), event["change"].as_str().unwrap()))
        .collect();
    assert_eq!(fell, BTreeSet::from([("anna", "downgraded"), ("carl", "left")]), "{told:?}");
    let (_, birthday) = told.iter().find(|(kind, _)| kind == "tier.birthday_points_due.v1").unwrap();
    assert_eq!((&birthday["member_id"], &birthday["on"]), (&json!("bella"), &json!("2031-01-01")));
    let url = served.url();
    let done = || {
        let shown = command(&["jobs", "show", "2031-01-01T00:00:00.000Z-rollover", "--url", &url, "--format", "json"]);
        let job: Value = serde_json::from_slice(&shown.stdout).unwrap_or_default();
        job["state"] == "done"
            && job["so_far"]["downgraded"] == 1
            && job["so_far"]["left"] == 1
            && job["so_far"]["birthdays"] == 1
    };
    assert!(eventually(done), "{}", served.said());
}

#[test]
fn rules_are_changed_over_http_and_refusals_say_what_to_do() {
    let desk = ApiHarness::new();
    let webhook = Webhook::listening();
    let served = Served::start(desk.folder.path(), &["--webhook", &webhook.url()]);
    for (member, total) in [("anna", "520.00"), ("bert", "310.00")] {
        assert_eq!(served.post("/events", &order(member, member, total).to_string(), &[]).0, 202);
    }
    served.member_once("bert", |bert| bert["standing"]["tier"]["id"] == "bronze");
    served.health_once(|health| health["waiting"] == 0);
    let mut next = program();
    next["tiers"][1]["threshold"] = json!("300");
    let (status, previewed) =
        served.post("/v1/program/preview?list=true", &json!({ "program": next }).to_string(), &[]);
    assert_eq!((status, &previewed["preview"]["moves"]["upgraded"]), (200, &json!(1)), "{previewed}");
    assert_eq!(previewed["changes"][0]["member_id"], "bert");
    let (url, file) = (served.url(), desk.write("next.json", &next));
    let published = command(&["publish", "--program", &file, "--url", &url]);
    let said = String::from_utf8_lossy(&published.stdout).into_owned() + &String::from_utf8_lossy(&published.stderr);
    assert!(published.status.success() && said.contains("version 2 of shop `acme`"), "{said}");
    webhook.once(|told| {
        let of_bert = |event: &Value| event["member_id"] == "bert" && event["after"]["id"] == "gold";
        told.iter().any(|(_, event)| of_bert(event) && event["cause"] == "program_changed")
            && told.iter().any(|(kind, event)| kind == "program.published.v1" && event["program_version"] == 2)
    });
    let (status, back) = served.post("/v1/program/versions", r#"{"version": 1, "at": "2126-01-01T00:00:00Z"}"#, &[]);
    assert_eq!((status, &back["version"]), (201, &json!(3)), "{back}");
    let (_, listed) = served.get("/v1/program/versions");
    assert_eq!(
        (&listed["programs"][1]["state"], &listed["programs"][2]["state"]),
        (&json!("in_force"), &json!("pending"))
    );
    assert_eq!(served.delete("/v1/program/versions/pending").1["withdrawn"], 3);
    assert_eq!(served.delete("/v1/program/versions/pending").0, 404);
    for (path, body, expected, remedy) in [
        ("/v1/program/versions", r#"{"program": {"tiers": 7}}"#, 422, "`problems`"),
        ("/v1/program/versions", r#"{"program": {}, "optons": {}}"#, 400, "openapi.json"),
        ("/v1/program/versions", r#"{"version": 9}"#, 404, "GET /v1/program/versions"),
        ("/v1/program/versions", r#"{"version": 1, "at": "2020-01-01T00:00:00Z"}"#, 409, "GET /v1/program/versions"),
        ("/v1/jobs/tomorrow/pause", "", 404, "GET /v1/jobs"),
        ("/v1/jobs/2020-01-01T00:00:00.000Z-rollover/pause", "", 404, "GET /v1/jobs"),
    ] {
        let (status, said) = served.post(path, body, &[]);
        assert!(
            status == expected && said["remedy"].as_str().unwrap().contains(remedy),
            "{path} {body}: {status} {said}"
        );
    }
}

/// A recalculation that is killed in the middle continues where it stopped, and counts every member once.
#[test]
fn a_recalculation_that_is_killed_goes_on_and_counts_the_same() {
    const MEMBERS: u32 = 3_000;
    let desk = ApiHarness::new();
    let mut next = program();
    next["tiers"][1]["threshold"] = json!("300");
    let (first, next) = (desk.write("program.json", &program()), desk.write("next.json", &next));
    desk.says(&["publish", "--shop", "acme", "--program", &first], 0);
    let line =
        |number: u32| order(&format!("m{number}"), &number.to_string(), &format!("{}.00", number % 600)).to_string();
    fs::write(desk.path("events.jsonl"), (0..MEMBERS).map(line).collect::<Vec<_>>().join("\n")).unwrap();
    desk.says(&["load", desk.path("events.jsonl").to_str().unwrap()], 0);
    let served = Served::start(desk.folder.path(), &[]);
    let url = served.url();
    assert!(command(&["publish", "--program", &next, "--url", &url]).status.success());
    let of_version = |jobs: &Value| -> Option<Value> {
        let jobs = jobs["jobs"].as_array()?;
        jobs.iter().find(|job| job["id"].as_str().unwrap().ends_with("recalculation-2")).cloned()
    };
    let begun = || {
        let job = of_version(&served.get("/v1/jobs").1);
        job.is_some_and(|job| job["so_far"]["members"].as_u64().unwrap() > 0)
    };
    assert!(eventually(begun), "{}", served.said());
    served.dies_in(Duration::ZERO).join().unwrap();
    let left = desk.json(&["jobs"]);
    eprintln!("killed at {} members", of_version(&left).unwrap()["so_far"]["members"]);
    // The program given at the start is the newest version already.
    let data = desk.path("echelon.db");
    let served = Served::on(desk.folder.path(), &["--data", data.to_str().unwrap(), "--shop", "acme"]);
    let is_done = || of_version(&served.get("/v1/jobs").1).is_some_and(|job| job["state"] == "done");
    assert!(eventually(is_done), "{}", served.said());
    let job = of_version(&served.get("/v1/jobs").1).unwrap();
    let expected = (0..MEMBERS).filter(|number| (300..500).contains(&(number % 600))).count();
    let done = &job["so_far"];
    assert_eq!(
        (&done["members"], &done["upgraded"], &done["downgraded"]),
        (&json!(MEMBERS), &json!(expected), &json!(0))
    );
    served.end();
    desk.says(&["verify"], 0);
}

#[test]
fn the_help_of_changes_teaches() {
    for (name, teaches) in [
        ("publish", ["--roll-back 1", "--withdraw", "Exit codes"]),
        ("preview", ["--list changes.csv", "writes nothing", "Exit codes"]),
        ("jobs", ["jobs pause", "quarter of an hour", "Exit codes"]),
        ("rollover", ["January 1", "goes on where it was", "Exit codes"]),
    ] {
        let help = String::from_utf8(command(&[name, "--help"]).stdout).unwrap();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(teaches.iter().all(|words| help.contains(words)), "{help}");
    }
}
