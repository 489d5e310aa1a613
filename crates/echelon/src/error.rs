//! Why a command did not end with exit code 0, and what the operator can do.

use std::process::ExitCode;

use thiserror::Error;

/// The failure of a command. Exit codes: 0 done, 1 findings, 2 usage or input.
#[derive(Debug, Error)]
pub enum CommandError {
    /// The command ran, and found something: failed vectors, problems of a program, rejected rows. Already printed.
    #[error("findings")]
    Findings,
    /// The input cannot be used. The text names the file, the line and the field, and the remedy.
    #[error("{0}")]
    Input(String),
}

impl CommandError {
    /// A failure caused by the input.
    pub fn input(what: impl std::fmt::Display) -> Self {
        Self::Input(what.to_string())
    }

    /// The exit code of this failure.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Findings => ExitCode::from(1),
            Self::Input(_) => ExitCode::from(2),
        }
    }
}
