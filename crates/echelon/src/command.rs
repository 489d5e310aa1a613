//! The commands, each in a file of its own.

pub mod check;
pub mod demo;
pub mod explain;
pub mod import;
pub mod programs;
pub mod replay;
pub mod validate;
