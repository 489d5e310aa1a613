//! Both stores for tests, and the tables of the simulator, answer alike, and both stores charge what the real service charges.
//! Where DynamoDB Local charges otherwise (it does not double every transaction, and reads of nothing are free), `capacity.rs`
//! holds the embedded store to the rule.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, ConsumedCapacity, GlobalSecondaryIndex, KeySchemaElement,
    KeyType, KeysAndAttributes, Projection, ProjectionType, Put, ReturnConsumedCapacity, ScalarAttributeType,
    TransactWriteItem,
};
use tests::dynamodb::Place;

tests::for_every_table!(
    a_second_put_fails_its_condition,
    a_cancelled_transaction_says_why_and_writes_nothing,
    a_query_pages_by_its_last_key,
);

mod charged {
    use super::*;

    tests::for_each_store!(
        a_put_is_charged_for_the_table_and_for_each_move_in_its_index,
        a_strong_read_is_charged_twice_an_eventual_one,
    );
}

type Item = HashMap<String, AttributeValue>;

fn item(pairs: &[(&str, &str)]) -> Item {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), AttributeValue::S((*value).to_owned()))).collect()
}

fn column(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
}

/// A table with keys pk and sk and a keys-only index by member.
async fn table(place: &Place) -> String {
    let name = place.table("ledger");
    let text =
        |name: &str| AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build();
    let by_member = GlobalSecondaryIndex::builder()
        .index_name("by_member")
        .key_schema(column("member", KeyType::Hash))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build());
    let create = place.client.create_table().table_name(&name);
    let create = create.key_schema(column("pk", KeyType::Hash)).key_schema(column("sk", KeyType::Range));
    let create = create.set_attribute_definitions(Some(["pk", "sk", "member"].map(|name| text(name).unwrap()).into()));
    let create = create.global_secondary_indexes(by_member.build().unwrap()).billing_mode(BillingMode::PayPerRequest);
    create.send().await.unwrap();
    name
}

async fn a_second_put_fails_its_condition(place: Place) {
    let table = table(&place).await;
    let put = place.client.put_item().table_name(&table).set_item(Some(item(&[("pk", "a"), ("sk", "1")])));
    let put = put.condition_expression("attribute_not_exists(pk)");
    put.clone().send().await.unwrap();
    let error = put.send().await.unwrap_err().into_service_error();
    assert!(error.is_conditional_check_failed_exception(), "{error:?}");
    assert_eq!(error.message(), Some("The conditional request failed"));
}

fn put(table: &str, pairs: &[(&str, &str)], condition: &str) -> TransactWriteItem {
    let put = Put::builder().table_name(table).set_item(Some(item(pairs))).condition_expression(condition);
    TransactWriteItem::builder().put(put.build().unwrap()).build()
}

async fn a_cancelled_transaction_says_why_and_writes_nothing(place: Place) {
    let table = table(&place).await;
    let puts = [
        put(&table, &[("pk", "a"), ("sk", "1")], "attribute_not_exists(pk)"),
        put(&table, &[("pk", "a"), ("sk", "2")], "attribute_exists(pk)"),
    ];
    let error = place.client.transact_write_items().set_transact_items(Some(puts.into())).send().await.unwrap_err();
    let error = error.into_service_error();
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else { panic!("{error:?}") };
    let codes: Vec<_> = cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap()).collect();
    assert_eq!(codes, ["None", "ConditionalCheckFailed"]);
    assert_eq!(place.client.scan().table_name(&table).send().await.unwrap().count, 0);
}

async fn a_query_pages_by_its_last_key(place: Place) {
    let table = table(&place).await;
    for sk in ["1", "2", "3"] {
        let put = place.client.put_item().table_name(&table).set_item(Some(item(&[("pk", "a"), ("sk", sk)])));
        put.send().await.unwrap();
    }
    let query = place.client.query().table_name(&table).key_condition_expression("pk = :pk");
    let query = query.expression_attribute_values(":pk", AttributeValue::S("a".to_owned())).limit(2);
    let first = query.clone().send().await.unwrap();
    assert_eq!(first.last_evaluated_key, Some(item(&[("pk", "a"), ("sk", "2")])));
    let second = query.set_exclusive_start_key(first.last_evaluated_key).send().await.unwrap();
    assert_eq!((second.items(), second.last_evaluated_key()), (&[item(&[("pk", "a"), ("sk", "3")])][..], None));
}

/// The units charged in all, on the table, and on its indexes.
fn charged(capacity: &ConsumedCapacity) -> (f64, f64, f64) {
    let table = capacity.table().and_then(|table| table.capacity_units()).unwrap_or_default();
    let indexes = capacity.global_secondary_indexes().into_iter().flat_map(HashMap::values);
    (capacity.capacity_units().unwrap(), table, indexes.filter_map(|index| index.capacity_units()).sum())
}

async fn a_put_is_charged_for_the_table_and_for_each_move_in_its_index(place: Place) {
    let table = table(&place).await;
    let long = "x".repeat(1500);
    for (pairs, expected) in [
        (&[("pk", "a"), ("sk", "1")][..], (1.0, 1.0, 0.0)),
        (&[("pk", "a"), ("sk", "2"), ("member", "m")], (2.0, 1.0, 1.0)),
        (&[("pk", "a"), ("sk", "2"), ("member", "m"), ("note", "not in the index")], (1.0, 1.0, 0.0)),
        (&[("pk", "a"), ("sk", "2"), ("member", "n")], (3.0, 1.0, 2.0)),
        (&[("pk", "a"), ("sk", "3"), ("member", "m"), ("note", &long)], (3.0, 2.0, 1.0)),
    ] {
        let put = place.client.put_item().table_name(&table).set_item(Some(item(pairs)));
        let put = put.return_consumed_capacity(ReturnConsumedCapacity::Indexes).send().await.unwrap();
        assert_eq!(charged(&put.consumed_capacity.unwrap()), expected, "{pairs:?}");
    }
}

async fn a_strong_read_is_charged_twice_an_eventual_one(place: Place) {
    let table = table(&place).await;
    let put = place.client.put_item().table_name(&table).set_item(Some(item(&[("pk", "a"), ("sk", "1")])));
    put.send().await.unwrap();
    for (strong, units) in [(true, 1.0), (false, 0.5)] {
        let key = item(&[("pk", "a"), ("sk", "1")]);
        let keys = KeysAndAttributes::builder().keys(key).consistent_read(strong).build().unwrap();
        let read = place.client.batch_get_item().request_items(&table, keys);
        let read = read.return_consumed_capacity(ReturnConsumedCapacity::Indexes).send().await.unwrap();
        assert_eq!(charged(&read.consumed_capacity()[0]), (units, units, 0.0));
    }
}
