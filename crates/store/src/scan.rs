//! Reads the members of a bucket for a sweep, page by page, in the order of their ids.
//!
//! Reads are eventually consistent, at half the price. A sweep starts long after the last writer that could have missed
//! its boundary is done, and whatever it writes because of a page is conditional on what was read.

use std::collections::BTreeMap;
use std::iter::Peekable;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use rules::id::MemberId;

use super::item::Item;
use super::key::{self, Key};
use super::load::{StoredMember, held, laid};
use super::merged::Links;
use super::meter::Kind;
use super::{Store, StoreError};
use crate::shop::ShopId;

/// Some members of a bucket.
#[derive(Debug, Default)]
pub struct Scanned {
    /// The members in the order of their ids, including erased ones.
    pub members: Vec<(MemberId, StoredMember)>,
    /// The items that cannot be decoded.
    pub unreadable: Vec<Key>,
    /// The sort key after which the next page begins; none if this is the last.
    pub next: Option<String>,
}

impl Store {
    /// The members of a bucket after a sort key, read from at most `items` items.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn scan(
        &self,
        shop: &ShopId,
        (bucket, behind): (u16, Option<&str>),
        items: u16,
    ) -> Result<Scanned, StoreError> {
        let pk = key::bucket_of(shop, bucket);
        let asked = self.client.query().table_name(&self.tables.members).limit(i32::from(items));
        let asked = asked.key_condition_expression("pk = :pk");
        let asked = asked.expression_attribute_values(":pk", AttributeValue::S(pk.clone()));
        let from = behind.map(|sk| Item::at(&Key { pk, sk: sk.to_owned() }).0);
        let asked = asked.set_exclusive_start_key(from).return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let answer = asked.send().await.map_err(StoreError::of_sdk)?;
        self.meter.add(Kind::Read, answer.consumed_capacity());
        let mut items = answer.items.unwrap_or_default().into_iter().map(Item).peekable();
        let mut page =
            Scanned { next: answer.last_evaluated_key.map(|last| Item(last).key().sk), ..Scanned::default() };
        while let Some(root) = items.next() {
            let Ok(id) = MemberId::new(&root.key().sk) else {
                page.unreadable.push(root.key());
                continue;
            };
            let pages = pages_of(&id, &mut items);
            // Where the page ends, some pages of the last member may be missing.
            let is_whole = items.peek().is_some() || page.next.is_none();
            let read = laid(&root).and_then(|laid| {
                let held = held(&root, &laid, &pages);
                if laid.is_empty() || (is_whole && held.is_ok()) { held.map(Some) } else { Ok(None) }
            });
            let read = match read {
                Ok(Some(held)) if held.links().is_none_or(Links::is_empty) => Ok(BTreeMap::from([(id, held)])),
                // The other ids of the member are elsewhere.
                Ok(Some(_)) => self.members(shop, [id]).await,
                // Parts of a heavy member are missing, or were read at different moments.
                Ok(None) => {
                    if !is_whole {
                        page.next = Some(key::behind(&id));
                    }
                    self.members(shop, [id]).await
                }
                Err(error) => Err(error),
            };
            match read {
                Ok(found) => page.members.extend(found),
                Err(StoreError::Corrupt { key, .. } | StoreError::Newer { key, .. }) => page.unreadable.push(key),
                Err(error) => return Err(error),
            }
        }
        Ok(page)
    }
}

fn pages_of(member: &MemberId, items: &mut Peekable<impl Iterator<Item = Item>>) -> Vec<Item> {
    let begins = key::pages(member);
    let mut pages = Vec::new();
    while let Some(page) = items.next_if(|item| item.key().sk.starts_with(&begins)) {
        pages.push(page);
    }
    pages
}
