//! What else is asked of members: notices that are due, the tier to come, what a change of rules would do, revenue.

pub mod forecast;
pub mod notice;
pub mod preview;
pub mod revenue;
