//! The commands, each in a file of its own.

pub mod backup;
pub mod canary;
pub mod check;
pub mod demo;
pub mod explain;
pub mod import;
pub mod jobs;
pub mod load;
pub mod preview;
pub mod programs;
pub mod publish;
pub mod quarantine;
pub mod replay;
pub mod rollover;
pub mod serve;
pub mod sweeping;
pub mod system;
pub mod token;
pub mod validate;
pub mod verify;
