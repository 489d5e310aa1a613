//! The served API under schemathesis, which sends whatever the document allows, and whatever it does not. No answer is an
//! internal error, none differs from the document, and requests that do not fit the document are refused.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::built::built;
use tests::served::{PATIENCE, Served};

/// The key that signs tokens here.
const TOKEN_KEY: &str = "a key of thirty-two bytes or more";

/// The exceptions and their reasons are in `tests/schemathesis.toml`.
#[test]
fn whatever_is_asked_is_answered_as_the_document_says() {
    let (tests, folder) = (Path::new(env!("CARGO_MANIFEST_DIR")), tempfile::tempdir().unwrap());
    let mut make = Command::new(built("echelon"));
    let made = make.args(["token", "--token-key", TOKEN_KEY, "--scope", "admin"]).output().unwrap();
    let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let program = tests.join("browser/program.json");
    let served = Served::start(folder.path(), &program, &["--token-key", TOKEN_KEY], Some(&token));
    for (member, total) in [("anna", "520.00"), ("ben", "120.00"), ("carl", "99.00"), ("dora", "1000.00")] {
        served.spent(member, &format!("of-{member}"), "2025-05-05T10:00:00Z", total);
    }
    // A midnight is swept: there are lists, insight and jobs.
    served.ask("POST", "/clock", &json!({ "now": "2025-11-23T10:00:00Z" }));
    let until = Instant::now() + PATIENCE;
    while served.ask("GET", "/v1/insight", &Value::Null)["members"] != 4 {
        assert!(Instant::now() < until, "no sweep ends: {}", served.ask("GET", "/v1/jobs", &Value::Null));
        thread::sleep(Duration::from_millis(50));
    }

    let mut fuzz = Command::new(tests.join("servers/schemathesis"));
    fuzz.env("ECHELON_TOKEN", &token).env("MEMBER_TOKEN", served.token_of("ben")).stdin(Stdio::null());
    fuzz.args(["--config-file".as_ref(), tests.join("schemathesis.toml").as_os_str()]);
    let asked =
        fuzz.args(["run", "--no-color"]).arg(format!("http://{}/openapi.json", served.address)).output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&asked.stdout), String::from_utf8_lossy(&asked.stderr));
    let how = "`tests/servers/schemathesis fetch` fetches it";
    assert!(asked.status.success(), "{how}\n{said}\n{complained}");
    // Every operation was really tried: none refused every request.
    assert!(said.contains("Tested: 38") && !said.contains("Authentication failed"), "{said}");
}
