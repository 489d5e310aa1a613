//! Replays, part by part: over the API, or within a store.

use std::error::Error;

use engine::quarantine::{Bodies, QuarantineId, Replayed, Which, replay};
use serde::Deserialize;
use serde_json::{Value, json};
use store::Store;
use store::records::Reason;
use store::shop::ShopId;

use crate::command::system::{System, of_shop};
use crate::error::CommandError;

/// The number of ids in a request.
const IDS_TOGETHER: usize = 100;
/// The number of parts in a row without progress after which the command gives up.
const IDLE_MAX: u32 = 10;

/// The rows to replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// The rows with these ids.
    Ids(Vec<QuarantineId>),
    /// The rows with this reason.
    For(Reason),
    /// All rows.
    All,
}

impl Asked {
    /// These ids; if there are none, the rows with a reason, or all.
    pub fn of(ids: &[QuarantineId], reason: Option<Reason>) -> Self {
        match reason {
            _ if !ids.is_empty() => Self::Ids(ids.to_vec()),
            Some(reason) => Self::For(reason),
            None => Self::All,
        }
    }

    /// The bodies of the API requests, to be sent one after the other.
    fn bodies(&self) -> Vec<Value> {
        match self {
            Self::Ids(ids) => ids.chunks(IDS_TOGETHER).map(|ids| json!({ "ids": ids })).collect(),
            Self::For(reason) => vec![json!({ "reason": reason })],
            Self::All => vec![json!({ "all": true })],
        }
    }

    fn which(&self) -> Which {
        match self {
            Self::Ids(ids) => Which::Ids(ids.iter().cloned().collect()),
            Self::For(reason) => Which::From { reason: Some(*reason), behind: None, until: None },
            Self::All => Which::From { reason: None, behind: None, until: None },
        }
    }
}

/// The result of the replay.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Done {
    /// The rows that are in the ingest queue again.
    pub replayed: Vec<QuarantineId>,
    /// The rows without a body.
    pub gone: Vec<QuarantineId>,
    /// The ids under which nothing is quarantined.
    pub unknown: Vec<QuarantineId>,
}

/// An answer of the API.
#[derive(Debug, Deserialize)]
struct Part {
    replayed: Vec<QuarantineId>,
    gone: Vec<QuarantineId>,
    unknown: Vec<QuarantineId>,
    next: Option<String>,
}

impl Done {
    fn add(&mut self, replayed: Vec<QuarantineId>, gone: Vec<QuarantineId>, unknown: Vec<QuarantineId>) {
        self.replayed.extend(replayed);
        self.gone.extend(gone);
        self.unknown.extend(unknown);
    }
}

/// Replays over the API of a system, part by part.
///
/// # Errors
/// If the system fails; the parts before are done.
pub async fn over(system: &System, shop: Option<&ShopId>, asked: &Asked) -> Result<Done, CommandError> {
    let (path, mut done) = (of_shop("/v1/quarantine/replay", shop), Done::default());
    for mut body in asked.bodies() {
        let mut idle = 0;
        loop {
            let Part { replayed, gone, unknown, next } = system.post(&path, &body).await?;
            let is_idle = replayed.is_empty() && next.as_ref().map(|next| json!(next)).as_ref() == body.get("cursor");
            idle = if is_idle { idle + 1 } else { 0 };
            done.add(replayed, gone, unknown);
            let Some(next) = next else { break };
            if idle == IDLE_MAX {
                return Err(CommandError::input(format!(
                    "{}: some bodies are not found within a request, so long is the queue; {} in the ingest queue again\n       \
                     go through all of it with --tables, --quarantine-queue and --ingest-queue",
                    system.url,
                    done.replayed.len(),
                )));
            }
            if let Some(fields) = body.as_object_mut() {
                fields.insert("cursor".to_owned(), json!(next));
            }
        }
    }
    Ok(done)
}

/// Replays within a store, part by part.
///
/// # Errors
/// If the store or a queue fails; the parts before are done.
pub async fn within(
    store: &Store,
    bodies: &dyn Bodies,
    shop: Option<&ShopId>,
    asked: &Asked,
) -> Result<Done, CommandError> {
    let (mut done, mut which, mut stays) = (Done::default(), Some(asked.which()), 0);
    while let Some(part) = which {
        let replayed = replay(store, bodies, shop, part.clone()).await;
        let Replayed { replayed, gone, unknown, left } =
            replayed.map_err(|error| CommandError::input(in_full(&error)))?;
        done.add(replayed, gone, unknown);
        // An event that is quarantined again is at the same place again.
        stays = if left.as_ref() == Some(&part) { stays + 1 } else { 0 };
        if stays == IDLE_MAX {
            let count = done.replayed.len();
            return Err(CommandError::input(format!(
                "the pass through the queue is incomplete; {count} in the ingest queue again"
            )));
        }
        which = left;
    }
    Ok(done)
}

/// The text of an error and its causes.
fn in_full(error: &dyn Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let what = error.to_string();
        // Some errors include their causes.
        if !said.ends_with(&what) {
            said = format!("{said}: {what}");
        }
        cause = error.source();
    }
    said
}
