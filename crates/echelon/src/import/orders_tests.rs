use csv::ByteRecord;

use rules::calendar::Zone;

use super::*;
use crate::import::columns::{Header, Mapping};
use crate::import::preset::{Preset, parse_kind};

/// A shop's file: its header, and the reader with what it remembers of earlier rows.
struct File {
    header: Header,
    orders: Orders,
}

impl File {
    fn new(preset: Preset, names: &str, kinds: &[&str]) -> Self {
        let mapping = Mapping { preset, columns: Vec::new(), has_currency: true };
        let header = Header::read(names.split(',').map(str::to_owned).collect(), &mapping).unwrap();
        let known = preset.kinds().iter().map(|(word, meaning)| ((*word).to_owned(), *meaning));
        let kinds = known.chain(kinds.iter().map(|text| parse_kind(text).unwrap())).collect();
        let clock = Clock { timezone: Some(Zone::utc()), format: None };
        let currency = Currency::from_code("GBP");
        Self {
            header,
            orders: Orders::new(Reading {
                kinds,
                currency,
                clock,
                notation: preset.notation(),
                guests: vec!["0".to_owned()],
            }),
        }
    }

    /// The facts of a row in short form, or the reason why there are none.
    fn row(&mut self, row: &str) -> String {
        let cells = ByteRecord::from(row.split(',').collect::<Vec<_>>());
        match self.orders.read(Row { header: &self.header, cells: &cells }) {
            Ok(facts) => facts.iter().map(short).collect::<Vec<_>>().join(" "),
            Err(LeftOut::Ignored(why)) => format!("ignored: {why}"),
            Err(LeftOut::Rejected(why)) => format!("rejected: {why}"),
        }
    }
}

fn short(fact: &Fact) -> String {
    let member = fact.member().map_or("guest", MemberId::as_str);
    if let FactBody::OrderPaid(order, paid) = &fact.body {
        format!("{member}:paid({order},{})", paid.charge.total)
    } else if let FactBody::OrderRefunded(order, refund, refunded) = &fact.body {
        format!("{member}:refunded({order},{refund},{})", refunded.amount)
    } else if let FactBody::OrderCancelled(order) = &fact.body {
        format!("{member}:cancelled({order})")
    } else {
        panic!("{fact:?}")
    }
}

#[track_caller]
fn check(file: &mut File, row: &str, expected: &str) {
    let found = file.row(row);
    let prefix = expected.strip_suffix('…');
    assert!(prefix.map_or(found == expected, |prefix| found.starts_with(prefix)), "{row}\n{found}\n{expected}");
}

const INVOICES: &str = "invoice_no,customer_id,invoice_at,amount,currency,kind";

#[test]
fn a_return_is_a_refund_of_an_order_before_it() {
    let file = &mut File::new(Preset::Invoices, INVOICES, &[]);
    check(
        file,
        "C0,anna,2024-01-01,-5,GBP,cancellation",
        "rejected: return `C0` over 5.00 GBP names no order, and no …",
    );
    check(file, "1,anna,2024-01-01,100,GBP,order", "anna:paid(1,100)");
    check(file, "2,anna,2024-01-02,30,GBP,order", "anna:paid(2,30)");
    check(file, "C3,anna,2024-01-03,-40,GBP,cancellation", "anna:refunded(1,C3,40)");
    check(file, "C4,anna,2024-01-03,-30,GBP,cancellation", "anna:refunded(2,C4,30)");
    check(file, "C5,bert,2024-01-03,-30,GBP,cancellation", "rejected: return `C5`…");
    check(
        file,
        "C6,,2024-01-03,-30,GBP,cancellation",
        "rejected: return `C6` over 30.00 GBP names no order, and no cust…",
    );
    check(file, "C7,anna,2024-01-03,25,GBP,refund", "anna:refunded(1,C7,25)");
}

/// Most exports are newest first.
#[test]
fn a_return_above_its_order_is_matched_at_the_end_of_the_file() {
    let file = &mut File::new(Preset::Invoices, INVOICES, &[]);
    let rows = [
        "C4,anna,2024-01-03,-30,GBP,cancellation",
        "C4,anna,2024-01-03,-30,GBP,cancellation",
        "C3,anna,2024-01-02,-40,GBP,cancellation",
        "C2,bert,2024-01-02,-30,GBP,cancellation",
        "2,anna,2024-01-03,30,GBP,order",
        "1,anna,2024-01-01,100,GBP,order",
    ];
    let mut facts = Vec::new();
    for (line, row) in (2..).zip(rows) {
        let cells = ByteRecord::from(row.split(',').collect::<Vec<_>>());
        facts.extend(file.orders.take(Row { header: &file.header, cells: &cells }, line).map(Result::unwrap));
    }
    assert_eq!(facts.iter().flatten().map(short).collect::<Vec<_>>(), ["anna:paid(2,30)", "anna:paid(1,100)"]);
    let settled: Vec<_> = file
        .orders
        .settle()
        .into_iter()
        .map(|(line, read)| match read {
            Ok(facts) => (line, facts.iter().map(short).collect::<Vec<_>>().join(" ")),
            Err(LeftOut::Ignored(why)) => (line, format!("ignored: {why}")),
            Err(LeftOut::Rejected(why)) => (line, format!("rejected: {why}")),
        })
        .collect();
    let expected = [
        (4, "anna:refunded(1,C3,40)"),
        (
            5,
            "rejected: return `C2` over 30.00 GBP names no order, and no earlier order of the customer has as much left",
        ),
        (2, "anna:refunded(2,C4,30)"),
        (3, "ignored: `C4` was read before, and says the same"),
    ];
    assert_eq!(settled, expected.map(|(line, text)| (line, text.to_owned())));
    assert!(file.orders.settle().is_empty());
}

#[test]
fn a_return_that_comes_twice_is_taken_once() {
    let file = &mut File::new(Preset::Invoices, INVOICES, &[]);
    check(file, "1,anna,2024-01-01,100,GBP,order", "anna:paid(1,100)");
    check(file, "C2,anna,2024-01-03,-40,GBP,cancellation", "anna:refunded(1,C2,40)");
    check(file, "C2,anna,2024-01-03,-40,GBP,cancellation", "ignored: `C2` was read before, and says the same");
    check(file, "C2,anna,2024-01-03,-50,GBP,cancellation", "rejected: `C2` was read before and says something else…");
    file.orders.next_file(None);
    check(file, "C2,anna,2024-01-03,-50,GBP,cancellation", "rejected: `C2` was read before and says something else…");
}

#[test]
fn an_order_that_comes_again_in_another_file_is_a_later_version() {
    let file = &mut File::new(Preset::Invoices, INVOICES, &[]);
    check(file, "1,anna,2024-01-01,100,GBP,order", "anna:paid(1,100)");
    check(file, "1,anna,2024-01-01,90,GBP,order", "rejected: `1` was read before and says something else…");
    file.orders.next_file(None);
    check(file, "1,anna,2024-01-01,100,GBP,order", "ignored: `1` was read before, and says the same");
    check(file, "1,anna,2024-01-01,90,GBP,order", "anna:paid(1,90)");
}

#[test]
fn orders_of_guests_are_kept_if_they_have_an_amount() {
    let file = &mut File::new(Preset::Invoices, INVOICES, &[]);
    check(file, "1,,2024-01-01,100,GBP,order", "guest:paid(1,100)");
    check(file, "2,,2024-01-01,0.00,GBP,order", "ignored: the row names no customer and no amount");
    check(file, "3,anna,2024-01-01,0.00,GBP,order", "anna:paid(3,0)");
    check(file, "4,anna,2024-01-01,-0.00,GBP,order", "anna:paid(4,0)");
    check(file, "C5,anna,2024-01-01,0.00,GBP,cancellation", "ignored: the return gives nothing back");
    check(file, "A6,,2024-01-01,-11062.06,GBP,adjustment", "ignored: `adjustment` is not a paid order");
}

#[test]
fn a_word_of_the_kind_column_can_be_explained() {
    let file = &mut File::new(Preset::Invoices, INVOICES, &["Gutschrift=return", "=order", "order=ignore"]);
    check(file, "1,anna,2024-01-01,100,GBP,", "anna:paid(1,100)");
    check(file, "2,anna,2024-01-01,100,GBP,GUTSCHRIFT", "anna:refunded(1,2,100)");
    check(file, "3,anna,2024-01-01,100,GBP,order", "ignored: `order` is not a paid order");
    check(file, "4,anna,2024-01-01,100,GBP,gift", "rejected: column `kind`: what `gift` is, is not known; say it…");
}

#[test]
fn without_a_kind_column_a_negative_total_is_a_return() {
    let names = "order_id,member_id,occurred_at,total,refund_of";
    let file = &mut File::new(Preset::Orders, names, &[]);
    check(file, "1,anna,2024-01-01,100,", "anna:paid(1,100)");
    check(file, "2,anna,2024-01-02,-10,", "anna:refunded(1,2,10)");
    check(file, "3,,2024-01-02,-10,7", "guest:refunded(7,3,10)");
}

#[test]
fn what_cannot_be_read_names_the_column_and_the_value() {
    let names = "order_id,member_id,occurred_at,total,tax,currency,exchange_rate,test,kind";
    let file = &mut File::new(Preset::Orders, names, &[]);
    for (row, expected) in [
        (
            "1,anna,2024-01-01,\"12,,,,,order",
            "rejected: column `total`: `\"12` is not an amount such as \"12.50\"; write digits with a point, …",
        ),
        ("1,anna,2024-01-01,12.34567,,,,,order", "rejected: column `total`: `12.34567` has more than 4 decimals…"),
        ("1,anna,2024-01-01,-12,,,,,order", "rejected: column `total`: an order's total must not be negative, this…"),
        ("1,anna,2024-01-01,12,-1,,,,order", "rejected: column `tax`: `-1` must not be negative…"),
        ("1,anna,2024-01-01,12,,USX,,,order", "rejected: column `currency`: `USX` is not an ISO 4217 currency code…"),
        ("1,anna,2024-01-01,12,,USD,fast,,order", "rejected: column `exchange_rate`: `fast` is not a decimal number…"),
        ("1,anna,2024-01-01,12,,,,maybe,order", "rejected: column `test`: `maybe` is neither true nor false"),
        ("1,anna,01/02/2024,12,,,,,order", "rejected: column `occurred_at`: `01/02/2024` is not a time such as…"),
        (",anna,2024-01-01,12,,,,,order", "rejected: column `order_id`: the cell is empty…"),
        ("1,anna,,12,,,,,order", "rejected: column `occurred_at`: the cell is empty…"),
        ("5.32E+12,anna,2024-01-01,12,,,,,order", "rejected: column `order_id`: `5.32E+12` is a number that a…"),
        ("1,a\u{7}a,2024-01-01,12,,,,,order", "rejected: column `member_id`: `a\u{7}a`: an id must not contain…"),
        ("1,anna,2024-01-01", "rejected: the row has 3 cells, the header 9…"),
        (" , ,,,,,,,", "ignored: the row is empty"),
        ("1,anna,2024-01-01,12,2,usd,0.8,yes,order", "anna:paid(1,12)"),
    ] {
        check(file, row, expected);
    }
}

#[test]
fn a_time_without_offset_needs_to_know_where() {
    let file = &mut File::new(Preset::Orders, "order_id,member_id,occurred_at,total", &[]);
    file.orders.reading.clock.timezone = None;
    check(
        file,
        "1,anna,2024-01-01 10:00,12",
        "rejected: column `occurred_at`: `2024-01-01 10:00` does not say its off…",
    );
}

const EXPORT: &str = "Name,Email,Financial Status,Paid at,Currency,Shipping,Taxes,Total,Discount Amount,\
                      Refunded Amount,Cancelled at,Created at,Id";

#[test]
fn rows_of_one_shopify_order_are_one_order() {
    let file = &mut File::new(Preset::ShopifyOrders, EXPORT, &[]);
    check(file, "#1,Anna@X.com,paid,2024-01-05 10:11:12 -0500,USD,5,1,20,0,0.00,,,901", "anna@x.com:paid(901,20)");
    check(file, "#1,Anna@X.com,,,,,,,,,,,", "ignored: a further line of the order in the row above");
    check(file, "#2,Anna@X.com,,,,,,,,,,,", "rejected: column `Financial Status`: the cell is empty…");
}

#[test]
fn a_shopify_order_counts_once_it_is_paid_in_full() {
    let file = &mut File::new(Preset::ShopifyOrders, EXPORT, &[]);
    let paid = "2024-01-05 10:11:12 -0500";
    for (number, status) in ["pending", "authorized", "voided", "expired", "partially_paid"].into_iter().enumerate() {
        let expected = format!("ignored: `{status}` is not a paid order");
        check(file, &format!("#{number},a@x,{status},,USD,0,0,20,0,0,,,{number}"), &expected);
    }
    let row = format!("#8,a@x,partially_refunded,{paid},USD,0,0,20,0,5.00,,,8");
    check(file, &row, "a@x:paid(8,20) a@x:refunded(8,import,5)");
    // A status without its amount is not silently worth the whole order.
    let row = format!("#6,a@x,refunded,{paid},USD,0,0,20,0,0.00,,,6");
    check(file, &row, "a@x:paid(6,20) a@x:refunded(6,import,20)");
    let row = format!("#7,a@x,partially_refunded,{paid},USD,0,0,20,0,,,,7");
    check(file, &row, "rejected: column `Refunded Amount`: the cell is empty…");
    let row = format!("#9,,refunded,{paid},USD,0,0,20,0,20,2024-01-07 10:00:00 -0500,,9");
    check(file, &row, "guest:paid(9,20) guest:refunded(9,import,20) guest:cancelled(9)");
    check(file, "#10,a@x,paid,,USD,0,0,0,0,0,,2024-01-07 10:00:00 -0500,10", "a@x:paid(10,0)");
}

#[test]
fn money_given_back_at_an_unknown_time_counts_from_the_cancellation_or_the_payment() {
    let at = |row: &str| {
        let mut file = File::new(Preset::ShopifyOrders, EXPORT, &[]);
        let cells = ByteRecord::from(row.split(',').collect::<Vec<_>>());
        let facts = file.orders.read(Row { header: &file.header, cells: &cells }).unwrap();
        facts[1].occurred_at.to_string()
    };
    assert_eq!(at("#1,a,refunded,2024-01-05 10:00Z,USD,0,0,20,0,5,2024-01-07 10:00Z,,1"), "2024-01-07T10:00:00Z");
    assert_eq!(at("#1,a,refunded,2024-01-05 10:00Z,USD,0,0,20,0,5,,,1"), "2024-01-05T10:00:00Z");
}

/// What a shop may say of an order in an export, and what of it then counts; none if it says nothing that counts or not.
const STATES: [(&str, Option<bool>); 4] =
    [("completed", Some(true)), ("cancelled", Some(false)), ("refunded", Some(false)), ("pending", None)];

/// Whether an order counts by the facts told of it: of each key the latest revision rules, at equal revisions the greater
/// value, and of a cancellation and a restoration the later by its date (section 4 of the semantics).
fn counts(facts: &[Fact]) -> bool {
    let latest = |of: fn(&FactBody) -> Option<u64>| {
        let told = facts.iter().filter_map(|fact| Some((fact.revision, fact.occurred_at, of(&fact.body)?)));
        told.max().map(|(_, at, amount)| (at, amount))
    };
    let paid =
        latest(
            |body| if let FactBody::OrderPaid(_, it) = body { Some(it.charge.total.ten_thousandths()) } else { None },
        );
    let refunded =
        latest(
            |body| if let FactBody::OrderRefunded(.., it) = body { Some(it.amount.ten_thousandths()) } else { None },
        );
    let cancelled = latest(|body| matches!(body, FactBody::OrderCancelled(_)).then_some(0)).map(|(at, _)| at);
    let restored = latest(|body| matches!(body, FactBody::OrderRestored(_)).then_some(0)).map(|(at, _)| at);
    let left = paid.map_or(0, |(_, total)| total.saturating_sub(refunded.map_or(0, |(_, amount)| amount)));
    left > 0 && (cancelled.is_none() || restored > cancelled)
}

/// All sequences of what two to six exports may say of an order, whatever is known of when they were exported.
#[test]
fn an_order_counts_if_the_last_export_that_says_so_has_it_as_paid() {
    let day = |day: u32| Instant::parse(&format!("2025-0{day}-01T00:00:00Z")).unwrap();
    let dated: [fn(u32) -> Option<u32>; 4] = [Some, |_| Some(9), |_| Some(1), |_| None];
    for (count, dated) in (2..=6).flat_map(|count| dated.map(|dated| (count, dated))) {
        for sequence in 0..STATES.len().pow(count) {
            for (is_dated, varies) in [(false, true), (false, false), (true, true)] {
                let names = "order_id,member_id,occurred_at,total,refunded,kind,cancelled_at";
                let kinds = ["completed=order", "cancelled=cancelled", "refunded=refunded", "pending=ignore"];
                let mut file = File::new(Preset::Orders, names, &kinds);
                let (mut facts, mut expected, mut said) = (Vec::new(), false, Vec::new());
                for number in 1..=count {
                    let (state, is_counted) = STATES[sequence / STATES.len().pow(number - 1) % STATES.len()];
                    file.orders.next_file(dated(number).map(day));
                    let total = if varies { 200 + number } else { 200 };
                    let cancelled_at = if is_dated && state == "cancelled" { "2025-02-10" } else { "" };
                    let row = format!("1,anna,2025-01-20,{total},,{state},{cancelled_at}");
                    let cells = ByteRecord::from(row.split(',').collect::<Vec<_>>());
                    facts.extend(file.orders.read(Row { header: &file.header, cells: &cells }).unwrap_or_default());
                    expected = is_counted.unwrap_or(expected);
                    said.push(state);
                }
                let known = dated(1);
                assert_eq!(counts(&facts), expected, "{said:?}, exported {known:?}, {is_dated} {varies}: {facts:#?}");
            }
        }
    }
}
