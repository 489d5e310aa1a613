//! Evaluation of a member: credits, the earned tier over all time, assignments on top of it, and the resulting standing.

pub(crate) mod assignment;
pub(crate) mod credit;
pub(crate) mod earned;
pub(crate) mod eligibility;
pub mod explain;
pub mod standing;
