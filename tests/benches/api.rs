//! Latency of a standing over HTTP, beside the store's own read of the same members in the same run: 16 clients, each on a
//! connection of its own that it keeps, on the embedded store in a file.
//!
//!     cargo bench --workspace --bench api           (SECONDS=n for other than 5 seconds a round)

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use engine::ingest::FactWriter;
use engine::sweep::Sweep;
use http_api::authenticate::AuthMode;
use http_api::caller::{Caller, Scope};
use http_api::token::TokenKey;
use http_api::{Api, Parts};
use rules::apply::apply_fact;
use rules::calendar;
use rules::fact::{Currency, Fact};
use rules::fact_index::FactIndex;
use rules::id::MemberId;
use serde_json::{Value, json};
use store::table::{Tables, create_unstreamed};
use store::{Commit, Links, Member, Store};
use tests::system::{InMemorySegmentQueue, System, instant, settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, RwLock};

/// Concurrent clients.
const CLIENTS: usize = 16;
/// Orders of an ordinary member.
const ORDERS: usize = 24;
const MEMBERS: usize = 2_000;
/// The API and the store are measured in turns, which spreads the machine's other load over both.
const ROUNDS: usize = 4;

fn program() -> Value {
    json!({ "start_date": "2023-01-01", "timezone": "America/New_York", "currency": "USD",
            "milestone": { "metric": "amount_spent", "period": "calendar_year", "on_refund": "revoke" },
            "tiers": [{ "id": "silver", "threshold": 100 }, { "id": "gold", "threshold": 500 },
                      { "id": "platinum", "threshold": 1_000 }] })
}

fn id(n: usize) -> String {
    format!("20711{n:08}")
}

fn order(n: usize, place: usize) -> Value {
    json!({ "type": "order.paid", "order_id": format!("8209829{n:08}{place:02}"), "member_id": id(n),
            "total": format!("{}.50", 10 + (n + place) % 90), "tax": "0.20", "shipping": "0.90",
            "occurred_at": format!("{}-{:02}-{:02}T10:00:00Z", 2024 + place / 12, 1 + place % 12, 1 + n % 28) })
}

async fn base(system: &System) {
    let versions = system.store.versions(&system.shop).await.unwrap().unwrap();
    for n in 0..MEMBERS {
        let (mut index, mut records) = (FactIndex::new(), std::collections::BTreeMap::new());
        for order in (0..ORDERS).map(|place| order(n, place)) {
            let fact = Fact::read(&order, Currency::from_code("USD").unwrap()).unwrap().fact;
            let at = fact.occurred_at;
            apply_fact(&mut index, &mut records, &versions, fact, at);
        }
        let member = MemberId::new(&id(n)).unwrap();
        let (ledger, record) = (index.ledger(&member).unwrap(), &records[&member]);
        let mut commit = Commit::default();
        commit
            .member(&system.store, &system.shop, &member, (ledger, record, &Links::default()), &Member::default())
            .unwrap();
        system.store.commit(commit).await.unwrap();
    }
}

/// Starts the API as `echelon serve` has it, on a free port; returns its address and a token for it.
async fn served(system: &System) -> (SocketAddr, String) {
    let (key, clock) = (TokenKey::new("a key of thirty-two bytes or more").unwrap(), system.clock());
    let caller = Caller::Staff { shop: Some(system.shop.clone()), scope: Scope::Read, name: "bench".to_owned() };
    let token = key.sign(&caller, calendar::Instant::from_millis(i64::MAX / 1_000_000)).token;
    let api = Api::new(Parts {
        store: system.store.clone(),
        writer: FactWriter::new(system.store.clone(), clock.clone()),
        bodies: Box::new(system.kept.clone()),
        sweeps: Box::new(Arc::new(Sweep::new(
            system.store.clone(),
            InMemorySegmentQueue::default(),
            clock.clone(),
            settings(),
        ))),
        clock,
        ahead_ms: 0,
        preview_budget: None,
        auth: AuthMode::Tokens(key),
        shopify_secret: None,
        shop: None,
        batch: Arc::new(RwLock::default()),
        recorded: Arc::new(Notify::default()),
        due: Arc::new(Notify::default()),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = http_api::router(api, axum::Router::new());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (address, token)
}

/// One client's connection.
struct Client {
    stream: TcpStream,
    host: SocketAddr,
    token: String,
    read: Vec<u8>,
}

impl Client {
    async fn new(host: SocketAddr, token: &str) -> Self {
        let stream = TcpStream::connect(host).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, host, token: token.to_owned(), read: vec![0; 64 * 1024] }
    }

    async fn standing(&mut self, member: &str) {
        let Self { stream, host, token, read } = self;
        let about = format!("host: {host}\r\nauthorization: Bearer {token}");
        let request = format!("GET /v1/members/{member} HTTP/1.1\r\n{about}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut filled = 0;
        loop {
            filled += stream.read(&mut read[filled..]).await.unwrap();
            let text = std::str::from_utf8(&read[..filled]).unwrap();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            assert!(head.starts_with("HTTP/1.1 200"), "{text}");
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() == length.unwrap().parse::<usize>().unwrap() {
                assert!(body.contains(member));
                return;
            }
        }
    }
}

/// Measures each request of all clients together; each client sends one request after another.
async fn timed<F, A>(all: Vec<A>, for_: Duration, ask: impl Fn(A, usize) -> F + Clone + Send + 'static) -> Vec<Duration>
where
    A: Send + 'static,
    F: Future<Output = A> + Send,
{
    let (until, next) = (Instant::now() + for_, Arc::new(AtomicUsize::new(0)));
    let one = |mut asker: A| {
        let (ask, next) = (ask.clone(), Arc::clone(&next));
        tokio::spawn(async move {
            let mut took = Vec::new();
            while Instant::now() < until {
                let n = next.fetch_add(1, Ordering::Relaxed) * 7_919 % MEMBERS;
                let begun = Instant::now();
                // In turns: a client that reads the store alone waits for nothing else, and would ask again before the others had
                // asked.
                tokio::task::yield_now().await;
                asker = ask(asker, n).await;
                took.push(begun.elapsed());
            }
            took
        })
    };
    let asking: Vec<_> = all.into_iter().map(one).collect();
    let mut took = Vec::new();
    for asked in asking {
        took.extend(asked.await.unwrap());
    }
    took
}

fn print(what: &str, took: &mut [Duration], for_: Duration) -> f64 {
    took.sort();
    let at = |per_mille: usize| took[(took.len() - 1) * per_mille / 1_000].as_secs_f64() * 1e3;
    let rate = took.len() as f64 / (for_.as_secs_f64() * ROUNDS as f64);
    println!("  {what:<28} p50 {:>7.3} ms   p99 {:>7.3} ms   {rate:>8.0} a second", at(500), at(990));
    at(990)
}

async fn measured(system: &System, for_: Duration) {
    let (address, token) = served(system).await;
    let (mut told, mut read) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            clients.push(Client::new(address, &token).await);
        }
        let standings = timed(clients, for_, |mut client: Client, n| async move {
            client.standing(&id(n)).await;
            client
        });
        let standings = standings.await;
        let stores = (0..CLIENTS).map(|_| (system.store.clone(), system.shop.clone())).collect();
        let gets = timed(stores, for_, |(store, shop): (Store, _), n| async move {
            let member = MemberId::new(&id(n)).unwrap();
            assert!(store.members(&shop, [member.clone()]).await.unwrap()[&member] != store::StoredMember::Absent);
            (store, shop)
        });
        let gets = gets.await;
        // The first round is a warm-up.
        if round > 0 {
            told.extend(standings);
            read.extend(gets);
        }
    }
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("{MEMBERS} members of {ORDERS} orders, {CLIENTS} clients; load average {}", load.trim());
    let standing = print("GET /v1/members/{id}", &mut told, for_);
    let get = print("the store's own get", &mut read, for_);
    println!("  p99 of a standing is {:.2} times the store's own", standing / get);
}

fn main() {
    // `cargo test --benches` runs this too, to see that it works.
    let quick = !std::env::args().any(|argument| argument == "--bench");
    let asked = std::env::var("SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let for_ = Duration::from_secs_f64(asked.unwrap_or(if quick { 0.1 } else { 5.0 }));
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    executor.block_on(async {
        let embedded = embedded_dynamodb::Store::open(&folder.path().join("api.db")).unwrap();
        let tables = Tables::prefixed("bench");
        create_unstreamed(&embedded.client(), &tables).await.unwrap();
        let system = System::over(Store::new(embedded.client(), tables));
        system.at(instant("2023-01-02T00:00:00Z"));
        system.publish(&program(), &json!({})).await;
        system.at(instant("2026-02-01T12:00:00Z"));
        base(&system).await;
        measured(&system, for_).await;
    });
}
