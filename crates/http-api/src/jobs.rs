//! Jobs: their progress, and orders to them.

use axum::Json;
use axum::extract::State;
use engine::sweep::{Listed, Order, latest, progress};
use serde_json::{Value, json};
use store::StoreError;
use store::records::JobId;
use store::shop::ShopId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::caller::{Admin, Authorized, Read};
use crate::extract::Path;
use crate::problem::{Problem, ProblemCode};
use crate::schema;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(order))
}

/// The latest jobs
///
/// Midnights and changes of rules, the latest boundary first, each with its progress and its results.
#[utoipa::path(
    get, path = "/v1/jobs", tag = "Jobs", operation_id = "jobs", responses((status = 200, body = schema::Jobs)),
    security(("bearer" = ["echelon/read"]))
)]
async fn list(State(api): State<Api>, Authorized { shop, .. }: Authorized<Read>) -> Result<Json<Value>, Problem> {
    let jobs = latest(&api.store, &shop, api.clock.now()).await?;
    Ok(Json(json!({ "jobs": jobs })))
}

/// The progress of a job
#[utoipa::path(
    get, path = "/v1/jobs/{job}", tag = "Jobs", operation_id = "job",
    params(("job" = String, Path, description = "The job's name", example = "2027-01-01T05:00:00.000Z-rollover")),
    responses((status = 200, body = schema::Job), (status = 404, description = "There is no such job", body = Problem)),
    security(("bearer" = ["echelon/read"]))
)]
async fn show(
    State(api): State<Api>,
    Authorized { shop, .. }: Authorized<Read>,
    Path(job): Path<String>,
) -> Result<Json<Listed>, Problem> {
    api.job(shop, &named(&job)?).await
}

impl Api {
    async fn job(&self, shop: ShopId, id: &JobId) -> Result<Json<Listed>, Problem> {
        let found = progress(&self.store, &shop, id, self.clock.now()).await?;
        found.map(|progress| Json(Listed { shop, progress })).ok_or_else(|| unknown(&id.to_string()))
    }
}

/// Pauses, resumes or cancels a job
///
/// A pause takes effect before the next page. A member who is not past the boundary of a canceled job passes it with
/// their next event or with the next job. Answers about them are right in the meantime.
#[utoipa::path(
    post, path = "/v1/jobs/{job}/{order}", tag = "Jobs", operation_id = "order_job",
    params(("job" = String, Path, description = "The job's name"), ("order" = schema::JobOrder, Path, description = "What to do")),
    responses((status = 200, body = schema::Job), (status = 404, description = "There is no such job", body = Problem),
              (status = 409, description = "It was changed in between", body = Problem)),
    security(("bearer" = ["echelon/admin"]))
)]
async fn order(
    State(api): State<Api>,
    Authorized { shop, .. }: Authorized<Admin>,
    Path((job, order)): Path<(String, schema::JobOrder)>,
) -> Result<Json<Listed>, Problem> {
    let id = named(&job)?;
    let order = match order {
        schema::JobOrder::Pause => Order::Pause,
        schema::JobOrder::Resume => Order::Resume,
        schema::JobOrder::Cancel => Order::Cancel,
    };
    match api.sweeps.order(&shop, &id, order).await {
        Ok(state) => state.ok_or_else(|| unknown(&job))?,
        Err(StoreError::Conflict) => {
            return Err(Problem::new(
                ProblemCode::Conflict,
                "it was changed in between",
                "look at GET /v1/jobs, and ask again",
            ));
        }
        Err(error) => return Err(error.into()),
    };
    api.due.notify_one();
    api.job(shop, &id).await
}

fn named(job: &str) -> Result<JobId, Problem> {
    job.parse().map_err(|_| unknown(job))
}

fn unknown(job: &str) -> Problem {
    Problem::new(ProblemCode::UnknownJob, format!("there is no job `{job}`"), "GET /v1/jobs lists them")
}
