//! The rules of VIP tiers.
pub mod calendar;
pub mod fact;
pub mod id;
pub mod json;
pub mod quantity;
