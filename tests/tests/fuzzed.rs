//! The served API, asked by schemathesis whatever its document lets anybody ask, and whatever it does not: no answer is a
//! mistake of ours, none is other than the document says, and what does not fit the document is refused.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::built::built;

/// Of a machine as busy as may be.
const PATIENCE: Duration = Duration::from_secs(60);
/// What tokens are signed with here.
const TOKEN_KEY: &str = "a key of thirty-two bytes or more";

/// A command that runs until the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What is excepted, and why, stands in `tests/schemathesis.toml`.
#[test]
fn whatever_is_asked_is_answered_as_the_document_says() {
    let (tests, folder) = (Path::new(env!("CARGO_MANIFEST_DIR")), tempfile::tempdir().unwrap());
    let echelon = built("echelon", &["rules", "service", "embedded", "web", "echelon"]);
    let made = Command::new(&echelon).args(["token", "--token-key", TOKEN_KEY, "--scope", "admin"]).output().unwrap();
    let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();

    let mut serve = Command::new(echelon);
    serve.current_dir(&folder).env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    serve.args(["serve", "--listen", "127.0.0.1:0", "--clock", "2025-06-01T10:00:00Z", "--token-key", TOKEN_KEY]);
    serve.args(["--shop", "acme", "--program"]).arg(tests.join("browser/program.json"));
    let mut served = Running(serve.spawn().unwrap());
    let mut said = BufReader::new(served.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let address = said.find_map(|line| Some(line.split_once("http://")?.1.split_once(',')?.0.to_owned()));
    let address = address.expect("it ended without listening");
    // What it says is read to the end: or it would wait for somebody who does.
    thread::spawn(move || said.for_each(drop));

    let ask = |method: &str, path: &str, body: &Value| ask(&address, &token, method, path, body);
    for (member, total) in [("anna", "520.00"), ("ben", "120.00"), ("carl", "99.00"), ("dora", "1000.00")] {
        let order = json!({ "type": "order.paid", "member_id": member, "order_id": format!("of-{member}"),
                            "occurred_at": "2025-05-05T10:00:00Z", "total": total });
        let told = ask("POST", "/v1/facts", &order);
        assert_eq!(told["results"][0]["status"], "applied", "{told}");
    }
    // A midnight is swept: there are lists, insight and jobs.
    ask("POST", "/clock", &json!({ "now": "2025-11-23T10:00:00Z" }));
    let until = Instant::now() + PATIENCE;
    while ask("GET", "/v1/insight", &Value::Null)["members"] != 4 {
        assert!(Instant::now() < until, "no sweep ends: {}", ask("GET", "/v1/jobs", &Value::Null));
        thread::sleep(Duration::from_millis(50));
    }
    let members = ask("POST", "/v1/members/ben/token", &json!({ "minutes": 60 }));
    let members = members["token"].as_str().unwrap_or_else(|| panic!("no token: {members}"));

    let mut fuzz = Command::new(tests.join("servers/schemathesis"));
    fuzz.env("ECHELON_TOKEN", &token).env("MEMBER_TOKEN", members).stdin(Stdio::null());
    fuzz.args(["--config-file".as_ref(), tests.join("schemathesis.toml").as_os_str()]);
    let asked = fuzz.args(["run", "--no-color"]).arg(format!("http://{address}/openapi.json")).output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&asked.stdout), String::from_utf8_lossy(&asked.stderr));
    let how = "`tests/servers/schemathesis fetch` fetches it";
    assert!(asked.status.success(), "{how}\n{said}\n{complained}");
    // Every operation was asked in earnest: none said no to everything.
    assert!(said.contains("Tested: 34") && !said.contains("Authentication failed"), "{said}");
}

/// The body of an answer.
fn ask(address: &str, token: &str, method: &str, path: &str, body: &Value) -> Value {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let about = format!("host: {address}\r\nauthorization: Bearer {token}\r\ncontent-length: {}", body.len());
    write!(stream, "{method} {path} HTTP/1.0\r\n{about}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"))
}
