//! What an import says before anything else: facts that count for less than they seem to, and columns that were not
//! read. And the order in which it writes events.

use std::fs;

use serde_json::{Value, json};

use crate::cli::desk::{ApiHarness, has};

const SHOPIFY: &str = "Name,Email,Financial Status,Paid at,Currency,Shipping,Taxes,Total,Discount Amount,Created at,\
                       Cancelled at,Refunded Amount,Outstanding Balance,Duties,Id,Phone\n";

fn shopify(number: u32, email: &str, paid_at: &str, total: &str, currency: &str) -> String {
    let (day, id) = (format!("{paid_at} 10:00:00 +0000"), 7000 + number);
    format!(
        "#100{number},{email},paid,{day},{currency},0.00,0.00,{total},0.00,{day},,0.00,0.00,0.00,{id},+447700900001\n"
    )
}

/// The warnings of the JSON report, by code.
fn warnings(desk: &ApiHarness, options: &str) -> Vec<Value> {
    let import = "import o.csv --exported-at 2000-01-01T00:00:00Z -o e.jsonl --report r.json --format json";
    desk.run(&format!("{import} {options}"), 0);
    let report: Value = serde_json::from_str(&fs::read_to_string(desk.folder.path().join("r.json")).unwrap()).unwrap();
    report["warnings"].as_array().unwrap().clone()
}

fn warning(warnings: &[Value], code: &str) -> Value {
    let found = warnings.iter().find(|warning| warning["code"] == code);
    found.unwrap_or_else(|| panic!("no {code} in {warnings:?}")).clone()
}

#[test]
fn orders_that_credit_no_member_lead_the_report_with_their_money() {
    let desk = ApiHarness::new();
    let rows = [
        shopify(1, "", "2025-02-01", "520.00", "EUR"),
        shopify(2, "", "2025-03-01", "300.00", "EUR"),
        shopify(3, "ann@example.com", "2025-03-01", "30.00", "EUR"),
    ];
    desk.put("o.csv", format!("{SHOPIFY}{}", rows.concat()));
    let text = desk.run("import o.csv --preset shopify-orders -o e.jsonl", 0).err;
    let (warning, columns) = (
        text.find("warning: 2 orders over 820.00 EUR name no member and credit none; "),
        text.find("o.csv: cancelled_at"),
    );
    assert!(warning.is_some() && warning < columns, "{text}");
    let found = warnings(&desk, "--preset shopify-orders");
    assert_eq!(found[0]["code"], "no_member");
    assert_eq!((&found[0]["orders"], &found[0]["money"]), (&json!(2), &json!({ "EUR": "820.00" })));

    // With the telephone number as the member, they credit one.
    let found = warnings(&desk, "--preset shopify-orders --column member_id=Phone");
    assert!(!found.iter().any(|warning| warning["code"] == "no_member"), "{found:?}");
}

#[test]
fn with_a_program_the_report_says_which_orders_count_nothing_under_it() {
    let desk = ApiHarness::new();
    let program = json!({ "name": "VIP", "timezone": "Europe/Berlin", "currency": "EUR", "start_date": "2025-01-01",
        "effective_at": "2025-01-01T00:00:00+01:00", "active": true,
        "milestone": { "metric": "amount_spent", "period": "calendar_year" },
        "tiers": [{ "id": "silver", "name": "Silver", "threshold": "100" }] });
    desk.put("vip.json", program.to_string());
    let rows = "order_id,member_id,occurred_at,total,currency,exchange_rate\n\
                1,ann,2024-12-31T22:59:59Z,10.00,EUR,\n\
                2,ann,2024-12-31T23:00:00Z,20.00,EUR,\n\
                3,ann,2025-02-01T10:00:00Z,30.00,USD,\n\
                4,ann,2025-02-01T10:00:00Z,40.00,USD,0.9\n\
                5,ann,2025-02-01T10:00:00Z,500,JPY,\n";
    desk.put("o.csv", rows);
    let found = warnings(&desk, "--program vip.json");
    let early = warning(&found, "before_start");
    assert_eq!((&early["orders"], &early["money"]), (&json!(1), &json!({ "EUR": "10.00" })));
    assert!(early["message"].as_str().unwrap().contains("paid before 2025-01-01"), "{early}");
    let foreign = warning(&found, "no_exchange_rate");
    assert_eq!((&foreign["orders"], &foreign["money"]), (&json!(2), &json!({ "USD": "30.00", "JPY": "500" })));
    has(
        &desk.run("import o.csv -o e.jsonl --program vip.json", 0).err,
        &[
            "warning: 2 orders over 500 JPY and 30.00 USD are not in EUR",
            "warning: 1 order over 10.00 EUR were paid before",
        ],
    );
    assert_eq!(warnings(&desk, ""), [] as [Value; 0], "without a program nothing is known about it");
    has(&desk.run("import o.csv -o vip.json --program vip.json", 2).err, &["vip.json", "name another file"]);
    has(&desk.run("import o.csv -o e.jsonl --program nowhere.json", 2).err, &["nowhere.json: cannot be read"]);
}

#[test]
fn a_column_that_is_spelled_otherwise_or_missing_is_named_with_the_remedy() {
    let desk = ApiHarness::new();
    let header = SHOPIFY.replace("Cancelled at", "Canceled at").replace("Outstanding Balance", "Note");
    desk.put("o.csv", format!("{header}{}", shopify(1, "ann@example.com", "2025-02-01", "520.00", "EUR")));
    let found = warnings(&desk, "--preset shopify-orders");
    let spelled = warning(&found, "column_spelled_otherwise");
    assert_eq!(spelled["columns"], json!(["Canceled at"]));
    let remedy = "--column cancelled_at=\"Canceled at\"";
    assert!(spelled["message"].as_str().unwrap().contains(remedy), "{spelled}");
    assert_eq!(warning(&found, "columns_missing")["columns"], json!(["Outstanding Balance"]));

    let command = &mut desk.command("import o.csv -o e.jsonl --preset shopify-orders --format json");
    let named = command.args(["--column", "cancelled_at=Canceled at"]).output().unwrap();
    let said = String::from_utf8(named.stderr).unwrap();
    assert!(!said.contains("column_spelled_otherwise"), "{said}");

    desk.put("o.csv", "order_id,member_id,occurred_at,total,currency,Canceled at\n");
    assert_eq!(warnings(&desk, "")[0]["code"], "column_spelled_otherwise");
}

#[test]
fn columns_with_money_that_are_not_read_are_named() {
    let desk = ApiHarness::new();
    desk.put(
        "o.csv",
        "order_id,member_id,occurred_at,total,currency,Gutschein,stock,size,none\n\
         1,ann,2025-02-01T10:00:00Z,30.00,EUR,\"-12,50\",7,1.5,0.00\n\
         2,ann,2025-02-01T10:00:00Z,30.00,EUR,,8,2.25,0.00\n",
    );
    let found = warnings(&desk, "");
    assert_eq!(warning(&found, "money_not_read")["columns"], json!(["Gutschein"]));
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn a_shop_that_names_members_by_address_is_told_what_webhooks_do() {
    let desk = ApiHarness::new();
    desk.put("o.csv", format!("{SHOPIFY}{}", shopify(1, "ann@example.com", "2025-02-01", "520.00", "EUR")));
    let found = warnings(&desk, "--preset shopify-orders");
    assert_eq!(warning(&found, "members_are_addresses")["columns"], json!(["Email"]));
    assert_eq!(warnings(&desk, "--preset shopify-orders --column member_id=Phone"), [] as [Value; 0]);
}

/// Exports are newest first, or sorted by customer.
#[test]
fn events_are_written_in_order_of_time_whatever_the_order_of_the_rows() {
    let desk = ApiHarness::new();
    desk.put(
        "o.csv",
        "order_id,member_id,occurred_at,total,currency\n\
         3,bob,2024-03-01T10:00:00Z,120.00,USD\n\
         2,anna,2023-12-01T10:00:00Z,20.00,USD\n\
         1,anna,2023-11-10T10:00:00Z,520.00,USD\n",
    );
    let written = desk.run("import o.csv", 0).out;
    let order = |line: &str| serde_json::from_str::<Value>(line).unwrap()["order_id"].as_str().unwrap().to_owned();
    assert_eq!(written.lines().map(order).collect::<Vec<_>>(), ["1", "2", "3"]);
    desk.put("events.jsonl", written);
    let replayed = desk.run("replay --program vip.json --events events.jsonl --as-of 2024-01-01", 0);
    has(&replayed.out, &["2 facts, 1 member", "anna    Gold"]);
    has(&replayed.err, &["note: events.jsonl has 1 line after --as-of", "from line 3 on"]);
}

#[test]
fn the_report_says_which_time_of_the_export_was_taken_and_warns_where_it_is_that_of_the_file() {
    let desk = ApiHarness::new();
    for name in ["a.csv", "b.csv"] {
        let row = "1,anna,2024-05-01T10:00:00Z,10.00,USD";
        let file = desk.put(name, format!("order_id,member_id,occurred_at,total,currency\n{row}\n"));
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_717_200_000);
        std::fs::File::options().write(true).open(file).unwrap().set_modified(at).unwrap();
    }
    let said = desk.run("import a.csv b.csv -o e.jsonl", 0).err;
    has(
        &said,
        &[
            "warning: a.csv and 1 more: the file's time of modification is taken for the time of the export",
            "a.csv: exported at 2024-06-01T00:00:00Z (its time of modification)\nb.csv: exported at",
        ],
    );
    let said = desk.run("import a.csv --exported-at 2024-06-02T00:00:00Z -o e.jsonl", 0).err;
    has(&said, &["a.csv: exported at 2024-06-02T00:00:00Z (--exported-at)\n"]);
    assert!(!said.contains("warning"), "{said}");
    let report: Value = serde_json::from_str(&desk.run("import a.csv --format json -o e.jsonl", 0).err).unwrap();
    let exported = json!([{ "file": "a.csv", "exported_at": "2024-06-01T00:00:00Z", "known_by": "modified" }]);
    assert_eq!(report["exports"], exported);
    warning(report["warnings"].as_array().unwrap(), "export_time_assumed");

    let members = "import --members a.csv --column member_id=member_id --column points=total --dry-run";
    let said = desk.run(&format!("{members} --without enrolled_at"), 0).err;
    has(
        &said,
        &["warning: a.csv: the file's time", "a.csv: exported at 2024-06-01T00:00:00Z (its time of modification)"],
    );
}

#[test]
fn an_export_from_the_future_is_refused() {
    let desk = ApiHarness::new();
    let rows = "order_id,member_id,occurred_at,total,currency\n1,anna,2024-05-01T10:00:00Z,10.00,USD\n";
    let file = desk.put("a.csv", rows);
    let in_minutes = |minutes: i64| (chrono::Utc::now() + chrono::Duration::minutes(minutes)).format("%FT%TZ");
    let stated = |minutes| format!("import a.csv -o e.jsonl --exported-at {}", in_minutes(minutes));
    has(&desk.run(&stated(7), 2).err, &["--exported-at: ", "lies in the future", "write when the files were exported"]);
    desk.run(&stated(3), 0);
    let members = format!("import --members a.csv --exported-at {}", in_minutes(7));
    has(&desk.run(&members, 2).err, &["lies in the future"]);
    let at = std::time::SystemTime::now() + std::time::Duration::from_secs(3_600);
    std::fs::File::options().write(true).open(file).unwrap().set_modified(at).unwrap();
    has(&desk.run("import a.csv -o e.jsonl", 2).err, &["`a.csv` was modified at", "say when it was exported with"]);
}
