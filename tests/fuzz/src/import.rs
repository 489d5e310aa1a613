//! Tables of orders: [`echelon::import`]. The first line gives the options in words: a preset, the delimiter, a time
//! zone, a currency, a format of times. The rest is the file.

use csv::ReaderBuilder;
use echelon::import::columns::Mapping;
use echelon::import::orders::{Orders, Reading};
use echelon::import::outcome::Outcome;
use echelon::import::preset::Preset;
use echelon::import::report::{Report, SourceLocation};
use echelon::import::table::{Layout, Table};
use echelon::import::time::Clock;
use rules::fact::{Currency, Fact, FactBody, ReceivedFact};
use serde_json::Value;

use super::{first_line, written_and_read};

/// Checks that every row of a file is accounted for on its own line, and that all facts are within bounds.
pub fn check(data: &[u8]) {
    let (words, file) = first_line(data);
    let options = Options::of(words);
    let mut orders = options.orders();
    let Ok(imported) = options.import(&mut orders, file) else { return };
    let (rows, is_whole) = (&imported.rows, imported.ended.is_none());

    // Returns that wait for the end of the file come last.
    let mut lines: Vec<u64> = rows.iter().map(|row| row.line).collect();
    lines.sort_unstable();
    assert!(lines.is_sorted_by(|one, next| one < next), "{rows:?}");
    assert_eq!(imported.report["read"], rows.len());
    let total = |outcome: &str| imported.report[outcome]["total"].as_u64().unwrap();
    let with_facts = imported.report["with_facts"].as_u64().unwrap();
    assert_eq!(imported.report["read"], with_facts + total("ignored") + total("rejected"));
    for told in rows.iter().flat_map(|row| row.facts.iter().flatten()) {
        let mut fact = told.fact.clone();
        written_and_read(&fact);
        fact.mark_imported();
        written_and_read(&fact);
    }
    // Each of these reads the file again, which takes most of the time, so they take turns.
    match file.len() % 3 {
        0 => {
            let found = options.records(file);
            assert!(rows.len() + 1 == found || !is_whole && rows.len() + 1 < found, "{} rows of {found}", rows.len());
        }
        1 if is_whole && total("rejected") == 0 => {
            orders.next_file(None);
            let again = options.import(&mut orders, file).unwrap();
            assert_eq!(again.report["with_facts"], 0, "what was read is not read again: {again:?}");
        }
        2 if !file.contains(&b'\r') => {
            let returned = file.iter().flat_map(|byte| if *byte == b'\n' { b"\r\n".to_vec() } else { vec![*byte] });
            let elsewhere = options.import(&mut options.orders(), &returned.collect::<Vec<_>>()).unwrap();
            assert_eq!(elsewhere, imported, "line ends mean nothing");
        }
        _ => {}
    }
}

/// The options of the command line.
struct Options {
    layout: Layout,
    timezone: String,
    currency: Option<Currency>,
    format: Option<String>,
}

/// The result of a file.
#[derive(Debug, PartialEq)]
struct Imported {
    rows: Vec<Row>,
    /// The reason why reading stopped early.
    ended: Option<String>,
    report: Value,
}

#[derive(Debug, PartialEq)]
struct Row {
    line: u64,
    facts: Option<Vec<ReceivedFact>>,
}

impl Options {
    fn of(words: &str) -> Self {
        let (words, format) =
            words.split_once('%').map_or((words, None), |(words, rest)| (words, Some(format!("%{rest}"))));
        let words: Vec<&str> = words.split(' ').collect();
        let has = |word: &str| words.contains(&word);
        let preset = match () {
            () if has("shopify-orders") => Preset::ShopifyOrders,
            () if has("invoices") => Preset::Invoices,
            () if has("woocommerce") => Preset::WooCommerce,
            () if has("square") => Preset::Square,
            () if has("stripe") => Preset::Stripe,
            () if has("bigcommerce") => Preset::BigCommerce,
            () if has("magento") => Preset::Magento,
            () => Preset::Orders,
        };
        let delimiter = if has(";") {
            b';'
        } else if has("tab") {
            b'\t'
        } else {
            b','
        };
        let currency = words.iter().find_map(|word| Currency::from_code(word));
        let mapping = Mapping { preset, columns: Vec::new(), has_currency: currency.is_some() };
        let timezone = words.iter().find(|word| word.contains('/') || **word == "UTC").copied().unwrap_or_default();
        Self { layout: Layout { mapping, delimiter }, timezone: timezone.to_owned(), currency, format }
    }

    /// A reader that has not read anything yet.
    fn orders(&self) -> Orders {
        let kinds = self.layout.mapping.preset.kinds().iter();
        let kinds = kinds.map(|(word, meaning)| ((*word).to_owned(), *meaning)).collect();
        let clock = Clock {
            timezone: rules::calendar::Zones::built_in().named(&self.timezone).ok(),
            format: self.format.clone(),
        };
        let preset = self.layout.mapping.preset;
        let guests = preset.guest().map(str::to_owned).into_iter().collect();
        Orders::new(Reading { kinds, currency: self.currency, clock, notation: preset.notation(), guests })
    }

    fn import(&self, orders: &mut Orders, file: &[u8]) -> Result<Imported, String> {
        let mut table = Table::open(file, &self.layout).map_err(|error| error.to_string())?;
        let (mut report, mut rows) = (Report::default(), Vec::new());
        report.opened("file", table.header());
        let ended = loop {
            match table.next(orders) {
                Ok(Some((place, outcome))) => rows.push(row(&mut report, place, outcome)),
                Ok(None) => break None,
                Err(error) => break Some(error.to_string()),
            }
        };
        assert!(!report.to_string().is_empty());
        Ok(Imported { rows, ended, report: serde_json::to_value(report).unwrap() })
    }

    /// The number of records found by a plain CSV reader.
    fn records(&self, file: &[u8]) -> usize {
        let lines = String::from_utf8_lossy(file).replace("\r\n", "\n").replace('\r', "\n");
        let mut reader = ReaderBuilder::new();
        reader.has_headers(false).flexible(true).delimiter(self.layout.delimiter);
        reader.from_reader(lines.as_bytes()).byte_records().count()
    }
}

/// Counts a row as the command does.
fn row(report: &mut Report, place: SourceLocation, outcome: Outcome) -> Row {
    let SourceLocation::Line(line) = place else { panic!("{place:?}") };
    let why = match outcome {
        Outcome::Facts(facts) => {
            let lines: Vec<Value> = facts.iter().map(ReceivedFact::to_json).collect();
            assert!(!lines.is_empty() && facts.iter().all(|told| is_of_an_order(&told.fact)));
            report.gave(&lines);
            return Row { line, facts: Some(facts) };
        }
        Outcome::Ignored(why) => report.ignored("file", place, &why),
        Outcome::Rejected(why) => report.rejected("file", place, &why),
    };
    assert!(why["reason"].is_string() && why["line"] == line, "{why}");
    Row { line, facts: None }
}

fn is_of_an_order(fact: &Fact) -> bool {
    matches!(fact.body, FactBody::OrderPaid(..) | FactBody::OrderRefunded(..) | FactBody::OrderCancelled(_))
}
