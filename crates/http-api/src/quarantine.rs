//! The quarantine: messages that can never succeed as they are, why, and their replay.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use engine::quarantine::{BodiesError, Of, QuarantineId, ReplayError, Replayed, Row, Rows, Which, list, replay};
use rules::calendar::Instant;
use serde::{Deserialize, Serialize};
use store::QuarantineMark;
use store::records::Reason;
use store::shop::ShopId;
use tokio::sync::Mutex;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::caller::{Admin, Among, Read};
use crate::cursor::{cursor, elsewhere, limit, place};
use crate::extract::{Body, Query};
use crate::problem::Problem;
use crate::schema;

/// The maximum number of ids in one replay.
const IDS_MAX: usize = 100;
/// Held by the caller that replays; one at a time in this process.
static REPLAYS: Mutex<()> = Mutex::const_new(());

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(quarantine)).routes(routes!(replay_quarantine))
}

/// Rows of the quarantine.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Only rows with this reason.
    #[param(value_type = Option<schema::QuarantineReason>)]
    reason: Option<Reason>,
    /// The maximum number of rows on a page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// The place at which to continue: `next` of the page before.
    cursor: Option<String>,
}

/// Rows of the quarantine.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Quarantine {
    /// The rows of this page. A page may have fewer rows than `limit`, or none, without being the last.
    #[schema(value_type = Vec<schema::QuarantineRow>)]
    rows: Vec<Row>,
    /// The cursor of the next page, or null at the end.
    next: Option<String>,
}

/// The quarantine
///
/// Events that can never be ingested as they are: when and why they were quarantined, where in the event the problem
/// is, and what to do about it. Of the event itself only the names of its fields are shown, and no personal data. The
/// order has no meaning to people. A token for one shop shows that shop's rows. A token for no particular shop shows
/// the rows of all shops and those without a shop, unless `shop` names one.
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
    let from = among(from, shop.as_ref())?;
    let of = Of { shop: shop.as_ref(), reason: wanted.reason };
    let Rows { rows, next } = list(&api.store, of, limit, from).await?;
    Ok(Json(Quarantine { rows, next: next.as_ref().map(cursor) }))
}

/// A mark, if it lies among the rows of the shop that is asked about.
fn among(mark: Option<QuarantineMark>, shop: Option<&ShopId>) -> Result<Option<QuarantineMark>, Problem> {
    match mark {
        Some(mark) if !mark.is_of(shop) => Err(elsewhere("another shop")),
        mark => Ok(mark),
    }
}

/// The rows to replay: exactly one of `ids`, `reason` and `all`.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replay {
    /// The rows with these ids.
    #[schema(value_type = Option<Vec<schema::QuarantineId>>, min_items = 1, max_items = 100)]
    ids: Option<BTreeSet<QuarantineId>>,
    /// All rows with this reason.
    #[schema(value_type = Option<schema::QuarantineReason>)]
    reason: Option<Reason>,
    /// All rows: `true`.
    all: Option<bool>,
    /// The place at which to continue: `next` of the answer before. The rest of the request stays the same.
    cursor: Option<String>,
}

/// A place in a replay.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Place {
    /// Behind this row, or before the first. Only rows quarantined before the first request are replayed (milliseconds
    /// since 1970).
    Behind { row: Option<QuarantineMark>, until_ms: Option<i64> },
    /// The ids that are left.
    Ids(BTreeSet<QuarantineId>),
}

impl Replay {
    fn which(self, shop: Option<&ShopId>, now: Instant) -> Result<Which, Problem> {
        let place = place(self.cursor.as_deref())?;
        let from = |reason, place| match place {
            None => Ok(Which::From { reason, behind: None, until: Some(now) }),
            Some(Place::Behind { row, until_ms }) => {
                let behind = among(row, shop)?;
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
    elsewhere("something else that was replayed")
}

/// The result of one part of a replay.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayedPart {
    /// The rows that are back in the ingest queue and no longer quarantined. An event that still cannot succeed is
    /// quarantined again.
    #[schema(value_type = Vec<schema::QuarantineId>)]
    replayed: Vec<QuarantineId>,
    /// The rows whose bodies are gone, because bodies are kept for 14 days. Only the sender can send them again.
    #[schema(value_type = Vec<schema::QuarantineId>)]
    gone: Vec<QuarantineId>,
    /// The `ids` under which nothing is quarantined.
    #[schema(value_type = Vec<schema::QuarantineId>)]
    unknown: Vec<QuarantineId>,
    /// The cursor with which to send the same request again; null if everything is done.
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
            ReplayError::Bodies(BodiesError::Busy) => Self::unavailable("another caller is replaying the quarantine"),
            ReplayError::Bodies(error @ BodiesError::Queue(_)) => {
                tracing::error!(error = error.in_full(), "a queue did not do what was asked");
                Self::unavailable("the queues do not answer as they should")
            }
        }
    }
}

/// Replays the quarantine
///
/// Use it after the cause is fixed. One request does as much as fits: while the answer has `next`, send the same
/// request with it as `cursor`. A body goes into the ingest queue before it leaves the quarantine, and its row is
/// deleted last. So nothing is lost if a step fails, and an event that is ingested twice counts once. Replays run one
/// at a time: another waits its turn, or is answered 503.
#[utoipa::path(
    post, path = "/v1/quarantine/replay", tag = "Quarantine", operation_id = "replay_quarantine", request_body = Replay,
    responses((status = 200, body = ReplayedPart)), security(("bearer" = ["echelon/admin"]))
)]
async fn replay_quarantine(
    State(api): State<Api>,
    Among { shop, by, .. }: Among<Admin>,
    Body(asked): Body<Replay>,
) -> Result<Json<ReplayedPart>, Problem> {
    // A body is moved before its row is deleted: another caller in between would find a row without a body, and report
    // it as gone.
    let _turn = REPLAYS.lock().await;
    let done = replay(&api.store, &*api.bodies, shop.as_ref(), asked.which(shop.as_ref(), api.clock.now())?).await?;
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
