//! The messages that ingest reads from its queue: [`engine::ingest::read`].

use engine::ingest::{native, read};
use rules::fact::{Fact, ReceivedFact};
use serde_json::Value;
use shopify;
use store::records::{Quarantined, Reason};

use super::{usd, written_and_read};

/// Checks that a message is quarantined for a reason without its content, or gives facts of the shop that its envelope names.
pub fn check(data: &[u8]) {
    let Ok(body) = std::str::from_utf8(data) else { return }; // the queue holds texts
    let (shop, facts) = match read(body, usd()) {
        Ok(found) => found,
        Err(quarantined) => return tells_nothing(&quarantined),
    };
    // A part that ingest does not read may be invalid text (half a surrogate pair); the whole is then not a JSON value.
    let envelope: Value = serde_json::from_str(body).unwrap_or_default();
    match envelope["source"].as_str().map(|source| source.strip_prefix("echelon.shop/")) {
        Some(Some(named)) => assert_eq!(named.to_ascii_lowercase(), shop.as_str()),
        Some(None) => {
            let named = shopify::source(data).and_then(|source| source.shop);
            assert_eq!(named.map(|shop| shop.to_ascii_lowercase()).as_deref(), Some(shop.as_str()));
        }
        None => {}
    }
    for fact in facts {
        written_and_read(&fact);
        let event = ReceivedFact::of(fact.clone()).to_json();
        let told = native(&shop, &event, fact.occurred_at);
        assert_eq!(read(&told, usd()), Ok((shop.clone(), vec![fact])), "{told}");
    }
}

fn tells_nothing(quarantined: &Quarantined) {
    assert_eq!(Reason::named(quarantined.reason.code()), Some(quarantined.reason));
    assert!(quarantined.topic.is_none_or(|topic| Fact::TYPES.contains(&topic)), "{quarantined:?}");
    let plain = |path: &String| path.starts_with('$') && path.len() <= 100 && !path.contains(['"', ' ', '@']);
    assert!(quarantined.paths.iter().all(plain), "{quarantined:?}");
}
