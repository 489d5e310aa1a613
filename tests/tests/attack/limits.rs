//! Too much, too slow, too many.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use serde_json::{Value, json};
use tests::served::Served;

use super::case::{Shared, case, cases};
use super::luck::spent;
use super::{ADMIN, admin, bearer, order, served, until};

pub fn cases() -> Vec<Trial> {
    let alone = cases![
        "limits",
        a_client_that_sends_half_a_request_is_not_waited_for,
        a_client_that_does_not_read_the_answer_is_let_go_of,
        a_request_has_at_most_a_thousand_events,
        a_shop_that_sends_very_much_does_not_keep_another_waiting,
        six_previews_at_once_of_one_caller_and_facts_beside_them_are_all_answered,
    ];
    alone.into_iter().chain(unsigned()).collect()
}

fn a_client_that_sends_half_a_request_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(folder.path(), &[]);
    let mut slow: Vec<TcpStream> = (0..300).filter_map(|_| TcpStream::connect(&served.address).ok()).collect();
    for stream in &mut slow {
        let _ = write!(stream, "POST /events HTTP/1.1\r\nhost: x\r\n");
    }
    // The number of connections from one address is limited, and so is their time: then others are answered.
    others_are_answered_within(&served, Duration::from_secs(40));
    for stream in &mut slow {
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // Closed or reset: anything except waiting on.
        let ended = stream.read_to_end(&mut Vec::new());
        let waits = |error: &std::io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        assert!(!ended.as_ref().is_err_and(waits), "{ended:?}");
    }
}

/// Sixty answers are more than the buffers on the way hold, and no client reads any.
fn a_client_that_does_not_read_the_answer_is_let_go_of() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(folder.path(), &[]);
    let asked = format!("GET /openapi.json HTTP/1.1\r\nhost: {}\r\n\r\n", served.address).repeat(60);
    let mut deaf: Vec<TcpStream> = (0..300).filter_map(|_| TcpStream::connect(&served.address).ok()).collect();
    deaf.iter_mut().for_each(|stream| drop(stream.write_all(asked.as_bytes())));
    assert!(!is_answered(&served), "they hold no connection");
    others_are_answered_within(&served, Duration::from_secs(90));
    drop(deaf);
}

fn is_answered(served: &Served) -> bool {
    TcpStream::connect(&served.address).is_ok_and(|mut stream| {
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let _ = write!(stream, "GET /health HTTP/1.0\r\nhost: {}\r\n\r\n", served.address);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).is_ok() && answer.contains(" 200 ")
    })
}

fn others_are_answered_within(served: &Served, time: Duration) {
    let end = Instant::now() + time;
    while !is_answered(served) {
        assert!(Instant::now() < end, "no other caller is answered any more");
        thread::sleep(Duration::from_millis(100));
    }
}

/// A body of 300 KiB, with a signature or without.
fn unsigned() -> Vec<Trial> {
    let shared = Shared::new(|folder| served(folder, &["--shopify-secret", "hush, hush, hush"]));
    let tried = [
        ("an_event_without_a_signature_is_not_read", "/events", None, 401),
        ("an_event_with_a_forged_one_is_read_to_256_kib", "/events", Some("AAAA"), 413),
        ("a_webhook_without_a_signature_is_not_read", "/webhooks/shopify", None, 401),
        ("a_webhook_with_a_forged_one_is_read_to_256_kib", "/webhooks/shopify", Some("AAAA"), 413),
    ];
    let tried = tried.map(|(name, path, signature, status)| {
        let shared = shared.clone();
        case("limits", name, move || {
            let mut headers = vec![("X-Shopify-Topic", "orders/paid"), ("X-Shopify-Shop-Domain", "acme")];
            headers.extend(signature.map(|signature| ("X-Shopify-Hmac-Sha256", signature)));
            assert_eq!(shared.send("POST", path, &headers, &"x".repeat(300 * 1024)).0, status);
        })
    });
    tried.into()
}

fn a_request_has_at_most_a_thousand_events() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(folder.path(), &[]);
    let admin = admin();
    let send = |count: usize| {
        let events: Vec<String> = (0..count).map(|_| r#"{"type":"x"}"#.to_owned()).collect();
        served.send("POST", "/events", &[("Authorization", &admin)], &events.join("\n"))
    };
    let (status, answer) = send(1_001);
    assert_eq!((status, &answer["type"]), (413, &json!("urn:echelon:problem:too-many-items")), "{answer}");
    assert_eq!(send(1_000).0, 202);
    assert_eq!(served.ask("GET", "/health", &Value::Null)["status"], "ok");
}

fn a_shop_that_sends_very_much_does_not_keep_another_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(folder.path(), &[]);
    let program: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.path().join("program.json")).unwrap()).unwrap();
    // Of some ten shops, not all share the lane of the loud one.
    let quiet: Vec<String> = (0..10).map(|number| format!("quiet{number}")).collect();
    for shop in &quiet {
        served.ask("POST", &format!("/v1/program/versions?shop={shop}"), &json!({ "program": program }));
    }
    let admin = bearer(&ADMIN);
    let loud = |batch: usize| {
        let events: Vec<String> =
            (0..1_000).map(|it| order(&format!("m{it}"), &format!("{batch}-{it}"), "1").to_string()).collect();
        let headers = [("Authorization", admin.as_str()), ("X-Echelon-Shop", "acme")];
        assert_eq!(served.send("POST", "/events", &headers, &events.join("\n")).0, 202);
    };
    (0..10).for_each(loud);
    for shop in &quiet {
        let headers = [("Authorization", admin.as_str()), ("X-Echelon-Shop", shop.as_str())];
        assert_eq!(served.send("POST", "/events", &headers, &order("anna", "1", "600").to_string()).0, 202);
    }
    let mut overtaken = 0;
    for shop in &quiet {
        until("the event of a quiet shop is taken in", || {
            served.ask("GET", &format!("/v1/members/anna?shop={shop}"), &Value::Null)["tier"]["id"] == "gold"
        });
        let waiting = served.ask("GET", "/health", &Value::Null)["waiting"].as_u64().unwrap();
        overtaken += u64::from(waiting > 500);
    }
    assert!(overtaken >= 5, "only {overtaken} of 10 came before those of the loud one");
    until("nothing waits any more", || served.ask("GET", "/health", &Value::Null)["waiting"] == 0);
    let health = served.ask("GET", "/health", &Value::Null);
    assert_eq!(health["taken_in"]["applied"], 10_010, "{health}");
}

/// Two previews are computed at once, and four wait; facts wait for none of them.
fn six_previews_at_once_of_one_caller_and_facts_beside_them_are_all_answered() {
    const MEMBERS: usize = 500;
    let folder = tempfile::tempdir().unwrap();
    let served = served(folder.path(), &[]);
    let program = std::fs::read_to_string(folder.path().join("program.json")).unwrap();
    let mut wanted: Value = serde_json::from_str(&program).unwrap();
    wanted["tiers"][0]["threshold"] = json!("300");
    let wanted = json!({ "program": wanted }).to_string();
    let admin = admin();
    let headers = [("Authorization", admin.as_str()), ("Content-Type", "application/json")];
    let events: Vec<String> =
        (0..MEMBERS).map(|it| order(&format!("m{it}"), &format!("m{it}"), "400").to_string()).collect();
    assert_eq!(served.send("POST", "/events", &headers, &events.join("\n")).0, 202);
    until("nothing waits any more", || served.ask("GET", "/health", &Value::Null)["waiting"] == 0);
    // Anna is gold by either program: what she does meanwhile changes no preview.
    served.spent("anna", "1", "2025-05-01T10:00:00Z", "600");

    let told = thread::scope(|scope| {
        let ask = || served.send("POST", "/v1/program/preview?list=true", &headers, &wanted);
        let previews: Vec<_> = (0..6).map(|_| scope.spawn(ask)).collect();
        let mut told = 0_u64;
        while told < 20 || previews.iter().any(|preview| !preview.is_finished()) {
            let fact = order("anna", &format!("a{told}"), "1").to_string();
            let (status, answer) = served.send("POST", "/v1/facts", &headers, &fact);
            assert_eq!((status, &answer["results"][0]["status"]), (200, &json!("applied")), "{answer}");
            told += 1;
        }
        for preview in previews {
            let (status, answer) = preview.join().unwrap();
            let changes = answer["changes"].as_array().map(Vec::len);
            assert_eq!((status, changes, &answer["next_part"]), (200, Some(MEMBERS), &Value::Null), "{answer}");
        }
        told
    });
    assert_eq!(spent(&served, &["anna".to_owned()])["anna"], 600 + told);
    assert_eq!(served.ask("GET", "/health", &Value::Null)["status"], "ok");
}
