//! Repeated rows.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

/// The number of rows that are remembered, by two hashes each. They take some 15 MB, however long the file is (the map
/// stays less than half full, so that insertions and removals never enlarge it). Rows of one order are close together,
/// and the engine itself knows an order or refund by its id. This guards against a file with one row per product being
/// read as one with one row per order.
pub const ROWS_REMEMBERED: usize = 200_000;

/// The most recent rows.
#[derive(Debug, Default)]
pub struct Repeats {
    known: HashMap<u64, (u64, u32)>,
    order: VecDeque<u64>,
}

/// The relation of a row to the rows before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The id is new.
    Never,
    /// The id came before with the same content.
    Same,
    /// The id came before with other content, in the same file.
    Different,
    /// The id came before with other content, in an earlier file.
    DifferentElsewhere,
}

/// Hashes of a row's id and content.
#[derive(Debug, Clone, Copy)]
pub struct Print {
    /// The hash of the id.
    pub id: u64,
    /// The hash of everything that is read.
    pub content: u64,
    /// The number of the file.
    pub file: u32,
}

/// Hashes a value. In one of ten million imports with a million rows each, two different ids have the same hash.
pub fn hash(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

impl Repeats {
    /// Compares a row with the remembered ones.
    pub fn look(&self, print: Print) -> Seen {
        match self.known.get(&print.id) {
            None => Seen::Never,
            Some((content, _)) if *content == print.content => Seen::Same,
            Some((_, file)) if *file == print.file => Seen::Different,
            Some(_) => Seen::DifferentElsewhere,
        }
    }

    /// The file of the latest row with this id.
    pub fn file_of(&self, id: u64) -> Option<u32> {
        self.known.get(&id).map(|(_, file)| *file)
    }

    /// Remembers a row, and forgets the oldest one if there are too many.
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
