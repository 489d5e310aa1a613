//! A member in few bytes, and in parts where there are many.

pub mod compact;
pub mod page;
