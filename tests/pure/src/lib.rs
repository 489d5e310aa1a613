//! What tests of the rules share: random shops, scenarios in English, and an older release of the time zones.

pub mod random;
pub mod releases;
pub mod scenario;
