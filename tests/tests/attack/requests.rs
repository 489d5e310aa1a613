//! Requests that are malformed or ambiguous, byte by byte.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use libtest_mimic::Trial;
use tests::served::{PATIENCE, Served};

use super::case::{Shared, case};
use super::{admin, served};

const CLOSE: &str = "host: HOST\r\nconnection: close\r\n";
const FACT: &str =
    r#"{"type":"order.paid","member_id":"bert","order_id":"9","occurred_at":"2025-05-01T10:00:00Z","total":"5"}"#;

pub fn cases() -> Vec<Trial> {
    let shared = Shared::new(|folder| served(folder, &[]));
    let tables = [hosts(), lengths(), chunks(), lines(), sizes(), protocols(), methods()];
    let tried = tables.into_iter().flatten().map(|(name, sent, expected)| {
        let shared = shared.clone();
        case("requests", name, move || {
            let answer = answer(&shared, &sent);
            assert_eq!(statuses(&answer), expected, "{}", answer.chars().take(2_000).collect::<String>());
            assert_eq!(shared.send("GET", "/health", &[], "").0, 200, "it goes on");
        })
    });
    let whole = |name: &'static str, sent: String| {
        let shared = shared.clone();
        case("requests", name, move || is_not_taken(&shared, &sent))
    };
    let part = &FACT[..FACT.len() - 1];
    let by_length = fact(&format!("content-length: {}\r\n", FACT.len()), part);
    let by_chunk = fact("transfer-encoding: chunked\r\n", &format!("{:x}\r\n{part}", FACT.len()));
    let no_last = fact("transfer-encoding: chunked\r\n", &format!("{:x}\r\n{FACT}\r\n", FACT.len()));
    let cut = [
        whole("a_body_that_breaks_off_is_not_taken", by_length),
        whole("a_chunk_that_breaks_off_is_not_taken", by_chunk),
        whole("chunks_without_a_last_one_are_not_taken", no_last),
    ];
    tried.chain(cut).collect()
}

/// The name of a case, the text that is sent, and the statuses of all answers to it.
type Sent = (&'static str, String, Vec<u16>);

fn sent(name: &'static str, sent: impl Into<String>, status: u16) -> Sent {
    (name, sent.into(), vec![status])
}

/// A request for the health, with these headers and no others.
fn asks(headers: &str) -> String {
    format!("GET /health HTTP/1.1\r\n{headers}\r\n")
}

/// A request that tells a fact, with the headers that say its length.
fn fact(length: &str, body: &str) -> String {
    let about = "authorization: TOKEN\r\ncontent-type: application/json\r\n";
    format!("POST /v1/facts HTTP/1.1\r\n{CLOSE}{about}{length}\r\n{body}")
}

/// The same request, in one chunk of this size.
fn chunked(size: &str) -> String {
    fact("transfer-encoding: chunked\r\n", &format!("{size}\r\n{FACT}\r\n0\r\n\r\n"))
}

fn in_chunks() -> String {
    format!("{:x}\r\n{FACT}\r\n0\r\n\r\n", FACT.len())
}

fn hosts() -> Vec<Sent> {
    let both = |headers: &str| asks(&format!("connection: close\r\n{headers}"));
    let twice = |name: &str, one: &str, other: &str| {
        format!("GET /v1/jobs HTTP/1.1\r\n{CLOSE}{name}: {one}\r\n{name}: {other}\r\n\r\n")
    };
    vec![
        sent("no_host_is_refused", both(""), 400),
        sent("no_host_is_taken_of_http_1_0", "GET /health HTTP/1.0\r\n\r\n", 200),
        sent("two_hosts_are_refused", both("host: HOST\r\nhost: evil.example\r\n"), 400),
        sent("the_same_host_twice_is_refused", both("host: HOST\r\nhost: HOST\r\n"), 400),
        sent("two_hosts_of_http_1_0_are_refused", "GET /health HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        sent("an_empty_host_is_refused", both("host:\r\n"), 400),
        sent("a_host_that_is_no_name_is_refused", both("host: a b/c\r\n"), 400),
        sent("a_host_with_a_user_before_it_is_refused", both("host: anna@HOST\r\n"), 400),
        sent("a_whole_url_of_the_host_is_answered", format!("GET http://HOST/health HTTP/1.1\r\n{CLOSE}\r\n"), 200),
        sent("a_url_of_another_host_is_refused", format!("GET http://evil.example/ HTTP/1.1\r\n{CLOSE}\r\n"), 400),
        sent("two_tokens_are_refused", twice("authorization", "TOKEN", "Bearer x"), 400),
        sent("two_content_types_are_refused", twice("content-type", "application/json", "text/plain"), 400),
        sent("two_shops_are_refused", twice("x-echelon-shop", "acme", "other"), 400),
        sent("two_signatures_are_refused", twice("x-shopify-hmac-sha256", "AAAA", "BBBB"), 400),
        sent("two_idempotency_keys_are_refused", twice("idempotency-key", "a", "b"), 400),
        sent("two_if_match_are_refused", twice("if-match", "\"1\"", "\"2\""), 400),
        sent("two_if_none_match_are_refused", twice("if-none-match", "\"1\"", "\"2\""), 400),
    ]
}

fn lengths() -> Vec<Sent> {
    let of = |length: &str| fact(&format!("content-length: {length}\r\n"), FACT);
    let length = FACT.len();
    let coded = |coding: &str| fact(&format!("transfer-encoding: {coding}\r\n"), &in_chunks());
    // What follows would be another client's request if a proxy went by the length.
    let on = |length: &str| {
        let first = fact(&format!("{length}transfer-encoding: chunked\r\n"), &in_chunks());
        first.replace("connection: close\r\n", "") + &asks(CLOSE)
    };
    vec![
        sent("a_length_and_another_are_refused", of(&format!("{length}\r\ncontent-length: 5")), 400),
        sent("a_list_of_lengths_is_refused", of(&format!("{length}, {length}")), 400),
        sent("a_length_below_nothing_is_refused", of("-1"), 400),
        sent("a_length_with_a_sign_is_refused", of("+5"), 400),
        sent("a_length_in_hexadecimal_is_refused", of("0x10"), 400),
        sent("a_length_with_an_exponent_is_refused", of("1e3"), 400),
        sent("a_length_beyond_64_bits_is_refused", of("18446744073709551616"), 400),
        sent("an_empty_length_is_refused", of(""), 400),
        sent("a_body_shorter_than_it_says_its_json_is_refused", of("10"), 400),
        sent(
            "beside_chunks_a_length_counts_for_nothing_and_nothing_behind_them_is_read",
            on("content-length: 4\r\n"),
            200,
        ),
        sent("nothing_behind_chunks_is_read", on(""), 200),
        sent("chunks_are_read", coded("chunked"), 200),
        sent("chunks_said_twice_are_refused", coded("chunked\r\ntransfer-encoding: chunked"), 400),
        sent("compressed_chunks_are_refused", coded("gzip, chunked"), 400),
        sent("chunks_that_are_not_the_last_coding_are_refused", coded("chunked, identity"), 400),
        sent("an_unknown_coding_is_refused", coded("xchunked"), 400),
        sent("no_coding_is_no_length", coded("identity"), 400),
        sent("chunks_of_http_1_0_are_refused", coded("chunked").replace("HTTP/1.1", "HTTP/1.0"), 400),
        (
            "what_stands_behind_a_body_is_a_request_without_its_token",
            {
                let head = "POST /v1/facts HTTP/1.1\r\nhost: HOST\r\nauthorization: TOKEN\r\ncontent-type: application/json\r\n";
                format!("{head}content-length: 4\r\n\r\nnullGET /v1/jobs HTTP/1.1\r\n{CLOSE}\r\n")
            },
            vec![422, 401],
        ),
    ]
}

fn chunks() -> Vec<Sent> {
    let ended = |trailers: &str| {
        let body = format!("{:x}\r\n{FACT}\r\n0\r\n{trailers}\r\n", FACT.len());
        fact("transfer-encoding: chunked\r\n", &body)
    };
    vec![
        sent("a_chunk_of_no_size_is_refused", chunked("zz"), 400),
        sent("a_chunk_below_nothing_is_refused", chunked("-1"), 400),
        sent("a_chunk_beyond_64_bits_is_refused", chunked("fffffffffffffffff"), 400),
        sent("a_chunk_longer_than_it_says_is_refused", chunked("10"), 400),
        sent(
            "20_000_bytes_beside_a_size_are_refused",
            chunked(&format!("{:x};{}", FACT.len(), "a".repeat(20_000))),
            400,
        ),
        sent(
            "what_stands_behind_the_last_chunk_is_no_header",
            ended("host: evil.example\r\nauthorization: x\r\n"),
            200,
        ),
        sent("5_000_lines_behind_the_last_chunk_are_refused", ended(&"a: b\r\n".repeat(5_000)), 400),
    ]
}

fn lines() -> Vec<Sent> {
    let with = |line: &str| asks(&format!("{line}\r\n{CLOSE}"));
    vec![
        sent("lines_that_end_without_a_return_are_read_as_lines", asks(CLOSE).replace('\r', ""), 200),
        sent("returns_alone_are_refused", asks(CLOSE).replace('\n', "") + "\r\n\r\n", 400),
        sent("a_folded_header_is_refused", with("x: 1\r\n two"), 400),
        sent("a_header_that_begins_with_a_space_is_refused", with(" x: 1"), 400),
        sent("a_space_before_the_colon_is_refused", with("x : 1"), 400),
        sent("a_header_without_a_colon_is_refused", with("nonsense"), 400),
        sent("a_header_without_a_name_is_refused", with(": x"), 400),
        sent("a_zero_byte_in_a_header_is_refused", with("x: a\0b"), 400),
        sent("a_return_in_a_header_is_refused", with("x: a\rb"), 400),
    ]
}

fn sizes() -> Vec<Sent> {
    let many = |count: usize| (0..count).map(|it| format!("x-{it}: 1\r\n")).collect::<String>();
    let pipelined = asks("host: HOST\r\n").repeat(99) + &asks(CLOSE);
    vec![
        sent("a_header_of_a_million_bytes_is_refused", asks(&format!("x: {}\r\n{CLOSE}", "a".repeat(1_000_000))), 431),
        sent("a_hundred_and_one_headers_are_refused", asks(&(many(99) + CLOSE)), 431),
        sent("ninety_headers_are_read", asks(&(many(88) + CLOSE)), 200),
        sent("a_path_of_70_000_bytes_is_refused", format!("GET /{} HTTP/1.1\r\n{CLOSE}\r\n", "a".repeat(70_000)), 414),
        ("a_hundred_requests_at_once_are_answered_in_order", pipelined, vec![200; 100]),
    ]
}

fn protocols() -> Vec<Sent> {
    let of = |protocol: &str| format!("GET /health {protocol}\r\n{CLOSE}\r\n");
    let upgrade = |to: &str| asks(&format!("host: HOST\r\nconnection: upgrade, close\r\nupgrade: {to}\r\n"));
    let expects = fact(&format!("expect: 100-continue\r\ncontent-length: {}\r\n", FACT.len()), FACT);
    vec![
        sent("http_0_9_is_refused", "GET /health\r\n\r\n", 400),
        sent("http_1_2_is_refused", of("HTTP/1.2"), 400),
        sent("http_3_is_refused", of("HTTP/3.0"), 400),
        sent("http_in_small_letters_is_refused", of("http/1.1"), 400),
        ("http_2_is_not_answered", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), vec![]),
        sent(
            "tls_on_the_plain_port_is_refused",
            "\u{16}\u{3}\u{1}\0\u{7f}\u{1}\0\0\u{7b}\u{3}\u{3}".to_owned() + &"A".repeat(120),
            400,
        ),
        sent("zeros_are_refused", "\0".repeat(1_000), 400),
        sent("no_other_protocol_is_gone_over_to", upgrade("websocket"), 200),
        sent("nor_http_2_on_the_way", upgrade("h2c"), 200),
        ("a_client_that_waits_to_be_asked_for_the_body_is_asked", expects, vec![100, 200]),
    ]
}

fn methods() -> Vec<Sent> {
    let by = |method: &str| format!("{method} /health HTTP/1.1\r\n{CLOSE}\r\n");
    let instead = format!(
        "POST /v1/members/anna HTTP/1.1\r\n{CLOSE}authorization: TOKEN\r\nx-http-method-override: DELETE\r\ncontent-length: 0\r\n\r\n"
    );
    vec![
        sent("trace_is_refused", by("TRACE"), 405),
        sent("connect_is_refused", by("CONNECT"), 405),
        sent("a_tunnel_is_refused", format!("CONNECT evil.example:443 HTTP/1.1\r\n{CLOSE}\r\n"), 400),
        sent("an_unknown_method_is_refused", by("PROPFIND"), 405),
        sent("a_method_in_small_letters_is_another", by("get"), 405),
        sent("a_method_of_5_000_letters_is_refused", by(&"A".repeat(5_000)), 405),
        sent("a_method_with_a_space_is_refused", by("GE T"), 400),
        sent("a_method_with_a_zero_byte_is_refused", by("G\0T"), 400),
        sent("a_header_makes_no_other_method", instead, 405),
    ]
}

/// Everything that comes back until the connection ends.
fn answer(served: &Served, sent: &str) -> String {
    let mut stream = ask(served, sent);
    let mut answer = Vec::new();
    // A client that is refused before it has sent everything may find the connection reset.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn ask(served: &Served, sent: &str) -> TcpStream {
    let token = admin();
    let mut stream = TcpStream::connect(&served.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = stream.write_all(sent.replace("HOST", &served.address).replace("TOKEN", &token).as_bytes());
    stream
}

fn statuses(answers: &str) -> Vec<u16> {
    answers.split("HTTP/1.").skip(1).filter_map(|answer| answer.get(2..5)?.parse().ok()).collect()
}

/// Sends a part and leaves: the answer is a refusal or nothing, and nothing is taken.
fn is_not_taken(served: &Served, sent: &str) {
    let mut stream = ask(served, &sent.replace("bert", "gone").replace("\"9\"", "\"8\""));
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let found = statuses(&String::from_utf8_lossy(&answer));
    assert!(found.is_empty() || found == [400], "{found:?}");
    let admin = admin();
    assert_eq!(served.send("GET", "/v1/members/gone", &[("Authorization", &admin)], "").0, 404);
}
