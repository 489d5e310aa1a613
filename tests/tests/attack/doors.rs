//! Callers that are let in, and callers that are not.

use std::path::Path;

use libtest_mimic::Trial;
use serde_json::{Value, json};
use tests::served::Served;

use super::case::{Shared, case, cases};
use super::{admin, bearer, order, program, served, token};

pub fn cases() -> Vec<Trial> {
    let alone = cases![
        "doors",
        a_variable_that_is_set_to_nothing_is_taken_as_not_set_and_said_so,
        no_start_prints_a_token_that_outlives_it,
        an_open_system_is_not_open_to_the_network_unless_that_is_said,
        an_origin_is_read_as_browsers_write_it,
    ];
    [alone, starts(), writes(), pages(), ids()].into_iter().flatten().collect()
}

fn refusal(args: &[&str], env: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    Served::run(folder.path(), args, env, None).map(|_| ()).unwrap_err()
}

/// Starts that are refused, each with words of its message.
fn starts() -> Vec<Trial> {
    let (secret, key, origin) = ("at least 16 bytes", "at least 32 bytes", "such as https://shop.example.com");
    let starts: [(&str, &str, &str, &str); 14] = [
        ("an_empty_secret", "--shopify-secret", "", secret),
        ("a_secret_of_a_space", "--shopify-secret", " ", secret),
        ("a_secret_of_5_bytes", "--shopify-secret", "short", secret),
        ("a_secret_of_15_bytes", "--shopify-secret", "123456789012345", secret),
        ("an_empty_key", "--token-key", "", key),
        ("a_key_of_5_bytes", "--token-key", "short", key),
        ("a_key_of_31_bytes", "--token-key", "1234567890123456789012345678901", key),
        ("any_origin_at_all", "--cors", "*", origin),
        ("no_origin", "--cors", "null", origin),
        ("an_origin_without_its_scheme", "--cors", "shop.example.com", origin),
        ("a_page_of_an_origin", "--cors", "https://shop.example.com/page", origin),
        ("all_origins_under_a_name", "--cors", "https://*.example.com", origin),
        ("two_origins_in_one", "--cors", "https://a.example,https://b.example", origin),
        ("an_origin_of_another_scheme", "--cors", "ftp://a", origin),
    ];
    let tried = starts.map(|(name, option, value, says)| {
        case("starts", &format!("{name}_is_refused"), move || {
            let said = refusal(&[option, value], &[]);
            assert!(said.contains(option) && said.contains(says) && !said.contains("panicked"), "{said}");
        })
    });
    tried.into_iter().chain(cases!["starts", a_secret_of_5_bytes_in_a_variable_is_refused_and_not_told]).collect()
}

fn a_secret_of_5_bytes_in_a_variable_is_refused_and_not_told() {
    let said = refusal(&[], &[("ECHELON_SHOPIFY_SECRET", "short")]);
    assert!(said.contains("at least 16 bytes") && !said.contains("short:"), "{said}");
}

fn a_variable_that_is_set_to_nothing_is_taken_as_not_set_and_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let env = [("ECHELON_SHOPIFY_SECRET", ""), ("ECHELON_TOKEN_KEY", "")];
    let served = Served::run(folder.path(), &[], &env, None).unwrap();
    for (variable, _) in env {
        assert!(served.said().contains(&format!("{variable} is empty")), "{}", served.said());
    }
    let body = r#"{"shop_id":1,"shop_domain":"acme"}"#;
    // The signature of an empty key.
    let signature = super::shopify::signature("", body);
    let headers = [
        ("X-Shopify-Topic", "shop/redact"),
        ("X-Shopify-Shop-Domain", "acme"),
        ("X-Shopify-Hmac-Sha256", signature.as_str()),
    ];
    assert_eq!(served.send("POST", "/webhooks/shopify", &headers, body).0, 404);
    assert_eq!(served.send("POST", "/events", &headers, body).0, 401);
}

fn no_start_prints_a_token_that_outlives_it() {
    let folder = tempfile::tempdir().unwrap();
    let key = [("ECHELON_TOKEN_KEY", super::TOKEN_KEY)];
    let served = Served::run(folder.path(), &[], &key, None).unwrap();
    super::until("it says how a token is made", || served.said().contains("`echelon token`"));
    assert!(!served.said().contains("ECHELON_TOKEN="), "{}", served.said());
    drop(served);
    // With a key that is made up, the token ends with the process.
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

fn a_gold_member(folder: &Path) -> Served {
    let served = served(folder, &[]);
    served.spent("anna", "1", "2025-05-01T10:00:00Z", "600");
    served
}

fn erased() -> Value {
    json!({ "type": "customer.erased", "member_id": "anna", "occurred_at": "2025-06-01T10:00:00Z" })
}

/// A name, a method, a path, a body, a topic of Shopify's, and the status.
type Door = (&'static str, &'static str, &'static str, String, Option<&'static str>, u16);

/// Requests by which a caller with a token of scope write would erase a member or act as an administrator, each with its refusal.
fn writes() -> Vec<Trial> {
    let shared = Shared::new(a_gold_member);
    let (one, other) = (erased().to_string(), order("bert", "2", "5"));
    let redact = r#"{"shop_domain":"acme","customer":{"id":7},"orders_to_redact":[]}"#;
    let doors: Vec<Door> = vec![
        ("erases_no_member", "DELETE", "/v1/members/anna", String::new(), None, 403),
        ("erases_by_no_fact", "POST", "/v1/facts", one.clone(), None, 422),
        ("erases_by_no_event", "POST", "/events", one, None, 403),
        ("erases_by_no_list_of_events", "POST", "/events", json!([other, erased()]).to_string(), None, 403),
        ("erases_by_no_line_of_events", "POST", "/events", format!("{other}\n{}", erased()), None, 403),
        ("erases_by_no_webhook", "POST", "/events", redact.to_owned(), Some("customers/redact"), 403),
        ("asks_for_no_redaction", "POST", "/v1/privacy/redaction", String::new(), None, 405),
        ("withdraws_no_redaction", "DELETE", "/v1/privacy/redaction", String::new(), None, 403),
        ("replays_nothing", "POST", "/v1/quarantine/replay", r#"{"all":true}"#.to_owned(), None, 403),
        ("replays_nothing_dead", "POST", "/dead-letters/replay", "{}".to_owned(), None, 403),
        ("moves_no_time", "POST", "/clock", r#"{"now":"+1d"}"#.to_owned(), None, 403),
        ("takes_no_backup", "POST", "/backup", String::new(), None, 403),
    ];
    let tried = doors.into_iter().map(|(name, method, path, body, topic, status)| {
        let shared = shared.clone();
        case("writes", &format!("a_token_to_write_{name}"), move || {
            let write = bearer(&token("write", Some("acme")));
            let mut headers = vec![("Authorization", write.as_str()), ("Content-Type", "application/json")];
            headers.extend(topic.map(|topic| ("X-Shopify-Topic", topic)));
            headers.extend(topic.map(|_| ("X-Shopify-Shop-Domain", "acme")));
            let (found, answer) = shared.send(method, path, &headers, &body);
            assert_eq!(found, status, "{answer}");
            assert_eq!(shared.ask("GET", "/v1/members/anna", &Value::Null)["tier"]["id"], "gold");
        })
    });
    tried.chain(cases!["writes", an_administrator_erases]).collect()
}

fn an_administrator_erases() {
    let folder = tempfile::tempdir().unwrap();
    let served = a_gold_member(folder.path());
    assert_eq!(served.send("POST", "/events", &[("Authorization", &admin())], &erased().to_string()).0, 202);
    super::until("she is gone", || served.ask("GET", "/v1/members/anna", &Value::Null)["status"] == 404);
}

/// Requests to a system that asks for no token; `OWN` is its address.
fn pages() -> Vec<Trial> {
    let shared = Shared::new(|folder| {
        let file = program(folder);
        let served = Served::start(folder, &file, &["--open", "--cors", "https://shop.example.com/"], None);
        served.spent("anna", "1", "2025-05-01T10:00:00Z", "600");
        served
    });
    const JSON: (&str, &str) = ("Content-Type", "application/json");
    const EVIL: (&str, &str) = ("Origin", "https://evil.example");
    type Headers = &'static [(&'static str, &'static str)];
    let facts: [(&str, Headers, u16); 14] = [
        ("no_page_is_answered", &[JSON], 200),
        ("a_page_of_its_own_is_answered", &[JSON, ("Origin", "http://OWN")], 200),
        ("a_page_that_was_named_is_answered", &[JSON, ("Origin", "https://shop.example.com")], 200),
        ("another_page_is_refused", &[JSON, EVIL], 403),
        ("another_page_that_says_no_type_is_refused", &[EVIL], 403),
        ("a_page_of_nowhere_is_refused", &[JSON, ("Origin", "null")], 403),
        ("a_page_of_another_port_is_refused", &[JSON, ("Origin", "http://127.0.0.1:1")], 403),
        ("a_page_that_is_two_is_refused", &[JSON, ("Origin", "http://OWN"), EVIL], 403),
        ("a_page_across_sites_is_refused", &[JSON, ("Sec-Fetch-Site", "cross-site")], 403),
        ("another_name_is_refused", &[JSON, ("Host", "evil.example")], 403),
        (
            "another_name_and_its_page_is_refused",
            &[JSON, ("Host", "evil.example:8700"), ("Origin", "http://evil.example:8700")],
            403,
        ),
        ("plain_text_is_refused", &[("Content-Type", "text/plain")], 415),
        ("a_form_is_refused", &[("Content-Type", "application/x-www-form-urlencoded")], 415),
        ("a_form_with_files_is_refused", &[("Content-Type", "multipart/form-data; boundary=x")], 415),
    ];
    let places: [(&str, &str, &str, Headers); 8] = [
        ("events_of_another_page_are_refused", "POST", "/events", &[EVIL, JSON]),
        ("time_of_another_page_is_refused", "POST", "/clock", &[EVIL, JSON]),
        ("a_replay_of_another_page_is_refused", "POST", "/v1/quarantine/replay", &[EVIL, JSON]),
        ("assignments_of_another_page_are_refused", "POST", "/v1/assignments", &[EVIL, JSON]),
        ("a_program_of_another_page_is_refused", "POST", "/v1/program/versions", &[EVIL, JSON]),
        ("a_backup_for_another_page_is_refused", "POST", "/backup", &[EVIL]),
        ("an_erasure_of_another_page_is_refused", "DELETE", "/v1/members/anna", &[EVIL]),
        ("a_member_is_not_told_to_a_name_that_leads_here", "GET", "/v1/members/anna", &[("Host", "rebound.example")]),
    ];
    let facts = facts.map(|(name, headers, status)| (name, "POST", "/v1/facts", headers, status));
    let places = places.map(|(name, method, path, headers)| (name, method, path, headers, 403));
    let tried = facts.into_iter().chain(places).map(|(name, method, path, headers, status)| {
        let shared = shared.clone();
        case("pages", name, move || {
            let own = |value: &str| value.replace("OWN", &shared.address);
            let headers: Vec<(&str, String)> = headers.iter().map(|(name, value)| (*name, own(value))).collect();
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let fact = order("anna", "1", "600").to_string();
            let (found, answer) = shared.send(method, path, &headers, if method == "POST" { &fact } else { "" });
            assert_eq!(found, status, "{answer}");
            assert_eq!(shared.ask("GET", "/v1/members/anna", &Value::Null)["tier"]["id"], "gold");
        })
    });
    tried.collect()
}

fn an_open_system_is_not_open_to_the_network_unless_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut serve = std::process::Command::new(tests::built::built("echelon"));
    serve.args(["serve", "--open", "--listen", "0.0.0.0:0"]).current_dir(folder.path()).env_clear();
    let done = serve.output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.code() == Some(2) && said.contains("--open-to-the-network"), "{said}");
}

fn an_origin_is_read_as_browsers_write_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = program(folder.path());
    let served = Served::start(folder.path(), &file, &["--open", "--cors", "HTTPS://Shop.Example.com:443/"], None);
    let (_, head, _) = served.send_raw("GET", "/v1/members", &[("Origin", "https://shop.example.com")], "");
    assert!(head.to_ascii_lowercase().contains("access-control-allow-origin: https://shop.example.com"), "{head}");
}

/// Ids, each of which reaches its own member and no other.
fn ids() -> Vec<Trial> {
    const IDS: [(&str, &str); 10] = [
        ("a_name", "anna"),
        ("an_id_of_shopify", "gid://shopify/Customer/7"),
        ("what_looks_like_another_written_way", "~YQ"),
        ("one_with_a_fragment", "a#x"),
        ("one_with_a_query", "a?x"),
        ("a_slash_in_percent", "%2F"),
        ("the_folder_above", ".."),
        ("another_place", "a/explain"),
        ("one_with_a_space", "ü b"),
        ("one_with_a_backslash", "a\\b"),
    ];
    let shared = Shared::new(|folder| {
        let served = served(folder, &[]);
        for (place, (_, id)) in IDS.iter().enumerate() {
            served.spent(id, &place.to_string(), "2025-05-01T10:00:00Z", &format!("{}", 100 + place));
        }
        served
    });
    let tried = IDS.into_iter().enumerate().map(|(place, (name, id))| {
        let shared = shared.clone();
        case("ids", &format!("{name}_reaches_its_own_member"), move || {
            let path = format!("/v1/members/{}", http_api::path::segment(&rules::id::MemberId::new(id).unwrap()));
            let found = shared.ask("GET", &path, &Value::Null);
            assert_eq!(found["member_id"], id, "{path}: {found}");
            assert_eq!(found["progress"]["counted"], format!("{}.00", 100 + place), "{path}");
            let why = shared.ask("GET", &format!("{path}/explain"), &Value::Null);
            assert_eq!(why["standing"]["member_id"], id, "{path}: {why}");
        })
    });
    let other = shared.clone();
    let wrong = case("ids", "one_that_is_not_written_so_is_refused", move || {
        let wrong = other.ask("GET", "/v1/members/~not*base64", &Value::Null);
        assert_eq!(wrong["problems"][0]["path"], "member_id", "{wrong}");
    });
    tried.chain([wrong]).collect()
}
