//! Decisions rest on several reads, and other processes write in between: cases found by the simulator and on the way.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::Client;
use embedded_dynamodb::{Answer, Decision, Intercept, Request};
use engine::sweep::PAGE;
use rules::id::MemberId;
use serde_json::{Value, json};
use store::key::Spread;
use store::records::State;
use store::{StoreError, StoredMember};
use tests::in_memory_tables::InMemoryTables;
use tests::system::{System, instant};

/// A shop in which gold takes 500, and a refund may take it away again.
async fn shop(client: Client) -> System {
    let system = System::new(client, "t").await;
    system.at(instant("2024-01-01T00:00:00Z"));
    let program = json!({ "start_date": "2023-01-01", "milestone": { "metric": "amount_spent", "on_refund": "revoke" },
                          "tiers": [{ "id": "gold", "threshold": 500 }] });
    system.publish(&program, &json!({})).await;
    system.at(instant("2024-06-01T12:00:00Z"));
    system
}

/// Tells an event between two reads of another process: after it has read the subjects that it decides about, and before it reads
/// the members.
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
    // The same order again, an older revision, and each of them beside something new.
    for batch in [vec![order.clone()], vec![older.clone()], vec![order.clone(), another.clone()], vec![older, another]]
    {
        let store = embedded_dynamodb::Store::memory().unwrap();
        let system = shop(store.client()).await;
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

/// A transaction that becomes visible item by item: the first query of members finds none of them yet.
#[derive(Debug, Default)]
struct MembersLag(AtomicUsize);

impl Intercept for MembersLag {
    fn after<'a>(&'a self, request: &'a Request, _: &'a Answer) -> Decision<'a> {
        let is_asked =
            request.operation == "BatchGetItem" && String::from_utf8_lossy(&request.body).contains("members");
        let is_first = is_asked && self.0.fetch_add(1, Ordering::SeqCst) == 0;
        let none = json!({ "Responses": { "t-members": [] }, "UnprocessedKeys": {} }).to_string();
        Box::pin(std::future::ready(is_first.then_some(Answer::Reply { status: 200, body: none })))
    }
}

/// Found by the simulator: the order stayed with both members.
#[tokio::test(start_paused = true)]
async fn what_moves_away_is_taken_from_a_member_who_was_not_seen_yet() {
    let order = |member: &str, revision: &str| {
        json!({ "type": "order.paid", "order_id": "1", "member_id": member, "total": "600",
                "occurred_at": "2024-05-01T10:00:00Z", "revision": revision })
    };
    let points = |member: &str, revision: &str| {
        json!({ "type": "points.earned", "entry_id": "1", "member_id": member, "points": 5,
                "occurred_at": "2024-05-01T10:00:00Z", "revision": revision })
    };
    let (first, later) = ("2024-05-01T10:00:00Z", "2024-05-02T10:00:00Z");
    for told in [order, points] {
        let tables = InMemoryTables::default();
        let system = shop(tables.client()).await;
        assert_eq!(system.tell(&[told("anna", first)]).await.counts.applied, 1);
        let lagging = system.another(tables.client_with(MembersLag::default()));
        let report = lagging.tell(&[told("ben", later)]).await;
        assert_eq!((report.failed.len(), report.counts.applied, report.counts.conflicts), (0, 1, 1), "{report:?}");
        assert!(system.member("anna").await.ledger.is_empty(), "anna keeps what is ben's");
        assert!(!system.member("ben").await.ledger.is_empty());
    }
}

/// A transaction that becomes visible item by item: no segment of a job that is just being opened is there yet.
#[derive(Debug)]
struct SegmentsLag;

impl Intercept for SegmentsLag {
    fn after<'a>(&'a self, request: &'a Request, _: &'a Answer) -> Decision<'a> {
        let is_asked = request.operation == "Query" && String::from_utf8_lossy(&request.body).contains("#job#");
        let none = json!({ "Count": 0, "ScannedCount": 0, "Items": [] }).to_string();
        Box::pin(std::future::ready(is_asked.then_some(Answer::Reply { status: 200, body: none })))
    }
}

/// Found by the simulator: the job was done before it had begun, and every member was left behind.
#[tokio::test(start_paused = true)]
async fn a_job_whose_segments_are_not_seen_yet_is_not_done() {
    let tables = InMemoryTables::default();
    let system = shop(tables.client()).await;
    let order = json!({ "type": "order.paid", "order_id": "1", "member_id": "anna", "total": "600",
                        "occurred_at": "2024-05-01T10:00:00Z" });
    system.tell(&[order]).await;
    system.sweep_all().await;
    let dearer = json!({ "start_date": "2023-01-01", "milestone": { "metric": "amount_spent" },
                         "tiers": [{ "id": "gold", "threshold": 5_000 }] });
    system.publish(&dearer, &json!({ "demotions": "apply" })).await;

    let torn = system.another(tables.client_with(SegmentsLag));
    let ticked = torn.sweep.tick().await.unwrap();
    assert_eq!((ticked.opened, ticked.sent, ticked.failed), (1, 0, 0));
    assert_eq!(system.tier("anna").await.as_deref(), Some("gold"));

    system.sweep_all().await;
    assert_eq!(system.tier("anna").await, None);
    let jobs = system.store.latest_jobs(&system.shop, tests::system::FOREVER, 10).await.unwrap();
    assert!(jobs.iter().all(|job| job.body.state == State::Done), "{jobs:?}");
}

/// A transaction that becomes visible item by item: the first queries of a member find the root as it is, and of its pages the
/// former ones, or none.
#[derive(Debug)]
struct PagesLag {
    before: Option<InMemoryTables>,
    times: AtomicUsize,
}

impl PagesLag {
    async fn torn(&self, request: &Request, answer: &Answer) -> Option<Answer> {
        let Answer::Reply { status: 200, body } = answer else { return None };
        if !is_of_pages(request)
            || self.times.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err()
        {
            return None;
        }
        let items = |body: &str| serde_json::from_str::<Value>(body).unwrap()["Items"].as_array().unwrap().clone();
        let is_page = |item: &Value| item["sk"]["S"].as_str().unwrap().contains('\t');
        let mut found: Vec<Value> = items(body).into_iter().filter(|item| !is_page(item)).collect();
        if let Some(before) = &self.before {
            let Some(Answer::Reply { body, .. }) = before.before(request).await else { panic!("no answer") };
            found.extend(items(&body).into_iter().filter(is_page));
        }
        Some(Answer::Reply { status: 200, body: json!({ "Items": found }).to_string() })
    }
}

impl Intercept for PagesLag {
    fn after<'a>(&'a self, request: &'a Request, answer: &'a Answer) -> Decision<'a> {
        Box::pin(self.torn(request, answer))
    }
}

/// Tells an order before each read of a member's pages. The pages are always of a later moment than the root, or, if hidden, not
/// visible at all.
#[derive(Debug)]
struct AlwaysBusy {
    system: System,
    told: Mutex<usize>,
    hides: bool,
}

impl Intercept for AlwaysBusy {
    fn before<'a>(&'a self, request: &'a Request) -> Decision<'a> {
        Box::pin(async move {
            if is_of_pages(request) {
                let next = *self.told.lock().unwrap();
                *self.told.lock().unwrap() += 1;
                let more = order(next, "2024-01-03");
                assert_eq!(self.system.tell(&[more]).await.counts.applied, 1);
            }
            None
        })
    }

    fn after<'a>(&'a self, request: &'a Request, _: &'a Answer) -> Decision<'a> {
        let none = Answer::Reply { status: 200, body: json!({ "Items": [] }).to_string() };
        Box::pin(std::future::ready(Some(none).filter(|_| self.hides && is_of_pages(request))))
    }
}

fn is_of_pages(request: &Request) -> bool {
    request.operation == "Query" && String::from_utf8_lossy(&request.body).contains("members")
}

fn order(n: usize, on: &str) -> Value {
    let id = format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)); // nothing in common that could be left out
    json!({ "type": "order.paid", "order_id": id, "member_id": "anna",
            "total": "5", "occurred_at": format!("{on}T10:{:02}:00Z", n % 60) })
}

/// Anna, who has pages, and the tables as they were before a late fact changed the first of them.
async fn heavy(tables: &InMemoryTables) -> (System, InMemoryTables) {
    let system = shop(tables.client()).await;
    let many: Vec<Value> = (0..600).map(|n| order(n, &format!("2024-{:02}-{:02}", 1 + n / 150, 1 + n % 28))).collect();
    for some in many.chunks(80) {
        assert_eq!(system.tell(some).await.counts.applied, some.len() as u64);
    }
    assert!(system.member("anna").await.pages() > 0);
    let before = tables.copied();
    assert_eq!(system.tell(&[order(1_000, "2024-01-02")]).await.counts.applied, 1);
    assert_eq!(system.member("anna").await.ledger.orders().len(), 601);
    (system, before)
}

fn annas_bucket() -> u16 {
    Spread::DEPLOYED.bucket(&MemberId::new("anna").unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_older_than_its_root_or_not_there_is_read_again() {
    let tables = InMemoryTables::default();
    let (system, before) = heavy(&tables).await;
    let is = system.member("anna").await;
    for (before, times) in
        [(Some(&before), 1), (Some(&before), 3), (None, 1), (None, 2), (Some(&before), 10), (None, 10)]
    {
        let lag = PagesLag { before: before.cloned(), times: AtomicUsize::new(times) };
        let torn = system.another(tables.client_with(lag));
        let scanned = torn.store.scan(&torn.shop, (annas_bucket(), None), PAGE).await.unwrap();
        assert_eq!(scanned.unreadable, [], "{times}");
        let [(_, StoredMember::Present(found))] = &scanned.members[..] else { panic!("{}", scanned.members.len()) };
        assert_eq!((&found.ledger, &found.record), (&is.ledger, &is.record), "{times}");
    }
}

/// A sweep passes over a damaged member, and comes again to a busy one.
#[tokio::test(start_paused = true)]
async fn pages_that_never_fit_are_damage_unless_another_process_keeps_writing() {
    let tables = InMemoryTables::default();
    let (system, before) = heavy(&tables).await;
    for before in [None, Some(before)] {
        let torn = system.another(tables.client_with(PagesLag { before, times: AtomicUsize::new(usize::MAX) }));
        assert_eq!(torn.store.scan(&torn.shop, (annas_bucket(), None), PAGE).await.unwrap().unreadable.len(), 1);
    }
    for hides in [false, true] {
        let busy = AlwaysBusy {
            system: system.another(tables.client()),
            told: Mutex::new(if hides { 12_000 } else { 2_000 }),
            hides,
        };
        let torn = system.another(tables.client_with(busy));
        let read = torn.store.members(&torn.shop, [MemberId::new("anna").unwrap()]).await;
        assert!(matches!(read, Err(StoreError::Unavailable { .. })), "{read:?}");
    }
}
