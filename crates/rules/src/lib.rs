//! The rules of VIP tiers.
pub mod advance;
mod assignment;
pub mod book;
pub mod calendar;
mod credit;
mod earned;
pub mod explain;
pub mod fact;
pub mod id;
pub mod json;
pub mod ledger;
pub mod program;
pub mod prose;
pub mod quantity;
pub mod record;
pub mod replay;
mod reward;
pub mod standing;
pub mod version;

pub use credit::NoCredit;
pub use earned::{Requalify, Window};
