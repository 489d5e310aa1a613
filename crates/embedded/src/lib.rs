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
mod intercept;
mod lock;
mod operation;
mod transport;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_sdk_dynamodb::config::{BehaviorVersion, Region, StalledStreamProtectionConfig, retry::RetryConfig};
use aws_sdk_dynamodb::{Client, config};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use dynoxide::Database;

use crate::bare::{Bare, Here};
use crate::engine::Engine;
use crate::intercept::Nothing;
pub use crate::intercept::{Answer, Decision, Intercept, Request};

/// An open store. It closes, and a file can be opened anew, when it and all its clients are dropped.
#[derive(Clone, Debug)]
pub struct Store {
    engine: Arc<Engine>,
}

impl Store {
    /// A store that is gone when it closes.
    ///
    /// # Errors
    /// [`OpenError::Damaged`] or [`OpenError::Files`] if there is no memory or no thread for it.
    pub fn memory() -> Result<Self, OpenError> {
        let path = || PathBuf::from(":memory:");
        let database = Database::memory().map_err(|source| OpenError::Damaged { path: path(), source })?;
        Self::on_a_thread(database, None).map_err(|source| OpenError::Files { path: path(), source })
    }

    /// No store at all: every request is its intercept's to answer. For simulations, whose tables, queues and time are
    /// their own.
    #[must_use]
    pub fn nowhere() -> Self {
        Self { engine: Arc::new(Engine::Nowhere) }
    }

    /// The store in this file, which is made if it is not there. It is ours alone until it closes: `<path>.lock`,
    /// beside it, is held under an exclusive lock, which the system releases however the process ends.
    ///
    /// # Errors
    /// [`OpenError`], which names the file.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let (path, lock) = lock::exclusive(path)?;
        let name = path.to_str().ok_or_else(|| OpenError::Name { path: path.clone() })?;
        let database = Database::new(name).map_err(|source| OpenError::Damaged { path: path.clone(), source })?;
        Self::on_a_thread(database, Some(lock)).map_err(|source| OpenError::Files { path, source })
    }

    fn on_a_thread(database: Database, lock: Option<std::fs::File>) -> std::io::Result<Self> {
        Ok(Self { engine: Arc::new(Engine::on_a_thread(database, lock)?) })
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

/// Why a store did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Somebody else has it open; a store has one process at a time.
    #[error("`{path}` is in use by another process: stop that process first, or ask it instead of opening its file")]
    InUse {
        /// The file of the store.
        path: PathBuf,
    },
    /// Its files can be neither made nor opened, or there is no thread to work on them.
    #[error("cannot open `{path}`: does its folder exist, and may this user write there?")]
    Files {
        /// The file of the store.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The name is not one that SQLite can be told.
    #[error("cannot open `{path}`: its name is not UTF-8, choose another")]
    Name {
        /// The file of the store.
        path: PathBuf,
    },
    /// There is a file, and it is not a store.
    #[error("`{path}` is not a store, or a damaged one: put another file there, or name another")]
    Damaged {
        /// The file of the store.
        path: PathBuf,
        /// What was found.
        source: dynoxide::DynoxideError,
    },
}
