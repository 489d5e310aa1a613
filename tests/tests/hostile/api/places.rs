//! The paths and queries of requests.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_api::caller::Scope;
use serde_json::json;

use super::{ANNA, BAD, Case, case};

/// Paths.
pub fn paths() -> Vec<Case> {
    vec![
        case("a member of NUL", |desk| desk.ask("GET", "/v1/members/%00"), (400, BAD, "control characters")),
        case(
            "a member of half a letter",
            |desk| desk.ask("GET", "/v1/members/%FF"),
            (400, BAD, "`member_id`: is not UTF-8"),
        ),
        case(
            "a member and a header of one's own",
            |desk| desk.ask("GET", "/v1/members/anna%0d%0aSet-Cookie:%20a=b"),
            (400, BAD, "control characters"),
        ),
        case(
            "a member one folder up",
            |desk| desk.ask("GET", "/v1/members/%2e%2e%2fanna"),
            (404, "unknown-member", "nothing is known"),
        ),
        case(
            "a member in another shop's keys",
            |desk| desk.ask("GET", "/v1/members/other%23anna"),
            (404, "unknown-member", "nothing is known"),
        ),
        case(
            "a member of 257 letters",
            |desk| desk.ask("GET", &format!("/v1/members/{}", "x".repeat(257))),
            (400, BAD, "at most 256 bytes"),
        ),
        case(
            "a path of 50 KB",
            |desk| desk.ask("GET", &format!("/v1/members/anna/{}", "x/".repeat(25_000))),
            (404, "not-found", "nothing here"),
        ),
        case(
            "a path one folder up",
            |desk| desk.ask("GET", "/v1/../../etc/passwd"),
            (404, "not-found", "nothing here"),
        ),
        case(
            "a version below nothing",
            |desk| desk.ask("GET", "/v1/program/versions/-1"),
            (400, BAD, "`number`: is not a whole number in the allowed range"),
        ),
        case(
            "a version beyond all numbers",
            |desk| desk.ask("GET", "/v1/program/versions/99999999999999999999"),
            (400, BAD, "`number`: is not a whole number in the allowed range"),
        ),
        case("a job that is none", |desk| desk.ask("GET", "/v1/jobs/%2e%2e"), (404, "unknown-job", "`..`")),
        case(
            "an unknown order to a job",
            |desk| desk.ask("POST", "/v1/jobs/2024-06-01T04:00:00.000Z-rollover/explode"),
            (400, BAD, "explode"),
        ),
        case(
            "a method that is not there",
            |desk| desk.ask("PATCH", ANNA),
            (405, "method-not-allowed", "does not support the method"),
        ),
        case(
            "a method of one's own",
            |desk| desk.ask("EXPLODE", ANNA),
            (405, "method-not-allowed", "does not support the method"),
        ),
    ]
}

/// Queries.
pub fn queries() -> Vec<Case> {
    vec![
        case("as of now, in a word", |desk| desk.ask("GET", "/v1/members/anna?as_of=now"), (400, BAD, "as_of")),
        case(
            "as of a date alone",
            |desk| desk.ask("GET", "/v1/members/anna?as_of=2024-06-01"),
            (400, BAD, "is not an RFC 3339 instant"),
        ),
        case(
            "as of a plus that is a space",
            |desk| desk.ask("GET", "/v1/members/anna?as_of=2024-06-01T00:00:00+02:00"),
            (400, BAD, "is not an RFC 3339 instant"),
        ),
        case(
            "as of the end of all years",
            |desk| desk.ask("GET", "/v1/members/anna?as_of=9999-12-31T23:59:59.999Z"),
            (400, BAD, "in the year 9000 or later"),
        ),
        case(
            "as of the year 0",
            |desk| desk.ask("GET", "/v1/members/anna?as_of=0000-01-01T00:00:00Z"),
            (200, "", "\"tier\":null"),
        ),
        case(
            "explained as of the end of all years",
            |desk| desk.ask("GET", "/v1/members/anna/explain?as_of=9999-12-31T23:59:59.999Z"),
            (400, BAD, "in the year 9000 or later"),
        ),
        case(
            "a version 0",
            |desk| desk.ask("GET", "/v1/members/anna?version=0"),
            (404, "unknown-version", "no version 0"),
        ),
        case(
            "as of two instants",
            |desk| desk.ask("GET", "/v1/members/anna?as_of=2024-06-01T00:00:00Z&as_of=2023-06-01T00:00:00Z"),
            (400, BAD, "as_of"),
        ),
        case(
            "an unknown parameter",
            |desk| desk.ask("GET", "/v1/members/anna?asof=2024-06-01T00:00:00Z"),
            (400, BAD, "asof"),
        ),
        case(
            "none at a time",
            |desk| desk.ask("GET", "/v1/members/anna/ledger?limit=0"),
            (400, BAD, "between 1 and 200"),
        ),
        case(
            "fewer than none at a time",
            |desk| desk.ask("GET", "/v1/members/anna/ledger?limit=-1"),
            (400, BAD, "`limit`: is not a whole number"),
        ),
        case(
            "a thousand millions at a time",
            |desk| desk.ask("GET", "/v1/members/anna/ledger?limit=1000000000"),
            (400, BAD, "between 1 and 200"),
        ),
        case(
            "a cursor that was never given out",
            |desk| desk.ask("GET", "/v1/members/anna/ledger?cursor=none"),
            (400, BAD, "begin again without one"),
        ),
        case(
            "a cursor made up",
            |desk| desk.ask("GET", &format!("/v1/members/anna/ledger?cursor={}", made_up("acme#order#2", "-"))),
            (200, "", "\"facts\":["),
        ),
        case(
            "a cursor to nowhere",
            |desk| desk.ask("GET", &format!("/v1/members/anna/ledger?cursor={}", made_up("", ""))),
            (400, BAD, "begin again without one"),
        ),
        case(
            "a cursor to a key that is too long",
            |desk| desk.ask("GET", &format!("/v1/members/anna/history?cursor={}", made_up(&"x".repeat(3_000), "-"))),
            (400, BAD, "begin again without one"),
        ),
        case(
            "a cursor of another list",
            |desk| desk.ask("GET", &format!("/v1/members?list=at_risk&cursor={}", made_up("acme#order#2", "-"))),
            (400, BAD, "begin again without one"),
        ),
        case(
            "a cursor of a list to nowhere",
            |desk| desk.ask("GET", &format!("/v1/members?list=at_risk&cursor={}", in_list(""))),
            (400, BAD, "begin again without one"),
        ),
        case(
            "a cursor of a list to a key that is too long",
            |desk| desk.ask("GET", &format!("/v1/members?list=at_risk&cursor={}", in_list(&"x".repeat(2_000)))),
            (400, BAD, "begin again without one"),
        ),
        case(
            "a cursor of a list that was never swept",
            |desk| desk.ask("GET", &format!("/v1/members?list=at_risk&cursor={}", in_list("00"))),
            (410, "cursor-expired", "begin again without a cursor"),
        ),
        case("an unknown list", |desk| desk.ask("GET", "/v1/members?list=everybody"), (400, BAD, "everybody")),
        case(
            "a tier of a list that is not by tier",
            |desk| desk.ask("GET", "/v1/members?list=at_risk&tier=gold"),
            (400, BAD, "only for the list `tier`"),
        ),
        case(
            "flows backwards",
            |desk| desk.ask("GET", "/v1/insight/flows?from=2024-06-01T04:00:00Z&to=2024-05-01T04:00:00Z"),
            (400, BAD, "is not after `from`"),
        ),
        case(
            "two shops, of which either may be meant",
            |desk| desk.ask("GET", "/v1/members/anna?shop=acme&shop=other").by(desk.token(None, Scope::Read)),
            (400, BAD, "shop"),
        ),
        case(
            "two shops, and the token's is one of them",
            |desk| desk.ask("GET", "/v1/members/anna?shop=acme&shop=other"),
            (400, BAD, "shop"),
        ),
        case(
            "a shop that is none",
            |desk| desk.ask("GET", "/v1/members/anna?shop=a%0d%0ab").by(desk.token(None, Scope::Read)),
            (400, BAD, "names no shop"),
        ),
        case(
            "the 256th part of a preview, and one more",
            |desk| desk.ask("POST", "/v1/program/preview?from_part=256").json(&json!({ "version": 1 })),
            (400, BAD, "`from_part`: is not a whole number in the allowed range"),
        ),
    ]
}

/// A made-up cursor into what is about a member.
fn made_up(pk: &str, sk: &str) -> String {
    URL_SAFE_NO_PAD.encode(json!({ "pk": pk, "sk": sk, "at": "2024-03-01T12:00:00.000Z" }).to_string())
}

/// A made-up cursor into a list.
fn in_list(row: &str) -> String {
    let behind = json!({ "name": "at_risk", "row": row, "taken": 0 });
    URL_SAFE_NO_PAD.encode(json!(["acme", "2020-01-01T05:00:00.000Z-rollover", "at_risk", behind]).to_string())
}
