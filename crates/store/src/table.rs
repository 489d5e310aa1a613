//! The tables: those that `template.yaml` deploys (a test compares them with this), and those that a single machine
//! creates.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BoxError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, ConditionCheck, GlobalSecondaryIndex, KeySchemaElement, KeyType,
    Projection, ProjectionType, ScalarAttributeType, StreamSpecification, StreamViewType, TableStatus,
    TransactWriteItem,
};
use thiserror::Error;

use super::error::in_words;
use super::key::{self, Spread};

/// The tables of a deployment: their names, and the spread of a shop in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    /// One item per member, and the pages of heavy ones.
    pub members: String,
    /// One row per subject, transition and reward.
    pub ledger: String,
    /// Program versions, shops, jobs with what they found, quarantine.
    pub control: String,
    /// The spread of a shop over partitions.
    pub spread: Spread,
}

impl Tables {
    /// Tables of these names.
    pub fn named(members: String, ledger: String, control: String) -> Self {
        Self { members, ledger, control, spread: Spread::DEPLOYED }
    }

    /// Tables with a common prefix: `echelon` gives `echelon-members`, `echelon-ledger`, `echelon-control`.
    pub fn prefixed(prefix: &str) -> Self {
        let name = |table| format!("{prefix}-{table}");
        Self::named(name("members"), name("ledger"), name("control"))
    }
}

/// The definition of a table. All keys are text, and every table is billed by request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its name in the template's resources.
    pub resource: &'static str,
    /// Its global indexes; all of them hold keys only.
    pub indexes: &'static [Index],
    /// Whether changes are streamed, with the new item.
    pub streamed: bool,
    /// The attribute with the second after which DynamoDB may delete an item. On a single machine nothing deletes
    /// expired items, and the clock may be moved: the writer of an item removes it (`engine::lists::tidy`).
    pub expires: Option<&'static str>,
}

/// A global index, keys only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: &'static str,
    /// Its partition key and its sort key.
    pub key: (&'static str, &'static str),
}

/// The index of the ledger by member.
pub const BY_MEMBER: &str = "by-member";
/// The sparse index of the ledger's rows that are not published yet.
pub const UNPUBLISHED: &str = "unpublished";

/// The attribute with the second after which an item may be deleted, counted from 1970.
pub const EXPIRES_AT: &str = "expires_at";

/// The members table.
pub const MEMBERS: Table = Table { resource: "MembersTable", indexes: &[], streamed: false, expires: None };
/// The ledger table.
pub const LEDGER: Table = Table {
    resource: "LedgerTable",
    indexes: &[Index { name: BY_MEMBER, key: key::BY_MEMBER }, Index { name: UNPUBLISHED, key: key::UNPUBLISHED }],
    streamed: true,
    expires: None,
};
/// The control table.
pub const CONTROL: Table = Table { resource: "ControlTable", indexes: &[], streamed: false, expires: Some(EXPIRES_AT) };
/// The queues table, only on a single machine, where queues are rows. In AWS they are queues.
pub const QUEUES: Table = Table { resource: "QueuesTable", indexes: &[], streamed: false, expires: None };

/// Creates the missing tables on a single machine. In AWS the template does.
///
/// # Errors
/// The database's error.
pub async fn create(client: &Client, tables: &Tables) -> Result<(), BoxError> {
    make_all(client, tables, LEDGER).await
}

/// Creates the missing tables without a stream, for a process that reads the outboxes instead. The embedded store reads
/// the whole stream whenever it adds to it; with a history of ten thousand events, that would never end.
///
/// # Errors
/// The database's error.
pub async fn create_unstreamed(client: &Client, tables: &Tables) -> Result<(), BoxError> {
    make_all(client, tables, Table { streamed: false, ..LEDGER }).await
}

async fn make_all(client: &Client, tables: &Tables, ledger: Table) -> Result<(), BoxError> {
    for (name, table) in [(&tables.members, MEMBERS), (&tables.ledger, ledger), (&tables.control, CONTROL)] {
        make(client, name, table).await?;
    }
    Ok(())
}

/// Creates a table if it does not exist yet.
///
/// # Errors
/// The database's error.
pub async fn make(client: &Client, name: &str, table: Table) -> Result<(), BoxError> {
    let made = described(client.create_table().table_name(name), table)?.send().await;
    match made {
        Err(error) if error.code() != Some("ResourceInUseException") => Err(TableError::of(name, &error).into()),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The reason why a database cannot be used, or a table can be neither created nor described.
#[derive(Debug, Error)]
pub enum TableError {
    /// There is no answer, or none from DynamoDB.
    #[error("{0}")]
    NoAnswer(String),
    /// The database does not support transactions.
    #[error("it has no transactions (TransactWriteItems), without which nothing is kept: use another store")]
    NoTransactions,
    /// The database does not accept the caller's identity.
    #[error(
        "the credentials are refused ({code}): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_SESSION_TOKEN if they are temporary"
    )]
    Credentials {
        /// The database's code.
        code: String,
    },
    /// The caller's credentials lack a permission.
    #[error("table `{name}`: these credentials may not do that: {said}")]
    Denied {
        /// The table's name.
        name: String,
        /// The database's message.
        said: String,
    },
    /// The table was created, but cannot be used yet.
    #[error("table `{name}` is not ready after {} s: try again later", READY_MAX.as_secs())]
    NotReady {
        /// The table's name.
        name: String,
    },
    /// Any other error.
    #[error("table `{name}`: {said}")]
    Failed {
        /// The table's name.
        name: String,
        /// The database's message, with its causes.
        said: String,
    },
}

impl TableError {
    fn of<E, R>(name: &str, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        let (name, code) = (name.to_owned(), error.code().unwrap_or_default());
        match code {
            "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "IncompleteSignatureException"
            | "MissingAuthenticationTokenException"
            | "ExpiredTokenException"
            | "InvalidClientTokenId" => Self::Credentials { code: code.to_owned() },
            "AccessDeniedException" => Self::Denied { name, said: error.message().unwrap_or(code).to_owned() },
            "" => Self::NoAnswer(in_words(error)),
            _ => Self::Failed { name, said: in_words(error) },
        }
    }
}

/// The first table that does not exist. A table that may not be described counts as existing: the caller gets an error
/// when it uses the table.
///
/// # Errors
/// [`TableError`].
pub async fn missing(client: &Client, tables: &Tables) -> Result<Option<String>, TableError> {
    for name in [&tables.members, &tables.ledger, &tables.control] {
        match client.describe_table().table_name(name).send().await {
            Err(error) if error.code() == Some("ResourceNotFoundException") => return Ok(Some(name.clone())),
            Err(error) if error.code() != Some("AccessDeniedException") => return Err(TableError::of(name, &error)),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(None)
}

/// The longest wait for new tables, and the pause between looks.
const READY_MAX: Duration = Duration::from_secs(120);
const LOOKED_AT_EVERY: Duration = Duration::from_millis(500);

/// Waits until tables that were just created can be used.
///
/// # Errors
/// [`TableError`].
pub async fn ready(client: &Client, tables: &Tables) -> Result<(), TableError> {
    for name in [&tables.members, &tables.ledger, &tables.control] {
        one_ready(client, name).await?;
    }
    Ok(())
}

/// Waits until one table can be used.
///
/// # Errors
/// [`TableError`].
pub async fn one_ready(client: &Client, name: &str) -> Result<(), TableError> {
    let until = tokio::time::Instant::now() + READY_MAX;
    loop {
        let table = match client.describe_table().table_name(name).send().await {
            // The table exists. A caller that may not describe it learns its state by using it.
            Err(error) if error.code() == Some("AccessDeniedException") => return Ok(()),
            // A new table may not be visible everywhere at once.
            Err(error) if error.code() == Some("ResourceNotFoundException") => None,
            answer => answer.map_err(|error| TableError::of(name, &error))?.table,
        };
        let is_made = |status| !matches!(status, TableStatus::Creating | TableStatus::Deleting);
        if table.is_some_and(|table| table.table_status.is_none_or(is_made)) {
            return Ok(());
        }
        if tokio::time::Instant::now() >= until {
            return Err(TableError::NotReady { name: name.to_owned() });
        }
        tokio::time::sleep(LOOKED_AT_EVERY).await;
    }
}

/// Checks that the database has transactions, without which nothing can be written: some databases with DynamoDB's API
/// have none. It sends a transaction that writes nothing, whether or not the tables exist. The database counts as
/// having no transactions only if it says that it does not know the operation.
///
/// # Errors
/// [`TableError::NoTransactions`], or [`TableError::NoAnswer`].
pub async fn has_transactions(client: &Client, tables: &Tables) -> Result<(), TableError> {
    let absent = || AttributeValue::S("absent".to_owned());
    let check = ConditionCheck::builder().table_name(&tables.control).key(key::PK, absent()).key(key::SK, absent());
    let Ok(check) = check.condition_expression(format!("attribute_not_exists({})", key::PK)).build() else {
        return Ok(());
    };
    let asked =
        client.transact_write_items().transact_items(TransactWriteItem::builder().condition_check(check).build());
    let Err(error) = asked.send().await else { return Ok(()) };
    match error.code() {
        None => Err(TableError::NoAnswer(in_words(&error))),
        Some(code) if ["UnknownOperation", "NotImplemented"].iter().any(|unknown| code.contains(unknown)) => {
            Err(TableError::NoTransactions)
        }
        // Missing tables or refused credentials: the next request will say so, and which.
        Some(_) => Ok(()),
    }
}

fn described(request: CreateTableFluentBuilder, table: Table) -> Result<CreateTableFluentBuilder, BoxError> {
    let mut request = request.billing_mode(BillingMode::PayPerRequest);
    request = request.set_key_schema(Some(schema((key::PK, key::SK))?));
    let mut names = vec![key::PK, key::SK];
    for index in table.indexes {
        names.extend([index.key.0, index.key.1]);
        let only_keys = Projection::builder().projection_type(ProjectionType::KeysOnly).build();
        let described = GlobalSecondaryIndex::builder().index_name(index.name).projection(only_keys);
        let described = described.set_key_schema(Some(schema(index.key)?)).build()?;
        request = request.global_secondary_indexes(described);
    }
    for name in names {
        let text = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        request = request.attribute_definitions(text.build()?);
    }
    if table.streamed {
        let stream = StreamSpecification::builder().stream_enabled(true).stream_view_type(StreamViewType::NewImage);
        request = request.stream_specification(stream.build()?);
    }
    Ok(request)
}

fn schema((pk, sk): (&str, &str)) -> Result<Vec<KeySchemaElement>, BoxError> {
    let element = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    Ok(vec![element(pk, KeyType::Hash)?, element(sk, KeyType::Range)?])
}
