//! The compact form of a member, divided into parts where it is large.

pub mod chunk;
pub mod compact;
