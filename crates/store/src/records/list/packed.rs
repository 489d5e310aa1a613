//! Entries in few bytes: values of the same attribute lie together and are then compressed. A row is written for every
//! 1,000 members and list each night; its bytes are what lists cost.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use rules::calendar::Instant;
use rules::id::{MemberId, TierId};
use rules::quantity::Quantity;
use serde::{Deserialize, Serialize};

use super::{Entry, Keep, Next};

/// The most entries in a row: even with the longest ids it stays within the item limit.
pub const ENTRIES_MAX: usize = 500;
/// The most bytes that a row decompresses to: ids and tiers of 256 bytes each, and numbers.
const BYTES_MAX: u64 = 2_000_000;

/// The entries of a row, attribute by attribute. Instants are in milliseconds since 1970.
#[derive(Serialize, Deserialize, Default)]
struct Columns {
    ids: Vec<MemberId>,
    tiers: Vec<Option<TierId>>,
    ends: Vec<Option<i64>>,
    upcoming: Vec<Option<TierId>>,
    next: Vec<Option<TierId>>,
    missing: Vec<Option<Quantity>>,
    keep: Vec<Option<Quantity>>,
    by: Vec<Option<i64>>,
}

/// Packs entries for storage.
pub fn pack(entries: &[Entry]) -> std::io::Result<Vec<u8>> {
    let mut columns = Columns::default();
    for Entry { member_id, tier, valid_until, upcoming, next, requalify } in entries {
        columns.ids.push(member_id.clone());
        columns.tiers.push(tier.clone());
        columns.ends.push(valid_until.map(Instant::millis));
        columns.upcoming.push(upcoming.clone());
        columns.next.push(next.as_ref().map(|next| next.tier.clone()));
        columns.missing.push(next.as_ref().map(|next| next.remaining));
        columns.keep.push(requalify.map(|keep| keep.remaining));
        columns.by.push(requalify.map(|keep| keep.by.millis()));
    }
    let mut packed = DeflateEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&serde_json::to_vec(&columns)?)?;
    packed.finish()
}

/// Unpacks stored entries; none if the bytes are invalid.
pub fn unpack(packed: &[u8]) -> Option<Vec<Entry>> {
    let mut written = Vec::new();
    DeflateDecoder::new(packed).take(BYTES_MAX).read_to_end(&mut written).ok()?;
    let Columns { ids, tiers, ends, upcoming, next, missing, keep, by } = serde_json::from_slice(&written).ok()?;
    let count = ids.len();
    let are_whole = [ends.len(), tiers.len(), upcoming.len(), next.len(), missing.len(), keep.len(), by.len()]
        .iter()
        .all(|length| *length == count);
    let columns = ids.into_iter().zip(tiers).zip(ends).zip(upcoming).zip(next).zip(missing).zip(keep).zip(by);
    let entry = |(((((((member_id, tier), ends), upcoming), next), missing), keep), by)| {
        let valid_until = Option::map(ends, Instant::from_millis);
        let next = Option::zip(next, missing).map(|(tier, remaining)| Next { tier, remaining });
        let requalify = Option::zip(keep, by).map(|(remaining, by)| Keep { remaining, by: Instant::from_millis(by) });
        Entry { member_id, tier, valid_until, upcoming, next, requalify }
    };
    are_whole.then(|| columns.map(entry).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(n: usize) -> Entry {
        let tier = |id: &str| TierId::new(id).unwrap();
        let cents = |n: usize| Quantity::parse(&format!("{}.{:02}", n / 100, n % 100)).unwrap();
        let ends = Instant::parse("2027-01-01T05:00:00Z").unwrap();
        Entry {
            member_id: MemberId::new(&format!("{}", 7_119_551_000_000 + n * 7_919_000_331 % 1_000_000_000)).unwrap(),
            tier: (!n.is_multiple_of(10)).then(|| tier("silver")),
            valid_until: (!n.is_multiple_of(10)).then_some(ends),
            upcoming: (!n.is_multiple_of(3)).then(|| tier("bronze")),
            next: (!n.is_multiple_of(7)).then(|| Next { tier: tier("gold"), remaining: cents(n * 104_729 % 100_000) }),
            requalify: (!n.is_multiple_of(4)).then(|| Keep { remaining: cents(n * 7919 % 50_000), by: ends }),
        }
    }

    #[test]
    fn entries_read_as_they_were_packed_and_take_few_bytes() {
        let entries: Vec<Entry> = (0..ENTRIES_MAX).map(entry).collect();
        let packed = pack(&entries).unwrap();
        assert_eq!(unpack(&packed), Some(entries));
        // Half of it is ids that have nothing in common.
        let each = packed.len() / ENTRIES_MAX;
        assert!(each <= 16, "{each} bytes for an entry");
        assert_eq!(unpack(&pack(&[]).unwrap()), Some(Vec::new()));
    }

    #[test]
    fn the_longest_entries_fit_into_an_item_and_are_read_back() {
        let long = |n: usize, seed: u64| {
            let mut state = seed.wrapping_add(n as u64).wrapping_mul(6_364_136_223_846_793_005);
            let mut next = move || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                char::from(b'!' + u8::try_from((state >> 40) % 90).unwrap())
            };
            (0..256).map(|_| next()).collect::<String>()
        };
        let wide = |n| Entry {
            member_id: MemberId::new(&long(n, 1)).unwrap(),
            tier: Some(TierId::new(&long(n % 20, 2)).unwrap()),
            ..entry(n)
        };
        let entries: Vec<Entry> = (0..ENTRIES_MAX).map(wide).collect();
        let packed = pack(&entries).unwrap();
        assert!(packed.len() < 390_000, "{}", packed.len());
        assert_eq!(unpack(&packed), Some(entries));
    }

    #[test]
    fn bytes_that_were_never_written_are_no_entries() {
        let packed = pack(&[entry(1), entry(2)]).unwrap();
        for end in 0..packed.len() {
            assert_eq!(unpack(&packed[..end]), None, "{end}");
        }
        assert_eq!(unpack(b"never"), None);
    }
}
