//! The embedded store answers as DynamoDB does, through the ordinary client, and keeps its data.

use crate::common::{create, key, text};
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use embedded_dynamodb::{OpenError, Store};

fn put(sk: &str, condition: &str) -> TransactWriteItem {
    let put = Put::builder().table_name("shop").set_item(Some(key("a", sk))).condition_expression(condition);
    TransactWriteItem::builder().put(put.build().unwrap()).build()
}

#[tokio::test]
async fn what_was_put_is_read_and_a_failed_condition_is_the_typed_error() {
    let client = Store::memory().unwrap().client();
    create(&client, "shop").await;
    client.put_item().table_name("shop").set_item(Some(key("a", "1"))).send().await.unwrap();

    let read = client.get_item().table_name("shop").set_key(Some(key("a", "1"))).consistent_read(true).send().await;
    assert_eq!(read.unwrap().item, Some(key("a", "1")));

    let again = client.put_item().table_name("shop").set_item(Some(key("a", "1")));
    let error = again.condition_expression("attribute_not_exists(pk)").send().await.unwrap_err();
    assert!(error.as_service_error().unwrap().is_conditional_check_failed_exception(), "{error:?}");
}

#[tokio::test]
async fn a_cancelled_transaction_gives_a_reason_for_each_item_and_writes_none() {
    let client = Store::memory().unwrap().client();
    create(&client, "shop").await;
    let puts = [put("1", "attribute_not_exists(pk)"), put("2", "attribute_exists(pk)")];
    let error = client.transact_write_items().set_transact_items(Some(puts.into())).send().await.unwrap_err();
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error.into_service_error() else {
        panic!("another error")
    };
    let codes: Vec<_> = cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap()).collect();
    assert_eq!(codes, ["None", "ConditionalCheckFailed"]);
    assert_eq!(client.scan().table_name("shop").send().await.unwrap().count, 0);
}

#[tokio::test]
async fn a_query_goes_on_from_its_last_key() {
    let client = Store::memory().unwrap().client();
    create(&client, "shop").await;
    for sk in ["1", "2", "3", "4", "5"] {
        client.put_item().table_name("shop").set_item(Some(key("a", sk))).send().await.unwrap();
    }
    let query = client.query().table_name("shop").key_condition_expression("pk = :pk");
    let query = query.expression_attribute_values(":pk", text("a")).limit(2);
    let mut pages = Vec::new();
    let mut last = None;
    loop {
        let page = query.clone().set_exclusive_start_key(last).send().await.unwrap();
        pages.push(page.count);
        last = page.last_evaluated_key;
        if last.is_none() {
            break;
        }
    }
    assert_eq!(pages, [2, 2, 1]);
}

#[tokio::test]
async fn a_value_that_dynamodb_refuses_is_refused_without_marks_of_the_machinery() {
    let client = Store::memory().unwrap().client();
    let short = client.describe_table().table_name("t").send().await.unwrap_err();
    assert_eq!(short.code(), Some("ValidationException"));
    assert!(short.message().unwrap().starts_with("TableName must be at least 3 characters"), "{short:?}");
}

#[tokio::test]
async fn a_file_keeps_what_was_answered_and_can_be_opened_again_once_its_clients_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    {
        let client = Store::open(&path).unwrap().client();
        create(&client, "shop").await;
        client.put_item().table_name("shop").set_item(Some(key("a", "1"))).send().await.unwrap();
    }
    let client = Store::open(&path).unwrap().client();
    let read = client.get_item().table_name("shop").set_key(Some(key("a", "1"))).send().await.unwrap();
    assert_eq!(read.item, Some(key("a", "1")));
}

#[tokio::test]
async fn a_file_has_one_opener_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    let client = Store::open(&path).unwrap().client();
    let spelled_otherwise = folder.path().join(".").join("shop.db");
    let error = Store::open(&spelled_otherwise).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains("shop.db` is in use by another process: stop that process"), "{error}");
    drop(client);
    Store::open(&path).unwrap();
}
