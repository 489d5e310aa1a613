//! Faults are brought in where the SDK's transport ends.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::{create, key};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use embedded_dynamodb::{Answer, Decision, Intercept, Request, Store};

async fn count(client: &Client) -> i32 {
    client.scan().table_name("shop").send().await.unwrap().count
}

#[derive(Debug)]
struct ThrottlesPuts;

impl Intercept for ThrottlesPuts {
    fn before<'a>(&'a self, request: &'a Request) -> Decision<'a> {
        Box::pin(async { (request.operation == "PutItem").then(Answer::throttled) })
    }
}

#[tokio::test]
async fn a_fault_before_the_request_leaves_no_trace() {
    let store = Store::memory().unwrap();
    create(&store.client(), "shop").await;
    let client = store.client_with(ThrottlesPuts);
    let error = client.put_item().table_name("shop").set_item(Some(key("a", "1"))).send().await.unwrap_err();
    assert!(error.as_service_error().unwrap().is_throttling_exception(), "{error:?}");
    assert_eq!(error.code(), Some("ThrottlingException"));
    assert_eq!(count(&client).await, 0);
}

/// Loses the answer to the first put.
#[derive(Debug, Default)]
struct LosesAnswers {
    lost: AtomicUsize,
}

impl Intercept for LosesAnswers {
    fn after<'a>(&'a self, request: &'a Request, answer: &'a Answer) -> Decision<'a> {
        assert!(matches!(answer, Answer::Reply { status: 200, .. }), "{answer:?}");
        Box::pin(async {
            let lost = request.operation == "PutItem" && self.lost.fetch_add(1, Ordering::Relaxed) == 0;
            lost.then_some(Answer::TimedOut)
        })
    }
}

#[tokio::test]
async fn a_fault_after_the_request_is_a_commit_whose_outcome_is_unknown() {
    let store = Store::memory().unwrap();
    create(&store.client(), "shop").await;
    let client = store.client_with(LosesAnswers::default());
    let error = client.put_item().table_name("shop").set_item(Some(key("a", "1"))).send().await.unwrap_err();
    assert!(matches!(&error, SdkError::DispatchFailure(failure) if failure.is_timeout()), "{error:?}");
    assert_eq!(count(&client).await, 1, "it was carried out all the same");
}

#[derive(Debug)]
struct Slow;

impl Intercept for Slow {
    fn before<'a>(&'a self, _: &'a Request) -> Decision<'a> {
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Some(Answer::Reply { status: 200, body: r#"{ "Items": [], "Count": 7, "ScannedCount": 7 }"#.to_owned() })
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_simulation_answers_itself_and_waits_in_virtual_time() {
    let store = Store::nowhere();
    let start = tokio::time::Instant::now();
    assert_eq!(count(&store.client_with(Slow)).await, 7);
    assert_eq!(start.elapsed().as_secs(), 60);
    let error = store.client().list_tables().send().await.unwrap_err();
    assert!(matches!(error, SdkError::DispatchFailure(_)), "{error:?}");
}
