//! Quarantines messages that can never succeed: a row says why, and the body is kept for a replay.

use std::fmt::Write as _;
use std::future::Future;

use rules::fact::Fact;
use rules::json::Problems;
use serde_json::Value;
use sha2::{Digest, Sha256};
use shopify::DocumentError;
use store::records::{Quarantined, Reason};
use store::shop::ShopId;

use crate::transport::TransportError;

/// Describes a fact with problems.
pub(super) fn invalid(shop: &ShopId, event: &Value, problems: &Problems) -> Quarantined {
    let is_never_sent = event.get("type").and_then(Value::as_str).is_some_and(|kind| Fact::NEVER_SENT.contains(&kind));
    let reason = if is_never_sent { Reason::NothingToSend } else { Reason::Invalid };
    Quarantined::of(shop, reason).at_all(problems.iter())
}

/// Describes a rejected document from Shopify.
pub(super) fn rejected(shop: Option<ShopId>, rejected: &DocumentError) -> Quarantined {
    let (reason, path) = match rejected {
        DocumentError::Empty | DocumentError::NotJson { .. } => (Reason::NotAnEvent, None),
        DocumentError::UnknownTopic { .. } => (Reason::UnknownTopic, None),
        DocumentError::Missing { path } | DocumentError::Unreadable { path, .. } => (Reason::Invalid, Some(*path)),
        DocumentError::MixedCurrencies { path, .. } => (Reason::MixedCurrencies, Some(*path)),
        DocumentError::SeveralOrders => (Reason::Invalid, None),
        DocumentError::CutShort { path } => (Reason::Invalid, Some(*path)),
        DocumentError::OversizeStub { .. } => (Reason::OversizeStub, None),
        DocumentError::NoInstant { .. } => (Reason::NoInstant, None),
    };
    Quarantined { shop, reason, topic: None, paths: path.map(str::to_owned).into_iter().collect() }
}

/// The id of a quarantined body; the same body always has the same id.
pub(super) fn id(body: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(body.as_bytes()).into();
    digest.iter().take(16).fold(String::with_capacity(32), |mut id, byte| {
        let _ = write!(id, "{byte:02x}");
        id
    })
}

/// The store of quarantined bodies, encrypted, for at most 14 days.
pub trait Quarantine: Send + Sync {
    /// Stores bodies, each under an id of its own; storing them twice does no harm.
    ///
    /// # Errors
    /// The reason why one of them was not stored; others may be. Their messages are then redelivered.
    fn put(&self, bodies: &[(String, &str)]) -> impl Future<Output = Result<(), TransportError>> + Send;
}
