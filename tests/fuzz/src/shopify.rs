//! Shopify's webhooks: [`shopify::read`]. The first line is the topic hint for a bare body, and may be empty; the rest
//! is the document.

use serde_json::Value;
use shopify::{Outcome, read, source};

use super::{first_line, written_and_read};

/// Checks that a document has an outcome, the same one in an envelope, and that its facts are within bounds.
pub fn check(data: &[u8]) {
    let (hint, document) = first_line(data);
    let hint = Some(hint).filter(|hint| !hint.is_empty());
    let outcome = read(document, hint);
    let from = source(document);
    match &outcome {
        Outcome::Facts { shop, facts } => {
            assert!(!facts.is_empty());
            assert_eq!(*shop, from.as_ref().and_then(|source| source.shop.clone()), "what a body says is not believed");
            for told in facts {
                assert_eq!(told.received_at, None);
                written_and_read(&told.fact);
            }
        }
        Outcome::Ignored(why) => assert!(!why.code().is_empty() && !why.to_string().is_empty()),
        Outcome::Rejected(why) => assert!(!why.code().is_empty() && !why.to_string().is_empty()),
    }
    match (from, hint) {
        (Some(_), _) => {
            assert_eq!(read(document, Some("orders/paid")), read(document, None), "its envelope names the topic")
        }
        (None, Some(hint)) => is_the_same_enveloped(document, hint, &outcome),
        (None, None) => {}
    }
}

/// Checks that an envelope that says no more than the hint gives the same facts.
fn is_the_same_enveloped(document: &[u8], hint: &str, outcome: &Outcome) {
    let Outcome::Facts { facts, .. } = outcome else { return };
    let body = std::str::from_utf8(document).unwrap().trim_start_matches('\u{feff}');
    let topic = Value::from(hint);
    let envelope = format!(
        r#"{{"detail-type":"shopifyWebhook","detail":{{"metadata":{{"X-Shopify-Topic":{topic}}},"payload":{body}}}}}"#
    );
    assert_eq!(read(envelope.as_bytes(), None), Outcome::Facts { shop: None, facts: facts.clone() }, "{envelope}");
}
