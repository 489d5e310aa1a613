//! The HTTP API as a function, told literal requests of API Gateway.

use serde_json::{Value, json};

use crate::runtime::{Function, event};
use crate::{World, log_is_fit_to_keep};

/// A request of API Gateway's, for another route and with a body.
fn request(method: &str, path: &str, body: Option<&Value>) -> Value {
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
    fn api(&self) -> Function {
        let mut environment = self.environment.clone();
        for (name, value) in [
            ("TOKEN_KEY", "a key of thirty-two bytes or more"),
            ("SHOP_CLAIM", "custom:shop"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "2024/06/01/[1]0123456789abcdef"),
            ("ROLLOVER_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/123456789012/rollover"),
            ("RECALCULATION_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/123456789012/recalculation"),
        ] {
            environment.push((name, value.to_owned()));
        }
        Function::start(&self.emulator, "api", &environment)
    }
}

#[tokio::test]
async fn a_request_of_the_gateway_is_answered_as_the_one_whom_the_token_names_may_ask() {
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

    // The token is of one shop, and may not administer it.
    let mut other = request("GET", "/v1/members/anna%40example.com", None);
    other["rawQueryString"] = json!("shop=acme.myshopify.com");
    assert_eq!(answer(&api, &other).await.0, 403);
    assert_eq!(answer(&api, &request("DELETE", "/v1/members/anna%40example.com", None)).await.0, 403);
    let mut nobody = event("http-request");
    nobody["requestContext"].as_object_mut().unwrap().remove("authorizer");
    assert_eq!(answer(&api, &nobody).await.0, 401);
    // Whom IAM lets in names the shop.
    nobody["requestContext"]["authorizer"] = json!({ "iam": { "userArn": "arn:aws:iam::123456789012:user/op" } });
    nobody["rawQueryString"] = json!("shop=acme");
    assert_eq!(answer(&api, &nobody).await.0, 200);

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
