//! The API agrees with `evaluate`, while events come in and midnights pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_api::standing::Standing;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use pure_tests::random::{BEGIN, HOUR, message, programs};
use rules::calendar::Instant;
use rules::fact::{Currency, Fact};
use rules::fact_index::FactIndex;
use rules::id::MemberId;
use serde_json::{Value, json};

use tests::api_harness::{Answer, ApiHarness};
use tests::system::System;

/// At any moment the API says what the rules say of some of the facts told until then: at least those acknowledged before the
/// request, at most those sent before the answer.
#[tokio::test(flavor = "multi_thread")]
async fn at_any_instant_the_api_says_what_the_rules_say_while_ingest_and_sweeps_run() {
    const SHOPS: u64 = 12;
    for seed in 0..SHOPS {
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[u8::try_from(seed).unwrap(); 32]);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let program = programs().new_tree(&mut runner).unwrap().current();
        let facts = prop::collection::vec(message(), 40).new_tree(&mut runner).unwrap().current();
        let asked = prop::collection::vec(0..2_400_i64, 60).new_tree(&mut runner).unwrap().current();
        shop(program, facts, asked).await;
    }
}

async fn shop(program: Value, facts: Vec<Value>, asked: Vec<i64>) {
    let place = tests::dynamodb::embedded().await;
    let system = System::new(place.client, &place.prefix).await;
    system.at(Instant::from_millis(BEGIN));
    system.publish(&program, &json!({})).await;
    let desk = Arc::new(ApiHarness::over(system));
    let versions = desk.system.store.versions(&desk.system.shop).await.unwrap().unwrap();
    desk.system.at(Instant::from_millis(BEGIN + 2_400 * HOUR));
    let token = desk.lasting_token();
    let (sent, acknowledged) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let telling = {
        let (desk, facts, sent, acknowledged) =
            (Arc::clone(&desk), facts.clone(), Arc::clone(&sent), Arc::clone(&acknowledged));
        tokio::spawn(async move {
            for (number, fact) in facts.iter().enumerate() {
                // An hour after the last instant that a fact may have, and on past some midnights.
                desk.system.at(Instant::from_millis(BEGIN + 2_400 * HOUR + i64::try_from(number).unwrap() * 6 * HOUR));
                sent.store(number + 1, Ordering::SeqCst);
                let report = desk.system.tell(std::slice::from_ref(fact)).await;
                assert!(report.failed.is_empty(), "{report:?}");
                acknowledged.store(number + 1, Ordering::SeqCst);
                if number % 5 == 4 {
                    desk.system.sweep_all().await;
                }
            }
        })
    };
    for (number, hour) in asked.into_iter().enumerate() {
        let member = if number % 4 == 0 { "ben" } else { "anna" };
        let as_of = Instant::from_millis(BEGIN + hour * HOUR);
        let before = acknowledged.load(Ordering::SeqCst);
        let ask = desk.ask("GET", &format!("/v1/members/{member}?as_of={as_of}&version=1"));
        let answer = desk.send(ask.by(token.clone())).await;
        let after = sent.load(Ordering::SeqCst);
        let told = |count: usize| standing(&desk, &versions, &facts[..count], member, as_of);
        let is_one = (before..=after).any(|count| told(count).is(&answer));
        assert!(is_one, "after {before} to {after} facts, {member} at {as_of}: {} {}", answer.status, answer.body);
        tokio::task::yield_now().await;
    }
    telling.await.unwrap();
    for member in ["anna", "ben"] {
        let answer = desk.send(desk.ask("GET", &format!("/v1/members/{member}")).by(token.clone())).await;
        let expected = standing(&desk, &versions, &facts, member, desk.system.now());
        assert!(expected.is(&answer), "{} {}", answer.status, answer.body);
    }
}

/// The answer of the rules.
enum Said {
    /// Nothing is known of the member.
    Nothing,
    /// A standing, and whether the ledger is empty, as after an order that moved away. Such a member may be unknown as well.
    Standing(Box<Standing>, bool),
}

impl Said {
    fn is(&self, answer: &Answer) -> bool {
        match self {
            Self::Nothing => answer.status == 404,
            Self::Standing(standing, is_empty) => {
                (answer.status == 200 && answer.body == json!(standing)) || (*is_empty && answer.status == 404)
            }
        }
    }
}

/// The answer of the rules from some facts.
fn standing(
    desk: &ApiHarness,
    versions: &rules::version::Versions,
    facts: &[Value],
    member: &str,
    as_of: Instant,
) -> Said {
    let (member, usd) = (MemberId::new(member).unwrap(), Currency::from_code("USD").unwrap());
    let mut index = FactIndex::new();
    for fact in facts.iter().filter_map(|fact| Fact::read(fact, usd).ok()) {
        index.apply(fact.fact);
    }
    match index.ledger(&member).filter(|_| !index.is_erased(&member)) {
        None => Said::Nothing,
        Some(ledger) => {
            let standing = Standing::of(&desk.system.shop, &member, versions.last(), ledger, as_of);
            Said::Standing(Box::new(standing), ledger.is_empty())
        }
    }
}
