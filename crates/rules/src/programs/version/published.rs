//! The event that puts a version in force (section 9).

use serde_json::Value;

use super::{Demotions, Options};
use crate::calendar::{Instant, Zones};
use crate::json::{Node, Notes, Problems};
use crate::program::Program;

/// The content of a `program.published` event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The instant from which the version is in force.
    pub at: Instant,
    /// The rules.
    pub program: Program,
    /// The publisher's options.
    pub options: Options,
}

impl Published {
    /// Reads the event; `zones` is the release of the database with the program's time zone.
    ///
    /// # Errors
    /// All problems at once, each with its JSON path.
    pub fn read(event: &Value, zones: &Zones) -> Result<Self, Problems> {
        let notes = Notes::default();
        let read = Node::root(event, &notes).object().and_then(|o| {
            o.get("type");
            let at = o.need("occurred_at").and_then(|node| node.instant());
            let program = o.need("program").and_then(|node| node.nested(|program| Program::read(program, zones)));
            let options = o.get("options").map_or(Some(Options::default()), |node| options(&node));
            o.finish();
            Some(Self { at: at?, program: program?.program, options: options? })
        });
        notes.settle(read)
    }
}

fn options(node: &Node<'_>) -> Option<Options> {
    let o = node.object()?;
    let rewards = o.or("rewards", false, Node::bool);
    let notify = o.or("notify", false, Node::bool);
    let words = [("apply", Demotions::Apply), ("hold", Demotions::Hold)];
    let demotions = o.maybe("demotions", |node| node.word(&words));
    let while_active = o.or("while_active", false, Node::bool);
    o.finish();
    Some(Options { rewards: rewards?, notify: notify?, demotions: demotions?, while_active: while_active? })
}
