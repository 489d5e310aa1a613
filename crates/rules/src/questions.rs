//! Further questions about members: due notices, forecasts, the effects of a change of rules, revenue,
//! and what lies before the start.

pub mod before_start;
pub mod forecast;
pub mod notice;
pub mod preview;
pub mod revenue;
