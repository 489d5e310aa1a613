//! The clients of AWS, made in one place, so that every function waits and tries again in the same way.
//!
//! They are made by hand of the variables that Lambda sets: the SDK's own configuration brings every way of getting
//! credentials there is, which a function pays for at each cold start.

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
use store::table::Tables;
use thiserror::Error;

/// A connection within a region stands in milliseconds, or is not worth waiting for.
const CONNECT: Duration = Duration::from_secs(1);

/// Of 5-item transactions 99 % are done in 100 ms: what takes this long was lost, and is asked again.
const ATTEMPT: Duration = Duration::from_millis(2_500);

/// With all attempts. A commit may not take longer: a later one could straddle a midnight.
const OPERATION: Duration = Duration::from_secs(5);

/// Attempts by the SDK, which backs off with jitter. They are safe: every write is conditioned on what was read, and a
/// transaction that is sent again carries the same token, so that it is done once. What is still not done is tried
/// again by the queue or the stream, as a whole.
const ATTEMPTS: u32 = 3;

/// A segment of a sweep is given back after so long, well before the function is stopped (60 s).
const BUDGET: Duration = Duration::from_secs(40);
/// A tick goes on deleting shops for so long, after all that the shops have due.
const REDACTION: Duration = Duration::from_secs(10);

/// What AWS's endpoints show leads to one of these, and a function talks to nobody else. Reading a machine's roots
/// instead is most of what a cold start would take.
const AMAZON_ROOTS: &str = include_str!("amazon-roots.pem");

/// How a variable of the environment is read; none is as good as an empty one.
pub type Variable = fn(&str) -> Option<String>;

/// A variable that clients cannot be made without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the environment has no `{0}`")]
pub struct MissingVariableError(&'static str);

/// Why a function cannot start.
#[derive(Debug, Error)]
pub enum SetUpError {
    /// The environment lacks a variable.
    #[error(transparent)]
    MissingVariable(#[from] MissingVariableError),
    /// The folder of zones that it names cannot be used.
    #[error(transparent)]
    Zones(#[from] FolderError),
}

/// The configuration of a function, from the variables that Lambda sets; they last as long as its process. Make clients
/// of it before the first event comes: what is set up at the start is set up while the CPU is not rationed.
///
/// Amazon's own roots are trusted and no others, unless `SSL_CERT_FILE` names a file of roots: for a proxy that reads
/// along, or a partition that has others.
///
/// # Errors
/// Names the variable that is missing.
pub fn config(variable: Variable) -> Result<SdkConfig, MissingVariableError> {
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT);
    let http = if variable("SSL_CERT_FILE").is_some() { https() } else { https_to_aws() };
    let config = of_variables(variable, http)?.into_builder();
    let config = config.timeout_config(timeouts.operation_timeout(OPERATION).build());
    Ok(config.retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS)).build())
}

/// The configuration of a program that somebody started: patient, and trusting whom their machine trusts.
///
/// # Errors
/// Names the variable that is missing.
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

/// HTTPS, or HTTP where an endpoint has no other, that trusts the roots of this machine.
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
        // Never so: a context is only put together here, and read when the first client is made.
        Err(_) => client.build_https(),
    }
}

/// `AWS_ENDPOINT_URL_DYNAMODB` and its like, and `AWS_ENDPOINT_URL` for all: where a service is, if not in its region.
#[derive(Debug)]
struct Endpoints(Variable);

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let service = key.service_id().to_uppercase().replace(' ', "_");
        (self.0)(&format!("{}_{service}", key.env())).or_else(|| (self.0)(key.env()))
    }
}

/// The tables, and the release of the time zone database that their programs are read by.
///
/// # Errors
/// Names the variable that is missing, or the folder of zones that cannot be used.
pub fn store(config: &SdkConfig, variable: Variable) -> Result<Store, SetUpError> {
    let zones = zones::in_use(variable).inspect_err(|error| tracing::error!("{}", error.in_full()))?;
    tracing::info!(zones = %zones.release(), "the release of the time zone database in use");
    Ok(Store::new(aws_sdk_dynamodb::Client::new(config), tables(variable)?).with_zones(zones))
}

/// The bus that events are announced on.
pub fn bus(config: &SdkConfig, name: &str) -> EventBridge {
    EventBridge::new(aws_sdk_eventbridge::Client::new(config), name)
}

fn tables(variable: Variable) -> Result<Tables, MissingVariableError> {
    let need = |name| need(variable, name);
    Ok(Tables::named(need("MEMBERS_TABLE")?, need("LEDGER_TABLE")?, need("CONTROL_TABLE")?))
}

/// A variable that there must be.
///
/// # Errors
/// Names it, if there is none.
pub fn need(variable: Variable, name: &'static str) -> Result<String, MissingVariableError> {
    variable(name).ok_or(MissingVariableError(name))
}

/// Sweeps as a function does them, over the queues of its segments.
///
/// # Errors
/// Names the variable that is missing.
pub fn sweep(
    config: &SdkConfig,
    variable: Variable,
    store: Store,
    clock: Clock,
) -> Result<Sweep<SqsSegmentQueue>, MissingVariableError> {
    let need = |name| need(variable, name);
    let queues = Queues { rollover: need("ROLLOVER_QUEUE_URL")?, recalculation: need("RECALCULATION_QUEUE_URL")? };
    let workers = SqsSegmentQueue::new(aws_sdk_sqs::Client::new(config), queues);
    // Every instance of a function has a log stream of its own, and works on one thing at a time.
    let owner = need("AWS_LAMBDA_LOG_STREAM_NAME")?;
    let settings = Settings { owner, margin: MARGIN, budget: BUDGET, together: 1, page: PAGE, redaction: REDACTION };
    Ok(Sweep::new(store, workers, clock, settings))
}

/// What was quarantined, and trying it again, as a function does it that somebody waits for.
///
/// # Errors
/// Names the variable that is missing.
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

/// What a queue said, with all that caused it.
fn failed<E, R>(error: SdkError<E, R>) -> TransportError
where
    E: std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    TransportError::of(DisplayErrorContext(&error).to_string(), error)
}

/// The queue for what can never succeed.
pub fn quarantine(config: &SdkConfig, url: &str) -> SqsQuarantine {
    SqsQuarantine::new(aws_sdk_sqs::Client::new(config), url)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use sha2::{Digest, Sha256};

    use super::*;
    use engine::ingest::Quarantine;

    /// As Amazon publishes them.
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
        // Nothing listens there; a root that does not read would be told of before.
        let why = quarantine(&config.unwrap(), "https://127.0.0.1:1/queue").put("1", "{}").await.unwrap_err();
        assert!(why.to_string().contains("dispatch failure"), "{why}");
        let missing = super::config(|name| (name != "AWS_REGION").then(|| "set".to_owned()));
        assert_eq!(missing.unwrap_err(), MissingVariableError("AWS_REGION"));
    }
}
