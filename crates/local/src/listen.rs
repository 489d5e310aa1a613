//! Connections, with limits on their number, in all and from one address, and on their time. A slow caller does not
//! delay the others.

mod slow;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::clear::clear;
use slow::Slow;

/// The limits on connections.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The maximum number of connections in all.
    pub connections: usize,
    /// The maximum number of connections from one address.
    pub of_an_address: usize,
    /// The time within which the head of a request must arrive.
    pub head: Duration,
    /// The time after which a caller that reads next to nothing of an answer is disconnected.
    pub answer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 512, of_an_address: 256, head: Duration::from_secs(10), answer: Duration::from_secs(30) }
    }
}

/// The pause after the system could not accept a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers connections until the system stops. Requests that are under way are still answered.
pub async fn listen(listener: TcpListener, router: Router, limits: Limits, mut stop: watch::Receiver<bool>) {
    let (graceful, counts) = (GracefulShutdown::new(), Counts::default());
    let router = router.layer(from_fn(clear));
    let mut refused = 0_u64;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => break,
        };
        let (stream, peer) = match accepted {
            Ok((stream, peer)) => (stream, peer.ip()),
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted right now");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Some(counted) = counts.enter(peer, &limits) else {
            // The first refusal is logged, and then only the 2nd, 4th, 8th and so on.
            refused += 1;
            if refused.is_power_of_two() {
                tracing::warn!(%peer, refused, "connections are refused: the limit is reached");
            }
            continue;
        };
        let connection = connection(stream, router.clone(), limits);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // A broken connection concerns only its caller.
            let _ = connection.await;
            drop(counted);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

type Connection = http1::Connection<TokioIo<Slow<TcpStream>>, TowerToHyperService<Router>>;

fn connection(stream: TcpStream, router: Router, limits: Limits) -> Connection {
    let _ = stream.set_nodelay(true);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head);
    http.serve_connection(TokioIo::new(Slow::new(stream, limits.answer)), TowerToHyperService::new(router))
}

/// The number of open connections, by address.
#[derive(Debug, Clone, Default)]
struct Counts(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

/// An open connection; it is counted until this is dropped.
#[derive(Debug)]
struct Counted(Counts, IpAddr);

impl Counts {
    /// Counts a connection, unless a limit is reached.
    fn enter(&self, peer: IpAddr, limits: &Limits) -> Option<Counted> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = counts.values().sum();
        let theirs = counts.entry(peer).or_default();
        if all >= limits.connections || *theirs >= limits.of_an_address {
            return None;
        }
        *theirs += 1;
        Some(Counted(self.clone(), peer))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(theirs) = counts.get_mut(&self.1) {
            *theirs = theirs.saturating_sub(1);
        }
        counts.retain(|_, count| *count > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_of_the_connections_there_may_be() {
        let limits = Limits { connections: 3, of_an_address: 2, ..Limits::default() };
        let counts = Counts::default();
        let [one, two] = [1, 2].map(|last| IpAddr::from([127, 0, 0, last]));
        let first = counts.enter(one, &limits);
        let second = counts.enter(one, &limits);
        assert!(first.is_some() && second.is_some() && counts.enter(one, &limits).is_none());
        let third = counts.enter(two, &limits);
        assert!(third.is_some() && counts.enter(two, &limits).is_none(), "there are three");
        drop(first);
        assert!(counts.enter(one, &limits).is_some());
    }
}
