//! The quarantine for operators: it lists rows, and puts messages back into the ingest queue once the obstacle is
//! removed.
//!
//! A row says why; the body is in a queue ([`Bodies`]). A body enters the ingest queue before it leaves the other one,
//! and a row is deleted after its body was moved. A failure in between loses nothing: at worst a message is delivered
//! twice, which changes nothing.

use std::collections::BTreeSet;
use std::fmt;

use futures::future::BoxFuture;
use rules::calendar::Instant;
use serde::{Deserialize, Serialize};
use store::key::{self, Key};
use store::records::Reason;
use store::shop::ShopId;
use store::{Exact, Item, QuarantineMark, QuarantinePage, Store, StoreError, shops_in_words};
use thiserror::Error;

/// The number of rows replayed at a time: each time, the whole queue of bodies is read.
const TOGETHER: usize = 200;
/// The number of pages of the table that are searched for ids without a shop: the pass through the queue is still to
/// come.
const PAGES_MAX: usize = 2;

/// The id of a quarantined message: 1 to 64 letters, digits and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct QuarantineId(String);

impl QuarantineId {
    /// Reads an id.
    ///
    /// # Errors
    /// [`QuarantineIdError`], if the text is not an id.
    pub fn new(text: impl Into<String>) -> Result<Self, QuarantineIdError> {
        let text = text.into();
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if fits { Ok(Self(text)) } else { Err(QuarantineIdError) }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for QuarantineId {
    type Error = QuarantineIdError;

    fn try_from(text: String) -> Result<Self, QuarantineIdError> {
        Self::new(text)
    }
}

impl fmt::Display for QuarantineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is never the id of a quarantined message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is not an id from `echelon quarantine list`: 1 to 64 letters, digits and `-`")]
pub struct QuarantineIdError;

/// The stored details of a quarantined message. They contain no personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The message's id.
    pub id: QuarantineId,
    /// The shop that it names, if any.
    pub shop: Option<String>,
    /// When it was quarantined, as RFC 3339 in UTC.
    pub recorded_at: String,
    /// The reason.
    pub reason: String,
    /// The remedy.
    pub remedy: String,
    /// Its topic or type, if it is known.
    pub topic: Option<String>,
    /// The fields with problems.
    pub paths: Vec<String>,
    /// The length of its body, in bytes.
    pub bytes: u64,
}

impl Row {
    fn of(shop: Option<&ShopId>, item: &Item) -> Result<Self, StoreError> {
        let reason = item.need_text(REASON)?.to_owned();
        Ok(Self {
            id: id(item)?,
            shop: shop.map(ToString::to_string),
            recorded_at: item.need_text(RECORDED_AT)?.to_owned(),
            // A reason from a later release is shown as it is.
            remedy: Reason::named(&reason).map(Reason::remedy).unwrap_or_default().to_owned(),
            reason,
            topic: item.maybe_text("topic").map(str::to_owned),
            paths: item.maybe_texts("paths")?.into_iter().map(str::to_owned).collect(),
            bytes: item.need_number("bytes")?,
        })
    }
}

const REASON: &str = "reason";
const RECORDED_AT: &str = "recorded_at";

fn id(item: &Item) -> Result<QuarantineId, StoreError> {
    QuarantineId::new(item.key().sk).map_err(|error| item.corrupt(format!("sk {error}")))
}

/// A page of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// The rows of this page; there may be none although it is not the last.
    pub rows: Vec<Row>,
    /// The place where the next page begins; none if this is the last.
    pub next: Option<QuarantineMark>,
}

/// A filter for rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Of<'a> {
    /// Only rows of this shop; none stands for all shops, and messages that name no shop.
    pub shop: Option<&'a ShopId>,
    /// Only rows with this reason; none stands for any reason.
    pub reason: Option<Reason>,
}

impl Of<'_> {
    fn fits(&self, item: &Item) -> bool {
        self.reason.is_none_or(|reason| item.maybe_text(REASON) == Some(reason.code()))
    }
}

/// A page of at most `limit` rows, in their current state or that of a moment ago.
///
/// # Errors
/// See [`StoreError`].
pub async fn list(store: &Store, of: Of<'_>, limit: usize, from: Option<QuarantineMark>) -> Result<Rows, StoreError> {
    some(store, of, Exact::Nearly, limit, from).await
}

async fn some(
    store: &Store,
    of: Of<'_>,
    exact: Exact,
    limit: usize,
    from: Option<QuarantineMark>,
) -> Result<Rows, StoreError> {
    let QuarantinePage { rows, next } =
        store.quarantined_page(of.shop, exact, limit, from, |item| of.fits(item)).await?;
    let rows = rows.iter().map(|(shop, item)| Row::of(shop.as_ref(), item)).collect::<Result<Vec<_>, _>>()?;
    // Callers of one shop do not learn the names of others.
    let rows = if of.shop.is_none() { with_known_shops(store, rows).await? } else { rows };
    Ok(Rows { rows, next })
}

/// Adds the known shops to the remedy of messages of an unknown one, which may be a name of one of them.
async fn with_known_shops(store: &Store, mut rows: Vec<Row>) -> Result<Vec<Row>, StoreError> {
    let is_unknown = |row: &Row| row.reason == Reason::UnknownShop.code();
    if !rows.iter().any(is_unknown) {
        return Ok(rows);
    }
    if let Some(known) = shops_in_words(&store.shops().await?) {
        for row in rows.iter_mut().filter(|row| is_unknown(row)) {
            row.remedy
                .push_str(&format!("; {known}: if one of these is meant, make `{}` an alias of it", name_of(row)));
        }
    }
    Ok(rows)
}

fn name_of(row: &Row) -> &str {
    row.shop.as_deref().unwrap_or("the name")
}

/// All rows from all pages, the latest last.
///
/// # Errors
/// See [`StoreError`].
pub async fn list_all(store: &Store, of: Of<'_>) -> Result<Vec<Row>, StoreError> {
    let (mut all, mut from) = (Vec::new(), None);
    loop {
        let Rows { rows, next } = some(store, of, Exact::Now, usize::MAX, from).await?;
        all.extend(rows);
        from = next;
        if from.is_none() {
            sort(&mut all);
            return Ok(all);
        }
    }
}

/// Sorts rows by the time they were quarantined, the latest last.
pub fn sort(rows: &mut [Row]) {
    rows.sort_by(|a, b| (&a.recorded_at, &a.id).cmp(&(&b.recorded_at, &b.id)));
}

/// The store of quarantined bodies. On a single machine it is a queue of rows. In AWS it is an SQS queue, which has to
/// be read as a whole, and so bodies are requested together.
pub trait Bodies: Send + Sync {
    /// Puts the bodies with these ids back into the ingest queue. A repeated call puts them there twice, which does no
    /// harm.
    fn again<'a>(&'a self, ids: &'a BTreeSet<QuarantineId>) -> BoxFuture<'a, Result<Again, BodiesError>>;
}

/// The result of moving bodies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Again {
    /// The ids of bodies that are in the ingest queue again.
    pub moved: BTreeSet<QuarantineId>,
    /// Whether the whole queue was read: other bodies are then no longer stored.
    pub through: bool,
}

/// The reason why bodies were not moved.
#[derive(Debug, Error)]
pub enum BodiesError {
    /// Another process is reading the queue. Messages that it has received are hidden from all others.
    #[error("another caller is replaying the quarantine: try again later")]
    Busy,
    /// A queue failed.
    #[error("a queue did not do what was asked of it")]
    Queue(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The table failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BodiesError {
    /// The error with all its causes, for a log.
    pub fn in_full(&self) -> String {
        let causes = std::iter::successors(std::error::Error::source(self), |cause| cause.source());
        causes.map(ToString::to_string).fold(self.to_string(), |told, cause| {
            // Some errors repeat their cause in their own text.
            if told.contains(&cause) { told } else { format!("{told}: {cause}") }
        })
    }
}

/// The reason why nothing was replayed.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The table is so large that ids can be found only together with their shop.
    #[error("there is too much to look for ids without their shop")]
    WhoseIds,
    /// The bodies were not moved.
    #[error(transparent)]
    Bodies(#[from] BodiesError),
    /// The table failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The messages to replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The messages with these ids.
    Ids(BTreeSet<QuarantineId>),
    /// All messages after a place, or those with one reason.
    From {
        /// Only messages with this reason; none stands for any reason.
        reason: Option<Reason>,
        /// The row to start after; none stands for the beginning.
        behind: Option<QuarantineMark>,
        /// Only messages quarantined up to this instant. A message that still fails is quarantined again, and would
        /// otherwise be replayed over and over.
        until: Option<Instant>,
    },
}

/// The result of replaying a part of the messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// Messages that are in the ingest queue again, and no longer quarantined.
    pub replayed: Vec<QuarantineId>,
    /// Messages whose body was not found; their rows stay.
    pub gone: Vec<QuarantineId>,
    /// Requested ids under which nothing is quarantined.
    pub unknown: Vec<QuarantineId>,
    /// The messages still to be replayed, if any.
    pub left: Option<Which>,
}

/// Puts a part of the messages back into the ingest queue, and deletes their rows: as many as can be replayed at once.
///
/// # Errors
/// [`ReplayError`]; messages that were not replayed stay as they were.
pub async fn replay(
    store: &Store,
    bodies: &dyn Bodies,
    shop: Option<&ShopId>,
    which: Which,
) -> Result<Replayed, ReplayError> {
    let (items, unknown, then) = match &which {
        Which::Ids(ids) => {
            let items = named(store, shop, ids).await?;
            let known = items.iter().map(id).collect::<Result<BTreeSet<_>, _>>()?;
            (items, ids.difference(&known).cloned().collect(), None)
        }
        Which::From { reason, behind, until } => {
            let (of, last) = (Of { shop, reason: *reason }, until.map(key::at));
            let is_before = |item: &Item| {
                last.as_deref().is_none_or(|last| item.maybe_text(RECORDED_AT).is_none_or(|at| at <= last))
            };
            let fits = |item: &Item| of.fits(item) && is_before(item);
            let page = store.quarantined_page(shop, Exact::Now, TOGETHER, behind.clone(), fits).await?;
            let items = page.rows.into_iter().map(|(_, item)| item).collect();
            let then = page.next.map(|next| Which::From { reason: *reason, behind: Some(next), until: *until });
            (items, Vec::new(), then)
        }
    };
    let ids = items.iter().map(id).collect::<Result<BTreeSet<_>, _>>()?;
    let again = match ids.is_empty() {
        true => Again { through: true, ..Again::default() },
        false => bodies.again(&ids).await?,
    };
    for item in &items {
        // The bodies first: a leftover row describes a message that is on its way, but a body without a row is lost.
        if again.moved.contains(&id(item)?)
            && let Err(error) = store.forget_quarantined(item).await
        {
            tracing::warn!(%error, "a replayed message keeps its row; the next replay reports it as `gone`");
        }
    }
    let others: BTreeSet<QuarantineId> = ids.difference(&again.moved).cloned().collect();
    let replayed = again.moved.into_iter().collect();
    Ok(match (again.through, which) {
        (true, _) => Replayed { replayed, gone: others.into_iter().collect(), unknown, left: then },
        (false, Which::Ids(_)) => Replayed { replayed, gone: Vec::new(), unknown, left: Some(Which::Ids(others)) },
        // Moved messages are no longer there: from the same place on, those not found yet remain.
        (false, again @ Which::From { .. }) => Replayed { replayed, gone: Vec::new(), unknown, left: Some(again) },
    })
}

/// The rows with these ids, of one shop or of any.
async fn named(store: &Store, shop: Option<&ShopId>, ids: &BTreeSet<QuarantineId>) -> Result<Vec<Item>, ReplayError> {
    if shop.is_some() {
        return Ok(store.quarantined_named(shop, ids.iter().map(QuarantineId::as_str)).await?);
    }
    // Messages that name no shop are found directly, however large the table is; the others may belong to any shop.
    let mut found = store.quarantined_named(None, ids.iter().map(QuarantineId::as_str)).await?;
    if found.len() == ids.len() {
        return Ok(found);
    }
    let is_meant = |key: &Key| key.pk != key::quarantined(None) && ids.iter().any(|id| id.as_str() == key.sk);
    let mut from = None;
    for _ in 0..PAGES_MAX {
        let page = store.quarantined_page(None, Exact::Now, usize::MAX, from, |item| is_meant(&item.key())).await?;
        found.extend(page.rows.into_iter().map(|(_, item)| item));
        from = page.next;
        if from.is_none() {
            return Ok(found);
        }
    }
    Err(ReplayError::WhoseIds)
}
