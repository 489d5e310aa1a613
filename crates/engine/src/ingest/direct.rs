//! Facts from a caller that waits for an answer. They are ingested at once, and each gets an outcome.

use rules::fact::Fact;
use rules::fact_index::FactStatus;
use rules::version::Versions;
use store::records::Reason;
use store::shop::ShopId;

use super::take::Delivery;
use super::{FactWriter, early};

/// The outcome of a fact from a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactOutcome {
    /// It is stored, or was before.
    Taken(FactStatus),
    /// It can never be ingested as it is.
    Refused(Reason),
    /// It was not ingested for now; a retry may succeed.
    Failed(String),
}

impl FactWriter {
    /// Ingests facts of a shop, independently of each other. Yields the outcome of each, in their order.
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
