//! The embedded store reports the capacity that DynamoDB would charge by its published rules. Costs can therefore be
//! measured on it.

use std::collections::HashMap;

use crate::common::{Item, create, key, text};
use aws_sdk_dynamodb::types::{
    ConsumedCapacity, KeysAndAttributes, Put, ReturnConsumedCapacity::Indexes, TransactWriteItem,
};
use embedded_dynamodb::Store;

/// The units in total, of the table, and of its index.
fn charged(capacity: &ConsumedCapacity) -> (f64, f64, f64) {
    let table = capacity.table().and_then(|table| table.capacity_units()).unwrap_or_default();
    let indexes = capacity.global_secondary_indexes().into_iter().flat_map(HashMap::values);
    (capacity.capacity_units().unwrap(), table, indexes.filter_map(|index| index.capacity_units()).sum())
}

fn of_member(mut item: Item) -> Item {
    item.insert("member".to_owned(), text("m"));
    item
}

#[tokio::test]
async fn a_transaction_costs_double_on_the_table_and_single_on_its_index() {
    let client = Store::memory().unwrap().client();
    create(&client, "shop").await;
    let put = |item| {
        let put = Put::builder().table_name("shop").set_item(Some(item)).build().unwrap();
        TransactWriteItem::builder().put(put).build()
    };
    for (puts, expected) in [
        ([key("a", "1"), key("a", "2")], (4.0, 4.0, 0.0)),
        ([key("b", "1"), of_member(key("b", "2"))], (5.0, 4.0, 1.0)),
    ] {
        let write = client.transact_write_items().set_transact_items(Some(puts.map(put).into()));
        let written = write.return_consumed_capacity(Indexes).send().await.unwrap();
        assert_eq!(charged(&written.consumed_capacity()[0]), expected);
    }
}

#[tokio::test]
async fn what_is_not_there_costs_the_least_read() {
    let client = Store::memory().unwrap().client();
    create(&client, "shop").await;
    client.put_item().table_name("shop").set_item(Some(key("a", "1"))).send().await.unwrap();
    for (sks, strong, expected) in [
        (&["missing"][..], true, 1.0),
        (&["missing"], false, 0.5),
        (&["1", "missing", "missing too"], true, 3.0),
        (&["1", "missing", "missing too"], false, 1.5),
    ] {
        let keys = sks.iter().map(|sk| key("a", sk)).collect();
        let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(strong).build().unwrap();
        let read = client.batch_get_item().request_items("shop", keys).return_consumed_capacity(Indexes);
        assert_eq!(charged(&read.send().await.unwrap().consumed_capacity()[0]), (expected, expected, 0.0), "{sks:?}");
    }
    for (index, attribute, expected) in [(None, "pk", (0.5, 0.5, 0.0)), (Some("by_member"), "member", (0.5, 0.0, 0.5))]
    {
        // `member` is a reserved word of DynamoDB.
        let query = client.query().table_name("shop").set_index_name(index.map(str::to_owned));
        let query = query.key_condition_expression("#key = :key").expression_attribute_names("#key", attribute);
        let query = query.expression_attribute_values(":key", text("absent")).return_consumed_capacity(Indexes);
        assert_eq!(charged(&query.send().await.unwrap().consumed_capacity.unwrap()), expected);
    }
}
