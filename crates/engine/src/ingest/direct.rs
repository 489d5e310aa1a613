//! Facts told directly, by somebody who waits for an answer: taken in at once, with what became of each.

use rules::fact::Fact;
use rules::fact_index::FactStatus;
use rules::version::Versions;
use store::records::Reason;
use store::shop::ShopId;

use super::take::Delivery;
use super::{FactWriter, early};

/// What became of a fact that was told directly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactOutcome {
    /// It is in, or was before.
    Taken(FactStatus),
    /// It can never be taken in as it is.
    Refused(Reason),
    /// It was not taken in for now: told again, it is.
    Failed(String),
}

impl FactWriter {
    /// Takes facts of a shop in, each for itself, and says of each what became of it, in their order.
    pub async fn write(&self, shop: &ShopId, versions: &Versions, facts: Vec<Fact>) -> Vec<FactOutcome> {
        let now = self.clock.now();
        let mut told: Vec<FactOutcome> = vec![FactOutcome::Failed("it was not reached".to_owned()); facts.len()];
        let mut deliveries = Vec::with_capacity(facts.len());
        for (place, fact) in facts.into_iter().enumerate() {
            if early(std::slice::from_ref(&fact), now).is_some() {
                set(&mut told, place, FactOutcome::Refused(Reason::FromTheFuture));
            } else {
                deliveries.push(Delivery { place, facts: vec![fact] });
            }
        }
        let outcome = self.take(shop, versions, deliveries).await;
        let why = outcome.failure.unwrap_or_default();
        outcome.failed.into_iter().for_each(|place| set(&mut told, place, FactOutcome::Failed(why.clone())));
        outcome.quarantined.into_iter().for_each(|(place, reason)| set(&mut told, place, FactOutcome::Refused(reason)));
        outcome.taken.into_iter().for_each(|(place, taken)| set(&mut told, place, FactOutcome::Taken(taken)));
        told
    }
}

fn set(told: &mut [FactOutcome], place: usize, what: FactOutcome) {
    if let Some(slot) = told.get_mut(place) {
        *slot = what;
    }
}
