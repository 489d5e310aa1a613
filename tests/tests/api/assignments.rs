//! Tiers given by hand.

use serde_json::{Value, json};

use tests::api_harness::{ApiHarness, order};

#[tokio::test]
async fn a_tier_is_assigned_listed_with_reason_and_author_and_ended() {
    let desk = ApiHarness::open().await;
    desk.tell(&[order("anna", "1", "120.00")]).await;
    let made = desk
        .post("/v1/members/anna/assignments", json!({ "tier": "gold", "mode": "floor", "reason": "a lost parcel" }))
        .await
        .is(201);
    assert_eq!((&made["status"], desk.tier("anna").await), (&json!("applied"), json!("gold")));
    desk.at("2024-06-01T12:00:01Z");
    let listed = desk.get("/v1/members/anna/assignments").await.is(200);
    let first = &listed["assignments"][0];
    assert_eq!(
        (&first["in_force"], &first["fact"]["reason"], &first["fact"]["by"]),
        (&json!(true), &json!("a lost parcel"), &json!("jo"))
    );
    desk.post("/v1/members/anna/assignments/end", json!({ "reason": "it was found" })).await.is(201);
    assert_eq!(desk.tier("anna").await, json!("silver"));
    let listed = desk.get("/v1/members/anna/assignments").await.is(200);
    let told: Vec<_> =
        listed["assignments"].as_array().unwrap().iter().map(|it| (&it["fact"]["type"], &it["in_force"])).collect();
    assert_eq!(json!(told), json!([["tier.unassigned", false], ["tier.assigned", false]]));
}

#[tokio::test]
async fn under_a_key_it_is_done_once_and_what_is_wrong_is_not_done() {
    let desk = ApiHarness::open().await;
    let assign = |body: Value, key: &'static str| {
        desk.send(desk.ask("POST", "/v1/members/anna/assignments").json(&body).with("Idempotency-Key", key))
    };
    let gold = json!({ "tier": "gold", "mode": "lock", "reason": "staff" });
    let first = assign(gold.clone(), "k").await.is(201);
    desk.at("2024-07-01T12:00:00Z");
    let again = assign(gold, "k").await.is(201);
    assert_eq!((&again["status"], &again["occurred_at"]), (&json!("duplicate"), &first["occurred_at"]));
    let other = assign(json!({ "tier": "silver", "mode": "lock", "reason": "staff" }), "k").await.is(422);
    assert_eq!(other["type"], "urn:echelon:problem:idempotency-key-reused");
    for (body, status, says) in [
        (json!({ "tier": "ruby", "mode": "floor", "reason": "x" }), 422, "no tier `ruby`"),
        (json!({ "tier": "gold", "mode": "perhaps", "reason": "x" }), 400, "perhaps"),
        (json!({ "tier": "gold", "mode": "floor" }), 400, "reason"),
        (json!({ "tier": "gold", "mode": "floor", "reason": "x", "level": 3 }), 400, "level"),
    ] {
        let said = assign(body, "other").await.is(status);
        assert!(said["detail"].as_str().unwrap().contains(says), "{said}");
    }
}

const FILE: &str = "member_id,tier,mode,reason,until,reward\n\
    anna,gold,floor,a lost parcel,2025-01-01T00:00:00Z,false\n\
    bert,ruby,floor,no such tier,,\n\
    carl,gold,perhaps,no such mode,,\n\
    dora,,lock,staff,,\n\
    ,gold,floor,no member,,\n\
    emil,gold,floor,,tomorrow,yes\n";

#[tokio::test]
async fn a_file_of_assignments_reports_every_row_and_a_dry_run_does_nothing() {
    let desk = ApiHarness::open().await;
    let send = |query: &str, file: &str| {
        desk.send(
            desk.ask("POST", &format!("/v1/assignments{query}"))
                .with("content-type", "text/csv")
                .with("Idempotency-Key", "f")
                .raw(file),
        )
    };
    let rows = |report: &Value| {
        let row = |row: &Value| {
            json!([row["line"], row["member_id"], row["status"], row["problems"].as_array().map_or(0, Vec::len)])
        };
        report["rows"].as_array().unwrap().iter().map(row).collect::<Vec<_>>()
    };
    let expected = |first: &str| {
        vec![
            json!([2, "anna", first, 0]),
            json!([3, "bert", "invalid", 1]),
            json!([4, null, "invalid", 1]),
            json!([5, "dora", first, 0]),
            json!([6, "", "invalid", 1]),
            json!([7, "emil", "invalid", 3]),
        ]
    };
    let dry = send("?dry_run=true", FILE).await.is(200);
    assert_eq!((rows(&dry), &dry["well"], &dry["wrong"]), (expected("assigned"), &json!(2), &json!(4)), "{dry}");
    desk.get("/v1/members/anna").await.is(404);
    let done = send("", FILE).await.is(200);
    assert_eq!((rows(&done), desk.tier("anna").await), (expected("assigned"), json!("gold")));
    let again = send("", FILE).await.is(200);
    assert_eq!(rows(&again), expected("duplicate"));
    for (file, says) in [
        ("", "no column"),
        ("member_id,tier,mode,reason\n", "no rows"),
        ("member_id,tier,mode\nanna,gold,floor\n", "no column `reason`"),
        ("member_id,tier,mode,reason,colour\nanna,gold,floor,x,red\n", "`colour`"),
    ] {
        let said = send("", file).await.is(422);
        assert!(said["detail"].as_str().unwrap().contains(says), "{file}: {said}");
    }
    let many: String = (0..2_001).map(|n| format!("m{n},gold,floor,x\n")).collect();
    send("?dry_run=true", &format!("member_id,tier,mode,reason\n{many}")).await.is(422);
}

/// What shops have in their files when they move: names of tiers, and last days.
#[tokio::test]
async fn a_file_names_tiers_by_name_and_days_without_a_time_and_is_quiet_on_request() {
    let desk = ApiHarness::open().await;
    let send = |query: &str, key: &'static str, file: &str| {
        let ask = desk.ask("POST", &format!("/v1/assignments{query}")).with("content-type", "text/csv");
        desk.send(ask.with("Idempotency-Key", key).raw(file))
    };
    let file = "member_id,tier,mode,reason,until\n\
        anna, GOLD ,floor,moved,2024-12-31\n\
        bert,Silver,floor,moved,2025-01-01T00:00:00Z\n\
        carl,gold,floor,moved,31.12.2024\n\
        dora,gold,floor,moved,2024-05-31\n";
    let report = send("?quiet=true", "k", file).await.is(200);
    let status: Vec<_> = report["rows"].as_array().unwrap().iter().map(|row| &row["status"]).collect();
    assert_eq!(json!(status), json!(["assigned", "assigned", "invalid", "invalid"]), "{report}");
    assert!(report["rows"][2]["problems"][0]["message"].as_str().unwrap().contains("2026-12-31"), "{report}");
    assert_eq!((desk.tier("anna").await, desk.tier("bert").await), (json!("gold"), json!("silver")));
    let anna = desk.get("/v1/members/anna").await.is(200);
    // Through the whole last day in New York.
    assert_eq!(anna["valid_until"], "2025-01-01T05:00:00Z", "{anna}");
    let quietly = |history: &Value| {
        let moves = history["entries"].as_array().unwrap().iter().filter(|entry| entry["type"] == "tier.changed.v1");
        moves.map(|moved| json!([moved["detail"]["cause"], moved["detail"]["notify"]])).collect::<Vec<_>>()
    };
    assert_eq!(quietly(&desk.get("/v1/members/anna/history").await.is(200)), [json!(["imported", false])]);
    assert_eq!(desk.get("/v1/members/anna/rewards").await.is(200)["entries"], json!([]));
    // The same file under the same key changes nothing; without `quiet` it is another request.
    let again = send("?quiet=true", "k", file).await.is(200);
    assert_eq!(again["rows"][0]["status"], "duplicate", "{again}");
    let other = send("", "k", file).await.is(200);
    assert_eq!(other["rows"][0]["status"], "invalid", "{other}");
    let loud = send("", "other", "member_id,tier,mode,reason\nemil,gold,floor,a gift\n").await.is(200);
    assert_eq!(loud["rows"][0]["status"], "assigned");
    assert_eq!(quietly(&desk.get("/v1/members/emil/history").await.is(200)), [json!(["assigned", true])]);
}

/// Found by random requests.
#[tokio::test]
async fn a_reason_has_one_to_a_thousand_characters() {
    let desk = ApiHarness::open().await;
    let (longest, longer) = ("é".repeat(1_000), "é".repeat(1_001));
    for (reason, status) in [(&longest, 201), (&longer, 400), (&String::new(), 400)] {
        let assigned = desk
            .post("/v1/members/anna/assignments", json!({ "tier": "gold", "mode": "floor", "reason": reason }))
            .await;
        let ended = desk.post("/v1/members/anna/assignments/end", json!({ "reason": reason })).await;
        for answer in [assigned.is(status), ended.is(status)] {
            assert!(status == 201 || answer["problems"][0]["path"] == "$.reason", "{answer}");
        }
    }
    let file = format!("member_id,tier,mode,reason\nanna,gold,floor,{longest}\nben,gold,floor,{longer}\n");
    let ask = desk.ask("POST", "/v1/assignments?dry_run=true").with("content-type", "text/csv").raw(&file);
    let report = desk.send(ask).await.is(200);
    assert_eq!((&report["well"], &report["rows"][1]["status"]), (&json!(1), &json!("invalid")), "{report}");
}
