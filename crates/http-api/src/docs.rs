//! The OpenAPI 3.1 document of the API, made from the handlers, and a page that shows it.

use axum::Router;
use axum::http::header;
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use serde_json::{Map, Value, json};
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::Api;
use crate::problem::Problem;
use crate::schema::{JobOrder, PathId};

/// The schema of facts: the same as for facts sent as events.
const FACTS: &str = include_str!("../../../infra/schemas/facts.json");
/// An example body for each operation; a test sends each of them.
const EXAMPLES: &str = include_str!("docs/examples.json");
/// The document as it is committed; a test compares it with what is made here.
const DOCUMENT: &str = include_str!("../../../docs/openapi.json");
const PAGE: &str = include_str!("docs/page.html");

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Echelon",
        description = "VIP tiers: where a customer stands, why, until when, and what comes next.\n\nInstants are RFC 3339 \
in UTC, amounts decimal strings in the program's currency. A request that is not carried out is answered with \
problem details (RFC 9457): everything that is wrong, and what to do. A token says which shop is meant; a caller for several \
shops names one with `shop` or the header `X-Echelon-Shop`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(Problem, JobOrder, PathId)),
    tags(
        (name = "Members", description = "Where members stand, and why"),
        (name = "Facts", description = "What happened, sent directly"),
        (name = "Assignments", description = "Tiers given by hand"),
        (name = "Program", description = "The rules, and changes of them"),
        (name = "Jobs", description = "Midnights and changes of rules, for all members"),
        (name = "Quarantine", description = "Messages that can never succeed as they are"),
        (name = "Insight", description = "How the shop's members stand as a whole"),
        (name = "Privacy", description = "What members may ask of a shop"),
        (name = "Customers", description = "For customers' own browsers")
    )
)]
struct Begun;

pub(crate) fn begin() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Begun::openapi())
}

/// Adds what all operations have in common.
pub(crate) fn complete(document: OpenApi) -> Value {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    set(
        &mut document,
        "/components/securitySchemes",
        json!({
            "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A token of staff, with the scopes \
                        `echelon/read`, `echelon/write` or `echelon/admin`; each includes those before it" },
            "member": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A token that POST \
                        /v1/members/{member_id}/token made for a member" }
        }),
    );
    set(
        &mut document,
        "/components/parameters",
        json!({
            "shop": { "name": "shop", "in": "query", "required": false, "schema": { "type": "string", "pattern": "^[A-Za-z0-9._-]{1,100}$" },
                      "description": "The shop, for tokens that name none" }
        }),
    );
    set(
        &mut document,
        "/components/responses",
        json!({ "Problem": {
        "description": "Why the request was not carried out",
        "headers": { "Retry-After": { "description": "With 429 and 503: seconds to wait", "schema": { "type": "integer" } } },
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } }
    } }),
    );
    for (name, schema) in facts() {
        set(&mut document, &format!("/components/schemas/{name}"), schema);
    }
    let fact = json!({ "$ref": "#/components/schemas/Fact" });
    let one_or_many = json!({ "anyOf": [fact, { "type": "array", "maxItems": 100, "items": fact }] });
    set(&mut document, "/paths/~1v1~1facts/post/requestBody/content/application~1json/schema", one_or_many);
    let examples: Map<String, Value> = serde_json::from_str(EXAMPLES).unwrap_or_default();
    // Exactly one of the two.
    set(
        &mut document,
        "/components/schemas/Wanted/oneOf",
        json!([
            { "required": ["program"], "properties": { "program": { "type": "object" }, "version": { "type": "null" } } },
            { "required": ["version"], "properties": { "version": { "type": "integer" }, "program": { "type": "null" } } }
        ]),
    );
    set(
        &mut document,
        "/components/schemas/Replay/oneOf",
        json!([
            { "required": ["ids"], "properties": { "ids": { "type": "array" }, "reason": { "type": "null" }, "all": { "enum": [null, false] } } },
            { "required": ["reason"], "properties": { "ids": { "type": "null" }, "reason": { "type": "string" }, "all": { "enum": [null, false] } } },
            { "required": ["all"], "properties": { "ids": { "type": "null" }, "reason": { "type": "null" }, "all": { "const": true } } }
        ]),
    );
    unsigned(&mut document);
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for operation in
        paths.into_iter().flatten().flat_map(|(_, item)| item.as_object_mut()).flatten().map(|(_, one)| one)
    {
        example(operation, &examples);
        common(operation);
    }
    document
}

/// Adds the example to an operation that has one.
fn example(operation: &mut Value, examples: &Map<String, Value>) {
    let name = operation.get("operationId").and_then(Value::as_str).unwrap_or_default();
    let Some(example) = examples.get(name).cloned() else { return };
    let content = operation.pointer_mut("/requestBody/content").and_then(Value::as_object_mut);
    for kind in content.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
        kind.insert("example".to_owned(), example.clone());
    }
}

/// Adds the parameter, the responses and the headers that operations have in common.
fn common(operation: &mut Value) {
    let is_staffs = operation.pointer("/security/0/bearer").is_some();
    let takes_body = operation.get("requestBody").is_some();
    let Some(operation) = operation.as_object_mut() else { return };
    if is_staffs && let Some(parameters) = operation.entry("parameters").or_insert_with(|| json!([])).as_array_mut() {
        parameters.push(json!({ "$ref": "#/components/parameters/shop" }));
    }
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    let with_body = if takes_body { &["413", "415"][..] } else { &[] };
    for status in ["400", "401", "403", "404", "429", "500", "503"].iter().chain(with_body) {
        responses.entry(*status).or_insert_with(|| json!({ "$ref": "#/components/responses/Problem" }));
    }
    for (status, response) in responses.iter_mut() {
        // Problems have a type of their own.
        let content = response.get_mut("content").and_then(Value::as_object_mut);
        if let Some(content) = content.filter(|_| status.starts_with(['4', '5']))
            && let Some(said) = content.remove("application/json")
        {
            content.insert("application/problem+json".to_owned(), said);
        }
        if status == "200" && response.get("content").is_some() {
            let tag = json!({ "ETag": { "description": "The version of the answered state, where it has one", "schema": { "type": "string" } } });
            response.as_object_mut().map(|response| response.entry("headers").or_insert(tag));
        }
    }
    responses.entry("default").or_insert_with(|| json!({ "$ref": "#/components/responses/Problem" }));
}

/// The schemas of facts, each under a name of its own.
fn facts() -> Map<String, Value> {
    let text = FACTS.replace("\"#/$defs/", "\"#/components/schemas/Fact.");
    let mut all: Map<String, Value> = serde_json::from_str(&text).unwrap_or_default();
    let parts = all.remove("$defs");
    all.retain(|name, _| !name.starts_with('$'));
    let parts = parts.as_ref().and_then(Value::as_object).into_iter().flatten();
    let mut named: Map<String, Value> = parts.map(|(name, schema)| (format!("Fact.{name}"), schema.clone())).collect();
    named.insert("Fact".to_owned(), Value::Object(all));
    named
}

/// Replaces the formats of 32-bit and 64-bit integers, which OpenAPI defines as signed. The numbers here are unsigned:
/// those of 32 bits get a maximum instead.
fn unsigned(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            match fields.get("format").and_then(Value::as_str) {
                Some("int32") => {
                    fields.remove("format");
                    fields.entry("maximum").or_insert_with(|| json!(u32::MAX));
                }
                Some("int64") => {
                    fields.remove("format");
                }
                Some(_) | None => {}
            }
            fields.values_mut().for_each(unsigned);
        }
        Value::Array(items) => items.iter_mut().for_each(unsigned),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Sets a value at a JSON pointer. All its parents must exist.
fn set(document: &mut Value, pointer: &str, value: Value) {
    let Some((parent, name)) = pointer.rsplit_once('/') else { return };
    let name = name.replace("~1", "/");
    if let Some(parent) = document.pointer_mut(parent).and_then(Value::as_object_mut) {
        parent.insert(name, value);
    }
}

pub(crate) fn routes() -> Router<Api> {
    let document = async || ([(header::CONTENT_TYPE, "application/json")], DOCUMENT);
    let page = async || ([(header::CACHE_CONTROL, "public, max-age=3600")], Html(PAGE)).into_response();
    Router::new().route("/openapi.json", get(document)).route("/docs", get(page))
}
