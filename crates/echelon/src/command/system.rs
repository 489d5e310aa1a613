//! Which system a command is about: a served one, asked over HTTP, or a store, opened here.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::Value;
use service::shop::ShopId;
use service::store::Store;

use crate::failure::Failure;
use crate::serve::client::{Client, NoAnswer};
use crate::serve::only_shop;
use crate::serve::place::Place;

/// Which system is meant.
#[derive(Debug, Clone, clap::Args)]
pub struct System {
    /// The system that `echelon serve` runs there; the default if no store is named
    #[arg(long, value_name = "URL", conflicts_with_all = ["data", "dynamodb"], default_value = "http://127.0.0.1:8700")]
    pub url: String,

    /// Or a store
    #[command(flatten)]
    pub place: Place,
}

/// An answer for which everybody is looked at takes at most so long.
const LONG: Duration = Duration::from_secs(60 * 60);

impl System {
    /// Whether it is a served one.
    pub fn is_served(&self) -> bool {
        self.place.is_nowhere()
    }

    /// What a served system answers.
    ///
    /// # Errors
    /// If nobody is there, or what it refuses and why.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.read(self.client()?.get(path).await)
    }

    /// What a served system answers to something sent, however long that takes.
    ///
    /// # Errors
    /// If nobody is there, or what it refuses and why.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Failure> {
        self.read(self.client()?.patient(LONG).post(path, body.to_string(), &[]).await)
    }

    fn client(&self) -> Result<Client, Failure> {
        Client::new(&self.url).map_err(|what| Failure::input(format!("--url: {what}")))
    }

    fn read<T: DeserializeOwned>(&self, answer: Result<(StatusCode, Bytes), NoAnswer>) -> Result<T, Failure> {
        let url = &self.url;
        let (status, body) = answer.map_err(|error| {
            Failure::input(format!("{error}\n       start it with `echelon serve`, or name a store with --data"))
        })?;
        let said: Value = serde_json::from_slice(&body).unwrap_or_default();
        if !status.is_success() {
            let part = |name: &str| said.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            return Err(Failure::input(format!("{url}: {status}: {}; {}", part("error"), part("remedy"))));
        }
        serde_json::from_value(said)
            .map_err(|error| Failure::input(format!("{url}: answers as nothing known: {error}")))
    }
}

/// What is asked of a served system about a shop, or about its only one.
pub fn of_shop(path: &str, shop: Option<&ShopId>) -> String {
    shop.map_or_else(|| path.to_owned(), |shop| format!("{path}?shop={shop}"))
}

/// The shop that is named, or the only one of a store.
///
/// # Errors
/// If none is named and there is not just one.
pub async fn shop_of(store: &Store, named: Option<&ShopId>) -> Result<ShopId, Failure> {
    match named {
        Some(shop) => Ok(shop.clone()),
        None => only_shop(store)
            .await
            .map_err(Failure::input)?
            .ok_or_else(|| Failure::input("--shop: the store does not have just one shop; name the one that is meant")),
    }
}
