//! A cache of the programs in use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rules::calendar::Instant;
use rules::version::Versions;
use store::shop::ShopId;
use store::{Store, StoreError};

use crate::clock::Clock;

/// The time for which versions are cached, in milliseconds. A version takes effect at the earliest a minute after it is
/// published, and so no process works without a version in force.
const LEASE_MS: i64 = 20_000;

/// When it was read, and the versions found.
type Known = (Instant, Option<Arc<Versions>>);

/// The versions of shops' programs, including those that are not in force yet.
#[derive(Debug)]
pub struct ProgramCache {
    store: Store,
    clock: Clock,
    known: Mutex<HashMap<ShopId, Known>>,
}

impl ProgramCache {
    /// Creates a cache of a store's programs.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, known: Mutex::default() }
    }

    /// The versions of a shop; none if it has published none.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn of(&self, shop: &ShopId) -> Result<Option<Arc<Versions>>, StoreError> {
        let now = self.clock.now();
        let fresh = |asked_at: Instant| (asked_at..asked_at.plus_millis(LEASE_MS)).contains(&now);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(shop).cloned();
        if let Some((asked_at, versions)) = known
            && fresh(asked_at)
        {
            return Ok(versions);
        }
        let versions = self.store.versions(shop).await?.map(Arc::new);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(shop.clone(), (now, versions.clone()));
        Ok(versions)
    }

    /// Invalidates the cache.
    pub fn forget(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
