//! Tiers given by hand: assigned, ended and listed.

mod file;

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use rules::calendar::Instant;
use rules::explain::{FactRef, explain};
use rules::fact::{Fact, FactBody, Mode, TierAssigned, TierUnassigned};
use rules::fact_index::Subject;
use rules::id::{AssignmentId, MemberId, TierId};
use rules::json::steers;
use rules::ledger::Act;
use rules::version::Versions;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::shop::ShopId;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::Api;
use crate::caller::{Authorized, Read, Write};
use crate::extract::{Body, idempotency_key};
use crate::facts::{Became, OneResult, made_key};
use crate::member::Known;
use crate::path::Named;
use crate::problem::{Problem, ProblemCode};
use crate::schema::{Id, PathId};
use crate::timeline::told;

/// The maximum number of characters of a reason. It is kept with each assignment.
const REASON_MAX: usize = 1_000;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, assign)).routes(routes!(end)).merge(file::routes())
}

/// A tier to be given by hand.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assign {
    /// The tier, or null for none (which only `lock` can hold to).
    #[schema(value_type = Option<Id>)]
    tier: Option<TierId>,
    /// `floor`: at least this tier. `lock`: exactly this tier.
    mode: Binding,
    /// The instant at which the assignment ends, exclusive; without end if it is left out.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Instant>,
    /// The reason, for the audit.
    #[schema(value_type = String, min_length = 1, max_length = 1000, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]+$")]
    reason: Reason,
    /// Whether the entry reward of the tier is given.
    #[serde(default = "yes")]
    #[schema(default = true)]
    reward: bool,
}

/// The reason for an assignment or its end: 1 to 1,000 characters, for the audit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Reason(String);

impl TryFrom<String> for Reason {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.chars().count() {
            _ if steers(&text) => Err("has control characters or line breaks: leave them out".to_owned()),
            0 => Err("is empty: it says why, for the audit".to_owned()),
            1..=REASON_MAX => Ok(Self(text)),
            characters => Err(format!("has {characters} characters, and may have {REASON_MAX}")),
        }
    }
}

fn yes() -> bool {
    true
}

/// The mode of an assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Binding {
    /// At least this tier.
    Floor,
    /// Exactly this tier, or none.
    Lock,
}

impl From<Binding> for Mode {
    fn from(binding: Binding) -> Self {
        match binding {
            Binding::Floor => Self::Floor,
            Binding::Lock => Self::Lock,
        }
    }
}

/// An assignment that was made, or the end of a member's assignments.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assigned {
    /// The key of the assignment.
    assignment_id: String,
    /// When it took effect.
    #[schema(value_type = String, format = DateTime)]
    occurred_at: Instant,
    /// `applied`, or `duplicate` if the same was sent before.
    status: Became,
}

/// A member's assignments, the latest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assignments {
    /// Assignments, their ends, and tiers held over a change of rules, as facts; the latest first.
    assignments: Vec<AssignmentEntry>,
}

/// An assignment, its end, or a hold.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AssignmentEntry {
    /// Whether this assignment is in force.
    in_force: bool,
    /// The fact, with reason and author: `tier.assigned`, `tier.unassigned`, or `tier.held` by the program itself.
    #[schema(value_type = Object)]
    fact: Value,
}

/// Assigns a tier
///
/// It applies from now on. The newest assignment rules; it never changes what is counted. A request with an
/// `Idempotency-Key` is carried out once.
#[utoipa::path(
    post, path = "/v1/members/{member_id}/assignments", tag = "Assignments", operation_id = "assign",
    params(("member_id" = PathId, Path, description = "The customer's id in the shop, or `~` and its base64url"),
           ("Idempotency-Key" = Option<String>, Header, description = "A request sent again under the same key has no second effect", min_length = 1, max_length = 255)),
    request_body = Assign,
    responses((status = 201, body = Assigned), (status = 422, description = "The program has no such tier, or something else is wrong", body = Problem)),
    security(("bearer" = ["echelon/write"]))
)]
async fn assign(
    State(api): State<Api>,
    Authorized { shop, by, .. }: Authorized<Write>,
    Named(member): Named,
    headers: HeaderMap,
    Body(wanted): Body<Assign>,
) -> Result<Response, Problem> {
    let versions = api.versions(&shop).await?;
    is_tier(&versions, wanted.tier.as_ref(), api.clock.now())?;
    let id = key_of(&shop, &headers)?;
    let fact = |at| assigned(&id, &member, &wanted, &by, at);
    Ok((StatusCode::CREATED, Json(api.act(&shop, &versions, &id, fact).await?)).into_response())
}

/// The end of a member's assignments.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct End {
    /// The reason, for the audit.
    #[schema(value_type = String, min_length = 1, max_length = 1000, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]+$")]
    reason: Reason,
}

/// Ends a member's assignments
///
/// All of them end now. The earned tier applies again.
#[utoipa::path(
    post, path = "/v1/members/{member_id}/assignments/end", tag = "Assignments", operation_id = "end_assignments",
    params(("member_id" = PathId, Path, description = "The customer's id in the shop, or `~` and its base64url"),
           ("Idempotency-Key" = Option<String>, Header, description = "A request sent again under the same key has no second effect", min_length = 1, max_length = 255)),
    request_body = End,
    responses((status = 201, body = Assigned), (status = 422, description = "The key stands for something else", body = Problem)),
    security(("bearer" = ["echelon/write"]))
)]
async fn end(
    State(api): State<Api>,
    Authorized { shop, by, .. }: Authorized<Write>,
    Named(member): Named,
    headers: HeaderMap,
    Body(End { reason }): Body<End>,
) -> Result<Response, Problem> {
    let versions = api.versions(&shop).await?;
    let id = key_of(&shop, &headers)?;
    let fact = |occurred_at| {
        let ended = TierUnassigned { reason: Some(reason.0.clone()), by: Some(by.clone()) };
        Fact::new(occurred_at, member.clone(), FactBody::TierUnassigned(id.clone(), ended))
    };
    Ok((StatusCode::CREATED, Json(api.act(&shop, &versions, &id, fact).await?)).into_response())
}

/// A member's assignments
///
/// All assignments ever made, with reason and author, the latest first. The one in force is marked.
#[utoipa::path(
    get, path = "/v1/members/{member_id}/assignments", tag = "Assignments", operation_id = "assignments",
    params(("member_id" = PathId, Path, description = "The customer's id in the shop, or `~` and its base64url")),
    responses((status = 200, body = Assignments), (status = 404, description = "Nothing is known of the member", body = Problem)),
    security(("bearer" = ["echelon/read"]))
)]
async fn list(
    State(api): State<Api>,
    Authorized { shop, .. }: Authorized<Read>,
    Named(member): Named,
) -> Result<Json<Assignments>, Problem> {
    let (now, versions) = (api.clock.now(), api.versions(&shop).await?);
    let _turn = api.turns.next(&shop).await?;
    let Known { held, .. } = api.held(&shop, &member).await?;
    let counting = held.counting();
    let ruling = explain(versions.in_force(now), &counting, now).assignment.map(|found| found.fact);
    let acts = counting.assignments();
    let subjects = acts.iter().filter_map(|act| act.act.id()).map(|id| Subject::Assignment(id.clone()));
    // The member's ledger does not have the reason and the author; the stored fact has them.
    let stored = api.store.subjects(&shop, subjects).await?;
    let facts: BTreeMap<&AssignmentId, &Fact> = stored
        .iter()
        .filter_map(|(subject, stored)| match subject {
            Subject::Assignment(id) => Some((id, stored.facts.first()?)),
            Subject::Order(_) | Subject::Entry(_) | Subject::Cancel(_) | Subject::Tags(..) | Subject::Person(_) => None,
        })
        .collect();
    let entry = |assignment: &rules::ledger::Assignment| {
        let (fact, by) = match &assignment.act {
            Act::Assign { id, .. } => (facts.get(id).map(|fact| told((*fact).clone())), FactRef::Assigned(id.clone())),
            Act::Unassign { id } => (facts.get(id).map(|fact| told((*fact).clone())), FactRef::Unassigned(id.clone())),
            Act::Hold { version, tier, until, since } => {
                let fact = json!({ "type": "tier.held", "occurred_at": assignment.at, "tier": tier, "until": until,
                                   "since": since, "version": version, "by": "program" });
                (Some(fact), FactRef::Held(*version))
            }
        };
        Some(AssignmentEntry { in_force: ruling.as_ref() == Some(&by), fact: fact? })
    };
    Ok(Json(Assignments { assignments: acts.iter().rev().filter_map(entry).collect() }))
}

fn assigned(id: &AssignmentId, member: &MemberId, wanted: &Assign, by: &str, occurred_at: Instant) -> Fact {
    let Assign { tier, mode, until, reason, reward } = wanted;
    let assigned = TierAssigned {
        tier: tier.clone(),
        mode: (*mode).into(),
        until: *until,
        reason: Some(reason.0.clone()),
        by: Some(by.to_owned()),
        reward: *reward,
    };
    Fact::new(occurred_at, member.clone(), FactBody::TierAssigned(id.clone(), assigned))
}

/// Refuses a tier that the program in force does not have, since evaluation would ignore it.
fn is_tier(versions: &Versions, tier: Option<&TierId>, now: Instant) -> Result<(), Problem> {
    let program = &versions.in_force(now).program;
    match tier {
        Some(tier) if program.rank(tier).is_none() => {
            let there: Vec<&str> = program.tiers().map(|(_, tier)| tier.id.as_str()).collect();
            let (detail, remedy) =
                (format!("the program has no tier `{tier}`"), format!("name one of: {}", there.join(", ")));
            Err(Problem::new(ProblemCode::ValidationFailed, detail.clone(), remedy).at("$.tier", detail))
        }
        Some(_) | None => Ok(()),
    }
}

/// Refuses an assignment that would end before it begins.
fn is_to_come(fact: Fact) -> Result<Fact, Problem> {
    let FactBody::TierAssigned(_, TierAssigned { until, .. }) = &fact.body else { return Ok(fact) };
    match until {
        Some(until) if *until <= fact.occurred_at => {
            let detail = format!("until: {until} is past already");
            let remedy = "name an instant to come, or leave `until` out";
            Err(Problem::new(ProblemCode::ValidationFailed, detail.clone(), remedy).at("$.until", detail))
        }
        Some(_) | None => Ok(fact),
    }
}

fn key_of(shop: &ShopId, headers: &HeaderMap) -> Result<AssignmentId, Problem> {
    let key = idempotency_key(headers)?.map(|key| made_key(shop, &key, 0));
    let key = key.unwrap_or_else(|| Uuid::now_v7().to_string());
    AssignmentId::new(&key).map_err(|_| Problem::internal_error())
}

impl Api {
    /// Carries out an action once under a key. If it is sent again, the answer is the same.
    async fn act(
        &self,
        shop: &ShopId,
        versions: &Versions,
        id: &AssignmentId,
        fact: impl Fn(Instant) -> Fact,
    ) -> Result<Assigned, Problem> {
        let (at, fact) = self.once(shop, id, fact).await?;
        let result = match fact {
            None => OneResult::of(Became::Duplicate),
            Some(fact) => {
                self.take(shop, versions, vec![fact]).await.pop().unwrap_or_else(|| OneResult::of(Became::Failed))
            }
        };
        let status = result.status;
        match result.problem() {
            Some(problem) => Err(problem),
            None => Ok(Assigned { assignment_id: id.to_string(), occurred_at: at, status }),
        }
    }

    /// The fact to be written under a key, unless it is written already, and the instant at which it occurs or
    /// occurred.
    async fn once(
        &self,
        shop: &ShopId,
        id: &AssignmentId,
        fact: impl Fn(Instant) -> Fact,
    ) -> Result<(Instant, Option<Fact>), Problem> {
        let subject = Subject::Assignment(id.clone());
        let known = self.store.subjects(shop, [subject]).await?.into_values().flat_map(|stored| stored.facts).next();
        let Some(known) = known else {
            let now = self.clock.now();
            return is_to_come(fact(now)).map(|fact| (now, Some(fact)));
        };
        let at = known.occurred_at;
        if known == fact(at) {
            return Ok((at, None));
        }
        Err(Problem::key_reused())
    }
}
