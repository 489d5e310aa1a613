//! Simulates live processing of a shop (section 9): events in the order given, the clock at each event's arrival and
//! never backwards, every review due strictly before an arrival passed first.

use std::collections::BTreeMap;

use serde_json::Value;
use thiserror::Error;

use crate::advance::{Arrival, Told, advance};
use crate::book::{Book, Taken};
use crate::calendar::Instant;
use crate::explain::{Explanation, explain};
use crate::fact::{FUTURE_MS_MAX, Fact};
use crate::id::MemberId;
use crate::json::{Node, Notes, Problems};
use crate::ledger::Ledger;
use crate::program::Program;
use crate::record::{Record, Row};
use crate::standing::{Standing, evaluate};
use crate::version::{Demotions, Options, PublishError, Version, Versions};

/// Why a line of events was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LineError {
    /// It is no valid event.
    #[error(transparent)]
    Invalid(#[from] Problems),
    /// The program cannot be published.
    #[error("$.program: {0}")]
    Refused(#[from] PublishError),
    /// It is dated too long after its arrival.
    #[error("$.occurred_at: {occurred_at} is more than five minutes after its arrival at {arrival}")]
    FromTheFuture {
        /// When it claims to have happened.
        occurred_at: Instant,
        /// When it arrived.
        arrival: Instant,
    },
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// A fact, and what became of it.
    Fact(Taken),
    /// A new program version is in force.
    Published,
    /// It arrives after the instant the replay goes to: nothing later is read.
    Beyond,
}

/// A shop being replayed.
#[derive(Debug, Clone)]
pub struct Replay {
    versions: Versions,
    book: Book,
    members: BTreeMap<MemberId, Member>,
    clock: Option<Instant>,
}

#[derive(Debug, Clone, Default)]
struct Member {
    record: Record,
    rows: Vec<Row>,
}

impl Replay {
    /// Starts with the first version of a program, in force from the beginning.
    ///
    /// # Errors
    /// All problems of the program.
    pub fn start(program: &Value) -> Result<Self, LineError> {
        let draft = Program::read(program)?;
        let versions = Versions::first(draft.program, draft.effective_at)?;
        Ok(Self { versions, book: Book::new(), members: BTreeMap::new(), clock: None })
    }

    /// Takes the next line, unless it arrives after `as_of`.
    ///
    /// # Errors
    /// Says what is wrong with the line; then nothing happened, and the clock did not move.
    pub fn line(&mut self, event: &Value, as_of: Instant) -> Result<Line, LineError> {
        if event.get("type").and_then(Value::as_str) == Some("program.published") {
            return self.publish(event, as_of);
        }
        let told = Fact::read(event, self.versions.last().program.currency)?;
        let occurred_at = told.fact.occurred_at();
        let arrival = self.arrival(told.received_at.unwrap_or(occurred_at));
        if occurred_at > arrival.plus_millis(FUTURE_MS_MAX) {
            return Err(LineError::FromTheFuture { occurred_at, arrival });
        }
        if arrival > as_of {
            return Ok(Line::Beyond);
        }
        self.clock = Some(arrival);
        Ok(Line::Fact(self.take(told.fact, arrival)))
    }

    /// Passes everything that is due up to and including `as_of`.
    pub fn finish(&mut self, as_of: Instant) {
        for (id, member) in &mut self.members {
            if let Some(ledger) = self.book.ledger_mut(id) {
                member.rows.extend(advance(ledger, &mut member.record, &self.versions, as_of));
            }
        }
    }

    /// The clock never goes backwards.
    fn arrival(&self, at: Instant) -> Instant {
        self.clock.map_or(at, |clock| clock.max(at))
    }

    fn take(&mut self, fact: Fact, at: Instant) -> Taken {
        if let Fact::Erased { member, .. } = &fact {
            self.members.remove(member);
            return self.book.take(fact);
        }
        let mut arrivals = Vec::new();
        for id in self.book.concerned(&fact) {
            let member = self.members.entry(id.clone()).or_default();
            let mut none = Ledger::default();
            let ledger = self.book.ledger_mut(&id).unwrap_or(&mut none);
            let arrival = Arrival::before(ledger, &mut member.record, &self.versions, at);
            let told = Told::by(&fact, &id);
            arrivals.push((id, told, ledger.clone(), arrival));
        }
        let taken = self.book.take(fact);
        for (id, told, before, arrival) in arrivals {
            let Some((member, ledger)) = self.members.get_mut(&id).zip(self.book.ledger(&id)) else { continue };
            member.rows.extend(if *ledger == before {
                arrival.unchanged()
            } else {
                arrival.after(ledger, &mut member.record, &self.versions, told)
            });
        }
        taken
    }

    fn publish(&mut self, event: &Value, as_of: Instant) -> Result<Line, LineError> {
        let published = Published::read(event)?;
        let at = self.arrival(published.at);
        if at > as_of {
            return Ok(Line::Beyond);
        }
        self.versions.publish(published.program, at, published.options, self.book.has_orders())?;
        self.clock = Some(at);
        self.finish(at);
        Ok(Line::Published)
    }

    /// The versions so far.
    pub fn versions(&self) -> &Versions {
        &self.versions
    }

    /// The shop's facts.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Everybody who was ever named, in order of id, the erased included.
    pub fn members(&self) -> Vec<&MemberId> {
        let mut all: Vec<_> = self.book.members().chain(self.book.erased()).collect();
        all.sort_unstable();
        all
    }

    /// What was recorded about a member, in order.
    pub fn rows(&self, member: &MemberId) -> &[Row] {
        self.members.get(member).map(|member| member.rows.as_slice()).unwrap_or_default()
    }

    /// What has been recorded about a member beside the rows.
    pub fn record(&self, member: &MemberId) -> Option<&Record> {
        self.members.get(member).map(|member| &member.record)
    }

    /// The version in force at an instant.
    pub fn version_at(&self, as_of: Instant) -> &Version {
        self.versions.in_force(as_of)
    }

    /// A member's standing; of somebody erased there is none.
    pub fn standing(&self, member: &MemberId, as_of: Instant) -> Option<Standing> {
        self.with_ledger(member, |ledger| evaluate(self.version_at(as_of), ledger, as_of))
    }

    /// Why a member stands where they stand.
    pub fn explain(&self, member: &MemberId, as_of: Instant) -> Option<Explanation> {
        self.with_ledger(member, |ledger| explain(self.version_at(as_of), ledger, as_of))
    }

    fn with_ledger<T>(&self, member: &MemberId, ask: impl FnOnce(&Ledger) -> T) -> Option<T> {
        if self.book.is_erased(member) {
            return None;
        }
        let nothing = Ledger::default();
        Some(ask(self.book.ledger(member).unwrap_or(&nothing)))
    }
}

/// A line that puts a new version in force.
struct Published {
    at: Instant,
    program: Program,
    options: Options,
}

impl Published {
    fn read(event: &Value) -> Result<Self, Problems> {
        let notes = Notes::default();
        let read = Node::root(event, &notes).object().and_then(|o| {
            o.get("type");
            let at = o.need("occurred_at").and_then(|node| node.instant());
            let program = o.need("program").and_then(|node| node.nested(Program::read));
            let options = o.get("options").map_or(Some(Options::default()), |node| options(&node));
            o.finish();
            Some(Self { at: at?, program: program?.program, options: options? })
        });
        let mut published = notes.settle(read)?;
        // Replay takes `while_active` as given (section 9).
        published.options.while_active = true;
        Ok(published)
    }
}

fn options(node: &Node<'_>) -> Option<Options> {
    let o = node.object()?;
    let rewards = o.or("rewards", false, Node::bool);
    let notify = o.or("notify", false, Node::bool);
    let words = [("apply", Demotions::Apply), ("hold", Demotions::Hold)];
    let demotions = o.maybe("demotions", |node| node.word(&words));
    let while_active = o.or("while_active", false, Node::bool);
    o.finish();
    Some(Options { rewards: rewards?, notify: notify?, demotions: demotions?, while_active: while_active? })
}
