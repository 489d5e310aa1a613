//! Reads all items of a partition, page by page.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};

use super::item::Item;
use super::meter::Kind;
use super::{Store, StoreError};

impl Store {
    /// The items of a partition, in order of the sort key, optionally only those whose sort key begins with a prefix;
    /// of an index, the attributes that it holds. Tables are read strongly consistent, which indexes do not support.
    pub(super) async fn query(
        &self,
        table: &str,
        index: Option<&str>,
        (pk, of): (&str, &str),
        begins: Option<&str>,
    ) -> Result<Vec<Item>, StoreError> {
        let asked = self.client.query().table_name(table).set_index_name(index.map(str::to_owned));
        let asked = asked.consistent_read(index.is_none());
        let asked = asked.expression_attribute_names("#pk", pk);
        let asked = asked.expression_attribute_values(":pk", AttributeValue::S(of.to_owned()));
        let asked = match begins {
            Some(begins) => asked
                .key_condition_expression("#pk = :pk AND begins_with(sk, :begins)")
                .expression_attribute_values(":begins", AttributeValue::S(begins.to_owned())),
            None => asked.key_condition_expression("#pk = :pk"),
        };
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let (mut items, mut from) = (Vec::new(), None);
        loop {
            let answer = asked.clone().set_exclusive_start_key(from).send().await;
            let answer = answer.map_err(StoreError::of_sdk)?;
            self.meter.add(Kind::Read, answer.consumed_capacity());
            items.extend(answer.items.unwrap_or_default().into_iter().map(Item));
            from = answer.last_evaluated_key;
            if from.is_none() {
                return Ok(items);
            }
        }
    }
}
