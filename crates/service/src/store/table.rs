//! The tables: what `template.yaml` deploys (a test holds it against this), and what is made on one machine.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BoxError, DisplayErrorContext};
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, StreamSpecification, StreamViewType,
};

use super::key::{self, Spread};

/// The tables of a deployment: what they are called, and how a shop lies in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    /// One item per member, and the pages of heavy ones.
    pub members: String,
    /// One row per business thing, transition and reward.
    pub ledger: String,
    /// Program versions, shops, jobs with what they found, quarantine.
    pub control: String,
    /// How a shop is spread over partitions.
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

/// A table as it has to be. All keys are text, and every table is billed by request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its name in the template's resources.
    pub resource: &'static str,
    /// Its global indexes; all of them hold keys only.
    pub indexes: &'static [Index],
    /// Whether changes are streamed, with the new item.
    pub streamed: bool,
    /// The attribute with the second after which DynamoDB may delete an item. On one machine nothing does: there it is
    /// looked after by whoever wrote it ([`crate::lists::tidy`]), and clocks may be moved.
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

/// The attribute with the second after which an item may go, counted from 1970.
pub const EXPIRES_AT: &str = "expires_at";

/// members.
pub const MEMBERS: Table = Table { resource: "MembersTable", indexes: &[], streamed: false, expires: None };
/// ledger.
pub const LEDGER: Table = Table {
    resource: "LedgerTable",
    indexes: &[Index { name: BY_MEMBER, key: key::BY_MEMBER }, Index { name: UNPUBLISHED, key: key::UNPUBLISHED }],
    streamed: true,
    expires: None,
};
/// control.
pub const CONTROL: Table = Table { resource: "ControlTable", indexes: &[], streamed: false, expires: Some(EXPIRES_AT) };
/// queues: only on one machine, where queues are rows; in AWS they are queues.
pub const QUEUES: Table = Table { resource: "QueuesTable", indexes: &[], streamed: false, expires: None };

/// Makes the tables on one machine, those that are not there yet. In AWS the template does.
///
/// # Errors
/// What the database says.
pub async fn create(client: &Client, tables: &Tables) -> Result<(), BoxError> {
    make_all(client, tables, LEDGER).await
}

/// The same without a stream, for who looks into the outboxes instead: the embedded store reads all of a stream whenever
/// it adds to it, which a history of some ten thousand events would never end.
///
/// # Errors
/// What the database says.
pub async fn create_unstreamed(client: &Client, tables: &Tables) -> Result<(), BoxError> {
    make_all(client, tables, Table { streamed: false, ..LEDGER }).await
}

async fn make_all(client: &Client, tables: &Tables, ledger: Table) -> Result<(), BoxError> {
    for (name, table) in [(&tables.members, MEMBERS), (&tables.ledger, ledger), (&tables.control, CONTROL)] {
        make(client, name, table).await?;
    }
    Ok(())
}

/// Makes a table if it is not there yet.
///
/// # Errors
/// What the database says.
pub async fn make(client: &Client, name: &str, table: Table) -> Result<(), BoxError> {
    let made = described(client.create_table().table_name(name), table)?.send().await;
    match made.map_err(aws_sdk_dynamodb::Error::from) {
        Ok(_) | Err(aws_sdk_dynamodb::Error::ResourceInUseException(_)) => Ok(()),
        Err(error) => Err(format!("table `{name}`: {}", DisplayErrorContext(&error)).into()),
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
