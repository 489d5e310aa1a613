//! The permissions of callers: route by route, as the document lists them.

use http_api::caller::Scope;
use serde_json::{Value, json};

use tests::api_harness::{Answer, ApiHarness, order};

/// Every operation: its method, its path with names filled in, and the scope that it takes; none for routes of members.
fn operations() -> Vec<(String, String, Option<Scope>)> {
    let document = http_api::document();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let scope = operation["security"][0]["bearer"][0].as_str().map(|name| Scope::greatest(name).unwrap());
            let path = path.replace("{member_id}", "anna").replace("{number}", "1").replace("{order}", "pause");
            all.push((method.to_uppercase(), path.replace("{job}", "2024-06-02T04:00:00.000Z-rollover"), scope));
        }
    }
    assert!(all.len() >= 28, "{}", all.len());
    all
}

async fn asked(desk: &ApiHarness, method: &str, path: &str, token: impl Into<Option<String>>) -> Answer {
    desk.send(desk.ask(method, path).by(token).json(&json!({}))).await
}

async fn shop_with_something() -> ApiHarness {
    let desk = ApiHarness::open().await;
    desk.tell(&[order("anna", "1", "120.00")]).await;
    desk.at("2024-06-02T05:00:00Z");
    desk.system.sweep_all().await;
    let draft = desk.ask("PUT", "/v1/program/draft").json(&json!({ "program": { "name": "a secret of acme" } }));
    desk.send(draft).await.is(200);
    desk
}

#[tokio::test]
async fn no_caller_gets_in_without_a_token_that_is_valid() {
    let desk = shop_with_something().await;
    let expired = desk.token(Some("acme"), Scope::Admin);
    desk.at("2024-06-02T06:00:00Z");
    for (method, path, _) in operations() {
        for token in [None, Some("never".to_owned()), Some(expired.clone())] {
            let said = asked(&desk, &method, &path, token).await;
            assert_eq!(said.header("www-authenticate"), Some("Bearer"), "{method} {path}");
            assert_eq!(said.is(401)["type"], "urn:echelon:problem:unauthenticated", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_caller_with_less_than_a_route_takes_is_refused_and_one_with_more_is_not() {
    let desk = shop_with_something().await;
    for (method, path, needs) in operations() {
        for scope in Scope::ALL {
            let said = asked(&desk, &method, &path, desk.token(Some("acme"), scope)).await;
            match needs {
                Some(needs) if scope >= needs => {
                    assert!(said.status != 403 && said.status != 401, "{method} {path} {scope}: {}", said.body)
                }
                Some(needs) => {
                    let said = said.is(403);
                    assert!(said["detail"].as_str().unwrap().contains(needs.name()), "{method} {path}: {said}");
                }
                None => assert_eq!(said.is(403)["type"], "urn:echelon:problem:member-token-required"),
            }
            // Ordering a job or forgetting a member changes what the next request sees; this makes each see the same.
            if needs == Some(Scope::Admin) && scope == Scope::Admin {
                desk.tell(&[order("bert", &format!("{method}{path}"), "1.00")]).await;
            }
        }
        let member = asked(&desk, &method, &path, desk.member_token("bert")).await;
        if needs.is_some() {
            assert_eq!(member.status, 403, "{method} {path}");
        }
    }
}

/// With the token of another shop no route shows anything of this one, whether it is named or not.
#[tokio::test]
async fn nothing_of_another_shop_comes_through_any_route() {
    let desk = shop_with_something().await;
    let of_other = || desk.token(Some("other"), Scope::Admin);
    for (method, path, _) in operations().into_iter().filter(|(_, _, scope)| scope.is_some()) {
        let said = asked(&desk, &method, &path, of_other()).await;
        let text = said.body.to_string();
        assert!(
            !text.contains("acme") && !text.contains("120.00") && !text.contains("secret"),
            "{method} {path}: {text}"
        );
        let named = asked(&desk, &method, &format!("{path}?shop=acme"), of_other()).await;
        assert_eq!(named.is(403)["type"], "urn:echelon:problem:wrong-shop", "{method} {path}");
        let by_header = desk.ask(&method, &path).by(of_other()).json(&json!({})).with("X-Echelon-Shop", "acme");
        desk.send(by_header).await.is(403);
    }
    // And nothing was changed.
    assert_eq!(desk.tier("anna").await, json!("silver"));
    assert_eq!(desk.get("/v1/program/draft").await.is(200)["program"]["name"], "a secret of acme");
    assert_eq!(desk.get("/v1/program/versions").await.is(200)["programs"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_caller_of_no_shop_names_one_and_is_told_so() {
    let desk = ApiHarness::open().await;
    desk.tell(&[order("anna", "1", "120.00")]).await;
    let operator = || desk.token(None, Scope::Read);
    // As long as there is only one shop, it is meant.
    asked(&desk, "GET", "/v1/members/anna", operator()).await.is(200);
    let token = desk.token(Some("second"), Scope::Admin);
    let publish = desk.ask("POST", "/v1/program/versions").json(&json!({ "program": tests::api_harness::program() }));
    desk.send(publish.by(token)).await.is(201);
    let said = asked(&desk, "GET", "/v1/members/anna", operator()).await.is(400);
    assert_eq!(said["problems"], json!([{ "path": "shop", "message": "is missing" }]));
    asked(&desk, "GET", "/v1/members/anna?shop=acme", operator()).await.is(200);
    asked(&desk, "GET", "/v1/members/anna?shop=second", operator()).await.is(404);
    asked(&desk, "GET", "/v1/members/anna?shop=a%20b", operator()).await.is(400);
}

#[tokio::test]
async fn what_is_not_there_or_goes_wrong_tells_nothing_of_the_inside() {
    let desk = ApiHarness::open().await;
    for (method, path, status) in [
        ("GET", "/", 404),
        ("GET", "/v1/elsewhere", 404),
        ("DELETE", "/v1/jobs", 405),
        ("GET", "/v1/members/%00", 400),
        ("GET", "/v1/members/%FF", 400),
        ("GET", "/v1/members/%20", 400),
    ] {
        let said = desk.send(desk.ask(method, path)).await;
        assert_eq!(said.header("content-type"), Some("application/problem+json"), "{path}");
        let body: Value = said.is(status);
        assert!(body["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{path}: {body}");
    }
    // A store that does not answer is not described to the caller.
    let gone = desk.system.store.client().delete_table().table_name(&desk.system.store.tables().members).send().await;
    gone.unwrap();
    let said = desk.get("/v1/members/anna").await;
    assert_eq!(said.header("retry-after"), Some("2"));
    let body = said.is(503);
    assert_eq!(body["type"], "urn:echelon:problem:unavailable");
    assert!(!body.to_string().contains("Resource") && !body.to_string().contains("table"), "{body}");
}

#[tokio::test]
async fn the_page_and_the_script_take_no_token() {
    let desk = ApiHarness::open().await;
    for (path, kind) in [
        ("/docs", "text/html; charset=utf-8"),
        ("/openapi.json", "application/json"),
        ("/widget.js", "text/javascript; charset=utf-8"),
    ] {
        let said = desk.send(desk.ask("GET", path).by(None)).await;
        assert_eq!((said.status, said.header("content-type")), (200, Some(kind)), "{path}");
    }
    assert_eq!(desk.get("/openapi.json").await.is(200), http_api::document());
}

/// Found by random requests.
#[tokio::test]
async fn what_does_not_read_is_named_with_its_place() {
    let desk = ApiHarness::open().await;
    for (path, body, place) in [
        ("/v1/standings", json!({ "member_ids": ["anna", ""] }), "$.member_ids[1]"),
        ("/v1/standings", json!({ "member_ids": ["a\u{7}b"] }), "$.member_ids[0]"),
        ("/v1/standings", json!({ "member_ids": ["anna"], "as_of": "today" }), "$.as_of"),
        ("/v1/members/anna/assignments", json!({ "tier": "", "mode": "lock", "reason": "x" }), "$.tier"),
        ("/v1/members/anna/token", json!({ "minutes": "ten" }), "$.minutes"),
        ("/v1/program/preview", json!({ "version": 0.5 }), "$.version"),
        ("/v1/program/validate", json!([{}]), "$"),
        ("/v1/members/anna/assignments/end", json!(["a reason"]), "$"),
        ("/v1/members/anna/token", json!(7), "$"),
    ] {
        let said = desk.post(path, body.clone()).await.is(400);
        assert_eq!(said["problems"][0]["path"], place, "{body}: {said}");
        assert!(!said["detail"].as_str().unwrap().contains("column"), "{said}");
    }
}

/// Found by random requests: to JSON both are the same number, and to the document as well.
#[tokio::test]
async fn a_whole_number_may_be_written_with_a_point() {
    let desk = ApiHarness::open().await;
    desk.tell(&[order("anna", "1", "120.00")]).await;
    for (minutes, status) in
        [(json!(12), 201), (json!(12.0), 201), (json!(null), 201), (json!(12.5), 400), (json!(1e30), 400)]
    {
        desk.post("/v1/members/anna/token", json!({ "minutes": minutes })).await.is(status);
    }
    desk.post("/v1/standings", json!({ "member_ids": ["anna"], "version": 1.0 })).await.is(200);
    desk.post("/v1/program/preview", json!({ "version": 1.0 })).await.is(200);
    desk.post("/v1/standings", json!({ "member_ids": ["anna"], "version": -1 })).await.is(400);
}
