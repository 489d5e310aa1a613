//! Facts sent directly: those about one order are stored together, each other one by itself, before the answer is sent.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use engine::ingest::FactOutcome;
use rules::fact::Fact;
use rules::fact_index::FactStatus;
use rules::json::{Problems, check_texts};
use rules::version::Versions;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::records::Reason;
use store::shop::ShopId;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::Api;
use crate::caller::{Authorized, Write};
use crate::extract::{Any, idempotency_key};
use crate::problem::{Place, Problem, ProblemCode};
use crate::timeline::told;

/// The maximum number of facts in one request.
const TOGETHER_MAX: usize = 100;
/// The namespace of keys that are derived from idempotency keys.
const MADE_KEYS: Uuid = Uuid::from_u128(0x8f0c_2f2e_5d44_4a55_9a3a_6b0c_51d1_7e11);

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(facts))
}

/// One fact, or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<Value>),
    One(Value),
}

/// The results of several facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Results {
    /// The results, in the order in which the facts were sent.
    pub(crate) results: Vec<OneResult>,
}

/// The result of a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OneResult {
    /// The outcome.
    pub(crate) status: Became,
    /// The fact's natural key, where it was derived from the idempotency key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// Why the fact was not stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// The remedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<String>,
    /// Everything that is wrong in the fact, each with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) problems: Vec<Place>,
    /// Why the fact, although it is stored, counts for nothing yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) not_counted: Option<NotCounted>,
}

/// Why a stored fact counts for nothing yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NotCounted {
    /// The reason: `before_start`, `cancelled`, `inactive_program`, `no_exchange_rate`, `no_member`, `test_order` or
    /// `waiting_for_order`. More may come.
    #[schema(value_type = String, examples("no_exchange_rate"))]
    code: &'static str,
    /// The reason and the remedy in a sentence.
    message: String,
}

impl From<engine::ingest::NotCounted> for NotCounted {
    fn from(why: engine::ingest::NotCounted) -> Self {
        let engine::ingest::NotCounted { code, message } = why;
        Self { code, message }
    }
}

/// The outcome of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Became {
    /// The fact is stored: it is new, or a newer revision of a known fact.
    Applied,
    /// The fact was known already, and changes nothing.
    Duplicate,
    /// A later revision is known, and stays.
    Superseded,
    /// The fact is about a member who was erased, and is not kept.
    #[serde(alias = "kept_out")]
    MemberErased,
    /// The fact is wrong, and was not stored.
    Invalid,
    /// The fact can never be stored as it is.
    Refused,
    /// The fact was not stored for now: send it again.
    Failed,
}

impl OneResult {
    pub(crate) fn of(status: Became) -> Self {
        Self { status, key: None, detail: None, remedy: None, problems: Vec::new(), not_counted: None }
    }

    fn because(status: Became, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), remedy: Some(remedy.into()), ..Self::of(status) }
    }

    /// Adds a problem at a place.
    fn at(mut self, path: &str, message: impl Into<String>) -> Self {
        self.problems.push(Place { path: path.to_owned(), message: message.into() });
        self
    }

    fn invalid(problems: &Problems) -> Self {
        let remedy = "correct what `problems` names and send it again";
        let problems = problems.iter().map(Place::from).collect();
        Self { problems, ..Self::because(Became::Invalid, "this is not a valid fact", remedy) }
    }

    /// Whether the fact is stored or need not be.
    pub(crate) fn is_well(&self) -> bool {
        match self.status {
            Became::Applied | Became::Duplicate | Became::Superseded | Became::MemberErased => true,
            Became::Invalid | Became::Refused | Became::Failed => false,
        }
    }

    /// The problem that answers a request with this fact alone.
    pub(crate) fn problem(self) -> Option<Problem> {
        let Self { status, detail, remedy, problems, .. } = self;
        let (detail, remedy) = (detail.unwrap_or_default(), remedy.unwrap_or_default());
        let mut problem = match status {
            Became::Applied | Became::Duplicate | Became::Superseded | Became::MemberErased => return None,
            Became::Invalid | Became::Refused => Problem::new(ProblemCode::ValidationFailed, detail, remedy),
            Became::Failed => Problem::unavailable(detail),
        };
        problem.problems = problems;
        Some(problem)
    }
}

impl From<FactOutcome> for OneResult {
    fn from(told: FactOutcome) -> Self {
        match told {
            FactOutcome::Taken(FactStatus::Applied, _) => Self::of(Became::Applied),
            FactOutcome::Taken(FactStatus::Duplicate, _) => Self::of(Became::Duplicate),
            FactOutcome::Taken(FactStatus::Superseded, _) => Self::of(Became::Superseded),
            FactOutcome::Taken(FactStatus::MemberErased, _) => Self::of(Became::MemberErased),
            FactOutcome::Refused(reason) => {
                let refused = Self::because(Became::Refused, reason.code(), reason.remedy());
                if reason != Reason::FromTheFuture {
                    return refused;
                }
                refused.at("$.occurred_at", "is more than five minutes ahead of the clock here")
            }
            FactOutcome::Failed(why) => {
                tracing::warn!(%why, "a fact was not taken in for now");
                Self::because(
                    Became::Failed,
                    "it was not taken in for now",
                    "send it again: what is in changes nothing",
                )
            }
        }
    }
}

/// A natural key derived from an idempotency key. The same key, shop and place always give the same one.
pub(crate) fn made_key(shop: &ShopId, key: &str, place: usize) -> String {
    Uuid::new_v5(&MADE_KEYS, format!("{shop}\n{place}\n{key}").as_bytes()).to_string()
}

/// The field of a fact that has its natural key, where that key is not the name of something in the shop's own system.
fn key_field(fact: &Value) -> Option<&'static str> {
    match fact.get("type")?.as_str()? {
        "order.refunded" => Some("refund_id"),
        "points.earned" | "points.adjusted" | "points.imported" => Some("entry_id"),
        "points.canceled" => Some("cancel_id"),
        "tier.assigned" | "tier.unassigned" => Some("assignment_id"),
        _ => None,
    }
}

/// A fact as it was sent, decoded.
struct Sent {
    fact: Result<Fact, OneResult>,
    key: Option<String>,
}

fn read(versions: &Versions, shop: &ShopId, key: Option<&str>, place: usize, mut event: Value) -> Sent {
    let mut made = None;
    if let (Some(key), Some(field)) = (key, key_field(&event))
        && let Some(fields) = event.as_object_mut()
        && fields.get(field).is_none_or(Value::is_null)
    {
        let key = made_key(shop, key, place);
        fields.insert(field.to_owned(), Value::from(key.clone()));
        made = Some(key);
    }
    // The reason and the author of an assignment are shown to people, so the same texts are refused as at the endpoint
    // for assignments.
    let is_assignment = matches!(event.get("type").and_then(Value::as_str), Some("tier.assigned" | "tier.unassigned"));
    let names = ["reason", "by"].into_iter().filter(|_| is_assignment);
    let said: Map<String, Value> = names.filter_map(|name| Some((name.to_owned(), event.get(name)?.clone()))).collect();
    let fact = match check_texts(&Value::Object(said), "$")
        .and_then(|()| Fact::read(&event, versions.last().program.currency))
    {
        Err(problems) => Err(OneResult::invalid(&problems)),
        Ok(told) if told.fact.erased().is_some() => {
            let remedy = "DELETE /v1/members/{member_id}, with the scope `echelon/admin`";
            let detail = "this route does not erase members";
            Err(OneResult::because(Became::Refused, detail, remedy).at("$.type", detail))
        }
        Ok(told) => Ok(told.fact),
    };
    Sent { fact, key: made }
}

impl Api {
    /// Writes facts and returns the result of each.
    pub(crate) async fn take(&self, shop: &ShopId, versions: &Versions, facts: Vec<Fact>) -> Vec<OneResult> {
        let batch = self.batch.read().await;
        let told = self.writer.write(shop, versions, facts.clone()).await;
        drop(batch);
        self.recorded.notify_one();
        let version = versions.in_force(self.clock.now());
        let result = |(fact, outcome): (Fact, FactOutcome)| OneResult {
            not_counted: engine::ingest::not_counted(version, &fact, &outcome).map(NotCounted::from),
            ..OneResult::from(outcome)
        };
        facts.into_iter().zip(told).map(result).collect()
    }

    /// Refuses facts whose derived keys are already taken by something else: their idempotency key was used before.
    async fn refuse_reused(&self, shop: &ShopId, sent: &mut [Sent]) -> Result<(), Problem> {
        let made = || sent.iter().filter(|sent| sent.key.is_some()).filter_map(|sent| sent.fact.as_ref().ok());
        let subjects = made().flat_map(|fact| fact.subjects().collect::<Vec<_>>()).collect::<Vec<_>>();
        if subjects.is_empty() {
            return Ok(());
        }
        let known = self.store.subjects(shop, subjects).await?;
        for one in sent.iter_mut() {
            let (Some(_), Ok(fact)) = (&one.key, &one.fact) else { continue };
            // A fact that follows an order or an entry is stored without the member that it names.
            let nameless = |fact: &Fact| told(fact.without_member().unwrap_or_else(|| fact.clone()));
            let said = nameless(fact);
            let field = key_field(&said).unwrap_or_default();
            let is_other = |other: Value| other.get(field) == said.get(field) && other != said;
            let stored = fact.subjects().filter_map(|subject| known.get(&subject)).flat_map(|stored| &stored.facts);
            if stored.map(nameless).any(is_other) {
                let remedy = "use another `Idempotency-Key` for something else";
                let detail = "the `Idempotency-Key` was used for something else";
                one.fact = Err(OneResult::because(Became::Refused, detail, remedy));
            }
        }
        Ok(())
    }
}

/// Sends facts
///
/// One fact, or an array of up to 100, as section 4 of the semantics defines them. Those about one order are stored together, each other one by itself, before the
/// answer is sent, and each has a result. A standing that is read afterwards takes them into account. Facts that are
/// sent again change nothing, because they are stored under their natural keys. Where a fact has no key of its own (an
/// entry, a refund, a cancellation of points, an assignment), one is derived from the `Idempotency-Key`, for good. If a
/// single fact is not stored, the answer is a problem. The same is true of several facts if none of them was stored for
/// now.
#[utoipa::path(
    post, path = "/v1/facts", tag = "Facts", operation_id = "tell",
    params(("Idempotency-Key" = Option<String>, Header, description = "A request sent again under the same key has no second effect", min_length = 1, max_length = 255)),
    request_body(content = Value, description = "A fact, or an array of them"),
    responses((status = 200, body = Results), (status = 413, description = "More than 100 facts, or too large a body", body = Problem),
              (status = 422, description = "The one fact is wrong", body = Problem)),
    security(("bearer" = ["echelon/write"]))
)]
async fn facts(
    State(api): State<Api>,
    Authorized { shop, .. }: Authorized<Write>,
    headers: HeaderMap,
    Any(sent): Any<OneOrMany>,
) -> Result<Response, Problem> {
    let key = idempotency_key(&headers)?;
    let (sent, is_one) = match sent {
        OneOrMany::One(fact) => (vec![fact], true),
        OneOrMany::Many(facts) => (facts, false),
    };
    if sent.len() > TOGETHER_MAX {
        let (detail, remedy) = (format!("{} facts at once", sent.len()), format!("send {TOGETHER_MAX} at a time"));
        return Err(Problem::new(ProblemCode::TooManyItems, detail, remedy));
    }
    let versions = api.versions(&shop).await?;
    let read = |(place, event)| read(&versions, &shop, key.as_deref(), place, event);
    let mut sent: Vec<Sent> = sent.into_iter().enumerate().map(read).collect();
    api.refuse_reused(&shop, &mut sent).await?;
    let facts = sent.iter().filter_map(|sent| sent.fact.as_ref().ok()).cloned().collect();
    let mut taken = api.take(&shop, &versions, facts).await.into_iter();
    let settle = |sent: Sent| {
        let became = match sent.fact {
            Ok(_) => taken.next().unwrap_or_else(|| OneResult::of(Became::Failed)),
            Err(result) => result,
        };
        OneResult { key: sent.key, ..became }
    };
    let mut results: Vec<OneResult> = sent.into_iter().map(settle).collect();
    // A caller who looks at the status alone must not see success where no fact is stored.
    let none_is_in = !results.is_empty() && results.iter().all(|result| result.status == Became::Failed);
    if none_is_in || (is_one && results.first().is_some_and(|result| !result.is_well())) {
        return Err(results.pop().and_then(OneResult::problem).unwrap_or_else(Problem::internal_error));
    }
    Ok(Json(Results { results }).into_response())
}
