//! A folder with a program and events to run the command in.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use assert_cmd::Command;
use tempfile::TempDir;

pub const PROGRAM: &str = r#"{ "name": "Acme VIP", "timezone": "America/New_York", "currency": "USD", "start_date": "2023-01-01",
  "milestone": { "metric": "amount_spent", "period": "calendar_year" },
  "tiers": [ { "id": "silver", "name": "Silver", "threshold": "100" },
             { "id": "gold", "name": "Gold", "threshold": "500", "entry_rewards": [{ "type": "free_shipping" }] } ] }"#;

pub const EVENTS: &str = r#"{"type":"order.paid","member_id":"anna","order_id":"1","occurred_at":"2023-11-10T15:30:00Z","total":"520.00"}

{"type":"order.paid","member_id":"bob","order_id":"2","occurred_at":"2024-03-01T15:30:00Z","total":"120.00"}
"#;

pub struct ApiHarness {
    pub folder: TempDir,
}

impl ApiHarness {
    pub fn new() -> Self {
        let desk = Self { folder: TempDir::new().unwrap() };
        desk.put("vip.json", PROGRAM);
        desk.put("events.jsonl", EVENTS);
        desk
    }

    pub fn put(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::cargo_bin("echelon").unwrap();
        command.current_dir(self.folder.path()).args(line.split_whitespace());
        command
    }

    #[track_caller]
    pub fn run(&self, line: &str, code: i32) -> Ran {
        ran(self.command(line).output().unwrap(), code)
    }
}

pub struct Ran {
    pub out: String,
    pub err: String,
}

#[track_caller]
pub fn ran(output: Output, code: i32) -> Ran {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let ran = Ran { out: text(output.stdout), err: text(output.stderr) };
    assert_eq!(output.status.code(), Some(code), "{}\n{}", ran.out, ran.err);
    ran
}

#[track_caller]
pub fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "missing: {part}\nin:\n{text}");
    }
}

pub const REPLAY: &str = "replay --program vip.json --events events.jsonl --as-of 2024-06-01";
pub const EXPLAIN: &str = "explain --program vip.json --events events.jsonl --as-of 2024-06-01 --member";
