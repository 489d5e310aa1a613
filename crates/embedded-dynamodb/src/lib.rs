//! A DynamoDB-compatible store in this process, behind the ordinary SDK client: for one machine and for tests.
//!
//! The code that talks to a table is the same everywhere; only the client differs. Here requests never leave the
//! process: the SDK's transport hands them to dynoxide, on a thread of its own, and every commit to a file is on disk
//! before it is answered. What the real service does and this one never does of itself (throttling, time-outs,
//! conflicts, batches done in part) is brought in with [`Intercept`].
//!
//! - [`Store`]: an open store; its clients keep it open.
//! - [`Intercept`]: sees each [`Request`] before and after it is carried out, and may give another [`Answer`].

mod bare;
mod engine;
mod error;
mod file;
mod halfway;
mod intercept;
mod lock;
mod operation;
mod snapshot;
mod transport;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_sdk_dynamodb::config::{BehaviorVersion, Region, StalledStreamProtectionConfig, retry::RetryConfig};
use aws_sdk_dynamodb::{Client, config};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use dynoxide::Database;

use crate::bare::{Bare, Here};
use crate::engine::Engine;
pub use crate::error::{Cause, OpenError};
use crate::file::{Absent, Keeper};
use crate::intercept::Nothing;
pub use crate::intercept::{Answer, Decision, Intercept, Request};
pub use crate::lock::private;
use crate::snapshot::OnDisk;
pub use crate::snapshot::{Contents, Snapshot, SnapshotError, examine};

/// An open store. It closes, and a file can be opened anew, when it and all its clients are dropped.
#[derive(Clone, Debug)]
pub struct Store {
    engine: Arc<Engine>,
    file: Option<OnDisk>,
}

impl Store {
    /// A store that is gone when it closes.
    ///
    /// # Errors
    /// [`OpenError::Files`] if there is no memory or no thread for it.
    pub fn memory() -> Result<Self, OpenError> {
        let files = |source: Cause| OpenError::Files { path: PathBuf::from(":memory:"), source };
        let database = Database::memory().map_err(|source| files(source.into()))?;
        let engine = Engine::on_a_thread(database, None).map_err(|source| files(source.into()))?;
        Ok(Self { engine: Arc::new(engine), file: None })
    }

    /// No store at all: every request is its intercept's to answer. For simulations, whose tables, queues and time are
    /// their own.
    #[must_use]
    pub fn nowhere() -> Self {
        Self { engine: Arc::new(Engine::Nowhere), file: None }
    }

    /// The store in this file, which is made if it is not there. It is ours alone until it closes: `<path>.lock` beside it
    /// and, on Unix, the file itself are held under exclusive locks, which the system releases however the process ends.
    /// Nobody but its owner may read it.
    ///
    /// # Errors
    /// [`OpenError`], which names the file.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_or(path, Absent::Made)
    }

    /// The store in this file, which is there already: nothing is made.
    ///
    /// # Errors
    /// [`OpenError`], which names the file.
    pub fn open_existing(path: &Path) -> Result<Self, OpenError> {
        Self::open_or(path, Absent::Refused)
    }

    fn open_or(path: &Path, absent: Absent) -> Result<Self, OpenError> {
        let path = lock::canonical(path)?;
        file::can_be(&path, absent)?;
        let lock = lock::exclusive(&path)?;
        let keeper = Keeper::open(&path, absent)?;
        let file = OnDisk::new(path.clone(), keeper.private);
        let database = Database::new(&file::uri(&path, true)?);
        let database = database.map_err(|source| OpenError::of_dynoxide(&path, source))?;
        let engine = Engine::on_a_thread(database, Some((keeper, lock)));
        let engine = engine.map_err(|source| OpenError::Files { path, source: source.into() })?;
        Ok(Self { engine: Arc::new(engine), file: Some(file) })
    }

    /// Whether somebody else may read the store's file, since it is not this user's to take that away.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        self.file.as_ref().is_some_and(|file| !file.private)
    }

    /// The store's file; none of one in memory.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|file| file.path.as_path())
    }

    /// A client of this store. It never retries: a failure is seen as it happened.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client_with(Nothing)
    }

    /// A client whose requests `intercept` sees.
    #[must_use]
    pub fn client_with(&self, intercept: impl Intercept + 'static) -> Client {
        Client::from_conf(self.config_with(intercept).build())
    }

    /// The settings of such a client, for who wants another sleep, clock or source of idempotency tokens.
    #[must_use]
    pub fn config_with(&self, intercept: impl Intercept + 'static) -> config::Builder {
        config::Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_resolver(Here::new())
            .interceptor(Bare)
            .region(Region::from_static("local"))
            // Nobody checks a signature here, and to sign is a third of what a request costs.
            .allow_no_auth()
            .retry_config(RetryConfig::disabled())
            // An answer of this process comes as a whole, and may take a while: nothing is stalled on the way.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .http_client(self.transport_with(intercept))
    }

    /// The transport alone, for other clients of the same store: its tables' streams have a client of their own.
    #[must_use]
    pub fn transport_with(&self, intercept: impl Intercept + 'static) -> SharedHttpClient {
        transport::client(Arc::clone(&self.engine), Arc::new(intercept))
    }
}
