//! What happened: facts and their keys, which revision holds, whose they are, and why a fact changes a tier.

pub mod book;
pub mod cause;
pub mod fact;
pub mod ledger;
