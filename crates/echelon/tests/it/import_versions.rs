//! An order that several files tell of: which version rules, and what it says.

use serde_json::{Value, json};

use crate::cli::desk::ApiHarness;

const EXPORT: &str = "Name,Email,Financial Status,Paid at,Currency,Shipping,Taxes,Total,Discount Amount,Created at,\
                      Cancelled at,Refunded Amount,Outstanding Balance,Id\n";

const CUSTOMERS: &str = "Customer ID,First Name,Email,Phone,Tags\n'42,Ann,ann@example.com,,\n";

/// A row of Shopify's export, with an order of 430.
fn row(email: &str, number: u32) -> String {
    let dates = "2025-02-01 10:00:00 +0000";
    format!("#{number},{email},paid,{dates},EUR,0.00,0.00,430.00,0.00,{dates},,0.00,0.00,{number}\n")
}

/// A folder with a program by calendar year: Silver takes 200 and Gold 500.
pub fn desk() -> ApiHarness {
    let desk = ApiHarness::new();
    let program = json!({ "program_id": "t", "name": "T", "active": true, "timezone": "UTC", "currency": "EUR",
        "start_date": "2023-01-01",
        "milestone": { "metric": "amount_spent", "period": "calendar_year", "on_refund": "revoke" },
        "tiers": [{ "id": "silver", "name": "Silver", "threshold": "200" },
                  { "id": "gold", "name": "Gold", "threshold": "500", "entry_rewards": [{ "type": "points", "points": 50 }] }] });
    desk.put("program.json", program.to_string());
    desk
}

/// What a replay of these files says, in this order.
fn replayed(desk: &ApiHarness, files: &[&str]) -> Value {
    let read = |name: &&str| std::fs::read_to_string(desk.folder.path().join(name)).unwrap();
    desk.put("all.jsonl", files.iter().map(read).collect::<String>());
    let replay = "replay --program program.json --events all.jsonl --sort --as-of 2025-12-01T00:00:00Z --format json";
    serde_json::from_str(&desk.run(replay, 0).out).unwrap()
}

#[test]
fn a_file_joined_with_the_customers_export_wins_over_the_same_file_without() {
    let desk = desk();
    desk.put("orders.csv", format!("{EXPORT}{}{}", row("ann@example.com", 1), row("zoe@example.com", 2)));
    desk.put("customers.csv", CUSTOMERS);
    let import = "import orders.csv --preset shopify-orders --exported-at 2025-06-01T00:00:00Z";
    desk.run(&format!("{import} -o without.jsonl"), 0);
    desk.run(&format!("{import} --customers customers.csv -o with.jsonl"), 0);
    for files in [["without.jsonl", "with.jsonl"], ["with.jsonl", "without.jsonl"]] {
        let all = replayed(&desk, &files);
        assert_eq!(all["standings"]["42"]["counted"], "430.00", "{files:?}: {all}");
        assert_eq!(all["standings"]["ann@example.com"]["tier"], Value::Null, "{files:?}: {all}");
        assert_eq!(all["standings"]["zoe@example.com"]["counted"], "430.00", "the others stay as they are");
    }
}

/// Rows of Shopify's export: ann bought on May 1, all of it was given back on June 1 with the order cancelled, and ben bought
/// between the two. Cy's order was refunded in part.
fn history() -> String {
    let day = |day: &str| format!("2025-{day} 10:00:00 +0000");
    let row = |number: u32, email: &str, total: &str, paid: &str, cancelled: &str, refunded: &str| {
        format!(
            "#{number},{email}@example.com,paid,{paid},EUR,0.00,0.00,{total},0.00,{paid},{cancelled},{refunded},0.00,{number}\n"
        )
    };
    let rows = [
        row(1, "ann", "520.00", &day("05-01"), &day("06-01"), "520.00"),
        row(2, "ben", "300.00", &day("05-15"), "", "0.00"),
        row(3, "cy", "520.00", &day("05-20"), "", "20.00"),
    ];
    format!("{EXPORT}{}", rows.concat())
}

/// The lines of a file of events in short form: order, type, document, arrival.
fn lines(desk: &ApiHarness, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(desk.folder.path().join(name)).unwrap();
    let short = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        let said = |field: &str| event[field].as_str().unwrap_or("-").to_owned();
        [said("order_id"), said("type"), said("document"), said("received_at")].join(" ")
    };
    text.lines().map(short).collect()
}

#[test]
fn what_a_row_says_arrives_at_once_at_the_latest_instant_that_it_names() {
    let desk = desk();
    desk.put("orders.csv", history());
    let expected = [
        "2 order.paid - -",
        "3 order.paid document-2 2025-05-20T10:00:00Z",
        "3 order.refunded document-2 2025-05-20T10:00:00Z",
        "1 order.paid document-1 2025-06-01T10:00:00Z",
        "1 order.refunded document-1 2025-06-01T10:00:00Z",
        "1 order.cancelled document-1 2025-06-01T10:00:00Z",
    ];
    for (live, name) in [("", "e.jsonl"), ("", "again.jsonl"), ("--live", "live.jsonl")] {
        desk.run(&format!("import orders.csv --preset shopify-orders {live} -o {name}"), 0);
        assert_eq!(lines(&desk, name), expected, "{live}");
    }
    for name in ["e.jsonl", "live.jsonl"] {
        let all = replayed(&desk, &[name]);
        let members: Vec<&str> =
            all["transitions"].as_array().unwrap().iter().map(|it| it["member_id"].as_str().unwrap()).collect();
        assert_eq!(members, ["ben@example.com", "cy@example.com"], "ann had all of it back when the row was read");
        assert_eq!(all["transitions"][1]["to"], "gold");
        assert_eq!(all["standings"]["cy@example.com"]["counted"], "500.00");
    }
}

/// From a public report: the first message about an order says that it is refunded in full.
#[test]
fn an_order_first_seen_as_refunded_in_full_records_nothing() {
    let desk = desk();
    let money = |amount: &str| json!({ "shop_money": { "amount": amount, "currency_code": "EUR" } });
    let refunded = json!({ "id": 9001, "created_at": "2025-03-01T10:00:00Z", "processed_at": "2025-03-01T10:00:00Z",
        "updated_at": "2025-11-20T10:00:00Z", "financial_status": "refunded", "currency": "EUR", "total_price": "900.00",
        "total_price_set": money("900.00"), "current_total_price": "0.00", "total_tax": "0.00", "current_total_tax": "0.00",
        "total_discounts": "0.00", "test": false, "cancelled_at": null, "shipping_lines": [], "customer": { "id": 77 },
        "refunds": [{ "id": 1, "created_at": "2025-03-05T10:00:00Z", "processed_at": "2025-03-05T10:00:00Z",
            "refund_line_items": [{ "id": 1, "line_item_id": 11, "quantity": 1, "subtotal": "900.00", "total_tax": "0.00" }],
            "order_adjustments": [], "transactions": [] }] });
    desk.put("refunded.json", refunded.to_string());
    for (live, arrival) in [("", "2025-03-05T10:00:00Z"), ("--live", "2025-11-20T10:00:00Z")] {
        desk.run(&format!("import refunded.json {live} -o e.jsonl"), 0);
        let expected = ["order.paid", "order.refunded"].map(|kind| format!("9001 {kind} document-1 {arrival}"));
        assert_eq!(lines(&desk, "e.jsonl"), expected, "{live}");
        let all = replayed(&desk, &["e.jsonl"]);
        assert_eq!((&all["transitions"], &all["rewards"]), (&json!([]), &json!([])), "{live}");
        assert_eq!(all["standings"]["77"]["counted"], "0.00", "the facts are kept");
    }
}

/// From a public report: in June one order was edited down, and another turned out to be ann's.
#[test]
fn a_refund_that_a_later_export_no_longer_has_is_taken_back() {
    let desk = desk();
    let row = |status: &str, refunded: &str| {
        let dates = "2025-02-01 10:00:00 +0000";
        format!("{EXPORT}#1,zoe@x.com,{status},{dates},EUR,0.00,0.00,520.00,0.00,{dates},,{refunded},0.00,1\n")
    };
    desk.put("june.csv", row("refunded", "520.00"));
    desk.put("july.csv", row("paid", "0.00"));
    let import = "import june.csv july.csv --preset shopify-orders --exported-at 2025-07-01T00:00:00Z -o e.jsonl";
    let said = desk.run(import, 0).err;
    assert!(!said.contains("not number"), "{said}");
    let events = std::fs::read_to_string(desk.folder.path().join("e.jsonl")).unwrap();
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let refunds: Vec<&Value> = events.iter().filter(|event| event["type"] == "order.refunded").collect();
    let told: Vec<_> = refunds.iter().map(|refund| (&refund["refund_id"], &refund["amount"])).collect();
    assert_eq!(told, [(&json!("import"), &json!("520")), (&json!("import"), &json!("0"))]);
    assert!(refunds[0]["revision"].as_str() < refunds[1]["revision"].as_str(), "{refunds:?}");
}

#[test]
fn an_order_that_a_later_file_replaced_is_counted_once_in_the_report() {
    let desk = desk();
    let row = |number: u32, email: &str, total: &str| {
        let dates = format!("2022-02-0{number} 10:00:00 +0000");
        format!("#{number},{email},paid,{dates},EUR,0.00,0.00,{total},0.00,{dates},,0.00,0.00,{number}\n")
    };
    let (zoe, ann) = ("zoe@example.com", "ann@example.com");
    desk.put("may.csv", format!("{EXPORT}{}{}", row(1, zoe, "520.00"), row(2, zoe, "510.00")));
    desk.put("june.csv", format!("{EXPORT}{}{}", row(1, zoe, "430.00"), row(2, ann, "510.00")));
    let import =
        "import may.csv june.csv --preset shopify-orders --exported-at 2025-07-01T00:00:00Z --program program.json";
    let said = desk.run(&format!("{import} -o e.jsonl"), 0).err;
    assert!(said.starts_with("2 orders over 940.00 EUR are under an e-mail address."), "{said}");
    assert!(said.contains("2 orders over 940.00 EUR were paid before"), "{said}");
    assert!(said.contains("2 orders replaced by a later file"), "{said}");
    // An order that found its member in the later file is no longer without one.
    desk.put("may.csv", format!("{EXPORT}{}", row(1, "", "520.00")));
    desk.put("june.csv", format!("{EXPORT}{}", row(1, ann, "520.00")));
    let said = desk.run(&format!("{import} -o e.jsonl"), 0).err;
    assert!(said.contains("1 order over 520.00 EUR is under an e-mail") && !said.contains("name no member"), "{said}");
}

/// From a public report: a cancelled order is set back to completed, cancelled again, and is still cancelled in the export
/// after that, in which another cell differs.
#[test]
fn an_order_that_is_cancelled_again_and_still_is_in_a_later_export_counts_nothing() {
    let desk = desk();
    let header = "order_id,customer_id,order_date,order_total,order_currency,status\n";
    let exports =
        [("may", "05-31", "cancelled", 200), ("june", "06-30", "completed", 200), ("july", "07-31", "cancelled", 200)];
    let august = ("august", "08-31", "cancelled", 190);
    let september = ("september", "09-30", "completed", 210);
    for (name, day, status, total) in exports.into_iter().chain([august, september]) {
        let row = format!("1,77,2025-05-01 10:00:00,{total}.00,EUR,{status}\n");
        let file =
            std::fs::File::options().write(true).open(desk.put(&format!("{name}.csv"), format!("{header}{row}")));
        let at = rules::calendar::Instant::parse(&format!("2025-{day}T12:00:00Z")).unwrap().millis();
        let since_1970 = std::time::Duration::from_millis(u64::try_from(at).unwrap());
        file.unwrap().set_modified(std::time::UNIX_EPOCH + since_1970).unwrap();
    }
    for (files, counted) in [
        ("may.csv june.csv", "200.00"),
        ("may.csv june.csv july.csv", "0.00"),
        ("may.csv june.csv july.csv august.csv", "0.00"),
        ("may.csv june.csv july.csv august.csv september.csv", "210.00"),
    ] {
        desk.run(&format!("import {files} --preset woocommerce --timezone UTC -o e.jsonl"), 0);
        assert_eq!(replayed(&desk, &["e.jsonl"])["standings"]["77"]["counted"], counted, "{files}");
    }
}
