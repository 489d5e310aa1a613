//! The spread of a shop over partitions.

use rules::id::MemberId;
use sha2::{Digest, Sha256};

/// The numbers of partitions over which a shop is spread. Members are spread over buckets, which a sweep reads in
/// ranges; unpublished rows are spread over outboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    buckets: u16,
    outboxes: u8,
}

impl Spread {
    /// The spread of every deployment. Never change it: items would be looked for where they are not.
    pub const DEPLOYED: Self = Self { buckets: 256, outboxes: 64 };

    /// A smaller spread, with at least one of each: few members then share a bucket as very many do in a deployment.
    pub fn over(buckets: u8, outboxes: u8) -> Self {
        Self { buckets: u16::from(buckets.max(1)), outboxes: outboxes.max(1) }
    }

    /// The number of buckets.
    pub fn buckets(self) -> u16 {
        self.buckets
    }

    /// The number of outboxes.
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
