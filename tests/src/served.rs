//! `echelon serve`, as it was built with the tests, asked over HTTP by whoever tests what others see of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::built::built;

/// Of a machine as busy as may be.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A served system with the shop `acme`; it ends with the test.
#[derive(Debug)]
pub struct Served {
    process: Child,
    /// Where it listens.
    pub address: String,
    token: Option<String>,
}

impl Served {
    /// Starts one in a folder, on June 1, 2025. `token`: what it is asked with, if it asks for one.
    ///
    /// # Panics
    /// If it does not listen.
    pub fn start(folder: &Path, program: &Path, more: &[&str], token: Option<&str>) -> Self {
        let mut serve = Command::new(built("echelon", &["rules", "service", "embedded", "web", "echelon"]));
        serve.current_dir(folder).env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        serve.args(["serve", "--listen", "127.0.0.1:0", "--clock", "2025-06-01T10:00:00Z"]).args(more);
        let mut process = serve.args(["--shop", "acme", "--program"]).arg(program).spawn().unwrap();
        let mut said = BufReader::new(process.stderr.take().unwrap()).lines().map(Result::unwrap);
        let address = said.find_map(|line| Some(line.split_once("http://")?.1.split_once(',')?.0.to_owned()));
        // What it says is read to the end: or it would wait for somebody who does.
        thread::spawn(move || said.for_each(drop));
        let address = address.expect("it ended without listening");
        Self { process, address, token: token.map(str::to_owned) }
    }

    /// The body of an answer; nothing is sent for null.
    ///
    /// # Panics
    /// If there is none, or it is no JSON.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut about = format!("host: {}\r\ncontent-type: application/json", self.address);
        if let Some(token) = &self.token {
            about.push_str(&format!("\r\nauthorization: Bearer {token}"));
        }
        write!(stream, "{method} {path} HTTP/1.0\r\n{about}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"))
    }

    /// An order paid, which is taken in.
    ///
    /// # Panics
    /// If it is not.
    pub fn spent(&self, member: &str, order: &str, occurred_at: &str, total: &str) {
        let fact = json!({ "type": "order.paid", "member_id": member, "order_id": order, "occurred_at": occurred_at,
                           "total": total });
        let told = self.ask("POST", "/v1/facts", &fact);
        assert_eq!(told["results"][0]["status"], "applied", "{told}");
    }

    /// A member's own token.
    ///
    /// # Panics
    /// If there is none.
    pub fn token_of(&self, member: &str) -> String {
        let made = self.ask("POST", &format!("/v1/members/{member}/token"), &json!({ "minutes": 60 }));
        made["token"].as_str().unwrap_or_else(|| panic!("no token: {made}")).to_owned()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
