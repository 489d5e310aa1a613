//! Reads members and the facts of subjects, strongly consistent, as the basis of writes.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnConsumedCapacity};
use rules::calendar::Instant;
use rules::chunk::{self, Chunk, ChunkIndex};
use rules::compact::CompactError;
use rules::fact::{Currency, Fact};
use rules::fact_index::Subject;
use rules::id::MemberId;
use rules::ledger::Ledger;
use rules::record::Record;

use super::item::{Attributes, Item};
use super::key::{self, Key};
use super::merged::{Links, OtherId, Tombstone};
use super::meter::Kind;
use super::{Store, StoreError};
use crate::shop::ShopId;

/// The most keys that one request reads.
const KEYS_MAX: usize = 100;
/// The maximum number of retries for keys that a busy database left unprocessed.
const ASKED_AGAIN_MAX: u32 = 5;
/// The maximum number of retries for a member whose parts do not fit together: five seconds in all, each wait twice as
/// long as the last.
pub(super) const READ_AGAIN_MAX: u32 = 10;

/// The stored facts of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredSubject {
    /// The facts, each in its latest revision.
    pub facts: Vec<Fact>,
    /// The row's own version; none if there is no row.
    pub(super) version: Option<u64>,
}

/// A member as stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StoredMember {
    /// There is no item.
    #[default]
    Absent,
    /// There is an item.
    Present(Box<Member>),
    /// There is a tombstone, and nothing else.
    Erased(Tombstone),
}

impl StoredMember {
    /// Whether the member was erased.
    pub fn is_erased(&self) -> bool {
        matches!(self, Self::Erased(_))
    }

    /// The stored data of a member, empty if there is no item; none if the member was erased.
    pub fn alive(self) -> Option<Member> {
        match self {
            Self::Absent => Some(Member::default()),
            Self::Present(member) => Some(*member),
            Self::Erased(_) => None,
        }
    }

    /// The stored data of a member; none if there is no item, or the member was erased.
    pub fn present(self) -> Option<Member> {
        match self {
            Self::Present(member) => Some(*member),
            Self::Absent | Self::Erased(_) => None,
        }
    }
}

/// The stored data of a member, with the versions that a write is conditional on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Member {
    /// The facts that name the member's id.
    pub ledger: Ledger,
    /// The member's record.
    pub record: Record,
    /// The keys of notices ([`rules::notice::Notice`]) that were sent and must not be sent again. Only sweeps send
    /// notices.
    pub sent_notices: Vec<String>,
    /// The member that the id was merged into, and the ids that were merged into it.
    pub links: Links,
    /// The member that the id stands for; none if it stands for itself.
    pub stands_for: Option<MemberId>,
    /// The other ids of the member.
    pub others: Vec<OtherId>,
    /// The index of the pages.
    pub(super) chunk_index: ChunkIndex,
    /// The pages as they were read: the page's version, and its bytes.
    pub(super) pages: BTreeMap<u32, (u64, Vec<u8>)>,
    /// The item's own version; none if there is no item.
    pub(super) version: Option<u64>,
}

impl StoredSubject {
    /// Whether there is a row.
    pub fn is_stored(&self) -> bool {
        self.version.is_some()
    }
}

impl Member {
    /// The number of pages beside the item.
    pub fn pages(&self) -> usize {
        self.chunk_index.0.len()
    }

    /// Whether there is an item.
    pub fn is_stored(&self) -> bool {
        self.version.is_some()
    }
}

/// The attributes of rows and members beside their keys.
pub(super) mod name {
    pub(crate) const FACTS: &str = "facts";
    pub(crate) const BODY: &str = "body";
    pub(crate) const PAGES: &str = "pages";
    pub(crate) const NOTICED: &str = "noticed";
    pub(crate) const ERASED_AT: &str = "erased_at";
    pub(crate) const MERGED: &str = "merged";
    pub(crate) const MERGED_IDS: &str = "merged_ids";
}

impl Store {
    /// The stored facts of subjects; empty for subjects that have no row.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn subjects(
        &self,
        shop: &ShopId,
        subjects: impl IntoIterator<Item = Subject>,
    ) -> Result<BTreeMap<Subject, StoredSubject>, StoreError> {
        let keys: HashMap<Key, Subject> =
            subjects.into_iter().map(|subject| (key::subject(shop, &subject), subject)).collect();
        let mut found: BTreeMap<Subject, StoredSubject> =
            keys.values().map(|subject| (subject.clone(), StoredSubject::default())).collect();
        for item in self.get_all(&self.tables.ledger, keys.keys()).await? {
            if let Some(subject) = keys.get(&item.key()) {
                found.insert(subject.clone(), stored_subject(&item)?);
            }
        }
        Ok(found)
    }

    /// The items of members, each by itself.
    pub(super) async fn items(
        &self,
        shop: &ShopId,
        members: impl IntoIterator<Item = MemberId>,
    ) -> Result<BTreeMap<MemberId, StoredMember>, StoreError> {
        let keys: HashMap<Key, MemberId> =
            members.into_iter().map(|id| (key::member(self.tables.spread, shop, &id), id)).collect();
        let mut found: BTreeMap<MemberId, StoredMember> =
            keys.values().map(|id| (id.clone(), StoredMember::Absent)).collect();
        for item in self.get_all(&self.tables.members, keys.keys()).await? {
            let Some(id) = keys.get(&item.key()) else { continue };
            let laid = laid(&item)?;
            let held = if laid.is_empty() { held(&item, &laid, &[]) } else { self.heavy(shop, id, item, laid).await };
            found.insert(id.clone(), held?);
        }
        Ok(found)
    }

    /// Reads a member with pages, again if another writer changes them meanwhile. If the parts do not fit together for
    /// longer than a transaction can be seen in part, the member is damaged, unless writers changed the root all the
    /// while.
    async fn heavy(
        &self,
        shop: &ShopId,
        id: &MemberId,
        mut root: Item,
        mut at: Laid,
    ) -> Result<StoredMember, StoreError> {
        let first = root.version()?;
        for tries in 0..READ_AGAIN_MAX {
            match held(&root, &at, &self.pages(shop, id).await?) {
                Err(StoreError::Conflict | StoreError::Corrupt { .. }) => {}
                read => return read,
            }
            tokio::time::sleep(Duration::from_millis(5 << tries)).await;
            let again = self.get_all(&self.tables.members, std::iter::once(&root.key())).await?;
            let Some(again) = again.into_iter().next() else { return Ok(StoredMember::Absent) };
            (at, root) = (laid(&again)?, again);
        }
        let is_busy = root.version()? != first;
        match held(&root, &at, &self.pages(shop, id).await?) {
            Err(StoreError::Conflict | StoreError::Corrupt { .. }) if is_busy => {
                Err(StoreError::unavailable("a member's pages keep changing".to_owned()))
            }
            Err(StoreError::Conflict) => Err(root.corrupt("directory: the pages are of other versions")),
            read => read,
        }
    }

    pub(super) async fn pages(&self, shop: &ShopId, member: &MemberId) -> Result<Vec<Item>, StoreError> {
        let bucket = key::bucket_of(shop, self.tables.spread.bucket(member));
        self.query(&self.tables.members, None, (key::PK, &bucket), Some(&key::pages(member))).await
    }

    /// All existing items with these keys.
    pub(super) async fn get_all(&self, table: &str, keys: impl Iterator<Item = &Key>) -> Result<Vec<Item>, StoreError> {
        let mut keys: Vec<&Key> = keys.collect();
        keys.sort_unstable();
        let mut items = Vec::with_capacity(keys.len());
        for some in keys.chunks(KEYS_MAX) {
            let mut rest = Some(some.iter().map(|key| Item::at(key).0).collect::<Vec<_>>());
            let mut asked_again = 0;
            while let Some(keys) = rest.take() {
                let (found, left) = self.get_some(table, keys).await?;
                items.extend(found);
                if !left.is_empty() {
                    if asked_again == ASKED_AGAIN_MAX {
                        return Err(StoreError::unavailable(format!("{} keys were left unread", left.len())));
                    }
                    tokio::time::sleep(Duration::from_millis(20 << asked_again)).await;
                    asked_again += 1;
                    rest = Some(left);
                }
            }
        }
        Ok(items)
    }

    async fn get_some(
        &self,
        table: &str,
        keys: Vec<Attributes>,
    ) -> Result<(impl Iterator<Item = Item>, Vec<Attributes>), StoreError> {
        let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
        let wanted = wanted.map_err(StoreError::refused)?;
        let asked = self.client.batch_get_item().request_items(table, wanted);
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let answer = asked.send().await.map_err(StoreError::of_sdk)?;
        self.meter.add(Kind::Read, answer.consumed_capacity());
        let found = answer.responses.unwrap_or_default().into_values().flatten().map(Item);
        let left = answer.unprocessed_keys.unwrap_or_default().into_values().flat_map(|left| left.keys).collect();
        Ok((found, left))
    }
}

/// The facts of a row.
pub(super) fn stored_subject(item: &Item) -> Result<StoredSubject, StoreError> {
    // Facts are written with every field filled in; the currency is only a default.
    let currency = Currency::from_code("USD").ok_or_else(|| item.corrupt("currency"))?;
    let read = |text: &str| {
        let value = serde_json::from_str(text).map_err(|error| item.corrupt(format!("fact: {error}")))?;
        Fact::read(&value, currency).map(|told| told.fact).map_err(|error| item.corrupt(format!("fact: {error}")))
    };
    let facts = item.maybe_texts(name::FACTS)?.into_iter().map(read).collect::<Result<_, _>>()?;
    Ok(StoredSubject { facts, version: Some(item.version()?) })
}

/// The pages of a member, each with the version that belongs to the root; none in items from before pages had versions.
#[derive(Debug, Default)]
pub(super) struct Laid(Vec<(Chunk, Option<u64>)>);

impl Laid {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

pub(super) fn laid(item: &Item) -> Result<Laid, StoreError> {
    let page = |text: &str| {
        let mut parts = text.split(' ');
        let (number, until) = (parts.next()?.parse().ok()?, Instant::from_millis(parts.next()?.parse().ok()?));
        let version = parts.next().map(str::parse).transpose().ok()?;
        Some((Chunk { number, until }, version))
    };
    let texts = item.maybe_texts(name::PAGES)?;
    let pages = texts.into_iter().map(|text| page(text).ok_or_else(|| item.corrupt(name::PAGES)));
    Ok(Laid(pages.collect::<Result<_, _>>()?))
}

/// The page index in its stored form.
pub(super) fn laid_texts(chunk_index: &ChunkIndex, version: impl Fn(u32) -> u64) -> impl Iterator<Item = String> {
    chunk_index.0.iter().map(move |page| format!("{} {} {}", page.number, page.until.millis(), version(page.number)))
}

/// Assembles a member from a root and its pages. Pages that are missing or do not have this root's version were read
/// during a write: a read of several items is not atomic.
pub(super) fn held(item: &Item, laid: &Laid, page_items: &[Item]) -> Result<StoredMember, StoreError> {
    let version = Some(item.version()?);
    let links = Links::from(item)?;
    if let Some(at) = item.maybe_text(name::ERASED_AT) {
        let erased_at = Instant::parse(at).map_err(|_| item.corrupt(name::ERASED_AT))?;
        return Ok(StoredMember::Erased(Tombstone { erased_at, links, version }));
    }
    let sent_notices = item.maybe_texts(name::NOTICED)?.into_iter().map(str::to_owned).collect();
    let mut pages = BTreeMap::new();
    for page in page_items {
        let number = page.key().sk.rsplit('\t').next().and_then(|number| number.parse().ok());
        let number = number.ok_or_else(|| page.corrupt("page number"))?;
        pages.insert(number, (page.version()?, page.need_bytes(name::BODY)?.to_vec()));
    }
    if pages.values().any(|(page, _)| Some(*page) > version) {
        return Err(StoreError::Conflict);
    }
    let parts = laid.0.iter().map(|(page, laid)| match pages.get(&page.number) {
        Some((found, _)) if laid.is_some_and(|laid| laid != *found) => Err(StoreError::Conflict),
        Some((_, bytes)) => Ok(bytes.as_slice()),
        None => Err(item.corrupt(format!("directory: page {} is missing", page.number))),
    });
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    let (ledger, record) = chunk::assemble(item.need_bytes(name::BODY)?, parts).map_err(|what| match what {
        CompactError::UnknownFormat(_) => StoreError::Newer { key: item.key(), what },
        CompactError::Truncated | CompactError::Corrupt(_) => item.corrupt(what.to_string()),
    })?;
    let chunk_index = ChunkIndex(laid.0.iter().map(|(page, _)| *page).collect());
    let (stands_for, others) = (None, Vec::new());
    let member = Member { ledger, record, sent_notices, links, stands_for, others, chunk_index, pages, version };
    Ok(StoredMember::Present(Box::new(member)))
}
