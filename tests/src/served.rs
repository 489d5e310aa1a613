//! `echelon serve`, as it was built with the tests, called over HTTP by tests of its outside behavior.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::built::built;

/// Long enough for a very busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A served system with the shop `acme`; it ends with the test.
#[derive(Debug)]
pub struct Served {
    process: Child,
    /// The address that it listens on.
    pub address: String,
    token: Option<String>,
    said: Arc<Mutex<String>>,
}

impl Served {
    /// Starts a system in a folder, on June 1, 2025. `token`: the bearer token of requests, if it requires one.
    ///
    /// # Panics
    /// If it does not listen.
    pub fn start(folder: &Path, program: &Path, more: &[&str], token: Option<&str>) -> Self {
        let program = program.to_str().unwrap();
        let usual = ["--clock", "2025-06-01T10:00:00Z", "--shop", "acme", "--program", program];
        Self::run(folder, &[&usual, more].concat(), &[], token).unwrap()
    }

    /// Starts a system with these arguments and variables, and no others.
    ///
    /// # Errors
    /// The text of its standard error, if it ended without listening.
    ///
    /// # Panics
    /// If it cannot be started at all.
    pub fn run(folder: &Path, args: &[&str], env: &[(&str, &str)], token: Option<&str>) -> Result<Self, String> {
        let mut serve = Command::new(built("echelon"));
        serve.current_dir(folder).env_clear().envs(env.iter().copied());
        serve.args(["serve", "--listen", "127.0.0.1:0"]).args(args);
        Self::begin(serve, token)
    }

    /// Starts a system with a command that ends up serving.
    ///
    /// # Errors
    /// The text of its standard error, if it ended without listening.
    ///
    /// # Panics
    /// If it cannot be started at all.
    pub fn begin(mut serve: Command, token: Option<&str>) -> Result<Self, String> {
        serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = serve.spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map(Result::unwrap);
        let (mut address, said) = (None, Arc::new(Mutex::new(String::new())));
        for line in lines.by_ref() {
            address =
                line.split_once("listening on http://").and_then(|(_, rest)| Some(rest.split_once(',')?.0.to_owned()));
            said.lock().unwrap().push_str(&format!("{line}\n"));
            if address.is_some() {
                break;
            }
        }
        let Some(address) = address else {
            process.wait().unwrap();
            return Err(said.lock().unwrap().clone());
        };
        // Read to the end: otherwise the process would block when the pipe is full.
        let saying = Arc::clone(&said);
        thread::spawn(move || lines.for_each(|line| saying.lock().unwrap().push_str(&format!("{line}\n"))));
        Ok(Self { process, address, token: token.map(str::to_owned), said })
    }

    /// A system that already runs and listens at an address. Its standard error is not known.
    pub fn at(process: Child, address: &str, token: Option<&str>) -> Self {
        Self { process, address: address.to_owned(), token: token.map(str::to_owned), said: Arc::default() }
    }

    /// The text of its standard error so far.
    ///
    /// # Panics
    /// If another thread panicked while it added to the text.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends it as a service manager does; returns whether it exited successfully.
    ///
    /// # Panics
    /// If the signal cannot be sent.
    pub fn end(self) -> bool {
        self.signal("TERM");
        self.ended()
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// If the signal cannot be sent.
    pub fn signal(&self, name: &str) {
        let told = Command::new("kill").args([&format!("-{name}"), &self.process.id().to_string()]).status();
        assert!(told.unwrap().success());
    }

    /// Waits until it ends; returns whether it exited successfully.
    ///
    /// # Panics
    /// If it does not end.
    pub fn ended(mut self) -> bool {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.success();
            }
            assert!(Instant::now() < end, "it does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends a request with these headers and no others; returns the status and the answer.
    ///
    /// # Panics
    /// If there is no answer.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
        let (status, _, body) = self.send_raw(method, path, headers, body);
        (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    /// Sends the same; returns the status, and the head and body of the answer as they came.
    ///
    /// # Panics
    /// If there is no answer.
    pub fn send_raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String, String) {
        self.send_bytes(method, path, headers, body.as_bytes())
    }

    /// Sends the same with a body that need not be text.
    ///
    /// # Panics
    /// If there is no answer.
    pub fn send_bytes(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str(&format!("host: {}\r\n", self.address));
        }
        headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        // A refusal may come before the body is sent to its end.
        let _ = stream.write_all(&[format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat());
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{method} {path}: no answer"));
        (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_owned(), body.to_owned())
    }

    /// Sends a body of JSON, or none for null; returns the body of the answer.
    ///
    /// # Panics
    /// If there is no answer, or its body is not JSON.
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

    /// Sends a paid order, which must be applied.
    ///
    /// # Panics
    /// If it is not applied.
    pub fn spent(&self, member: &str, order: &str, occurred_at: &str, total: &str) {
        let fact = json!({ "type": "order.paid", "member_id": member, "order_id": order, "occurred_at": occurred_at,
                           "total": total });
        let told = self.ask("POST", "/v1/facts", &fact);
        assert_eq!(told["results"][0]["status"], "applied", "{told}");
    }

    /// A member's own token.
    ///
    /// # Panics
    /// If the API issues none.
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
