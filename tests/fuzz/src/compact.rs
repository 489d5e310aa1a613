//! A member as stored: [`rules::compact`].

use rules::compact::{CompactError, Packed, pack};
use rules::standing::evaluate;

use super::program::stands;
use super::sample::{instants, versions};

/// Checks that bytes are refused, or are a member with the same standing however they are read.
pub fn check(data: &[u8]) {
    let Ok(packed) = Packed::open(data) else { return };
    let (ledger, record) = (packed.ledger(), packed.record());
    for (place, version) in versions().iter().enumerate() {
        for at in instants() {
            let standing = packed.standing(version, at);
            let Ok(ledger) = &ledger else { continue };
            assert_eq!(standing.as_ref(), Ok(&evaluate(version, ledger, at)));
            if place == data.len() % versions().len() {
                stands(version, ledger, at); // slow, so only under one of them
            }
        }
    }
    if let (Ok(ledger), Ok(record)) = (ledger, record) {
        let bytes = pack(&ledger, &record);
        let again = Packed::open(&bytes).unwrap();
        assert_eq!(again.ledger().as_ref(), Ok(&ledger));
        assert_eq!(again.record().as_ref(), Ok::<_, &CompactError>(&record));
    }
}
