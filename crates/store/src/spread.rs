//! How a shop is spread over partitions.

use rules::id::MemberId;
use sha2::{Digest, Sha256};

/// Over how many partitions a shop is spread: its members over buckets, which a sweep reads in ranges, and what is not
/// published yet over outboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    buckets: u16,
    outboxes: u8,
}

impl Spread {
    /// As every deployment has it. Never to be changed: things would be looked for where they are not.
    pub const DEPLOYED: Self = Self { buckets: 256, outboxes: 64 };

    /// Less, over at least one of each: where a few are to lie together as very many do.
    pub fn over(buckets: u8, outboxes: u8) -> Self {
        Self { buckets: u16::from(buckets.max(1)), outboxes: outboxes.max(1) }
    }

    /// How many buckets.
    pub fn buckets(self) -> u16 {
        self.buckets
    }

    /// How many outboxes.
    pub fn outboxes(self) -> u8 {
        self.outboxes
    }

    /// The bucket of a member.
    pub fn bucket(self, member: &MemberId) -> u16 {
        let [first, ..] = digest(member);
        u16::from(first) % self.buckets
    }

    pub(crate) fn outbox(self, member: &MemberId) -> u8 {
        let [_, second, ..] = digest(member);
        second % self.outboxes
    }
}

fn digest(member: &MemberId) -> [u8; 32] {
    Sha256::digest(member.as_str().as_bytes()).into()
}
