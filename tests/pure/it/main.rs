//! The rules, held against worked cases, scenarios, laws and the reference model: nothing here needs a database, a network or
//! another language's tools.

mod compact;
mod extremes;
mod laws;
mod precedence;
mod scenarios;
mod twin_agrees;
mod twin_cases;
mod twin_itself;
mod twin_vectors;
mod vectors;
mod zones;
