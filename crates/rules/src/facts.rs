//! What happened: facts and their keys, which revision holds, whose they are, and why a fact changes a tier.

pub mod cause;
pub mod fact;
pub mod fact_index;
pub mod ledger;
