//! The widget for customers, and the page that shows the API, in a real browser on the served system.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;
use tests::served::Served;

/// The origin of the shop's page, which is not that of the API.
const SHOP: &str = "http://shop.test";

/// The script in `tests/browser` checks each rule.
#[test]
fn a_customer_sees_in_a_browser_where_they_stand_and_docs_show_the_api() {
    let (tests, folder) = (Path::new(env!("CARGO_MANIFEST_DIR")), tempfile::tempdir().unwrap());
    let program = tests.join("browser/program.json");
    let served = Served::start(folder.path(), &program, &["--open", "--cors", SHOP], None);
    served.spent("anna", "1", "2025-05-05T10:00:00Z", "520.00");
    served.ask("POST", "/clock", &json!({ "now": "2026-11-23T10:00:00Z" }));
    served.spent("anna", "2", "2026-11-05T10:00:00Z", "120.00");

    let picture = folder.path().join("widget.png");
    let mut browser = Command::new(tests.join("servers/browser"));
    let (url, token) = (format!("http://{}", served.address), served.token_of("anna"));
    browser.arg("run").arg(tests.join("browser/widget.mjs")).args([url, token]);
    let seen = browser.arg(&picture).arg(SHOP).stdin(Stdio::null()).output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&seen.stdout), String::from_utf8_lossy(&seen.stderr));
    assert!(seen.status.success(), "`tests/servers/browser fetch` fetches a browser\n{said}\n{complained}");
    assert!(fs::metadata(&picture).unwrap().len() > 0);
}
