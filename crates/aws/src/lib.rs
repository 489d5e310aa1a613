//! The clients of AWS services, created in one place: all functions wait and retry in the same way.
//!
//! They are created by hand from the variables that Lambda sets. The SDK's own configuration brings every way of
//! getting credentials, for which a function would pay at each cold start.

mod bodies;
mod bus;
pub mod function;
mod quarantine;
mod segments;

pub use bodies::{Limits, SqsBodies, Urls};
pub use bus::EventBridge;
pub use quarantine::SqsQuarantine;
pub use segments::{Queues, SqsSegmentQueue};

use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider, SharedHttpClient};
use aws_sdk_sqs::error::{DisplayErrorContext, SdkError};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
pub use aws_types::SdkConfig;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use engine::clock::Clock;
use engine::sweep::{MARGIN, PAGE, Settings, Sweep};
use engine::transport::TransportError;
use engine::zones::{self, FolderError};
use store::Store;
use store::shop::{AliasError, Aliases};
use store::table::Tables;
use thiserror::Error;

/// The limit for connecting: a connection within a region takes milliseconds, or is not worth waiting for.
const CONNECT: Duration = Duration::from_secs(1);

/// The limit of one attempt: 99 % of transactions with 5 items are done in 100 ms. An attempt that takes this long was
/// lost, and is retried.
const ATTEMPT: Duration = Duration::from_millis(2_500);

/// The limit of all attempts together. A commit may not take longer: a later one could straddle a midnight.
const OPERATION: Duration = Duration::from_secs(5);

/// The number of attempts by the SDK, which backs off with jitter. Retries are safe: every write is conditional on what
/// was read, and a transaction that is sent again carries the same token and is carried out once. If all attempts fail,
/// the queue or the stream retries the work as a whole.
const ATTEMPTS: u32 = 3;

/// The time after which a segment of a sweep is given back, well before the function is stopped (60 s).
const BUDGET: Duration = Duration::from_secs(40);
/// The time for which a tick continues deleting shops, after all other due work.
const REDACTION: Duration = Duration::from_secs(10);

/// The roots of Amazon. The certificates of AWS's endpoints lead to one of them, and a function connects to no other
/// hosts. Reading a machine's roots instead would take most of a cold start.
const AMAZON_ROOTS: &str = include_str!("amazon-roots.pem");

/// A function that reads a variable of the environment, and yields none for an empty one.
pub type Variable = fn(&str) -> Option<String>;

/// A missing variable without which clients cannot be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the environment has no `{0}`")]
pub struct MissingVariableError(&'static str);

/// The reason why a function cannot start.
#[derive(Debug, Error)]
pub enum SetUpError {
    /// The environment lacks a variable.
    #[error(transparent)]
    MissingVariable(#[from] MissingVariableError),
    /// `SHOP_ALIASES` has an alias that is not clear.
    #[error("SHOP_ALIASES: an alias is not clear")]
    Alias(#[from] AliasError),
    /// The folder of zones cannot be used.
    #[error(transparent)]
    Zones(#[from] FolderError),
}

/// The configuration of a function, from the variables that Lambda sets; they last as long as its process. Create
/// clients before the first event comes: at the start of a function the CPU is not rationed.
///
/// It trusts Amazon's own roots and no others, unless `SSL_CERT_FILE` names a file of roots: for a proxy that inspects
/// traffic, or a partition with other roots.
///
/// # Errors
/// Names the missing variable.
pub fn config(variable: Variable) -> Result<SdkConfig, MissingVariableError> {
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT);
    let http = if variable("SSL_CERT_FILE").is_some() { https() } else { https_to_aws() };
    let config = of_variables(variable, http)?.into_builder();
    let config = config.timeout_config(timeouts.operation_timeout(OPERATION).build());
    Ok(config.retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS)).build())
}

/// The configuration of a command: without time limits of ours, and trusting the roots of the user's machine.
///
/// # Errors
/// Names the missing variable.
pub fn config_of_a_command(variable: Variable) -> Result<SdkConfig, MissingVariableError> {
    of_variables(variable, https())
}

fn of_variables(variable: Variable, http: SharedHttpClient) -> Result<SdkConfig, MissingVariableError> {
    let need = |name| need(variable, name);
    let (id, secret) = (need("AWS_ACCESS_KEY_ID")?, need("AWS_SECRET_ACCESS_KEY")?);
    let credentials = Credentials::new(id, secret, variable("AWS_SESSION_TOKEN"), None, "environment");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(need("AWS_REGION")?))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .service_config(Endpoints(variable))
        .http_client(http);
    Ok(config.build())
}

/// An HTTP client that trusts the roots of this machine. It speaks plain HTTP to endpoints without HTTPS.
pub fn https() -> SharedHttpClient {
    trusting(TrustStore::default())
}

fn https_to_aws() -> SharedHttpClient {
    trusting(TrustStore::empty().with_pem_certificate(AMAZON_ROOTS))
}

fn trusting(roots: TrustStore) -> SharedHttpClient {
    let client = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    match TlsContext::builder().with_trust_store(roots).build() {
        Ok(context) => client.tls_context(context).build_https(),
        // This never happens: the context is only assembled here, and its roots are read when the first client is
        // created.
        Err(_) => client.build_https(),
    }
}

/// The endpoints of services that are not in their region: `AWS_ENDPOINT_URL_DYNAMODB` and its like, or
/// `AWS_ENDPOINT_URL` for all.
#[derive(Debug)]
struct Endpoints(Variable);

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let service = key.service_id().to_uppercase().replace(' ', "_");
        (self.0)(&format!("{}_{service}", key.env())).or_else(|| (self.0)(key.env()))
    }
}

/// Opens the tables, with the release of zones that programs are read by.
///
/// # Errors
/// Names the missing variable, or the folder of zones that cannot be used.
pub fn store(config: &SdkConfig, variable: Variable) -> Result<Store, SetUpError> {
    let zones = zones::in_use(variable).inspect_err(|error| tracing::error!("{}", error.in_full()))?;
    tracing::info!(zones = %zones.release(), "the release of the time zone database in use");
    // A parameter of CloudFormation is one text.
    let named = variable("SHOP_ALIASES").unwrap_or_default();
    let aliases = Aliases::read(named.split(',').map(str::trim).filter(|alias| !alias.is_empty()))?;
    let store = Store::new(aws_sdk_dynamodb::Client::new(config), tables(variable)?);
    Ok(store.with_zones(zones).with_aliases(aliases))
}

/// Opens the bus on which events are announced.
pub fn bus(config: &SdkConfig, name: &str) -> EventBridge {
    EventBridge::new(aws_sdk_eventbridge::Client::new(config), name)
}

fn tables(variable: Variable) -> Result<Tables, MissingVariableError> {
    let need = |name| need(variable, name);
    Ok(Tables::named(need("MEMBERS_TABLE")?, need("LEDGER_TABLE")?, need("CONTROL_TABLE")?))
}

/// Reads a required variable.
///
/// # Errors
/// Names the missing variable.
pub fn need(variable: Variable, name: &'static str) -> Result<String, MissingVariableError> {
    variable(name).ok_or(MissingVariableError(name))
}

/// Creates the sweeps of a function, on the queues of segments.
///
/// # Errors
/// Names the missing variable.
pub fn sweep(
    config: &SdkConfig,
    variable: Variable,
    store: Store,
    clock: Clock,
) -> Result<Sweep<SqsSegmentQueue>, MissingVariableError> {
    let need = |name| need(variable, name);
    let queues = Queues { rollover: need("ROLLOVER_QUEUE_URL")?, recalculation: need("RECALCULATION_QUEUE_URL")? };
    let workers = SqsSegmentQueue::new(aws_sdk_sqs::Client::new(config), queues);
    // Every instance of a function has its own log stream, and works on one event at a time.
    let owner = need("AWS_LAMBDA_LOG_STREAM_NAME")?;
    let settings = Settings { owner, margin: MARGIN, budget: BUDGET, together: 1, page: PAGE, redaction: REDACTION };
    Ok(Sweep::new(store, workers, clock, settings))
}

/// Creates the bodies of the quarantine, for a function whose caller waits for an answer.
///
/// # Errors
/// Names the missing variable.
pub fn bodies(
    config: &SdkConfig,
    variable: Variable,
    store: Store,
    clock: Clock,
) -> Result<SqsBodies, MissingVariableError> {
    let urls =
        Urls { quarantine: need(variable, "QUARANTINE_QUEUE_URL")?, ingest: need(variable, "INGEST_QUEUE_URL")? };
    Ok(SqsBodies::new(aws_sdk_sqs::Client::new(config), urls, store, clock, Limits::OF_AN_ANSWER))
}

/// The error of a queue, with all its causes.
fn failed<E, R>(error: SdkError<E, R>) -> TransportError
where
    E: std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    TransportError::of(DisplayErrorContext(&error).to_string(), error)
}

/// Opens the queue of quarantined bodies.
pub fn quarantine(config: &SdkConfig, url: &str) -> SqsQuarantine {
    SqsQuarantine::new(aws_sdk_sqs::Client::new(config), url)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use sha2::{Digest, Sha256};

    use super::*;
    use engine::ingest::Quarantine;

    /// The fingerprints that Amazon publishes.
    const FINGERPRINTS: [&str; 5] = [
        "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
        "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
        "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
        "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
        "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
    ];

    #[test]
    fn the_roots_are_those_of_amazon() {
        let certificates = AMAZON_ROOTS.split("-----BEGIN CERTIFICATE-----\n").skip(1);
        let fingerprint = |certificate: &str| {
            let (body, _) = certificate.split_once("-----END").unwrap();
            let der = base64::engine::general_purpose::STANDARD.decode(body.replace('\n', "")).unwrap();
            Sha256::digest(der).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        assert_eq!(certificates.map(fingerprint).collect::<Vec<_>>(), FINGERPRINTS);
    }

    #[tokio::test]
    async fn a_client_is_made_of_what_lambda_sets_and_its_roots_read() {
        let config = config(|name| match name {
            "AWS_REGION" => Some("eu-central-1".to_owned()),
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("none".to_owned()),
            "AWS_ENDPOINT_URL_SQS" => Some("https://127.0.0.1:1".to_owned()),
            _ => None,
        });
        // Nothing listens there; a root that cannot be read would fail before that, with another error.
        let why =
            quarantine(&config.unwrap(), "https://127.0.0.1:1/queue").put(&[("1".to_owned(), "{}")]).await.unwrap_err();
        assert!(why.to_string().contains("dispatch failure"), "{why}");
        let missing = super::config(|name| (name != "AWS_REGION").then(|| "set".to_owned()));
        assert_eq!(missing.unwrap_err(), MissingVariableError("AWS_REGION"));
    }
}
