//! The built command: each of its commands on files and systems of its own, with what it prints and its exit code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_macros,
    clippy::wildcard_enum_match_arm,
    reason = "a test that cannot be set up fails"
)]

mod canary;
mod changes;
mod cli;
mod common;
mod demo;
mod documents;
mod endpoint;
mod file;
mod first_steps;
mod import;
mod import_payments;
mod import_report;
mod import_shopify;
mod import_shops;
mod import_versions;
mod invoices;
mod lines;
mod members;
mod serve;
mod store;
mod turns;
mod webhook;
