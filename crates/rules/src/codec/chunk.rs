//! A heavy member in parts: old credits lie in chunks of their own, so one more order costs about as much as it does
//! for any member.
//!
//! The root has everything except credits (tags, assignments, the record) and the latest credits. A chunk has the credits
//! of an earlier stretch of time. The division affects cost, never meaning: any division assembles to the same member.

use crate::calendar::Instant;
use crate::compact::{CompactError, Packed, pack};
use crate::ledger::{Entry, Ledger};
use crate::record::Record;

/// A part above this many bytes is divided. This is four write units, with room for keys.
pub const PART_BYTES_MAX: usize = 4_000;

/// A member's chunks, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChunkIndex(pub Vec<Chunk>);

/// A chunk's place in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// The chunk's number, which never changes. The newest chunk need not be the latest in time.
    pub number: u32,
    /// The exclusive end. The chunk has the credits before this instant, from the end of the previous chunk on.
    pub until: Instant,
}

/// A member in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberChunks {
    /// The part that every member has.
    pub root: Vec<u8>,
    /// The chunks, in the order of the index.
    pub chunks: Vec<(u32, Vec<u8>)>,
    /// The division.
    pub index: ChunkIndex,
}

/// Divides a member into parts, and divides parts that have grown too large.
pub fn divide(ledger: &Ledger, record: &Record, index: &ChunkIndex) -> MemberChunks {
    let mut rest = ledger.clone();
    let mut chunks = Vec::new();
    let mut numbers = Numbers(index.0.iter().map(|chunk| chunk.number).max().unwrap_or(0));
    for chunk in &index.0 {
        let part = rest.take_before(chunk.until);
        lay(part, *chunk, &mut numbers, &mut chunks);
    }
    let mut root = pack(&rest, record);
    while root.len() > PART_BYTES_MAX
        && let Some(until) = rest.middle()
    {
        lay(rest.take_before(until), Chunk { number: numbers.next(), until }, &mut numbers, &mut chunks);
        root = pack(&rest, record);
    }
    let index = ChunkIndex(chunks.iter().map(|(chunk, _)| *chunk).collect());
    MemberChunks { root, chunks: chunks.into_iter().map(|(chunk, bytes)| (chunk.number, bytes)).collect(), index }
}

/// Assembles a member from their parts; chunks in the order of the index.
///
/// # Errors
/// The bytes were not written by this code, or are in a format that is not known yet.
pub fn assemble<'a>(root: &[u8], chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<(Ledger, Record), CompactError> {
    let root = Packed::open(root)?;
    let (mut ledger, record) = (root.ledger()?, root.record()?);
    let (mut orders, mut entries) = (Vec::new(), Vec::new());
    for chunk in chunks {
        let part = Packed::open(chunk)?.ledger()?;
        orders.extend(part.orders);
        entries.extend(part.entries);
    }
    orders.append(&mut ledger.orders);
    entries.append(&mut ledger.entries);
    Ok((Ledger { orders, entries, ..ledger }, record))
}

struct Numbers(u32);

impl Numbers {
    fn next(&mut self) -> u32 {
        self.0 = self.0.saturating_add(1);
        self.0
    }
}

/// Lays a part down as a chunk, or as several if it is too large; the last one keeps the number.
fn lay(mut part: Ledger, chunk: Chunk, numbers: &mut Numbers, chunks: &mut Vec<(Chunk, Vec<u8>)>) {
    let mut bytes = pack(&part, &Record::default());
    while bytes.len() > PART_BYTES_MAX
        && let Some(until) = part.middle()
    {
        lay(part.take_before(until), Chunk { number: numbers.next(), until }, numbers, chunks);
        bytes = pack(&part, &Record::default());
    }
    chunks.push((chunk, bytes));
}

impl Ledger {
    /// Takes out the credits before an instant, as a ledger of their own.
    fn take_before(&mut self, until: Instant) -> Self {
        let orders = self.orders.partition_point(|order| order.at < until);
        let entries = self.entries.partition_point(|entry| entry.at < until);
        let later = (self.orders.split_off(orders), self.entries.split_off(entries));
        let orders = std::mem::replace(&mut self.orders, later.0);
        let entries = std::mem::replace(&mut self.entries, later.1);
        Self { orders, entries, ..Self::default() }
    }

    /// An instant that halves the credits, with some before it and some from it on; none if all credits have the same instant.
    fn middle(&self) -> Option<Instant> {
        let orders = self.orders.iter().map(|order| order.at);
        let mut all: Vec<Instant> = orders.chain(self.entries.iter().map(|Entry { at, .. }| *at)).collect();
        all.sort_unstable();
        let first = *all.first()?;
        let middle = *all.get(all.len() / 2)?;
        if middle > first { Some(middle) } else { all.into_iter().find(|at| *at > first) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::{Currency, Fact};
    use crate::fact_index::FactIndex;
    use crate::id::MemberId;

    fn heavy(orders: i64) -> Ledger {
        let mut index = FactIndex::new();
        for n in 0..orders {
            // Late facts too: every seventh comes with a much earlier date.
            let day = if n % 7 == 0 { n / 2 } else { n };
            let at = Instant::from_millis(1_600_000_000_000 + day * 40_000_000 + n);
            let told = serde_json::json!({ "type": "order.paid", "member_id": "anna", "order_id": format!("{}", 5_000_000 + n),
                "occurred_at": at.to_string(), "total": format!("{}.{:02}", 20 + n % 90, n % 100) });
            index.apply(Fact::read(&told, Currency::from_code("USD").unwrap()).unwrap().fact);
        }
        index.ledger(&MemberId::new("anna").unwrap()).unwrap().clone()
    }

    fn assembled(parts: &MemberChunks) -> (Ledger, Record) {
        assemble(&parts.root, parts.chunks.iter().map(|(_, bytes)| bytes.as_slice())).unwrap()
    }

    #[test]
    fn an_ordinary_member_is_one_part() {
        let parts = divide(&heavy(40), &Record::default(), &ChunkIndex::default());
        assert_eq!((parts.chunks.len(), assembled(&parts).0), (0, heavy(40)));
    }

    #[test]
    fn a_heavy_member_lies_in_parts_of_bounded_size_and_reads_as_before() {
        let ledger = heavy(3_000);
        let parts = divide(&ledger, &Record::default(), &ChunkIndex::default());
        assert!(parts.chunks.len() > 3, "{}", parts.chunks.len());
        assert!(parts.chunks.iter().all(|(_, bytes)| bytes.len() <= PART_BYTES_MAX));
        assert!(parts.root.len() <= PART_BYTES_MAX);
        assert_eq!(assembled(&parts).0, ledger);
        let untils: Vec<_> = parts.index.0.iter().map(|chunk| chunk.until).collect();
        assert!(untils.is_sorted());
    }

    #[test]
    fn one_more_order_changes_the_root_or_one_page_and_numbers_stay() {
        let mut index = ChunkIndex::default();
        let mut before = divide(&heavy(1), &Record::default(), &index);
        for orders in (2..1_200).step_by(13) {
            let ledger = heavy(orders);
            let parts = divide(&ledger, &Record::default(), &index);
            assert_eq!(assembled(&parts).0, ledger);
            assert!(index.0.iter().all(|chunk| parts.index.0.contains(chunk)), "a page keeps its place");
            index = parts.index.clone();
            before = parts;
        }
        let mut ledger = assembled(&before).0;
        let last = ledger.orders.last().unwrap().clone();
        ledger.drop_order(&last.id);
        let after = divide(&ledger, &Record::default(), &index);
        assert_eq!(after.chunks, before.chunks);
        assert_ne!(after.root, before.root);
    }
}
