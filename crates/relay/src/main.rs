//! Lambda: what was recorded is announced on the event bus.

fn main() {}
