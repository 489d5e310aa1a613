//! The system that a command is about: a served one, over HTTP, or a store, opened here.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::StatusCode;
use http_api::problem::Problem;
use local::client::{Client, RequestError, Signer, UrlError, region_of};
use serde::de::DeserializeOwned;
use serde_json::Value;
use store::shop::ShopId;
use store::{Store, only_shop};

use crate::error::CommandError;
use crate::location::StoreLocation;

/// The system.
#[derive(Debug, Clone, clap::Args)]
pub struct System {
    /// The URL of `echelon serve`; the default if no store is named
    #[arg(long, value_name = "URL", conflicts_with_all = ["data", "dynamodb"], default_value = "http://127.0.0.1:8700")]
    pub url: String,

    /// A bearer token: one that `echelon token` makes, one of your identity provider, or the one that `echelon serve`
    /// printed
    #[arg(long, value_name = "TOKEN", env = "ECHELON_TOKEN", hide_env_values = true)]
    pub token: Option<String>,

    /// Signs requests with the AWS credentials of the environment, for a deployed system whose callers are those of
    /// IAM. Without a token, this is the default for URLs of API Gateway's own
    #[arg(long, conflicts_with_all = ["data", "dynamodb"])]
    pub sigv4: bool,

    /// Or a store
    #[command(flatten)]
    pub place: StoreLocation,
}

/// A running system. A store cannot take its place.
#[derive(Debug, Clone, clap::Args)]
pub struct Remote {
    /// The URL of the system: `echelon serve`, or the HTTP API of a deployed one
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8700")]
    url: String,

    /// A bearer token: one that `echelon token` makes, one of your identity provider, or the one that `echelon serve`
    /// printed
    #[arg(long, value_name = "TOKEN", env = "ECHELON_TOKEN", hide_env_values = true)]
    token: Option<String>,

    /// Signs requests with the AWS credentials of the environment. Without a token, this is the default for URLs of API
    /// Gateway's own
    #[arg(long)]
    sigv4: bool,
}

impl Remote {
    /// The same as a [`System`].
    pub fn system(&self) -> System {
        let Self { url, token, sigv4 } = self.clone();
        System { url, token, sigv4, place: StoreLocation::nowhere() }
    }
}

/// The maximum time of an answer for which all members are read.
const LONG: Duration = Duration::from_secs(60 * 60);

/// The remedy if there are no credentials.
const NO_CREDENTIALS: &str = "set what AWS's tools read, or name a token with --token";

impl System {
    /// Whether it is a served or deployed system rather than a store.
    pub fn is_served(&self) -> bool {
        self.place.is_nowhere()
    }

    /// Sends a GET request; returns the answer.
    ///
    /// # Errors
    /// If the system does not answer, or why it refuses.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CommandError> {
        let client = self.client()?;
        read(&client, client.get(path).await)
    }

    /// Sends a GET request; returns the answer, or none if the system answers 404.
    ///
    /// # Errors
    /// If the system does not answer, or why it refuses.
    pub async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, CommandError> {
        let client = self.client()?;
        match client.get(path).await {
            Ok((StatusCode::NOT_FOUND, _)) => Ok(None),
            answer => read(&client, answer).map(Some),
        }
    }

    /// Posts a body; returns the answer, however long that takes.
    ///
    /// # Errors
    /// If the system does not answer, or why it refuses.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, CommandError> {
        let client = self.client()?.patient(LONG);
        read(&client, client.post(path, body.to_string(), &[]).await)
    }

    /// Sends a DELETE request; returns the answer.
    ///
    /// # Errors
    /// If the system does not answer, or why it refuses.
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, CommandError> {
        let client = self.client()?;
        read(&client, client.delete(path).await)
    }

    /// A client for a served or deployed system, with the token or the signature that it requires.
    ///
    /// # Errors
    /// If the URL cannot be used, or there are no credentials.
    pub fn client(&self) -> Result<Client, CommandError> {
        let client = client(&self.url, self.token.as_deref())?;
        if !self.sigv4 && (self.token.is_some() || region_of(client.host()).is_none()) {
            return Ok(client);
        }
        let signer = Signer::new(client.host(), crate::environment);
        let signer = signer.map_err(|error| CommandError::input(format!("--sigv4: {error}; {NO_CREDENTIALS}")))?;
        Ok(client.with_token(None).with_signer(Some(signer)))
    }
}

/// A client for the system at a URL, with a token if there is one.
///
/// # Errors
/// If the URL cannot be used.
pub fn client(url: &str, token: Option<&str>) -> Result<Client, CommandError> {
    let client = Client::new(url).map_err(|error| {
        let remedy = if matches!(error, UrlError::Login(_)) { "; name a token with --token" } else { "" };
        CommandError::input(format!("--url: {error}{remedy}"))
    })?;
    if url.contains('?') {
        return Err(CommandError::input(format!("--url: `{}` was given with a query; name it without", client.url())));
    }
    if token.is_some_and(|token| token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic())) {
        let remedy = "name it alone, without `Bearer`, spaces or line breaks";
        return Err(CommandError::input(format!("--token, or ECHELON_TOKEN: this is not a token; {remedy}")));
    }
    Ok(client.with_token(token))
}

fn read<T: DeserializeOwned>(
    client: &Client,
    answer: Result<(StatusCode, Bytes), RequestError>,
) -> Result<T, CommandError> {
    let url = client.url();
    let (status, body) = answer.map_err(|error| {
        CommandError::input(format!("{error}\n       start it with `echelon serve`, or name a store with --data"))
    })?;
    if !status.is_success() {
        let problem = serde_json::from_slice::<Problem>(&body);
        let problem = problem.map_err(|_| CommandError::input(format!("{url}: {status}")))?;
        return Err(refused(url, &problem));
    }
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    serde_json::from_value(said)
        .map_err(|error| CommandError::input(format!("{url}: gives an unknown answer: {error}")))
}

/// The error for a problem that a system answers.
pub fn refused(url: &str, problem: &Problem) -> CommandError {
    let Problem { status, detail, remedy, problems, .. } = problem;
    let places = problems.iter().map(|place| format!("\n       {}: {}", place.path, place.message));
    let remedy = match () {
        () if *status == StatusCode::UNAUTHORIZED.as_u16() => {
            "name the token that `echelon serve` printed, or one that `echelon token` makes: --token TOKEN, or ECHELON_TOKEN"
        }
        () if problems.iter().any(|place| place.path == "shop") => "name the shop: --shop NAME",
        () => remedy,
    };
    CommandError::input(format!("{url}: {status}: {detail}; {remedy}{}", places.collect::<String>()))
}

/// The path of a request about a shop, or about the only shop.
pub fn of_shop(path: &str, shop: Option<&ShopId>) -> String {
    shop.map_or_else(|| path.to_owned(), |shop| format!("{path}?shop={shop}"))
}

/// The named shop, or the only one of a store.
///
/// # Errors
/// If none is named and there is not exactly one.
pub async fn shop_of(store: &Store, named: Option<&ShopId>) -> Result<ShopId, CommandError> {
    match named {
        Some(shop) => Ok(shop.clone()),
        None => only_shop(store).await.map_err(CommandError::input)?.ok_or_else(|| {
            CommandError::input("--shop: the store does not have just one shop; name the one that is meant")
        }),
    }
}
