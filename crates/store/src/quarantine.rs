//! The quarantine: a row for each message, with nothing from the body except values from known lists.

use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnConsumedCapacity, TransactWriteItem};
use rules::calendar::Instant;
use serde::{Deserialize, Serialize};

use super::commit::WRITES_MAX;
use super::item::{Attributes, Item};
use super::key::{self, Key};
use super::meter::Kind;
use super::{Store, StoreError};
use crate::records::Quarantined;
use crate::shop::ShopId;

/// When it was last quarantined.
const RECORDED_AT: &str = "recorded_at";
/// The process whose turn it is to replay, and until when, in milliseconds since 1970.
const BY: &str = "by";
const UNTIL: &str = "until";

/// The longest turn. A row with a longer turn was written by a clock that was ahead.
pub const TURN_MS_MAX: i64 = 30 * 60 * 1_000;

/// The number of a shop's rows that one read returns at most.
const READ_TOGETHER: i32 = 500;
/// The number of reads of a shop's rows after which a page ends even if it is not full.
const READS_MAX: usize = 10;
/// The same for reads of the whole table, of 1 MB each. A caller is waiting for the answer.
const SCANS_MAX: usize = 4;

/// The consistency of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exact {
    /// The current state, for a caller that acts on it.
    Now,
    /// The current state or that of a moment ago, at half the cost.
    Nearly,
}

/// A place in the quarantine: after this row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuarantineMark {
    #[serde(deserialize_with = "key::partition_part")]
    pk: String,
    #[serde(deserialize_with = "key::sort_part")]
    sk: String,
}

impl QuarantineMark {
    /// Whether the mark lies among the rows of a shop; any mark lies among those of all shops.
    pub fn is_of(&self, shop: Option<&ShopId>) -> bool {
        shop.is_none_or(|shop| self.pk == key::quarantined(Some(shop)))
    }

    fn behind(Key { pk, sk }: Key) -> Self {
        Self { pk, sk }
    }

    fn key(self) -> Item {
        let Self { pk, sk } = self;
        Item::at(&Key { pk, sk })
    }
}

/// A part of the quarantine.
#[derive(Debug, Clone, PartialEq)]
pub struct QuarantinePage {
    /// The rows, each with its shop, if it names one.
    pub rows: Vec<(Option<ShopId>, Item)>,
    /// The place where the next page begins; none if this is the end.
    pub next: Option<QuarantineMark>,
}

/// The items of one read, and where the next one begins.
type Read = (Vec<Item>, Option<QuarantineMark>);

fn read(items: Option<Vec<Attributes>>, last: Option<Attributes>) -> Read {
    let items = items.unwrap_or_default().into_iter().map(Item).collect();
    (items, last.map(|last| QuarantineMark::behind(Item(last).key())))
}

impl Store {
    /// Stores the rows of quarantined messages with their ids and lengths, as many at a time as a transaction holds. If
    /// the same message is quarantined again, the new row replaces the old one.
    ///
    /// # Errors
    /// See [`StoreError`]; some rows may then be stored.
    pub async fn quarantine<'a>(
        &self,
        messages: impl IntoIterator<Item = (&'a str, &'a Quarantined, usize)>,
        now: Instant,
    ) -> Result<(), StoreError> {
        let row = |(id, quarantined, bytes): (&str, &Quarantined, usize)| {
            let Quarantined { shop, reason, topic, paths } = quarantined;
            let row = Item::at(&key::quarantine(shop.as_ref(), id)).text("reason", reason.code());
            let row = row.number("bytes", bytes).text(RECORDED_AT, key::at(now)).texts("paths", paths.iter().cloned());
            match topic {
                Some(topic) => row.text("topic", *topic),
                None => row,
            }
        };
        let rows: Vec<Item> = messages.into_iter().map(row).collect();
        for rows in rows.chunks(WRITES_MAX) {
            self.put_rows(rows).await?;
        }
        Ok(())
    }

    /// Writes rows of the control table, whatever is there.
    async fn put_rows(&self, rows: &[Item]) -> Result<(), StoreError> {
        // A transaction costs twice as much.
        if let [row] = rows {
            let asked = self.client.put_item().table_name(&self.tables.control).set_item(Some(row.0.clone()));
            let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
            let answer = asked.send().await.map_err(StoreError::of_sdk)?;
            self.meter.add(Kind::Write, answer.consumed_capacity());
            return Ok(());
        }
        let put = |row: &Item| {
            let put = Put::builder().table_name(&self.tables.control).set_item(Some(row.0.clone())).build();
            Ok(TransactWriteItem::builder().put(put.map_err(StoreError::refused)?).build())
        };
        let writes = rows.iter().map(put).collect::<Result<Vec<_>, StoreError>>()?;
        let asked = self.client.transact_write_items().set_transact_items(Some(writes));
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let answer = asked.send().await.map_err(StoreError::of_transaction)?;
        self.meter.add(Kind::Write, answer.consumed_capacity());
        Ok(())
    }

    /// The rows with these ids, of a shop or of messages that name no shop.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn quarantined_named<'a>(
        &self,
        shop: Option<&ShopId>,
        ids: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<Item>, StoreError> {
        let keys: Vec<Key> = ids.into_iter().map(|id| key::quarantine(shop, id)).collect();
        self.get_all(&self.tables.control, keys.iter()).await
    }

    /// A page of the quarantine, of one shop or of all shops, including shops that never published a program and
    /// messages that name no shop. At most `limit` rows that fit, in no particular order. To answer in time, a page may
    /// have fewer rows, or none, without being the last.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn quarantined_page(
        &self,
        shop: Option<&ShopId>,
        exact: Exact,
        limit: usize,
        from: Option<QuarantineMark>,
        fits: impl Fn(&Item) -> bool,
    ) -> Result<QuarantinePage, StoreError> {
        let (mut rows, mut from) = (Vec::new(), from);
        for _ in 0..shop.map_or(SCANS_MAX, |_| READS_MAX) {
            let (items, next) = match shop {
                Some(shop) => self.some_rows_of(shop, exact, from.take()).await?,
                None => self.some_rows(exact, from.take()).await?,
            };
            let last = items.last().map(Item::key);
            for item in items.into_iter().filter(&fits) {
                let key = item.key();
                let is_last = next.is_none() && last.as_ref() == Some(&key);
                rows.push((key::quarantined_of(&key), item));
                if rows.len() == limit {
                    let next = if is_last { None } else { Some(QuarantineMark::behind(key)) };
                    return Ok(QuarantinePage { rows, next });
                }
            }
            from = next;
            if from.is_none() {
                break;
            }
        }
        Ok(QuarantinePage { rows, next: from })
    }

    async fn some_rows_of(
        &self,
        shop: &ShopId,
        exact: Exact,
        from: Option<QuarantineMark>,
    ) -> Result<Read, StoreError> {
        let of = key::quarantined(Some(shop));
        // A caller who made the mark up only moves within the shop's rows.
        let from = from.map(|mark| QuarantineMark { pk: of.clone(), ..mark }.key().0);
        let asked = self.client.query().table_name(&self.tables.control).consistent_read(exact == Exact::Now);
        let asked = asked.key_condition_expression("pk = :of").limit(READ_TOGETHER);
        let asked = asked.expression_attribute_values(":of", AttributeValue::S(of));
        let asked = asked.set_exclusive_start_key(from).return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let answer = asked.send().await.map_err(StoreError::of_sdk)?;
        self.meter.add(Kind::Read, answer.consumed_capacity());
        Ok(read(answer.items, answer.last_evaluated_key))
    }

    async fn some_rows(&self, exact: Exact, from: Option<QuarantineMark>) -> Result<Read, StoreError> {
        let asked = self.client.scan().table_name(&self.tables.control).consistent_read(exact == Exact::Now);
        let asked = asked.filter_expression("contains(pk, :quarantine)");
        let asked = asked.expression_attribute_values(":quarantine", AttributeValue::S(key::quarantined(None)));
        let asked = asked.set_exclusive_start_key(from.map(|mark| mark.key().0));
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let answer = asked.send().await.map_err(StoreError::of_sdk)?;
        self.meter.add(Kind::Read, answer.consumed_capacity());
        Ok(read(answer.items, answer.last_evaluated_key))
    }

    /// Takes the turn to go through the queue of bodies until an instant, or extends it. Two processes must not do that
    /// at once: messages that one has received are hidden from the other, which would count them as gone. Yields
    /// whether the caller has the turn.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn take_turn(&self, by: &str, now: Instant, until: Instant) -> Result<bool, StoreError> {
        let row = Item::at(&key::turn()).text(BY, by).number(UNTIL, until.millis());
        let asked = self.client.put_item().table_name(&self.tables.control).set_item(Some(row.0));
        let asked =
            asked.condition_expression("attribute_not_exists(pk) OR #by = :by OR #until < :now OR #until > :ahead");
        let asked = asked.expression_attribute_names("#until", UNTIL).expression_attribute_names("#by", BY);
        let asked = asked.expression_attribute_values(":by", AttributeValue::S(by.to_owned()));
        let ahead = now.plus_millis(TURN_MS_MAX).millis();
        let asked = asked.expression_attribute_values(":ahead", AttributeValue::N(ahead.to_string()));
        let asked = asked.expression_attribute_values(":now", AttributeValue::N(now.millis().to_string()));
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        match asked.send().await.map_err(StoreError::of_sdk) {
            Ok(answer) => {
                self.meter.add(Kind::Write, answer.consumed_capacity());
                Ok(true)
            }
            Err(StoreError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives the turn back, if the caller still has it.
    ///
    /// # Errors
    /// See [`StoreError`]; the turn then ends by itself.
    pub async fn end_turn(&self, by: &str) -> Result<(), StoreError> {
        let only_if = Some((BY, AttributeValue::S(by.to_owned())));
        match self.delete(&self.tables.control, &Item::at(&key::turn()), only_if).await {
            Ok(()) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Deletes the row of a quarantined message that is retried, unless the message was quarantined again meanwhile.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn forget_quarantined(&self, row: &Item) -> Result<(), StoreError> {
        let recorded_at = row.need_text(RECORDED_AT)?;
        match self
            .delete(&self.tables.control, row, Some((RECORDED_AT, AttributeValue::S(recorded_at.to_owned()))))
            .await
        {
            Ok(()) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
