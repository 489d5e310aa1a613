//! Section 9: live processing, line by line.

use super::evaluate::{Member, News, on};
use super::fact::{Fact, Shop};
use super::ledger::Ledger;
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
        })
    }

    /// The arrival of a line, if it is valid: "the clock at each event's arrival (`received_at`, default `occurred_at`)
    /// and never backwards", "(an invalid line does not move the clock …)".
    pub fn arrival(&self, line: &Value) -> Option<Instant> {
        let occurred_at = instant(line["occurred_at"].as_str()?)?;
        if line["type"] == "program.published" {
            Program::read(&line["program"], Some(occurred_at), &self.versions)?;
            return Some(occurred_at.max(self.clock));
        }
        let fact = Fact::read(line, &self.shop.currency)?;
        let received_at = match &line["received_at"] {
            Value::Null => occurred_at,
            given => instant(given.as_str()?)?,
        };
        let arrival = received_at.max(self.clock);
        (fact.at <= arrival + AHEAD).then_some(arrival)
    }

    /// Applies one line; an invalid one is skipped.
    pub fn line(&mut self, line: &Value) {
        let Some(arrival) = self.arrival(line) else {
            return;
        };
        self.clock = arrival;
        if line["type"] == "program.published" {
            self.publish(line, arrival);
        } else {
            let fact = Fact::read(line, &self.shop.currency).unwrap();
            self.take(fact, arrival);
        }
    }

    /// "puts a new version in force at T for everyone from there on: each member known by then is advanced to T at
    /// once (members in order of id)".
    fn publish(&mut self, line: &Value, at: Instant) {
        let mut version = Program::read(&line["program"], Some(at), &self.versions).unwrap();
        version.every_midnight = self.every_midnight;
        let known: Vec<String> = self.members.keys().cloned().collect();
        for id in &known {
            self.pass_reviews(id, at - 1);
        }
        let old = self.program().clone();
        self.shop.currency = version.currency.clone();
        self.versions.push(version);
        self.options = line["options"].clone();
        for id in &known {
            self.evaluate(id, at, News::Version(&old));
        }
    }

    fn take(&mut self, fact: Fact, arrival: Instant) {
        if let Some(named) = &fact.member {
            self.members.entry(named.clone()).or_default();
        }
        let mut after = self.shop.clone();
        after.merge(fact.clone());
        let known: Vec<String> = self.members.keys().cloned().collect();
        let affected: Vec<&String> =
            known.iter().filter(|id| Ledger::of(&self.shop, id) != Ledger::of(&after, id)).collect();
        // "Before a fact is taken in, every review of that member due before its arrival is passed"
        for id in &affected {
            self.pass_reviews(id, arrival - 1);
        }
        let before: Vec<Ledger> = affected.iter().map(|id| self.ledger(id)).collect();
        self.shop = after;
        if fact.kind == "customer.erased" {
            // "Everything about the member is deleted", "a member that was erased has … no history"
            self.members.insert(fact.member.clone().unwrap(), Member::default());
        }
        for (id, before) in affected.into_iter().zip(before) {
            self.evaluate(id, arrival, News::Fact(&fact, &before));
            if fact.at > arrival {
                self.members.get_mut(id).unwrap().ahead.push(fact.clone());
            }
        }
    }

    /// "and then passes what is due up to and including `as_of`"
    pub fn end(mut self, as_of: Instant) -> Value {
        let known: Vec<String> = self.members.keys().cloned().collect();
        let mut standings = Map::new();
        let (mut transitions, mut rewards, mut birthdays) = (Vec::new(), Vec::new(), Vec::new());
        for id in &known {
            self.pass_reviews(id, as_of);
            let standing = if self.shop.is_erased(id) {
                super::erased()
            } else {
                print_standing(self.program(), &self.ledger(id), as_of)
            };
            standings.insert(id.clone(), standing);
            let member = &self.members[id];
            transitions.extend(member.transitions.clone());
            rewards.extend(member.rewards.clone());
            birthdays.extend(member.birthdays.clone());
        }
        json!({"standings": standings, "transitions": transitions, "rewards": rewards, "birthdays": birthdays})
    }

    pub(super) fn program(&self) -> &Program {
        self.versions.last().unwrap()
    }

    /// The member's facts and holds.
    pub(super) fn ledger(&self, id: &str) -> Ledger {
        let mut ledger = Ledger::of(&self.shop, id);
        ledger.assignments.extend(self.members[id].holds.clone());
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
