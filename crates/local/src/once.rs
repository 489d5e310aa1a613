//! What is sent again because its answer was lost is taken once: under an `Idempotency-Key`, which is remembered with what was
//! sent, as long as digests of signed bodies are.

use std::fmt::Write as _;
use std::sync::Arc;

use http_api::problem::Problem;
use sha2::{Digest, Sha256};
use store::shop::ShopId;

use super::System;
use super::lane::Lane;
use super::queue::Once;

/// What was sent under a key.
pub struct Keyed {
    /// Under what it is remembered.
    name: String,
    /// What the body was.
    digest: String,
}

impl Keyed {
    /// A body of a shop's, sent under a key.
    pub fn new(shop: &ShopId, key: &str, body: &[u8]) -> Self {
        // Digests of signed bodies are remembered beside it, and have no such beginning.
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
    /// If the store does not do what is asked, or the key stands for something else.
    pub async fn accepts_once(self: &Arc<Self>, keyed: Keyed, lane: Lane, bodies: Vec<String>) -> Result<(), Problem> {
        let system = Arc::clone(self);
        // It goes on though whoever sent it may have gone: not a part of it is taken, but all.
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
