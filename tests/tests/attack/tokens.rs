//! Tokens that fell into the wrong hands.

use libtest_mimic::Trial;
use tests::served::Served;

use super::case::cases;
use super::{bearer, served, token};

pub fn cases() -> Vec<Trial> {
    cases!["tokens", a_revoked_token_lets_no_caller_in_even_after_a_restart_and_the_others_are_listed]
}

fn a_revoked_token_lets_no_caller_in_even_after_a_restart_and_the_others_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let (admin, till) = (token("admin", None), token("write", Some("acme")));
    let run = || served(folder.path(), &[]);
    let system = run();
    let (admin, till) = (bearer(&admin), bearer(&till));
    let asked = |system: &Served, authorization: &str, method: &str, path: &str| {
        system.send(method, path, &[("authorization", authorization)], "")
    };
    assert_eq!(asked(&system, &till, "GET", "/v1/insight").0, 404, "it lets in");
    assert_eq!(asked(&system, &till, "GET", "/tokens").0, 403);
    let (_, listed) = asked(&system, &admin, "GET", "/tokens");
    let mut listed = listed["tokens"].as_array().unwrap().clone();
    listed.sort_by_key(|it| it["scope"].to_string());
    let scopes: Vec<_> = listed.iter().map(|it| (it["scope"].as_str().unwrap(), it["shop"].as_str())).collect();
    assert_eq!(scopes, [("echelon/admin", None), ("echelon/write", Some("acme"))]);
    let id = listed[1]["id"].as_str().unwrap();
    assert_eq!(asked(&system, &till, "DELETE", &format!("/tokens/{id}")).0, 403);
    assert_eq!(asked(&system, &admin, "DELETE", "/tokens/none").0, 400);

    let (status, revoked) = asked(&system, &admin, "DELETE", &format!("/tokens/{id}"));
    assert_eq!((status, revoked["revoked_at"].is_string()), (200, true));
    assert_eq!(asked(&system, &till, "GET", "/v1/insight").0, 401);
    assert!(system.end());
    let system = run();
    assert_eq!(asked(&system, &till, "GET", "/v1/insight").0, 401, "it stays so");
    assert_eq!(asked(&system, &admin, "GET", "/tokens").1["tokens"].as_array().unwrap().len(), 2);

    // By command, and for a token that was never used.
    let new = token("read", Some("acme"));
    let echelon = |args: &[&str]| {
        let mut command = std::process::Command::new(tests::built::built("echelon"));
        let url = format!("http://{}", system.address);
        let admin = admin.strip_prefix("Bearer ").unwrap();
        let done = command.arg("token").args(args).args(["--url", &url, "--token", admin]).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).unwrap()
    };
    assert!(echelon(&["revoke", &new]).contains("revoked (no token of this id was used so far"));
    assert_eq!(asked(&system, &bearer(&new), "GET", "/v1/insight").0, 401);
    let table = echelon(&["list"]);
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(table.lines().any(|line| line.contains(id) && line.contains("echelon/write")), "{table}");
}
