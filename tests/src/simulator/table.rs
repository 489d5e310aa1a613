//! Tables in memory that answer as DynamoDB does, as far as the store asks. What it asks and this does not know is a panic,
//! never a guess. The contract that both other stores are held to holds for this one too (`tests/stores.rs`).
//!
//! It knows what was written when, so that reads that need not be consistent, and indexes, can be answered as they were a
//! moment ago. Of two writes at once it never does one half.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use embedded::Answer;
use serde::Serialize;
use serde_json::{Value, json};

use super::expression::{Item, holds, name, partition, text};

/// What reads may lag behind, at the most.
pub const LAG_MS: i64 = 3_000;
/// A transaction takes so many items.
const TRANSACTION_MAX: usize = 100;

/// A key: partition, and place in it.
type Key = (String, String);

/// A change, as the stream tells it.
#[derive(Debug, Clone)]
pub struct Change {
    /// `INSERT`, `MODIFY` or `REMOVE`.
    pub kind: &'static str,
    /// The item as it is now; of one that is gone, nothing.
    pub image: Arc<Item>,
}

/// An item, and what it was a moment ago.
#[derive(Debug, Clone, Default)]
struct Slot {
    /// From when on it was what; the latest last.
    states: Vec<(i64, Option<Arc<Item>>)>,
}

impl Slot {
    fn now(&self) -> Option<&Arc<Item>> {
        self.states.last()?.1.as_ref()
    }

    fn at(&self, instant: i64) -> Option<&Arc<Item>> {
        self.states.iter().rev().find(|(from, _)| *from <= instant)?.1.as_ref()
    }

    fn write(&mut self, now: i64, item: Option<Arc<Item>>) {
        let current = self.states.iter().rposition(|(from, _)| *from <= now - LAG_MS).unwrap_or(0);
        self.states.drain(..current);
        self.states.push((now, item));
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
    /// What happened to streamed tables, in order.
    pub changes: Vec<Change>,
}

/// When a request is carried out, and how things are read that need not be consistent.
#[derive(Debug, Clone, Copy)]
pub struct At {
    /// Now.
    pub now: i64,
    /// So long ago.
    pub lag: i64,
    /// A query yields so many items at the most, as if they were large.
    pub page: usize,
}

impl At {
    /// At an instant, all consistent.
    pub fn once(now: i64) -> Self {
        Self { now, lag: 0, page: usize::MAX }
    }
}

fn refused(name: &str, message: &str) -> Answer {
    Answer::error(400, name, message)
}

/// A page of items as a query or a scan tells it.
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

fn object(value: &Value) -> &Item {
    value.as_object().unwrap_or_else(|| panic!("no item: {value}"))
}

fn condition_holds(input: &Value, item: Option<&Item>) -> bool {
    input["ConditionExpression"].as_str().is_none_or(|condition| holds(condition, input, item))
}

impl Tables {
    /// Carries a request out.
    ///
    /// # Panics
    /// At an operation that the store never asks for.
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
            "PutItem" | "DeleteItem" | "UpdateItem" => match self.write(operation, input, at.now, false) {
                Ok(()) => reply(&json!({})),
                Err(_) => refused("ConditionalCheckFailedException", "The conditional request failed"),
            },
            "TransactWriteItems" => self.transact(input, at.now),
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
            let keys = wanted["Keys"].as_array().into_iter().flatten();
            let of = &self.tables[table.as_str()];
            (table, keys.filter_map(|wanted_key| of.read(&key(object(wanted_key)), wanted, at)).collect::<Vec<_>>())
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
                (table.of_index(names, of, at), Some(names))
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
                let found = table.all(input, at).into_iter().filter(|item| item.contains_key(&names.0));
                page_of(found.map(|item| Cow::Owned(keys_only(&item, names))).collect(), input, at.page, Some(names))
            }
        }
    }

    /// Writes, or with `only_ask` says whether it could.
    fn write(&mut self, operation: &str, input: &Value, now: i64, only_ask: bool) -> Result<(), ()> {
        let at = if operation == "PutItem" || operation == "Put" { &input["Item"] } else { &input["Key"] };
        let key = key(object(at));
        let named = field(input, "TableName");
        let table = self.tables.get_mut(named).unwrap_or_else(|| panic!("there is no table `{named}`"));
        let was = table.slots.get(&key).and_then(Slot::now).cloned();
        if !condition_holds(input, was.as_deref()) {
            return Err(());
        }
        if only_ask {
            return Ok(());
        }
        let item = match operation {
            "PutItem" | "Put" => Some(Arc::new(object(at).clone())),
            "DeleteItem" | "Delete" => None,
            "UpdateItem" | "Update" => {
                let was = was.as_deref().cloned().unwrap_or_else(|| object(at).clone());
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
        table.slots.entry(key).or_default().write(now, item);
        Ok(())
    }

    fn transact(&mut self, input: &Value, now: i64) -> Answer {
        let writes: Vec<(&String, &Value)> =
            input["TransactItems"].as_array().into_iter().flatten().flat_map(object).collect();
        let keys: BTreeSet<_> = writes
            .iter()
            .map(|(operation, write)| {
                let at = if *operation == "Put" { &write["Item"] } else { &write["Key"] };
                (field(write, "TableName"), key(object(at)))
            })
            .collect();
        if keys.len() < writes.len() || writes.len() > TRANSACTION_MAX {
            return refused(
                "ValidationException",
                "Transaction request cannot include multiple operations on one item",
            );
        }
        let asked: Vec<_> =
            writes.iter().map(|(operation, write)| self.write(operation, write, now, true).is_ok()).collect();
        if asked.iter().all(|may| *may) {
            for (operation, write) in writes {
                let _ = self.write(operation, write, now, false);
            }
            return reply(&json!({}));
        }
        cancelled(asked.iter().map(|may| if *may { "None" } else { "ConditionalCheckFailed" }))
    }

    /// All items of a table as they are.
    pub fn items(&self, table: &str) -> impl Iterator<Item = &Arc<Item>> {
        self.tables.get(table).into_iter().flat_map(|table| table.slots.values()).filter_map(Slot::now)
    }

    /// The names of all tables.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str)
    }

    /// Puts an item behind everybody's back, as whoever damages or changes things elsewhere would.
    pub fn put(&mut self, table: &str, item: Item, now: i64) {
        if let Some(table) = self.tables.get_mut(table) {
            table.slots.entry(key(&item)).or_default().write(now, Some(Arc::new(item)));
        }
    }
}

/// A transaction that was not done, for a reason for each of its items.
pub fn cancelled<'a>(reasons: impl Iterator<Item = &'a str>) -> Answer {
    let reasons: Vec<Value> = reasons.map(|code| json!({ "Code": code, "Message": "not done" })).collect();
    let body = json!({ "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
                       "message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
                       "CancellationReasons": reasons });
    Answer::Reply { status: 400, body: body.to_string() }
}

impl Table {
    fn state<'a>(slot: &'a Slot, input: &Value, at: At) -> Option<&'a Item> {
        let is_now = at.lag == 0 || input["ConsistentRead"] == true;
        if is_now { slot.now() } else { slot.at(at.now - at.lag) }.map(Arc::as_ref)
    }

    fn read(&self, key: &Key, input: &Value, at: At) -> Option<&Item> {
        Self::state(self.slots.get(key)?, input, at)
    }

    fn of_partition(&self, of: &str, input: &Value, at: At) -> Vec<Cow<'_, Item>> {
        let from = (of.to_owned(), String::new());
        let slots = self.slots.range(from..).take_while(|((pk, _), _)| pk == of);
        slots.filter_map(|(_, slot)| Self::state(slot, input, at).map(Cow::Borrowed)).collect()
    }

    /// An index always lags, and holds keys only.
    fn of_index(&self, names: &(String, String), of: &str, at: At) -> Vec<Cow<'_, Item>> {
        let states = self.slots.values().filter_map(|slot| slot.at(at.now - at.lag));
        let in_it = states.filter(|item| item.get(&names.0).and_then(text) == Some(of));
        let mut found: Vec<Cow<Item>> = in_it.map(|item| Cow::Owned(keys_only(item, names))).collect();
        found.sort_by_cached_key(|item| (item.get(&names.1).and_then(text).map(str::to_owned), key(item)));
        found
    }

    fn all(&self, input: &Value, at: At) -> Vec<Cow<'_, Item>> {
        self.slots.values().filter_map(|slot| Self::state(slot, input, at).map(Cow::Borrowed)).collect()
    }
}

fn keys_only(item: &Item, names: &(String, String)) -> Item {
    let kept = ["pk", "sk", &names.0, &names.1];
    kept.iter().filter_map(|name| Some(((*name).to_owned(), item.get(*name)?.clone()))).collect()
}

/// A page of what was found, from where the last one ended: what does not pass the filter counts for the limit.
fn page_of(found: Vec<Cow<Item>>, input: &Value, at_most: usize, index: Option<&(String, String)>) -> Answer {
    let begin = match input["ExclusiveStartKey"].as_object() {
        None => 0,
        Some(behind) => begin(&found, behind, input, index),
    };
    let limit = input["Limit"].as_u64().map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let read = limit.min(at_most).min(found.len() - begin);
    // DynamoDB says where a page ended also if nothing comes behind it.
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

/// The first item behind a key that may be of no item: of one made up, or deleted since.
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

/// An item after an update: attributes removed.
fn updated(mut item: Item, input: &Value) -> Item {
    let update = field(input, "UpdateExpression");
    let removed = update.strip_prefix("REMOVE ").unwrap_or_else(|| panic!("the store never updated `{update}` before"));
    for token in removed.split(',') {
        item.shift_remove(name(input, token.trim()));
    }
    item
}
