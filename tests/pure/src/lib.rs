//! Shared parts of the tests of the rules: random shops, scenarios in English, and an older release of the time zones.

pub mod random;
pub mod releases;
pub mod scenario;
