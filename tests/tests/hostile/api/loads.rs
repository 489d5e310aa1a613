//! Requests that exceed limits, programs that cannot follow, and files.

use serde_json::json;
use tests::api_harness::program;

use super::{Case, case, told};
use crate::told::with;

/// Programs, drafts and files.
pub fn cases() -> Vec<Case> {
    vec![
        case(
            "a program with a name of half a megabyte",
            |desk| {
                desk.ask("POST", "/v1/program/versions")
                    .json(&json!({ "program": with(program(), json!({ "name": "x".repeat(500_000) })) }))
            },
            (422, "validation-failed", "correct what `problems` names"),
        ),
        case(
            "a reason of half a megabyte to publish",
            |desk| {
                desk.ask("POST", "/v1/program/versions")
                    .json(&json!({ "program": with(program(), json!({ "name": "x" })), "why": "x".repeat(500_000) }))
            },
            (422, "validation-failed", "correct what `problems` names"),
        ),
        case(
            "a draft of half a megabyte",
            |desk| {
                desk.ask("PUT", "/v1/program/draft")
                    .with("If-Match", "*")
                    .json(&json!({ "program": { "name": "x".repeat(500_000) } }))
            },
            (413, "item-too-large", "shorten it"),
        ),
        case(
            "an entry with a reason of half a megabyte",
            |desk| {
                told(desk, json!({ "type": "points.earned", "member_id": "anna", "entry_id": "e", "points": 1, "occurred_at": "2024-03-01T12:00:00Z", "reason": "x".repeat(500_000) }).to_string())
            },
            (422, "validation-failed", "too_large"),
        ),
        case(
            "a program published for yesterday",
            |desk| {
                desk.ask("POST", "/v1/program/versions")
                    .json(&json!({ "program": with(program(), json!({ "name": "x" })), "at": "2024-05-31T12:00:00Z" }))
            },
            (409, "effective-in-the-past", "leave `at` out"),
        ),
        case(
            "a program in another currency than there are orders in",
            |desk| {
                desk.ask("POST", "/v1/program/versions")
                    .json(&json!({ "program": with(program(), json!({ "currency": "EUR" })) }))
            },
            (409, "version-rejected", "currency_fixed"),
        ),
        case(
            "fewer tiers while members hold them, unsaid",
            |desk| {
                desk.ask("POST", "/v1/program/versions").json(
                    &json!({ "program": with(program(), json!({ "tiers": [{ "id": "gold", "threshold": "500" }] })) }),
                )
            },
            (409, "version-rejected", "program_active"),
        ),
        case(
            "unknown options",
            |desk| {
                desk.ask("POST", "/v1/program/versions")
                    .json(&json!({ "program": with(program(), json!({ "name": "x" })), "options": { "reward": true } }))
            },
            (422, "validation-failed", "$.options.reward"),
        ),
        case(
            "a version that never was, to roll back to",
            |desk| desk.ask("POST", "/v1/program/versions").json(&json!({ "version": 7 })),
            (404, "unknown-version", "7"),
        ),
        case(
            "a file without rows",
            |desk| {
                desk.ask("POST", "/v1/assignments").with("content-type", "text/csv").raw("member_id,tier,mode,reason\n")
            },
            (422, "validation-failed", "there are no rows"),
        ),
        case(
            "a file with an unknown column",
            |desk| {
                desk.ask("POST", "/v1/assignments")
                    .with("content-type", "text/csv")
                    .raw("member_id,tier,mode,reason,by\nanna,gold,floor,x,y\n")
            },
            (422, "validation-failed", "unknown column `by`"),
        ),
        case(
            "a file of 2,001 rows",
            |desk| {
                desk.ask("POST", "/v1/assignments")
                    .with("content-type", "text/csv")
                    .raw(format!("member_id,tier,mode,reason\n{}", "anna,gold,floor,x\n".repeat(2_001)))
            },
            (422, "validation-failed", "more than 2000 rows"),
        ),
        case(
            "a file with rows that are wrong, each in its way",
            |desk| {
                desk.ask("POST", "/v1/assignments").with("content-type", "text/csv").raw("member_id,tier,mode,reason,until\n,gold,floor,x,\nanna,platinum,floor,x,\nanna,gold,ceiling,x,\nanna,gold,floor,,\nanna,gold,floor,x,2024-01-01T00:00:00Z\nanna,gold\n\"anna,gold,floor,x,\n")
            },
            (200, "", "\"well\":0,\"wrong\":7"),
        ),
        case(
            "the same tried first",
            |desk| {
                desk.ask("POST", "/v1/assignments?dry_run=true")
                    .with("content-type", "text/csv")
                    .raw("member_id,tier,mode,reason,until\nanna,gold,floor,x,2024-01-01T00:00:00Z\n")
            },
            (200, "", "is past already"),
        ),
    ]
}
