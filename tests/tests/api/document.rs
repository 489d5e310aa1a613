//! The OpenAPI document.

use std::fs;
use std::path::Path;

use serde_json::Value;

use tests::api_harness::{ApiHarness, order};

/// The document is made by the code, and committed: a change of the API is seen where changes are reviewed.
#[test]
fn the_committed_document_is_the_one_that_the_code_makes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let made = serde_json::to_string_pretty(&http_api::document()).unwrap() + "\n";
    let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openapi.json");
    if fs::read_to_string(&path).unwrap_or_default() != made {
        fs::write(&new, made).unwrap();
        panic!(
            "docs/openapi.json is not what the code makes: look at the difference to {}, and copy it",
            new.display()
        );
    }
}

#[test]
fn every_operation_has_a_name_of_its_own_a_summary_and_its_security() {
    let document = http_api::document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut names = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let at = format!("{method} {path}");
            assert!(names.insert(operation["operationId"].as_str().unwrap().to_owned()), "{at}");
            let words = |name: &str| operation[name].as_str().is_some_and(|text| !text.is_empty());
            assert!(words("summary") && operation["tags"].as_array().unwrap().len() == 1, "{at}");
            assert!(operation["security"].as_array().is_some_and(|all| all.len() == 1), "{at}");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["$ref"].is_string() || parameter["description"].is_string(), "{at}: {parameter}");
            }
            let body = &operation["requestBody"];
            assert!(body.is_null() || body["content"].is_object(), "{at}");
        }
    }
    let is_nowhere = |to: &String| document.pointer(to.trim_start_matches('#')).is_none();
    let nowhere: Vec<String> = references(&document).into_iter().filter(is_nowhere).collect();
    assert!(nowhere.is_empty(), "{nowhere:?}");
}

/// Every operation that takes a body shows an example, and the example works.
#[tokio::test]
async fn every_example_of_the_document_can_be_sent() {
    for (path, item) in http_api::document()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let content = &operation["requestBody"]["content"];
            for (kind, content) in content.as_object().into_iter().flatten() {
                let example = &content["example"];
                let body = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
                let desk = ApiHarness::open().await;
                desk.tell(&[order("anna", "1", "120.00")]).await;
                let method = method.to_uppercase();
                let ask = desk.ask(&method, &path.replace("{member_id}", "anna"));
                let answer = desk.send(ask.with("content-type", kind).raw(&body)).await;
                assert!((200..300).contains(&answer.status), "{method} {path}: {body}: {}", answer.body);
                let is_well = !answer.body.to_string().contains("\"invalid\"") && answer.body["wrong"] != 1;
                assert!(is_well, "{method} {path}: {}", answer.body);
            }
        }
    }
}

fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(fields.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// The types that read numbers have no sign. OpenAPI's formats are signed, and would be half as large.
#[test]
fn numbers_are_as_large_as_the_document_says() {
    let text = http_api::document().to_string();
    assert!(!text.contains("\"int32\"") && !text.contains("\"int64\""));
    let version = &http_api::document()["components"]["schemas"]["Wanted"]["properties"]["version"];
    assert_eq!((&version["minimum"], &version["maximum"]), (&1.into(), &u32::MAX.into()));
}
