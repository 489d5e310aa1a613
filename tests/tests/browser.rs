//! The piece of page for customers, and the page that shows the API, in a real browser on the served system.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tests::built::built;

/// Of a machine as busy as may be.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where the shop's page is: not where the API is.
const SHOP: &str = "http://shop.test";

/// A command that runs until the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the script in `tests/browser` says of each rule.
#[test]
fn a_customer_sees_in_a_browser_where_they_stand_and_docs_show_the_api() {
    let (tests, folder) = (Path::new(env!("CARGO_MANIFEST_DIR")), tempfile::tempdir().unwrap());
    let mut serve = Command::new(built("echelon", &["rules", "service", "embedded", "web", "echelon"]));
    serve.current_dir(&folder).env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    serve.args(["serve", "--open", "--listen", "127.0.0.1:0", "--clock", "2025-06-01T10:00:00Z", "--cors", SHOP]);
    serve.args(["--shop", "acme", "--program"]).arg(tests.join("browser/program.json"));
    let mut served = Running(serve.spawn().unwrap());
    let said = BufReader::new(served.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut address = said.filter_map(|line| Some(line.split_once("http://")?.1.split_once(',')?.0.to_owned()));
    let address = address.next().expect("it ended without listening");

    let spent = |id: &str, occurred_at: &str, total: &str| {
        let order = json!({ "type": "order.paid", "member_id": "anna", "order_id": id, "occurred_at": occurred_at,
                            "total": total });
        let told = post(&address, "/v1/facts", &order);
        assert_eq!(told["results"][0]["status"], "applied", "{told}");
    };
    spent("1", "2025-05-05T10:00:00Z", "520.00");
    post(&address, "/clock", &json!({ "now": "2026-11-23T10:00:00Z" }));
    spent("2", "2026-11-05T10:00:00Z", "120.00");
    let token = post(&address, "/v1/members/anna/token", &json!({ "minutes": 60 }));
    let token = token["token"].as_str().unwrap_or_else(|| panic!("no token: {token}"));

    let picture = folder.path().join("widget.png");
    let mut browser = Command::new(tests.join("servers/browser"));
    browser.arg("run").arg(tests.join("browser/widget.mjs")).args([&format!("http://{address}"), token]);
    let seen = browser.arg(&picture).arg(SHOP).stdin(Stdio::null()).output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&seen.stdout), String::from_utf8_lossy(&seen.stderr));
    assert!(seen.status.success(), "`tests/servers/browser fetch` fetches a browser\n{said}\n{complained}");
    assert!(fs::metadata(&picture).unwrap().len() > 0);
}

/// The body of an answer.
fn post(address: &str, path: &str, body: &Value) -> Value {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let body = body.to_string();
    let length = body.len();
    let about = format!("host: {address}\r\ncontent-type: application/json\r\ncontent-length: {length}");
    write!(stream, "POST {path} HTTP/1.0\r\n{about}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"))
}
