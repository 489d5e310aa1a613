//! Rows that come twice.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

/// So many rows are remembered, by two hashes each: some 15 MB, however long the file (the map stays less than half
/// full, so that coming and going never enlarges it). Rows of one order stand close together, and the engine itself
/// knows an order or refund by its id; what is guarded here is that a file with one row per product is not taken for
/// one with one row per order.
const ROWS_REMEMBERED: usize = 200_000;

/// The rows of late.
#[derive(Debug, Default)]
pub struct Repeats {
    known: HashMap<u64, (u64, u32)>,
    order: VecDeque<u64>,
}

/// What a row is to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Its id is new.
    Never,
    /// The same was said before.
    Same,
    /// The same file said something else of this id.
    Different,
    /// An earlier file said something else of this id.
    DifferentElsewhere,
}

/// What a row says, and under which id, by hashes.
#[derive(Debug, Clone, Copy)]
pub struct Print {
    /// Of the id.
    pub id: u64,
    /// Of everything that is read.
    pub content: u64,
    /// The number of its file.
    pub file: u32,
}

/// The hash of anything. Of ten million imports with a million rows each, one would take two ids for one.
pub fn hash(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

impl Repeats {
    /// Compares a row with those remembered.
    pub fn look(&self, print: Print) -> Seen {
        match self.known.get(&print.id) {
            None => Seen::Never,
            Some((content, _)) if *content == print.content => Seen::Same,
            Some((_, file)) if *file == print.file => Seen::Different,
            Some(_) => Seen::DifferentElsewhere,
        }
    }

    /// Remembers a row, and forgets the oldest when they are too many.
    pub fn remember(&mut self, Print { id, content, file }: Print) {
        if self.known.insert(id, (content, file)).is_none() {
            self.order.push_back(id);
        }
        if self.order.len() > ROWS_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(id: u64, content: u64, file: u32) -> Print {
        Print { id, content, file }
    }

    #[test]
    fn a_row_is_the_same_only_with_the_same_content() {
        let mut repeats = Repeats::default();
        assert_eq!(repeats.look(print(1, 10, 0)), Seen::Never);
        repeats.remember(print(1, 10, 0));
        assert_eq!(repeats.look(print(1, 10, 0)), Seen::Same);
        assert_eq!(repeats.look(print(1, 11, 0)), Seen::Different);
        assert_eq!(repeats.look(print(1, 11, 1)), Seen::DifferentElsewhere);
    }

    #[test]
    fn the_oldest_rows_are_forgotten() {
        let mut repeats = Repeats::default();
        for id in 0..=ROWS_REMEMBERED as u64 {
            repeats.remember(print(id, 0, 0));
        }
        assert_eq!(repeats.look(print(0, 0, 0)), Seen::Never);
        assert_eq!(repeats.look(print(1, 0, 0)), Seen::Same);
        assert_eq!(repeats.known.len(), ROWS_REMEMBERED);
    }
}
