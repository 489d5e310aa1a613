//! The envelope around a payload: EventBridge's, in both of Shopify's spellings, or none.

use std::collections::BTreeMap;

use rules::calendar::Instant;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::body::Body;
use super::json::{Nested, Scalar};
use super::reason::{Fault, Result};
use super::{DocumentError, value};

/// The source of an enveloped document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// The shop's domain. The shop named in a body is never trusted.
    pub shop: Option<String>,
    /// The topic in the sender's words.
    pub topic: Option<String>,
    /// The instant at which Shopify triggered the webhook.
    pub triggered_at: Option<Instant>,
    /// The instant at which EventBridge accepted it.
    pub accepted_at: Option<Instant>,
}

/// The detail-type of Shopify's events.
const DETAIL_TYPE: &str = "shopifyWebhook";

/// The body that a document is or holds, and the source that its envelope names.
///
/// A bare body is recognized by its second field at the latest, because an envelope has only EventBridge's own fields.
pub(super) fn open(document: &[u8]) -> Result<(Option<Source>, Box<Body<'_>>)> {
    let text = text(document)?;
    let why_none = match serde_json::from_str::<Nested<Envelope<'_>>>(text) {
        Ok(Nested::Object(envelope)) if envelope.detail_type.text() == Some(DETAIL_TYPE) => return envelope.opened(),
        Ok(_) => None,
        Err(error) if error.is_data() => Some(error),
        Err(error) => return Err(fault(error)),
    };
    let body = body(text)?;
    match why_none {
        Some(error) if body.detail_type.text() == Some(DETAIL_TYPE) => Err(fault(error)),
        _ => Ok((None, body)),
    }
}

/// The body that a text is.
pub(super) fn body(text: &str) -> Result<Box<Body<'_>>> {
    object(serde_json::from_str(text).map_err(fault)?, "$")
}

/// The source that an envelope names, even if other parts of it are unreadable.
pub(super) fn source(document: &[u8]) -> Option<Source> {
    let whole: Whole<'_> = serde_json::from_str(text(document).ok()?).ok()?;
    let (Some(DETAIL_TYPE), Nested::Object(mut detail)) = (whole.detail_type.text(), whole.detail) else { return None };
    if let Nested::Object(headers) = &mut detail.metadata {
        // The trigger time is not needed for filing, and may be the unreadable part.
        headers.retain(|name, _| !name.to_ascii_lowercase().ends_with("triggered-at"));
    }
    sent(detail.metadata.object("").ok()??).ok()
}

/// An envelope of which only the headers are read.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", bound(deserialize = "'de: 'a"))]
struct Whole<'a> {
    detail_type: Scalar<'a>,
    detail: Nested<Headers<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Headers<'a> {
    metadata: Nested<BTreeMap<String, Scalar<'a>>>,
}

/// The fields that EventBridge puts around a payload; some are listed only so that they are known.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case", bound(deserialize = "'de: 'a"))]
struct Envelope<'a> {
    version: IgnoredAny,
    id: IgnoredAny,
    detail_type: Scalar<'a>,
    source: IgnoredAny,
    account: IgnoredAny,
    time: Scalar<'a>,
    region: IgnoredAny,
    resources: IgnoredAny,
    replay_name: IgnoredAny,
    detail: Nested<Detail<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Detail<'a> {
    /// The headers of the webhook.
    metadata: Nested<BTreeMap<String, Scalar<'a>>>,
    payload: Nested<Box<Body<'a>>>,
}

impl<'a> Envelope<'a> {
    fn opened(self) -> Result<(Option<Source>, Box<Body<'a>>)> {
        let detail = object(self.detail, "$.detail")?;
        let mut source = match detail.metadata.object("$.detail.metadata")? {
            Some(headers) => sent(headers)?,
            None => Source::default(),
        };
        source.accepted_at = value::instant(&self.time, "$.time")?;
        Ok((Some(source), object(detail.payload, "$.detail.payload")?))
    }
}

pub(super) fn object<T>(value: Nested<T>, path: &'static str) -> Result<T> {
    match value {
        Nested::Object(object) => Ok(object),
        Nested::Absent => Err(DocumentError::missing(path)),
        Nested::List(_) | Nested::Other => Err(DocumentError::unreadable(path, "must be an object")),
    }
}

/// Reads `X-Shopify-Topic` as well as `shopify-topic`: header names are case-insensitive, and the newer ones have no `X-`.
fn sent(headers: &BTreeMap<String, Scalar<'_>>) -> Result<Source> {
    let mut source = Source::default();
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        match name.strip_prefix("x-").unwrap_or(&name) {
            "shopify-topic" => source.topic = value.text().map(str::to_owned),
            "shopify-shop-domain" => source.shop = value.text().map(str::to_owned),
            "shopify-triggered-at" => {
                source.triggered_at = value::instant(value, "$.detail.metadata.X-Shopify-Triggered-At")?;
            }
            _ => {}
        }
    }
    Ok(source)
}

/// The text of a document, which must be UTF-8 and not empty.
pub(super) fn text(document: &[u8]) -> Result<&str> {
    let text = std::str::from_utf8(document).map_err(|error| DocumentError::NotJson { problem: error.to_string() })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_ascii().is_empty() { Err(DocumentError::Empty.into()) } else { Ok(text) }
}

/// The fault behind a reader's error. The text may be valid JSON and still wrong: a field that comes twice, or half a
/// surrogate pair.
#[cold]
pub(super) fn fault(error: serde_json::Error) -> Fault {
    if error.is_data() {
        return DocumentError::unreadable("$", error);
    }
    DocumentError::NotJson { problem: error.to_string() }.into()
}
