//! EventBridge at the level of HTTP requests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use aws_sdk_eventbridge::config::retry::RetryConfig;
use aws_sdk_eventbridge::config::{BehaviorVersion, Config, Credentials, Region};
use rules::calendar::Instant;
use serde_json::{Value, json};
use store::key::Key;

use super::*;

/// A server that gives one request this answer, and yields the request.
fn says(status: &str, body: &Value) -> (EventBridge, JoinHandle<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = body.to_string();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{answer}",
        answer.len()
    );
    let asked = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let line = line.to_ascii_lowercase();
            if let Some(said) = line.strip_prefix("content-length:") {
                length = said.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        serde_json::from_slice(&body).unwrap()
    });
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(crate::https())
        .endpoint_url(url)
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(Credentials::new("a", "b", None, None, "tests"))
        .retry_config(RetryConfig::disabled());
    (EventBridge::new(Client::from_conf(config.build()), "acme-bus"), asked)
}

fn row(number: u32) -> Outgoing {
    let key = Key { pk: "acme#history#anna".to_owned(), sk: format!("{number:010}") };
    let recorded_at = Instant::parse("2024-05-01T10:00:00Z").unwrap();
    Outgoing { key, kind: "tier.changed.v1".to_owned(), detail: format!("{{\"sequence\":{number}}}"), recorded_at }
}

#[tokio::test]
async fn entries_are_put_as_event_bridge_wants_them_and_each_has_its_answer() {
    let (bus, asked) = says(
        "200 OK",
        &json!({ "FailedEntryCount": 2, "Entries": [
            { "EventId": "11710aed-b79e-4468-a20b-bb3c0c3b4860" },
            { "ErrorCode": "ThrottlingException", "ErrorMessage": "Rate exceeded" },
            { "ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed." }] }),
    );
    let rows = [row(1), row(2), row(3)];
    let answers = bus.put(&rows.iter().collect::<Vec<_>>()).await;
    let expected = [
        PutResult::Taken,
        PutResult::Later("ThrottlingException: Rate exceeded".to_owned()),
        PutResult::Never("MalformedDetail: Detail is malformed.".to_owned()),
    ];
    assert_eq!(answers, expected);
    let asked = asked.join().unwrap();
    assert_eq!(asked["Entries"].as_array().unwrap().len(), 3);
    let first = json!({ "Time": 1_714_557_600, "Source": "echelon", "DetailType": "tier.changed.v1",
                        "Detail": "{\"sequence\":1}", "EventBusName": "acme-bus" });
    assert_eq!(asked["Entries"][0], first);
}

#[tokio::test]
async fn a_bus_that_fails_as_a_whole_is_asked_again_for_every_entry() {
    let (bus, asked) = says("500 Internal Server Error", &json!({ "__type": "InternalException" }));
    let rows = [row(1), row(2)];
    let answers = bus.put(&rows.iter().collect::<Vec<_>>()).await;
    assert!(answers.len() == 2 && answers.iter().all(|answer| matches!(answer, PutResult::Later(_))), "{answers:?}");
    asked.join().unwrap();
}
