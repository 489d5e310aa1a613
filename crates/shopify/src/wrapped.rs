//! Orders inside answers of the Admin API, and inside the events of API 2026-10: one, or a page of a list.

use std::borrow::Cow;

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
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    order: Option<&'a RawValue>,
    #[serde(borrow)]
    orders: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    errors: Option<&'a RawValue>,
}

/// A list in GraphQL's form.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Connection<'a> {
    #[serde(borrow)]
    nodes: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    edges: Option<Vec<Edge<'a>>>,
    page_info: Option<PageInfo>,
}

#[derive(Debug, Deserialize)]
struct Edge<'a> {
    #[serde(borrow)]
    node: &'a RawValue,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: Option<bool>,
}

/// A page of a list of orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<'a> {
    /// The orders, each as it is written.
    pub orders: Vec<&'a str>,
    /// Whether more orders follow on another page, if the answer says it. That of REST does not.
    pub has_next: Option<bool>,
}

/// The orders in a list that the Admin API answers: `{"orders": […]}` of REST, and `{"data": {"orders": {"nodes": […]}}}` of
/// GraphQL, also with `edges`. None if the document is no such list; it is then read as it is.
pub fn orders(document: &str) -> Option<Page<'_>> {
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
    let (items, page_info): (Vec<&RawValue>, _) = match serde_json::from_str::<Connection<'_>>(list.get()) {
        Ok(Connection { nodes: Some(nodes), page_info, .. }) => (nodes, page_info),
        Ok(Connection { nodes: None, edges: Some(edges), page_info }) => {
            (edges.into_iter().map(|edge| edge.node).collect(), page_info)
        }
        Ok(Connection { nodes: None, edges: None, .. }) | Err(_) => (serde_json::from_str(list.get()).ok()?, None),
    };
    let has_next = page_info.and_then(|page| page.has_next_page);
    Some(Page { orders: items.into_iter().map(RawValue::get).collect(), has_next })
}

/// The errors that an answer of the Admin API has in place of its data, or beside a part of it: `{"errors": […]}`, such as that
/// of a query that was throttled. None if the document is no answer with errors.
pub fn errors(document: &str) -> Option<String> {
    if !document.contains("\"errors\"") {
        return None;
    }
    let Answer { id: None, errors: Some(errors), .. } = serde_json::from_str(document).ok()? else { return None };
    let text = errors.get();
    if let Ok(list) = serde_json::from_str::<Vec<GraphqlError<'_>>>(text) {
        let messages: Vec<&str> = list.iter().map(|error| error.message.as_ref()).collect();
        return (!messages.is_empty()).then(|| messages.join(", "));
    }
    let plain = serde_json::from_str::<String>(text);
    Some(plain.unwrap_or_else(|_| text.to_owned())).filter(|text| !matches!(text.as_str(), "" | "{}"))
}

#[derive(Debug, Deserialize)]
struct GraphqlError<'a> {
    #[serde(borrow)]
    message: Cow<'a, str>,
}
