//! Groups messages: those that touch the same subjects or members are decided and committed together, all others
//! separately.

use std::collections::BTreeMap;

use rules::connected::{Connected, Reached};

use super::fold::LoadedState;
use super::take::Delivery;

/// Connected messages, in the order of the batch.
pub(super) struct Group {
    pub(super) deliveries: Vec<Delivery>,
}

/// The groups of a batch.
pub(super) fn connected(deliveries: Vec<Delivery>, known: &LoadedState) -> Vec<Group> {
    let mut connected = Connected::default();
    for delivery in &deliveries {
        connected.push(delivery.facts.iter().flat_map(|fact| {
            let subjects = known.touched(fact).into_iter().map(Reached::Subject);
            subjects.chain(known.concerned(fact).into_iter().map(Reached::Member))
        }));
    }
    let mut groups: BTreeMap<usize, Vec<Delivery>> = BTreeMap::new();
    for (place, delivery) in deliveries.into_iter().enumerate() {
        groups.entry(connected.first(place)).or_default().push(delivery);
    }
    groups.into_values().map(|deliveries| Group { deliveries }).collect()
}

/// The parts of a document that are not connected; none if there is only one.
pub(super) fn parts(document: &Delivery, known: &LoadedState) -> Option<Vec<Group>> {
    let groups = connected(document.by_fact(), known);
    let together = |group: Group| Group { deliveries: Delivery::together(group.deliveries).into_iter().collect() };
    (groups.len() > 1).then(|| groups.into_iter().map(together).collect())
}

/// Gathers groups for commits, each with up to this many messages unless a single group has more.
pub(super) fn gathered(groups: Vec<Group>, max_messages_per_commit: usize) -> Vec<Vec<Group>> {
    let mut gathered: Vec<Vec<Group>> = Vec::new();
    let mut room = 0;
    for group in groups {
        let size = group.deliveries.len();
        match gathered.last_mut().filter(|_| size <= room) {
            Some(last) => {
                room -= size;
                last.push(group);
            }
            None => {
                room = max_messages_per_commit.saturating_sub(size);
                gathered.push(vec![group]);
            }
        }
    }
    gathered
}
