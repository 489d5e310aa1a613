//! The HTTP API as a function, given literal requests of API Gateway.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::runtime::{Function, event};
use crate::{World, log_is_fit_to_keep};

/// The queue of incoming events.
pub const INGEST: &str = "https://sqs.eu-central-1.amazonaws.com/123456789012/echelon-IngestQueue-1A2B3C";

/// A request of API Gateway for another route, with a body if one is given.
pub fn request(method: &str, path: &str, body: Option<&Value>) -> Value {
    let mut request = event("http-request");
    request["rawPath"] = json!(path);
    request["rawQueryString"] = json!("");
    request["queryStringParameters"] = Value::Null;
    request["requestContext"]["http"]["method"] = json!(method);
    request["requestContext"]["http"]["path"] = json!(path);
    if let Some(body) = body {
        request["headers"]["content-type"] = json!("application/json");
        request["body"] = json!(body.to_string());
    }
    request
}

async fn answer(api: &Function, request: &Value) -> (u64, Value) {
    let answer = api.invoke(request).await;
    let body = answer["body"].as_str().unwrap_or_default();
    (answer["statusCode"].as_u64().unwrap(), serde_json::from_str(body).unwrap_or_default())
}

impl World {
    pub fn api(&self) -> Function {
        let mut environment = self.environment.clone();
        for (name, value) in [
            ("TOKEN_KEY", "a key of thirty-two bytes or more"),
            ("SHOP_CLAIM", "custom:shop"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "2024/06/01/[1]0123456789abcdef"),
            ("ROLLOVER_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/123456789012/rollover"),
            ("RECALCULATION_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/123456789012/recalculation"),
            ("INGEST_QUEUE_URL", INGEST),
        ] {
            environment.push((name, value.to_owned()));
        }
        Function::start(&self.emulator, "api", &environment)
    }
}

#[tokio::test]
async fn a_request_of_the_gateway_is_answered_within_the_scope_of_its_token() {
    let world = World::new().await;
    let api = world.api();
    let order = json!({ "type": "order.paid", "order_id": "1", "member_id": "anna@example.com", "total": "150",
                        "occurred_at": "2024-05-01T10:00:00Z" });
    let tell = request("POST", "/v1/facts", Some(&order));
    for status in ["applied", "duplicate"] {
        assert_eq!(answer(&api, &tell).await, (200, json!({ "results": [{ "status": status }] })));
    }
    let whole = api.invoke(&event("http-request")).await;
    let standing: Value = serde_json::from_str(whole["body"].as_str().unwrap()).unwrap();
    assert_eq!((&standing["shop"], &standing["tier"]["id"]), (&json!("acme"), &json!("silver")));
    let headers = &whole["headers"];
    assert_eq!(headers["x-request-id"], "YvF2mhOJFiAEPqw=");
    assert!(headers["etag"].is_string() && headers["content-type"] == "application/json", "{headers}");

    // The token is for one shop, and may not administer it.
    let mut other = request("GET", "/v1/members/anna%40example.com", None);
    other["rawQueryString"] = json!("shop=acme.myshopify.com");
    assert_eq!(answer(&api, &other).await.0, 403);
    assert_eq!(answer(&api, &request("DELETE", "/v1/members/anna%40example.com", None)).await.0, 403);
    let mut anonymous = event("http-request");
    anonymous["requestContext"].as_object_mut().unwrap().remove("authorizer");
    assert_eq!(answer(&api, &anonymous).await.0, 401);
    // A caller whom IAM lets in names the shop.
    anonymous["requestContext"]["authorizer"] = json!({ "iam": { "userArn": "arn:aws:iam::123456789012:user/op" } });
    anonymous["rawQueryString"] = json!("shop=acme");
    assert_eq!(answer(&api, &anonymous).await.0, 200);

    // A member's own token is one that the function made.
    let (status, made) = answer(&api, &request("POST", "/v1/members/anna%40example.com/token", Some(&json!({})))).await;
    assert_eq!(status, 201, "{made}");
    let mut me = request("GET", "/v1/me", None);
    me["requestContext"].as_object_mut().unwrap().remove("authorizer");
    me["headers"]["authorization"] = json!(format!("Bearer {}", made["token"].as_str().unwrap()));
    assert_eq!(answer(&api, &me).await.1["tier"]["id"], "silver");
    assert!(api.log().contains("/v1/members/{member_id}"), "{}", api.log());
    log_is_fit_to_keep(&api);
}

/// A path as an HTTP API hands it over: decoded, except for `%25`.
fn handed_over(path: &str) -> String {
    let mut decoded = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let escape = if *first == b'%' { behind.get(..2) } else { None };
        match escape.map(|digits| std::str::from_utf8(digits).unwrap()) {
            Some("25") | None => {
                decoded.push(*first);
                rest = behind;
            }
            Some(digits) => {
                decoded.push(u8::from_str_radix(digits, 16).unwrap());
                rest = &behind[2..];
            }
        }
    }
    String::from_utf8(decoded).unwrap()
}

fn percent_encoded(id: &str) -> String {
    id.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Ids that mean something in paths: each reaches its own member, or is refused.
#[tokio::test]
async fn every_id_in_a_path_reaches_its_own_member_or_is_refused() {
    let world = World::new().await;
    let api = world.api();
    let ids = [
        "anna",
        "anna#x",
        "anna?x",
        "anna%23x",
        "anna%x",
        "50%",
        "anna x",
        "anna+x",
        "anna;x",
        "anna&x=1",
        "anna\\x",
        "anna/x",
        "anna/explain",
        "anna/../bert",
        "bert",
        "..",
        ".",
        "./anna",
        "gid://shopify/Customer/7",
        "~",
        "~YW5uYQ",
        "Ünal",
        "日本",
        "anna/",
        "/anna",
        "//",
        "http://evil.example/anna",
        "anna/explain/explain",
        "%2F",
        "%25",
    ];
    for (place, id) in ids.iter().enumerate() {
        let order = json!({ "type": "order.paid", "order_id": place.to_string(), "member_id": id, "total": "1",
                            "occurred_at": "2024-05-01T10:00:00Z" });
        let (status, told) = answer(&api, &request("POST", "/v1/facts", Some(&order))).await;
        assert_eq!(status, 200, "{id}: {told}");
    }
    let of =
        |answer: &Value| answer["member_id"].as_str().or(answer["standing"]["member_id"].as_str()).map(str::to_owned);
    for id in ids {
        // The form that is safe everywhere is found wherever it is asked for.
        let segment = format!("~{}", URL_SAFE_NO_PAD.encode(id));
        for behind in ["", "/explain"] {
            let path = format!("/v1/members/{segment}{behind}");
            let (status, found) = answer(&api, &request("GET", &handed_over(&path), None)).await;
            if ids.contains(&segment.as_str()) {
                assert_eq!(status, 400, "a member has this id: {found}");
                continue;
            }
            assert_eq!((status, of(&found).as_deref()), (200, Some(id)), "{path}: {found}");
        }
        // The percent-encoded id reaches its own member or is refused, and never reaches another.
        for behind in ["", "/explain", "/ledger", "/history"] {
            let path = handed_over(&format!("/v1/members/{}{behind}", percent_encoded(id)));
            let (status, found) = answer(&api, &request("GET", &path, None)).await;
            match status {
                200 => {
                    let told = of(&found).or_else(|| Some(found["facts"][0]["member_id"].as_str()?.to_owned()));
                    // Nothing was recorded of any member: a history is empty.
                    let is_empty = found["entries"].as_array().is_some_and(Vec::is_empty);
                    assert!(is_empty || told.as_deref() == Some(id), "{path}: {found}");
                }
                400 | 404 => {}
                other => panic!("{path}: {other} {found}"),
            }
        }
    }
    // No member is erased in the place of another.
    let mut erase = request("DELETE", &handed_over("/v1/members/anna%23x"), None);
    erase["requestContext"]["authorizer"]["jwt"]["claims"]["scope"] = json!("echelon/admin");
    assert_eq!(answer(&api, &erase).await.0, 202);
    assert_eq!(answer(&api, &request("GET", "/v1/members/anna", None)).await.0, 200);
    assert_eq!(answer(&api, &request("GET", "/v1/members/anna#x", None)).await.0, 404);
    for path in ["/v1/members/anna/../bert", "/v1/members/./anna", "/v1/members/anna/.."] {
        erase["rawPath"] = json!(path);
        let (status, found) = answer(&api, &erase).await;
        assert!(matches!(status, 400 | 404 | 405), "{path}: {status} {found}");
    }
    assert_eq!(answer(&api, &request("GET", "/v1/members/anna", None)).await.0, 200);
    assert_eq!(answer(&api, &request("GET", "/v1/members/bert", None)).await.0, 200);
}
