//! The event that puts a version in force (section 9).

use serde_json::{Value, json};

use super::{Demotions, Options};
use crate::calendar::{Instant, Zones};
use crate::json::{Node, Notes, Problems};
use crate::program::{Draft, Program};

/// A `program.published` event: parsed once, and kept as it was written for those who list what was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The instant from which the version is in force.
    pub at: Instant,
    /// The rules.
    pub program: Program,
    /// The publisher's options.
    pub options: Options,
    written: Value,
}

impl Published {
    /// Reads the event; `zones` is the release of the database with the program's time zone.
    ///
    /// # Errors
    /// All problems at once, each with its JSON path.
    pub fn read(event: Value, zones: &Zones) -> Result<Self, Problems> {
        let notes = Notes::default();
        let read = Node::root(&event, &notes).object().and_then(|o| {
            o.get("type");
            let at = o.need("occurred_at").and_then(|node| node.instant());
            let program = o.need("program").and_then(|node| node.nested(|program| Program::read(program, zones)));
            let options = o.get("options").map_or(Some(Options::default()), |node| options(&node));
            o.finish();
            Some((at?, program?, options?))
        });
        let (at, Draft { program, unclamped, .. }, options) = notes.settle(read)?;
        let options = Options { unclamped: options.unclamped || unclamped, ..options };
        Ok(Self { at, program, options, written: event })
    }

    /// The event that publishes a program from an instant on, both documents as their author wrote them.
    ///
    /// # Errors
    /// All problems at once, each with its JSON path.
    pub fn of(at: Instant, program: &Value, options: &Value, zones: &Zones) -> Result<Self, Problems> {
        let event = json!({ "type": "program.published", "occurred_at": at, "program": program, "options": options });
        Self::read(event, zones)
    }

    /// The event as it was written.
    pub fn written(&self) -> &Value {
        &self.written
    }

    /// The program as its author wrote it.
    pub fn written_program(&self) -> &Value {
        self.written.get("program").unwrap_or(&Value::Null)
    }

    /// The options as the publisher wrote them; null if there are none.
    pub fn written_options(&self) -> &Value {
        self.written.get("options").unwrap_or(&Value::Null)
    }
}

fn options(node: &Node<'_>) -> Option<Options> {
    let o = node.object()?;
    let rewards = o.or("rewards", false, Node::bool);
    let notify = o.or("notify", false, Node::bool);
    let words = [("apply", Demotions::Apply), ("hold", Demotions::Hold)];
    let demotions = o.maybe("demotions", |node| node.word(&words));
    let while_active = o.or("while_active", false, Node::bool);
    let clamp = o.or("clamp", true, Node::bool);
    o.finish();
    Some(Options {
        rewards: rewards?,
        notify: notify?,
        demotions: demotions?,
        while_active: while_active?,
        unclamped: !clamp?,
    })
}
