//! The lists of GraphQL: connections inside their parents, and plain lists.

use serde::Deserialize;

use crate::json::Nested;
use crate::reason::Result;
use crate::{DocumentError, envelope};

/// A connection inside its parent.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Connection<T> {
    #[serde(default = "absent")]
    nodes: Nested<T>,
    #[serde(default = "absent")]
    edges: Nested<Edge<T>>,
    #[serde(default = "absent")]
    page_info: Nested<PageInfo>,
}

fn absent<T>() -> Nested<T> {
    Nested::Absent
}

#[derive(Debug, Deserialize)]
struct Edge<T> {
    node: Nested<T>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PageInfo {
    has_next_page: bool,
}

impl<T> Connection<T> {
    /// The nodes, all of them.
    fn all(self, path: &'static str) -> Result<Vec<Nested<T>>> {
        if self.page_info.object(path)?.is_some_and(|page| page.has_next_page) {
            return Err(DocumentError::CutShort { path }.into());
        }
        match (self.nodes, self.edges) {
            (Nested::List(nodes), _) => Ok(nodes),
            (_, Nested::List(edges)) => edges.into_iter().map(|edge| Ok(envelope::object(edge, path)?.node)).collect(),
            (_, _) => Err(DocumentError::unreadable(path, "must have a list of `nodes` or of `edges`")),
        }
    }
}

/// The nodes of a connection, if it was queried.
pub(super) fn taken<T>(connection: Nested<Connection<T>>, path: &'static str) -> Result<Option<Vec<Nested<T>>>> {
    match connection {
        Nested::Absent => Ok(None),
        present @ (Nested::Object(_) | Nested::List(_) | Nested::Other) => {
            envelope::object(present, path)?.all(path).map(Some)
        }
    }
}

/// The objects of a list, if it was queried.
pub(super) fn items<T>(list: Nested<T>, path: &'static str) -> Result<Vec<T>> {
    match list {
        Nested::Absent => Ok(Vec::new()),
        Nested::List(items) => items.into_iter().map(|item| envelope::object(item, path)).collect(),
        Nested::Object(_) | Nested::Other => Err(DocumentError::unreadable(path, "must be a list of objects")),
    }
}

/// A list of objects.
pub(super) fn list<T>(items: Vec<T>) -> Nested<T> {
    Nested::List(items.into_iter().map(Nested::Object).collect())
}
