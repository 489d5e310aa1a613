//! The program: checked, drafted, previewed, published, withdrawn.

use serde_json::{Value, json};

use tests::api_harness::{ApiHarness, order, program};

fn gold_at(threshold: &str) -> Value {
    let mut program = program();
    program["tiers"][1]["threshold"] = json!(threshold);
    program
}

#[tokio::test]
async fn a_program_is_checked_with_everything_that_is_wrong_or_likely_not_meant() {
    let desk = ApiHarness::open().await;
    let check = async |program: Value| desk.post("/v1/program/validate", json!({ "program": program })).await.is(200);
    let right = check(program()).await;
    assert_eq!((&right["valid"], &right["problems"]), (&json!(true), &json!([])));
    let wrong = check(json!({ "tiers": [{ "id": "gold", "threshold": -1 }], "colour": "red" })).await;
    let paths: Vec<_> = wrong["problems"].as_array().unwrap().iter().map(|it| it["path"].as_str().unwrap()).collect();
    assert!(
        wrong["valid"] == false && paths.contains(&"$.tiers[0].threshold") && paths.contains(&"$.colour"),
        "{wrong}"
    );
}

#[tokio::test]
async fn a_draft_is_never_overwritten_unseen() {
    let desk = ApiHarness::open().await;
    desk.get("/v1/program/draft").await.is(404);
    let save = |program: Value, tag: Option<&str>| {
        let ask = desk.ask("PUT", "/v1/program/draft").json(&json!({ "program": program }));
        desk.send(match tag {
            Some(tag) => ask.with("If-Match", tag),
            None => ask,
        })
    };
    let first = save(json!({ "tiers": 7 }), None).await;
    let tag = first.header("etag").unwrap().to_owned();
    assert_eq!(
        (first.body["valid"].clone(), first.body["problems"][0]["path"].clone()),
        (json!(false), json!("$.tiers"))
    );
    assert_eq!(save(program(), None).await.is(428)["type"], "urn:echelon:problem:precondition-required");
    desk.at("2024-06-01T12:00:01Z");
    let second = save(program(), Some(&tag)).await;
    assert_eq!((second.status, second.body["valid"].clone()), (200, json!(true)));
    save(gold_at("400"), Some(&tag)).await.is(412);
    let shown = desk.get("/v1/program/draft").await;
    assert_eq!((shown.header("etag"), &shown.body["program"]), (second.header("etag"), &program()));
    desk.send(desk.ask("DELETE", "/v1/program/draft")).await.is(204);
    save(program(), second.header("etag")).await.is(412);
    save(program(), None).await.is(200);
}

#[tokio::test]
async fn a_version_is_previewed_published_listed_and_rolled_back() {
    let desk = ApiHarness::open().await;
    desk.tell(&[order("anna", "1", "420.00"), order("bert", "2", "600.00")]).await;
    let wanted = json!({ "program": gold_at("400"), "why": "gold for more" });
    let previewed = desk.post("/v1/program/preview?list=true", wanted.clone()).await.is(200);
    assert_eq!(
        (&previewed["preview"]["moves"]["upgraded"], &previewed["changes"][0]["member_id"]),
        (&json!(1), &json!("anna"))
    );
    assert_eq!((&previewed["next_part"], desk.tier("anna").await), (&Value::Null, json!("silver")));
    let published = desk.post("/v1/program/versions", wanted.clone()).await.is(201);
    assert_eq!((&published["version"], &published["published"]), (&json!(2), &json!(true)));
    assert_eq!(desk.tier("anna").await, json!("gold"));
    assert_eq!(desk.post("/v1/program/versions", wanted).await.is(200)["published"], false);
    let in_force = desk.get("/v1/program").await.is(200);
    assert_eq!(
        (&in_force["version"], &in_force["by"], &in_force["why"]),
        (&json!(2), &json!("jo"), &json!("gold for more"))
    );
    assert_eq!(desk.get("/v1/program?as_of=2024-03-01T00:00:00Z").await.is(200)["version"], 1);
    assert_eq!(desk.get("/v1/program/versions/1").await.is(200)["state"], "past");
    desk.get("/v1/program/versions/9").await.is(404);
    desk.get("/v1/program/versions/x").await.is(400);
    let back = desk.post("/v1/program/versions", json!({ "version": 1, "at": "2024-07-01T00:00:00Z" })).await.is(201);
    assert_eq!(back["version"], 3);
    let withdrawn = desk.send(desk.ask("DELETE", "/v1/program/versions/pending")).await.is(200);
    assert_eq!(withdrawn["withdrawn"], 3);
    let states: Vec<_> = desk.get("/v1/program/versions").await.is(200)["programs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["state"].clone())
        .collect();
    assert_eq!(states, ["past", "in_force", "withdrawn"]);
    desk.send(desk.ask("DELETE", "/v1/program/versions/pending")).await.is(404);
}

/// A shop that brings its history with it mends a start that was clamped, by the same program.
#[tokio::test]
async fn the_same_program_without_the_clamp_is_a_new_version() {
    let desk = ApiHarness::open().await;
    let mut early = program();
    early["start_date"] = json!("2021-11-01");
    desk.post("/v1/program/versions", json!({ "program": early })).await.is(201);
    let unclamped = json!({ "program": early, "options": { "clamp": false } });
    assert_eq!(desk.post("/v1/program/versions", unclamped.clone()).await.is(201)["version"], 3);
    assert_eq!(desk.post("/v1/program/versions", unclamped).await.is(200)["published"], false);
    let last_year = json!({ "type": "order.paid", "member_id": "anna", "order_id": "1", "total": "600.00",
                            "occurred_at": "2023-11-05T10:00:00Z" });
    desk.tell(&[last_year]).await;
    assert_eq!(desk.tier("anna").await, json!("gold"));
}

#[tokio::test]
async fn two_publishers_at_once_both_know() {
    let desk = ApiHarness::open().await;
    let tag = desk.get("/v1/program/versions").await.header("etag").unwrap().to_owned();
    let publish = |threshold: &'static str| {
        let ask = desk.ask("POST", "/v1/program/versions").json(&json!({ "program": gold_at(threshold) }));
        desk.send(ask.with("If-Match", &tag))
    };
    publish("400").await.is(201);
    assert_eq!(publish("300").await.is(412)["type"], "urn:echelon:problem:precondition-failed");
}

#[tokio::test]
async fn what_cannot_be_published_says_why_and_what_to_do() {
    let desk = ApiHarness::open().await;
    let mut fewer = program();
    fewer["tiers"].as_array_mut().unwrap().pop();
    for (body, status, kind, says) in [
        (json!({ "program": { "tiers": 7 } }), 422, "validation-failed", "the program is not right"),
        (json!({}), 400, "malformed-request", "say which program"),
        (json!({ "program": program(), "version": 1 }), 400, "malformed-request", "say which program"),
        (json!({ "version": 9 }), 404, "unknown-version", "there is no version 9"),
        (json!({ "program": fewer }), 409, "version-rejected", "program_active"),
        (json!({ "version": 1, "at": "2020-01-01T00:00:00Z" }), 409, "effective-in-the-past", "which has passed"),
        (json!({ "version": 1, "optons": {} }), 400, "malformed-request", "optons"),
    ] {
        for path in ["/v1/program/versions", "/v1/program/preview"] {
            let said = desk.post(path, body.clone()).await.is(status);
            assert_eq!(said["type"], format!("urn:echelon:problem:{kind}"), "{path} {said}");
            assert!(said["detail"].as_str().unwrap().contains(says), "{path} {said}");
        }
    }
}

#[tokio::test]
async fn jobs_are_seen_paused_resumed_and_cancelled() {
    let desk = ApiHarness::open().await;
    desk.tell(&[order("anna", "1", "120.00")]).await;
    desk.at("2024-06-02T05:00:00Z");
    desk.system.sweep.tick().await.unwrap();
    let jobs = desk.get("/v1/jobs").await.is(200);
    let id = jobs["jobs"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(id, "2024-06-02T04:00:00.000Z-rollover");
    for (order, state) in [("pause", "paused"), ("resume", "running"), ("cancel", "cancelled"), ("resume", "cancelled")]
    {
        let job = desk.post(&format!("/v1/jobs/{id}/{order}"), Value::Null).await.is(200);
        assert_eq!(job["state"], state, "{order}");
    }
    assert_eq!(desk.get(&format!("/v1/jobs/{id}")).await.is(200)["state"], "cancelled");
    for (path, status) in [("tomorrow/pause", 404), ("2020-01-01T00:00:00.000Z-rollover/pause", 404)] {
        desk.post(&format!("/v1/jobs/{path}"), Value::Null).await.is(status);
    }
    desk.post(&format!("/v1/jobs/{id}/explode"), Value::Null).await.is(400);
}

/// Found by random requests: a list was saved as the draft, and returned as the object that it is not.
#[tokio::test]
async fn a_draft_is_an_object_right_or_not() {
    let desk = ApiHarness::open().await;
    for wrong in [json!([]), json!("gold"), json!(null)] {
        for (method, path) in [("PUT", "/v1/program/draft"), ("POST", "/v1/program/validate")] {
            let said = desk.send(desk.ask(method, path).json(&json!({ "program": wrong }))).await.is(400);
            assert_eq!(said["problems"][0]["path"], "$.program", "{said}");
        }
    }
    desk.get("/v1/program/draft").await.is(404);
    let saved = desk.send(desk.ask("PUT", "/v1/program/draft").json(&json!({ "program": {} }))).await.is(200);
    assert_eq!(saved["valid"], false);
}
