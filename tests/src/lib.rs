//! Tests that cross crates.

pub mod api_harness;
pub mod aws;
pub mod built;
pub mod crash;
pub mod dynamodb;
pub mod in_memory_tables;
pub mod list_oracle;
pub mod new_year;
pub mod proxy;
pub mod served;
pub mod simulator;
pub mod system;
