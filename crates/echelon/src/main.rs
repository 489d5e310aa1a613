//! The echelon command.
fn main() {}
