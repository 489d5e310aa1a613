//! Requests of malicious or careless callers. Whatever they are, the answer names the place and the remedy, nothing changes, and
//! the same again is answered the same.

mod bodies;
mod callers;
mod loads;
mod places;

use serde_json::{Value, json};
use tests::api_harness::{ApiHarness, Ask, order};

/// A request and its expected answer: a status, a kind of problem (empty: none), and words in it.
pub struct Case {
    /// A sentence that says what is bad.
    pub name: &'static str,
    ask: fn(&ApiHarness) -> Ask<'static>,
    answer: (u16, &'static str, &'static str),
}

fn case(name: &'static str, ask: fn(&ApiHarness) -> Ask<'static>, answer: (u16, &'static str, &'static str)) -> Case {
    Case { name, ask, answer }
}

const BAD: &str = "malformed-request";
const ANNA: &str = "/v1/members/anna";
const FACTS: &str = "/v1/facts";

/// All cases of requests.
pub fn cases() -> Vec<Case> {
    let kinds =
        [bodies::cases(), loads::cases(), places::paths(), places::queries(), callers::headers(), callers::tokens()];
    kinds.into_iter().flatten().collect()
}

fn told(desk: &ApiHarness, body: impl AsRef<[u8]>) -> Ask<'static> {
    desk.ask("POST", FACTS).with("content-type", "application/json").raw(body)
}

fn assign(desk: &ApiHarness, body: Value) -> Ask<'static> {
    desk.ask("POST", "/v1/members/anna/assignments").json(&body)
}

/// Sends all requests, and panics with the names of those that were answered in another way.
pub async fn all_are_answered_as_they_have_to() {
    let desk = ApiHarness::open().await;
    desk.tell(&[order("anna", "1", "120.00"), order("anna", "2", "1.00")]).await;
    desk.send(assign(&desk, json!({ "tier": "gold", "mode": "floor", "reason": "x" })).with("Idempotency-Key", "used"))
        .await
        .is(201);
    desk.send(desk.ask("PUT", "/v1/program/draft").json(&json!({ "program": { "name": "another's" } }))).await.is(200);
    let mut wrong = Vec::new();
    for Case { name, ask, answer: (status, kind, says) } in cases() {
        let before = desk.everything().await;
        let said = desk.send(ask(&desk)).await;
        let text = said.body.to_string();
        let is_kind =
            said.body["type"] == format!("urn:echelon:problem:{kind}") || (kind.is_empty() && said.status < 300);
        if said.status != status || !is_kind || !text.contains(says) {
            wrong.push(format!("{name}: {} {:.600}", said.status, text));
        }
        if said.header("x-content-type-options") != Some("nosniff")
            || !said.header("content-type").is_some_and(|kind| kind.ends_with("json"))
        {
            wrong.push(format!("{name}: a browser could take it for a page: {:?}", said.headers));
        }
        let again = desk.send(ask(&desk)).await;
        if (again.status, &again.body) != (said.status, &said.body) {
            wrong.push(format!("{name}, again: {} {:.600}", again.status, again.body.to_string()));
        }
        if desk.everything().await != before {
            wrong.push(format!("{name}: something changed"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
