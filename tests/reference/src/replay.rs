//! Section 9: live processing, line by line.

use super::evaluate::{Arrived, Member, News, on};
use super::fact::{Fact, Shop};
use super::ledger::{Assignment, Ledger};
use super::program::Program;
use super::standing::{boundaries, print_standing};
use super::time::{Instant, instant, midnight, year};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// "Facts dated more than five minutes after their arrival are refused".
const AHEAD: Instant = 5 * 60 * 1000;

/// The state of a replay that is fed line by line.
#[derive(Debug, Clone)]
pub struct Replay {
    pub(super) versions: Vec<Program>,
    pub(super) options: Value,
    pub(super) shop: Shop,
    pub(super) members: BTreeMap<String, Member>,
    clock: Instant,
    every_midnight: bool,
    /// Facts that were dated after their arrival.
    pub(super) ahead: Vec<Fact>,
    /// The document that is being told, until a line shows that it has ended.
    open: Option<Document>,
}

/// "In a file, consecutive lines with the same `document` (a text) and arrival are one document." A line without one is
/// a document of its own.
#[derive(Debug, Clone)]
struct Document {
    name: Option<String>,
    /// "Same arrival means the same `received_at` as told".
    told_at: Instant,
    arrival: Instant,
    facts: Vec<Fact>,
}

/// Replays a file: "prints one JSON object" of section 9.
pub fn replay(program: &Value, events: &[Value], as_of: Instant) -> Value {
    run(program, events, as_of, false)
}

/// Does the same, trying every midnight (slow).
pub fn replay_trying_every_midnight(program: &Value, events: &[Value], as_of: Instant) -> Value {
    run(program, events, as_of, true)
}

fn run(program: &Value, events: &[Value], as_of: Instant, every_midnight: bool) -> Value {
    let mut replay = Replay::start(program, every_midnight).expect("a program");
    for line in events {
        // "it stops at the first arrival after `as_of`"
        if replay.arrival(line).is_some_and(|arrival| arrival > as_of) {
            break;
        }
        replay.line(line);
    }
    replay.end(as_of)
}

/// The arrival that a line tells: "`received_at` (defaults) to the later of the two" instants.
fn told_at(line: &Value, fact: &Fact) -> Option<Instant> {
    match &line["received_at"] {
        Value::Null => Some(fact.latest_instant()),
        given => instant(given.as_str()?),
    }
}

impl Replay {
    /// "`--program` gives the first version", in force from the beginning.
    pub fn start(program: &Value, every_midnight: bool) -> Option<Replay> {
        let mut first = Program::read(program, None, &[])?;
        first.every_midnight = every_midnight;
        Some(Replay {
            shop: Shop::new(&first.currency),
            versions: vec![first],
            options: Value::Null,
            members: BTreeMap::new(),
            clock: Instant::MIN,
            every_midnight,
            open: None,
            ahead: Vec::new(),
        })
    }

    /// The arrival of a line, if it is valid: "the clock at each event's arrival (`received_at`, default `occurred_at`)
    /// and never backwards", "(an invalid line does not move the clock …)".
    pub fn arrival(&self, line: &Value) -> Option<Instant> {
        if line["type"] == "program.published" {
            let occurred_at = instant(line["occurred_at"].as_str()?)?;
            Program::published(line, occurred_at, &self.versions)?;
            return Some(occurred_at.max(self.clock));
        }
        let fact = Fact::read(line, &self.shop.currency)?;
        let arrival = told_at(line, &fact)?.max(self.clock);
        // "neither may lie more than five minutes after the arrival"
        (fact.latest_instant() <= arrival + AHEAD).then_some(arrival)
    }

    /// Applies one line; an invalid one is skipped.
    pub fn line(&mut self, line: &Value) {
        let Some(arrival) = self.arrival(line) else {
            return;
        };
        self.clock = arrival;
        if line["type"] == "program.published" {
            self.end_document();
            self.publish(line, arrival);
            return;
        }
        let fact = Fact::read(line, &self.shop.currency).unwrap();
        let told_at = told_at(line, &fact).unwrap();
        let name = line["document"].as_str().map(str::to_owned);
        match &mut self.open {
            Some(open) if name.is_some() && open.name == name && open.told_at == told_at => {
                // A repeat is not another fact.
                if !open.facts.iter().any(|known| known.is_told_again_by(&fact)) {
                    open.facts.push(fact);
                }
            }
            // "another line between ends a document, an invalid one does not"
            _ => {
                self.end_document();
                self.open = Some(Document { name, told_at, arrival, facts: vec![fact] });
            }
        }
    }

    fn end_document(&mut self) {
        if let Some(ended) = self.open.take() {
            self.take(ended.facts, ended.arrival);
        }
    }

    /// "puts a new version in force at T for everyone from there on: each member known by then is advanced to T at
    /// once (members in order of id)".
    fn publish(&mut self, line: &Value, at: Instant) {
        let mut version = Program::published(line, at, &self.versions).unwrap();
        version.every_midnight = self.every_midnight;
        let known: Vec<String> = self.members.keys().cloned().collect();
        for id in &known {
            self.pass_reviews(id, at - 1);
        }
        let old = self.program().clone();
        self.shop.currency = version.currency.clone();
        self.versions.push(version);
        self.options = line["options"].clone();
        // An id that stands for another member passes the versions when its merge is undone.
        for id in &known {
            if self.shop.is_erased(id) || self.shop.stands_for(id) == *id {
                self.evaluate(id, at, News::Version(&old));
            }
        }
    }

    /// Takes in a document: "its facts are taken in together, and members are evaluated before the first and after the
    /// last".
    fn take(&mut self, facts: Vec<Fact>, arrival: Instant) {
        for named in facts.iter().flat_map(|fact| self.shop.named_by(fact)) {
            self.members.entry(named).or_default();
        }
        let without = |left_out: Option<usize>| {
            let mut shop = self.shop.clone();
            let rest = facts.iter().enumerate().filter(|(index, _)| Some(*index) != left_out);
            rest.for_each(|(_, fact)| shop.merge(fact.clone()));
            shop
        };
        let after = without(None);
        let shops_without: Vec<Shop> = (0..facts.len()).map(|index| without(Some(index))).collect();
        let known: Vec<String> = self.members.keys().cloned().collect();
        // The ids that a ledger belongs to are a part of it, so members are also affected by a merge that brings no fact.
        let affected: Vec<&String> =
            known.iter().filter(|id| Ledger::of(&self.shop, id) != Ledger::of(&after, id)).collect();
        // "Before a fact is taken in, every review of that member due before its arrival is passed"
        for id in &affected {
            self.pass_reviews(id, arrival - 1);
        }
        let arrived: Vec<Arrived> = affected
            .iter()
            .map(|id| Arrived {
                before: self.ledger_in(&self.shop, id),
                stood_for_another: !self.shop.is_erased(id) && self.shop.stands_for(id) != **id,
                facts: facts
                    .iter()
                    .zip(&shops_without)
                    .map(|(fact, shop)| (fact.clone(), self.ledger_in(shop, id)))
                    .collect(),
            })
            .collect();
        let before = std::mem::replace(&mut self.shop, after);
        for id in known.iter().filter(|id| self.shop.is_erased(id) && !before.is_erased(id)) {
            // "Everything about the member is deleted", "a member that was erased has … no history"
            self.members.insert(id.clone(), Member::default());
        }
        let ahead = facts.iter().filter(|fact| self.shop.dated(fact) > arrival);
        self.ahead.extend(ahead.cloned());
        for (id, arrived) in affected.into_iter().zip(arrived) {
            self.evaluate(id, arrival, News::Document(&arrived));
        }
    }

    /// "and then passes what is due up to and including `as_of`"
    pub fn end(mut self, as_of: Instant) -> Value {
        self.end_document();
        let known: Vec<String> = self.members.keys().cloned().collect();
        let mut standings = Map::new();
        let (mut transitions, mut rewards) = (Vec::new(), Vec::new());
        let (mut birthdays, mut corrections) = (Vec::new(), Vec::new());
        for id in &known {
            self.pass_reviews(id, as_of);
            let standing = if self.shop.is_erased(id) {
                super::erased()
            } else {
                let member = self.shop.stands_for(id);
                super::told_of(id, &member, print_standing(self.program(), &self.ledger(&member), as_of))
            };
            standings.insert(id.clone(), standing);
            let member = &self.members[id];
            transitions.extend(member.transitions.clone());
            rewards.extend(member.rewards.clone());
            birthdays.extend(member.birthdays.clone());
            corrections.extend(member.corrections.clone());
        }
        json!({
            "standings": standings, "transitions": transitions, "rewards": rewards, "birthdays": birthdays,
            "corrections": corrections,
        })
    }

    pub(super) fn program(&self) -> &Program {
        self.versions.last().unwrap()
    }

    /// The member's facts and holds.
    pub(super) fn ledger(&self, id: &str) -> Ledger {
        self.ledger_in(&self.shop, id)
    }

    /// The holds of all ids that stand for the member count "like other assignments"; of those of one version the member's
    /// own, else the earliest, else that of the lower id.
    fn ledger_in(&self, shop: &Shop, id: &str) -> Ledger {
        let mut ledger = Ledger::of(shop, id);
        let mut holds: Vec<(&String, &Assignment)> = Vec::new();
        for one in ledger.ids.iter().filter(|one| self.members.contains_key(*one)) {
            holds.extend(self.members[one].holds.iter().map(|hold| (one, hold)));
        }
        holds.sort_by_key(|(one, hold)| (*one != id, hold.place.0, *one));
        let mut ruling: Vec<Assignment> = Vec::new();
        for (_, hold) in holds {
            // The key of a hold's place names its version.
            if ruling.iter().all(|other| other.place.2 != hold.place.2) {
                ruling.push(hold.clone());
            }
        }
        ledger.assignments.extend(ruling);
        ledger
    }

    /// Passes every review after the last evaluation, up to and including `until`, "each at its own instant".
    fn pass_reviews(&mut self, id: &str, until: Instant) {
        let Some(from) = self.members[id].evaluated_at.filter(|&from| from < until) else {
            return;
        };
        let ledger = self.ledger(id);
        let mut due = boundaries(self.program(), &ledger, from, until);
        let tz = self.program().timezone;
        for y in year(tz, from)..=year(tz, until) {
            let birthday = ledger.birthday(until);
            let at = birthday.and_then(|birthday| on(&birthday, y)).map(|date| midnight(tz, date));
            due.extend(at.filter(|&at| from < at && at <= until));
        }
        for at in due {
            self.evaluate(id, at, News::Review);
        }
    }
}
