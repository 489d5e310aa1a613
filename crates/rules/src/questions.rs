//! Further questions about members: due notices, forecasts, the effects of a change of rules, revenue.

pub mod forecast;
pub mod notice;
pub mod preview;
pub mod revenue;
