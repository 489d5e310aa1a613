//! The tokens of staff: which are in use, and revoking one. What is known of them lies beside the queues, and outlives the process.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use web::caller::{Admin, May};
use web::problem::Problem;
use web::register::{Known, TokenId};

use super::System;
use super::http::Local;
use super::queue::{QueueError, Queues, TOKENS};

/// Tokens, as they are listed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Tokens {
    /// Each of them.
    pub tokens: Vec<Known>,
}

/// Where others serve the same tables, it is looked so often what they revoked.
const LOOKED_EVERY: Duration = Duration::from_secs(60);

/// Takes in what was known before.
///
/// # Errors
/// See [`QueueError`].
pub async fn load(system: &System) -> Result<(), QueueError> {
    let mut known = Vec::new();
    for row in system.queues.all(TOKENS).await? {
        known.push(
            serde_json::from_str::<Known>(&row.body).map_err(|error| QueueError::unread(TOKENS, &row.id, &error))?,
        );
    }
    system.api.door.key().register().load(known);
    Ok(())
}

/// Writes down what is known since the last time, and forgets those that have ended. `looked`: when it was looked last what others
/// wrote.
///
/// # Errors
/// See [`QueueError`].
pub async fn note(system: &System, looked: &mut Instant) -> Result<(), QueueError> {
    if system.here.is_none() && looked.elapsed() >= LOOKED_EVERY {
        *looked = Instant::now();
        load(system).await?;
    }
    let register = system.api.door.key().register();
    for known in register.take_changed() {
        write(&system.queues, &known).await?;
    }
    for id in register.forget_ended(system.time.now()) {
        system.queues.forget(TOKENS, &id.to_string()).await?;
    }
    Ok(())
}

async fn write(queues: &Queues, known: &Known) -> Result<(), QueueError> {
    queues.keep_row(TOKENS, &known.id.to_string(), &serde_json::to_string(known).unwrap_or_default()).await
}

/// Which tokens of staff were used or revoked, and have not ended.
pub async fn list(State(Local(system)): State<Local>, _: May<Admin>) -> Json<Tokens> {
    Json(Tokens { tokens: system.api.door.key().register().list(system.time.now()) })
}

/// Revokes one: from now on, and from the answer on also after a restart.
pub async fn revoke(
    State(Local(system)): State<Local>,
    _: May<Admin>,
    Path(id): Path<String>,
) -> Result<Json<Known>, Problem> {
    let id = TokenId::read(&id)
        .map_err(|error| Problem::bad(format!("`{id}` {error}"), "ask GET /tokens for the ids there are"))?;
    let known = system.api.door.key().register().revoke(&id, system.time.now());
    write(&system.queues, &known).await?;
    Ok(Json(known))
}
