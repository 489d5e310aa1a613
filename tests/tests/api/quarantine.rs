//! The quarantine: its rows, and replays.

use std::collections::BTreeSet;

use http_api::caller::Scope;
use serde_json::{Value, json};
use store::shop::ShopId;

use tests::api_harness::{Answer, ApiHarness, order};

/// A desk with five quarantined bodies: two broken ones and one from the future for acme, one for an unknown shop, and one for no
/// shop. All their members are called anna.
async fn desk() -> ApiHarness {
    let mut desk = ApiHarness::open().await;
    let broken = |id: &str| json!({ "type": "order.paid", "member_id": "anna", "order_id": id, "total": "a lot" });
    let mut future = order("anna", "3", "5.00");
    future["occurred_at"] = json!("2030-01-01T00:00:00Z");
    assert_eq!(desk.system.tell(&[broken("1"), broken("2"), future]).await.counts.quarantined, 3);
    desk.system.shop = ShopId::new("late").unwrap();
    assert_eq!(desk.system.tell(&[order("anna", "4", "600.00")]).await.counts.quarantined, 1);
    desk.system.shop = ShopId::new("acme").unwrap();
    assert_eq!(desk.system.deliver(&["anna".to_owned()]).await.counts.quarantined, 1);
    desk
}

/// Sends a request as an operator of the deployment.
async fn operator(desk: &ApiHarness, method: &str, path: &str, body: Option<Value>) -> Answer {
    let ask = desk.ask(method, path).by(desk.token(None, Scope::Admin));
    desk.send(match body {
        Some(body) => ask.json(&body),
        None => ask,
    })
    .await
}

fn reasons(rows: &Value) -> Vec<String> {
    let mut reasons: Vec<String> =
        rows["rows"].as_array().unwrap().iter().map(|row| row["reason"].as_str().unwrap().to_owned()).collect();
    reasons.sort();
    reasons
}

fn ids(rows: &Value) -> BTreeSet<String> {
    rows["rows"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_shop_sees_its_own_rows_and_a_caller_of_no_shop_sees_all() {
    let desk = desk().await;
    for scope in Scope::ALL {
        let seen = desk.send(desk.ask("GET", "/v1/quarantine").by(desk.token(Some("acme"), scope))).await.is(200);
        assert_eq!(reasons(&seen), ["from_the_future", "invalid", "invalid"]);
        assert_eq!(seen["next"], Value::Null);
        let row = seen["rows"].as_array().unwrap().iter().find(|row| row["reason"] == "invalid").unwrap();
        assert_eq!((&row["shop"], &row["topic"]), (&json!("acme"), &json!("order.paid")));
        assert_eq!(row["paths"], json!(["$.occurred_at", "$.total"]));
        assert!(row["remedy"].as_str().unwrap().contains("correct"), "{row}");
        assert!(!seen.to_string().contains("anna") && !seen.to_string().contains("a lot"), "{seen}");
    }
    let of_late = desk.token(Some("late"), Scope::Read);
    let seen = desk.send(desk.ask("GET", "/v1/quarantine").by(of_late.clone())).await.is(200);
    assert_eq!(reasons(&seen), ["unknown_shop"]);
    desk.send(desk.ask("GET", "/v1/quarantine?shop=acme").by(of_late)).await.is(403);
    desk.send(desk.ask("GET", "/v1/quarantine").by(desk.member_token("anna"))).await.is(403);
    let all = operator(&desk, "GET", "/v1/quarantine", None).await.is(200);
    assert_eq!(reasons(&all), ["from_the_future", "invalid", "invalid", "not_an_event", "unknown_shop"]);
    assert!(all["rows"].as_array().unwrap().iter().any(|row| row["shop"].is_null()), "{all}");
    let named = operator(&desk, "GET", "/v1/quarantine?shop=late", None).await.is(200);
    assert_eq!(reasons(&named), ["unknown_shop"]);
    let some = operator(&desk, "GET", "/v1/quarantine?reason=invalid", None).await.is(200);
    assert_eq!(reasons(&some), ["invalid", "invalid"]);
}

#[tokio::test]
async fn rows_come_page_by_page_and_a_made_up_cursor_leads_to_no_other_shop() {
    let desk = desk().await;
    for (token, count) in [(desk.token(Some("acme"), Scope::Read), 3), (desk.token(None, Scope::Read), 5)] {
        let (mut seen, mut cursor) = (BTreeSet::new(), String::new());
        for page in 1.. {
            let path = format!("/v1/quarantine?limit=1{cursor}");
            let rows = desk.send(desk.ask("GET", &path).by(token.clone())).await.is(200);
            assert!(rows["rows"].as_array().unwrap().len() <= 1);
            seen.extend(ids(&rows));
            let Some(next) = rows["next"].as_str() else { break };
            assert!(page <= count, "{rows}");
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen.len(), count);
    }
    // A cursor of one shop, as a caller of another shop may have found it.
    let theirs = desk.get("/v1/quarantine?limit=1").await.is(200)["next"].as_str().unwrap().to_owned();
    let path = format!("/v1/quarantine?cursor={theirs}");
    let of_late = desk.send(desk.ask("GET", &path).by(desk.token(Some("late"), Scope::Read))).await.is(400);
    assert_eq!(of_late["problems"][0]["path"], "cursor", "{of_late}");
    assert!(of_late["detail"].as_str().unwrap().contains("is of another shop; begin again without one"), "{of_late}");
    // A caller for all shops goes on behind any row.
    operator(&desk, "GET", &path, None).await.is(200);
}

#[tokio::test]
async fn what_is_replayed_is_sent_again_and_forgotten_and_what_has_no_body_stays() {
    let desk = desk().await;
    let rows = desk.get("/v1/quarantine?reason=invalid").await.is(200);
    let (one, of_late) = (
        rows["rows"][0]["id"].as_str().unwrap().to_owned(),
        operator(&desk, "GET", "/v1/quarantine?shop=late", None).await.is(200)["rows"][0]["id"].clone(),
    );
    // Rows of another shop are unknown here.
    let replayed = desk.post("/v1/quarantine/replay", json!({ "ids": [one, "00", of_late] })).await.is(200);
    let unknown: BTreeSet<&str> = replayed["unknown"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!((&replayed["replayed"], unknown), (&json!([one]), BTreeSet::from(["00", of_late.as_str().unwrap()])));
    assert_eq!((&replayed["gone"], &replayed["next"]), (&json!([]), &Value::Null));
    let again = desk.system.kept.again();
    assert!(again.len() == 1 && again[0].contains("order.paid"), "{again:?}");
    assert_eq!(reasons(&desk.get("/v1/quarantine").await.is(200)), ["from_the_future", "invalid"]);
    // It is quarantined anew, because it is as wrong as it was.
    assert_eq!(desk.system.deliver(&again).await.counts.quarantined, 1);
    assert_eq!(reasons(&desk.get("/v1/quarantine").await.is(200)).len(), 3);

    let of_reason = desk.post("/v1/quarantine/replay", json!({ "reason": "from_the_future" })).await.is(200);
    assert_eq!(of_reason["replayed"].as_array().unwrap().len(), 1);
    desk.at("2030-01-01T00:00:01Z");
    assert_eq!(desk.system.deliver(&desk.system.kept.again()).await.counts.applied, 1);

    desk.system.kept.forgets();
    let gone = desk.post("/v1/quarantine/replay", json!({ "all": true })).await.is(200);
    assert_eq!((gone["replayed"].as_array().unwrap().len(), gone["gone"].as_array().unwrap().len()), (0, 2));
    assert_eq!(reasons(&desk.get("/v1/quarantine").await.is(200)), ["invalid", "invalid"]);
    assert!(desk.system.kept.again().is_empty());
}

#[tokio::test]
async fn a_caller_of_no_shop_replays_for_one_shop_or_for_all() {
    let desk = desk().await;
    let all = operator(&desk, "GET", "/v1/quarantine", None).await.is(200);
    let of_no_shop = all["rows"].as_array().unwrap().iter().find(|row| row["shop"].is_null()).unwrap()["id"].clone();
    let replay = |path: &'static str, body: Value| operator(&desk, "POST", path, Some(body));
    let one = replay("/v1/quarantine/replay", json!({ "ids": [of_no_shop, "00"] })).await.is(200);
    assert_eq!((&one["replayed"], &one["unknown"]), (&json!([of_no_shop]), &json!(["00"])));
    let of_late = replay("/v1/quarantine/replay?shop=late", json!({ "all": true })).await.is(200);
    assert_eq!(of_late["replayed"].as_array().unwrap().len(), 1);
    let rest = replay("/v1/quarantine/replay", json!({ "all": true })).await.is(200);
    assert_eq!(rest["replayed"].as_array().unwrap().len(), 3);
    assert_eq!(desk.system.kept.again().len(), 5);
    assert!(ids(&operator(&desk, "GET", "/v1/quarantine", None).await.is(200)).is_empty());
}

/// If not everything can be done at once, nothing is left out and nothing is taken to be gone.
#[tokio::test]
async fn more_than_can_be_done_at_once_is_done_in_parts() {
    let desk = ApiHarness::open().await;
    let broken = |id: u32| json!({ "type": "order.paid", "member_id": "anna", "order_id": id.to_string() });
    let events: Vec<Value> = (0..7).map(broken).collect();
    assert_eq!(desk.system.tell(&events).await.counts.quarantined, 7);
    let all = ids(&desk.get("/v1/quarantine").await.is(200));
    desk.system.kept.finds_at_once(2);
    let some: BTreeSet<String> = all.iter().take(3).cloned().collect();
    for (what, expected) in
        [(json!({ "ids": some }), some.clone()), (json!({ "all": true }), all.difference(&some).cloned().collect())]
    {
        let (mut replayed, mut body) = (BTreeSet::new(), what);
        for part in 1.. {
            let done = desk.post("/v1/quarantine/replay", body.clone()).await.is(200);
            assert_eq!((&done["gone"], &done["unknown"]), (&json!([]), &json!([])), "{done}");
            replayed.extend(done["replayed"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()));
            if done["next"].is_null() {
                break;
            }
            assert!(part < 5, "{done}");
            body["cursor"] = done["next"].clone();
        }
        assert_eq!(replayed, expected);
    }
    assert_eq!(desk.system.kept.again().len(), 7);
}

/// Bodies that are as wrong as they were are quarantined anew while the replay goes on: it ends all the same.
#[tokio::test]
async fn a_replay_ends_though_what_it_sends_in_is_quarantined_anew() {
    for selection in ["reason", "all"] {
        let desk = ApiHarness::open().await;
        let broken = |id: u32| json!({ "type": "order.paid", "member_id": "anna", "order_id": id.to_string() });
        let events: Vec<Value> = (0..7).map(broken).collect();
        assert_eq!(desk.system.tell(&events).await.counts.quarantined, 7);
        let all = ids(&desk.get("/v1/quarantine").await.is(200));
        desk.system.kept.finds_at_once(2);
        let mut body = if selection == "all" { json!({ "all": true }) } else { json!({ "reason": "invalid" }) };
        let mut replayed = Vec::new();
        for part in 1.. {
            let done = desk.post("/v1/quarantine/replay", body.clone()).await.is(200);
            replayed.extend(done["replayed"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()));
            let again = desk.system.kept.again();
            desk.at(&format!("2029-01-01T00:00:{part:02}Z"));
            assert_eq!(desk.system.deliver(&again).await.counts.quarantined, again.len() as u64);
            assert_eq!(done["gone"], json!([]));
            if done["next"].is_null() {
                break;
            }
            assert!(part < 6, "{done}");
            body["cursor"] = done["next"].clone();
        }
        assert_eq!(replayed.len(), 7, "each once: {replayed:?}");
        assert_eq!(replayed.into_iter().collect::<BTreeSet<_>>(), all);
        assert_eq!(ids(&desk.get("/v1/quarantine").await.is(200)), all);
    }
}

#[tokio::test]
async fn only_one_caller_replays_at_a_time() {
    let desk = desk().await;
    desk.system.kept.is_busy(true);
    let busy = desk.post("/v1/quarantine/replay", json!({ "all": true })).await;
    assert_eq!(busy.header("retry-after"), Some("2"));
    assert!(busy.is(503)["detail"].as_str().unwrap().contains("another caller"));
    assert_eq!(reasons(&desk.get("/v1/quarantine").await.is(200)).len(), 3);
    desk.system.kept.is_busy(false);
    desk.post("/v1/quarantine/replay", json!({ "all": true })).await.is(200);
}

#[tokio::test]
async fn callers_who_replay_the_same_at_once_are_never_told_that_it_is_gone() {
    let desk = desk().await;
    let all = || desk.post("/v1/quarantine/replay", json!({ "all": true }));
    let (one, two, three) = futures::join!(all(), all(), all());
    let answers = [one.is(200), two.is(200), three.is(200)];
    let replayed: usize = answers.iter().map(|answer| answer["replayed"].as_array().unwrap().len()).sum();
    assert_eq!(replayed, 3, "{answers:?}");
    assert!(answers.iter().all(|answer| answer["gone"] == json!([])), "{answers:?}");
}

#[tokio::test]
async fn what_does_not_say_what_is_meant_is_refused() {
    let desk = desk().await;
    for (body, place) in [
        (json!({}), "$"),
        (json!({ "all": false }), "$"),
        (json!({ "all": true, "reason": "invalid" }), "$"),
        (json!({ "ids": ["00"], "all": true }), "$"),
        (json!({ "ids": ["00"], "reason": "invalid" }), "$"),
        (json!({ "ids": [] }), "$.ids"),
        (json!({ "ids": (0..101).map(|n| n.to_string()).collect::<Vec<_>>() }), "$.ids"),
        (json!({ "ids": [""] }), "$.ids[0]"),
        (json!({ "ids": ["acme#quarantine"] }), "$.ids[0]"),
        (json!({ "ids": "00" }), "$.ids"),
        (json!({ "reason": "boredom" }), "$.reason"),
        (json!({ "everything": true }), "$.everything"),
        (json!({ "all": true, "cursor": "AAAA" }), "cursor"),
        (json!(["all"]), "$"),
    ] {
        let said = desk.post("/v1/quarantine/replay", body.clone()).await.is(400);
        assert_eq!(said["problems"][0]["path"], place, "{body}: {said}");
    }
    // A cursor of one selection is not valid for another.
    let broken: Vec<Value> =
        (10..13).map(|id| json!({ "type": "order.paid", "member_id": "anna", "order_id": id.to_string() })).collect();
    desk.system.tell(&broken).await;
    desk.system.kept.finds_at_once(1);
    let all: Vec<String> = ids(&desk.get("/v1/quarantine").await.is(200)).into_iter().collect();
    let part = desk.post("/v1/quarantine/replay", json!({ "ids": all })).await.is(200);
    let other = desk.post("/v1/quarantine/replay", json!({ "all": true, "cursor": part["next"] })).await.is(400);
    assert_eq!(other["problems"][0]["path"], "cursor", "{other}");
    for wrong in ["reason=boredom", "limit=0", "limit=201", "cursor=AAAA", "cursor=e30", "everything=1"] {
        desk.get(&format!("/v1/quarantine?{wrong}")).await.is(400);
    }
}
