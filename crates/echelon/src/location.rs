//! The location of a system's store: a file on this machine, or any DynamoDB endpoint.

use std::path::PathBuf;

use aws::SdkConfig;
use aws_sdk_dynamodb::Client;
use axum::http::Uri;
use engine::clock::Clock;
use engine::sweep::Sweep;
use local::opened::{AHEAD_MS, Opened};
use local::queue::Queues;
use local::sweeper::{self, Here};
use store::Store;
use store::table::{self, Tables, create_unstreamed};

use crate::error::CommandError;
use crate::output::{say, warn};

/// The maximum size of a file that is checked at the start. All of it is read: 200 MB took 0.9 s from a disk, 0.13 s
/// from memory.
const LOOKED_THROUGH_BYTES_MAX: u64 = 1_000_000_000;

/// The behavior if there is no store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Absent {
    Made,
    Refused,
}

/// The location of the store.
#[derive(Debug, Clone, clap::Args)]
pub struct StoreLocation {
    /// The file that holds everything, open in one process at a time; `serve` and `publish` create it if it does not
    /// exist
    #[arg(long, value_name = "FILE", conflicts_with = "dynamodb")]
    pub data: Option<PathBuf>,

    /// A DynamoDB endpoint instead of a file, such as http://127.0.0.1:8000. Region and credentials come from
    /// AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, where they are set
    #[arg(long, value_name = "URL")]
    pub dynamodb: Option<String>,

    /// The prefix of the tables' names
    #[arg(long, value_name = "NAME", default_value = "echelon")]
    pub prefix: String,

    /// The tables of a deployed system, as its outputs name them: members, ledger, control. None is created then
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

impl StoreLocation {
    /// No store at all: the command asks a served system.
    pub fn nowhere() -> Self {
        Self { data: None, dynamodb: None, prefix: String::new(), tables: None }
    }

    /// Whether no location is given.
    pub fn is_nowhere(&self) -> bool {
        self.data.is_none() && self.dynamodb.is_none()
    }

    /// Whether only one process has it open.
    pub fn is_alone(&self) -> bool {
        self.dynamodb.is_none()
    }

    /// The delay until a version takes effect if no instant is named.
    pub fn ahead_ms(&self) -> i64 {
        if self.is_alone() { 0 } else { AHEAD_MS }
    }

    /// A sweep that advances all members of a store past midnights and changes of rules, in this process.
    pub fn sweep(&self, store: &Store) -> Sweep<Here> {
        Sweep::new(store.clone(), Here::default(), Clock::new(local::now), sweeper::settings(self.is_alone()))
    }

    /// The location in words.
    pub fn name(&self) -> String {
        match (&self.dynamodb, &self.data) {
            (Some(url), _) => url.clone(),
            (None, Some(file)) => file.display().to_string(),
            (None, None) => "memory".to_owned(),
        }
    }

    /// Opens an existing store; nothing is created. Without a location, it is a new store in memory.
    ///
    /// # Errors
    /// Names the file, the endpoint or the table that does not exist, and says what to do.
    pub async fn store(&self) -> Result<Store, CommandError> {
        Ok(self.connect(Absent::Refused).await?.0)
    }

    /// Opens an existing store, and returns it together with the local store if that is in this process.
    ///
    /// # Errors
    /// The same as for [`Self::store`].
    pub async fn store_here(&self) -> Result<(Store, Option<embedded_dynamodb::Store>), CommandError> {
        self.connect(Absent::Refused).await
    }

    /// Opens only the store. A deployed one is used as it is; for any other, missing tables are created.
    ///
    /// # Errors
    /// Names the file or the endpoint, and says what to do.
    pub async fn store_or_new(&self) -> Result<Store, CommandError> {
        Ok(self.connect(Absent::Made).await?.0)
    }

    /// Opens an existing store and its queues.
    ///
    /// # Errors
    /// The same as for [`Self::store`].
    pub async fn open(&self) -> Result<Opened, CommandError> {
        self.open_with(Absent::Refused).await
    }

    /// Opens the store and its queues, and creates them if they do not exist.
    ///
    /// # Errors
    /// Names the file or the endpoint, and says what to do.
    pub async fn open_or_new(&self) -> Result<Opened, CommandError> {
        self.open_with(Absent::Made).await
    }

    async fn open_with(&self, absent: Absent) -> Result<Opened, CommandError> {
        if self.tables.is_some() {
            return Err(CommandError::input("--tables: a deployed system serves itself, with queues of its own"));
        }
        let ((store, here), shared) = (self.connect(absent).await?, self.dynamodb.is_some());
        let queues = Queues::open(store.client().clone(), &self.prefix, shared).await;
        let queues = queues.map_err(|error| self.wrong(error.to_string()))?;
        Ok(Opened { store, queues, here, alone: !shared })
    }

    async fn connect(&self, absent: Absent) -> Result<(Store, Option<embedded_dynamodb::Store>), CommandError> {
        let said = |error: embedded_dynamodb::OpenError| CommandError::input(error.in_full());
        let here = match (&self.dynamodb, &self.data, absent) {
            (Some(_), ..) => None,
            (None, Some(file), Absent::Made) => Some(embedded_dynamodb::Store::open(file).map_err(said)?),
            (None, Some(file), Absent::Refused) => Some(embedded_dynamodb::Store::open_existing(file).map_err(said)?),
            (None, None, _) => Some(embedded_dynamodb::Store::memory().map_err(said)?),
        };
        if here.as_ref().is_some_and(embedded_dynamodb::Store::is_exposed) {
            warn(true, &format!("{}: others may read it, and it is not this user's to take that away", self.name()));
        }
        let client = match (&here, &self.dynamodb) {
            (None, Some(url)) => remote(url)?,
            (Some(store), _) => store.client(),
            (None, None) => return Err(CommandError::input("say which store: --data FILE, or --dynamodb URL")),
        };
        let tables = self.tables.clone().unwrap_or_else(|| Tables::prefixed(&self.prefix));
        if self.dynamodb.is_some() {
            // Checked before anything is created there, for every command: otherwise reads would find nothing, and
            // writes would fail later.
            table::has_transactions(&client, &tables).await.map_err(|error| self.wrong(error.to_string()))?;
        }
        let is_new = absent == Absent::Made || self.is_nowhere();
        match (is_new, &self.tables) {
            (true, None) => self.make(&client, &tables).await?,
            (true, Some(_)) => {}
            (false, _) => self.find(&client, &tables).await?,
        }
        Ok((Store::new(client, tables).with_zones(crate::zones().clone()), here))
    }

    async fn make(&self, client: &Client, tables: &Tables) -> Result<(), CommandError> {
        create_unstreamed(client, tables).await.map_err(|error| self.wrong(error.to_string()))?;
        if self.dynamodb.is_none() {
            return Ok(());
        }
        table::ready(client, tables).await.map_err(|error| self.wrong(error.to_string()))
    }

    async fn find(&self, client: &Client, tables: &Tables) -> Result<(), CommandError> {
        let missing = table::missing(client, tables).await.map_err(|error| self.wrong(error.to_string()))?;
        let Some(missing) = missing else { return Ok(()) };
        let names = if self.tables.is_some() { "--tables" } else { "--prefix" };
        Err(self.wrong(match (&self.dynamodb, variable("AWS_REGION")) {
            (Some(_), Some(region)) => format!(
                "there is no table `{missing}` in the region {region}: nothing was made; name another region (AWS_REGION) or other tables ({names})"
            ),
            (Some(_), None) | (None, _) => {
                format!("there is no table `{missing}`: nothing was made; name another file, or other tables ({names})")
            }
        }))
    }

    /// Checks a file before it is served, unless that would take long.
    ///
    /// # Errors
    /// An error that says what is damaged, and what to do.
    pub async fn look_through(&self, opened: &Opened) -> Result<(), CommandError> {
        let Some((store, path)) = opened.here.as_ref().and_then(|store| store.path().map(|path| (store, path))) else {
            return Ok(());
        };
        let bytes = path.metadata().map_or(0, |metadata| metadata.len());
        if bytes > LOOKED_THROUGH_BYTES_MAX {
            say(&format!(
                "{} has {} MB and is not looked through for damage at the start; `echelon verify` does, when it is stopped",
                self.name(),
                bytes / 1_000_000
            ));
            return Ok(());
        }
        let found = store.check(true).await.map_err(|error| self.wrong(error.to_string()))?;
        let Some(first) = found.first() else { return Ok(()) };
        Err(self.wrong(format!(
            "the file is damaged in {} place{}, first: {first}\n       keep it as it is, and restore the last backup under another name (`echelon restore`);\n       `echelon verify` says which members cannot be read, and `echelon backup` copies nothing damaged",
            found.len(),
            if found.len() == 1 { "" } else { "s" }
        )))
    }

    fn wrong(&self, what: String) -> CommandError {
        CommandError::input(format!("{}: {what}", self.name()))
    }
}

fn remote(url: &str) -> Result<Client, CommandError> {
    let is_url =
        |url: &Uri| matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some_and(|it| !it.is_empty());
    if !url.parse().as_ref().is_ok_and(is_url) {
        return Err(CommandError::input(format!(
            "--dynamodb {url}: it is not the URL of an endpoint, such as http://127.0.0.1:8000"
        )));
    }
    let settings = aws_sdk_dynamodb::config::Builder::from(&config()?).endpoint_url(url);
    Ok(Client::from_conf(settings.build()))
}

/// The configuration for AWS, from the environment.
///
/// # Errors
/// If a variable is missing that has no default.
pub fn config() -> Result<SdkConfig, CommandError> {
    aws::config_of_a_command(variable).map_err(CommandError::input)
}

/// The value in the environment, or a default: a local endpoint accepts any credentials, but not none.
fn variable(name: &str) -> Option<String> {
    let default = || match name {
        "AWS_REGION" => crate::environment("AWS_DEFAULT_REGION").or_else(|| Some("us-east-1".to_owned())),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("local".to_owned()),
        _ => None,
    };
    crate::environment(name).or_else(default)
}
