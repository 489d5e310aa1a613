//! The stored facts that lie before a program's start and count for nothing, and how to have them counted.

use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use rules::before_start::UncountedSum;
use rules::program::Period;
use rules::version::Version;
use serde::{Deserialize, Serialize};
use store::shop::ShopId;
use store::{Store, StoreError, StoredMember};

use crate::sweep::PAGE;

/// The number of parts read at a time.
const AT_A_TIME: usize = 8;
/// The time after which no further part is read. A publisher waits for it, and a request of the API takes at most 30 s;
/// above some 100,000 members the counts are of a part of them, and say so.
const BUDGET: Duration = Duration::from_secs(3);

/// The stored facts before the effective start of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uncounted {
    /// The first day that counts, as `YYYY-MM-DD`.
    pub starts_on: String,
    /// The facts and the money.
    #[serde(flatten)]
    pub found: UncountedSum,
    /// Whether every member was read. Otherwise there are at least so many.
    pub complete: bool,
    /// A sentence for people: what does not count, and the remedy.
    pub message: String,
}

impl Uncounted {
    /// Looks for facts before the effective start of the newest version, for a bounded time; none if it finds none.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn find(store: &Store, shop: &ShopId) -> Result<Option<Self>, StoreError> {
        let Some(versions) = store.versions(shop).await? else { return Ok(None) };
        let version = versions.last();
        let begun = tokio::time::Instant::now();
        let buckets = store.tables().spread.buckets();
        let parts = stream::iter(0..buckets).map(|bucket| before_the_start(store, shop, version, bucket));
        let mut parts = std::pin::pin!(parts.buffer_unordered(AT_A_TIME));
        let (mut found, mut complete) = (UncountedSum::default(), true);
        while let Some(part) = parts.next().await {
            found.add(part?);
            if begun.elapsed() >= BUDGET {
                complete = false;
                break;
            }
        }
        Ok((found.facts > 0).then(|| Self::of(found, version, complete)))
    }

    /// The facts that were found before the effective start of a version.
    pub fn of(found: UncountedSum, version: &Version, complete: bool) -> Self {
        let starts_on = version.effective_start.to_string();
        let at_least = if complete { "" } else { "at least " };
        let count = if found.facts == 1 { "counts" } else { "count" };
        let message = format!(
            "{at_least}{} dated before {starts_on}, where the program starts, {count} for nothing; {}",
            found.in_words(),
            remedy(version)
        );
        Self { starts_on, found, complete, message }
    }
}

/// The way to have facts counted that lie before the start of a version.
pub fn remedy(version: &Version) -> String {
    let asked = version.moved_from.map(|asked| format!("`start_date` {asked}"));
    match (asked, version.program.period()) {
        (Some(asked), _) => {
            format!("to count from its {asked} on, publish it once more with the option `clamp: false`")
        }
        (None, Period::CalendarYear { .. }) => {
            "to count them, publish it with an earlier `start_date` and the option `clamp: false`".to_owned()
        }
        (None, Period::Lifetime | Period::MembershipYear { .. } | Period::SinceLastUpgrade(_) | Period::Rolling(_)) => {
            "to count them, publish it with an earlier `start_date`".to_owned()
        }
    }
}

async fn before_the_start(
    store: &Store,
    shop: &ShopId,
    version: &Version,
    bucket: u16,
) -> Result<UncountedSum, StoreError> {
    let (mut found, mut behind) = (UncountedSum::default(), None::<String>);
    loop {
        let page = store.scan(shop, (bucket, behind.as_deref()), PAGE).await?;
        let members = page.members.into_iter().filter_map(|(_, stored)| StoredMember::present(stored));
        members.for_each(|member| found.add(UncountedSum::of(&member.ledger, version)));
        behind = page.next;
        if behind.is_none() {
            return Ok(found);
        }
    }
}
