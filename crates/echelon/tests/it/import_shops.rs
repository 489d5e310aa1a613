//! Order exports of shops, and what spreadsheets and countries do to them: each row becomes the right facts.

use serde_json::{Value, json};

use crate::cli::desk::{ApiHarness, has, ran};

/// The events of a file, each in short form, or the standard error of an import that wrote none.
fn imported(content: &str, options: &[&str], code: i32) -> (Vec<String>, String) {
    let desk = ApiHarness::new();
    desk.put("o.csv", content);
    let mut command = desk.command("import o.csv --exported-at 2000-01-01T00:00:00Z");
    let ran = ran(command.args(options).output().unwrap(), code);
    (ran.out.lines().map(|line| short(&serde_json::from_str(line).unwrap())).collect(), ran.err)
}

fn events(content: &str, options: &[&str]) -> Vec<String> {
    let (events, said) = imported(content, options, 0);
    assert!(!said.contains("rejected:"), "{said}");
    events
}

fn short(event: &Value) -> String {
    let text = |field: &str| event[field].as_str().unwrap_or("-").to_owned();
    let amount = if event["total"].is_null() { text("amount") } else { text("total") };
    let kind = text("type").replace("order.", "");
    let test = if event["test"] == true { " test" } else { "" };
    format!("{} {kind} {} {} {}{test}", text("occurred_at"), text("member_id"), text("order_id"), amount)
}

#[test]
fn an_id_that_a_spreadsheet_has_bent_is_read_as_meant_or_refused() {
    let rows = "order_id,member_id,occurred_at,total,currency\n\
                5320000000001.0,42.0,2024-01-01T10:00:00Z,5,GBP\n\
                '5320000000002,'43,2024-01-02T10:00:00Z,5,GBP\n\
                5.320000000003E+12,44,2024-01-03T10:00:00Z,5,GBP\n\
                5.32E+12,45,2024-01-04T10:00:00Z,5,GBP\n\
                'x,45,2024-01-05T10:00:00Z,5,GBP\n\
                \"5320000000006,0\",\"46,0\",2024-01-06T10:00:00Z,5,GBP\n\
                \"5.320.000.000.007,00\",1.047,2024-01-07T10:00:00Z,5,GBP\n\
                5\u{202f}320\u{202f}000\u{202f}000\u{202f}008,48.,2024-01-08T10:00:00Z,5,GBP\n\
                1.000,49,2024-01-09T10:00:00Z,5,GBP\n";
    let (events, said) = imported(rows, &[], 1);
    assert_eq!(
        events,
        [
            "2024-01-01T10:00:00Z paid 42 5320000000001 5",
            "2024-01-02T10:00:00Z paid 43 5320000000002 5",
            "2024-01-03T10:00:00Z paid 44 5320000000003 5",
            "2024-01-06T10:00:00Z paid 46 5320000000006 5",
            "2024-01-07T10:00:00Z paid 1047 5320000000007 5",
            "2024-01-08T10:00:00Z paid 48 5320000000008 5",
        ]
    );
    has(&said, &["o.csv line 10: ambiguous_id: column `order_id`: `1.000`"]);
    has(
        &said,
        &["o.csv line 5: rounded_id: column `order_id`: `5.32E+12`", "line 6: marked_id: column `order_id`: `'x`"],
    );
}

#[test]
fn amounts_with_a_comma_signs_and_brackets_are_read_when_the_file_is_said_to_have_them() {
    let rows = "order_id,member_id,occurred_at,total,currency,discounts,refunded\n\
                1,ann,2024-01-01T10:00:00Z,\"1.234,50 €\",EUR,\"-4,50\",\n\
                2,ann,2024-01-02T10:00:00Z,\"20,00\",EUR,,\"(5,00)\"\n\
                3,ann,2024-01-03T10:00:00Z,\"-10,00 EUR\",EUR,,\n\
                4,ann,2024-01-04T10:00:00Z,\"$20,00\",EUR,,\n\
                5,ann,2024-01-05T10:00:00Z,12.50,EUR,,\n";
    let (found, said) = imported(rows, &["--numbers", "comma"], 1);
    assert_eq!(
        found,
        [
            "2024-01-01T10:00:00Z paid ann 1 1234.5",
            "2024-01-02T10:00:00Z paid ann 2 20",
            "2024-01-02T10:00:00Z refunded ann 2 5",
            "2024-01-03T10:00:00Z refunded ann 2 10",
        ]
    );
    has(&said, &["line 5: other_currency: column `total`: `$20,00` is not an amount in EUR", "line 6: bad_number"]);
    let rows = "order_id,member_id,occurred_at,total,currency\n1,ann,2024-01-01T10:00:00Z,\"$1,234.50\",USD\n";
    assert_eq!(events(rows, &["--numbers", "point"]), ["2024-01-01T10:00:00Z paid ann 1 1234.5"]);
    has(&imported(rows, &[], 1).1, &["bad_number", "--numbers point or --numbers comma"]);
}

#[test]
fn the_rejection_of_an_amount_speaks_of_the_notation_in_use() {
    let row = |total: &str| {
        format!("order_id,member_id,occurred_at,total,currency\n1,ann,2024-01-01T10:00:00Z,\"{total}\",EUR\n")
    };
    for (notation, total, parts) in [
        (
            "comma",
            "12.50",
            ["`12.50` is not an amount such as \"1.234,50\" (--numbers comma)", "--numbers point or --numbers plain"],
        ),
        (
            "point",
            "12,50",
            ["`12,50` is not an amount such as \"1,234.50\" (--numbers point)", "say so with --numbers comma"],
        ),
        ("plain", "12,50", ["`12,50` is not an amount such as \"12.50\"", "--numbers point or --numbers comma"]),
        ("comma", "12,34567", ["`12,34567` has more than 4 decimals", "round it"]),
    ] {
        has(&imported(&row(total), &["--numbers", notation], 1).1, &parts);
    }
}

#[test]
fn an_amount_with_the_sign_of_another_currency_is_rejected() {
    for (total, currency, is_read) in [
        ("CA$12.00", "USD", false),
        ("A$12.00", "USD", false),
        ("R$12.00", "USD", false),
        ("US$12.00", "CAD", false),
        ("₹12", "EUR", false),
        ("kr 12", "EUR", false),
        ("12.00 zł", "EUR", false),
        ("US$12.00", "USD", true),
        ("$12.00", "CAD", true),
        ("kr 12", "SEK", true),
    ] {
        let row =
            format!("order_id,member_id,occurred_at,total,currency\n1,ann,2024-01-01T10:00:00Z,{total},{currency}\n");
        let (events, said) = imported(&row, &["--numbers", "point"], i32::from(!is_read));
        assert_eq!(
            (events.len() == 1, said.contains("other_currency")),
            (is_read, !is_read),
            "{total} {currency}: {said}"
        );
    }
}

#[test]
fn the_words_of_a_status_say_what_is_paid_cancelled_and_refunded() {
    let rows = "order_id,member_id,occurred_at,total,currency,state,refunded\n\
                1,ann,2024-01-01T10:00:00Z,20,EUR,bezahlt,\n\
                2,ann,2024-01-02T10:00:00Z,20,EUR,offen,\n\
                3,ann,2024-01-03T10:00:00Z,20,EUR,storniert,\n\
                4,ann,2024-01-04T10:00:00Z,20,EUR,erstattet,\n\
                5,ann,2024-01-05T10:00:00Z,20,EUR,teilerstattet,5\n\
                6,ann,2024-01-06T10:00:00Z,20,EUR,teilerstattet,\n\
                7,ann,2024-01-07T10:00:00Z,20,EUR,verschickt,\n\
                8,0,2024-01-08T10:00:00Z,20,EUR,bezahlt,\n";
    let words =
        ["bezahlt=order", "offen=ignore", "storniert=cancelled", "erstattet=refunded", "teilerstattet=partly_refunded"];
    let kinds: Vec<_> = words.iter().flat_map(|word| ["--kind", word]).collect();
    let (found, said) = imported(rows, &[&kinds[..], &["--column", "kind=state", "--guest", "0"]].concat(), 1);
    assert_eq!(
        found,
        [
            "2024-01-01T10:00:00Z paid ann 1 20",
            "2024-01-03T10:00:00Z cancelled ann 3 -",
            "2024-01-04T10:00:00Z paid ann 4 20",
            "2024-01-04T10:00:00Z refunded ann 4 20",
            "2024-01-05T10:00:00Z paid ann 5 20",
            "2024-01-05T10:00:00Z refunded ann 5 5",
            "2024-01-08T10:00:00Z paid - 8 20",
        ]
    );
    has(
        &said,
        &["line 7: missing_value: column `refunded`", "line 8: unknown_kind: column `state`", "1 order over 20.00 EUR"],
    );
    has(&imported(rows, &["--kind", "x=paidish"], 2).1, &["`paidish`", "partly_refunded"]);
}

#[test]
fn an_order_that_a_later_file_has_as_cancelled_counts_no_longer() {
    let desk = ApiHarness::new();
    let rows = |status: &str| {
        format!(
            "order_id,customer_id,order_date,order_total,order_currency,status\n1,anna,2024-03-01 10:00:00,150.00,USD,{status}\n"
        )
    };
    desk.put("may.csv", rows("processing"));
    desk.put("june.csv", rows("cancelled"));
    let import = "import --preset woocommerce --timezone UTC --exported-at 2024-04-01T00:00:00Z -o events.jsonl";
    desk.run(&format!("{import} may.csv"), 0);
    let explain = "explain --program vip.json --events events.jsonl --as-of 2024-06-01 --member anna";
    has(&desk.run(explain, 0).out, &["Holds Silver"]);
    desk.run(&format!("{import} may.csv june.csv"), 0);
    let said = desk.run(explain, 0).out;
    assert!(!said.contains("Holds Silver"), "{said}");
}

/// From a public report: an order is set back to completed. A later version of it alone brings nothing back.
#[test]
fn an_order_that_a_later_file_has_as_completed_again_is_restored() {
    let desk = ApiHarness::new();
    let header = "order_id,customer_id,order_date,order_total,order_currency,status\n";
    let row = |status: &str| format!("{header}1,anna,2024-03-01 10:00:00,150.00,USD,{status}\n");
    for (name, status) in [("may.csv", "processing"), ("june.csv", "cancelled"), ("july.csv", "completed")] {
        desk.put(name, row(status));
    }
    let import = "import --preset woocommerce --timezone UTC --exported-at 2024-05-20T12:00:00Z -o events.jsonl";
    let explain = "explain --program vip.json --events events.jsonl --as-of 2024-06-01 --member anna";
    let said = |files: &str| {
        desk.run(&format!("{import} {files}"), 0);
        desk.run(explain, 0).out
    };
    let restored = || {
        let text = std::fs::read_to_string(desk.folder.path().join("events.jsonl")).unwrap();
        let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let dates = events.iter().filter(|event| event["type"] == "order.restored");
        dates.map(|event| event["occurred_at"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    has(&said("may.csv june.csv july.csv"), &["Holds Silver since May 20, 2024"]);
    assert_eq!(restored(), ["2024-05-20T12:00:00Z"], "when the file was exported that shows it");
    has(&said("june.csv july.csv"), &["Holds Silver"]);
    // Once more, and what the last file says is so.
    desk.put("august.csv", row("wc-cancelled"));
    let last = said("may.csv june.csv july.csv august.csv");
    assert!(!last.contains("Holds Silver"), "{last}");
    assert_eq!(restored().len(), 1);
    has(&said("june.csv july.csv august.csv may.csv"), &["Holds Silver"]);
    // An order that was never cancelled is not restored, and a single file knows of one state alone.
    has(&said("may.csv july.csv"), &["Holds Silver"]);
    assert!(restored().is_empty());
    said("july.csv");
    assert!(restored().is_empty());
}

/// A table of one's own: the column says when an order was cancelled, and later no longer.
#[test]
fn an_order_whose_date_of_cancellation_is_gone_in_a_later_file_is_restored() {
    let desk = ApiHarness::new();
    let header = "order_id,member_id,occurred_at,total,currency,cancelled_at\n";
    let row = |cancelled: &str| format!("{header}1,anna,2024-03-01T10:00:00Z,150.00,USD,{cancelled}\n");
    desk.put("june.csv", row("2024-03-05T10:00:00Z"));
    desk.put("july.csv", row(""));
    desk.run("import june.csv july.csv --exported-at 2024-05-20T12:00:00Z -o events.jsonl", 0);
    let explain = "explain --program vip.json --events events.jsonl --as-of 2024-06-01 --member anna";
    has(&desk.run(explain, 0).out, &["Holds Silver since May 20, 2024"]);
}

#[test]
fn a_woocommerce_export_gives_paid_orders_and_refunds() {
    let rows = "order_id,order_number,order_date,paid_date,status,shipping_total,tax_total,discount_total,order_total,order_currency,customer_id,refunded_total\n\
                727,727,2024-03-22 16:28:02,2024-03-22 16:28:08,processing,10.00,1.35,0.00,29.35,USD,26,0.00\n\
                728,728,2024-03-22 17:00:00,,pending,0.00,0.00,0.00,12.00,USD,26,0.00\n\
                729,729,2024-03-23 10:00:00,2024-03-23 10:00:00,wc-completed,0.00,0.00,0.00,20.00,USD,0,0.00\n\
                730,730,2024-03-24 10:00:00,2024-03-24 10:00:00,completed,0.00,0.00,0.00,30.00,USD,26,-10.00\n\
                731,731,2024-03-25 10:00:00,2024-03-25 10:00:00,refunded,0.00,0.00,0.00,40.00,USD,26,\n\
                732,732,2024-03-26 10:00:00,,cancelled,0.00,0.00,0.00,50.00,USD,26,\n";
    assert_eq!(
        events(rows, &["--preset", "woocommerce", "--timezone", "UTC"]),
        [
            "2024-03-22T16:28:08Z paid 26 727 29.35",
            "2024-03-23T10:00:00Z paid - 729 20",
            "2024-03-24T10:00:00Z paid 26 730 30",
            "2024-03-24T10:00:00Z refunded 26 730 10",
            "2024-03-25T10:00:00Z paid 26 731 40",
            "2024-03-25T10:00:00Z refunded 26 731 40",
            "2024-03-26T10:00:00Z cancelled 26 732 -",
        ]
    );
}

/// Newest first: the refund stands above the payment that it is matched with.
#[test]
fn squares_transactions_give_payments_and_refunds_with_day_and_time_in_two_columns() {
    let rows = "Date,Time,Time Zone,Gross Sales,Discounts,Net Sales,Tax,Tip,Partial Refunds,Total Collected,Square Gift Card,Transaction ID,Customer ID,Event Type\n\
                2024-05-03,09:00:00,Eastern Time (US & Canada),-$85.00,$0.00,-$85.00,$0.00,$0.00,$0.00,-$85.00,$0.00,T2,C1,Refund\n\
                2024-05-01,14:03:22,Eastern Time (US & Canada),\"$1,100.00\",-$10.00,\"$1,090.00\",$90.00,$5.00,$0.00,\"$1,185.00\",$0.00,T1,C1,Payment\n";
    let options = ["--preset", "square", "--timezone", "America/New_York"];
    let (found, said) = imported(rows, &[&options[..], &["--currency", "USD"]].concat(), 0);
    assert_eq!(found, ["2024-05-01T18:03:22Z paid C1 T1 1185", "2024-05-03T13:00:00Z refunded C1 T1 85"]);
    assert!(!said.contains("optional columns are missing, and what they would say is unknown: `Currency`"), "{said}");
    has(&imported(rows, &options, 2).1, &["lacks `Currency`", "--currency"]);
}

#[test]
fn stripes_payments_count_once_they_are_paid() {
    let rows = "id,Description,Created date (UTC),Amount,Amount Refunded,Currency,Fee,Status,Customer ID,Refunded date (UTC),Mode\n\
                ch_1,a,2024-05-01 10:00:00,20.00,0.00,usd,0.88,Paid,cus_1,,Live\n\
                ch_2,a,2024-05-02 10:00,30.00,30.00,usd,0.88,Refunded,cus_1,2024-05-09 08:00,Live\n\
                ch_3,a,2024-05-03 10:00:00,40.00,0.00,usd,0.00,Failed,cus_1,,Live\n\
                ch_4,a,2024-05-04 10:00:00,50.00,0.00,usd,1.00,succeeded,,,Live\n\
                ch_5,a,2024-05-05 10:00:00,60.00,0.00,usd,1.00,Paid,cus_1,,Test\n";
    assert_eq!(
        events(rows, &["--preset", "stripe"]),
        [
            "2024-05-01T10:00:00Z paid cus_1 ch_1 20",
            "2024-05-04T10:00:00Z paid - ch_4 50",
            "2024-05-05T10:00:00Z paid cus_1 ch_5 60 test",
            // The row says both, and so both arrive with the refund.
            "2024-05-02T10:00:00Z paid cus_1 ch_2 30",
            "2024-05-09T08:00:00Z refunded cus_1 ch_2 30",
        ]
    );
}

#[test]
fn a_bigcommerce_export_needs_the_amount_of_a_part_that_was_refunded() {
    let rows = "Order ID,Customer ID,Order Date,Order Status,Tax Total,Shipping Cost (ex tax),Order Total (inc tax),Order Currency Code\n\
                101,7,01/05/2024,Completed,5.00,3.00,30.00,USD\n\
                102,0,02/05/2024,Shipped,0.00,0.00,20.00,USD\n\
                103,7,03/05/2024,Partially Refunded,0.00,0.00,40.00,USD\n\
                104,7,04/05/2024,Awaiting Payment,0.00,0.00,50.00,USD\n\
                105,7,05/05/2024,Refunded,0.00,0.00,60.00,USD\n";
    let options = ["--preset", "bigcommerce", "--timezone", "UTC", "--time-format", "%d/%m/%Y"];
    let (found, said) = imported(rows, &options, 1);
    assert_eq!(
        found,
        [
            "2024-05-01T00:00:00Z paid 7 101 30",
            "2024-05-02T00:00:00Z paid - 102 20",
            "2024-05-05T00:00:00Z paid 7 105 60",
            "2024-05-05T00:00:00Z refunded 7 105 60",
        ]
    );
    has(&said, &["line 4: missing_value: column `refunded`"]);
}

#[test]
fn a_grid_of_magento_names_members_by_address() {
    let rows = "ID,Purchase Point,Purchase Date,Grand Total (Base),Grand Total (Purchased),Status,Customer Email,Shipping and Handling,Total Refunded\n\
                000000003,Main,2024-05-01 10:00:00,36.3900,36.3900,Complete,Ann@Example.com,5.0000,\n\
                000000004,Main,\"May 2, 2024 3:00:00 PM\",20.0000,20.0000,Closed,ann@example.com,0.0000,20.0000\n\
                000000005,Main,2024-05-03 10:00:00,20.0000,20.0000,Pending Payment,ann@example.com,0.0000,\n";
    assert_eq!(
        events(rows, &["--preset", "magento", "--timezone", "UTC", "--currency", "USD"]),
        [
            "2024-05-01T10:00:00Z paid ann@example.com 000000003 36.39",
            "2024-05-02T15:00:00Z paid ann@example.com 000000004 20",
            "2024-05-02T15:00:00Z refunded ann@example.com 000000004 20",
        ]
    );
}

#[test]
fn a_preset_that_does_not_exist_is_named_beside_those_that_do() {
    let known =
        json!(["orders", "invoices", "shopify-orders", "woocommerce", "square", "stripe", "bigcommerce", "magento"]);
    let said = imported("a\n", &["--preset", "prestashop"], 2).1;
    has(&said, &known.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect::<Vec<_>>());
}
