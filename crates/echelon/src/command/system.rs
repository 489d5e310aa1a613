//! Which system a command is about: a served one, asked over HTTP, or a store, opened here.

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

/// Which system is meant.
#[derive(Debug, Clone, clap::Args)]
pub struct System {
    /// The system that `echelon serve` runs there; the default if no store is named
    #[arg(long, value_name = "URL", conflicts_with_all = ["data", "dynamodb"], default_value = "http://127.0.0.1:8700")]
    pub url: String,

    /// Bearer token: one that `echelon token` makes, of your identity provider, or the one that `echelon serve` printed
    #[arg(long, value_name = "TOKEN", env = "ECHELON_TOKEN", hide_env_values = true)]
    pub token: Option<String>,

    /// Signs what is asked with the AWS credentials of the environment, for a deployed system whose callers are those of
    /// IAM. Without a token that is done for every URL of API Gateway's own
    #[arg(long, conflicts_with_all = ["data", "dynamodb"])]
    pub sigv4: bool,

    /// Or a store
    #[command(flatten)]
    pub place: StoreLocation,
}

/// A system that runs somewhere, where no store can take its place.
#[derive(Debug, Clone, clap::Args)]
pub struct Remote {
    /// The system that runs there: `echelon serve`, or the HTTP API of a deployed one
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8700")]
    url: String,

    /// Bearer token: one that `echelon token` makes, of your identity provider, or the one that `echelon serve` printed
    #[arg(long, value_name = "TOKEN", env = "ECHELON_TOKEN", hide_env_values = true)]
    token: Option<String>,

    /// Signs what is asked with the AWS credentials of the environment. Without a token that is done for every URL of API
    /// Gateway's own
    #[arg(long)]
    sigv4: bool,
}

impl Remote {
    /// The same as any command has it.
    pub fn system(&self) -> System {
        let Self { url, token, sigv4 } = self.clone();
        System { url, token, sigv4, place: StoreLocation::nowhere() }
    }
}

/// An answer for which everybody is looked at takes at most so long.
const LONG: Duration = Duration::from_secs(60 * 60);

/// What to do where there is nothing to sign with.
const NO_CREDENTIALS: &str = "set what AWS's tools read, or name a token with --token";

impl System {
    /// Whether it is a served one.
    pub fn is_served(&self) -> bool {
        self.place.is_nowhere()
    }

    /// What a served system answers.
    ///
    /// # Errors
    /// If nobody is there, or what it refuses and why.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CommandError> {
        let client = self.client()?;
        read(&client, client.get(path).await)
    }

    /// What a served system answers; nothing if it has none of that.
    ///
    /// # Errors
    /// If nobody is there, or what it refuses and why.
    pub async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, CommandError> {
        let client = self.client()?;
        match client.get(path).await {
            Ok((StatusCode::NOT_FOUND, _)) => Ok(None),
            answer => read(&client, answer).map(Some),
        }
    }

    /// What a served system answers to something sent, however long that takes.
    ///
    /// # Errors
    /// If nobody is there, or what it refuses and why.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, CommandError> {
        let client = self.client()?.patient(LONG);
        read(&client, client.post(path, body.to_string(), &[]).await)
    }

    /// What a served system answers to having something taken away.
    ///
    /// # Errors
    /// If nobody is there, or what it refuses and why.
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, CommandError> {
        let client = self.client()?;
        read(&client, client.delete(path).await)
    }

    /// Asks a served or a deployed system, with the token or the signature that it takes.
    ///
    /// # Errors
    /// If nobody can be asked there, or there is nothing to sign with.
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

/// Asks the system at a URL, with a token if there is one.
///
/// # Errors
/// If nobody can be asked there.
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
        return Err(CommandError::input(format!("--token, or ECHELON_TOKEN: this is no token; {remedy}")));
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
        .map_err(|error| CommandError::input(format!("{url}: answers as nothing known: {error}")))
}

/// What a served system says that it does not do.
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

/// What is asked of a served system about a shop, or about its only one.
pub fn of_shop(path: &str, shop: Option<&ShopId>) -> String {
    shop.map_or_else(|| path.to_owned(), |shop| format!("{path}?shop={shop}"))
}

/// The shop that is named, or the only one of a store.
///
/// # Errors
/// If none is named and there is not just one.
pub async fn shop_of(store: &Store, named: Option<&ShopId>) -> Result<ShopId, CommandError> {
    match named {
        Some(shop) => Ok(shop.clone()),
        None => only_shop(store).await.map_err(CommandError::input)?.ok_or_else(|| {
            CommandError::input("--shop: the store does not have just one shop; name the one that is meant")
        }),
    }
}
