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
fn desk() -> ApiHarness {
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
