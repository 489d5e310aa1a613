//! The built command: each command on files in a folder of its own, with what it prints and its exit code.

mod check;
pub mod desk;
mod explain;
mod programs;
mod replay;
mod zones;
