//! What is recorded: a member advanced to an instant, a fact that arrives, entry rewards, and a whole shop replayed.

pub mod advance;
pub mod apply;
pub mod record;
pub mod replay;
pub(crate) mod reward;
