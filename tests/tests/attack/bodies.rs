//! Paths, tokens and bodies that are not what they seem: each is refused in words, and nothing of it is taken.

use libtest_mimic::Trial;
use serde_json::Value;

use super::case::{Shared, case};
use super::{admin, served, token};

const FACT: &str =
    r#"{"type":"order.paid","member_id":"eve","order_id":"1","occurred_at":"2025-05-01T10:00:00Z","total":"600"}"#;

pub fn cases() -> Vec<Trial> {
    let shared = Shared::new(|folder| {
        let served = served(folder, &[]);
        served.spent("anna", "1", "2025-05-01T10:00:00Z", "600");
        served
    });
    paths(&shared).into_iter().chain(tokens(&shared)).chain(bodies(&shared)).chain(kinds(&shared)).collect()
}

/// Paths, each with its answer to an administrator: the status, and the kind of problem or words of it.
fn paths(shared: &Shared) -> Vec<Trial> {
    let long = format!("/v1/members/{}", "a".repeat(300));
    let many = format!("/v1/members?{}", "list=tier&".repeat(1_000));
    let places: Vec<(&str, &str, u16, &str)> = vec![
        ("a_slash_too_many_behind_is_another_place", "/v1/jobs/", 404, "not-found"),
        ("a_slash_too_many_between_is_another_place", "/v1//jobs", 404, "not-found"),
        ("a_slash_too_many_before_is_another_place", "//v1/jobs", 404, "not-found"),
        ("a_slash_behind_a_member_is_no_member", "/v1/members/anna/", 404, "not-found"),
        ("no_member_is_no_list_of_them", "/v1/members/", 404, "not-found"),
        ("capital_letters_are_another_place", "/V1/Jobs", 404, "not-found"),
        ("a_parameter_of_the_path_is_another_place", "/v1/jobs;a=b", 404, "not-found"),
        ("the_folder_above_is_not_gone_to", "/v1/members/../jobs", 404, "not-found"),
        ("nor_from_the_docs", "/docs/../v1/jobs", 404, "not-found"),
        ("nor_out_of_the_root", "/../../etc/passwd", 404, "not-found"),
        ("nor_by_percent", "/%2e%2e/%2e%2e/etc/passwd", 404, "not-found"),
        ("nor_by_percent_behind_members", "/v1/members/%2e%2e/jobs", 404, "not-found"),
        ("two_dots_are_a_member_like_another", "/v1/members/..", 404, "unknown-member"),
        ("a_slash_in_percent_is_a_member_like_another", "/v1/members/anna%2fexplain", 404, "unknown-member"),
        ("backslashes_are_a_member_like_another", "/v1/members/%5c..%5canna", 404, "unknown-member"),
        ("percent_in_percent_is_read_once", "/v1/members/%2561nna", 404, "unknown-member"),
        ("a_percent_alone_is_a_member_like_another", "/v1/members/anna%", 404, "unknown-member"),
        ("percent_with_no_digits_is_a_member_like_another", "/v1/members/%zznna", 404, "unknown-member"),
        ("a_zero_byte_in_percent_is_refused", "/v1/members/anna%00", 400, "control characters"),
        ("a_line_break_in_percent_is_refused", "/v1/members/anna%0d%0a", 400, "control characters"),
        ("what_is_no_utf_8_in_percent_is_refused", "/v1/members/%ff", 400, "is not UTF-8"),
        ("a_slash_too_long_in_utf_8_is_refused", "/v1/members/%c0%af", 400, "is not UTF-8"),
        ("an_id_of_300_bytes_is_refused", &long, 400, "at most 256 bytes"),
        ("a_shop_named_twice_is_refused", "/v1/jobs?shop=acme&shop=other", 400, "is named twice"),
        ("a_thousand_parameters_are_refused", &many, 400, "duplicate field"),
        ("an_unknown_parameter_is_refused", "/v1/members?list=at_risk&admin=1", 400, "unknown field `admin`"),
        ("a_limit_below_nothing_is_refused", "/v1/members?list=at_risk&limit=-1", 400, "`limit`"),
        ("a_limit_beyond_64_bits_is_refused", "/v1/members?list=at_risk&limit=99999999999999999999", 400, "`limit`"),
        ("a_cursor_made_up_is_refused", "/v1/members?list=at_risk&cursor=%7B%7D", 400, "`cursor`"),
    ];
    let tried = places.into_iter().map(|(name, place, status, says)| {
        let (shared, place, says) = (shared.clone(), place.to_owned(), says.to_owned());
        case("paths", name, move || {
            let admin = admin();
            let (found, answer) = shared.send("GET", &place, &[("Authorization", &admin)], "");
            assert!(found == status && answer.to_string().contains(&says), "{found}: {answer}");
        })
    });
    tried.collect()
}

/// Values in place of a token, none of which lets a caller in.
fn tokens(shared: &Shared) -> Vec<Trial> {
    let shown: [(&str, &str, &str); 14] = [
        ("none", "x-nothing", ""),
        ("an_empty_one", "authorization", "Bearer "),
        ("one_that_ends_early", "authorization", "Bearer CUT"),
        ("one_that_goes_on", "authorization", "Bearer TOKENx"),
        ("two_in_one", "authorization", "Bearer TOKEN TOKEN"),
        ("one_with_another_behind_a_comma", "authorization", "Bearer TOKEN,Bearer TOKEN"),
        ("three_dots", "authorization", "Bearer ..."),
        ("one_that_says_it_needs_no_signature", "authorization", "Bearer eyJhbGciOiJub25lIn0.eyJzY29wZSI6ImFkbWluIn0."),
        ("one_that_another_key_has_signed", "authorization", "Bearer OTHER"),
        ("a_name_and_password", "authorization", "Basic YW5uYTpzZWNyZXQ="),
        ("the_token_without_its_scheme", "authorization", "TOKEN"),
        ("the_token_in_a_cookie", "cookie", "token=TOKEN"),
        ("the_token_of_a_proxy", "proxy-authorization", "Bearer TOKEN"),
        ("an_address_of_this_machine", "x-forwarded-for", "127.0.0.1"),
    ];
    let tried = shown.map(|(name, header, value)| {
        let shared = shared.clone();
        case("tokens", &format!("{name}_lets_no_caller_in"), move || {
            let (admin, other) = (token("admin", Some("acme")), super::token_by(&"k".repeat(32), "admin", None));
            let value =
                value.replace("CUT", &admin[..admin.len() - 1]).replace("TOKEN", &admin).replace("OTHER", &other);
            let (status, answer) = shared.send("GET", "/v1/jobs", &[(header, &value)], "");
            assert_eq!(
                (status, &answer["type"]),
                (401, &Value::from("urn:echelon:problem:unauthenticated")),
                "{answer}"
            );
        })
    });
    let shared = shared.clone();
    let query = case("tokens", "the_token_in_the_path_lets_no_caller_in", move || {
        let place = format!("/v1/jobs?access_token={}", token("admin", Some("acme")));
        assert_eq!(shared.send("GET", &place, &[], "").0, 401);
    });
    tried.into_iter().chain([query]).collect()
}

/// A body under its name, with the statuses and the words of the answers when it is sent as a fact and as an event.
type Sent = (&'static str, Vec<u8>, [u16; 2], [&'static str; 2]);

fn bodies(shared: &Shared) -> Vec<Trial> {
    let with = |from: &str, to: &str| FACT.replace(from, to).into_bytes();
    let more = |field: &str| format!("{},{field}}}", &FACT[..FACT.len() - 1]).into_bytes();
    let (open, close) = ("[".repeat(10_000), "]".repeat(10_000));
    let objects = r#"{"a":"#.repeat(10_000) + "1" + &"}".repeat(10_000);
    let utf_16: Vec<u8> = format!("\u{feff}{FACT}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let same = |name, body: Vec<u8>, status: u16, says| (name, body, [status, status], says);
    let tables: Vec<Sent> = vec![
        same("an_empty_body", vec![], 400, ["not JSON", "is empty"]),
        same("spaces_alone", b"  \n ".to_vec(), 400, ["not JSON", "is empty"]),
        same("two_marks_of_byte_order", format!("\u{feff}\u{feff}{FACT}").into(), 400, ["not JSON"; 2]),
        same("lists_10_000_deep", format!("{open}{close}").into(), 400, ["recursion limit"; 2]),
        same("lists_that_never_end", open.clone().into(), 400, ["not JSON"; 2]),
        same("objects_10_000_deep", objects.into(), 400, ["recursion limit"; 2]),
        same("a_field_10_000_deep", more(&format!("\"note\":{open}{close}")), 400, ["recursion limit"; 2]),
        same("a_field_said_twice", more(r#""total":"1""#), 400, ["$.total: is written twice"; 2]),
        same("a_field_said_twice_under_escapes", more(r#""t\u006ftal":"1""#), 400, ["$.total: is written twice"; 2]),
        same("a_field_inside_said_twice", more(r#""note":{"a":1,"a":2}"#), 400, ["$.note.a: is written twice"; 2]),
        same("a_number_beyond_what_there_is", with("\"600\"", "1e400"), 400, ["number out of range"; 2]),
        same("a_number_of_5_000_digits", with("\"600\"", &"9".repeat(5_000)), 400, ["number out of range"; 2]),
        same("what_is_no_number", with("\"600\"", "NaN"), 400, ["not JSON"; 2]),
        same("what_is_endless", with("\"600\"", "-Infinity"), 400, ["invalid number"; 2]),
        same("a_number_in_hexadecimal", with("\"600\"", "0x258"), 400, ["not JSON"; 2]),
        same("half_a_pair_of_escapes", with("eve", r"\ud800"), 400, ["hex escape"; 2]),
        same("half_a_pair_and_another_letter", with("eve", r"\ud800\u0041"), 400, ["surrogate"; 2]),
        same("a_line_break_in_a_string", with("eve", "e\nve"), 400, ["control character"; 2]),
        same("utf_16", utf_16, 400, ["not UTF-8"; 2]),
        same(
            "latin_1",
            with("eve", "#").into_iter().map(|byte| if byte == b'#' { 0xe9 } else { byte }).collect(),
            400,
            ["not UTF-8"; 2],
        ),
        same("a_zero_byte_behind", format!("{FACT}\0").into(), 400, ["trailing characters", "not JSON"]),
        same("a_comment_behind", format!("{FACT}// so").into(), 400, ["trailing characters", "not JSON"]),
        same("a_comma_too_many", with("\"600\"}", "\"600\",}"), 400, ["not JSON"; 2]),
        same("single_quotes", with("\"", "'"), 400, ["not JSON"; 2]),
        same("a_page", b"<html></html>".to_vec(), 400, ["not JSON"; 2]),
        same("a_form", b"type=order.paid&member_id=eve".to_vec(), 400, ["not JSON"; 2]),
        ("nothing_as_json", b"null".to_vec(), [422, 400], ["must be an object", "not an object"]),
        ("a_number", b"1".to_vec(), [422, 400], ["must be an object", "not an object"]),
        ("a_string", b"\"order.paid\"".to_vec(), [422, 400], ["must be an object", "not an object"]),
        ("an_object_of_nothing", b"{}".to_vec(), [422, 400], ["type", "names its `type`"]),
        (
            "a_million_spaces_in_an_event",
            with("{", &format!("{{{}", " ".repeat(1_048_576))),
            [413, 413],
            ["1048576 bytes", "262144 bytes"],
        ),
    ];
    let mut trials = Vec::new();
    for (name, body, statuses, says) in tables {
        for (place, path) in ["/v1/facts", "/events"].into_iter().enumerate() {
            let (shared, body, says) = (shared.clone(), body.clone(), says[place]);
            let status = statuses[place];
            trials.push(case(["facts", "events"][place], &format!("{name}_is_refused"), move || {
                let admin = admin();
                let headers = [("Authorization", admin.as_str()), ("Content-Type", "application/json")];
                let (found, _, answer) = shared.send_bytes("POST", path, &headers, &body);
                assert!(found == status && answer.contains(says), "{found}: {answer}");
                assert_eq!(shared.send("GET", "/v1/members/eve", &[headers[0]], "").0, 404, "nothing is taken");
            }));
        }
    }
    trials
}

/// Facts that are said to be of a type, or compressed in a way.
fn kinds(shared: &Shared) -> Vec<Trial> {
    let said: [(&str, &str, &str, u16); 12] = [
        ("no_type_is_taken_for_json", "x-nothing", "", 200),
        ("json_in_capital_letters_is_json", "content-type", "APPLICATION/JSON", 200),
        ("json_of_a_kind_is_json", "content-type", "application/vnd.api+json", 200),
        ("plain_text_is_refused", "content-type", "text/plain", 415),
        ("a_form_is_refused", "content-type", "application/x-www-form-urlencoded", 415),
        ("xml_is_refused", "content-type", "application/xml", 415),
        ("what_begins_as_json_is_refused", "content-type", "application/jsonx", 415),
        ("two_types_in_one_are_refused", "content-type", "application/json, text/plain", 415),
        ("gzip_is_refused", "content-encoding", "gzip", 415),
        ("brotli_is_refused", "content-encoding", "br", 415),
        ("gzip_beside_nothing_is_refused", "content-encoding", "identity, gzip", 415),
        ("not_compressed_is_taken", "content-encoding", "identity", 200),
    ];
    let tried = said.map(|(name, header, value, status)| {
        let shared = shared.clone();
        case("types", name, move || {
            let admin = admin();
            let fact = FACT.replace("eve", "frank").replace("\"1\"", "\"2\"");
            let (found, answer) =
                shared.send("POST", "/v1/facts", &[("Authorization", &admin), (header, value)], &fact);
            assert_eq!(found, status, "{answer}");
        })
    });
    tried.into()
}
