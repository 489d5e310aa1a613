//! Idempotent requests: a request that is sent again because its answer was lost is accepted once. Its
//! `Idempotency-Key` is remembered with a digest of the body, for as long as digests of signed bodies are.

use std::fmt::Write as _;
use std::sync::Arc;

use http_api::problem::Problem;
use sha2::{Digest, Sha256};
use store::shop::ShopId;

use super::System;
use super::lane::Lane;
use super::queue::Once;

/// A body sent under a key.
pub struct Keyed {
    /// The name under which it is remembered.
    name: String,
    /// The digest of the body.
    digest: String,
}

impl Keyed {
    /// A shop's body, sent under a key.
    pub fn new(shop: &ShopId, key: &str, body: &[u8]) -> Self {
        // Digests of signed bodies are remembered in the same queue, without this prefix.
        let name = format!("key-{}", hex(format!("{shop}\n{key}").as_bytes()));
        Self { name, digest: hex(body) }
    }
}

fn hex(bytes: &[u8]) -> String {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl System {
    /// Puts messages into the ingest queue, unless they were sent under the same key before.
    ///
    /// # Errors
    /// A problem if the store fails, or the key stands for something else.
    pub async fn accepts_once(self: &Arc<Self>, keyed: Keyed, lane: Lane, bodies: Vec<String>) -> Result<(), Problem> {
        let system = Arc::clone(self);
        // The task continues even if the sender disconnects, so that the messages are not stored only in part.
        let taken = tokio::spawn(async move {
            let Keyed { name, digest } = keyed;
            let once = system.queues.send_once(lane, &bodies, &name, &digest).await;
            let (wrote, once) = once.map_or_else(|error| (Err(error.clone()), Err(error)), |once| (Ok(()), Ok(once)));
            system.health.wrote(&wrote, system.time.now());
            match once? {
                Once::Taken => Ok(()),
                Once::Other => Err(Problem::key_reused()),
            }
        });
        taken.await.unwrap_or_else(|_| Err(Problem::internal_error()))
    }
}
