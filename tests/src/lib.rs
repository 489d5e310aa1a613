//! Tests that cross crates.

pub mod alone;
pub mod aws;
pub mod built;
pub mod desk;
pub mod dies;
pub mod dynamodb;
pub mod eve;
pub mod everybody;
pub mod proxy;
pub mod served;
pub mod simulator;
pub mod system;
