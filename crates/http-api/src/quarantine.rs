//! What was quarantined because it can never succeed as it is: why, and trying it again.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use engine::quarantine::{BodiesError, Of, QuarantineId, ReplayError, Replayed, Row, Rows, Which, list, replay};
use rules::calendar::Instant;
use serde::{Deserialize, Serialize};
use store::QuarantineMark;
use store::records::Reason;
use tokio::sync::Mutex;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::caller::{Admin, Among, Read};
use crate::cursor::{cursor, limit, place};
use crate::extract::{Body, Query};
use crate::problem::Problem;
use crate::schema;

/// As many ids are replayed at once.
const IDS_MAX: usize = 100;
/// Held by the caller who replays, in this process.
static REPLAYS: Mutex<()> = Mutex::const_new(());

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(quarantine)).routes(routes!(replay_quarantine))
}

/// Which rows.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// For this reason alone.
    #[param(value_type = Option<schema::QuarantineReason>)]
    reason: Option<Reason>,
    /// How many at a time at the most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
}

/// What was quarantined.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Quarantine {
    /// The rows of this page: there may be fewer than asked for, or none, though it is not the last.
    #[schema(value_type = Vec<schema::QuarantineRow>)]
    rows: Vec<Row>,
    /// The cursor of the next page, or null at the end.
    next: Option<String>,
}

/// What was quarantined
///
/// Events that can never be taken in as they are: when, why, where in the event, and what to do about it. Of an event itself
/// nothing is told but the names of its fields, and nothing of a person. In no order that people know. A token of a shop shows
/// what is its own; one of none shows that of all shops, and what names no shop, unless `shop` names one.
#[utoipa::path(
    get, path = "/v1/quarantine", tag = "Quarantine", operation_id = "quarantine", params(Wanted),
    responses((status = 200, body = Quarantine)), security(("bearer" = ["echelon/read"]))
)]
async fn quarantine(
    State(api): State<Api>,
    Among { shop, .. }: Among<Read>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Quarantine>, Problem> {
    let (limit, from) = (limit(wanted.limit)?, place(wanted.cursor.as_deref())?);
    let of = Of { shop: shop.as_ref(), reason: wanted.reason };
    let Rows { rows, next } = list(&api.store, of, limit, from).await?;
    Ok(Json(Quarantine { rows, next: next.as_ref().map(cursor) }))
}

/// What is to be tried again: `ids`, or `reason`, or `all`.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replay {
    /// These.
    #[schema(value_type = Option<Vec<schema::QuarantineId>>, min_items = 1, max_items = 100)]
    ids: Option<BTreeSet<QuarantineId>>,
    /// Or whatever was quarantined for this reason.
    #[schema(value_type = Option<schema::QuarantineReason>)]
    reason: Option<Reason>,
    /// Or everything: `true`.
    all: Option<bool>,
    /// Where to go on: `next` of the answer before, to the same again.
    cursor: Option<String>,
}

/// A place in a replay.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Place {
    /// Behind this row, or before the first; of what was quarantined until the first request came, in milliseconds since 1970.
    Behind { row: Option<QuarantineMark>, until_ms: Option<i64> },
    /// These of the ids are left.
    Ids(BTreeSet<QuarantineId>),
}

impl Replay {
    fn which(self, now: Instant) -> Result<Which, Problem> {
        let place = place(self.cursor.as_deref())?;
        let from = |reason, place| match place {
            None => Ok(Which::From { reason, behind: None, until: Some(now) }),
            Some(Place::Behind { row: behind, until_ms }) => {
                Ok(Which::From { reason, behind, until: until_ms.map(Instant::from_millis) })
            }
            Some(Place::Ids(_)) => Err(of_other()),
        };
        match (self.ids, self.reason, self.all) {
            (Some(ids), None, None | Some(false)) => match place {
                _ if ids.is_empty() => Err(Problem::field("$.ids", "is empty: it says which")),
                _ if ids.len() > IDS_MAX => Err(Problem::field("$.ids", format!("has more than {IDS_MAX}"))),
                None => Ok(Which::Ids(ids)),
                Some(Place::Ids(left)) if left.is_subset(&ids) => Ok(Which::Ids(left)),
                Some(Place::Ids(_) | Place::Behind { .. }) => Err(of_other()),
            },
            (None, Some(reason), None | Some(false)) => from(Some(reason), place),
            (None, None, Some(true)) => from(None, place),
            (None, None, None | Some(false)) => {
                Err(Problem::field("$", "names nothing: say `ids`, `reason` or `\"all\": true`"))
            }
            (Some(_), Some(_), _) | (None, Some(_), Some(true)) | (Some(_), None, Some(true)) => {
                Err(Problem::field("$", "says more than one of `ids`, `reason` and `all`"))
            }
        }
    }
}

fn of_other() -> Problem {
    Problem::field("cursor", "is of something else that was replayed; begin again without one")
}

/// What became of what was to be tried again.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayedPart {
    /// In the ingest queue again, and not quarantined any more; whatever still cannot succeed is quarantined anew.
    #[schema(value_type = Vec<schema::QuarantineId>)]
    replayed: Vec<QuarantineId>,
    /// Their bodies were not found, for they are kept for 14 days: only their senders can send them again.
    #[schema(value_type = Vec<schema::QuarantineId>)]
    gone: Vec<QuarantineId>,
    /// Nothing is quarantined under these of the `ids`.
    #[schema(value_type = Vec<schema::QuarantineId>)]
    unknown: Vec<QuarantineId>,
    /// More is left: send the same again with this `cursor`. Null when all is done.
    next: Option<String>,
}

impl From<Replayed> for ReplayedPart {
    fn from(Replayed { replayed, gone, unknown, left }: Replayed) -> Self {
        let place = |left| match left {
            Which::Ids(ids) => Place::Ids(ids),
            Which::From { behind, until, .. } => Place::Behind { row: behind, until_ms: until.map(Instant::millis) },
        };
        Self { replayed, gone, unknown, next: left.map(|left| cursor(&place(left))) }
    }
}

impl From<ReplayError> for Problem {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::WhoseIds => Self::which_shop(),
            ReplayError::Store(error) | ReplayError::Bodies(BodiesError::Store(error)) => error.into(),
            ReplayError::Bodies(BodiesError::Busy) => {
                Self::unavailable("somebody else replays the quarantine just now")
            }
            ReplayError::Bodies(error @ BodiesError::Queue(_)) => {
                tracing::error!(error = error.in_full(), "a queue did not do what was asked");
                Self::unavailable("the queues do not answer as they should")
            }
        }
    }
}

/// Tries again what was quarantined
///
/// Once what was in its way is put right. As much as can be done at once: as long as `next` is there, send the same again with it
/// as `cursor`. A body is in the ingest queue before it leaves the quarantine, and its row is forgotten last: whatever goes
/// wrong in between, nothing is lost, and what is in twice counts once. One at a time: another waits its turn, or is answered 503.
#[utoipa::path(
    post, path = "/v1/quarantine/replay", tag = "Quarantine", operation_id = "replay_quarantine", request_body = Replay,
    responses((status = 200, body = ReplayedPart)), security(("bearer" = ["echelon/admin"]))
)]
async fn replay_quarantine(
    State(api): State<Api>,
    Among { shop, by, .. }: Among<Admin>,
    Body(asked): Body<Replay>,
) -> Result<Json<ReplayedPart>, Problem> {
    // A body is moved before its row is forgotten: another caller in between would find a row without one, and call it gone.
    let _turn = REPLAYS.lock().await;
    let done = replay(&api.store, &*api.bodies, shop.as_ref(), asked.which(api.clock.now())?).await?;
    let (replayed, gone, is_more) = (done.replayed.len(), done.gone.len(), done.left.is_some());
    tracing::info!(
        shop = shop.as_ref().map(ToString::to_string),
        by,
        replayed,
        gone,
        is_more,
        "replayed what was quarantined"
    );
    Ok(Json(done.into()))
}
