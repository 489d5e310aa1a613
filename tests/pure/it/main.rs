//! The rules, tested against worked cases, scenarios, laws and the reference model. Nothing here needs a database, a
//! network or another language's tools.

mod compact;
mod extremes;
mod laws;
mod precedence;
mod reference_agrees;
mod reference_cases;
mod reference_itself;
mod reference_vectors;
mod scenarios;
mod vectors;
mod zones;
