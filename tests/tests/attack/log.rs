//! A log that is gone: no process reads it, it is closed, or its disk is full. Everything goes on.

use std::net::TcpStream;
use std::process::{Command, Stdio};

use libtest_mimic::Trial;
use serde_json::{Value, json};
use tests::built::built;
use tests::served::Served;

use super::case::{case, cases};
use super::luck::post;
use super::{ADMIN, TOKEN_KEY, admin, order, program, until};

pub fn cases() -> Vec<Trial> {
    let streams: [(&str, &str); 7] = [
        ("an_error_stream_that_is_closed", "2>&-"),
        ("an_error_stream_on_a_full_disk", "2>/dev/full"),
        ("an_output_that_is_closed", ">&- 2>/dev/null"),
        ("an_output_on_a_full_disk", ">/dev/full 2>/dev/null"),
        ("all_streams_closed", "<&- >&- 2>&-"),
        ("all_streams_on_a_full_disk", ">/dev/full 2>&1"),
        ("an_error_stream_into_a_process_that_ended", "2> >(exit)"),
    ];
    // Only Linux has a disk that is always full.
    let there = streams.into_iter().filter(|(_, to)| cfg!(target_os = "linux") || !to.contains("/dev/full"));
    let tried = there.map(|(name, to)| {
        case("log", &format!("{name}_stops_nothing"), move || {
            let folder = tempfile::tempdir().unwrap();
            goes_on(started(folder.path(), to));
        })
    });
    let alone =
        cases!["log", a_log_that_is_not_read_any_more_stops_no_sweep, streams_that_are_not_read_hold_up_nothing];
    tried.chain(alone).collect()
}

/// Starts a system whose streams are redirected. It cannot report where it listens: the address is chosen in advance.
fn started(folder: &std::path::Path, streams: &str) -> Served {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let file = program(folder);
    let mut shell = Command::new("bash");
    shell.current_dir(folder).env("ECHELON_TOKEN_KEY", TOKEN_KEY);
    shell.args(["-c", &format!("exec \"$0\" \"$@\" {streams}")]).arg(built("echelon"));
    shell.args(["serve", "--clock", "2025-06-01T10:00:00Z", "--shop", "acme", "--listen", &free, "--program"]);
    let mut process =
        shell.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("it listens", || {
        assert_eq!(process.try_wait().unwrap(), None, "it ended without listening");
        TcpStream::connect(&free).is_ok()
    });
    Served::at(process, &free, Some(&ADMIN))
}

/// Checks that facts are taken, broken ones are quarantined, sweeps are done, and it ends in order.
fn goes_on(served: Served) {
    served.spent("anna", "1", "2025-05-01T10:00:00Z", "600");
    assert_eq!(post(&served.address, &admin(), r#"{"type":"unheard.of"}"#), Some(202));
    let done = |count: usize| {
        let jobs = served.ask("GET", "/v1/jobs", &Value::Null);
        jobs["jobs"].as_array().is_some_and(|jobs| jobs.iter().filter(|job| job["state"] == "done").count() >= count)
    };
    for (round, now) in ["2025-06-03T10:00:00Z", "2025-06-20T10:00:00Z", "2026-01-02T10:00:00Z"].iter().enumerate() {
        served.ask("POST", "/clock", &json!({ "now": now }));
        until(&format!("the sweep of {now} ends"), || done(round + 1));
    }
    let health = served.ask("GET", "/health", &Value::Null);
    assert_eq!((&health["status"], &health["restarts"]), (&json!("ok"), &json!(0)), "{health}");
    assert!(served.end(), "it does not end in order");
}

fn a_log_that_is_not_read_any_more_stops_no_sweep() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, address) = piped(folder.path());
    // From here on, nothing that it logs can be written.
    drop((process.stderr.take(), process.stdout.take()));
    goes_on(Served::at(process, &address, Some(&ADMIN)));
}

/// Starts a system whose streams are pipes, read no further than the line that says where it listens.
fn piped(folder: &std::path::Path) -> (std::process::Child, String) {
    let mut serve = Command::new(built("echelon"));
    serve.current_dir(folder).env_clear().env("ECHELON_TOKEN_KEY", TOKEN_KEY);
    serve.args(["serve", "--listen", "127.0.0.1:0", "--clock", "2025-06-01T10:00:00Z", "--shop", "acme", "--program"]);
    serve.arg(program(folder)).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = serve.spawn().unwrap();
    let (address, said) = super::listening(&mut process);
    process.stderr = Some(said.into_inner());
    (process, address)
}

/// A pipe that a process holds and does not read is full at some time.
fn streams_that_are_not_read_hold_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, address) = piped(folder.path());
    let held = (process.stderr.take(), process.stdout.take());
    let served = Served::at(process, &address, Some(&ADMIN));
    // Each unknown event is a line, and so is each new tier.
    for batch in 0..6 {
        let events: Vec<String> = (0..500)
            .flat_map(|it| {
                let order = order(&format!("m{batch}-{it}"), &format!("{batch}-{it}"), "600").to_string();
                [r#"{"type":"unheard.of","note":"of no use"}"#.to_owned(), order]
            })
            .collect();
        assert_eq!(post(&address, &admin(), &events.join("\n")), Some(202));
    }
    let health = || served.ask("GET", "/health", &Value::Null);
    until("all is taken in", || health()["waiting"] == 0);
    until("all is announced", || health()["unannounced"] == 0);
    assert_eq!(health()["status"], "ok");
    // How it ends is not checked: its last words are not read.
    served.signal("TERM");
    served.ended();
    drop(held);
}
