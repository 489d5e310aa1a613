//! Section 4, *Members under several ids*: the member that an id stands for.

use super::fact::{Fact, Shop};
use super::time::Instant;
use std::collections::{BTreeMap, BTreeSet};

/// The tombstones of erased ids: under each what is left of it, the id it was merged into by then.
pub type Tombstones = BTreeMap<String, Option<String>>;

impl Shop {
    /// The member that an id stands for: "an id that was merged stands for `into`, on and on".
    pub fn stands_for(&self, id: &str) -> String {
        let mut way = vec![id];
        while let Some(into) = self.merged_into(way[way.len() - 1]) {
            way.push(into);
        }
        // "a merge into an erased id is void": back to the last one on the way that is not erased.
        way.into_iter().rfind(|one| !self.is_erased(one)).unwrap_or(id).to_owned()
    }

    /// All ids that stand for a member, with their own; none if they stand for another member, or were erased.
    pub fn ids_of(&self, member: &str) -> BTreeSet<String> {
        if self.is_erased(member) || self.stands_for(member) != member {
            return BTreeSet::new();
        }
        let others = self.members().iter().filter(|id| !self.is_erased(id) && self.stands_for(id) == member);
        others.cloned().chain([member.to_owned()]).collect()
    }

    /// "a tombstone … keeps later facts out"
    pub fn is_erased(&self, id: &str) -> bool {
        self.tombstones.contains_key(id)
    }

    /// "`customer.erased` of a member erases all that stand for them, leaving a tombstone under each id; of a merged id, only
    /// what was told under it …. Whom an erasure takes is settled when it arrives".
    pub(super) fn erase(&mut self, id: &str) {
        if self.is_erased(id) {
            return;
        }
        let mut taken = self.ids_of(id);
        taken.insert(id.to_owned());
        // "a tombstone keeps whom its id stands for": nothing of a merge that is void.
        let kept = |id: &String| self.merged_into(id).filter(|_| self.stands_for(id) != *id).map(str::to_owned);
        let tombstones: Tombstones = taken.iter().map(|id| (id.clone(), kept(id))).collect();
        self.tombstones.extend(tombstones);
    }

    /// One step on the way, unless there is none or it is void.
    fn merged_into<'a>(&'a self, id: &'a str) -> Option<&'a str> {
        let into = self.told_into(id)?;
        (self.void_in_circle_of(id) != Some(id)).then_some(into)
    }

    fn told_into(&self, id: &str) -> Option<&str> {
        match self.tombstones.get(id) {
            Some(kept) => kept.as_deref(),
            None => self.merge_of(id)?.body["into"].as_str(),
        }
    }

    fn merge_of(&self, id: &str) -> Option<&Fact> {
        self.fact(&["merged", id])
    }

    /// "Where that runs in a circle, the merge of the latest revision in it (of two the one whose `member_id` is greater) is
    /// void": the id whose merge it is, if `id` lies in a circle. The merges of erased ids are settled.
    fn void_in_circle_of<'a>(&'a self, id: &'a str) -> Option<&'a str> {
        let mut circle = vec![id];
        loop {
            let into = self.told_into(circle[circle.len() - 1])?;
            if into == id {
                break;
            }
            if circle.contains(&into) {
                // The way from `id` runs into a circle that `id` is not in.
                return None;
            }
            circle.push(into);
        }
        let revision = |one: &&str| -> Option<Instant> { self.merge_of(one).map(|merge| merge.revision) };
        circle.into_iter().filter(|one| !self.is_erased(one)).max_by_key(|one| (revision(one), one.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn merged(id: &str, into: Value, day: u8) -> Value {
        json!({"type": "customer.merged", "member_id": id, "into": into, "occurred_at": format!("2024-03-0{day}T10:00:00Z")})
    }

    fn erased(id: &str) -> Value {
        json!({"type": "customer.erased", "member_id": id, "occurred_at": "2024-04-01T10:00:00Z"})
    }

    fn shop(lines: &[Value]) -> Shop {
        let mut shop = Shop::new("USD");
        lines.iter().for_each(|line| assert!(shop.take(line), "{line}"));
        shop
    }

    #[test]
    fn a_chain_is_followed_to_its_end_and_a_circle_is_cut_at_its_latest_merge() {
        let chain = [merged("c", json!("b"), 1), merged("b", json!("a"), 2)];
        assert_eq!(shop(&chain).stands_for("c"), "a");
        let circle = [merged("c", json!("b"), 3), merged("b", json!("a"), 2), merged("a", json!("c"), 1)];
        let circle = shop(&[&circle[..], &[merged("d", json!("a"), 9)]].concat());
        for id in ["a", "b", "c", "d"] {
            assert_eq!(circle.stands_for(id), "c", "{id}");
        }
        let at_once = [merged("b", json!("a"), 1), merged("a", json!("b"), 1)];
        assert_eq!(shop(&at_once).stands_for("a"), "b");
    }

    #[test]
    fn the_latest_revision_of_a_merge_wins_and_at_equal_revisions_the_greater() {
        let undone = [merged("b", json!("a"), 1), merged("b", json!(null), 2)];
        assert_eq!(shop(&undone).stands_for("b"), "b");
        let one_revision = [merged("b", json!("c"), 1), merged("b", json!("a"), 1), merged("b", json!(null), 1)];
        assert_eq!(shop(&one_revision).stands_for("b"), "c");
        assert!(!Shop::new("USD").take(&merged("b", json!("b"), 1)));
        assert!(!Shop::new("USD").take(&merged("b", json!(7), 1)));
    }

    #[test]
    fn an_erased_id_keeps_its_merge_and_is_the_end_of_a_way_for_no_other() {
        let chain = [merged("c", json!("b"), 1), merged("b", json!("a"), 2), erased("b"), merged("b", json!("d"), 9)];
        let only_b = shop(&chain);
        assert_eq!(only_b.stands_for("c"), "a");
        assert_eq!(["a", "b", "c"].map(|id| only_b.is_erased(id)), [false, true, false]);
        let all = shop(&[&chain[..2], &[erased("a"), merged("d", json!("c"), 5)]].concat());
        assert_eq!(["a", "b", "c", "d"].map(|id| all.is_erased(id)), [true, true, true, false]);
        assert_eq!(all.stands_for("d"), "d");
        // A merge that was void at the erasure stays so.
        let cut =
            shop(&[merged("a", json!("b"), 1), merged("b", json!("a"), 2), erased("b"), merged("c", json!("b"), 3)]);
        assert_eq!((cut.is_erased("a"), cut.stands_for("c").as_str()), (true, "c"));
    }
}
