//! Orders inside answers of the Admin API, and inside the events of API 2026-10: one, or a page of a list.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::DocumentError;
use super::body::Body;
use super::json::Scalar;
use super::reason::Result;

/// What is inside a document besides its own fields.
pub(super) enum Inside<'a> {
    /// Nothing: the document is the resource itself.
    Nothing,
    /// The text of one order.
    Order(&'a str),
}

/// The order in an answer: `{"order": …}` of REST, `{"data": {"order": …}}` of GraphQL and of events.
pub(super) fn inside<'a>(body: &Body<'a>) -> Result<Inside<'a>> {
    if !body.id.is_absent() {
        return Ok(Inside::Nothing);
    }
    match (&body.order, &body.orders, &body.data) {
        (Scalar::Parts(order), _, _) => Ok(Inside::Order(order)),
        (_, Scalar::Parts(_), _) => Err(DocumentError::SeveralOrders.into()),
        (_, _, Scalar::Parts(data)) => match serde_json::from_str(data) {
            Ok(Answer { order: Some(order), .. }) => Ok(Inside::Order(order.get())),
            Ok(Answer { order: None, orders: Some(_), .. }) => Err(DocumentError::SeveralOrders.into()),
            // An event about an order that was deleted has none.
            Ok(Answer { order: None, orders: None, .. }) => Err(DocumentError::missing("$.data.order")),
            Err(error) => Err(DocumentError::unreadable("$.data", error)),
        },
        (_, _, _) => Ok(Inside::Nothing),
    }
}

/// The fields of an answer that may hold orders.
#[derive(Debug, Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    order: Option<&'a RawValue>,
    #[serde(borrow)]
    orders: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// A page of a list in GraphQL's form.
#[derive(Debug, Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    nodes: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    edges: Option<Vec<Edge<'a>>>,
}

#[derive(Debug, Deserialize)]
struct Edge<'a> {
    #[serde(borrow)]
    node: &'a RawValue,
}

/// The orders in a list that the Admin API answers, each as it is written: `{"orders": […]}` of REST, and
/// `{"data": {"orders": {"nodes": […]}}}` of GraphQL, also with `edges`. None if the document is no such list; it is then
/// read as it is.
pub fn orders(document: &str) -> Option<Vec<&str>> {
    // Most documents are none, and reading each twice would take half as long again.
    if !document.contains("\"orders\"") {
        return None;
    }
    let answer: Answer<'_> = serde_json::from_str(document).ok()?;
    let list = match (answer.orders, answer.data) {
        (Some(list), _) => list,
        (None, Some(data)) => serde_json::from_str::<Answer<'_>>(data.get()).ok()?.orders?,
        (None, None) => return None,
    };
    let items: Vec<&RawValue> = match serde_json::from_str::<Page<'_>>(list.get()) {
        Ok(Page { nodes: Some(nodes), .. }) => nodes,
        Ok(Page { nodes: None, edges: Some(edges) }) => edges.into_iter().map(|edge| edge.node).collect(),
        Ok(Page { nodes: None, edges: None }) | Err(_) => serde_json::from_str(list.get()).ok()?,
    };
    Some(items.into_iter().map(RawValue::get).collect())
}
