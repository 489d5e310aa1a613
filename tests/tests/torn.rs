//! What a decision rests on is read one after the other, and others write in between: found by the simulator.

use std::sync::Mutex;

use embedded::{Decision, Intercept, Request};
use serde_json::{Value, json};
use tests::system::{System, instant};

/// Tells something as soon as somebody else has read the things that they decide about, and before they read the members.
#[derive(Debug)]
struct InBetween {
    system: System,
    told: Mutex<Option<Value>>,
}

impl Intercept for InBetween {
    fn before<'a>(&'a self, request: &'a Request) -> Decision<'a> {
        let is_of_members = String::from_utf8_lossy(&request.body).contains("-members");
        Box::pin(async move {
            let told = self.told.lock().unwrap().take_if(|_| request.operation == "BatchGetItem" && is_of_members);
            if let Some(event) = told {
                assert_eq!(self.system.tell(&[event]).await.counts.applied, 1);
            }
            None
        })
    }
}

#[tokio::test]
async fn what_was_known_already_takes_nothing_of_what_came_in_between() {
    let order = json!({ "type": "order.paid", "order_id": "1", "member_id": "anna", "total": "600",
                        "occurred_at": "2024-05-01T10:00:00Z", "revision": "2024-05-01T10:00:00Z" });
    let refund = json!({ "type": "order.refunded", "order_id": "1", "refund_id": "1", "amount": "550",
                         "occurred_at": "2024-05-02T10:00:00Z" });
    let mut older = order.clone();
    older["revision"] = json!("2024-05-01T09:00:00Z");
    let another = json!({ "type": "order.paid", "order_id": "2", "member_id": "anna", "total": "20",
                          "occurred_at": "2024-05-03T10:00:00Z" });
    // The same again, an older version, and either beside something that is news.
    for batch in [vec![order.clone()], vec![older.clone()], vec![order.clone(), another.clone()], vec![older, another]]
    {
        let store = embedded::Store::memory().unwrap();
        let system = System::new(store.client(), "t").await;
        system.at(instant("2024-01-01T00:00:00Z"));
        let program = json!({ "start_date": "2023-01-01", "milestone": { "metric": "amount_spent", "on_refund": "revoke" },
                              "tiers": [{ "id": "gold", "threshold": 500 }] });
        system.publish(&program, &json!({})).await;
        system.at(instant("2024-06-01T12:00:00Z"));
        system.tell(std::slice::from_ref(&order)).await;
        let told = Mutex::new(Some(refund.clone()));
        let torn = system.another(store.client_with(InBetween { system: system.another(store.client()), told }));
        let report = torn.tell(&batch).await;
        assert_eq!(report.failed, Vec::<String>::new(), "{report:?}");
        let anna = system.member("anna").await;
        assert_eq!(anna.ledger.orders()[0].refunds.len(), 1, "the refund is lost after {batch:?}");
        assert_eq!(anna.record.tier(), None, "{batch:?}");
    }
}
