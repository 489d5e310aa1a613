//! Customers: enrolled, deleted, merged, erased.

use rules::fact::{FactBody, Merged};
use rules::id::MemberId;
use serde_json::json;

use super::{facts, ignored, rejected};

#[test]
fn customers_join_leave_merge_and_are_erased() {
    let created =
        json!({ "id": 701, "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:01Z", "tags": "VIP" })
            .to_string();
    let bodies: Vec<_> = facts(created.as_bytes(), "customers/create").into_iter().map(|fact| fact.body).collect();
    assert!(matches!(&bodies[..], [FactBody::Enrolled(_), FactBody::TagsSet(_)]));
    assert_eq!(ignored(br#"{"id": 701}"#, "customers/delete"), "customer_deleted");
    let merge = |status: &str| {
        json!({ "admin_graphql_api_customer_kept_id": "gid://shopify/Customer/1", "status": status,
                "admin_graphql_api_customer_deleted_id": "gid://shopify/Customer/2" })
    };
    let envelope = json!({ "detail-type": "shopifyWebhook", "time": "2026-05-01T00:00:00Z",
                           "detail": { "metadata": { "X-Shopify-Topic": "customers/merge" }, "payload": merge("completed") } });
    let told = facts(envelope.to_string().as_bytes(), "");
    let [fact] = &told[..] else { panic!("{told:?}") };
    let into = Merged { into: Some(MemberId::new("1").unwrap()) };
    assert_eq!((fact.member().unwrap().as_str(), &fact.body), ("2", &FactBody::Merged(into)));
    assert_eq!(ignored(merge("failed").to_string().as_bytes(), "customers/merge"), "not_merged");
    assert!(rejected(merge("done").to_string().as_bytes(), "customers/merge").to_string().starts_with("$.status"));
    assert_eq!(rejected(merge("completed").to_string().as_bytes(), "customers/merge").code(), "no_instant");
    let redact = br#"{"shop_domain": "never.believed", "customer": {"id": 701}, "orders_to_redact": [1]}"#;
    assert!(matches!(&facts(redact, "customers/redact")[..], [fact] if fact.erased().unwrap().as_str() == "701"));
    assert_eq!(ignored(br#"{"customer": {"id": 701}}"#, "customers/data_request"), "privacy_request");
}
