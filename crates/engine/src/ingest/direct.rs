//! Facts from a caller that waits for an answer. They are ingested at once, and each gets an outcome.

use std::collections::HashMap;

use rules::calendar::Instant;
use rules::fact::Fact;
use rules::fact_index::{FactStatus, Idle, Subject};
use rules::version::Versions;
use store::records::Reason;
use store::shop::ShopId;

use super::fold::Taken;
use super::take::Delivery;
use super::{FactWriter, early};

/// The outcome of a fact from a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactOutcome {
    /// It is stored, or was before.
    Taken(FactStatus, Known),
    /// It can never be ingested as it is.
    Refused(Reason),
    /// It was not ingested for now; a retry may succeed.
    Failed(String),
}

/// What is known about a fact that was taken, once all of its message were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known {
    /// Why it moves nothing for now, if so.
    pub idle: Option<Idle>,
    /// The instant that its order counts for, if it is about the payment of one.
    pub counts_at: Option<Instant>,
}

impl FactWriter {
    /// Ingests facts of a shop. Those of one order arrive at once, as one document; the others are independent of each other.
    /// Yields the outcome of each, in their order.
    pub async fn write(&self, shop: &ShopId, versions: &Versions, facts: Vec<Fact>) -> Vec<FactOutcome> {
        let now = self.clock.now();
        let mut told: Vec<FactOutcome> = vec![FactOutcome::Failed("it was not reached".to_owned()); facts.len()];
        let mut deliveries: Vec<Delivery> = Vec::with_capacity(facts.len());
        let mut documents: HashMap<Subject, usize> = HashMap::new();
        for (place, fact) in facts.into_iter().enumerate() {
            if early(std::slice::from_ref(&fact), now).is_some() {
                set(&mut told, place, FactOutcome::Refused(Reason::FromTheFuture));
                continue;
            }
            let order = fact.subjects().find(|subject| matches!(subject, Subject::Order(_)));
            let document = order.map(|order| *documents.entry(order).or_insert(deliveries.len()));
            match document.and_then(|document| deliveries.get_mut(document)) {
                Some(Delivery { places, facts }) => {
                    places.push(place);
                    facts.push(fact);
                }
                None => deliveries.push(Delivery::message(place, vec![fact])),
            }
        }
        let outcome = self.take(shop, versions, deliveries).await;
        let why = outcome.failure.unwrap_or_default();
        outcome.failed.into_iter().for_each(|place| set(&mut told, place, FactOutcome::Failed(why.clone())));
        outcome.quarantined.into_iter().for_each(|(place, reason)| set(&mut told, place, FactOutcome::Refused(reason)));
        for (place, Taken { status, idle, counts_at }) in outcome.taken {
            set(&mut told, place, FactOutcome::Taken(status, Known { idle, counts_at }));
        }
        told
    }
}

fn set(told: &mut [FactOutcome], place: usize, what: FactOutcome) {
    if let Some(slot) = told.get_mut(place) {
        *slot = what;
    }
}
