//! The signals that ask the process to end: Ctrl-C, a service manager, or a terminal that closes.

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that ask the process to end. From the moment this is made, none of them ends the process by itself.
#[cfg(unix)]
#[derive(Debug)]
pub struct Signals {
    interrupted: Signal,
    terminated: Signal,
    /// None if the process was started to ignore it, as by `nohup`.
    hung_up: Option<Signal>,
}

#[cfg(unix)]
impl Signals {
    /// Installs the handlers.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn taken() -> std::io::Result<Self> {
        Ok(Self {
            interrupted: signal(SignalKind::interrupt())?,
            terminated: signal(SignalKind::terminate())?,
            hung_up: if ignores_hang_ups() { None } else { Some(signal(SignalKind::hangup())?) },
        })
    }

    /// Waits for the next signal.
    pub async fn asked_to_end(&mut self) {
        let hung_up = async {
            match &mut self.hung_up {
                Some(hung_up) => hung_up.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupted.recv() => {}
            _ = self.terminated.recv() => {}
            _ = hung_up => {}
        }
    }
}

/// Whether this process was started to ignore hang-ups. Linux says so in a file; elsewhere safe code cannot find out.
#[cfg(unix)]
fn ignores_hang_ups() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & 1 == 1)
}

/// Ctrl-C, caught from the moment it is first waited for.
#[cfg(not(unix))]
#[derive(Debug)]
pub struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Does nothing here.
    ///
    /// # Errors
    /// None here.
    pub fn taken() -> std::io::Result<Self> {
        Ok(Self)
    }

    /// Waits for the next signal.
    pub async fn asked_to_end(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
