//! Lambda: a batch of events from the queue becomes facts, members and announcements.

fn main() {}
