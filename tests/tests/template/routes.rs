//! The HTTP API as it is deployed: the documented routes with their scopes, and the routes that are open.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::yaml::{Template, target};

/// The routes without a token that the gateway checks: pages, a webhook that is signed, and the route of members, who have a
/// token of their own.
const OPEN: [&str; 5] = ["GET /docs", "GET /openapi.json", "GET /widget.js", "POST /webhooks/shopify", "GET /v1/me"];

/// The scopes of each documented operation: the one that it names, and the greater ones.
fn documented() -> BTreeMap<String, Value> {
    let scopes = ["echelon/read", "echelon/write", "echelon/admin"];
    let mut all = BTreeMap::new();
    for (path, item) in http_api::document()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(scope) = operation["security"][0]["bearer"][0].as_str() else { continue };
            let from = scopes.iter().position(|known| *known == scope).unwrap();
            all.insert(format!("{} {path}", method.to_uppercase()), json!(scopes[from..]));
        }
    }
    all
}

#[test]
fn the_gateway_has_the_routes_of_the_document_with_their_scopes_and_no_others() {
    let template = Template::load();
    let mut locked = BTreeMap::new();
    let mut open = Vec::new();
    for id in template.all("AWS::ApiGatewayV2::Route") {
        let route = template.properties(id);
        let key = route["RouteKey"].as_str().unwrap().to_owned();
        assert_eq!(target(&route["ApiId"]), Some("Api"), "{id}");
        if route["AuthorizationType"] == "NONE" {
            open.push(key);
            continue;
        }
        assert_eq!(route["AuthorizationType"]["Fn::If"], json!(["HasJwt", "JWT", "AWS_IAM"]), "{id}");
        assert_eq!(route["AuthorizerId"]["Fn::If"][1]["Ref"], "ApiAuthorizer", "{id}");
        locked.insert(key, route["AuthorizationScopes"]["Fn::If"][1].clone());
    }
    open.sort();
    let mut expected = OPEN.to_vec();
    expected.sort_unstable();
    assert_eq!((locked, open), (documented(), expected.into_iter().map(str::to_owned).collect()));
}

#[test]
fn the_gateway_limits_how_much_is_asked_and_logs_routes_never_paths() {
    let template = Template::load();
    let stage = template.properties("ApiStage");
    let limits = &stage["DefaultRouteSettings"];
    assert_eq!(target(&limits["ThrottlingRateLimit"]), Some("ApiRatePerSecond"));
    assert_eq!(target(&limits["ThrottlingBurstLimit"]), Some("ApiBurst"));
    let format = stage["AccessLogSettings"]["Format"].as_str().unwrap();
    assert!(format.contains("$context.routeKey") && !format.contains("$context.path") && !format.contains("sourceIp"));
    let log = template.properties(target(&stage["AccessLogSettings"]["DestinationArn"]).unwrap());
    assert_eq!(target(&log["RetentionInDays"]), Some("LogRetentionInDays"));
    assert!(template.of_function("ApiFunction", "Timeout").as_u64().unwrap() < 30, "the gateway waits for 30 s");
}
