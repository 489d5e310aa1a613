//! Tables in memory that answer as DynamoDB does, as far as the store asks. A request that they do not know is a panic, never a
//! guess. The contract of both other stores holds for this one too (`tests/store/stores.rs`).
//!
//! Tables know what was written when. Reads that need not be consistent, and indexes, can therefore be answered as of a moment
//! ago, each item as of a moment of its own. A transaction is done as a whole or not at all, but its items become visible one
//! after the other, and until then they refuse other writes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use embedded_dynamodb::Answer;
use serde::Serialize;
use serde_json::{Value, json};

use super::expression::{Item, holds, name, partition, text};

/// The most by which reads lag behind.
pub const LAG_MS: i64 = 3_000;
/// The most items in a transaction, and in a batch of reads.
const TOGETHER_MAX: usize = 100;

/// A key: partition, and place in it.
pub type Key = (String, String);

/// A change, as the stream delivers it.
#[derive(Debug, Clone)]
pub struct Change {
    /// `INSERT`, `MODIFY` or `REMOVE`.
    pub kind: &'static str,
    /// The item after the change; if it was removed, the item before.
    pub image: Arc<Item>,
}

/// An item with its recent states.
#[derive(Debug, Clone, Default)]
struct Slot {
    /// The states, each with the instant from which it is visible; the latest comes last, and may not be visible yet.
    states: Vec<(i64, Option<Arc<Item>>)>,
}

impl Slot {
    fn now(&self) -> Option<&Arc<Item>> {
        self.states.last()?.1.as_ref()
    }

    fn at(&self, instant: i64) -> Option<&Arc<Item>> {
        self.states.iter().rev().find(|(from, _)| *from <= instant)?.1.as_ref()
    }

    /// Whether a transaction on the item is still under way.
    fn is_taken(&self, now: i64) -> bool {
        self.states.last().is_some_and(|(from, _)| *from > now)
    }

    fn write(&mut self, now: i64, item: Option<Arc<Item>>, seen_at: i64) {
        let current = self.states.iter().rposition(|(from, _)| *from <= now - LAG_MS).unwrap_or(0);
        self.states.drain(..current);
        self.states.push((seen_at, item));
    }
}

#[derive(Debug, Clone, Default)]
struct Table {
    slots: BTreeMap<Key, Slot>,
    /// The keys of its indexes, by name.
    indexes: BTreeMap<String, (String, String)>,
    streamed: bool,
}

/// All tables of a deployment.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    tables: BTreeMap<String, Table>,
    /// The changes to streamed tables, in order.
    pub changes: Vec<Change>,
}

/// The instant of a request, and how reads are answered that need not be consistent.
#[derive(Debug, Clone, Copy)]
pub struct At {
    /// Now.
    pub now: i64,
    /// The longest lag of a read; each item has a lag of its own.
    pub lag: i64,
    /// The most items that a query yields, as if items were large.
    pub page: usize,
    /// The time after which all items of a transaction are visible.
    pub spread: i64,
}

/// The reason why a write is refused.
enum Refused {
    /// Its condition does not hold.
    Condition,
    /// A transaction on the item is still under way.
    Taken,
}

impl Refused {
    fn reason(&self) -> &'static str {
        match self {
            Self::Condition => "ConditionalCheckFailed",
            Self::Taken => "TransactionConflict",
        }
    }
}

impl At {
    /// An instant at which all reads are consistent.
    pub fn once(now: i64) -> Self {
        Self { now, lag: 0, page: usize::MAX, spread: 0 }
    }

    /// A part of a duration, pseudorandom by instant and key.
    fn part(self, of: i64, key: &Key) -> i64 {
        if of == 0 {
            return 0;
        }
        let mut hasher = DefaultHasher::new();
        (self.now, key).hash(&mut hasher);
        i64::try_from(hasher.finish() % (of.unsigned_abs() + 1)).unwrap_or_default()
    }
}

fn refused(name: &str, message: &str) -> Answer {
    Answer::error(400, name, message)
}

/// A page of items as a query or a scan returns it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Page<'a> {
    count: usize,
    scanned_count: usize,
    items: Vec<Cow<'a, Item>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_evaluated_key: Option<Item>,
}

fn reply(body: &impl Serialize) -> Answer {
    Answer::Reply { status: 200, body: serde_json::to_string(body).unwrap() }
}

fn field<'a>(input: &'a Value, name: &str) -> &'a str {
    input[name].as_str().unwrap_or_default()
}

fn key(item: &Item) -> Key {
    let part = |name: &str| text(&item[name]).unwrap_or_else(|| panic!("no `{name}` in {item:?}")).to_owned();
    (part("pk"), part("sk"))
}

/// The key of the item that a request writes.
fn written(input: &Value) -> Key {
    let at = if input["Item"].is_object() { &input["Item"] } else { &input["Key"] };
    key(object(at))
}

fn object(value: &Value) -> &Item {
    value.as_object().unwrap_or_else(|| panic!("no item: {value}"))
}

fn condition_holds(input: &Value, item: Option<&Item>) -> bool {
    input["ConditionExpression"].as_str().is_none_or(|condition| holds(condition, input, item))
}

impl Tables {
    /// Carries out a request.
    ///
    /// # Panics
    /// On an operation that the store never uses.
    pub fn carry_out(&mut self, operation: &str, input: &Value, at: At) -> Answer {
        match operation {
            "CreateTable" => self.create(input),
            "ListTables" => reply(&json!({ "TableNames": self.tables.keys().collect::<Vec<_>>() })),
            "BatchGetItem" => self.batch_get(input, at),
            "GetItem" => {
                let found = self.table(input).read(&key(object(&input["Key"])), input, at);
                reply(&found.map(|item| ("Item", item)).into_iter().collect::<BTreeMap<_, _>>())
            }
            "Query" => self.query(input, at),
            "Scan" => self.scan(input, at),
            "PutItem" | "DeleteItem" | "UpdateItem" => match self.may_write(input, at.now) {
                Ok(()) => {
                    self.write(operation, input, At { spread: 0, ..at });
                    reply(&json!({}))
                }
                Err(Refused::Condition) => refused("ConditionalCheckFailedException", "The conditional request failed"),
                Err(Refused::Taken) => refused("TransactionConflictException", "Transaction is ongoing for the item"),
            },
            "TransactWriteItems" => self.transact(input, at),
            other => panic!("the tables of the simulator have no operation `{other}`"),
        }
    }

    fn create(&mut self, input: &Value) -> Answer {
        let table = field(input, "TableName").to_owned();
        if self.tables.contains_key(&table) {
            return refused("ResourceInUseException", "Table already exists");
        }
        let part = |schema: &Value, kind: &str| {
            let elements = schema.as_array().into_iter().flatten();
            let mut of_kind = elements.filter(|element| element["KeyType"] == kind);
            of_kind.next().map(|element| field(element, "AttributeName").to_owned()).unwrap_or_default()
        };
        let indexes = input["GlobalSecondaryIndexes"].as_array().into_iter().flatten();
        let indexes = indexes.map(|index| {
            let schema = &index["KeySchema"];
            (field(index, "IndexName").to_owned(), (part(schema, "HASH"), part(schema, "RANGE")))
        });
        let streamed = input["StreamSpecification"]["StreamEnabled"] == true;
        self.tables.insert(table, Table { slots: BTreeMap::new(), indexes: indexes.collect(), streamed });
        reply(&json!({ "TableDescription": {} }))
    }

    fn table(&self, input: &Value) -> &Table {
        let named = field(input, "TableName");
        self.tables.get(named).unwrap_or_else(|| panic!("there is no table `{named}`"))
    }

    fn batch_get(&self, input: &Value, at: At) -> Answer {
        let responses = object(&input["RequestItems"]).iter().map(|(table, wanted)| {
            let keys: Vec<Key> =
                wanted["Keys"].as_array().into_iter().flatten().map(|wanted| key(object(wanted))).collect();
            let distinct: BTreeSet<&Key> = keys.iter().collect();
            assert!(distinct.len() == keys.len() && keys.len() <= TOGETHER_MAX, "DynamoDB refuses such a batch");
            let of = &self.tables[table.as_str()];
            (table, keys.iter().filter_map(|key| of.read(key, wanted, at)).collect::<Vec<_>>())
        });
        reply(&BTreeMap::from([("Responses", responses.collect::<BTreeMap<_, _>>())]))
    }

    fn query(&self, input: &Value, at: At) -> Answer {
        let (table, condition) = (self.table(input), field(input, "KeyConditionExpression"));
        let of = partition(condition, input);
        let (mut found, sorted): (Vec<Cow<Item>>, _) = match input["IndexName"].as_str() {
            None => (table.of_partition(of, input, at), None),
            Some(index) => {
                let names = &table.indexes[index];
                (table.of_index(names, of, input, at), Some(names))
            }
        };
        found.retain(|item| holds(condition, input, Some(item)));
        if input["ScanIndexForward"] == false {
            found.reverse();
        }
        page_of(found, input, at.page, sorted)
    }

    fn scan(&self, input: &Value, at: At) -> Answer {
        let table = self.table(input);
        match input["IndexName"].as_str() {
            None => page_of(table.all(input, at), input, at.page, None),
            Some(index) => {
                let names = &table.indexes[index];
                let found = table.all(input, at).into_iter().filter(|item| is_in(item, names));
                page_of(found.map(|item| Cow::Owned(keys_only(&item, names))).collect(), input, at.page, Some(names))
            }
        }
    }

    /// Checks whether a write may be done.
    fn may_write(&self, input: &Value, now: i64) -> Result<(), Refused> {
        let slot = self.table(input).slots.get(&written(input));
        if slot.is_some_and(|slot| slot.is_taken(now)) {
            return Err(Refused::Taken);
        }
        let is = slot.and_then(Slot::now).map(Arc::as_ref);
        if condition_holds(input, is) { Ok(()) } else { Err(Refused::Condition) }
    }

    /// Applies a write.
    fn write(&mut self, operation: &str, input: &Value, at: At) {
        let (named, key) = (field(input, "TableName"), written(input));
        let table = self.tables.get_mut(named).unwrap_or_else(|| panic!("there is no table `{named}`"));
        let was = table.slots.get(&key).and_then(Slot::now).cloned();
        let item = match operation {
            "PutItem" | "Put" => Some(Arc::new(object(&input["Item"]).clone())),
            "DeleteItem" | "Delete" => None,
            "UpdateItem" | "Update" => {
                let was = was.as_deref().cloned().unwrap_or_else(|| object(&input["Key"]).clone());
                Some(Arc::new(updated(was, input)))
            }
            other => panic!("the store never wrote with `{other}` before"),
        };
        let kind = match (&was, &item) {
            (None, Some(_)) => "INSERT",
            (Some(_), Some(_)) => "MODIFY",
            (_, None) => "REMOVE",
        };
        if table.streamed && (was.is_some() || item.is_some()) && was != item {
            let image = item.clone().or(was).unwrap_or_default();
            self.changes.push(Change { kind, image });
        }
        let seen_at = at.now + at.part(at.spread, &key);
        table.slots.entry(key).or_default().write(at.now, item, seen_at);
    }

    fn transact(&mut self, input: &Value, at: At) -> Answer {
        let writes: Vec<(&String, &Value)> =
            input["TransactItems"].as_array().into_iter().flatten().flat_map(object).collect();
        let keys: BTreeSet<_> = writes.iter().map(|(_, write)| (field(write, "TableName"), written(write))).collect();
        if keys.len() < writes.len() || writes.len() > TOGETHER_MAX {
            return refused(
                "ValidationException",
                "Transaction request cannot include multiple operations on one item",
            );
        }
        let refusals: Vec<_> = writes.iter().map(|(_, write)| self.may_write(write, at.now).err()).collect();
        if refusals.iter().all(Option::is_none) {
            for (operation, write) in writes {
                self.write(operation, write, at);
            }
            return reply(&json!({}));
        }
        cancelled(refusals.iter().map(|why| why.as_ref().map_or("None", Refused::reason)))
    }

    /// The latest state of all items of a table.
    pub fn items(&self, table: &str) -> impl Iterator<Item = &Arc<Item>> {
        self.tables.get(table).into_iter().flat_map(|table| table.slots.values()).filter_map(Slot::now)
    }

    /// An item as visible at an instant; at the end of time, its latest state.
    pub fn seen(&self, table: &str, key: &Key, now: i64) -> Option<Arc<Item>> {
        self.tables.get(table)?.slots.get(key)?.at(now).cloned()
    }

    /// The names of all tables.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str)
    }

    /// Puts an item without a request, as a change from outside the processes would.
    pub fn put(&mut self, table: &str, item: Item, now: i64) {
        if let Some(table) = self.tables.get_mut(table) {
            table.slots.entry(key(&item)).or_default().write(now, Some(Arc::new(item)), now);
        }
    }
}

/// A canceled transaction, with a reason for each of its items.
pub fn cancelled<'a>(reasons: impl Iterator<Item = &'a str>) -> Answer {
    let reasons: Vec<Value> = reasons.map(|code| json!({ "Code": code, "Message": "not done" })).collect();
    let body = json!({ "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
                       "message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
                       "CancellationReasons": reasons });
    Answer::Reply { status: 400, body: body.to_string() }
}

/// A transaction that is canceled for the reason of its first item.
pub fn cancelled_for_first(input: &Value, code: &str) -> Answer {
    let items = input["TransactItems"].as_array().map_or(0, Vec::len);
    cancelled((0..items).map(|place| if place == 0 { code } else { "None" }))
}

impl Table {
    fn state<'a>((key, slot): (&Key, &'a Slot), input: &Value, at: At) -> Option<&'a Item> {
        let lag = if input["ConsistentRead"] == true { 0 } else { at.part(at.lag, key) };
        slot.at(at.now - lag).map(Arc::as_ref)
    }

    fn read(&self, key: &Key, input: &Value, at: At) -> Option<&Item> {
        Self::state(self.slots.get_key_value(key)?, input, at)
    }

    fn of_partition(&self, of: &str, input: &Value, at: At) -> Vec<Cow<'_, Item>> {
        let from = (of.to_owned(), String::new());
        let slots = self.slots.range(from..).take_while(|((pk, _), _)| pk == of);
        slots.filter_map(|slot| Self::state(slot, input, at).map(Cow::Borrowed)).collect()
    }

    /// The items of one value of an index. An index always lags, and holds only keys, of items that have both.
    fn of_index(&self, names: &(String, String), of: &str, input: &Value, at: At) -> Vec<Cow<'_, Item>> {
        assert_ne!(input["ConsistentRead"], true, "DynamoDB refuses consistent reads of an index");
        let states = self.slots.iter().filter_map(|slot| Self::state(slot, input, at));
        let in_it = states.filter(|item| item.get(&names.0).and_then(text) == Some(of) && is_in(item, names));
        let mut found: Vec<Cow<Item>> = in_it.map(|item| Cow::Owned(keys_only(item, names))).collect();
        found.sort_by_cached_key(|item| (item.get(&names.1).and_then(text).map(str::to_owned), key(item)));
        found
    }

    fn all(&self, input: &Value, at: At) -> Vec<Cow<'_, Item>> {
        self.slots.iter().filter_map(|slot| Self::state(slot, input, at).map(Cow::Borrowed)).collect()
    }
}

/// Whether an item is in an index, which may have no sort key.
fn is_in(item: &Item, names: &(String, String)) -> bool {
    item.contains_key(&names.0) && (names.1.is_empty() || item.contains_key(&names.1))
}

fn keys_only(item: &Item, names: &(String, String)) -> Item {
    let kept = ["pk", "sk", &names.0, &names.1];
    kept.iter().filter_map(|name| Some(((*name).to_owned(), item.get(*name)?.clone()))).collect()
}

/// A page of what was found, from the end of the last page on. Items that the filter drops count toward the limit.
fn page_of(found: Vec<Cow<Item>>, input: &Value, at_most: usize, index: Option<&(String, String)>) -> Answer {
    let begin = match input["ExclusiveStartKey"].as_object() {
        None => 0,
        Some(behind) => begin(&found, behind, input, index),
    };
    let limit = input["Limit"].as_u64().map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let read = limit.min(at_most).min(found.len() - begin);
    // DynamoDB says where a page ended even if nothing follows.
    let ends = (read == limit || begin + read < found.len()).then(|| found[..begin + read].last()).flatten();
    let ends = ends.filter(|_| read > 0).map(|last| {
        let (by, sorted) = index.map_or(("", ""), |names| (&names.0, &names.1));
        let names = ["pk", "sk", by, sorted];
        names.iter().filter_map(|name| Some(((*name).to_owned(), last.get(*name)?.clone()))).collect()
    });
    let filter = input["FilterExpression"].as_str();
    let page = found.into_iter().skip(begin).take(read);
    let items: Vec<_> = page
        .filter(|item| filter.is_none_or(|filter| holds(filter, input, Some(item))))
        .map(|item| projected(item, input))
        .collect();
    reply(&Page { count: items.len(), scanned_count: read, items, last_evaluated_key: ends })
}

/// The place of the first item after a key. The key may be made up, or of an item deleted since.
fn begin(found: &[Cow<Item>], behind: &Item, input: &Value, index: Option<&(String, String)>) -> usize {
    let place = |item: &Item| {
        let sorted = index.map(|names| item.get(&names.1).and_then(text).unwrap_or_default().to_owned());
        (sorted, key(item))
    };
    let behind = place(behind);
    let forward = input["ScanIndexForward"] != false;
    found.partition_point(|item| if forward { place(item) <= behind } else { place(item) >= behind })
}

fn projected<'a>(item: Cow<'a, Item>, input: &Value) -> Cow<'a, Item> {
    match input["ProjectionExpression"].as_str() {
        None => item,
        Some(names) => {
            let names = names.split(',').map(|token| name(input, token.trim()));
            Cow::Owned(names.filter_map(|name| Some((name.to_owned(), item.get(name)?.clone()))).collect())
        }
    }
}

/// An item after an update that removes attributes.
fn updated(mut item: Item, input: &Value) -> Item {
    let update = field(input, "UpdateExpression");
    let removed = update.strip_prefix("REMOVE ").unwrap_or_else(|| panic!("the store never updated `{update}` before"));
    for token in removed.split(',') {
        item.shift_remove(name(input, token.trim()));
    }
    item
}
