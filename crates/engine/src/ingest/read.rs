//! Reads events in EventBridge's envelope, which names the shop. A shop named in the body is never trusted.

use rules::calendar::Instant;
use rules::fact::{Currency, Fact};
use rules::json::{Problem, repeated};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use store::records::{Quarantined, Reason};
use store::shop::ShopId;

use super::document::{DOCUMENT, ERASED, FACTS, FACTS_MAX};
use super::quarantine;

/// The prefix of the source of a shop's own events; the shop's name follows.
pub const NATIVE: &str = "echelon.shop/";
/// The prefix of the source of Shopify's events.
const SHOPIFY: &str = "aws.partner/shopify.com/";

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    source: std::borrow::Cow<'a, str>,
    #[serde(borrow, rename = "detail-type")]
    detail_type: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    detail: &'a RawValue,
}

/// A message with its shop.
pub(super) struct Opened {
    pub(super) shop: ShopId,
    pub(super) content: Content,
}

/// The content of a message.
pub(super) enum Content {
    /// An event of section 4, not decoded yet: its currency may be the program's.
    Native(Value),
    /// Several of them, which arrive at once.
    Document(Vec<Value>),
    /// The facts of a foreign event.
    Facts(Vec<Fact>),
    /// An event without consequence.
    Nothing,
}

/// Opens the envelope of a message.
pub(super) fn open(body: &str) -> Result<Opened, Quarantined> {
    let unattributed = || Quarantined::unattributed(Reason::NotAnEvent);
    let envelope: Envelope<'_> = serde_json::from_str(body).map_err(|_| unattributed())?;
    if let Some(shop) = envelope.source.strip_prefix(NATIVE) {
        let shop = ShopId::new(shop).map_err(|_| Quarantined::unattributed(Reason::UnknownSource))?;
        let mut event = event(&shop, envelope.detail.get())?;
        let envelope_type = envelope.detail_type.clone();
        let unlike = event.get("type").is_some_and(|kind| kind.as_str() != Some(&*envelope.detail_type));
        match event.as_object_mut() {
            Some(fields) if !unlike => {
                fields.insert("type".to_owned(), Value::from(envelope.detail_type));
            }
            Some(_) => return Err(Quarantined::of(&shop, Reason::Invalid).at("$.detail-type").at("$.detail.type")),
            None => return Err(Quarantined::of(&shop, Reason::Invalid).at("$.detail")),
        }
        let content = if envelope_type == DOCUMENT { parts(&shop, event)? } else { Content::Native(event) };
        return Ok(Opened { shop, content });
    }
    if envelope.source.starts_with(SHOPIFY) {
        return foreign(body);
    }
    Err(Quarantined::unattributed(Reason::UnknownSource))
}

/// The facts of a document. None erases a member: an erasure is never half of something.
fn parts(shop: &ShopId, mut document: Value) -> Result<Content, Quarantined> {
    let invalid = |path: &str| Quarantined::of(shop, Reason::Invalid).at(path).about(Some(DOCUMENT));
    let Some(Value::Array(facts)) = document.get_mut(FACTS).map(Value::take) else { return Err(invalid("$.facts")) };
    if facts.is_empty() || facts.len() > FACTS_MAX {
        return Err(invalid("$.facts"));
    }
    // What is said beside the facts would be said of none of them.
    let known = ["type", FACTS, "document"];
    let beside = document.as_object().into_iter().flat_map(|fields| fields.keys());
    let unknown: Vec<Problem> = beside
        .filter(|field| !known.contains(&field.as_str()))
        .map(|field| Problem { path: format!("$.{field}"), message: "is not known beside the facts".to_owned() })
        .collect();
    if !unknown.is_empty() {
        return Err(Quarantined::of(shop, Reason::Invalid).at_all(&unknown).about(Some(DOCUMENT)));
    }
    let is_wrong = |fact: &Value| !fact.is_object() || fact.get("type").and_then(Value::as_str) == Some(ERASED);
    match facts.iter().position(is_wrong) {
        Some(place) => Err(invalid(&format!("$.facts[{place}]"))),
        None => Ok(Content::Document(facts)),
    }
}

/// Decodes an event in which no field is repeated: of two values, either could be meant. The envelope is valid JSON,
/// but its detail may still contain what no reader takes: a number that is too large, an incomplete character, lists
/// nested without end.
fn event(shop: &ShopId, detail: &str) -> Result<Value, Quarantined> {
    let read = repeated(detail).and_then(|twice| Ok((serde_json::from_str(detail)?, twice)));
    match read {
        Err(_) => Err(Quarantined::of(shop, Reason::Invalid).at("$.detail")),
        Ok((event, twice)) if twice.is_empty() => Ok(event),
        Ok((_, twice)) => Err(Quarantined::of(shop, Reason::Invalid).at_all(&twice)),
    }
}

fn foreign(body: &str) -> Result<Opened, Quarantined> {
    let shop = || {
        let named = shopify::source(body.as_bytes()).and_then(|source| source.shop);
        named.and_then(|shop| ShopId::new(&shop).ok())
    };
    let opened = |shop: Option<ShopId>, content| match shop {
        Some(shop) => Ok(Opened { shop, content }),
        None => Err(Quarantined::unattributed(Reason::UnknownSource).at("$.detail.metadata.X-Shopify-Shop-Domain")),
    };
    match shopify::read(body.as_bytes(), None) {
        shopify::Outcome::Facts { shop, facts } => {
            let shop = shop.and_then(|shop| ShopId::new(&shop).ok());
            opened(shop, Content::Facts(facts.into_iter().map(|told| told.fact).collect()))
        }
        shopify::Outcome::Ignored(_) => opened(shop(), Content::Nothing),
        shopify::Outcome::Rejected(rejected) => Err(quarantine::rejected(shop(), &rejected)),
    }
}

impl Content {
    /// The facts; none if the event has no consequence. An order without a currency is in `currency`.
    pub(super) fn facts(self, shop: &ShopId, currency: Currency) -> Result<Vec<Fact>, Quarantined> {
        match self {
            Self::Facts(facts) => Ok(facts),
            Self::Nothing => Ok(Vec::new()),
            Self::Native(event) => match Fact::read(&event, currency) {
                Ok(told) => Ok(vec![told.fact]),
                Err(problems) => Err(quarantine::invalid(shop, &event, &problems).about(known_type(&event))),
            },
            Self::Document(facts) => {
                let fact = |(place, event): (usize, &Value)| {
                    Fact::read(event, currency).map(|told| told.fact).map_err(|problems| {
                        let why = quarantine::invalid(shop, event, &problems);
                        let path =
                            |path: String| format!("$.{FACTS}[{place}]{}", path.strip_prefix('$').unwrap_or(&path));
                        Quarantined { paths: why.paths.into_iter().map(path).collect(), ..why }.about(known_type(event))
                    })
                };
                facts.iter().enumerate().map(fact).collect()
            }
        }
    }

    /// Quarantines the content without decoding it.
    pub(super) fn quarantined(&self, shop: &ShopId, reason: Reason) -> Quarantined {
        let topic = match self {
            Self::Native(event) => known_type(event),
            Self::Document(_) => Some(DOCUMENT),
            Self::Facts(_) | Self::Nothing => None,
        };
        Quarantined::of(shop, reason).about(topic)
    }
}

/// Reads one message: its shop, and its facts, none if it has no consequence. An order without a currency is in
/// `currency`. This is all that ingest does with a body before it reads the store.
///
/// # Errors
/// The message can never succeed.
pub fn read(body: &str, currency: Currency) -> Result<(ShopId, Vec<Fact>), Quarantined> {
    let Opened { shop, content } = open(body)?;
    let facts = content.facts(&shop, currency)?;
    Ok((shop, facts))
}

/// The type of an event, if it is known. Unknown types are not passed on.
fn known_type(event: &Value) -> Option<&'static str> {
    let said = event.get("type")?.as_str()?;
    Fact::TYPES.into_iter().find(|kind| *kind == said)
}

/// A shop's own event in its envelope, as the project's bus delivers it.
pub fn native(shop: &ShopId, event: &Value, at: Instant) -> String {
    json!({
        "version": "0",
        "source": format!("{NATIVE}{shop}"),
        "detail-type": event.get("type"),
        "time": at.to_string(),
        "detail": event,
    })
    .to_string()
}
