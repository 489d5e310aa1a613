//! Untrusted input: each target takes any bytes, and asserts what must hold for the result.
//!
//! `tests/fuzz/run` lets a fuzzer search for bytes for which it does not hold. `fuzz_corpus.rs` replays the seeds, and
//! damaged ones, with every run of the tests.

pub mod compact;
pub mod envelope;
pub mod import;
pub mod program;
mod sample;
pub mod shopify;

use rules::fact::{Charge, Currency, Fact, FactBody, OrderPaid, ReceivedFact, Refunded};
use rules::quantity::Amount;

/// The check of a target.
pub type Target = fn(&[u8]);

/// Every target, by the name of its folder of seeds.
pub const TARGETS: [(&str, Target); 5] = [
    ("compact", compact::check),
    ("envelope", envelope::check),
    ("import", import::check),
    ("program", program::check),
    ("shopify", shopify::check),
];

/// The currency of all programs here.
fn usd() -> Currency {
    Currency::from_code("USD").unwrap()
}

/// Splits off the first line, which has the options for the rest.
fn first_line(data: &[u8]) -> (&str, &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    (std::str::from_utf8(&data[..end]).unwrap_or_default(), data.get(end + 1..).unwrap_or_default())
}

/// Checks that a fact is within the bounds of section 3, and reads as it was written.
fn written_and_read(fact: &Fact) {
    let told = ReceivedFact::of(fact.clone());
    let text = told.to_json().to_string();
    let read = Fact::read(&serde_json::from_str(&text).unwrap(), usd());
    assert_eq!(read.as_ref(), Ok(&told), "{text}");
    let amounts = match &fact.body {
        FactBody::OrderPaid(_, OrderPaid { charge, .. }) => {
            let Charge { total, tax, shipping, tips, duties, discounts, gift_cards, paid_with_credit, .. } = *charge;
            vec![total, tax, shipping, tips, duties, discounts, gift_cards, paid_with_credit]
        }
        FactBody::OrderRefunded(.., Refunded { amount, parts }) => {
            parts.each().into_iter().flatten().chain([*amount]).collect()
        }
        _ => Vec::new(),
    };
    for amount in amounts {
        assert_eq!(Amount::parse(&amount.to_string()), Ok(amount), "{text}");
    }
}
