//! Where a system's store is: in a file of this machine, or behind any DynamoDB endpoint.

use std::path::PathBuf;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use service::aws::{self, SdkConfig};
use service::clock::Clock;
use service::ingest::{Asides, Ingest};
use service::store::Store;
use service::store::table::{Tables, create_unstreamed};
use service::sweep::Sweep;

use super::health::Pulse;
use super::queue::Queues;
use super::sweeper::{self, Here};
use crate::failure::Failure;

/// Where the store is.
#[derive(Debug, Clone, clap::Args)]
pub struct Place {
    /// The file that holds everything; made if it is not there, and open in one process at a time
    #[arg(long, value_name = "FILE", conflicts_with = "dynamodb")]
    pub data: Option<PathBuf>,

    /// A DynamoDB endpoint in place of a file, such as http://127.0.0.1:8000. Region and credentials come from
    /// AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, where they are set
    #[arg(long, value_name = "URL")]
    pub dynamodb: Option<String>,

    /// What the names of the tables begin with
    #[arg(long, value_name = "NAME", default_value = "echelon")]
    pub prefix: String,

    /// The tables of a deployed system, as its outputs name them: members, ledger, control. None is made then
    #[arg(long, value_name = "NAME,NAME,NAME", requires = "dynamodb", conflicts_with = "prefix", value_parser = tables)]
    pub tables: Option<Tables>,
}

fn tables(text: &str) -> Result<Tables, String> {
    match text.split(',').map(str::trim).collect::<Vec<_>>().as_slice() {
        [members, ledger, control] if ![members, ledger, control].iter().any(|name| name.is_empty()) => {
            let [members, ledger, control] = [members, ledger, control].map(|name| (*name).to_owned());
            Ok(Tables::named(members, ledger, control))
        }
        _ => Err("name three tables: members, ledger and control, with commas between".to_owned()),
    }
}

/// An open store and its queues.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The tables.
    pub store: Store,
    /// The queues.
    pub queues: Queues,
    /// Whether nobody else can write there.
    alone: bool,
}

/// So many messages are committed together where nobody else writes: most change two items each, and a transaction has
/// room for 90.
const TOGETHER: usize = 32;

/// How far ahead a version takes effect where several processes read versions: functions remember them for 20 s.
const AHEAD_MS: i64 = 60_000;

impl Opened {
    /// What takes events into the store; what can never succeed goes to `asides`.
    pub fn ingest<A: Asides>(&self, asides: A, clock: Clock) -> Ingest<A> {
        let ingest = Ingest::new(self.store.clone(), asides, clock);
        if self.alone { ingest.gathering(TOGETHER) } else { ingest }
    }

    /// How far ahead a version takes effect where no instant is named.
    pub fn ahead_ms(&self) -> i64 {
        if self.alone { 0 } else { AHEAD_MS }
    }

    /// What brings everybody past midnights and changes of rules.
    pub fn sweep(&self, clock: Clock, pulse: Arc<Pulse>) -> Sweep<Here> {
        let workers = Here::beside(self.queues.clone(), pulse);
        Sweep::new(self.store.clone(), workers, clock, sweeper::settings(self.alone))
    }
}

impl Place {
    /// Whether nothing says where.
    pub fn is_nowhere(&self) -> bool {
        self.data.is_none() && self.dynamodb.is_none()
    }

    /// Whether one process alone has it open.
    pub fn is_alone(&self) -> bool {
        self.dynamodb.is_none()
    }

    /// How far ahead a version takes effect where no instant is named.
    pub fn ahead_ms(&self) -> i64 {
        if self.is_alone() { 0 } else { AHEAD_MS }
    }

    /// What brings everybody of a store past midnights and changes of rules, in this process.
    pub fn sweep(&self, store: &Store) -> Sweep<Here> {
        Sweep::new(store.clone(), Here::default(), Clock::new(crate::now), sweeper::settings(self.is_alone()))
    }

    /// In words.
    pub fn name(&self) -> String {
        match (&self.dynamodb, &self.data) {
            (Some(url), _) => url.clone(),
            (None, Some(file)) => file.display().to_string(),
            (None, None) => "memory".to_owned(),
        }
    }

    /// Opens the store alone: a deployed one as it is, any other with tables that are made if they are not there.
    /// Without a place it is in memory.
    ///
    /// # Errors
    /// Names the file or the endpoint, and says what to do.
    pub async fn store(&self) -> Result<Store, Failure> {
        let client = match (&self.dynamodb, &self.data) {
            (Some(url), _) => remote(url)?,
            (None, Some(file)) => embedded::Store::open(file).map_err(Failure::input)?.client(),
            (None, None) => embedded::Store::memory().map_err(Failure::input)?.client(),
        };
        if let Some(tables) = &self.tables {
            return Ok(Store::new(client, tables.clone()).with_zones(crate::zones().clone()));
        }
        let tables = Tables::prefixed(&self.prefix);
        create_unstreamed(&client, &tables).await.map_err(|error| self.wrong(error.to_string()))?;
        Ok(Store::new(client, tables).with_zones(crate::zones().clone()))
    }

    /// Opens the store and its queues.
    ///
    /// # Errors
    /// Names the file or the endpoint, and says what to do.
    pub async fn open(&self) -> Result<Opened, Failure> {
        if self.tables.is_some() {
            return Err(Failure::input("--tables: a deployed system serves itself, with queues of its own"));
        }
        let (store, shared) = (self.store().await?, self.dynamodb.is_some());
        let queues = Queues::open(store.client().clone(), &self.prefix, shared).await;
        let queues = queues.map_err(|error| self.wrong(error.to_string()))?;
        Ok(Opened { store, queues, alone: !shared })
    }

    fn wrong(&self, what: String) -> Failure {
        Failure::input(format!("{}: {what}", self.name()))
    }
}

fn remote(url: &str) -> Result<Client, Failure> {
    let settings = aws_sdk_dynamodb::config::Builder::from(&config()?).endpoint_url(url);
    Ok(Client::from_conf(settings.build()))
}

/// How AWS is asked, from the environment.
///
/// # Errors
/// If a variable is missing that has no default.
pub fn config() -> Result<SdkConfig, Failure> {
    aws::config_of_a_command(variable).map_err(Failure::input)
}

/// The environment's, where it says anything: an endpoint on one's own machine takes any credentials, but not none.
fn variable(name: &str) -> Option<String> {
    let default = || match name {
        "AWS_REGION" => crate::environment("AWS_DEFAULT_REGION").or_else(|| Some("us-east-1".to_owned())),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("local".to_owned()),
        _ => None,
    };
    crate::environment(name).or_else(default)
}
