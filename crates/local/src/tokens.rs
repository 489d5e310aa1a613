//! The tokens of staff: which are in use, and how one is revoked. They are stored beside the queues, and outlive the
//! process.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use http_api::caller::{Admin, Operator};
use http_api::problem::Problem;
use http_api::register::{Known, TokenId};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;

use super::System;
use super::http::Local;
use super::queue::{QueueError, Queued, Queues, REVOKED, TOKENS};

/// Tokens, as they are listed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Tokens {
    /// The tokens.
    pub tokens: Vec<Known>,
}

/// The interval at which revocations are read where other processes serve the same tables.
const LOOKED_EVERY: Duration = Duration::from_secs(60);

/// The interval at which uses are stored.
const NOTED_EVERY: Duration = Duration::from_secs(1);

/// Loads the stored tokens.
///
/// # Errors
/// See [`QueueError`].
pub async fn load(system: &System) -> Result<(), QueueError> {
    for queue in [TOKENS, REVOKED] {
        let rows = system.queues.all(queue).await?;
        let read = |row: &Queued| {
            serde_json::from_str(&row.body).map_err(|error| QueueError::undecodable(queue, &row.id, error))
        };
        let known: Vec<Known> = rows.iter().map(read).collect::<Result<_, _>>()?;
        system.api.auth.key().register().load(known);
    }
    Ok(())
}

/// Stores the uses of tokens, and reads revocations where other processes serve the same tables, until the system
/// stops.
pub async fn keep(system: Arc<System>, mut stop: watch::Receiver<bool>) {
    let mut looked = Instant::now();
    while !*stop.borrow() {
        if let Err(error) = note(&system).await {
            tracing::warn!(%error, "which tokens are in use cannot be noted");
        }
        if system.here.is_none() && looked.elapsed() >= LOOKED_EVERY {
            looked = Instant::now();
            if let Err(error) = load(&system).await {
                tracing::warn!(%error, "which tokens are revoked cannot be read");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(NOTED_EVERY) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Stores the changes since the last call, and deletes tokens that have ended.
async fn note(system: &System) -> Result<(), QueueError> {
    let register = system.api.auth.key().register();
    let mut failed = None;
    for known in register.take_changed() {
        if let Err(error) = write(&system.queues, TOKENS, &known).await {
            register.is_changed(known.id);
            failed.get_or_insert(error);
        }
    }
    for id in register.forget_ended(system.time.now()) {
        system.queues.forget(TOKENS, &id.to_string()).await?;
    }
    failed.map_or(Ok(()), Err)
}

async fn write(queues: &Queues, queue: &str, known: &Known) -> Result<(), QueueError> {
    queues.keep_row(queue, &known.id.to_string(), &serde_json::to_string(known).unwrap_or_default()).await
}

/// The tokens of staff that were used or revoked, and have not ended.
pub(crate) async fn list(State(Local(system)): State<Local>, _: Operator<Admin>) -> Json<Tokens> {
    Json(Tokens { tokens: system.api.auth.key().register().list(system.time.now()) })
}

/// Revokes a token at once. After the answer, the revocation also outlives a restart.
pub(crate) async fn revoke(
    State(Local(system)): State<Local>,
    _: Operator<Admin>,
    Path(id): Path<String>,
) -> Result<Json<Known>, Problem> {
    // A token itself does not belong in a path, because paths are logged. The command sends its id.
    let id = TokenId::try_from(id)
        .map_err(|_| Problem::bad("this is not the id of a token", "ask GET /tokens for the ids there are"))?;
    let known = system.api.auth.key().register().revoke(&id, system.time.now());
    write(&system.queues, REVOKED, &known).await?;
    Ok(Json(known))
}
