//! The deployed tables are those that the store's code speaks of.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::yaml::{Template, list};

/// A table as the code has it.
struct Expected {
    resource: &'static str,
    /// Name, partition key, sort key.
    indexes: &'static [(&'static str, &'static str, &'static str)],
    streamed: bool,
}

/// The partition key and the sort key of every table.
const KEY: (&str, &str) = ("pk", "sk");

// To become `service::store::table::{MEMBERS, LEDGER, CONTROL}` and `service::store::key::{PK, SK}`.
const TABLES: [Expected; 3] = [
    Expected { resource: "MembersTable", indexes: &[], streamed: false },
    Expected {
        resource: "LedgerTable",
        indexes: &[("by-member", "member", "at"), ("unpublished", "unpublished", "recorded_at")],
        streamed: true,
    },
    Expected { resource: "ControlTable", indexes: &[], streamed: false },
];

#[test]
fn the_tables_are_those_of_the_store() {
    let template = Template::load();
    let deployed: BTreeSet<_> = template.all("AWS::DynamoDB::Table").into_iter().collect();
    assert_eq!(deployed, TABLES.iter().map(|table| table.resource).collect());
    for table in TABLES {
        let (id, properties) = (table.resource, template.properties(table.resource));
        assert_eq!(properties["KeySchema"], schema(KEY.0, KEY.1), "{id}");

        let index = |&(name, pk, sk): &(&str, &str, &str)| {
            let keys_only = json!({ "ProjectionType": "KEYS_ONLY" });
            json!({ "IndexName": name, "KeySchema": schema(pk, sk), "Projection": keys_only })
        };
        let indexes: Vec<_> = table.indexes.iter().map(index).collect();
        assert_eq!(list(&properties["GlobalSecondaryIndexes"]), indexes.iter().collect::<Vec<_>>(), "{id}");

        let text = |name| json!({ "AttributeName": name, "AttributeType": "S" });
        let names = table.indexes.iter().flat_map(|&(_, pk, sk)| [pk, sk]);
        let attributes: Value = [KEY.0, KEY.1].into_iter().chain(names).map(text).collect();
        assert_eq!(properties["AttributeDefinitions"], attributes, "{id}");

        let stream = if table.streamed { json!({ "StreamViewType": "NEW_IMAGE" }) } else { Value::Null };
        assert_eq!(properties["StreamSpecification"], stream, "{id}");
    }
}

fn schema(pk: &str, sk: &str) -> Value {
    json!([{ "AttributeName": pk, "KeyType": "HASH" }, { "AttributeName": sk, "KeyType": "RANGE" }])
}

/// The relay is woken for what is new and not published, and by nothing else.
#[test]
fn the_stream_brings_new_rows_that_are_not_published() {
    let template = Template::load();
    let source = &template.properties("RelayFunction")["Events"]["Ledger"]["Properties"];
    let [filter] = list(&source["FilterCriteria"]["Filters"])[..] else { panic!("one filter") };
    let pattern: Value = serde_json::from_str(filter["Pattern"].as_str().unwrap()).unwrap();
    let mark = TABLES[1].indexes[1].1;
    let expected =
        json!({ "eventName": ["INSERT"], "dynamodb": { "NewImage": { mark: { "S": [{ "exists": true }] } } } });
    assert_eq!(pattern, expected);
}
