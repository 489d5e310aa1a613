//! The commands, each in a file of its own.

pub mod check;
pub mod demo;
pub mod explain;
pub mod import;
pub mod load;
pub mod programs;
pub mod publish;
pub mod quarantine;
pub mod replay;
pub mod serve;
pub mod validate;
pub mod verify;
