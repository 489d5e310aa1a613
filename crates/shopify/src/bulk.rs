//! The result of a bulk operation, whose lines are orders and their parts, put together again.
//!
//! A part names its parent in `__parentId`. With `groupObjects: true` it stands below its parent; otherwise it may stand
//! anywhere after it, or even before it. Lines are therefore held back until the orders behind them are whole, up to
//! [`HELD_BYTES_MAX`] of text. What cannot be put together within that is an error, never an order without its refunds.

use std::collections::{HashMap, VecDeque};

use serde::Deserialize;
use thiserror::Error;

use super::json::{Nested, Scalar};

/// The amount of text that is held back, in bytes. An ungrouped result of some hundred thousand lines fits; a larger one
/// has to be grouped.
pub const HELD_BYTES_MAX: usize = 64 << 20;

/// The field under which an order has the lines of its parts.
pub const LINES: &str = "__lines";

/// The reason why the lines cannot be put together.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BulkError {
    /// The parent of a line is not in the file, or too far from it.
    #[error(
        "line {line} belongs to {parent}, which is not within {} MiB of it; run the bulk operation with \
         `groupObjects: true`, or download its result again, whole",
        HELD_BYTES_MAX >> 20
    )]
    NoParent {
        /// The number of the line.
        line: u64,
        /// The id of its parent.
        parent: String,
    },
    /// A line among others of a bulk operation is no JSON, so it is not known which order it belongs to.
    #[error("line {line} is not JSON: {problem}; download the result of the bulk operation again, whole")]
    Damaged {
        /// The number of the line.
        line: u64,
        /// The problem, and its place.
        problem: String,
    },
}

/// An order with its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gathered {
    /// The number of the order's line.
    pub line: u64,
    /// The order as one document for [`super::read`], with its parts under [`LINES`].
    pub document: String,
}

/// Orders whose parts may still come.
#[derive(Debug, Default)]
pub struct Gathering {
    /// The orders, in the order of their lines.
    orders: VecDeque<Held>,
    /// The number of orders that were released: the place of the first one in `orders`, counted from the beginning.
    released: usize,
    /// Which order an id belongs to, by its place counted from the beginning.
    places: HashMap<String, usize>,
    /// Parts whose parents have not come yet, by the id of the parent.
    waiting: HashMap<String, Vec<Waiting>>,
    held_bytes: usize,
}

#[derive(Debug)]
struct Held {
    line: u64,
    order: String,
    parts: Vec<String>,
    /// The ids of the order and of its parts, to be forgotten with it.
    ids: Vec<String>,
}

#[derive(Debug)]
struct Waiting {
    line: u64,
    id: Option<String>,
    parent: String,
    text: String,
}

/// The fields that place a line.
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Place<'a> {
    id: Scalar<'a>,
    #[serde(rename = "__parentId")]
    parent: Scalar<'a>,
}

impl Gathering {
    /// Takes a line, if it is one of a bulk operation: an order or a part. Any other line is left to the caller.
    ///
    /// # Errors
    /// [`BulkError::Damaged`] where a line is not JSON and those before it are of a bulk operation.
    pub fn take(&mut self, number: u64, line: &str) -> Result<bool, BulkError> {
        let place = match serde_json::from_str(line) {
            Ok(Nested::Object(Place { id, parent })) => Place { id, parent },
            Ok(Nested::Absent | Nested::List(_) | Nested::Other) => return Ok(false),
            Err(_) if !self.has_begun() => return Ok(false),
            Err(error) => return Err(BulkError::Damaged { line: number, problem: error.to_string() }),
        };
        let id = place.id.text().map(str::to_owned);
        let text = line.trim().to_owned();
        if let Some(parent) = place.parent.text() {
            self.held_bytes += text.len();
            self.part(Waiting { line: number, id, parent: parent.to_owned(), text });
            return Ok(true);
        }
        let Some(id) = id.filter(|id| id.starts_with("gid://shopify/Order/")) else { return Ok(false) };
        self.held_bytes += text.len();
        let place = self.released + self.orders.len();
        self.orders.push_back(Held { line: number, order: text, parts: Vec::new(), ids: Vec::new() });
        for part in self.known(id, place) {
            self.part(part);
        }
        Ok(true)
    }

    /// Whether a line was one of a bulk operation.
    pub fn has_begun(&self) -> bool {
        self.released > 0 || !self.orders.is_empty() || !self.waiting.is_empty()
    }

    /// The next order to be read, if more is held back than may be.
    ///
    /// # Errors
    /// [`BulkError::NoParent`] where only parts are held back.
    pub fn overdue(&mut self) -> Result<Option<Gathered>, BulkError> {
        if self.held_bytes <= HELD_BYTES_MAX {
            return Ok(None);
        }
        match self.release() {
            None => self.orphan().map_or(Ok(None), Err),
            gathered => Ok(gathered),
        }
    }

    /// All orders that are held back, at the end of the lines.
    ///
    /// # Errors
    /// [`BulkError::NoParent`] where a part belongs to none of them.
    pub fn finish(mut self) -> Result<impl Iterator<Item = Gathered>, BulkError> {
        match self.orphan() {
            Some(error) => Err(error),
            None => Ok(std::iter::from_fn(move || self.release())),
        }
    }

    /// The first part whose parent has not come.
    fn orphan(&self) -> Option<BulkError> {
        let first = self.waiting.values().flatten().min_by_key(|part| part.line)?;
        Some(BulkError::NoParent { line: first.line, parent: first.parent.clone() })
    }

    /// Places a part, and in turn the parts that waited for it: each may be the parent of others, to any depth.
    fn part(&mut self, part: Waiting) {
        let mut open = vec![part];
        while let Some(part) = open.pop() {
            let place = self.places.get(&part.parent).copied();
            let held = place.and_then(|place| self.orders.get_mut(place.checked_sub(self.released)?));
            let (Some(held), Some(place)) = (held, place) else {
                self.waiting.entry(part.parent.clone()).or_default().push(part);
                continue;
            };
            held.parts.push(part.text);
            if let Some(id) = part.id {
                open.extend(self.known(id, place));
            }
        }
    }

    /// Notes which order an id belongs to. Yields the parts that waited for it.
    fn known(&mut self, id: String, place: usize) -> Vec<Waiting> {
        let waiting = self.waiting.remove(&id).unwrap_or_default();
        if let Some(held) = place.checked_sub(self.released).and_then(|place| self.orders.get_mut(place)) {
            held.ids.push(id.clone());
        }
        self.places.insert(id, place);
        waiting
    }

    fn release(&mut self) -> Option<Gathered> {
        let Held { line, order, parts, ids } = self.orders.pop_front()?;
        let place = self.released;
        self.released += 1;
        for id in ids {
            // An order may come twice.
            if self.places.get(&id) == Some(&place) {
                self.places.remove(&id);
            }
        }
        let parts_bytes: usize = parts.iter().map(String::len).sum();
        self.held_bytes = self.held_bytes.saturating_sub(order.len() + parts_bytes);
        let document = match order.strip_suffix('}') {
            Some(open) if !parts.is_empty() => format!("{open},\"{LINES}\":[{}]}}", parts.join(",")),
            Some(_) | None => order,
        };
        Some(Gathered { line, document })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_below_one_another_are_placed_whatever_their_depth() {
        let mut gathering = Gathering::default();
        let depth = 100_000;
        let parent = |n: u64| if n == 0 { "gid://shopify/Order/1".to_owned() } else { format!("part-{n}") };
        for n in (1..=depth).rev() {
            let line = format!(r#"{{"id":"{}","__parentId":"{}"}}"#, parent(n), parent(n - 1));
            assert_eq!(gathering.take(depth - n + 1, &line), Ok(true));
        }
        assert_eq!(gathering.take(depth + 1, r#"{"id":"gid://shopify/Order/1"}"#), Ok(true));
        let orders: Vec<Gathered> = gathering.finish().unwrap().collect();
        assert_eq!(orders.len(), 1);
        assert_eq!(orders[0].document.matches("__parentId").count() as u64, depth);
    }
}
