//! When the facts of a row or document arrive: together, as one document (section 4 of the semantics).

use rules::calendar::Instant;
use rules::fact::{FactBody, ReceivedFact};

/// The documents of an import that say several facts.
#[derive(Debug, Default)]
pub struct Arrivals {
    named: u64,
}

impl Arrivals {
    /// Has the facts of a row or document arrive at once, under a name of its own. The lines of the same files get the same
    /// names in every run.
    ///
    /// They arrive at the latest instant that they name: earlier, one of them would be dated after its arrival. A live
    /// document (`is_webhook`) arrives when it was sent, which is its revision. A history that is not live was known as it
    /// happened: an order refunded in part in June counted in May, and is to be found as of May. Only what is undone as a
    /// whole arrives at once there, because nothing of it counts in the end.
    pub fn at_once(&mut self, facts: &mut [ReceivedFact], is_live: bool, is_webhook: bool) {
        if facts.len() < 2 || !(is_live || is_undone(facts) || is_of_one_moment(facts)) {
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

/// Whether the facts say of their order that it is cancelled or refunded in full, and not restored.
fn is_undone(facts: &[ReceivedFact]) -> bool {
    let bodies = || facts.iter().map(|told| &told.fact.body);
    let total = facts.iter().find_map(|told| Some(told.fact.paid()?.charge.total.ten_thousandths()));
    let given_back = |body: &FactBody| {
        let FactBody::OrderRefunded(_, _, refunded) = body else { return 0 };
        refunded.amount.ten_thousandths()
    };
    let refunded: u64 = bodies().map(given_back).sum();
    let is_cancelled = bodies().any(|body| matches!(body, FactBody::OrderCancelled(_)));
    let is_restored = bodies().any(|body| matches!(body, FactBody::OrderRestored(_)));
    total.is_some_and(|total| refunded >= total) || (is_cancelled && !is_restored)
}

fn is_of_one_moment(facts: &[ReceivedFact]) -> bool {
    let mut instants = facts.iter().map(|told| told.fact.latest_at());
    let first = instants.next();
    instants.all(|at| Some(at) == first)
}
