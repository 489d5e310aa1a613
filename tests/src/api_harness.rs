//! A shop with an API in front of it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::system::{InMemorySegmentQueue, System, instant, settings};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use engine::ingest::FactWriter;
use engine::sweep::Sweep;
use http_api::authenticate::AuthMode;
use http_api::caller::{Caller, Scope};
use http_api::token::TokenKey;
use http_api::{Api, Parts};
use jsonschema::Validator;
use rules::calendar::Instant;
use rules::id::MemberId;
use serde_json::{Value, json};
use store::shop::ShopId;
use tokio::sync::{Notify, RwLock};
use tower::ServiceExt;

const HOUR_MS: i64 = 3_600_000;

/// The secret that Shopify signs with here.
pub const SECRET: &str = "hush, hush, hush";

/// A shop, its API, and the key that signs tokens for its callers.
pub struct ApiHarness {
    /// The system under it.
    pub system: System,
    router: Router,
    key: TokenKey,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; null if there is none.
    pub body: Value,
}

impl Answer {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body of an answer with a status.
    #[track_caller]
    pub fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }
}

/// A request.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    method: &'a str,
    path: String,
    token: Option<String>,
    headers: Vec<(&'a str, String)>,
    body: Vec<u8>,
}

/// A program that counts money per calendar year: silver takes 100, gold 500.
pub fn program() -> Value {
    json!({ "start_date": "2023-01-01", "timezone": "America/New_York", "currency": "USD",
            "milestone": { "metric": "amount_spent", "period": "calendar_year" },
            "tiers": [{ "id": "silver", "name": "Silver", "threshold": "100",
                        "perks": [{ "type": "free_shipping" }, { "type": "custom", "text": "A hand-written card" }] },
                      { "id": "gold", "name": "Gold", "threshold": "500",
                        "entry_rewards": [{ "type": "points", "points": 50 }],
                        "perks": [{ "type": "points_multiplier", "factor": "1.5" }, { "type": "early_access" },
                                  { "type": "birthday_points", "points": 100 }] }] })
}

/// A paid order.
pub fn order(member: &str, id: &str, total: &str) -> Value {
    json!({ "type": "order.paid", "member_id": member, "order_id": id, "total": total, "occurred_at": "2024-03-01T12:00:00Z" })
}

impl ApiHarness {
    /// A shop with a program, at noon of June 1, 2024.
    pub async fn open() -> Self {
        Self::with(&program()).await
    }

    /// A shop with another program, at the same time.
    pub async fn with(program: &Value) -> Self {
        let place = crate::dynamodb::embedded().await;
        let system = System::new(place.client, &place.prefix).await;
        system.at(instant("2023-01-02T12:00:00Z"));
        system.publish(program, &json!({})).await;
        system.at(instant("2024-06-01T12:00:00Z"));
        Self::over(system)
    }

    /// A harness over a system.
    pub fn over(system: System) -> Self {
        Self::signed(system, Some(SECRET))
    }

    /// The same system without a secret of Shopify's.
    pub fn without_secret(self) -> Self {
        Self::signed(self.system, None)
    }

    fn signed(system: System, secret: Option<&str>) -> Self {
        let key = TokenKey::new("a key of thirty-two bytes or more").unwrap();
        let clock = system.clock();
        let sweep = Sweep::new(system.store.clone(), InMemorySegmentQueue::default(), clock.clone(), settings());
        let api = Api::new(Parts {
            store: system.store.clone(),
            writer: FactWriter::new(system.store.clone(), clock.clone()),
            bodies: Box::new(system.kept.clone()),
            sweeps: Box::new(Arc::new(sweep)),
            clock,
            ahead_ms: 0,
            preview_budget: None,
            auth: AuthMode::Tokens(key.clone()),
            shopify_secret: secret.map(|secret| http_api::shopify::Secret::new(secret).unwrap()),
            shop: None,
            batch: Arc::new(RwLock::default()),
            recorded: Arc::new(Notify::default()),
            due: Arc::new(Notify::default()),
        });
        Self { system, router: http_api::router(api, Router::new()), key }
    }

    /// A staff token with a scope, valid for an hour from now.
    pub fn token(&self, shop: Option<&str>, scope: Scope) -> String {
        let shop = shop.map(|shop| ShopId::new(shop).unwrap());
        self.sign(&Caller::Staff { shop, scope, name: "jo".to_owned() }, HOUR_MS)
    }

    /// A member's own token.
    pub fn member_token(&self, member: &str) -> String {
        self.sign(&Caller::Member { shop: self.system.shop.clone(), member: MemberId::new(member).unwrap() }, HOUR_MS)
    }

    /// A staff token of the shop with the scope to read, valid for a year.
    pub fn lasting_token(&self) -> String {
        let shop = Some(self.system.shop.clone());
        self.sign(&Caller::Staff { shop, scope: Scope::Read, name: "jo".to_owned() }, 24 * 365 * HOUR_MS)
    }

    fn sign(&self, caller: &Caller, for_ms: i64) -> String {
        self.key.sign(caller, self.system.now().plus_millis(for_ms)).token
    }

    /// A request by an administrator of the shop.
    pub fn ask<'a>(&self, method: &'a str, path: &str) -> Ask<'a> {
        let token = Some(self.token(Some("acme"), Scope::Admin));
        Ask { method, path: path.to_owned(), token, headers: Vec::new(), body: Vec::new() }
    }

    /// Gets a path.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.ask("GET", path)).await
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.ask("POST", path).json(&body)).await
    }

    /// Sends a request, and validates the answer against the OpenAPI document.
    pub async fn send(&self, ask: Ask<'_>) -> Answer {
        let mut request = Request::builder().method(ask.method).uri(&ask.path);
        if let Some(token) = &ask.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        let request = request.body(Body::from(ask.body.clone())).unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let is_json = parts.headers.get("content-type").is_some_and(|kind| kind.to_str().unwrap().contains("json"));
        let body = if is_json { serde_json::from_slice(&bytes).unwrap() } else { Value::Null };
        let answer = Answer { status: parts.status.as_u16(), headers: parts.headers, body };
        fits(&ask, &answer);
        answer
    }

    /// Sends facts, all of which must be applied.
    pub async fn tell(&self, facts: &[Value]) {
        let told = self.post("/v1/facts", json!(facts)).await.is(200);
        for result in told["results"].as_array().unwrap() {
            assert_eq!(result["status"], "applied", "{told}");
        }
    }

    /// The id of a member's tier, or null.
    pub async fn tier(&self, member: &str) -> Value {
        self.get(&format!("/v1/members/{member}")).await.is(200)["tier"]["id"].clone()
    }

    /// All items of all tables.
    pub async fn everything(&self) -> Vec<String> {
        let mut all = Vec::new();
        for table in ["members", "ledger", "control"] {
            all.extend(self.system.items(table).await);
        }
        all
    }

    /// Sets the clock.
    pub fn at(&self, at: &str) -> Instant {
        self.system.at(instant(at));
        self.system.now()
    }
}

impl<'a> Ask<'a> {
    /// Replaces the token, or removes it.
    pub fn by(self, token: impl Into<Option<String>>) -> Self {
        Self { token: token.into(), ..self }
    }

    /// Adds a header.
    pub fn with(mut self, name: &'a str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Sets a body of JSON.
    pub fn json(self, body: &Value) -> Self {
        self.with("content-type", "application/json").raw(body.to_string())
    }

    /// Sets a body of any kind.
    pub fn raw(self, body: impl AsRef<[u8]>) -> Self {
        Self { body: body.as_ref().to_vec(), ..self }
    }
}

/// The OpenAPI document, and a validator for the answers of each operation.
struct Document {
    value: Value,
    validators: BTreeMap<String, Validator>,
}

fn document() -> &'static Document {
    static DOCUMENT: OnceLock<Document> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let value = http_api::document();
        let mut validators = BTreeMap::new();
        for (path, item) in value["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                for (status, response) in operation["responses"].as_object().unwrap() {
                    let response = match response["$ref"].as_str() {
                        Some(to) => value.pointer(to.trim_start_matches('#')).unwrap(),
                        None => response,
                    };
                    let Some(content) = response["content"].as_object() else { continue };
                    let (_, content) = content.iter().next().unwrap();
                    let schema = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema",
                                         "components": value["components"], "allOf": [content["schema"]] });
                    let name = format!("{} {path} {status}", method.to_uppercase());
                    validators
                        .insert(name, jsonschema::options().should_validate_formats(true).build(&schema).unwrap());
                }
            }
        }
        Document { value, validators }
    })
}

/// Whether a path matches a pattern.
fn is_of(path: &str, pattern: &str) -> bool {
    let (path, pattern): (Vec<_>, Vec<_>) = (path.split('/').collect(), pattern.split('/').collect());
    path.len() == pattern.len() && path.iter().zip(&pattern).all(|(part, of)| of.starts_with('{') || part == of)
}

#[track_caller]
fn fits(ask: &Ask<'_>, answer: &Answer) {
    let path = ask.path.split('?').next().unwrap();
    let Document { value, validators } = document();
    let paths = value["paths"].as_object().unwrap();
    // If two patterns match, the one with fewer parameters is meant.
    let fitting =
        paths.iter().filter(|(pattern, item)| is_of(path, pattern) && !item[ask.method.to_lowercase()].is_null());
    let Some((pattern, item)) = fitting.min_by_key(|(pattern, _)| pattern.matches('{').count()) else { return };
    let said = &item[ask.method.to_lowercase()]["responses"];
    let status = answer.status.to_string();
    assert!(
        !said[&status].is_null(),
        "{} {pattern} answers {status}, which the document does not name: {}",
        ask.method,
        answer.body
    );
    if let Some(validator) = validators.get(&format!("{} {pattern} {status}", ask.method)) {
        let wrong: Vec<String> =
            validator.iter_errors(&answer.body).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "{} {pattern} {status}: {wrong:#?}\n{}", ask.method, answer.body);
    }
    if answer.status >= 400 {
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert!(
            !answer.body["detail"].as_str().unwrap().is_empty() && !answer.body["remedy"].as_str().unwrap().is_empty()
        );
    }
    assert!(answer.header("x-request-id").is_some(), "{pattern}");
}
