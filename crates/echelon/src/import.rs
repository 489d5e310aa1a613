//! Tables of orders as facts, row by row: what [`table::Table`] yields is all that there is to say about a file. Files,
//! folders and where events go are `echelon import`'s, and so are the documents that `shopify` reads.

pub mod columns;
mod newlines;
pub mod orders;
pub mod outcome;
pub mod preset;
mod repeats;
pub mod report;
mod returns;
pub mod table;
pub mod time;
