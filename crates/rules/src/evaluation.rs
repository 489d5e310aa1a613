//! What a member holds, and why: credits, the tier earned over all time, assignments over it, and the standing read off both.

pub(crate) mod assignment;
pub(crate) mod credit;
pub(crate) mod earned;
pub mod explain;
pub mod standing;
