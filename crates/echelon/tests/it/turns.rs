//! Turns of shops at a served system: a shop that reads very much keeps no other shop waiting.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::common::{Served, order, program, token};

/// The number of explanations that one shop asks for at once.
const AT_ONCE: usize = 64;
/// The orders of the member whom they are about.
const ORDERS: usize = 1_000;

#[test]
fn another_shop_is_answered_while_one_asks_for_64_explanations_of_a_heavy_member() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &[]);
    let (status, told) =
        served.post("/v1/program/versions?shop=quiet", &json!({ "program": program() }).to_string(), JSON);
    assert_eq!(status, 201, "{told}");
    let (_, told) = served.post("/v1/facts?shop=quiet", &order("bert", "1", "520.00").to_string(), JSON);
    assert_eq!(told["results"][0]["status"], "applied", "{told}");
    for batch in 0..ORDERS / 1_000 {
        let events = (0..1_000).map(|number| order("anna", &format!("{batch}-{number}"), "1.00").to_string());
        let events = events.collect::<Vec<_>>().join("\n");
        assert_eq!(served.post("/events", &events, &[("X-Echelon-Shop", "acme")]).0, 202);
    }
    served.health_once(|health| health["waiting"] == 0);

    let asked: Vec<TcpStream> = (0..AT_ONCE).map(|_| asked(&served, "/v1/members/anna/explain?shop=acme")).collect();
    let (status, bert) = served.get("/v1/members/bert/explain?shop=quiet");
    let answered = asked.iter().filter(|stream| has_answer(stream)).count();
    assert_eq!((status, &bert["standing"]["tier"]["id"]), (200, &json!("gold")), "{bert}");
    assert!(answered < AT_ONCE / 2, "bert's shop waited for {answered} of {AT_ONCE} explanations of another one");

    let mut explained = 0;
    for stream in asked {
        let (head, anna) = answer(stream);
        // On a busy machine, the last of them may have waited for as long as they may.
        if head.starts_with("HTTP/1.1 429") {
            assert_eq!(anna["type"], "urn:echelon:problem:too-many-requests", "{anna}");
            assert!(head.to_ascii_lowercase().contains("retry-after: "), "{head}");
            continue;
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert_eq!(anna["standing"]["progress"]["counted"], "1000.00");
        assert_eq!(anna["findings"]["counted"].as_array().map(Vec::len), Some(ORDERS));
        explained += 1;
    }
    assert!(explained > 0, "nothing was explained");
}

const JSON: &[(&str, &str)] = &[("Content-Type", "application/json")];

/// Sends a request, and does not wait for its answer.
fn asked(served: &Served, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&served.address).unwrap();
    let (host, token) = (&served.address, token());
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n")
        .unwrap();
    stream
}

/// Whether a part of the answer has come.
fn has_answer(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let come = stream.peek(&mut [0]).is_ok();
    stream.set_nonblocking(false).unwrap();
    come
}

/// The head and the body of an answer.
fn answer(mut stream: TcpStream) -> (String, Value) {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), serde_json::from_str(body).unwrap())
}
