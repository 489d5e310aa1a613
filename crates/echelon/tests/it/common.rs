//! A served system and a receiver of webhooks, for tests of the built command.

pub mod receiver;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use base64::Engine;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};

/// Longer than anything takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whether a condition holds in time.
pub fn eventually(mut is_so: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if is_so() {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    is_so()
}

/// The built command.
pub fn echelon() -> PathBuf {
    assert_cmd::cargo::cargo_bin("echelon")
}

/// The key with which served systems sign tokens.
pub const TOKEN_KEY: &str = "a key of thirty-two bytes or more";

/// A token with full access, made by the command.
pub fn token() -> &'static str {
    static TOKEN: OnceLock<String> = OnceLock::new();
    TOKEN.get_or_init(|| {
        let args = ["token", "--token-key", TOKEN_KEY, "--scope", "admin", "--days", "3650"];
        let made = Command::new(echelon()).args(args).output().unwrap();
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    })
}

/// Runs the command to its end.
pub fn command(args: &[&str]) -> Output {
    let mut command = Command::new(echelon());
    command.env("ECHELON_TOKEN", token()).args(args).stdin(Stdio::null()).output().unwrap()
}

/// A program that counts money over all time: gold takes 500.
pub fn program() -> Value {
    json!({ "program_id": "vip", "name": "VIP", "active": true, "timezone": "UTC", "currency": "USD",
            "start_date": "2020-01-01", "milestone": { "metric": "amount_spent", "period": "lifetime" },
            "tiers": [{ "id": "bronze", "name": "Bronze", "threshold": "50" },
                      { "id": "gold", "name": "Gold", "threshold": "500",
                        "entry_rewards": [{ "type": "points", "points": 100 }] }] })
}

/// An order paid.
pub fn order(member: &str, id: &str, total: &str) -> Value {
    json!({ "type": "order.paid", "member_id": member, "order_id": id, "occurred_at": "2024-05-01T10:00:00Z",
            "total": total })
}

/// Shopify's signature of a body.
pub fn signed(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
}

/// A running `echelon serve`.
pub struct Served {
    child: Arc<Mutex<Child>>,
    /// The address that it listens on.
    pub address: String,
    said: Arc<Mutex<String>>,
    shown: Arc<Mutex<String>>,
}

impl Served {
    /// Starts it on a file in a folder, for the shop `acme`.
    pub fn start(folder: &Path, more: &[&str]) -> Self {
        Self::start_as(folder, "acme", more)
    }

    /// The same for a shop with another name.
    pub fn start_as(folder: &Path, shop: &str, more: &[&str]) -> Self {
        Self::start_in(folder, shop, more, &[])
    }

    /// The same in an environment with these variables.
    pub fn start_in(folder: &Path, shop: &str, more: &[&str], environment: &[(&str, &str)]) -> Self {
        let file = folder.join("program.json");
        std::fs::write(&file, program().to_string()).unwrap();
        let data = folder.join("echelon.db");
        let (file, data) = (file.to_str().unwrap(), data.to_str().unwrap());
        Self::run(folder, &[&["--data", data, "--program", file, "--shop", shop], more].concat(), environment)
    }

    /// Starts the demonstration.
    pub fn demo(folder: &Path) -> Self {
        Self::run(folder, &["--demo"], &[])
    }

    /// Starts it with these arguments only.
    pub fn on(folder: &Path, args: &[&str]) -> Self {
        Self::run(folder, args, &[])
    }

    fn run(folder: &Path, args: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(echelon())
            .env("ECHELON_TOKEN_KEY", TOKEN_KEY)
            .envs(environment.iter().copied())
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(args)
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = gathered(child.stderr.take().unwrap());
        let shown = gathered(child.stdout.take().unwrap());
        let mut address = String::new();
        let listening = eventually(|| {
            let said = said.lock().unwrap();
            let found = said.split("listening on http://").nth(1).and_then(|rest| rest.split_once(','));
            address = found.map(|(address, _)| address.to_owned()).unwrap_or_default();
            !address.is_empty()
        });
        assert!(listening, "{}", said.lock().unwrap());
        Self { child: Arc::new(Mutex::new(child)), address, said, shown }
    }

    /// The URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The text on the standard error so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// The text on the standard output so far.
    pub fn output(&self) -> String {
        self.shown.lock().unwrap().clone()
    }

    /// Posts a body; returns the status and the answer.
    pub fn post(&self, path: &str, body: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        ask(&self.address, "POST", path, body, headers).unwrap()
    }

    /// Sends a DELETE request; returns the status and the answer.
    pub fn delete(&self, path: &str) -> (u16, Value) {
        ask(&self.address, "DELETE", path, "", &[]).unwrap()
    }

    /// Posts a body; returns none if the process is gone.
    pub fn try_post(&self, path: &str, body: &str) -> Option<(u16, Value)> {
        ask(&self.address, "POST", path, body, &[])
    }

    /// Sends a GET request; returns the status and the answer.
    pub fn get(&self, path: &str) -> (u16, Value) {
        ask(&self.address, "GET", path, "", &[]).unwrap()
    }

    /// The explanation of a member, once a condition holds for it.
    pub fn member_once(&self, id: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        self.once(&format!("/v1/members/{id}/explain"), is_so)
    }

    /// The health report, once a condition holds for it.
    pub fn health_once(&self, is_so: impl Fn(&Value) -> bool) -> Value {
        self.once("/health", is_so)
    }

    /// The answer to a GET request, once a condition holds for it.
    pub fn once_is(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        self.once(path, is_so)
    }

    fn once(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let came = eventually(|| {
            let (status, answer) = self.get(path);
            last = answer;
            status == 200 && is_so(&last)
        });
        assert!(came, "{path}: {last}\n{}", self.said());
        last
    }

    /// Kills the process after a while, as `kill -9` does.
    pub fn dies_in(&self, after: Duration) -> JoinHandle<()> {
        let child = Arc::clone(&self.child);
        thread::spawn(move || {
            thread::sleep(after);
            let mut child = child.lock().unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
        })
    }

    /// Ends the process as Ctrl-C does.
    pub fn end(self) {
        let mut child = self.child.lock().unwrap();
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        assert!(child.wait().unwrap().success());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn gathered(mut from: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&text);
    thread::spawn(move || {
        let mut some = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut some) {
            into.lock().unwrap().push_str(&String::from_utf8_lossy(&some[..read]));
        }
    });
    text
}

/// Sends one request on a connection of its own; none if there is no complete answer.
fn ask(address: &str, method: &str, path: &str, body: &str, headers: &[(&str, &str)]) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    request.push_str(&format!("authorization: Bearer {}\r\n", token()));
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(body).ok()?))
}

type Told = Vec<(String, Value)>;

/// A receiver that remembers webhooks. It refuses the first one, as real receivers do now and then.
pub struct Webhook {
    address: String,
    told: Arc<Mutex<Told>>,
}

impl Webhook {
    /// A receiver on a free port.
    pub fn listening() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let told = Arc::new(Mutex::new(Told::new()));
        let heard = Arc::clone(&told);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                let heard = Arc::clone(&heard);
                thread::spawn(move || while let Some(()) = hear(&stream, number == 0, &heard) {});
            }
        });
        Self { address, told }
    }

    /// The URL.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// All received events, once a condition holds for them.
    pub fn once(&self, is_so: impl Fn(&[(String, Value)]) -> bool) -> Told {
        let came = eventually(|| is_so(&self.told.lock().unwrap()));
        let told = self.told.lock().unwrap().clone();
        assert!(came, "{told:?}");
        told
    }
}

fn hear(stream: &TcpStream, refuse: bool, heard: &Mutex<Told>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut kind, mut length) = (String::new(), 0);
    let mut line = String::new();
    while reader.read_line(&mut line).ok()? > 2 {
        if let Some((name, value)) = line.trim_end().split_once(": ") {
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().ok()?,
                "x-echelon-event" => kind = value.to_owned(),
                _ => {}
            }
        }
        line.clear();
    }
    if kind.is_empty() {
        return None;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let status = if refuse { "500 Not Now\r\nconnection: close" } else { "200 OK" };
    if !refuse {
        heard.lock().unwrap().push((kind, serde_json::from_slice(&body).ok()?));
    }
    let mut stream = stream;
    stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).ok()?;
    if refuse { None } else { Some(()) }
}
