//! Lists of members as sweeps write them: they agree with evaluating every member one by one, whatever happened on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use embedded_dynamodb::{Answer, Decision, Intercept, Request};
use engine::lists::{List, ListError, tidy};
use engine::sweep::RunEnd;
use rules::apply::apply_fact;
use rules::fact::{Currency, Fact};
use rules::fact_index::FactIndex;
use rules::id::{MemberId, TierId};
use serde_json::{Value, json};
use store::records::JobId;
use store::records::list::Entry;
use store::{Commit, Links, Member};
use tests::crash::CrashAtRequest;
use tests::dynamodb::Place;

use tests::list_oracle::{Dice, everybody, expected, life, lists, one_page, program, read, version_at};
use tests::system::{System, instant};
use tokio::sync::Notify;

tests::for_every_table!(
    a_list_says_what_evaluating_everybody_says,
    every_member_is_on_one_page_whatever_its_size,
    a_reader_of_pages_stays_in_the_sweep_where_they_began,
    lists_are_those_of_a_sweep_that_is_done,
    old_lists_go_on_one_machine_and_expire_everywhere,
    everybody_erased_is_on_no_list_of_the_next_sweep,
);

/// A local midnight, on which the sweeps of these tests are.
const NIGHT: &str = "2024-10-02T04:00:00Z";
const MORNING_AFTER: &str = "2024-10-03T04:00:00Z";

/// A shop in which much has happened by [`NIGHT`].
async fn shop(place: &Place, name: &str, period: &Value, members: usize) -> System {
    let system = System::new(place.client.clone(), &place.table(name)).await;
    system.at(instant("2023-01-01T05:00:00Z"));
    system.publish(&program(period), &json!({})).await;
    system.at(instant(NIGHT).plus_millis(-3_600_000));
    let mut dice = Dice(members as u64);
    let events: Vec<Value> =
        (0..members).flat_map(|n| life(&format!("member-{n}"), &mut dice, instant(NIGHT))).collect();
    for some in events.chunks(60) {
        assert_eq!(system.tell(some).await.counts.quarantined, 0);
    }
    system
}

async fn swept(system: &System, at: &str) -> JobId {
    system.at(instant(at));
    system.sweep_all().await;
    format!("{}-rollover", at.replace('Z', ".000Z")).parse().unwrap()
}

#[track_caller]
fn ids(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.member_id.as_str()).collect()
}

async fn a_list_says_what_evaluating_everybody_says(place: Place) {
    let periods = [json!("calendar_year"), json!("since_last_upgrade"), json!({ "rolling": { "days": 365 } })];
    for (n, period) in periods.iter().chain([&json!("lifetime")]).enumerate() {
        let system = shop(&place, &format!("p{n}"), period, 60).await;
        swept(&system, NIGHT).await;
        let (version, all) = (version_at(&system, instant(NIGHT)).await, everybody(&system).await);
        let mut counts = Vec::new();
        for list in lists(instant(NIGHT)) {
            let found = read(&system, &list, 1_000).await;
            assert_eq!(found, expected(&list, &version, &all, instant(NIGHT)), "{period} {list:?}");
            counts.push(found.len());
        }
        let least = if n == 3 { 3 } else { 8 };
        assert!(
            counts.iter().filter(|count| **count > 0).count() >= least,
            "{period}: too few lists have members: {counts:?}"
        );
    }
}

async fn every_member_is_on_one_page_whatever_its_size(place: Place) {
    let system = shop(&place, "s", &json!("calendar_year"), 40).await;
    swept(&system, NIGHT).await;
    for list in lists(instant(NIGHT)) {
        let whole = read(&system, &list, 1_000).await;
        for limit in [1, 2, 3, 7, whole.len().max(1), whole.len() + 1] {
            assert_eq!(ids(&read(&system, &list, limit).await), ids(&whole), "{list:?} by {limit}");
        }
    }
}

async fn a_reader_of_pages_stays_in_the_sweep_where_they_began(place: Place) {
    let system = shop(&place, "s", &json!("calendar_year"), 40).await;
    let list = List::Tier(TierId::new("silver").unwrap());
    let first = swept(&system, NIGHT).await;
    let as_it_was = read(&system, &list, 1_000).await;
    let page = one_page(&system, &list, 2, None).await.unwrap().unwrap();
    // Every member of the list gets gold, and another sweep ends.
    for entry in &as_it_was {
        let order = json!({ "type": "order.paid", "order_id": format!("more {}", entry.member_id), "total": "900",
                            "member_id": entry.member_id, "occurred_at": "2024-10-02T12:00:00Z" });
        system.at(instant("2024-10-02T12:00:00Z"));
        assert_eq!(system.tell(&[order]).await.counts.applied, 1);
    }
    let second = swept(&system, MORNING_AFTER).await;
    let next = one_page(&system, &list, 1_000, page.next.as_ref()).await.unwrap().unwrap();
    assert_eq!((next.job, next.as_of, next.version), (first, instant(NIGHT), 1));
    assert_eq!([ids(&page.entries), ids(&next.entries)].concat(), ids(&as_it_was));
    assert_eq!(one_page(&system, &list, 2, None).await.unwrap().unwrap().job, second);
    assert!(read(&system, &list, 10).await.is_empty());
    // A cursor is good for its list alone.
    let other = one_page(&system, &List::AtRisk, 2, page.next.as_ref()).await;
    assert!(matches!(other, Err(ListError::OtherList)), "{other:?}");
}

async fn lists_are_those_of_a_sweep_that_is_done(place: Place) {
    let system = shop(&place, "s", &json!("calendar_year"), 20).await;
    assert_eq!(one_page(&system, &List::AtRisk, 9, None).await.unwrap(), None, "no sweep has ended yet");
    let first = swept(&system, NIGHT).await;
    system.at(instant(MORNING_AFTER));
    system.sweep.tick().await.unwrap();
    let waiting = system.sweep.workers().take();
    for (done, work) in waiting.iter().enumerate() {
        assert_eq!(system.sweep.work(work).await.unwrap().ended, RunEnd::Done);
        let is_last = done + 1 == waiting.len();
        let page = one_page(&system, &List::AtRisk, 9, None).await.unwrap().unwrap();
        assert_eq!(page.job == first, !is_last, "after {done} segments of {}", waiting.len());
    }
}

async fn rows_of_lists(system: &System) -> usize {
    system.items("control").await.iter().filter(|item| item.contains("#list#")).count()
}

async fn old_lists_go_on_one_machine_and_expire_everywhere(place: Place) {
    let system = shop(&place, "s", &json!("calendar_year"), 20).await;
    let list = List::Tier(TierId::new("silver").unwrap());
    // A sweep that was overtaken half done leaves nothing either.
    system.at(instant("2024-10-01T04:00:00Z"));
    system.sweep.tick().await.unwrap();
    let waiting = system.sweep.workers().take();
    for work in &waiting[..8] {
        system.sweep.work(work).await.unwrap();
    }
    let of_half = rows_of_lists(&system).await;
    swept(&system, NIGHT).await;
    let begun = one_page(&system, &list, 1, None).await.unwrap().unwrap();
    assert!(of_half > 0 && rows_of_lists(&system).await > of_half);
    assert_eq!(tidy(&system.store, &system.shop, system.now()).await.unwrap(), of_half as u64);
    // A reader who pages through the lists of the last sweep but one can go on.
    swept(&system, MORNING_AFTER).await;
    assert_eq!(tidy(&system.store, &system.shop, system.now()).await.unwrap(), 0);
    one_page(&system, &list, 1, begun.next.as_ref()).await.unwrap().unwrap();
    let last = swept(&system, "2024-10-05T04:00:00Z").await;
    assert!(tidy(&system.store, &system.shop, system.now()).await.unwrap() > 0);
    assert_eq!(tidy(&system.store, &system.shop, system.now()).await.unwrap(), 0, "again there is nothing to do");
    let left = rows_of_lists(&system).await;
    let gone = one_page(&system, &list, 1, begun.next.as_ref()).await;
    assert!(matches!(gone, Err(ListError::Gone(job)) if job == begun.job), "{gone:?}");
    let of_kept: Vec<String> =
        system.items("control").await.into_iter().filter(|item| item.contains("#list#")).collect();
    assert!(of_kept.iter().all(|item| item.contains("10-03T") || item.contains("10-05T")), "{of_kept:?}");
    // Lists are valid for three days, whether the database has deleted them or not.
    let page = one_page(&system, &list, 1, None).await.unwrap().unwrap();
    assert_eq!(page.job, last);
    system.at(instant("2024-10-08T03:59:59.999Z"));
    one_page(&system, &list, 1, page.next.as_ref()).await.unwrap().unwrap();
    system.at(instant("2024-10-08T04:00:00Z"));
    assert_eq!(one_page(&system, &list, 1, None).await.unwrap(), None);
    assert!(matches!(one_page(&system, &list, 1, page.next.as_ref()).await, Err(ListError::Gone(_))));
    assert_eq!(rows_of_lists(&system).await, left);
    let expires = format!("N(\"{}\")", instant("2024-10-08T04:00:00Z").millis() / 1_000);
    let of_last = of_kept.iter().filter(|item| item.contains("10-05T"));
    assert!(of_last.clone().count() > 0 && of_last.into_iter().all(|item| item.contains(&expires)));
}

async fn everybody_erased_is_on_no_list_of_the_next_sweep(place: Place) {
    let system = shop(&place, "s", &json!("calendar_year"), 30).await;
    swept(&system, NIGHT).await;
    let list = List::Tier(TierId::new("silver").unwrap());
    let before = read(&system, &list, 1_000).await;
    let erased = json!({ "type": "customer.erased", "member_id": before[0].member_id, "occurred_at": NIGHT });
    assert_eq!(system.tell(&[erased]).await.failed, Vec::<String>::new());
    swept(&system, MORNING_AFTER).await;
    assert_eq!(ids(&read(&system, &list, 1_000).await), ids(&before)[1..]);
}

/// Late news: orders from before the night, told when a worker has already looked at half of the members. Every member who was on
/// a list may be off it, and others on it.
async fn late_news(system: &System) {
    let (version, all) = (version_at(system, instant(NIGHT)).await, everybody(system).await);
    let lists = [List::Tier(TierId::new("silver").unwrap()), List::NearUpgrade];
    let on = lists.iter().flat_map(|list| expected(list, &version, &all, instant(NIGHT)));
    let members: BTreeSet<_> = on.map(|entry| entry.member_id).collect();
    let order = |member: &MemberId| {
        json!({ "type": "order.paid", "order_id": format!("late {member}"), "total": "900", "member_id": member,
                "occurred_at": "2024-09-20T12:00:00Z" })
    };
    let events: Vec<Value> = members.iter().map(order).collect();
    assert_eq!(system.tell(&events).await.counts.applied, events.len() as u64);
}

async fn lists_are_right(system: &System, what: &str) {
    let (version, all) = (version_at(system, instant(NIGHT)).await, everybody(system).await);
    for list in lists(instant(NIGHT)) {
        let wanted = expected(&list, &version, &all, instant(NIGHT));
        assert_eq!(read(system, &list, 1_000).await, wanted, "{list:?} {what}");
    }
}

/// A small shop in a store of its own, at [`NIGHT`].
async fn small(store: &embedded_dynamodb::Store) -> System {
    let place = Place { client: store.client(), prefix: String::new() };
    let system = shop(&place, "t", &json!("calendar_year"), 12).await;
    system.at(instant(NIGHT));
    system
}

/// Opens what is due and sweeps, until the first failure.
async fn until_it_dies(system: &System) {
    if system.sweep.tick().await.is_err() {
        return;
    }
    for work in system.sweep.workers().take() {
        let worked = tokio::time::timeout(std::time::Duration::from_millis(100), system.sweep.work(&work)).await;
        if !matches!(worked, Ok(Ok(stint)) if stint.ended == RunEnd::Done) {
            return;
        }
    }
}

/// The sweep is killed between two writes of a page, among them the rows of lists and the checkpoint after them. Members change
/// before another worker goes on.
#[tokio::test]
async fn killed_at_any_write_a_sweep_leaves_the_lists_of_the_worker_that_ended_it() {
    let store = embedded_dynamodb::Store::memory().unwrap();
    let system = small(&store).await;
    let writes = Arc::new(Mutex::default());
    let whole =
        CrashAtRequest { at: usize::MAX, carried_out: true, writes: Arc::clone(&writes), ..CrashAtRequest::default() };
    until_it_dies(&system.another(store.client_with(whole))).await;
    lists_are_right(&system, "when no worker dies").await;
    let writes: Vec<usize> = writes.lock().unwrap().clone();
    assert!(writes.len() > 3 * 16, "leases, rows and checkpoints: {writes:?}");
    // A death after a write is the same as one before the next write, except for the last.
    let last = writes.last().copied();
    for (at, carried_out) in writes.into_iter().map(|at| (at, false)).chain(last.map(|at| (at, true))) {
        let store = embedded_dynamodb::Store::memory().unwrap();
        let system = small(&store).await;
        until_it_dies(&system.another(store.client_with(CrashAtRequest {
            at,
            carried_out,
            ..CrashAtRequest::default()
        })))
        .await;
        // Members swept before the death stand as they were found then.
        let swept = swept_buckets(&system).await;
        let (version, before) = (version_at(&system, instant(NIGHT)).await, everybody(&system).await);
        late_news(&system).await;
        system.at(instant(NIGHT).plus_millis(15 * 60_000));
        system.sweep_all().await;
        let what = format!("killed at {at}, {carried_out}");
        let after = everybody(&system).await;
        let found = before.into_iter().zip(after);
        let as_found: Vec<_> = found
            .map(|(was, is)| if swept.contains(&system.store.tables().spread.bucket(&was.0)) { was } else { is })
            .collect();
        for list in [
            List::NearUpgrade,
            List::AtRisk,
            lists(instant(NIGHT)).swap_remove(0),
            lists(instant(NIGHT)).swap_remove(10),
        ] {
            let wanted = expected(&list, &version, &as_found, instant(NIGHT));
            assert_eq!(read(&system, &list, 1_000).await, wanted, "{list:?} {what}");
        }
        exactly_once(&system, &what).await;
    }
}

/// The buckets that have been swept.
async fn swept_buckets(system: &System) -> BTreeSet<u16> {
    let job: JobId = "2024-10-02T04:00:00.000Z-rollover".parse().unwrap();
    let segments = system.store.segments(&system.shop, &job).await.unwrap();
    segments.iter().flat_map(|segment| segment.body.begin..segment.body.place.bucket).collect()
}

/// Checks, whichever worker went first, that no member is on a list twice, that every member with a tier is on its list, and that
/// lists are as long as insight says, which is counted with the checkpoints.
async fn exactly_once(system: &System, what: &str) {
    let insight = engine::insight::latest(&system.store, &system.shop, system.clock().now()).await.unwrap().unwrap();
    assert_eq!(insight.members, 12, "{what}");
    let mut seen = BTreeSet::new();
    for in_tier in insight.tiers.iter().filter(|in_tier| in_tier.tier.is_some()) {
        let list = read(system, &List::Tier(in_tier.tier.clone().unwrap()), 5).await;
        assert_eq!(list.len() as u64, in_tier.members, "{what}");
        assert!(list.iter().all(|entry| seen.insert(entry.member_id.clone())), "{what}");
    }
    for (list, members) in [(List::NearUpgrade, insight.near_upgrade), (List::AtRisk, insight.at_risk)] {
        assert_eq!(read(system, &list, 5).await.len() as u64, members, "{what} {list:?}");
    }
    let ever = List::ExpiringBefore(instant("9999-12-31T00:00:00Z"));
    assert_eq!(read(system, &ever, 5).await.len() as u64, insight.expiring.values().sum::<u64>(), "{what}");
}

/// Holds back rows of lists until they are released.
#[derive(Debug, Default)]
struct Stalls {
    seen: Arc<AtomicUsize>,
    go: Arc<Notify>,
}

impl Intercept for Stalls {
    fn before<'a>(&'a self, request: &'a Request) -> Decision<'a> {
        let is_row =
            request.operation.as_str() == "PutItem" && String::from_utf8_lossy(&request.body).contains("#list#");
        Box::pin(async move {
            if is_row {
                self.seen.fetch_add(1, Ordering::SeqCst);
                self.go.notified().await;
            }
            None
        })
    }

    fn after<'a>(&'a self, _: &'a Request, _: &'a Answer) -> Decision<'a> {
        Box::pin(std::future::ready(None))
    }
}

/// A worker that was away for longer than its lease comes back and writes rows of members as they were then. Another worker has
/// long gone on, and found no member to write down.
#[tokio::test]
async fn rows_of_a_worker_who_was_overtaken_are_of_no_list() {
    let mut strays = 0;
    for segment in 0..16 {
        let store = embedded_dynamodb::Store::memory().unwrap();
        let system = small(&store).await;
        system.sweep.tick().await.unwrap();
        let work = system.sweep.workers().take().swap_remove(segment);
        let (seen, go) = (Arc::default(), Arc::new(Notify::new()));
        let slow = system.another(store.client_with(Stalls { seen: Arc::clone(&seen), go: Arc::clone(&go) }));
        let sweep = async {
            // A worker with nothing to write down is done at once.
            slow.sweep.work(&work).await.unwrap().ended
        };
        let overtaken = async {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            let is_stalled = seen.load(Ordering::SeqCst) > 0;
            if is_stalled {
                late_news(&system).await;
                system.at(instant(NIGHT).plus_millis(15 * 60_000));
                system.sweep_all().await;
            }
            for _ in 0..100 {
                go.notify_waiters();
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
            is_stalled
        };
        let (ended, is_stalled) = tokio::join!(sweep, overtaken);
        assert_eq!(ended, if is_stalled { RunEnd::Elsewhere } else { RunEnd::Done });
        if is_stalled {
            strays += 1;
            lists_are_right(&system, &format!("segment {segment}")).await;
            exactly_once(&system, &format!("segment {segment}")).await;
        }
    }
    assert!(strays > 4, "{strays} segments with a member on a list");
}

/// Two workers on the same segment at once, and once more when it is done.
#[tokio::test]
async fn two_workers_on_one_segment_write_everybody_down_once() {
    let store = embedded_dynamodb::Store::memory().unwrap();
    let system = small(&store).await;
    system.sweep.tick().await.unwrap();
    let other = system.another(store.client());
    for work in system.sweep.workers().take() {
        let (one, two) = tokio::join!(system.sweep.work(&work), other.sweep.work(&work));
        let ended = [one.unwrap().ended, two.unwrap().ended];
        assert!(ended.contains(&RunEnd::Done), "{ended:?}");
        // The second time there is nothing left to do; the last segment ended the job.
        let again = system.sweep.work(&work).await.unwrap().ended;
        assert!(matches!(again, RunEnd::Done | RunEnd::Stopped), "{again:?}");
    }
    lists_are_right(&system, "two workers").await;
    exactly_once(&system, "two workers").await;
}

/// Creates members with one order each, as ingest would have. Of a thousand, 100 are near silver, 250 have it and 50 have gold.
/// Two in five of silver and half of gold have it since the year before, and are at risk.
async fn many(system: &System, members: usize) {
    let versions = system.store.versions(&system.shop).await.unwrap().unwrap();
    for n in 0..members {
        let cents = n * 7919 % 1_000;
        let (total, year) = match n % 20 {
            0..12 => (10, 2024),
            12 | 13 => (90, 2024),
            14 => (600, if n % 40 < 20 { 2023 } else { 2024 }),
            15..=19 => (120, if n % 2 == 0 { 2023 } else { 2024 }),
            _ => panic!("{n}"),
        };
        let order = json!({ "type": "order.paid", "order_id": format!("82098291194{n:06}"), "total": format!("{total}.{:02}", cents % 100),
                            "member_id": format!("{}", 7_119_551_000_000 + n * 7_919_000_331 % 1_000_000_000),
                            "occurred_at": format!("{year}-03-{:02}T10:00:00Z", 1 + n % 28) });
        let fact = Fact::read(&order, Currency::from_code("USD").unwrap()).unwrap().fact;
        let (at, id) = (fact.occurred_at, fact.member().unwrap().clone());
        let (mut index, mut records) = (FactIndex::new(), BTreeMap::new());
        apply_fact(&mut index, &mut records, &versions, fact, at);
        let mut commit = Commit::default();
        let known = (index.ledger(&id).unwrap(), &records[&id], &Links::default());
        commit.member(&system.store, &system.shop, &id, known, &Member::default()).unwrap();
        system.store.commit(commit).await.unwrap();
    }
}

#[tokio::test]
async fn a_thousand_members_cost_at_most_ten_writes_for_lists_and_a_page_of_fifty_six_reads() {
    let store = embedded_dynamodb::Store::memory().unwrap();
    let system = System::new(store.client(), "t").await;
    system.at(instant("2023-01-01T05:00:00Z"));
    let mut program = program(&json!("calendar_year"));
    program["notices"] = json!({ "within_reach_percent": 10, "expiring_days": [] });
    system.publish(&program, &json!({})).await;
    many(&system, 4_000).await;
    // The second sweep knows how many members there are, and has few segments.
    swept(&system, NIGHT).await;
    system.used();
    swept(&system, MORNING_AFTER).await;
    let used = system.used();
    let insight = engine::insight::latest(&system.store, &system.shop, system.clock().now()).await.unwrap().unwrap();
    assert_eq!((insight.near_upgrade, insight.at_risk), (400, 500));
    // In half units: the job and its segment, a lease, a checkpoint of up to two units for each page, and the end.
    let job_and_checkpoints = 2 * 2 * 2 + 2 + 5 * 2 * 2 + 2 * (2 + 2) * 2;
    let lists = used.table_writes - job_and_checkpoints;
    println!("{lists} halves of units for lists of 4,000 members");
    assert!(lists <= 4 * 10 * 2, "{} halves of units for lists of 4,000 members: {used:?}", lists);
    // The latest sweep, its job, and two rows of up to six kB each.
    one_page(&system, &List::AtRisk, 50, None).await.unwrap().unwrap();
    let reads = system.used().reads;
    println!("{reads} halves of units for a page");
    assert!(reads <= 2 * 6, "{reads} halves of units for a page");
}
