//! When the facts of a row or document arrive: together, as one document (section 4 of the semantics).

use rules::calendar::Instant;
use rules::fact::ReceivedFact;

/// The documents of an import that say several facts.
#[derive(Debug, Default)]
pub struct Arrivals {
    named: u64,
}

impl Arrivals {
    /// Has the facts of a row or document arrive at once, under a name of its own. The lines of the same files get the same
    /// names in every run.
    ///
    /// A history arrives at the latest instant that its facts name: earlier a fact would be dated after its arrival, and later
    /// it would come after what happened in the meantime. The instant of an export does not matter to that: it is the same
    /// for all rows, and says nothing about when any of them was known. `is_webhook` says that the facts are of a live
    /// document: it arrives when it was sent, which is its revision.
    pub fn at_once(&mut self, facts: &mut [ReceivedFact], is_webhook: bool) {
        if facts.len() < 2 {
            return;
        }
        self.named += 1;
        let known_at = |told: &ReceivedFact| -> Instant {
            let latest = told.fact.latest_at();
            if is_webhook { latest.max(told.fact.revision) } else { latest }
        };
        let arrival = facts.iter().map(known_at).max();
        for told in facts {
            (told.received_at, told.document) = (arrival, Some(format!("document-{}", self.named)));
        }
    }
}
