//! Tables of orders as facts, row by row: [`table::Table`] yields everything there is to say about a file. Files,
//! folders, destinations, and the documents that `shopify` reads belong to `echelon import`.

mod cancellations;
mod cells;
pub mod columns;
pub mod customers;
pub mod exports;
pub mod ids;
pub mod keyed;
pub mod members;
mod newlines;
pub mod numbers;
pub mod orders;
pub mod outcome;
pub mod payments;
pub mod preset;
mod repeats;
pub mod report;
mod returns;
pub mod rows;
mod shops;
pub mod sum;
pub mod table;
pub mod tally;
pub mod time;
pub mod warnings;
