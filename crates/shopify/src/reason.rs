//! The reasons why a document yields no facts: as data with a stable code, and as a sentence with the remedy.

use std::fmt;

use thiserror::Error;

/// The reasons why a document is ignored. Nothing is wrong and nothing needs to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ignored {
    /// The order has not been paid in full (yet).
    NotPaid {
        /// Shopify's `financial_status`.
        status: String,
    },
    /// A test order that was never paid, such as the example that Shopify sends on request.
    TestOrder,
    /// An order edit has only differences; the `orders/updated` sent with it has the whole order.
    NotASnapshot,
    /// The customer object has no tags (since API 2025-01), and nothing else in it matters to tiers.
    NoTags,
    /// A deleted customer. Only one without orders can be deleted, and erasure comes as `customers/redact`.
    CustomerDeleted,
    /// A merge of two customers that failed, or has not ended yet.
    NotMerged {
        /// Shopify's `status`.
        status: String,
    },
    /// A request about personal data that the privacy endpoints answer.
    PrivacyRequest {
        /// The topic.
        topic: String,
    },
    /// A topic that says nothing about tiers, or nothing that another topic does not say better.
    NotUsed {
        /// The topic.
        topic: String,
    },
}

impl Ignored {
    /// A stable name for counting and for files.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotPaid { .. } => "not_paid",
            Self::TestOrder => "test_order",
            Self::NotASnapshot => "not_a_snapshot",
            Self::NoTags => "no_tags",
            Self::CustomerDeleted => "customer_deleted",
            Self::NotMerged { .. } => "not_merged",
            Self::PrivacyRequest { .. } => "privacy_request",
            Self::NotUsed { .. } => "not_used",
        }
    }
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPaid { status } => {
                write!(
                    f,
                    "the order is `{status}`, it counts once it is paid; nothing to do, its payment arrives as another \
                     webhook"
                )
            }
            Self::TestOrder => f.write_str("a test order that was never paid counts nothing; nothing to do"),
            Self::NotASnapshot => {
                f.write_str("an order edit has only differences; subscribe to `orders/updated`, which has the result")
            }
            Self::NoTags => f.write_str(
                "the customer carries no tags here; subscribe to `customer.tags_added` and `customer.tags_removed` \
                 (since API 2025-01)",
            ),
            Self::CustomerDeleted => f.write_str(
                "a deleted customer has no orders to take away; personal data is erased by `customers/redact`",
            ),
            Self::NotMerged { status } => {
                write!(
                    f,
                    "the merge of the customers is `{status}`; nothing to do, one that is completed arrives as another webhook"
                )
            }
            Self::PrivacyRequest { topic } => {
                write!(f, "`{topic}` is answered by the privacy endpoints, not by the events; route it there")
            }
            Self::NotUsed { topic } => {
                write!(f, "`{topic}` does not affect tiers; the subscription may be dropped")
            }
        }
    }
}

/// The reasons why a document is rejected, with the remedy. Retrying the same bytes never helps.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DocumentError {
    /// The document is empty.
    #[error("the document is empty; send the body of the webhook, or its envelope")]
    Empty,
    /// The document is not JSON, or is cut off.
    #[error("not JSON: {problem}; send the document again, unchanged and whole")]
    NotJson {
        /// The problem, and its place.
        problem: String,
    },
    /// The topic is missing, or Shopify has no such topic.
    #[error("{}; name a topic of Shopify such as `orders/paid`, or send the envelope, which names it", given(topic))]
    UnknownTopic {
        /// The given topic, if there is one.
        topic: Option<String>,
    },
    /// A required field is absent or null.
    #[error(
        "{path} is missing; subscribe without a filter of fields, or send the whole resource; a GraphQL query must ask for it"
    )]
    Missing {
        /// The JSON path; `[]` stands for any item of a list, `..` for any place.
        path: &'static str,
    },
    /// A field has an impossible value.
    #[error("{path}: {problem}; no amount is guessed, correct the field and send the document again")]
    Unreadable {
        /// The JSON path; `[]` stands for any item of a list, `..` for any place.
        path: &'static str,
        /// The problem.
        problem: String,
    },
    /// Amounts of one order are in different currencies; all should be in the shop's.
    #[error("{path} is in {found}, the order in {currency}; all amounts must be in the shop's currency (`shop_money`)")]
    MixedCurrencies {
        /// The JSON path; `[]` stands for any item of a list, `..` for any place.
        path: &'static str,
        /// The order's currency.
        currency: String,
        /// The other currency.
        found: String,
    },
    /// Shopify sends only the id in place of a payload above 1,000,000 bytes.
    #[error("of `{topic}` only the id {id} arrived, its payload was too large; {}", fetched(topic))]
    OversizeStub {
        /// The topic.
        topic: &'static str,
        /// The id of the resource.
        id: String,
    },
    /// The document is a list of orders where one is expected.
    #[error("the document is a list of orders; send each by itself, or read the file with `echelon import`")]
    SeveralOrders,
    /// A list in a GraphQL answer ends before its last item.
    #[error("{path} has more items than the answer; ask for more of them (`first: 250`), or use a bulk operation")]
    CutShort {
        /// The JSON path of the list.
        path: &'static str,
    },
    /// A payload has no date, and no envelope that would date it.
    #[error("`{topic}` carries no date; send it within its envelope, whose X-Shopify-Triggered-At dates it")]
    NoInstant {
        /// The topic.
        topic: &'static str,
    },
}

impl DocumentError {
    /// A stable name for counting and for files.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotJson { .. } => "not_json",
            Self::UnknownTopic { .. } => "unknown_topic",
            Self::Missing { .. } => "missing_field",
            Self::Unreadable { .. } => "unreadable_field",
            Self::MixedCurrencies { .. } => "mixed_currencies",
            Self::OversizeStub { .. } => "oversize_stub",
            Self::SeveralOrders => "several_orders",
            Self::CutShort { .. } => "cut_short",
            Self::NoInstant { .. } => "no_instant",
        }
    }

    /// The same error, with the place named as the sender names it.
    pub(super) fn renamed(self, name_of: impl Fn(&'static str) -> &'static str) -> Self {
        match self {
            Self::Missing { path } => Self::Missing { path: name_of(path) },
            Self::Unreadable { path, problem } => Self::Unreadable { path: name_of(path), problem },
            Self::MixedCurrencies { path, currency, found } => {
                Self::MixedCurrencies { path: name_of(path), currency, found }
            }
            Self::CutShort { path } => Self::CutShort { path },
            Self::Empty
            | Self::NotJson { .. }
            | Self::UnknownTopic { .. }
            | Self::OversizeStub { .. }
            | Self::SeveralOrders
            | Self::NoInstant { .. } => self,
        }
    }

    #[cold]
    pub(super) fn unreadable(path: &'static str, problem: impl fmt::Display) -> Fault {
        Box::new(Self::Unreadable { path, problem: problem.to_string() })
    }

    #[cold]
    pub(super) fn missing(path: &'static str) -> Fault {
        Box::new(Self::Missing { path })
    }
}

fn given(topic: &Option<String>) -> String {
    match topic {
        Some(topic) => format!("`{topic}` is not a known topic"),
        None => "no topic is given, and the body fits no single topic".to_owned(),
    }
}

/// The remedy for a stub. An answer of the Admin API is no webhook, so it is imported, and the events are loaded.
fn fetched(topic: &str) -> &'static str {
    match topic {
        "customers/create" | "customers/update" => {
            "fetch the customer from the Admin API (REST), read it with `echelon import --topic customers/update`, and \
             load the events with `echelon load`"
        }
        "refunds/create" => {
            "fetch the refund's order from the Admin API, read the answer with `echelon import`, and load the events with \
             `echelon load`"
        }
        _ => {
            "fetch the order from the Admin API, read the answer with `echelon import`, and load the events with `echelon \
             load`"
        }
    }
}

/// The reason why reading stopped. It is one machine word, so results stay in registers.
pub(super) type Fault = Box<DocumentError>;

/// The result of reading.
pub(super) type Result<T> = std::result::Result<T, Fault>;

/// The reason why reading ended without facts.
#[derive(Debug)]
pub(super) enum NoFacts {
    Ignored(Ignored),
    Rejected(Fault),
}

impl From<Ignored> for NoFacts {
    fn from(ignored: Ignored) -> Self {
        Self::Ignored(ignored)
    }
}

impl From<DocumentError> for NoFacts {
    fn from(rejected: DocumentError) -> Self {
        Self::Rejected(Box::new(rejected))
    }
}

impl From<Fault> for NoFacts {
    fn from(rejected: Fault) -> Self {
        Self::Rejected(rejected)
    }
}
