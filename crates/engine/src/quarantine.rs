//! What was quarantined, for people: told as rows, and put back into the ingest queue once what was in its way is put right.
//!
//! A row says why; the body lies in a queue ([`Bodies`]). Each body is in the ingest queue before it leaves that one, and a row
//! is forgotten after its body was moved: whatever goes wrong in between, nothing is lost, and at the worst something comes
//! twice, which changes nothing.

use std::collections::BTreeSet;
use std::fmt;

use futures::future::BoxFuture;
use rules::calendar::Instant;
use serde::{Deserialize, Serialize};
use store::key::{self, Key};
use store::records::Reason;
use store::shop::ShopId;
use store::{Exact, Item, QuarantineMark, QuarantinePage, Store, StoreError};
use thiserror::Error;

/// Rows are replayed so many at a time: each time, a queue is gone through as a whole.
const TOGETHER: usize = 200;
/// Ids that come without a shop are looked for in so many pages of the table: the pass through the queue is still to come.
const PAGES_MAX: usize = 2;

/// By what a quarantined message is known: letters, digits and `-`, 1 to 64 of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct QuarantineId(String);

impl QuarantineId {
    /// Reads an id.
    ///
    /// # Errors
    /// [`QuarantineIdError`], if it is none.
    pub fn new(text: impl Into<String>) -> Result<Self, QuarantineIdError> {
        let text = text.into();
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if fits { Ok(Self(text)) } else { Err(QuarantineIdError) }
    }

    /// As text.
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

/// Nothing is ever quarantined under such an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is no id as `echelon quarantine list` shows them: 1 to 64 letters, digits and `-`")]
pub struct QuarantineIdError;

/// What is known of a quarantined message. Nothing in it tells of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// By what it is known.
    pub id: QuarantineId,
    /// Whose it is, if it says.
    pub shop: Option<String>,
    /// When it was quarantined, as RFC 3339 in UTC.
    pub recorded_at: String,
    /// Why.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
    /// Its topic or type, if it is one that is known.
    pub topic: Option<String>,
    /// The fields with problems.
    pub paths: Vec<String>,
    /// How long its body is, in bytes.
    pub bytes: u64,
}

impl Row {
    fn of(shop: Option<&ShopId>, item: &Item) -> Result<Self, StoreError> {
        let reason = item.need_text(REASON)?.to_owned();
        Ok(Self {
            id: id(item)?,
            shop: shop.map(ToString::to_string),
            recorded_at: item.need_text(RECORDED_AT)?.to_owned(),
            // A reason that a later release gave is told as it is.
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

/// Rows, page by page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// The rows of this page: there may be none though it is not the last.
    pub rows: Vec<Row>,
    /// Where the next page begins, unless this is the last.
    pub next: Option<QuarantineMark>,
}

/// Of which rows something is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Of<'a> {
    /// Those of this shop; of all shops, and those that name none, if none is given.
    pub shop: Option<&'a ShopId>,
    /// For this reason; for any, if none is given.
    pub reason: Option<Reason>,
}

impl Of<'_> {
    fn fits(&self, item: &Item) -> bool {
        self.reason.is_none_or(|reason| item.maybe_text(REASON) == Some(reason.code()))
    }
}

/// A page of at most `limit` rows, as they are or were a moment ago.
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
    let rows = rows.iter().map(|(shop, item)| Row::of(shop.as_ref(), item)).collect::<Result<_, _>>()?;
    Ok(Rows { rows, next })
}

/// All rows, the latest last; with as many pages as there are.
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

/// By when they were quarantined, the latest last.
pub fn sort(rows: &mut [Row]) {
    rows.sort_by(|a, b| (&a.recorded_at, &a.id).cmp(&(&b.recorded_at, &b.id)));
}

/// Where the bodies lie that were quarantined. On one machine that is a queue of rows; deployed, it is one of SQS, which has to
/// be gone through as a whole: so bodies are asked for together.
pub trait Bodies: Send + Sync {
    /// Puts the bodies with these ids into the ingest queue again. Done twice they are there twice, which does no harm.
    fn again<'a>(&'a self, ids: &'a BTreeSet<QuarantineId>) -> BoxFuture<'a, Result<Again, BodiesError>>;
}

/// What became of bodies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Again {
    /// Those that are in the ingest queue again.
    pub moved: BTreeSet<QuarantineId>,
    /// Whether everything was looked through: then the others are not kept any more.
    pub through: bool,
}

/// Why bodies were not moved.
#[derive(Debug, Error)]
pub enum BodiesError {
    /// What somebody has received is hidden from everybody else.
    #[error("somebody else goes through the quarantine just now")]
    Busy,
    /// A queue did not do what was asked.
    #[error("a queue did not do what was asked of it")]
    Queue(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The table did not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BodiesError {
    /// With everything that caused it, for a log.
    pub fn in_full(&self) -> String {
        let causes = std::iter::successors(std::error::Error::source(self), |cause| cause.source());
        causes.map(ToString::to_string).fold(self.to_string(), |told, cause| {
            // Some say in their own words what is behind them.
            if told.contains(&cause) { told } else { format!("{told}: {cause}") }
        })
    }
}

/// Why nothing was replayed.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// There is so much in the table that ids are found by their shop alone.
    #[error("there is too much to look for ids without their shop")]
    WhoseIds,
    /// The bodies were not moved.
    #[error(transparent)]
    Bodies(#[from] BodiesError),
    /// The table did not do what was asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is to be replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// These.
    Ids(BTreeSet<QuarantineId>),
    /// All that there are, or those for a reason, from a place on.
    From {
        /// For this reason; for any, if none is given.
        reason: Option<Reason>,
        /// Behind this row; from the first on, if none is given.
        behind: Option<QuarantineMark>,
        /// Not what was quarantined after this instant: what is as wrong as it was is quarantined anew, and would be replayed
        /// again and again.
        until: Option<Instant>,
    },
}

/// What became of a part of what is to be replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// In the ingest queue again, and not quarantined any more.
    pub replayed: Vec<QuarantineId>,
    /// Known only by their rows, which stay: no body was found.
    pub gone: Vec<QuarantineId>,
    /// Of ids: those under which nothing is quarantined.
    pub unknown: Vec<QuarantineId>,
    /// What is still to be replayed, if anything.
    pub left: Option<Which>,
}

/// Puts a part of what is meant into the ingest queue again, and forgets that it was quarantined: as much as can be done at
/// once.
///
/// # Errors
/// [`ReplayError`]; what was not done is as it was.
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
        // The bodies first: a row that is left over tells of something that is on its way, a body without one is lost.
        if again.moved.contains(&id(item)?)
            && let Err(error) = store.forget_quarantined(item).await
        {
            tracing::warn!(%error, "the row of something that was replayed stays, and says `gone` the next time");
        }
    }
    let others: BTreeSet<QuarantineId> = ids.difference(&again.moved).cloned().collect();
    let replayed = again.moved.into_iter().collect();
    Ok(match (again.through, which) {
        (true, _) => Replayed { replayed, gone: others.into_iter().collect(), unknown, left: then },
        (false, Which::Ids(_)) => Replayed { replayed, gone: Vec::new(), unknown, left: Some(Which::Ids(others)) },
        // What was moved is not there any more: from the same place on are those that were not found yet.
        (false, again @ Which::From { .. }) => Replayed { replayed, gone: Vec::new(), unknown, left: Some(again) },
    })
}

/// The rows with these ids, of a shop or of anybody.
async fn named(store: &Store, shop: Option<&ShopId>, ids: &BTreeSet<QuarantineId>) -> Result<Vec<Item>, ReplayError> {
    if shop.is_some() {
        return Ok(store.quarantined_named(shop, ids.iter().map(QuarantineId::as_str)).await?);
    }
    // What names no shop is found without one, however much there is; the others are where any shop's may be.
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
