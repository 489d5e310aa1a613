//! Every key of every table, spelled here and nowhere else.
//!
//! A shop's name has no `#` and no kind has one, so that a key is never ambiguous whatever characters an id has; ids
//! have no control characters, so that a tab ends a member's id and its pages lie directly behind the member.

use rules::calendar::Instant;
use rules::fact_index::Subject;
use rules::id::{MemberId, TierId};
use serde::de::{Deserialize, Deserializer, Error};

use crate::records::list::Name;
use crate::records::{JobId, ScanPosition};
use crate::shop::ShopId;
pub use crate::sortable::at;
pub use crate::spread::Spread;

/// The partition key of every table.
pub const PK: &str = "pk";
/// The sort key of every table.
pub const SK: &str = "sk";
/// The partition key of the index by member, and its sort key: when it happened.
pub const BY_MEMBER: (&str, &str) = ("member", "at");
/// The partition key of the index of what is not published yet, and its sort key: when it was recorded.
pub const UNPUBLISHED: (&str, &str) = ("unpublished", "recorded_at");

/// The key of an item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The partition.
    pub pk: String,
    /// The place in it.
    pub sk: String,
}

/// The parts of a key have at most so many bytes, and at least one: the database refuses others.
const PARTITION_BYTES_MAX: usize = 2_048;
const SORT_BYTES_MAX: usize = 1_024;

/// Reads a partition that somebody carried for us, and may have changed.
pub fn partition_part<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    part(deserializer, PARTITION_BYTES_MAX)
}

/// The same of a place in a partition.
pub fn sort_part<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    part(deserializer, SORT_BYTES_MAX)
}

fn part<'de, D: Deserializer<'de>>(deserializer: D, bytes_max: usize) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let fits = (1..=bytes_max).contains(&text.len());
    fits.then_some(text).ok_or_else(|| D::Error::custom("is no part of a key"))
}

impl Key {
    fn new(pk: String, sk: impl Into<String>) -> Self {
        Self { pk, sk: sk.into() }
    }
}

/// members: the partition of a bucket.
pub fn bucket_of(shop: &ShopId, bucket: u16) -> String {
    format!("{shop}#{bucket:02x}")
}

/// members: the root of a member.
pub fn member(spread: Spread, shop: &ShopId, member: &MemberId) -> Key {
    Key::new(bucket_of(shop, spread.bucket(member)), member.as_str())
}

/// members: what the sort keys of a member's pages begin with.
pub fn pages(member: &MemberId) -> String {
    format!("{member}\t")
}

/// members: whose root an item is; none if it is a page.
pub fn root_of(key: &Key) -> Option<&str> {
    (!key.sk.contains('\t')).then_some(key.sk.as_str())
}

/// members: a page of a heavy member, by its number.
pub fn page(spread: Spread, shop: &ShopId, member: &MemberId, number: u32) -> Key {
    Key::new(bucket_of(shop, spread.bucket(member)), format!("{}{number:08}", pages(member)))
}

/// members: what sorts behind a member's pages, and before the next member.
pub fn behind(member: &MemberId) -> String {
    format!("{}~", pages(member))
}

/// ledger: the row of a subject.
pub fn subject(shop: &ShopId, subject: &Subject) -> Key {
    match subject {
        Subject::Order(id) => Key::new(format!("{shop}#order#{id}"), "-"),
        Subject::Entry(id) => Key::new(format!("{shop}#entry#{id}"), "-"),
        Subject::Cancel(id) => Key::new(format!("{shop}#cancel#{id}"), "-"),
        Subject::Assignment(id) => Key::new(format!("{shop}#assignment#{id}"), "-"),
        Subject::Tags(member, year) => Key::new(format!("{shop}#tags#{member}"), format!("{year:04}")),
        Subject::Person(member) => Key::new(format!("{shop}#person#{member}"), "-"),
    }
}

/// ledger: the partition of what was recorded about a member.
pub fn history(shop: &ShopId, member: &MemberId) -> String {
    format!("{shop}#history#{member}")
}

/// Whom a partition of history is about: the reverse of [`history`].
pub fn of_history(pk: &str) -> Option<(ShopId, MemberId)> {
    let (shop, member) = pk.split_once("#history#")?;
    Some((ShopId::new(shop).ok()?, MemberId::new(member).ok()?))
}

/// The shop that a partition belongs to, where it belongs to one: a shop's name has no `#`.
pub fn shop_of(pk: &str) -> Option<ShopId> {
    ShopId::new(pk.split('#').next()?).ok()
}

/// ledger: a transition.
pub fn transition(shop: &ShopId, member: &MemberId, seq: u32) -> Key {
    Key::new(history(shop, member), format!("{seq:010}"))
}

/// ledger: the entry rewards of a tier that a transition brought.
pub fn reward(shop: &ShopId, member: &MemberId, seq: u32, tier: &TierId) -> Key {
    Key::new(history(shop, member), format!("{seq:010}#{tier}"))
}

/// ledger: birthday points of a year.
pub fn birthday(shop: &ShopId, member: &MemberId, year: i32) -> Key {
    Key::new(history(shop, member), format!("birthday#{year:04}"))
}

/// ledger: what a member was told ahead, by [`rules::notice::Notice::key`].
pub fn notice(shop: &ShopId, member: &MemberId, key: &str) -> Key {
    Key::new(history(shop, member), format!("{}{key}", notices()))
}

/// ledger: what the places of notices begin with.
pub fn notices() -> &'static str {
    "notice#"
}

/// ledger: a tier held over a change of rules, from an instant on. Of the same version there may be another, later one, of a
/// clock that was ahead.
pub fn hold(shop: &ShopId, member: &MemberId, version: u32, from: Instant) -> Key {
    Key::new(history(shop, member), format!("hold#{version:06}#{}", at(from)))
}

/// ledger, index by member: the partition of all that is about a member.
pub fn about(shop: &ShopId, member: &MemberId) -> String {
    format!("{shop}#{member}")
}

/// ledger, index by member: what the partitions of a shop's members begin with.
pub fn about_anybody(shop: &ShopId) -> String {
    format!("{shop}#")
}

/// ledger, index of what is not published: the partition of a member.
pub fn outbox(spread: Spread, shop: &ShopId, member: &MemberId) -> String {
    outbox_of(shop, spread.outbox(member))
}

/// ledger, index of what is not published: a partition.
pub fn outbox_of(shop: &ShopId, number: u8) -> String {
    format!("{shop}#{number:02}")
}

/// control: a version of a shop's program.
pub fn version(shop: &ShopId, number: u32) -> Key {
    Key::new(format!("{shop}#program"), format!("{number:06}"))
}

/// control: that a version was withdrawn before it took effect; it sorts directly behind the version.
pub fn withdrawal(shop: &ShopId, number: u32) -> Key {
    let Key { pk, sk } = version(shop, number);
    Key::new(pk, format!("{sk}#withdrawn"))
}

/// control: that a version is in force earlier than the clock said that published it, and from when on; it sorts directly
/// behind the version. ledger: that it was, as long as it is to be announced and afterwards.
pub fn brought_forward(shop: &ShopId, number: u32, to: Instant) -> Key {
    let Key { pk, sk } = version(shop, number);
    Key::new(pk, format!("{sk}#brought_forward#{}", at(to)))
}

/// Whether a row says that of a version.
pub fn is_brought_forward(key: &Key, shop: &ShopId, number: u32) -> bool {
    let Key { pk, sk } = version(shop, number);
    key.pk == pk && key.sk.strip_prefix(&sk).is_some_and(|rest| rest.starts_with("#brought_forward#"))
}

/// ledger: that a version was published, as long as it is to be announced and afterwards.
pub fn published(shop: &ShopId, number: u32) -> Key {
    version(shop, number)
}

/// control: the partition of members whose erasure is still to be verified.
pub fn erasures(shop: &ShopId) -> String {
    format!("{shop}#erasures")
}

/// control: a member whose erasure is still to be verified.
pub fn erasure(shop: &ShopId, member: &MemberId) -> Key {
    Key::new(erasures(shop), member.as_str())
}

/// control: the partition of members whose data was asked for.
pub fn requests(shop: &ShopId) -> String {
    format!("{shop}#requests")
}

/// control: a member whose data was asked for.
pub fn request(shop: &ShopId, member: &MemberId) -> Key {
    Key::new(requests(shop), member.as_str())
}

/// control: the partitions of shops that are to be deleted. Earlier releases know the second one alone, and delete at once
/// what stands there.
pub fn redactions() -> [&'static str; 2] {
    ["#deletions", "#redactions"]
}

/// control: a shop that is to be deleted, in one of these partitions.
pub fn redaction_in(partition: &str, shop: &ShopId) -> Key {
    Key::new(partition.to_owned(), shop.as_str())
}

/// control: a shop that is to be deleted.
pub fn redaction(shop: &ShopId) -> Key {
    let [partition, _] = redactions();
    redaction_in(partition, shop)
}

/// control: the draft of a shop's program.
pub fn draft(shop: &ShopId) -> Key {
    Key::new(format!("{shop}#draft"), "-")
}

/// control: something of a shop that could not be taken in.
pub fn quarantine(shop: Option<&ShopId>, id: &str) -> Key {
    Key::new(quarantined(shop), id)
}

/// control: the partition of what could not be taken in; what names no shop has one of its own.
pub fn quarantined(shop: Option<&ShopId>) -> String {
    shop.map_or_else(|| "#quarantine".to_owned(), |shop| format!("{shop}#quarantine"))
}

/// control: the shop of something that could not be taken in, if it named one.
pub fn quarantined_of(key: &Key) -> Option<ShopId> {
    let shop = key.pk.strip_suffix(&quarantined(None))?;
    ShopId::new(shop).ok()
}

/// control: whose turn it is to replay what was quarantined.
pub fn turn() -> Key {
    Key::new("#replaying".to_owned(), "-")
}

/// control: the jobs of a shop, oldest boundary first.
pub fn jobs(shop: &ShopId) -> String {
    format!("{shop}#jobs")
}

/// control: a job of a shop.
pub fn job(shop: &ShopId, id: &JobId) -> Key {
    Key::new(jobs(shop), id.to_string())
}

/// control: the partition of a job's segments.
pub fn segments(shop: &ShopId, job: &JobId) -> String {
    format!("{shop}#job#{job}")
}

/// control: a segment of a job.
pub fn segment(shop: &ShopId, job: &JobId, number: u16) -> Key {
    Key::new(segments(shop, job), format!("{number:03}"))
}

/// control: the partition of a list that a job wrote.
pub fn list(shop: &ShopId, job: &JobId, list: &Name) -> String {
    format!("{shop}#list#{job}#{list}")
}

/// control: where a page of members began, as rows of lists have it. Texts sort as places do: buckets have two digits, and
/// a tab sorts before whatever an id may have.
pub fn list_place(place: &ScanPosition) -> String {
    format!("{:02x}#{}", place.bucket, place.behind.as_deref().unwrap_or_default())
}

/// control: a row of a list, of the page that began at a place; a page may need several.
pub fn list_row(shop: &ShopId, job: &JobId, name: &Name, place: &ScanPosition, number: usize) -> Key {
    Key::new(list(shop, job, name), format!("{}\t{number:02}", list_place(place)))
}

/// control: the place of a row of a list: the reverse of [`list_row`].
pub fn place_of_list_row(sk: &str) -> &str {
    sk.rsplit_once('\t').map_or(sk, |(place, _)| place)
}

/// control: the partition of what jobs found of everybody, oldest first.
pub fn insights(shop: &ShopId) -> String {
    format!("{shop}#insight")
}

/// control: what a job found of everybody.
pub fn insight(shop: &ShopId, job: &JobId) -> Key {
    Key::new(insights(shop), job.to_string())
}

/// control: sorts behind all jobs of an instant, and before those of the next.
pub fn behind_jobs_at(at_instant: Instant) -> String {
    format!("{}~", at(at_instant))
}

/// control: a shop's place in the list of shops.
pub fn shop(shop: &ShopId) -> Key {
    Key::new(shops(), shop.as_str())
}

/// control: the partition of the list of shops.
pub fn shops() -> String {
    "#shops".to_owned()
}

/// queues, on one machine: a message of a queue. Ids that are made later sort later.
pub fn queued(queue: &str, id: &str) -> Key {
    Key::new(queue.to_owned(), id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_never_spreads_its_shops_otherwise() {
        let (acme, anna) = (ShopId::new("acme").unwrap(), MemberId::new("anna").unwrap());
        assert_eq!(member(Spread::DEPLOYED, &acme, &anna), Key::new("acme#55".to_owned(), "anna"));
        assert_eq!(outbox(Spread::DEPLOYED, &acme, &anna), "acme#23");
        assert_eq!((Spread::DEPLOYED.buckets(), Spread::DEPLOYED.outboxes()), (256, 64));
    }
}
