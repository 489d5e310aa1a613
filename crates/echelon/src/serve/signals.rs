//! What asks the process to end: Ctrl-C, a service manager, or a terminal that closes.

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that ask it to end, taken from the moment this is made: none that comes later ends the process by itself.
#[cfg(unix)]
#[derive(Debug)]
pub struct Signals {
    interrupted: Signal,
    terminated: Signal,
    hung_up: Signal,
}

#[cfg(unix)]
impl Signals {
    /// Takes them.
    ///
    /// # Errors
    /// If the system refuses that.
    pub fn taken() -> std::io::Result<Self> {
        Ok(Self {
            interrupted: signal(SignalKind::interrupt())?,
            terminated: signal(SignalKind::terminate())?,
            hung_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next of them.
    pub async fn asked_to_end(&mut self) {
        tokio::select! {
            _ = self.interrupted.recv() => {}
            _ = self.terminated.recv() => {}
            _ = self.hung_up.recv() => {}
        }
    }
}

/// Ctrl-C, taken from the moment it is first waited for.
#[cfg(not(unix))]
#[derive(Debug)]
pub struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Takes them.
    ///
    /// # Errors
    /// None here.
    pub fn taken() -> std::io::Result<Self> {
        Ok(Self)
    }

    /// Waits for the next.
    pub async fn asked_to_end(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
