//! Messages that can never succeed are quarantined. The body is in an encrypted queue for at most 14 days. A row says
//! why; its fields contain nothing from the body except values from known lists.

use rules::json::Problem;
use serde::{Deserialize, Serialize};

use crate::shop::ShopId;

/// The reason why a message can never succeed as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Not JSON, or not an event in EventBridge's envelope.
    NotAnEvent,
    /// An event from a source that sends no facts.
    UnknownSource,
    /// The shop has published no program.
    UnknownShop,
    /// The topic is not known.
    UnknownTopic,
    /// A fact with problems; the paths locate them.
    Invalid,
    /// Dated more than five minutes after its arrival.
    FromTheFuture,
    /// Two customers were merged, before this release: since then a merge is a fact.
    MergeNotSupported,
    /// Points were redeemed or expired, which is no fact: it never lowers what was earned.
    NothingToSend,
    /// Only an id arrived, because the payload was too large.
    OversizeStub,
    /// Amounts of one order in several currencies.
    MixedCurrencies,
    /// It contains no instant.
    NoInstant,
    /// The facts about one subject have grown beyond what an item can hold.
    TooLarge,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 12] = [
        Self::NotAnEvent,
        Self::UnknownSource,
        Self::UnknownShop,
        Self::UnknownTopic,
        Self::Invalid,
        Self::FromTheFuture,
        Self::MergeNotSupported,
        Self::NothingToSend,
        Self::OversizeStub,
        Self::MixedCurrencies,
        Self::NoInstant,
        Self::TooLarge,
    ];

    /// The reason of a code.
    pub fn named(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// The stable code for counts and for files.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotAnEvent => "not_an_event",
            Self::UnknownSource => "unknown_source",
            Self::UnknownShop => "unknown_shop",
            Self::UnknownTopic => "unknown_topic",
            Self::Invalid => "invalid",
            Self::FromTheFuture => "from_the_future",
            Self::MergeNotSupported => "merge_not_supported",
            Self::NothingToSend => "nothing_to_send",
            Self::OversizeStub => "oversize_stub",
            Self::MixedCurrencies => "mixed_currencies",
            Self::NoInstant => "no_instant",
            Self::TooLarge => "too_large",
        }
    }

    /// The advice what to do about it.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::NotAnEvent => "send an event in EventBridge's envelope, as JSON",
            Self::UnknownSource => "send with the source `echelon.shop/SHOP`, or over Shopify's partner bus",
            Self::UnknownShop => "publish the shop's program, then replay this",
            Self::UnknownTopic => "drop the subscription, or name one of the known topics or types",
            Self::Invalid => "correct the fields that are named and send the event again",
            Self::FromTheFuture => "set the sender's clock right and send the event again, or replay it later",
            Self::MergeNotSupported => "replay it: a merge is a fact now",
            Self::NothingToSend => {
                "stop sending it: redeeming or expiring points never lowers what was earned, and nothing is lost"
            }
            Self::OversizeStub => {
                "fetch the resource (of a refund, its order) by the Admin API, read the answer with `echelon import`, and load the events with `echelon load`"
            }
            Self::MixedCurrencies => "send all amounts of an order in the shop's currency",
            Self::NoInstant => "send it in its envelope, which says when it was triggered",
            Self::TooLarge => {
                "so much about one thing (corrections of an order, tags, a text, more than 32 ids of one member) is a mistake upstream: correct it there; of a document, send its facts one by one"
            }
        }
    }
}

/// The reason for a quarantined message, and the details that may be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// The shop that its envelope names, if any.
    pub shop: Option<ShopId>,
    /// The reason.
    pub reason: Reason,
    /// The topic or type of the event, if it is known.
    pub topic: Option<&'static str>,
    /// The JSON paths of fields with problems; never their values.
    pub paths: Vec<String>,
}

impl Quarantined {
    /// A message of a shop.
    pub fn of(shop: &ShopId, reason: Reason) -> Self {
        Self { shop: Some(shop.clone()), reason, topic: None, paths: Vec::new() }
    }

    /// A message that names no shop.
    pub fn unattributed(reason: Reason) -> Self {
        Self { shop: None, reason, topic: None, paths: Vec::new() }
    }

    /// Adds the path of a field.
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.paths.push(path.into());
        self
    }

    /// Adds the paths of problems. A path can quote a field's name from the body; only paths of ordinary characters and
    /// length are kept.
    pub fn at_all<'a>(mut self, problems: impl IntoIterator<Item = &'a Problem>) -> Self {
        let plain =
            |path: &&str| path.len() <= 100 && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"$._[]".contains(&b));
        let paths = problems.into_iter().map(|problem| problem.path.as_str()).filter(plain);
        self.paths.extend(paths.map(str::to_owned));
        self
    }

    /// Adds its topic or type, if it is known.
    pub fn about(mut self, topic: Option<&'static str>) -> Self {
        self.topic = topic;
        self
    }
}
