//! The deployed tables are those that the store's code uses.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use store::key::{PK, SK};
use store::table::{CONTROL, Index, LEDGER, MEMBERS, Table, UNPUBLISHED};

use crate::yaml::{Template, list};

const TABLES: [Table; 3] = [MEMBERS, LEDGER, CONTROL];

#[test]
fn the_tables_are_those_of_the_store() {
    let template = Template::load();
    let deployed: BTreeSet<_> = template.all("AWS::DynamoDB::Table").into_iter().collect();
    assert_eq!(deployed, TABLES.iter().map(|table| table.resource).collect());
    for table in TABLES {
        let (id, properties) = (table.resource, template.properties(table.resource));
        assert_eq!(properties["KeySchema"], schema((PK, SK)), "{id}");

        let index = |index: &Index| {
            let keys_only = json!({ "ProjectionType": "KEYS_ONLY" });
            json!({ "IndexName": index.name, "KeySchema": schema(index.key), "Projection": keys_only })
        };
        let indexes: Vec<_> = table.indexes.iter().map(index).collect();
        assert_eq!(list(&properties["GlobalSecondaryIndexes"]), indexes.iter().collect::<Vec<_>>(), "{id}");

        let text = |name| json!({ "AttributeName": name, "AttributeType": "S" });
        let names = table.indexes.iter().flat_map(|index| [index.key.0, index.key.1]);
        let attributes: Value = [PK, SK].into_iter().chain(names).map(text).collect();
        assert_eq!(properties["AttributeDefinitions"], attributes, "{id}");

        let stream = if table.streamed { json!({ "StreamViewType": "NEW_IMAGE" }) } else { Value::Null };
        assert_eq!(properties["StreamSpecification"], stream, "{id}");

        let deletes = |name| json!({ "AttributeName": name, "Enabled": true });
        assert_eq!(properties["TimeToLiveSpecification"], table.expires.map_or(Value::Null, deletes), "{id}");
    }
}

fn schema((pk, sk): (&str, &str)) -> Value {
    json!([{ "AttributeName": pk, "KeyType": "HASH" }, { "AttributeName": sk, "KeyType": "RANGE" }])
}

/// The relay is invoked for new rows that are not published, and for nothing else.
#[test]
fn the_stream_brings_new_rows_that_are_not_published() {
    let template = Template::load();
    let source = &template.properties("RelayFunction")["Events"]["Ledger"]["Properties"];
    let [filter] = list(&source["FilterCriteria"]["Filters"])[..] else { panic!("one filter") };
    let pattern: Value = serde_json::from_str(filter["Pattern"].as_str().unwrap()).unwrap();
    let mark = LEDGER.indexes.iter().find(|index| index.name == UNPUBLISHED).unwrap().key.0;
    let expected =
        json!({ "eventName": ["INSERT"], "dynamodb": { "NewImage": { mark: { "S": [{ "exists": true }] } } } });
    assert_eq!(pattern, expected);
}
