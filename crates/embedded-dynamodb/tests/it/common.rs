//! A table, and helpers for its items.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, StreamSpecification, StreamViewType,
};

pub type Item = HashMap<String, AttributeValue>;

pub fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

pub fn key(pk: &str, sk: &str) -> Item {
    [("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))].into()
}

fn column(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
}

/// A table `name` with keys pk and sk, a keys-only index `by_member`, and a stream.
pub async fn create(client: &Client, name: &str) {
    let stream = StreamSpecification::builder().stream_enabled(true).stream_view_type(StreamViewType::NewImage);
    create_with(client, name, Some(stream.build().unwrap())).await;
}

/// The same without a stream, which would keep deleted items.
pub async fn create_unstreamed(client: &Client, name: &str) {
    create_with(client, name, None).await;
}

async fn create_with(client: &Client, name: &str, stream: Option<StreamSpecification>) {
    let text =
        |name: &str| AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build();
    let by_member = GlobalSecondaryIndex::builder()
        .index_name("by_member")
        .key_schema(column("member", KeyType::Hash))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()
        .unwrap();
    client
        .create_table()
        .table_name(name)
        .key_schema(column("pk", KeyType::Hash))
        .key_schema(column("sk", KeyType::Range))
        .set_attribute_definitions(Some(["pk", "sk", "member"].map(|name| text(name).unwrap()).into()))
        .global_secondary_indexes(by_member)
        .billing_mode(BillingMode::PayPerRequest)
        .set_stream_specification(stream)
        .send()
        .await
        .unwrap();
}
