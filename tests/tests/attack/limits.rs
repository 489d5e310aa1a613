//! Too much, too slow, too many.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{bearer, order, served, token, until};

#[test]
fn who_sends_half_a_request_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(folder.path(), &[]);
    let mut slow: Vec<TcpStream> = (0..300).filter_map(|_| TcpStream::connect(&served.address).ok()).collect();
    for stream in &mut slow {
        let _ = write!(stream, "POST /events HTTP/1.1\r\nhost: x\r\n");
    }
    // There is an end to what one address may hold, and to how long: then others are answered.
    let end = Instant::now() + Duration::from_secs(40);
    loop {
        let answered = TcpStream::connect(&served.address).is_ok_and(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            let _ = write!(stream, "GET /health HTTP/1.0\r\nhost: {}\r\n\r\n", served.address);
            let mut answer = String::new();
            stream.read_to_string(&mut answer).is_ok() && answer.contains(" 200 ")
        });
        if answered {
            break;
        }
        assert!(Instant::now() < end, "nobody is answered any more");
    }
    for stream in &mut slow {
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // Closed or reset: all but waiting on.
        let ended = stream.read_to_end(&mut Vec::new());
        let waits = |error: &std::io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        assert!(!ended.as_ref().is_err_and(waits), "{ended:?}");
    }
}

#[test]
fn an_unsigned_body_is_not_held_beyond_what_an_event_may_have() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(folder.path(), &["--shopify-secret", "hush, hush, hush"]);
    let unsigned = [("X-Shopify-Topic", "orders/paid"), ("X-Shopify-Shop-Domain", "acme")];
    let forged = [unsigned[0], unsigned[1], ("X-Shopify-Hmac-Sha256", "AAAA")];
    for path in ["/events", "/webhooks/shopify"] {
        let send = |headers: &[(&str, &str)]| served.send("POST", path, headers, &"x".repeat(300 * 1024)).0;
        assert_eq!((send(&unsigned), send(&forged)), (401, 413), "{path}");
    }
}

#[test]
fn a_request_has_at_most_a_thousand_events() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(folder.path(), &[]);
    let admin = bearer(&token("admin", Some("acme")));
    let send = |count: usize| {
        let events: Vec<String> = (0..count).map(|_| r#"{"type":"x"}"#.to_owned()).collect();
        served.send("POST", "/events", &[("Authorization", &admin)], &events.join("\n"))
    };
    let (status, answer) = send(1_001);
    assert_eq!((status, &answer["type"]), (413, &json!("urn:echelon:problem:too-many")), "{answer}");
    assert_eq!(send(1_000).0, 202);
    assert_eq!(served.ask("GET", "/health", &Value::Null)["status"], "ok");
}

#[test]
fn a_shop_that_sends_very_much_does_not_keep_another_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(folder.path(), &[]);
    let program: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.path().join("program.json")).unwrap()).unwrap();
    // Of some ten shops not all lie in the lane of the one that is loud.
    let quiet: Vec<String> = (0..10).map(|number| format!("quiet{number}")).collect();
    for shop in &quiet {
        served.ask("POST", &format!("/v1/program/versions?shop={shop}"), &json!({ "program": program }));
    }
    let admin = bearer(&token("admin", None));
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
