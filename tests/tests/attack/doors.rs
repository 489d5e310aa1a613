//! Who comes in, and who does not.

use serde_json::{Value, json};
use tests::served::Served;

use super::{bearer, order, program, served, token};

fn refusal(args: &[&str], env: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    Served::run(folder.path(), args, env, None).map(|_| ()).unwrap_err()
}

#[test]
fn an_empty_or_short_secret_is_refused_at_the_start() {
    for secret in ["", " ", "short", "123456789012345"] {
        let said = refusal(&["--shopify-secret", secret], &[]);
        assert!(said.contains("--shopify-secret") && said.contains("at least 16 bytes"), "{secret}: {said}");
    }
    let said = refusal(&[], &[("ECHELON_SHOPIFY_SECRET", "short")]);
    assert!(said.contains("at least 16 bytes") && !said.contains("short:"), "{said}");
    for key in ["", "short", "1234567890123456789012345678901"] {
        let said = refusal(&["--token-key", key], &[]);
        assert!(said.contains("--token-key") && said.contains("at least 32 bytes"), "{key}: {said}");
    }
}

#[test]
fn a_variable_that_is_set_to_nothing_is_taken_as_not_set_and_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let env = [("ECHELON_SHOPIFY_SECRET", ""), ("ECHELON_TOKEN_KEY", "")];
    let served = Served::run(folder.path(), &[], &env, None).unwrap();
    for (variable, _) in env {
        assert!(served.said().contains(&format!("{variable} is set to nothing")), "{}", served.said());
    }
    let body = r#"{"shop_id":1,"shop_domain":"acme"}"#;
    // What an empty key would sign.
    let signature = super::shopify::signature("", body);
    let headers = [
        ("X-Shopify-Topic", "shop/redact"),
        ("X-Shopify-Shop-Domain", "acme"),
        ("X-Shopify-Hmac-Sha256", signature.as_str()),
    ];
    assert_eq!(served.send("POST", "/webhooks/shopify", &headers, body).0, 404);
    assert_eq!(served.send("POST", "/events", &headers, body).0, 401);
}

#[test]
fn no_start_prints_a_token_that_outlives_it() {
    let folder = tempfile::tempdir().unwrap();
    let key = [("ECHELON_TOKEN_KEY", super::TOKEN_KEY)];
    let served = Served::run(folder.path(), &[], &key, None).unwrap();
    super::until("it says how a token is made", || served.said().contains("`echelon token`"));
    assert!(!served.said().contains("ECHELON_TOKEN="), "{}", served.said());
    drop(served);
    // Of a key that is made up, the token ends with the process.
    let served = Served::run(folder.path(), &[], &[], None).unwrap();
    super::until("it says a token", || served.said().contains("ECHELON_TOKEN="));
    let said = served.said();
    let made = said.split("ECHELON_TOKEN=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let asks = |served: &Served| served.send("GET", "/v1/quarantine", &[("Authorization", &bearer(&made))], "").0;
    assert_eq!(asks(&served), 200);
    drop(served);
    let served = Served::run(folder.path(), &[], &[], None).unwrap();
    assert_eq!(asks(&served), 401);
}

#[test]
fn a_write_token_erases_nobody_by_whichever_door() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(folder.path(), &[]);
    served.spent("anna", "1", "2025-05-01T10:00:00Z", "600");
    let write = bearer(&token("write", Some("acme")));
    let erased = json!({ "type": "customer.erased", "member_id": "anna", "occurred_at": "2025-06-01T10:00:00Z" });
    let (one, other) = (erased.to_string(), order("bert", "2", "5"));
    let redact = r#"{"shop_domain":"acme","customer":{"id":7},"orders_to_redact":[]}"#;
    for (method, path, body, topic, status) in [
        ("DELETE", "/v1/members/anna", "", None, 403),
        ("POST", "/v1/facts", one.as_str(), None, 422),
        ("POST", "/events", one.as_str(), None, 403),
        ("POST", "/events", &json!([other, erased]).to_string(), None, 403),
        ("POST", "/events", &format!("{other}\n{erased}"), None, 403),
        ("POST", "/events", redact, Some("customers/redact"), 403),
        ("POST", "/v1/privacy/redaction", "", None, 405),
        ("DELETE", "/v1/privacy/redaction", "", None, 403),
        ("POST", "/v1/quarantine/replay", "{\"all\":true}", None, 403),
        ("POST", "/dead-letters/replay", "{}", None, 403),
        ("POST", "/clock", "{\"now\":\"+1d\"}", None, 403),
    ] {
        let mut headers = vec![("Authorization", write.as_str()), ("Content-Type", "application/json")];
        headers.extend(topic.map(|topic| ("X-Shopify-Topic", topic)));
        headers.extend(topic.map(|_| ("X-Shopify-Shop-Domain", "acme")));
        let (found, answer) = served.send(method, path, &headers, body);
        assert_eq!(found, status, "{method} {path} {body}: {answer}");
    }
    assert_eq!(served.ask("GET", "/v1/members/anna", &Value::Null)["tier"]["id"], "gold");
    let (status, _) =
        served.send("POST", "/events", &[("Authorization", &bearer(&token("admin", Some("acme"))))], &one);
    assert_eq!(status, 202, "an administrator may");
}

#[test]
fn an_open_system_answers_to_its_own_name_and_to_no_web_page() {
    let folder = tempfile::tempdir().unwrap();
    let file = program(folder.path());
    let served = Served::start(folder.path(), &file, &["--open", "--cors", "https://shop.example.com/"], None);
    let (json, host) = (("Content-Type", "application/json"), served.address.clone());
    let fact = order("anna", "1", "600").to_string();
    let own = format!("http://{host}");
    for (headers, status) in [
        (vec![json], 200),
        (vec![json, ("Origin", own.as_str())], 200),
        (vec![json, ("Origin", "https://shop.example.com")], 200),
        (vec![json, ("Origin", "https://evil.example")], 403),
        (vec![json, ("Origin", "null")], 403),
        (vec![json, ("Sec-Fetch-Site", "cross-site")], 403),
        (vec![json, ("Host", "evil.example")], 403),
        (vec![json, ("Host", "evil.example:8700"), ("Origin", "http://evil.example:8700")], 403),
        (vec![("Content-Type", "text/plain")], 415),
        (vec![("Content-Type", "application/x-www-form-urlencoded")], 415),
        (vec![("Content-Type", "multipart/form-data; boundary=x")], 415),
        (vec![("Origin", "https://evil.example")], 403),
    ] {
        let (found, answer) = served.send("POST", "/v1/facts", &headers, &fact);
        assert_eq!(found, status, "{headers:?}: {answer}");
    }
    for path in [
        "/events",
        "/clock",
        "/v1/quarantine/replay",
        "/dead-letters/replay",
        "/v1/assignments",
        "/v1/program/versions",
    ] {
        let (found, answer) = served.send("POST", path, &[("Origin", "https://evil.example"), json], "{}");
        assert_eq!(found, 403, "{path}: {answer}");
    }
    assert_eq!(served.send("GET", "/v1/members/anna", &[("Host", "rebound.example")], "").0, 403);
    assert_eq!(served.send("DELETE", "/v1/members/anna", &[("Origin", "https://evil.example")], "").0, 403);
    assert_eq!(served.ask("GET", "/v1/members/anna", &Value::Null)["tier"]["id"], "gold");
}

#[test]
fn an_open_system_is_not_open_to_the_network_unless_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut serve = std::process::Command::new(tests::built::built("echelon", &["web", "echelon"]));
    serve.args(["serve", "--open", "--listen", "0.0.0.0:0"]).current_dir(folder.path()).env_clear();
    let done = serve.output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.code() == Some(2) && said.contains("--open-to-the-network"), "{said}");
}

#[test]
fn what_is_no_origin_is_refused_in_words() {
    for origin in [
        "*",
        "null",
        "shop.example.com",
        "https://shop.example.com/page",
        "https://a.example,https://b.example",
        "ftp://a",
    ] {
        let said = refusal(&["--cors", origin], &[]);
        assert!(said.contains("such as https://shop.example.com") && !said.contains("panicked"), "{origin}: {said}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = program(folder.path());
    let served = Served::start(folder.path(), &file, &["--open", "--cors", "HTTPS://Shop.Example.com:443/"], None);
    let (_, head, _) = served.send_raw("GET", "/v1/members", &[("Origin", "https://shop.example.com")], "");
    assert!(head.to_ascii_lowercase().contains("access-control-allow-origin: https://shop.example.com"), "{head}");
}

#[test]
fn every_id_reaches_its_own_member_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(folder.path(), &[]);
    let ids = ["anna", "gid://shopify/Customer/7", "~YQ", "a#x", "a?x", "%2F", "..", "a/explain", "ü b", "a\\b"];
    for (place, id) in ids.iter().enumerate() {
        served.spent(id, &place.to_string(), "2025-05-01T10:00:00Z", &format!("{}", 100 + place));
    }
    for (place, id) in ids.iter().enumerate() {
        let member = rules::id::MemberId::new(id).unwrap();
        let path = format!("/v1/members/{}", web::path::segment(&member));
        let found = served.ask("GET", &path, &Value::Null);
        assert_eq!(found["member_id"], *id, "{path}: {found}");
        assert_eq!(found["progress"]["counted"], format!("{}.00", 100 + place), "{path}");
        let why = served.ask("GET", &format!("{path}/explain"), &Value::Null);
        assert_eq!(why["standing"]["member_id"], *id, "{path}: {why}");
    }
    let wrong = served.ask("GET", "/v1/members/~not*base64", &Value::Null);
    assert_eq!(wrong["problems"][0]["path"], "member_id", "{wrong}");
}
