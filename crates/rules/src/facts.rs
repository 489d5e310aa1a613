//! Facts and their keys, the revision that wins, the member that a fact belongs to, and the cause it gives a change of tier.

pub mod cause;
pub mod connected;
pub mod fact;
pub mod fact_index;
pub mod ledger;
pub mod merge;
