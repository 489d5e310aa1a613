//! Foreign wire formats: what the messages of shop systems mean as facts.
//!
//! Only these modules know the JSON shapes of others. Each reads one document at a time and keeps nothing between two:
//! order of arrival, duplicates and corrections are the rules' business, by natural keys and revisions.

pub mod shopify;
