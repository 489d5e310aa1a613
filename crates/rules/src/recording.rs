//! Recording: advancing a member to an instant, applying a fact that arrives, entry rewards, and replaying a whole shop.

pub mod advance;
pub mod apply;
pub mod record;
pub mod replay;
pub(crate) mod reward;
