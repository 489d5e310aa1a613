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
    /// happened: an order refunded in part in June counted in May, and is to be found as of May. There only what is undone as
    /// a whole arrives at once, because nothing of it counts in the end; of anything else the order arrives with what says when
    /// it was paid, for it counts from then on.
    pub fn at_once(&mut self, facts: &mut [ReceivedFact], is_live: bool, is_webhook: bool) {
        let paid_at = facts.iter().filter(|told| told.fact.paid().is_some()).map(|told| told.fact.latest_at()).max();
        let known_at = |told: &ReceivedFact| -> Instant {
            let latest = told.fact.paid().and(paid_at).unwrap_or_else(|| told.fact.latest_at());
            if is_webhook { latest.max(told.fact.revision) } else { latest }
        };
        let mut instants = facts.iter().map(known_at);
        let first = instants.next();
        let are_of_one_moment = instants.all(|at| Some(at) == first);
        let last = facts.iter().map(known_at).max();
        let (together, arrival): (Vec<&mut ReceivedFact>, _) = if is_live || is_undone(facts) || are_of_one_moment {
            (facts.iter_mut().collect(), last)
        } else {
            (facts.iter_mut().filter(|told| told.fact.paid().is_some()).collect(), paid_at)
        };
        if together.len() > 1 {
            self.named += 1;
            for told in together {
                (told.received_at, told.document) = (arrival, Some(format!("document-{}", self.named)));
            }
        } else {
            for told in together {
                told.received_at = arrival.filter(|at| *at > told.fact.latest_at());
            }
        }
    }
}

/// Whether the facts say of their order that it is cancelled or refunded in full, and not restored. One that cost nothing is
/// never refunded in full. Beside the order there may be a statement of its payment, whose total is 0.
fn is_undone(facts: &[ReceivedFact]) -> bool {
    let bodies = || facts.iter().map(|told| &told.fact.body);
    let total = facts.iter().filter_map(|told| Some(told.fact.paid()?.charge.total.ten_thousandths())).max();
    let given_back = |body: &FactBody| {
        let FactBody::OrderRefunded(_, _, refunded) = body else { return 0 };
        refunded.amount.ten_thousandths()
    };
    let refunded: u64 = bodies().map(given_back).sum();
    let is_cancelled = bodies().any(|body| matches!(body, FactBody::OrderCancelled(_)));
    let is_restored = bodies().any(|body| matches!(body, FactBody::OrderRestored(_)));
    total.is_some_and(|total| total > 0 && refunded >= total) || (is_cancelled && !is_restored)
}
