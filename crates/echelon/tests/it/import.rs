//! `echelon import` with the built command: files in, events and a report out, every row accounted for.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use rules::fact::{Currency, Fact, FactBody};
use serde_json::{Value, json};
use tempfile::TempDir;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/import").join(name)
}

/// Found by an attack: the order export may be the only copy.
#[test]
fn no_output_takes_the_place_of_what_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let orders = "order_id,member_id,occurred_at,total\n1,anna,2024-05-01T10:00:00Z,10.00\n";
    fs::write(folder.path().join("a.csv"), orders).unwrap();
    fs::hard_link(folder.path().join("a.csv"), folder.path().join("same.csv")).unwrap();
    fs::create_dir(folder.path().join("deep")).unwrap();
    for written in [
        &["-o", "a.csv"][..],
        &["-o", "deep/../a.csv"],
        &["-o", "same.csv"],
        &["-o", "e.jsonl", "--left-out", "a.csv"],
        &["-o", "e.jsonl", "--report", "./a.csv"],
    ] {
        let mut command = Command::cargo_bin("echelon").unwrap();
        command.current_dir(folder.path()).args(["import", "a.csv", "--timezone", "UTC", "--currency", "USD"]);
        let output = command.args(written).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains("name another file"), "{written:?}: {said}");
        assert_eq!(fs::read_to_string(folder.path().join("a.csv")).unwrap(), orders, "{written:?}");
    }
}

/// A run of the command in a folder of its own.
pub struct Run {
    folder: TempDir,
    output: Output,
}

impl Run {
    fn of(files: &[&Path], options: &[&str]) -> Self {
        Self::with_stdin(files, options, "")
    }

    pub fn with_stdin(files: &[&Path], options: &[&str], stdin: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::cargo_bin("echelon").unwrap();
        command.current_dir(folder.path()).arg("import").args(files).args(options).write_stdin(stdin);
        // Before all rows, unless a test says something else: then the facts' own times are their revisions.
        if !options.contains(&"--exported-at") {
            command.args(["--exported-at", "2000-01-01T00:00:00Z"]);
        }
        command.args(["--output", "events.jsonl", "--left-out", "left-out.jsonl"]);
        let output = command.args(["--format", "json", "--report", "report.json"]).output().unwrap();
        Self { folder, output }
    }

    /// Runs the command on one file with this content.
    fn over(content: impl AsRef<[u8]>, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("orders.csv");
        fs::write(&file, content).unwrap();
        Self::of(&[&file], options)
    }

    fn code(&self) -> i32 {
        self.output.status.code().unwrap()
    }

    fn stderr(&self) -> String {
        String::from_utf8(self.output.stderr.clone()).unwrap()
    }

    fn lines(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path().join(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub fn events(&self) -> Vec<Value> {
        self.lines("events.jsonl")
    }

    /// The report, after a check that it adds up.
    pub fn report(&self) -> Value {
        let text = fs::read_to_string(self.folder.path().join("report.json")).unwrap();
        let report: Value = serde_json::from_str(&text).unwrap();
        let count = |value: &Value| value.as_u64().unwrap();
        let sum = |counts: &Value| counts.as_object().unwrap().values().map(count).sum::<u64>();
        let (ignored, rejected) = (&report["ignored"], &report["rejected"]);
        let left_out = count(&ignored["total"]) + count(&rejected["total"]);
        assert_eq!(count(&report["read"]), count(&report["with_facts"]) + left_out);
        assert_eq!(count(&ignored["total"]), sum(&ignored["reasons"]));
        assert_eq!(count(&rejected["total"]), sum(&rejected["reasons"]));
        assert_eq!(self.lines("left-out.jsonl").len() as u64, left_out);
        assert_eq!(self.events().len() as u64, sum(&report["facts"]));
        assert_eq!(self.code(), i32::from(count(&rejected["total"]) > 0));
        report
    }

    /// The line and the reason of every row that gave no facts.
    fn left_out(&self) -> Vec<(u64, String)> {
        let line = |line: &Value| (line["line"].as_u64().unwrap(), line["reason"].as_str().unwrap().to_owned());
        self.lines("left-out.jsonl").iter().map(line).collect()
    }

    /// Asserts an error that names all these parts, and that nothing was written.
    #[track_caller]
    pub fn fails_with(&self, parts: &[&str]) {
        assert_eq!(self.code(), 2, "{}", self.stderr());
        for part in parts {
            assert!(self.stderr().contains(part), "`{part}` is not in: {}", self.stderr());
        }
        assert_eq!(fs::read_dir(self.folder.path()).unwrap().count(), 0, "something was left behind");
    }
}

const HEADER: &str = "order_id,member_id,occurred_at,total,currency";

#[test]
fn every_invoice_of_a_real_shop_is_accounted_for() {
    let name = "../../../shared/fixtures/orders/online-retail-uci-invoices.csv.gz";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if !file.exists() {
        assert!(std::env::var_os("ECHELON_SHARED").is_none(), "the invoices are missing: {}", file.display());
        eprintln!("skipped: {} is not there", file.display());
        return;
    }
    let run = Run::of(&[&file], &["--preset", "invoices"]);
    let report = run.report();
    assert_eq!(report["read"], 25_900);
    assert_eq!(report["with_facts"], 23_397);
    assert_eq!(report["facts"], json!({"order.paid": 19_963, "order.refunded": 3_434}));
    let ignored = json!({"total": 2_101, "reasons": {"nobody_and_nothing": 2_098, "not_an_order": 3}});
    assert_eq!(report["ignored"], ignored);
    assert_eq!(report["rejected"], json!({"total": 402, "reasons": {"return_without_order": 402}}));

    let mut left: BTreeMap<String, u64> = BTreeMap::new();
    for event in run.events() {
        let told = Fact::read(&event, Currency::from_code("USD").unwrap()).unwrap();
        assert_eq!(event["imported"], true);
        assert_eq!(told.to_json(), event);
        if let FactBody::OrderPaid(order, paid) = &told.fact.body {
            left.insert(order.to_string(), paid.charge.total.ten_thousandths());
        } else if let FactBody::OrderRefunded(order, _, refunded) = &told.fact.body {
            let left = left.get_mut(order.as_str()).expect("a refund comes after its order");
            *left = left.checked_sub(refunded.amount.ten_thousandths()).expect("never more than is left");
        } else {
            panic!("no invoice says {:?}", told.fact.body);
        }
    }
}

#[test]
fn a_shopify_export_gives_one_order_per_order() {
    let run = Run::of(&[&data("shopify-orders.csv")], &["--preset", "shopify-orders"]);
    assert_eq!(run.report()["facts"], json!({"order.paid": 4, "order.refunded": 2, "order.cancelled": 1}));
    let further = |line| (line, "further_line".to_owned());
    assert_eq!(
        run.left_out(),
        [
            further(3),
            further(5),
            (8, "not_an_order".to_owned()),
            (11, "blank_row".to_owned()),
            (12, "rounded_id".to_owned())
        ]
    );
    let expected = json!({
        "type": "order.paid", "member_id": "anna@example.com", "occurred_at": "2024-01-05T15:11:12Z", "imported": true,
        "order_id": "5500000000001", "paid_at": "2024-01-05T15:11:12Z", "total": "61.6", "tax": "4.6", "shipping": "7", "discounts": "5",
        "currency": "USD",
    });
    assert_eq!(run.events()[0], expected);
    let refund = &run.events()[2];
    assert_eq!(refund["type"], "order.refunded");
    assert_eq!((&refund["order_id"], &refund["amount"]), (&json!("5500000000002"), &json!("12.5")));
}

const EXPORT: &str = "Name,Email,Financial Status,Paid at,Currency,Shipping,Taxes,Total,Discount Amount,Created at,\
                      Cancelled at,Refunded Amount,Outstanding Balance,Id\n";

#[test]
fn a_later_export_replaces_an_earlier_one_although_its_amount_is_lower() {
    let row = |email: &str, total: &str| {
        let dates = "2025-02-01 10:00:00 +0000";
        format!("{EXPORT}#1001,{email},paid,{dates},EUR,0.00,0.00,{total},0.00,{dates},,0.00,0.00,7001\n")
    };
    let folder = tempfile::tempdir().unwrap();
    let [may, june] = ["may.csv", "june.csv"].map(|name| folder.path().join(name));
    fs::write(&may, row("zoe@example.com", "520.00")).unwrap();
    fs::write(&june, row("ann@example.com", "430.00")).unwrap();
    let run = Run::of(&[&may, &june], &["--preset", "shopify-orders", "--exported-at", "2025-07-01T00:00:00Z"]);
    assert_eq!(run.report()["replaced"], 1);
    let told = |event: &Value| {
        [&event["member_id"], &event["total"], &event["revision"]].map(|it| it.as_str().unwrap().to_owned())
    };
    assert_eq!(
        run.events().iter().map(told).collect::<Vec<_>>(),
        [
            ["zoe@example.com", "520", "2025-07-01T00:00:00.002Z"],
            ["ann@example.com", "430", "2025-07-01T00:00:00.004Z"]
        ]
    );
}

#[test]
fn of_an_order_that_is_not_paid_in_full_what_was_paid_counts() {
    let row = |outstanding: &str| {
        let dates = "2025-02-01 10:00:00 +0000";
        let amounts = "70.00,140.00,700.00,0.00";
        format!("{EXPORT}#1001,ann@example.com,paid,{dates},EUR,{amounts},{dates},,0.00,{outstanding},7001\n")
    };
    for (outstanding, total, tax) in [("500.00", "200", "40"), ("0.00", "700", "140"), ("-5.00", "700", "140")] {
        let run = Run::over(row(outstanding), &["--preset", "shopify-orders"]);
        let events = run.events();
        assert_eq!((&events[0]["total"], &events[0]["tax"]), (&json!(total), &json!(tax)), "{outstanding}");
    }
}

/// An order that was entered as paid has no payment. It counts, and is named.
#[test]
fn orders_that_are_called_paid_and_are_outstanding_in_full_count_and_are_warned_of() {
    let row = |number: u32, outstanding: &str, cancelled_at: &str| {
        let dates = "2025-02-01 10:00:00 +0000";
        let amounts = "70.00,140.00,700.00,0.00";
        format!(
            "#{number},ann@example.com,paid,{dates},EUR,{amounts},{dates},{cancelled_at},0.00,{outstanding},{number}\n"
        )
    };
    let rows = [
        row(1, "700.00", ""),
        row(2, "700.00", ""),
        row(3, "699.99", ""),
        row(4, "700.00", "2025-02-02 10:00:00 +0000"),
        row(5, "700.01", ""),
    ];
    let run = Run::over(format!("{EXPORT}{}", rows.concat()), &["--preset", "shopify-orders"]);
    let report = run.report();
    let warning = report["warnings"].as_array().unwrap().iter().find(|it| it["code"] == "nothing_paid").unwrap();
    assert_eq!((&warning["orders"], &warning["money"]), (&json!(2), &json!({ "EUR": "1400.00" })));
    let paid: Vec<Value> =
        run.events().iter().filter(|it| it["type"] == "order.paid").map(|it| it["total"].clone()).collect();
    assert_eq!(paid, ["700", "700", "0.01", "700"]);
    assert_eq!(run.left_out(), [(6, "outstanding_above_total".to_owned())]);
    let said = run.lines("left-out.jsonl")[0]["message"].as_str().unwrap().to_owned();
    assert!(said.contains("`Outstanding Balance`: 700.01 EUR are outstanding of a total of 700.00 EUR"), "{said}");
}

/// A refund without a number is not recognized when a webhook tells it under its own.
#[test]
fn orders_that_a_row_refunds_in_part_are_warned_of() {
    let row = |number: u32, status: &str, refunded: &str| {
        let dates = "2025-02-01 10:00:00 +0000";
        let amounts = "70.00,140.00,700.00,0.00";
        format!("#{number},ann@example.com,{status},{dates},EUR,{amounts},{dates},,{refunded},0.00,{number}\n")
    };
    let rows = [row(1, "partially_refunded", "100.00"), row(2, "refunded", "700.00"), row(3, "paid", "0.00")];
    let report = Run::over(format!("{EXPORT}{}", rows.concat()), &["--preset", "shopify-orders"]).report();
    let warnings = report["warnings"].as_array().unwrap();
    let warning = warnings.iter().find(|it| it["code"] == "refunds_not_numbered").unwrap();
    assert_eq!((&warning["orders"], &warning["money"]), (&json!(1), &json!({ "EUR": "700.00" })));
}

#[test]
fn members_of_a_shopify_export_can_be_named_by_another_column() {
    let options = ["--preset", "shopify-orders", "--column", "member_id=Phone", "--column", "order_id=Name"];
    let run = Run::of(&[&data("shopify-orders.csv")], &options);
    assert_eq!(run.events()[0]["member_id"], "+15550001");
    assert_eq!(run.events()[0]["order_id"], "#1001");
}

#[test]
fn a_table_of_ones_own_is_mapped_by_options() {
    let run = Run::of(
        &[&data("receipts.csv")],
        &[
            "--column=order_id=Receipt no",
            "--column=member_id=Card",
            "--column=occurred_at=When",
            "--column=total=Paid",
            "--column=kind=Art",
            "--kind=Verkauf=order",
            "--kind=Gutschrift=return",
            "--currency=EUR",
            "--timezone=Europe/Berlin",
            "--time-format=%d.%m.%Y %H:%M",
            "--delimiter=;",
            "--live",
        ],
    );
    run.report();
    assert_eq!(run.left_out(), [(5, "bad_number".to_owned())]);
    let paid = json!({"type": "order.paid", "member_id": "K1", "occurred_at": "2024-07-01T08:30:00Z",
        "order_id": "R1", "total": "49.9", "currency": "EUR"});
    let refunded = json!({"type": "order.refunded", "member_id": "K1", "occurred_at": "2024-07-03T08:30:00Z",
        "order_id": "R1", "refund_id": "R2", "amount": "9.9"});
    assert_eq!(run.events(), [paid, refunded]);
}

#[test]
fn without_mapping_the_columns_are_named_like_the_fields() {
    let header = "order_id,member_id,occurred_at,total,tax,shipping,discounts,currency,exchange_rate,test";
    let run = Run::over(format!("{header}\n1,anna,2024-01-01T10:00:00Z,20,1,2,3,EUR,1.08,true\n"), &[]);
    let expected = json!({"type": "order.paid", "member_id": "anna", "occurred_at": "2024-01-01T10:00:00Z",
        "imported": true, "order_id": "1", "total": "20", "tax": "1", "shipping": "2", "discounts": "3",
        "currency": "EUR", "exchange_rate": "1.08", "test": true});
    assert_eq!(run.events(), [expected]);
}

#[test]
fn marks_line_ends_and_quotes_of_any_program_are_read() {
    let text = "\u{feff}\"order_id\",member_id,occurred_at,total,currency,note\r\n\r\n\
                1,anna,2024-01-01T10:00:00Z,5,GBP,\"two\r\nlines, and a comma\"\r\n\
                2,bert,2024-01-01T10:00:00Z,five,GBP,\r\n";
    let run = Run::over(text, &[]);
    run.report();
    assert_eq!(run.events().len(), 1);
    assert_eq!(run.left_out(), [(5, "bad_number".to_owned())], "lines are counted as an editor shows them");
}

#[test]
fn a_row_whose_quote_is_never_closed_is_named_by_the_line_it_starts_on() {
    let header = "order_id,member_id,occurred_at,total,currency\n";
    let row = "1,anna,2024-01-01T10:00:00Z,5,USD\n";
    for (rest, line) in
        [("2,anna,\"never\n\nclosed", 3), ("2,\"anna\nb\",\"never\n", 3), ("\n2,\"", 4), ("2,\"anna\n\"\n", 3)]
    {
        let run = Run::over(format!("{header}{row}{rest}"), &[]);
        assert_eq!(run.left_out(), [(line, "cell_count".to_owned())], "{rest:?}");
    }
}

#[test]
fn a_rejected_row_names_file_line_column_value_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders.csv");
    fs::write(&file, format!("{HEADER}\n1,anna,2024-01-01T10:00:00Z,\"12,50\",GBP\n")).unwrap();
    let output = Command::cargo_bin("echelon").unwrap().arg("import").arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report = String::from_utf8(output.stderr).unwrap();
    for part in ["orders.csv line 2", "bad_number", "column `total`", "`12,50`", "write digits with a point"] {
        assert!(report.contains(part), "{report}");
    }
}

#[test]
fn rows_that_come_twice_are_told_apart() {
    let row = |id: &str, total: &str| format!("{id},anna,2024-01-01T10:00:00Z,{total},GBP\n");
    let rows = [row("1", "5"), row("1", "5"), row("1", "6"), row("2", "7")].concat();
    let run = Run::over(format!("{HEADER}\n{rows}"), &[]);
    run.report();
    assert_eq!(run.left_out(), [(3, "repeated".to_owned()), (4, "duplicate_id".to_owned())]);
}

#[test]
fn a_cell_that_is_no_utf8_is_rejected_where_it_matters() {
    let header = "order_id,member_id,occurred_at,total,currency,note";
    let mut bytes = format!("{header}\n1,anna,2024-01-01T10:00:00Z,5,GBP,caf").into_bytes();
    bytes.extend_from_slice(b"\xe9\n2,Andr\xe9,2024-01-01T10:00:00Z,5,GBP,\n");
    let run = Run::over(bytes, &[]);
    run.report();
    assert_eq!(run.left_out(), [(3, "not_utf8".to_owned())]);
}

#[test]
fn a_header_without_rows_is_no_error() {
    let run = Run::over(format!("{HEADER}\n"), &[]);
    assert_eq!(run.report()["read"], 0);
}

#[test]
fn an_empty_file_is_an_error() {
    Run::over("", &[]).fails_with(&["orders.csv", "is empty"]);
    Run::over("\u{feff}\r\n", &[]).fails_with(&["orders.csv", "is empty"]);
}

#[test]
fn other_encodings_are_named() {
    Run::over(b"\xff\xfeo\0r\0d\0", &[]).fails_with(&["orders.csv", "UTF-16", "CSV UTF-8"]);
    Run::over(b"order_id,Andr\xe9\n", &[]).fails_with(&["orders.csv", "header", "not UTF-8"]);
}

#[test]
fn missing_columns_are_named_beside_those_that_are_there() {
    let run = Run::over("id,who\n1,anna\n", &[]);
    run.fails_with(&["orders.csv", "`order_id`", "`member_id`", "its columns are `id`, `who`", "--column order_id="]);
    Run::over(format!("{HEADER}\n"), &["--column", "tax=VAT"]).fails_with(&["`VAT`"]);
    Run::over(HEADER.replace(',', ";"), &[]).fails_with(&["--delimiter"]);
}

#[test]
fn a_local_time_without_a_timezone_ends_the_import() {
    let rows = format!("{HEADER}\n1,anna,2024-01-01T10:00:00Z,5,GBP\n2,anna,2024-01-01 10:00:00,5,GBP\n");
    Run::over(&rows, &[]).fails_with(&["orders.csv` line 3", "--timezone Europe/London"]);
    assert_eq!(Run::over(&rows, &["--timezone", "Europe/London"]).events().len(), 2);
}

#[test]
fn options_that_make_no_sense_are_explained() {
    let rows = format!("{HEADER}\n");
    Run::over(&rows, &["--preset", "prestashop"]).fails_with(&["prestashop", "orders, invoices, shopify-orders"]);
    Run::over(&rows, &["--column", "sum=x"]).fails_with(&["`sum` is not a field", "order_id"]);
    Run::over(&rows, &["--timezone", "London"]).fails_with(&["London", "Europe/London"]);
    Run::over(&rows, &["--currency", "pounds"]).fails_with(&["pounds", "GBP"]);
    Run::over(&rows, &["--time-format", "%Q"]).fails_with(&["%Q"]);
    Run::of(&[Path::new("nowhere.csv")], &[]).fails_with(&["nowhere.csv", "cannot be read"]);
}

#[test]
fn after_an_error_the_events_of_before_are_still_there() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (folder.path().join("good.csv"), folder.path().join("bad.csv"));
    fs::write(&good, format!("{HEADER}\n1,anna,2024-01-01T10:00:00Z,5,GBP\n")).unwrap();
    fs::write(&bad, "nothing\n").unwrap();
    let events = folder.path().join("events.jsonl");
    fs::write(&events, "before").unwrap();
    let mut command = Command::cargo_bin("echelon").unwrap();
    let output = command.arg("import").args([&good, &bad]).arg("-o").arg(&events).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read_to_string(&events).unwrap(), "before");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn a_damaged_gzip_file_is_an_error() {
    Run::over(b"\x1f\x8b\x08\x00broken", &[]).fails_with(&["orders.csv", "cannot be read"]);
}

#[test]
fn the_standard_input_is_read_as_well() {
    let rows = format!("{HEADER}\n1,anna,2024-01-01T10:00:00Z,5,GBP\n");
    let run = Run::with_stdin(&[Path::new("-")], &[], &rows);
    assert_eq!(run.report()["with_facts"], 1);
}

#[test]
fn events_go_to_the_standard_output_and_the_report_does_not() {
    let rows = format!("{HEADER}\n1,anna,2024-01-01T10:00:00Z,5,GBP\n");
    let output = Command::cargo_bin("echelon").unwrap().args(["import", "-"]).write_stdin(rows).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 1);
    let report = String::from_utf8(output.stderr).unwrap();
    assert!(
        report.ends_with(
            "         1 rows read\n         1 gave facts: 1 order.paid\n         0 ignored\n         0 rejected\n"
        ),
        "{report}"
    );
}

#[test]
fn exports_that_overlap_are_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let row = |id: u32| format!("{id},anna,2024-01-0{id}T10:00:00Z,5,GBP\n");
    fs::write(folder.path().join("a.csv"), format!("{HEADER}\n{}{}", row(1), row(2))).unwrap();
    fs::write(folder.path().join("b.csv"), format!("{HEADER}\n{}{}", row(2), row(3))).unwrap();
    let run = Run::of(&[folder.path()], &[]);
    assert_eq!(run.report()["with_facts"], 3);
    assert_eq!(run.left_out(), [(2, "repeated".to_owned())]);
}

#[test]
fn a_folder_of_webhooks_is_read_by_topic() {
    let run = Run::of(&[&data("webhooks")], &[]);
    let report = run.report();
    assert_eq!(report["read"], 2);
    assert_eq!(report["ignored"], json!({"total": 1, "reasons": {"not_paid": 1}}));
    let event = &run.events()[0];
    assert_eq!((&event["order_id"], &event["member_id"]), (&json!("5500000000001"), &json!("7001")));
    assert_eq!((&event["total"], &event["imported"]), (&json!("61.6"), &json!(true)));
    assert_eq!(run.lines("left-out.jsonl")[0]["document"], 2);
}

#[test]
fn one_import_is_of_one_shop_and_a_broken_line_of_no_consequence_to_others() {
    let run = Run::of(&[&data("kept.jsonl")], &[]);
    assert_eq!(run.report()["facts"], json!({"order.paid": 2}));
    assert_eq!(run.left_out(), [(2, "not_json".to_owned()), (4, "other_shop".to_owned())]);
}

#[test]
fn documents_come_over_the_standard_input_too() {
    let lines = fs::read_to_string(data("kept.jsonl")).unwrap();
    let run = Run::with_stdin(&[Path::new("-")], &[], &lines);
    assert_eq!(run.report()["with_facts"], 2);
    let document = fs::read_to_string(data("webhooks/orders_paid/2024-01.json")).unwrap();
    let run = Run::with_stdin(&[Path::new("-")], &["--topic", "orders/paid"], &document);
    assert_eq!(run.report()["with_facts"], 1);
}

#[test]
fn a_topic_that_shopify_does_not_have_is_an_error_of_use() {
    let run = Run::of(&[&data("webhooks")], &["--topic", "orders/payed"]);
    run.fails_with(&["orders/payed", "orders/paid"]);
}

#[test]
fn a_document_that_breaks_off_is_rejected() {
    let run = Run::with_stdin(&[Path::new("-")], &["--topic", "orders/paid"], "{\n  \"id\": 1,\n");
    assert_eq!(run.report()["rejected"]["reasons"], json!({"not_json": 1}));
}

#[test]
fn a_folder_without_anything_to_read_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("README.md"), "nothing").unwrap();
    Run::of(&[folder.path()], &[]).fails_with(&["no file in it ends in .csv"]);
}
