//! Simulation of a shop's live processing (section 9). Events come in the order given. The clock is at each event's
//! arrival and never moves backwards. Every review due strictly before an arrival is passed first.

use std::collections::BTreeMap;

use serde_json::Value;
use thiserror::Error;

use crate::advance::advance;
use crate::apply::{Arrival, evaluate_for};
use crate::calendar::{Instant, Zones};
use crate::explain::{Explanation, explain};
use crate::fact::{FUTURE_MS_MAX, Fact};
use crate::fact_index::{FactIndex, FactStatus};
use crate::id::MemberId;
use crate::json::Problems;
use crate::ledger::Ledger;
use crate::program::Program;
use crate::record::{Record, Row};
use crate::standing::{Standing, evaluate};
use crate::version::{Options, PublishError, Published, Version, Versions};

/// The reasons why a line of events was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LineError {
    /// The line is not a valid event.
    #[error(transparent)]
    Invalid(#[from] Problems),
    /// The program cannot be published.
    #[error("$.program: {0}")]
    Refused(#[from] PublishError),
    /// The fact is dated too long after its arrival.
    #[error("$.occurred_at: {occurred_at} is more than five minutes after its arrival at {arrival}")]
    FromTheFuture {
        /// The instant at which it claims to have occurred.
        occurred_at: Instant,
        /// The instant of its arrival.
        arrival: Instant,
    },
}

/// The outcome for a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// The line was a fact, with this outcome.
    Fact(FactStatus),
    /// A new program version is in force.
    Published,
    /// The line arrives after the end of the replay; nothing later is read.
    Beyond,
}

/// A shop being replayed.
#[derive(Debug, Clone)]
pub struct Replay {
    zones: Zones,
    versions: Versions,
    index: FactIndex,
    records: BTreeMap<MemberId, Record>,
    rows: BTreeMap<MemberId, Vec<Row>>,
    clock: Option<Instant>,
    open: Option<OpenDocument>,
}

/// A document of which more lines may follow.
#[derive(Debug, Clone)]
struct OpenDocument {
    name: String,
    /// The arrival as told: a document's lines have the same.
    received_at: Instant,
    arrival: Arrival,
}

impl Replay {
    /// Starts with the first version of a program, in force from the beginning, under one release of the time zone database.
    ///
    /// # Errors
    /// All problems of the program.
    pub fn start(program: &Value, zones: &Zones) -> Result<Self, LineError> {
        let draft = Program::read(program, zones)?;
        let options = Options { unclamped: draft.unclamped, ..Options::default() };
        let versions = Versions::first_with(draft.program, draft.effective_at, options)?;
        let zones = zones.clone();
        Ok(Self {
            zones,
            versions,
            index: FactIndex::new(),
            records: BTreeMap::new(),
            rows: BTreeMap::new(),
            clock: None,
            open: None,
        })
    }

    /// Applies the next line, unless it arrives after `as_of`.
    ///
    /// # Errors
    /// Returns what is wrong with the line. Then nothing has changed, and the clock has not moved.
    pub fn line(&mut self, event: &Value, as_of: Instant) -> Result<Line, LineError> {
        if event.get("type").and_then(Value::as_str) == Some("program.published") {
            return self.publish(event, as_of);
        }
        let told = Fact::read(event, self.versions.last().program.currency)?;
        let latest_at = told.fact.latest_at();
        let received_at = told.received_at.unwrap_or(latest_at);
        let arrival = self.arrival(received_at);
        if latest_at > arrival.plus_millis(FUTURE_MS_MAX) {
            return Err(LineError::FromTheFuture { occurred_at: latest_at, arrival });
        }
        if arrival > as_of {
            return Ok(Line::Beyond);
        }
        self.clock = Some(arrival);
        let is_open =
            |open: &OpenDocument| Some(&open.name) == told.document.as_ref() && open.received_at == received_at;
        if !self.open.as_ref().is_some_and(is_open) {
            self.close();
        }
        let (opened, name) = match (self.open.take(), told.document) {
            (Some(open), _) => (open.arrival, Some(open.name)),
            (None, Some(name)) => (Arrival::of_document(arrival), Some(name)),
            (None, None) => (Arrival::of_one(arrival), None),
        };
        Ok(Line::Fact(self.take(told.fact, opened, name, received_at)))
    }

    /// Passes everything that is due up to and including `as_of`.
    pub fn finish(&mut self, as_of: Instant) {
        self.close();
        let ids: Vec<MemberId> = self.records.keys().cloned().collect();
        for id in ids {
            let due = self.advance_member(&id, as_of);
            if !due.is_empty() {
                self.rows.entry(id).or_default().extend(due);
            }
        }
    }

    /// Advances a member who is evaluated for themselves: an id that stands for another is not reviewed.
    fn advance_member(&mut self, id: &MemberId, as_of: Instant) -> Vec<Row> {
        if self.index.merges().resolve(id) != *id {
            return Vec::new();
        }
        let versions = &self.versions;
        evaluate_for(&mut self.index, &mut self.records, id, |ledger, record| advance(ledger, record, versions, as_of))
    }

    /// The instant of an arrival on the clock, which never moves backwards.
    fn arrival(&self, at: Instant) -> Instant {
        self.clock.map_or(at, |clock| clock.max(at))
    }

    fn take(&mut self, fact: Fact, mut arrival: Arrival, document: Option<String>, received_at: Instant) -> FactStatus {
        if let Some(member) = fact.erased() {
            for id in self.index.taken_by_erasure(member) {
                self.rows.remove(&id);
            }
        }
        let taken = arrival.take(&mut self.index, &mut self.records, &self.versions, fact);
        match document {
            Some(name) => self.open = Some(OpenDocument { name, received_at, arrival }),
            None => self.conclude(arrival),
        }
        taken
    }

    /// Ends the open document: its members are evaluated.
    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.conclude(open.arrival);
        }
    }

    fn conclude(&mut self, arrival: Arrival) {
        for (member, row) in arrival.finish(&self.index, &mut self.records, &self.versions) {
            self.rows.entry(member).or_default().push(row);
        }
    }

    fn publish(&mut self, event: &Value, as_of: Instant) -> Result<Line, LineError> {
        let published = Published::read(event.clone(), &self.zones)?;
        // Replay always allows `while_active` (section 9).
        let options = Options { while_active: true, ..published.options };
        let at = self.arrival(published.at);
        if at > as_of {
            return Ok(Line::Beyond);
        }
        // A publication that is refused ends no document.
        let mut versions = self.versions.clone();
        let keeps_money = self.index.keeps_money_in(versions.last().program.currency);
        versions.publish(published.program, at, options, keeps_money)?;
        self.close();
        self.versions = versions;
        self.clock = Some(at);
        self.finish(at);
        Ok(Line::Published)
    }

    /// The versions so far.
    pub fn versions(&self) -> &Versions {
        &self.versions
    }

    /// The shop's facts.
    pub fn index(&self) -> &FactIndex {
        &self.index
    }

    /// All members who were ever named, in order of id, including erased ones.
    pub fn members(&self) -> Vec<&MemberId> {
        let mut all: Vec<_> = self.index.members().chain(self.index.erased()).collect();
        all.sort_unstable();
        all
    }

    /// The rows recorded about a member, in order.
    pub fn rows(&self, member: &MemberId) -> &[Row] {
        self.rows.get(member).map(Vec::as_slice).unwrap_or_default()
    }

    /// The record of a member, without the rows.
    pub fn record(&self, member: &MemberId) -> Option<&Record> {
        self.records.get(member)
    }

    /// The version in force at an instant.
    pub fn version_at(&self, as_of: Instant) -> &Version {
        self.versions.in_force(as_of)
    }

    /// The member that an id stands for, if it was merged and not erased.
    pub fn merged_into(&self, member: &MemberId) -> Option<MemberId> {
        let into = self.index.merges().resolve(member);
        (into != *member && !self.index.is_erased(member)).then_some(into)
    }

    /// A member's standing, which for a merged id is that of the member it stands for; none for an erased member.
    pub fn standing(&self, member: &MemberId, as_of: Instant) -> Option<Standing> {
        self.with_ledger(member, |ledger| evaluate(self.version_at(as_of), ledger, as_of))
    }

    /// The explanation of a member's standing; none for an erased member.
    pub fn explain(&self, member: &MemberId, as_of: Instant) -> Option<Explanation> {
        self.with_ledger(member, |ledger| explain(self.version_at(as_of), ledger, as_of))
    }

    fn with_ledger<T>(&self, member: &MemberId, ask: impl FnOnce(&Ledger) -> T) -> Option<T> {
        if self.index.is_erased(member) {
            return None;
        }
        Some(ask(&self.index.counting_for(&self.index.merges().resolve(member))))
    }
}
