//! A member in few bytes, and in parts where there are many.

pub mod chunk;
pub mod compact;
