//! Tables for tests: in the embedded store, in DynamoDB Local, which is Amazon's own, and in the simulator. What holds for one
//! must hold for the others. [`for_each_store!`](crate::for_each_store) makes a test for each of the first two,
//! [`for_every_table!`](crate::for_every_table) for all three.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use tokio::sync::OnceCell;

use crate::in_memory_tables::InMemoryTables;

/// A store, and a prefix for table names that no other test has, because tests run in parallel.
#[derive(Clone, Debug)]
pub struct Place {
    /// A client that never retries.
    pub client: Client,
    /// The prefix of table names.
    pub prefix: String,
}

impl Place {
    fn new(client: Client) -> Self {
        static PLACES: AtomicU32 = AtomicU32::new(0);
        let place = PLACES.fetch_add(1, Ordering::Relaxed);
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        Self { client, prefix: format!("test-{started:x}-{}-{place}-", std::process::id()) }
    }

    /// The name of this test's table.
    #[must_use]
    pub fn table(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

/// A place in an embedded store of its own, in memory.
pub async fn embedded() -> Place {
    Place::new(embedded_dynamodb::Store::memory().unwrap().client())
}

/// A place in tables of the simulator that no other test has.
pub async fn simulated() -> Place {
    Place::new(InMemoryTables::default().client())
}

/// A place in the DynamoDB Local of this process, or in the DynamoDB at `ECHELON_DYNAMODB_URL` if that is set.
///
/// # Panics
/// If neither is available: a test that cannot run has failed.
pub async fn local() -> Place {
    // A client for each test, because its connections belong to the test's own executor.
    Place::new(client(&local_url().await))
}

/// The URL of [`local`], for other processes. They have to use [`REGION`] and [`KEY`], because DynamoDB Local keeps the tables of
/// other regions and keys apart.
///
/// # Panics
/// On the conditions of [`local`].
pub async fn local_url() -> String {
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    match std::env::var("ECHELON_DYNAMODB_URL") {
        Ok(url) => url,
        Err(_) => SERVER.get_or_init(Server::start).await.url.clone(),
    }
}

/// The region of tests.
pub const REGION: &str = "local";
/// The access key of tests, and its secret.
pub const KEY: &str = "tests";

fn client(url: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws::https())
        .endpoint_url(url)
        .region(Region::from_static(REGION))
        .credentials_provider(Credentials::new(KEY, KEY, None, None, "tests"))
        .retry_config(RetryConfig::disabled());
    Client::from_conf(config.build())
}

/// A server that ends with this process, however the process ends, because its standard input is closed then.
struct Server {
    url: String,
    _process: Child,
}

impl Server {
    async fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers/dynamodb-local");
        let mut command = Command::new(&script);
        let command = command.args(["run", &port.to_string()]).stdin(Stdio::piped());
        let mut process = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", script.display()));

        let url = format!("http://127.0.0.1:{port}");
        let patience = Instant::now() + Duration::from_secs(60);
        while client(&url).list_tables().send().await.is_err() {
            let ended = process.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "no DynamoDB Local: `tests/servers/dynamodb-local fetch` fetches it, or says what is missing"
            );
            assert!(Instant::now() < patience, "DynamoDB Local does not answer at {url}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Self { url, _process: process }
    }
}

/// Makes the tests of `for_each_store!`, and a test `simulated::name` on the simulator's tables. What holds for both stores must
/// hold for those too, except for what they charge.
#[macro_export]
macro_rules! for_every_table {
    ($($test:ident),+ $(,)?) => {
        $crate::for_each_store!($($test),+);
        mod simulated {
            $(#[tokio::test]
            async fn $test() {
                super::$test($crate::dynamodb::simulated().await).await;
            })+
        }
    };
}

/// Makes of each `async fn name(place: Place)` a test `embedded::name` and a test `dynamodb_local::name`.
#[macro_export]
macro_rules! for_each_store {
    ($($test:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test]
            async fn $test() {
                super::$test($crate::dynamodb::embedded().await).await;
            })+
        }
        mod dynamodb_local {
            $(#[tokio::test]
            async fn $test() {
                super::$test($crate::dynamodb::local().await).await;
            })+
        }
    };
}
