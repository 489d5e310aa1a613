//! A DynamoDB-compatible store in this process, behind the ordinary SDK client: for single machines and for tests.
//!
//! Code that uses a table is the same everywhere; only the client differs. Requests never leave the process here: the
//! SDK's transport passes them to dynoxide, on a thread of its own. Every commit to a file is on disk before it is
//! answered. Faults of the real service that this one never has by itself (throttling, time-outs, conflicts, partial
//! batches) are brought in with [`Intercept`].
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

/// An open store. It closes when it and all its clients are dropped; a file can then be opened again.
#[derive(Clone, Debug)]
pub struct Store {
    engine: Arc<Engine>,
    file: Option<OnDisk>,
}

impl Store {
    /// Creates a store in memory, which is gone when it closes.
    ///
    /// # Errors
    /// [`OpenError::Files`] if there is not enough memory or no thread for it.
    pub fn memory() -> Result<Self, OpenError> {
        let files = |source: Cause| OpenError::Files { path: PathBuf::from(":memory:"), source };
        let database = Database::memory().map_err(|source| files(source.into()))?;
        let engine = Engine::on_a_thread(database, None).map_err(|source| files(source.into()))?;
        Ok(Self { engine: Arc::new(engine), file: None })
    }

    /// Creates a store without a database: the intercepts of its clients answer every request. For simulations, which
    /// have their own tables, queues and time.
    #[must_use]
    pub fn nowhere() -> Self {
        Self { engine: Arc::new(Engine::Nowhere), file: None }
    }

    /// Opens the store in a file, and creates it if it does not exist. It belongs to this process alone until it
    /// closes: `<path>.lock` beside it and, on Unix, the file itself are held under exclusive locks, which the system
    /// releases however the process ends. Only its owner may read the file.
    ///
    /// # Errors
    /// [`OpenError`], which names the file.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_or(path, Absent::Made)
    }

    /// Opens the store in an existing file, and creates nothing.
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

    /// Whether other users may read the store's file because this user may not forbid it.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        self.file.as_ref().is_some_and(|file| !file.private)
    }

    /// The store's file; none for a store in memory.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|file| file.path.as_path())
    }

    /// Creates a client of this store. It never retries, and so failures show as they happen.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client_with(Nothing)
    }

    /// Creates a client whose requests `intercept` sees.
    #[must_use]
    pub fn client_with(&self, intercept: impl Intercept + 'static) -> Client {
        Client::from_conf(self.config_with(intercept).build())
    }

    /// The settings of such a client, for callers that need another sleep, clock or source of idempotency tokens.
    #[must_use]
    pub fn config_with(&self, intercept: impl Intercept + 'static) -> config::Builder {
        config::Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_resolver(Here::new())
            .interceptor(Bare)
            .region(Region::from_static("local"))
            // Signatures are not checked here, and signing is a third of the cost of a request.
            .allow_no_auth()
            .retry_config(RetryConfig::disabled())
            // An answer of this process comes as a whole, and may take a while: it never stalls on the way.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .http_client(self.transport_with(intercept))
    }

    /// The transport alone, for other clients of the same store: the streams of its tables have a client of their own.
    #[must_use]
    pub fn transport_with(&self, intercept: impl Intercept + 'static) -> SharedHttpClient {
        transport::client(Arc::clone(&self.engine), Arc::new(intercept))
    }
}
