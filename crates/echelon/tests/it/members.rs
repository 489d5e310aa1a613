//! `echelon import --members` and `--customers` with the built command: members of other systems, quietly, and one member
//! for a customer whom an export and webhooks name differently.

use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Three members as Smile.io exports them, and one who has not joined.
const SMILE: &str = "\
    \"First Name\",\"Last Name\",\"Email\",\"Customer Status\",\"Points Balance\",\"VIP Tier Name\",\"Date of Birth\",\"Referral URL\"\n\
    \"Ann\",\"A\",\"Ann@Example.com\",\"Member\",\"1250\",\"VIP Gold\",\"1990-02-29\",\"https://x.example/r/1\"\n\
    \"Ben\",\"B\",\"ben@example.com\",\"Guest\",\"0\",\"\",\"\",\"\"\n\
    \"Cy\",\"C\",\"cy@example.com\",\"Member\",\"300\",\"silver\",\"1985-12-24\",\"\"\n";

const CUSTOMERS: &str = "Customer ID,First Name,Email,Default Address Phone,Phone,Tags\n\
    '42,Ann,ann@example.com,,'+447700900001,\"VIP, early\"\n\
    '43,Cy,CY@example.com,,,\n";

const EXPORTED: [&str; 2] = ["--exported-at", "2026-11-01T10:00:00Z"];

/// A program in which points count over all time: Silver takes 200 and Gold, called VIP Gold, 500.
fn program(metric: &str) -> Value {
    json!({ "program_id": "vip", "name": "VIP", "active": true, "timezone": "America/New_York", "currency": "EUR",
            "start_date": "2023-01-01", "milestone": { "metric": metric, "period": "calendar_year" },
            "tiers": [{ "id": "silver", "name": "Silver", "threshold": "200" },
                      { "id": "gold", "name": "VIP Gold", "threshold": "500",
                        "entry_rewards": [{ "type": "points", "points": 50 }] }] })
}

/// A folder with files of these contents.
struct Desk(TempDir);

impl Desk {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        fs::write(folder.path().join("program.json"), program("amount_spent").to_string()).unwrap();
        fs::write(folder.path().join("points.json"), program("points_earned").to_string()).unwrap();
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::cargo_bin("echelon").unwrap().current_dir(self.path()).args(args).output().unwrap()
    }

    /// Imports with these arguments into `e.jsonl`, with the report in `report.json` and the list in `list.jsonl`; the
    /// exit code must be this one.
    #[track_caller]
    fn import(&self, args: &[&str], code: i32) -> Value {
        let outputs = ["-o", "e.jsonl", "--report", "report.json", "--format", "json", "--left-out", "list.jsonl"];
        let output = self.run(&[&["import"], args, &EXPORTED, &outputs].concat());
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(&self.text("report.json")).unwrap()
    }

    /// Runs the import, which must not be possible, and returns what it says.
    #[track_caller]
    fn refused(&self, args: &[&str]) -> String {
        let output = self.run(&[&["import", "-o", "refused.jsonl"], args].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(!self.path().join("refused.jsonl").exists(), "something was written");
        said
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    fn lines(&self, name: &str) -> Vec<Value> {
        self.text(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The line, column, reason and remedy of every row that gave no facts.
    fn list(&self) -> Vec<Value> {
        let row = |row: &Value| json!([row["line"], row["column"], row["reason"]]);
        self.lines("list.jsonl").iter().map(row).collect()
    }

    /// The replay of these files of events, one after the other, under a program.
    #[track_caller]
    fn replay(&self, program: &str, events: &[&str], as_of: &str) -> Value {
        let all: String = events.iter().map(|name| self.text(name)).collect();
        fs::write(self.path().join("all.jsonl"), all).unwrap();
        let args = ["replay", "--program", program, "--events", "all.jsonl", "--as-of", as_of, "--format", "json"];
        let output = self.run(&args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

const SMILE_ARGS: [&str; 8] =
    ["--members", "smile.csv", "--preset", "smile", "--program", "program.json", "--tiers-until", "2026-12-31"];

#[test]
fn a_smile_export_becomes_points_tiers_birthdays_and_enrolment() {
    let desk = Desk::with(&[("smile.csv", SMILE)]);
    let report = desk.import(&SMILE_ARGS, 0);
    assert_eq!(
        report["facts"],
        json!({ "customer.birthday_set": 2, "customer.enrolled": 2, "points.imported": 2,
                                        "tier.assigned": 2 })
    );
    assert_eq!((&report["read"], &report["with_facts"], &report["by_email"]), (&json!(3), &json!(2), &json!(2)));
    assert_eq!(desk.list(), [json!([3, null, "not_in_program"])]);
    let events = desk.lines("e.jsonl");
    let ann: Vec<&Value> = events.iter().filter(|fact| fact["member_id"] == "ann@example.com").collect();
    assert!(
        ann.iter().all(|fact| fact["imported"] == true && fact["occurred_at"] == "2026-11-01T10:00:00Z"),
        "{ann:?}"
    );
    assert_eq!(ann[1]["birthday"], "02-29");
    assert_eq!((&ann[2]["entry_id"], &ann[2]["points"]), (&json!("smile:ann@example.com"), &json!(1250)));
    // By its name, through the whole last day in the program's zone, and without its reward.
    let tier = json!([ann[3]["assignment_id"], ann[3]["tier"], ann[3]["mode"], ann[3]["until"], ann[3]["reward"]]);
    assert_eq!(tier, json!(["smile:ann@example.com", "gold", "floor", "2027-01-01T05:00:00Z", false]));
}

#[test]
fn what_is_imported_is_recorded_without_a_notification_or_a_reward() {
    let desk = Desk::with(&[("smile.csv", SMILE)]);
    desk.import(&SMILE_ARGS, 0);
    let replayed = desk.replay("program.json", &["e.jsonl"], "2026-11-02");
    let standings = &replayed["standings"];
    assert_eq!(
        (&standings["ann@example.com"]["tier"], &standings["cy@example.com"]["tier"]),
        (&json!("gold"), &json!("silver"))
    );
    assert_eq!(standings["ann@example.com"]["valid_until"], "2027-01-01T05:00:00Z");
    let transitions = replayed["transitions"].as_array().unwrap();
    assert_eq!(transitions.len(), 2, "{replayed}");
    assert!(transitions.iter().all(|moved| moved["notify"] == false && moved["cause"] == "imported"), "{replayed}");
    assert_eq!(replayed["rewards"], json!([]));
    // The balances count where points count.
    let points = desk.replay("points.json", &["e.jsonl"], "2026-11-02");
    assert_eq!(points["standings"]["ann@example.com"]["counted"], "1250");
    assert_eq!(points["rewards"], json!([]));
}

#[test]
fn members_imported_twice_are_as_imported_once_and_a_later_export_replaces_the_balance() {
    let later = SMILE.replace("1250", "1100");
    let desk = Desk::with(&[("smile.csv", SMILE), ("later.csv", &later)]);
    desk.import(&SMILE_ARGS, 0);
    let first = desk.text("e.jsonl");
    desk.import(&SMILE_ARGS, 0);
    assert_eq!(desk.text("e.jsonl"), first);
    fs::write(desk.path().join("first.jsonl"), &first).unwrap();
    let args = [
        "import",
        "--members",
        "later.csv",
        "--preset",
        "smile",
        "--without",
        "tier",
        "-o",
        "later.jsonl",
        "--exported-at",
        "2026-11-02T10:00:00Z",
    ];
    assert!(desk.run(&args).status.success());
    for events in [&["first.jsonl", "e.jsonl", "later.jsonl"][..], &["first.jsonl", "later.jsonl"]] {
        let replayed = desk.replay("points.json", events, "2026-11-03");
        assert_eq!(replayed["standings"]["ann@example.com"]["counted"], "1100", "{events:?}");
        assert_eq!(replayed["transitions"].as_array().unwrap().len(), 2, "{replayed}");
    }
}

#[test]
fn every_row_that_is_not_taken_is_listed_with_line_column_and_remedy_and_nothing_of_it_is_taken() {
    let rows = "member_id,points,tier,until,birthday,enrolled_at,status\n\
        1,12.5,,,,,\n\
        2,10,ruby,2026-12-31,,,\n\
        3,10,GOLD,,,,\n\
        4,10,silver,2026-10-31,,,\n\
        5,10,,,05/06/1990,,\n\
        6,10,,,1990-02-30,,\n\
        7,10,,,,2026-12-01,\n\
        8,10,,,,,perhaps\n\
        9,10,,,,\n\
        ,10,,,,,\n\
        1.5E+12,10,,,,,\n\
        12,10,,,,,\n\
        12,20,,,,,\n\
        13,0,,,,,\n\
        ,,,,,,\n\
        14,10,,,,,excluded\n\
        12,10,,,,,\n";
    let desk = Desk::with(&[("m.csv", rows)]);
    let report = desk.import(&["--members", "m.csv", "--program", "program.json"], 1);
    assert_eq!(
        desk.list(),
        [
            json!([2, "points", "bad_points"]),
            json!([3, "tier", "bad_tier"]),
            json!([4, "until", "no_expiry"]),
            json!([5, "until", "expired"]),
            json!([6, "birthday", "ambiguous_day"]),
            json!([7, "birthday", "bad_day"]),
            json!([8, "enrolled_at", "joined_later"]),
            json!([9, "status", "unknown_status"]),
            json!([10, null, "cell_count"]),
            json!([11, "member_id", "no_member"]),
            json!([12, "member_id", "rounded_id"]),
            json!([14, "member_id", "twice"]),
            json!([15, null, "nothing_to_take"]),
            json!([16, null, "blank_row"]),
            json!([17, null, "not_in_program"]),
            json!([18, null, "repeated"]),
        ]
    );
    assert_eq!(report["facts"], json!({ "points.imported": 1 }));
    assert_eq!(
        (&report["read"], &report["rejected"]["total"], &report["ignored"]["total"]),
        (&json!(17), &json!(12), &json!(4))
    );
    for row in desk.lines("list.jsonl").iter().filter(|row| row["outcome"] == "rejected") {
        assert!(row["remedy"].as_str().is_some_and(|remedy| remedy.len() > 10), "{row}");
    }
    // What the remedies say is what helps.
    let args = [
        "--members",
        "m.csv",
        "--program",
        "program.json",
        "--tiers-until",
        "never",
        "--day-first",
        "--status",
        "perhaps=member",
        "--tier",
        "ruby=gold",
    ];
    desk.import(&args, 1);
    let left: Vec<_> = desk.list().iter().map(|row| row[0].as_u64().unwrap()).filter(|line| *line < 11).collect();
    assert_eq!(left, [2, 5, 7, 8, 10]);
    let events = desk.lines("e.jsonl");
    let of = |member: &str, kind: &str| events.iter().find(|fact| fact["member_id"] == member && fact["type"] == kind);
    assert_eq!(of("3", "tier.assigned").unwrap().get("until"), None);
    assert_eq!(of("2", "tier.assigned").unwrap()["tier"], "gold");
    assert_eq!(of("5", "customer.birthday_set").unwrap()["birthday"], "06-05");
    assert!(of("8", "customer.enrolled").is_some());
}

#[test]
fn the_list_of_rows_that_were_not_taken_is_csv_where_its_name_says_so() {
    let desk = Desk::with(&[("m.csv", "email,points\nann@example.com,\"1,250\"\n")]);
    let output = desk.run(&["import", "--members", "m.csv", "-o", "e.jsonl", "--left-out", "list.csv"]);
    assert_eq!(output.status.code(), Some(1));
    let list = desk.text("list.csv");
    let (header, row) = list.split_once('\n').unwrap();
    assert_eq!(header, "outcome,file,line,column,reason,message,remedy");
    assert!(
        row.starts_with("rejected,m.csv,2,points,bad_points,\"`1,250` is not a whole number of points\","),
        "{row}"
    );
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("m.csv line 2: bad_points: column `points`: `1,250` is not a whole number"), "{said}");
}

#[test]
fn a_dry_run_reports_the_same_and_writes_no_events() {
    let desk = Desk::with(&[("smile.csv", SMILE), ("orders.csv", ORDERS)]);
    let report = desk.import(&[&SMILE_ARGS[..], &["--dry-run"]].concat(), 0);
    assert_eq!((&report["dry_run"], &report["with_facts"]), (&json!(true), &json!(2)));
    assert!(!desk.path().join("e.jsonl").exists());
    let report = desk.import(&["orders.csv", "--preset", "shopify-orders", "--dry-run"], 0);
    assert_eq!(report["with_facts"], 4);
    assert!(!desk.path().join("e.jsonl").exists());
}

#[test]
fn tiers_without_a_program_or_an_end_are_refused_before_anything_is_read() {
    let desk = Desk::with(&[("smile.csv", SMILE), ("orders.csv", ORDERS)]);
    let base = ["--members", "smile.csv", "--preset", "smile"];
    for (more, parts) in [
        (&[][..], &["VIP Tier Name", "--program", "--without tier"][..]),
        (&["--program", "program.json"], &["VIP Tier Name", "--tiers-until", "--column until="]),
        (&["--program", "program.json", "--tiers-until", "soon"], &["--tiers-until", "`soon`", "never"]),
        (&["--tier", "VIP Gold=gold", "--tiers-until", "2026-12-31"], &["--timezone"]),
        (&["--program", "program.json", "--tier", "x=ruby"], &["no tier `ruby`", "silver, gold"]),
        (&["--column", "points=Lifetime"], &["`Lifetime`", "`Points Balance`"]),
        (&["--column", "total=Points Balance"], &["`total` is not a field of members", "birthday"]),
        (&["--live"], &["--members", "--live"]),
    ] {
        let said = desk.refused(&[&base[..], more].concat());
        for part in parts {
            assert!(said.contains(part), "{more:?}: `{part}` is not in: {said}");
        }
    }
    let said = desk.refused(&["--members", "smile.csv", "--preset", "shopify-orders"]);
    assert!(said.contains("names a file of orders"), "{said}");
    let said = desk.refused(&["orders.csv", "--preset", "smile"]);
    assert!(said.contains("--members"), "{said}");
}

#[test]
fn exports_of_the_other_apps_are_read_by_their_presets() {
    let loyaltylion = "merchant_id,email,points_approved,points_spent,tier,enrolled_at,birthday\n\
        42,ann@example.com,1250,100,VIP Gold,2024-03-01T10:00:00Z,1990-12-24\n";
    let yotpo = "Email,First Name,Points Balance,VIP Tier,VIP Tier Expiration,Birthday (MM/DD),Opted In\n\
        ann@example.com,Ann,1250,vip gold,2027-03-31,05/06,true\n";
    let aitrillion = "Email,Lifetime Points,Available Points,VIP Tier,Birthday,Status\n\
        Ann@example.com,1500,1250,GOLD,12-24,Active\n";
    let desk = Desk::with(&[("loyaltylion", loyaltylion), ("yotpo", yotpo), ("aitrillion", aitrillion)]);
    for (app, member, birthday, until) in [
        ("loyaltylion", "42", "12-24", "2027-01-01T05:00:00Z"),
        ("yotpo", "ann@example.com", "05-06", "2027-04-01T04:00:00Z"),
        ("aitrillion", "ann@example.com", "12-24", "2027-01-01T05:00:00Z"),
    ] {
        let file = format!("{app}.csv");
        fs::rename(desk.path().join(app), desk.path().join(&file)).unwrap();
        let args = [
            "--members",
            &file,
            "--preset",
            app,
            "--program",
            "program.json",
            "--tiers-until",
            "2026-12-31",
            "--month-first",
        ];
        desk.import(&args, 0);
        let events = desk.lines("e.jsonl");
        let of = |kind: &str| events.iter().find(|fact| fact["type"] == kind).unwrap();
        assert!(events.iter().all(|fact| fact["member_id"] == member), "{events:?}");
        assert_eq!(
            (&of("points.imported")["points"], &of("points.imported")["entry_id"]),
            (&json!(1250), &json!(format!("{app}:{member}")))
        );
        assert_eq!((&of("tier.assigned")["tier"], &of("tier.assigned")["until"]), (&json!("gold"), &json!(until)));
        assert_eq!(of("customer.birthday_set")["birthday"], birthday);
        let enrolled = if app == "loyaltylion" { "2024-03-01T10:00:00Z" } else { "2026-11-01T10:00:00Z" };
        assert_eq!(of("customer.enrolled")["occurred_at"], enrolled);
    }
}

#[test]
fn a_balance_below_zero_is_taken_as_a_correction() {
    let desk = Desk::with(&[("m.csv", "member_id,points\n1,-20\n2,30.00\n")]);
    desk.import(&["--members", "m.csv"], 0);
    let told: Vec<_> = desk.lines("e.jsonl").iter().map(|fact| json!([fact["type"], fact["points"]])).collect();
    assert_eq!(json!(told), json!([["points.adjusted", -20], ["points.imported", 30]]));
}

const ORDERS: &str = "Name,Email,Financial Status,Paid at,Currency,Subtotal,Shipping,Taxes,Total,Discount Amount,Created at,Cancelled at,Refunded Amount,Id,Phone\n\
    #1001, ANN@example.com,paid,2026-02-01 10:00:00 +0000,EUR,300.00,0.00,0.00,300.00,0.00,2026-02-01 10:00:00 +0000,,0.00,7001,\n\
    #1002,,paid,2026-03-01 10:00:00 +0000,EUR,250.00,0.00,0.00,250.00,0.00,2026-03-01 10:00:00 +0000,,0.00,7002,+44 7700 900001\n\
    #1003,dora@example.com,paid,2026-03-01 10:00:00 +0000,EUR,30.00,0.00,0.00,30.00,0.00,2026-03-01 10:00:00 +0000,,0.00,7003,\n\
    #1004,,paid,2026-03-01 10:00:00 +0000,EUR,20.00,0.00,0.00,20.00,0.00,2026-03-01 10:00:00 +0000,,0.00,7004,+1 555 000 1234\n";

/// The live webhook about order 7002, which names customer 42.
const WEBHOOK: &str = r#"{"id": 7002, "created_at": "2026-03-01T10:00:00Z", "processed_at": "2026-03-01T10:00:00Z",
    "updated_at": "2026-11-28T10:00:00Z", "financial_status": "paid", "currency": "EUR", "total_price": "250.00",
    "current_total_price": "250.00", "total_tax": "0.00", "total_discounts": "0.00", "test": false, "cancelled_at": null,
    "shipping_lines": [], "refunds": [], "customer": {"id": 42, "email": "ann@example.com"}}"#;

#[test]
fn an_export_by_address_and_phone_followed_by_a_webhook_is_one_member_and_announces_nothing() {
    let desk = Desk::with(&[("orders.csv", ORDERS), ("customers.csv", CUSTOMERS), ("order.json", WEBHOOK)]);
    let orders = ["orders.csv", "--preset", "shopify-orders", "--customers", "customers.csv"];
    let report = desk.import(&orders, 0);
    let sum = |orders: u64, money: &str| json!({ "orders": orders, "money": { "EUR": money } });
    assert_eq!(
        report["members"],
        json!({ "by_number": sum(2, "550.00"), "by_email": sum(1, "30.00"), "by_nothing": sum(1, "20.00") })
    );
    let live = ["import", "order.json", "--topic", "orders/updated", "--live", "-o", "live.jsonl"];
    assert!(desk.run(&live).status.success());
    let replayed = desk.replay("program.json", &["e.jsonl", "live.jsonl"], "2026-11-29");
    assert_eq!(replayed["standings"]["42"]["counted"], "550.00");
    assert_eq!(replayed["standings"]["42"]["tier"], "gold");
    assert_eq!(replayed["standings"]["ann@example.com"], Value::Null);
    assert!(replayed["transitions"].as_array().unwrap().iter().all(|moved| moved["notify"] == false), "{replayed}");
    assert_eq!(replayed["rewards"], json!([]));
}

#[test]
fn without_the_customers_export_the_report_says_first_what_is_under_nothing_or_an_address() {
    let desk = Desk::with(&[("orders.csv", ORDERS)]);
    let args = ["import", "orders.csv", "--preset", "shopify-orders", "-o", "e.jsonl"];
    let output = desk.run(&args);
    assert!(output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    let mut lines = said.lines();
    let first = lines.next().unwrap();
    assert!(first.starts_with("2 orders over 270.00 EUR are without an e-mail address"), "{said}");
    let second = lines.next().unwrap();
    assert!(second.starts_with("2 orders over 330.00 EUR are under an e-mail address."), "{said}");
    assert!(second.contains("two members") && second.contains("--customers customers_export.csv"), "{said}");
    // A column that names the customer's number needs no customers export.
    let numbered = "Id,Email,Customer,Paid at,Total,Currency,Financial Status\n\
        1,ann@example.com,42,2026-02-01 10:00:00 +0000,300.00,EUR,paid\n";
    fs::write(desk.path().join("numbered.csv"), numbered).unwrap();
    let args =
        ["import", "numbered.csv", "--preset", "shopify-orders", "--column", "member_id=Customer", "-o", "n.jsonl"];
    let said = String::from_utf8(desk.run(&args).stderr).unwrap();
    assert!(!said.contains("two members"), "{said}");
}

#[test]
fn an_order_that_could_be_several_customers_is_rejected_and_never_guessed() {
    let twins = format!("{CUSTOMERS}'44,Ann's twin,ANN@example.com,,,\n");
    let desk = Desk::with(&[("orders.csv", ORDERS), ("customers.csv", &twins)]);
    let report = desk.import(&["orders.csv", "--preset", "shopify-orders", "--customers", "customers.csv"], 1);
    assert_eq!(report["rejected"], json!({ "total": 1, "reasons": { "ambiguous_customer": 1 } }));
    let row = &desk.lines("list.jsonl")[0];
    assert_eq!(row["line"], 2);
    assert!(row["message"].as_str().unwrap().contains("`ann@example.com` belongs to several customers"), "{row}");
    assert!(desk.lines("e.jsonl").iter().all(|fact| fact["order_id"] != "7001"));
    // The same for members.
    fs::write(desk.path().join("smile.csv"), SMILE).unwrap();
    let report = desk.import(&[&SMILE_ARGS[..], &["--customers", "customers.csv"]].concat(), 1);
    assert_eq!(report["rejected"]["reasons"], json!({ "ambiguous_customer": 1 }));
}

#[test]
fn members_are_named_by_the_customers_number_and_tags_are_given_on_request() {
    let desk = Desk::with(&[("smile.csv", SMILE), ("customers.csv", CUSTOMERS), ("orders.csv", ORDERS)]);
    let report = desk.import(&[&SMILE_ARGS[..], &["--customers", "customers.csv"]].concat(), 0);
    assert_eq!(report["by_email"], 0);
    let members: Vec<_> = desk.lines("e.jsonl").iter().map(|fact| fact["member_id"].clone()).collect();
    assert!(members.iter().all(|member| *member == "42" || *member == "43"), "{members:?}");
    let orders = ["orders.csv", "--preset", "shopify-orders", "--customers", "customers.csv"];
    assert_eq!(desk.import(&orders, 0)["facts"], json!({ "order.paid": 4 }));
    desk.import(&[&orders[..], &["--customer-tags"]].concat(), 0);
    let tags: Vec<_> = desk.lines("e.jsonl").into_iter().filter(|fact| fact["type"] == "customer.tags_set").collect();
    assert_eq!(
        json!([tags[0]["member_id"], tags[0]["tags"], tags[0]["imported"], tags.len()]),
        json!(["42", ["early", "vip"], true, 2])
    );
    let said = desk.refused(&["--customers", "customers.csv"]);
    assert!(said.contains("--customer-tags"), "{said}");
    let said = desk.refused(&["orders.csv", "--preset", "shopify-orders", "--customers", "smile.csv"]);
    assert!(said.contains("`smile.csv` lacks `Customer ID`"), "{said}");
}

/// The guide's commands, each as it stands there, on small made-up files of the names that it uses.
#[test]
fn the_commands_of_the_guide_run_as_they_are_written() {
    let rows = |header: &str, row: &str| format!("{header}\n{row}\n");
    let orders = ORDERS.replace("EUR", "USD");
    let smile = SMILE.replace("VIP Gold", "Gold");
    let table = rows("Customer,Balance,Level,Ends", "42,1250,gold,2026-12-31");
    let loyaltylion = rows("merchant_id,email,points_approved,tier,birthday", "42,ann@example.com,10,Gold,12-24");
    let yotpo = rows("Email,Points Balance,VIP Tier,Birthday (MM/DD),Opted In", "ann@example.com,10,gold,05/06,true");
    let aitrillion = rows("Email,Available Points,VIP Tier,Status", "ann@example.com,10,GOLD,Active");
    let desk = Desk::with(&[
        ("orders_export.csv", &orders),
        ("customers_export.csv", CUSTOMERS),
        ("members.csv", &smile),
        ("table.csv", &table),
        ("loyaltylion.csv", &loyaltylion),
        ("yotpo.csv", &yotpo),
        ("aitrillion.csv", &aitrillion),
    ]);
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/moving-here.md");
    let guide = fs::read_to_string(guide).unwrap();
    let commands: Vec<&str> = guide.lines().filter_map(|line| line.strip_prefix("    $ ")).collect();
    assert!(commands.len() > 15, "{commands:?}");
    let bin = assert_cmd::cargo::cargo_bin("echelon");
    let path = format!("{}:{}", bin.parent().unwrap().display(), std::env::var("PATH").unwrap());
    for command in commands {
        let mut shell = Command::new("sh");
        let output = shell.current_dir(desk.path()).env("PATH", &path).args(["-c", command]).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        if command.contains("echelon explain") {
            // Two orders of one customer, by address and by phone, and the tier that was moved.
            let said = String::from_utf8(output.stdout).unwrap();
            assert!(said.contains("Holds Gold") && said.contains("550.00 USD"), "{said}");
        }
    }
    let facts = |name: &str| desk.lines(name).len();
    assert_eq!(
        ["orders", "members", "table", "loyaltylion", "yotpo", "aitrillion"]
            .map(|name| facts(&format!("{name}.jsonl"))),
        [4, 8, 2, 3, 4, 3]
    );
}
