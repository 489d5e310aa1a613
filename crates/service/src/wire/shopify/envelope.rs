//! What stands around a payload: EventBridge's envelope, in both of Shopify's spellings, or nothing.

use rules::calendar::Instant;

use super::scan::{Result, Scalar, Scan};
use super::{Rejected, value};

/// Where an enveloped document comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// The shop's domain. What a body says about its shop is never believed.
    pub shop: Option<String>,
    /// The topic in the sender's words.
    pub topic: Option<String>,
    /// When Shopify triggered the webhook.
    pub triggered_at: Option<Instant>,
    /// When EventBridge took it in.
    pub accepted_at: Option<Instant>,
}

/// The detail-type of Shopify's events.
const DETAIL_TYPE: &str = "shopifyWebhook";

/// The source and the payload of an envelope; nothing if the document is a bare body.
///
/// A bare body is known by its second field at the latest: an envelope has none but EventBridge's own.
pub(super) fn open<'a>(document: &Scan<'a>) -> Result<Option<(Source, Scan<'a>)>> {
    let mut scan = document.clone();
    let (mut is_envelope, mut detail_type, mut source, mut payload) = (true, Scalar::Absent, Source::default(), None);
    let walked = scan.object("$", |scan, key| {
        match key {
            "detail-type" => detail_type = scan.scalar()?,
            "time" => source.accepted_at = value::instant(&scan.scalar()?, "$.time")?,
            "detail" => payload = detail(scan, &mut source)?,
            "version" | "id" | "source" | "account" | "region" | "resources" | "replay-name" => scan.skip()?,
            _ => {
                is_envelope = false;
                return Err(Rejected::Empty.into()); // stops the walk; never shown
            }
        }
        Ok(())
    });
    if !is_envelope || !matches!(detail_type.text(), Some(DETAIL_TYPE)) {
        return Ok(None);
    }
    walked?;
    scan.end()?;
    let payload = payload.ok_or_else(|| Rejected::missing("$.detail.payload"))?;
    Ok(Some((source, payload)))
}

fn detail<'a>(scan: &mut Scan<'a>, source: &mut Source) -> Result<Option<Scan<'a>>> {
    let mut payload = None;
    scan.object("$.detail", |scan, key| {
        match key {
            "payload" => payload = Some(scan.later()?),
            "metadata" => metadata(scan, source)?,
            _ => scan.skip()?,
        }
        Ok(())
    })?;
    Ok(payload)
}

/// Reads `X-Shopify-Topic` as well as `shopify-topic`: header names know no case, and the newer ones have no `X-`.
fn metadata(scan: &mut Scan<'_>, source: &mut Source) -> Result<()> {
    scan.object("$.detail.metadata", |scan, key| {
        let name = key.to_ascii_lowercase();
        match name.strip_prefix("x-").unwrap_or(&name) {
            "shopify-topic" => source.topic = scan.scalar()?.text().map(str::to_owned),
            "shopify-shop-domain" => source.shop = scan.scalar()?.text().map(str::to_owned),
            "shopify-triggered-at" => {
                let path = "$.detail.metadata.X-Shopify-Triggered-At";
                source.triggered_at = value::instant(&scan.scalar()?, path)?;
            }
            _ => scan.skip()?,
        }
        Ok(())
    })?;
    Ok(())
}
