//! The folder of zones that a layer provides.

use std::process::{Command, Stdio};

use tests::built::built;

/// No function may count by other days than were meant.
#[test]
fn no_function_starts_with_a_folder_of_zones_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("version"), "2025b\n").unwrap();
    let (old, none) = (folder.path().display().to_string(), folder.path().join("none").display().to_string());
    for name in ["ingest", "relay", "rollover", "recalculate", "api"] {
        for (zones, why) in [(&old, "which is older than"), (&none, "cannot be read: No such file")] {
            let mut function = Command::new(built(name));
            function.env_clear().stdin(Stdio::null()).env("RUST_LOG", "INFO").env("ECHELON_TZDIR", zones);
            // No server listens there: a function that gets as far as asking for an event fails for another reason.
            function.env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1").env("AWS_LAMBDA_FUNCTION_NAME", name);
            function.env("AWS_LAMBDA_FUNCTION_VERSION", "1").env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512");
            for variable in
                ["MEMBERS_TABLE", "LEDGER_TABLE", "CONTROL_TABLE", "EVENT_BUS", "AWS_LAMBDA_LOG_STREAM_NAME"]
            {
                function.env(variable, "some");
            }
            for variable in
                ["ROLLOVER_QUEUE_URL", "RECALCULATION_QUEUE_URL", "QUARANTINE_QUEUE_URL", "INGEST_QUEUE_URL"]
            {
                function.env(variable, "https://127.0.0.1:1/queue");
            }
            function
                .env("LOG_KEY", "a key only for tests")
                .env("TOKEN_KEY", "a key only for tests, which has 32 bytes");
            function.envs([("AWS_REGION", "local"), ("AWS_ACCESS_KEY_ID", "none"), ("AWS_SECRET_ACCESS_KEY", "none")]);
            let ended = function.output().unwrap();
            let said = String::from_utf8_lossy(&ended.stdout) + String::from_utf8_lossy(&ended.stderr);
            assert!(!ended.status.success(), "{name}: {said}");
            let first = said.lines().next().unwrap_or_default();
            assert!(first.contains(&format!("ECHELON_TZDIR: {zones}")) && first.contains(why), "{name}: {said}");
            assert!(first.contains("\"level\":\"ERROR\""), "{name}: {said}");
        }
    }
}
