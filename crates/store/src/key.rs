//! Every key of every table. Keys are spelled here and nowhere else.
//!
//! Neither a shop's name nor a kind contains `#`, and so a key is unambiguous whatever characters an id has. Ids have
//! no control characters, and so a tab ends a member's id and the member's pages sort directly after the member.

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
/// The partition key and the sort key of the index by member; the sort key is when it happened.
pub const BY_MEMBER: (&str, &str) = ("member", "at");
/// The partition key and the sort key of the index of unpublished rows; the sort key is when the row was recorded.
pub const UNPUBLISHED: (&str, &str) = ("unpublished", "recorded_at");

/// The key of an item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The partition.
    pub pk: String,
    /// The place in the partition.
    pub sk: String,
}

/// The limits of a key's parts, in bytes. The database refuses longer parts, and empty ones.
const PARTITION_BYTES_MAX: usize = 2_048;
const SORT_BYTES_MAX: usize = 1_024;

/// Reads a partition key from a token that a caller sent back and may have changed.
pub fn partition_part<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    part(deserializer, PARTITION_BYTES_MAX)
}

/// Reads a sort key from such a token.
pub fn sort_part<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    part(deserializer, SORT_BYTES_MAX)
}

fn part<'de, D: Deserializer<'de>>(deserializer: D, bytes_max: usize) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let fits = (1..=bytes_max).contains(&text.len());
    fits.then_some(text).ok_or_else(|| D::Error::custom("is not a part of a key"))
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

/// members: the prefix of the sort keys of a member's pages.
pub fn pages(member: &MemberId) -> String {
    format!("{member}\t")
}

/// members: the id of the member whose root an item is; none if it is a page.
pub fn root_of(key: &Key) -> Option<&str> {
    (!key.sk.contains('\t')).then_some(key.sk.as_str())
}

/// members: a page of a heavy member, by its number.
pub fn page(spread: Spread, shop: &ShopId, member: &MemberId, number: u32) -> Key {
    Key::new(bucket_of(shop, spread.bucket(member)), format!("{}{number:08}", pages(member)))
}

/// members: a sort key that sorts after a member's pages, and before the next member.
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

/// ledger: the partition of a member's history.
pub fn history(shop: &ShopId, member: &MemberId) -> String {
    format!("{shop}#history#{member}")
}

/// The shop and member of a partition of history: the reverse of [`history`].
pub fn of_history(pk: &str) -> Option<(ShopId, MemberId)> {
    let (shop, member) = pk.split_once("#history#")?;
    Some((ShopId::new(shop).ok()?, MemberId::new(member).ok()?))
}

/// The member whose id a partition of the ledger has, if it has one: orders, entries and assignments have their own.
pub fn member_of(pk: &str) -> Option<&str> {
    let (_, rest) = pk.split_once('#')?;
    ["history#", "tags#", "person#"].into_iter().find_map(|kind| rest.strip_prefix(kind))
}

/// The shop that a partition belongs to, if it belongs to one: a shop's name has no `#`.
pub fn shop_of(pk: &str) -> Option<ShopId> {
    ShopId::new(pk.split('#').next()?).ok()
}

/// ledger: a transition.
pub fn transition(shop: &ShopId, member: &MemberId, seq: u32) -> Key {
    Key::new(history(shop, member), format!("{seq:010}"))
}

/// ledger: the entry rewards of a tier, due with a transition.
pub fn reward(shop: &ShopId, member: &MemberId, seq: u32, tier: &TierId) -> Key {
    Key::new(history(shop, member), format!("{seq:010}#{tier}"))
}

/// ledger: a correction of the end of a tier, by [`rules::record::Correction::number`].
pub fn correction(shop: &ShopId, member: &MemberId, number: u32) -> Key {
    Key::new(history(shop, member), format!("correction#{number:010}"))
}

/// ledger: birthday points of a year.
pub fn birthday(shop: &ShopId, member: &MemberId, year: i32) -> Key {
    Key::new(history(shop, member), format!("birthday#{year:04}"))
}

/// ledger: a notice to a member, by [`rules::notice::Notice::key`].
pub fn notice(shop: &ShopId, member: &MemberId, key: &str) -> Key {
    Key::new(history(shop, member), format!("{}{key}", notices()))
}

/// ledger: the prefix of the sort keys of notices.
pub fn notices() -> &'static str {
    "notice#"
}

/// ledger: a hold, from an instant on. The same version may have another, later hold, written by a clock that was
/// ahead.
pub fn hold(shop: &ShopId, member: &MemberId, version: u32, from: Instant) -> Key {
    Key::new(history(shop, member), format!("hold#{version:06}#{}", at(from)))
}

/// ledger, index by member: the partition of all rows about a member.
pub fn about(shop: &ShopId, member: &MemberId) -> String {
    format!("{shop}#{member}")
}

/// ledger, index by member: the prefix of the partitions of a shop's members.
pub fn about_any_member(shop: &ShopId) -> String {
    format!("{shop}#")
}

/// ledger, index of unpublished rows: the partition of a member.
pub fn outbox(spread: Spread, shop: &ShopId, member: &MemberId) -> String {
    outbox_of(shop, spread.outbox(member))
}

/// ledger, index of unpublished rows: a partition.
pub fn outbox_of(shop: &ShopId, number: u8) -> String {
    format!("{shop}#{number:02}")
}

/// control: a version of a shop's program.
pub fn version(shop: &ShopId, number: u32) -> Key {
    Key::new(format!("{shop}#program"), format!("{number:06}"))
}

/// control: the withdrawal of a version before it took effect. It sorts directly after the version.
pub fn withdrawal(shop: &ShopId, number: u32) -> Key {
    let Key { pk, sk } = version(shop, number);
    Key::new(pk, format!("{sk}#withdrawn"))
}

/// control: the earlier instant from which a version is in force if the clock that published it was ahead. It sorts
/// directly after the version. ledger: the event about it, kept after it was announced.
pub fn brought_forward(shop: &ShopId, number: u32, to: Instant) -> Key {
    let Key { pk, sk } = version(shop, number);
    Key::new(pk, format!("{sk}#brought_forward#{}", at(to)))
}

/// Whether a row brings a version forward.
pub fn is_brought_forward(key: &Key, shop: &ShopId, number: u32) -> bool {
    let Key { pk, sk } = version(shop, number);
    key.pk == pk && key.sk.strip_prefix(&sk).is_some_and(|rest| rest.starts_with("#brought_forward#"))
}

/// ledger: the publication of a version, kept after it was announced.
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

/// control: the partition of members whose data was requested.
pub fn requests(shop: &ShopId) -> String {
    format!("{shop}#requests")
}

/// control: a member whose data was requested.
pub fn request(shop: &ShopId, member: &MemberId) -> Key {
    Key::new(requests(shop), member.as_str())
}

/// control: the partitions of shops that are to be deleted. Earlier releases know only the second one, and delete at
/// once what is in it.
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

/// control: a quarantined message of a shop.
pub fn quarantine(shop: Option<&ShopId>, id: &str) -> Key {
    Key::new(quarantined(shop), id)
}

/// control: the partition of a shop's quarantined messages. Messages that name no shop have a partition of their own.
pub fn quarantined(shop: Option<&ShopId>) -> String {
    shop.map_or_else(|| "#quarantine".to_owned(), |shop| format!("{shop}#quarantine"))
}

/// control: the shop of a quarantined message, if it named one.
pub fn quarantined_of(key: &Key) -> Option<ShopId> {
    let shop = key.pk.strip_suffix(&quarantined(None))?;
    ShopId::new(shop).ok()
}

/// control: the turn to replay quarantined messages.
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

/// control: the place where a page of members began, as rows of lists have it. Texts sort as places do: buckets have
/// two digits, and a tab sorts before any character of an id.
pub fn list_place(place: &ScanPosition) -> String {
    format!("{:02x}#{}", place.bucket, place.behind.as_deref().unwrap_or_default())
}

/// control: a row of a list, for the page that began at a place. A page may need several rows.
pub fn list_row(shop: &ShopId, job: &JobId, name: &Name, place: &ScanPosition, number: usize) -> Key {
    Key::new(list(shop, job, name), format!("{}\t{number:02}", list_place(place)))
}

/// control: the place of a list row: the reverse of [`list_row`].
pub fn place_of_list_row(sk: &str) -> &str {
    sk.rsplit_once('\t').map_or(sk, |(place, _)| place)
}

/// control: the partition of insights, oldest first.
pub fn insights(shop: &ShopId) -> String {
    format!("{shop}#insight")
}

/// control: the insight of a job.
pub fn insight(shop: &ShopId, job: &JobId) -> Key {
    Key::new(insights(shop), job.to_string())
}

/// control: a sort key after all jobs of an instant, and before those of the next.
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

/// queues, on a single machine: a message of a queue. Ids that are made later sort later.
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
