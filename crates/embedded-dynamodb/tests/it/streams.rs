//! The stream of a table is served in this process too, through the ordinary client of streams.

use crate::common::{create, key};
use aws_sdk_dynamodbstreams::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodbstreams::types::ShardIteratorType;
use aws_sdk_dynamodbstreams::{Client, Config};
use embedded_dynamodb::{Decision, Intercept, Request, Store};

#[derive(Debug)]
struct Nothing;

impl Intercept for Nothing {
    fn before<'a>(&'a self, _: &'a Request) -> Decision<'a> {
        Box::pin(async { None })
    }
}

fn streams(store: &Store) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("local"))
        .credentials_provider(Credentials::new("embedded", "embedded", None, None, "embedded"))
        .endpoint_url("http://embedded.invalid")
        .http_client(store.transport_with(Nothing));
    Client::from_conf(config.build())
}

#[tokio::test]
async fn the_stream_of_a_table_tells_what_was_written() {
    let store = Store::memory().unwrap();
    let client = store.client();
    create(&client, "shop").await;
    for sk in ["1", "2", "3"] {
        client.put_item().table_name("shop").set_item(Some(key("a", sk))).send().await.unwrap();
    }
    let table = client.describe_table().table_name("shop").send().await.unwrap().table.unwrap();
    let arn = table.latest_stream_arn.unwrap();

    let streams = streams(&store);
    let stream = streams.describe_stream().stream_arn(&arn).send().await.unwrap().stream_description.unwrap();
    let mut written = Vec::new();
    for shard in stream.shards() {
        let iterator = streams.get_shard_iterator().stream_arn(&arn).set_shard_id(shard.shard_id.clone());
        let iterator = iterator.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap();
        let records = streams.get_records().set_shard_iterator(iterator.shard_iterator).send().await.unwrap();
        for record in records.records() {
            let change = record.dynamodb().unwrap();
            written.push((
                record.event_name().unwrap().as_str().to_owned(),
                change.new_image.clone().unwrap()["sk"].as_s().unwrap().clone(),
            ));
        }
    }
    let insert = |sk: &str| ("INSERT".to_owned(), sk.to_owned());
    assert_eq!(written, [insert("1"), insert("2"), insert("3")]);
}
