//! The period since the last tier upgrade: an upgrade restarts the counter, and at the deadline the counter decides (seed 000).

use super::trailing::{InWindow, Trailing, days};
use super::{Count, Counting, Course, Known, Ladder, Renewal, Requalify, Steps, Total, Window, window};
use crate::calendar::{Day, Instant, Span};
use crate::credit::{Credits, Movement};
use crate::program::{Counted, OnRefund, Program, Rank};
use crate::quantity::Quantity;
use crate::version::Version;

pub(super) fn course(version: &Version, counted: &Counted, span: Span, known: &Known<'_, impl Credits>) -> Course {
    let movements = known.movements(version, counted);
    // Under `revoke`, corrections amend the credits that they belong to, and only these credits are counted (section 5).
    let amends =
        counted.on_refund == OnRefund::Revoke && movements.iter().any(|movement| movement.kind.is_correction());
    // Amendments are kept apart, so that counting again passes credits alone, however many amendments there were.
    let is_counted = |movement: &Movement| !(amends && movement.kind.is_correction());
    let (movements, amendments): (Vec<_>, Vec<_>) = movements.into_iter().partition(is_counted);
    let mut amendments = amendments.into_iter().peekable();
    let mut term = Term::new(version, counted, span, movements, amends);
    if let Some(first_at) = known.first_at {
        term.note(first_at);
    }
    while let Some(movement) = term.next() {
        // Those of the same instant come after the orders and entries (section 5).
        while let Some(amendment) = amendments.next_if(|amendment| amendment.at < movement.at) {
            term.amend(&amendment);
        }
        term.pass_midnights(movement.at);
        term.take(&movement);
    }
    amendments.for_each(|amendment| term.amend(&amendment));
    term.pass_midnights(known.at);
    let count = term.count(version, known.at);
    term.pass_midnights(Instant::LAST);
    Course { steps: term.steps, count: Some(count) }
}

/// The number of movements from one kept state to the next. Where corrections amend credits, counting restarts from a kept state.
const KEPT_EVERY: usize = 8;

/// The tier held, and the amount counted since the last upgrade or deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    rank: Rank,
    counted: Quantity,
    /// The last upgrade or deadline.
    from: Instant,
    /// The source of the first order or entry after it.
    first: u32,
    last_day: Day,
    deadline: Instant,
}

/// A tier that a deadline took, which is held on for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Grace {
    rank: Rank,
    until: Instant,
}

/// The state of the counter, moving forward in time. With no tier held there was no last upgrade, and the trailing
/// window of the same length counts. A tier with threshold 0 is treated as no tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct State {
    held: Option<Held>,
    /// The last deadline that kept the tier.
    kept_at: Option<Instant>,
    /// The tier that the last deadline took, while it is still held.
    grace: Option<Grace>,
    window: InWindow,
    /// The number of movements taken in.
    taken: usize,
    /// The source after the last one seen.
    next_source: u32,
}

/// The counter and its input.
struct Term<'p> {
    program: &'p Program,
    counted: &'p Counted,
    span: Span,
    ladder: Ladder<'p>,
    /// The tier of a member with no tier held: the one with threshold 0, if there is one.
    everyones: Option<Rank>,
    /// The movements to take in; where corrections amend credits, the credits alone.
    movements: Vec<Movement>,
    trailing: Trailing,
    state: State,
    /// Whether corrections amend credits.
    amends: bool,
    /// The states before some of the movements, if corrections amend credits.
    kept: Vec<State>,
    steps: Steps,
    /// Whether the past is being counted again; its steps stay as they were.
    again: bool,
}

impl<'p> Term<'p> {
    fn new(version: &'p Version, counted: &'p Counted, span: Span, movements: Vec<Movement>, amends: bool) -> Self {
        let program = &version.program;
        let mut ladder = Ladder::new(counted);
        Self {
            program,
            counted,
            span,
            everyones: ladder.reached(Quantity::ZERO),
            ladder,
            trailing: Trailing::new(program, span, &movements),
            amends,
            kept: Vec::new(),
            movements,
            state: State::default(),
            steps: Steps::new(),
            again: false,
        }
    }

    /// The tier by the rules, without a grace: the one held, or else the one with threshold 0.
    fn by_the_rules(&self) -> Option<Rank> {
        self.state.held.map_or(self.everyones, |held| Some(held.rank))
    }

    /// The resulting tier: under a grace at least the one that the deadline took.
    fn rank(&self) -> Option<Rank> {
        self.by_the_rules().max(self.state.grace.map(|grace| grace.rank))
    }

    fn note(&mut self, at: Instant) {
        if !self.again {
            self.steps.push(at, self.rank());
        }
    }

    #[inline]
    fn earned(&mut self, counted: Quantity) -> Option<Rank> {
        self.ladder.reached(counted).filter(|rank| self.counted.is_earned(*rank))
    }

    fn term(&self, rank: Rank, from: Instant, last_day: Day) -> Held {
        let deadline = self.program.timezone.midnight(last_day.next());
        Held { rank, counted: Quantity::ZERO, from, first: self.state.next_source, last_day, deadline }
    }

    fn upgrade(&mut self, rank: Rank, at: Instant) {
        let last_day = self.span.after(self.program.timezone.day(at));
        self.state.held = Some(self.term(rank, at, last_day));
        self.note(at);
    }

    /// Passes the deadlines up to an instant, or with no tier held the midnights at which a credit ages out.
    ///
    /// Damaged bytes may say days at the end of the calendar, after which no later midnight comes: the last one is passed once.
    #[inline]
    fn pass_midnights(&mut self, to: Instant) {
        let mut passed = None;
        while let Some(midnight) = self.next_midnight().filter(|midnight| *midnight <= to && Some(*midnight) > passed) {
            self.pass(midnight);
            passed = Some(midnight);
        }
    }

    #[inline]
    fn next_midnight(&self) -> Option<Instant> {
        let next = match &self.state.held {
            Some(held) => Some(held.deadline),
            None => self.trailing.next_midnight(&self.state.window),
        };
        match (next, self.state.grace) {
            (Some(next), Some(grace)) => Some(next.min(grace.until)),
            (None, Some(grace)) => Some(grace.until),
            (next, None) => next,
        }
    }

    fn pass(&mut self, midnight: Instant) {
        self.state.grace.take_if(|grace| grace.until <= midnight);
        let reviewed = self.state.held.filter(|held| held.deadline <= midnight);
        if let Some(held) = reviewed {
            let rank =
                self.counted.review(Some(held.rank), self.earned(held.counted), held.counted).min(Some(held.rank));
            self.state.held = rank.filter(|rank| self.counted.is_earned(*rank)).map(|rank| {
                let last_day = self.span.after(held.last_day);
                self.term(rank, midnight, last_day)
            });
            // A tier that the deadline took and the trailing window gives again at once was not kept by the deadline.
            if self.by_the_rules() == Some(held.rank) {
                self.state.kept_at = Some(midnight);
            }
        }
        self.age(midnight);
        self.look(midnight);
        if let Some(held) = reviewed.filter(|held| self.by_the_rules() < Some(held.rank)) {
            let ends = self.counted.grace_ends(&self.program.timezone, held.last_day.next());
            self.state.grace = ends.map(|until| Grace { rank: held.rank, until });
        }
        self.note(midnight);
    }

    #[inline]
    fn age(&mut self, to: Instant) {
        while self.trailing.pass(&mut self.state.window, to, &self.movements).is_some() {}
    }

    /// Upgrades from the trailing window, if no tier is held.
    fn look(&mut self, at: Instant) {
        if self.state.held.is_none()
            && let Some(rank) = self.earned(self.state.window.sum)
        {
            self.upgrade(rank, at);
        }
    }

    /// The next movement to take in.
    fn next(&self) -> Option<Movement> {
        self.movements.get(self.state.taken).copied()
    }

    /// Takes in the next movement.
    fn take(&mut self, movement: &Movement) {
        #[cfg(test)]
        tests::TAKEN.with(|taken| taken.set(taken.get() + 1));
        if self.amends {
            self.keep();
        }
        self.state.taken += 1;
        if !movement.kind.is_correction() {
            self.state.next_source = movement.source.saturating_add(1);
        }
        self.age(movement.at);
        self.trailing.come(&mut self.state.window, self.program, movement);
        match &mut self.state.held {
            Some(held) => {
                if movement.source >= held.first {
                    held.counted += movement.amount;
                }
                let (rank, counted) = (held.rank, held.counted);
                if let Some(higher) = self.earned(counted).filter(|higher| *higher > rank) {
                    self.upgrade(higher, movement.at);
                }
            }
            None => self.look(movement.at),
        }
    }

    /// Keeps the present state, if its position is one of those to be kept.
    fn keep(&mut self) {
        if self.state.taken.is_multiple_of(KEPT_EVERY) {
            match self.kept.get_mut(self.state.taken / KEPT_EVERY) {
                Some(kept) => *kept = self.state,
                None => self.kept.push(self.state),
            }
        }
    }

    /// Amends a credit to its net amount, as if that had been its amount from the start, and counts again from there.
    /// The steps until now stay as they were, because the correction was not known then.
    fn amend(&mut self, correction: &Movement) {
        self.pass_midnights(correction.at);
        let now = self.state;
        let Some(position) = self.credit_of(correction) else { return };
        if let Some(credit) = self.movements.get_mut(position) {
            credit.amount += correction.amount;
        }
        let Some(before) = self.kept.get(position / KEPT_EVERY) else { return };
        self.state = *before;
        self.again = true;
        while self.state.taken < now.taken
            && let Some(movement) = self.next()
        {
            self.take(&movement);
            let next = self.next().map_or(correction.at, |next| next.at);
            self.pass_midnights(next.min(correction.at));
            if self.was_here_before() {
                self.state = now; // from here on the amendment makes no difference
            }
        }
        self.again = false;
        self.note(correction.at);
    }

    /// The position of the credit that a correction amends.
    fn credit_of(&self, correction: &Movement) -> Option<usize> {
        let first = self.movements.partition_point(|movement| movement.at < correction.dated);
        let of_the_instant = self.movements.get(first..)?;
        let is_it = |movement: &Movement| movement.source == correction.source;
        of_the_instant.iter().position(is_it).map(|place| first + place)
    }

    /// Whether the counter was in the same state when this movement was first taken in.
    fn was_here_before(&self) -> bool {
        self.state.taken.is_multiple_of(KEPT_EVERY) && self.kept.get(self.state.taken / KEPT_EVERY) == Some(&self.state)
    }

    fn count(&self, version: &Version, at: Instant) -> Count {
        let Some(held) = self.state.held else {
            let (from, until) = days(self.span, self.program.timezone.day(at));
            let window = window(version, from, Some(until.next()));
            let (sum, counts) = (self.state.window.sum, Counting::Days(from, until));
            let current = Total { window, counted: sum, earns: self.by_the_rules(), counts };
            let requalify = self.after_grace(sum);
            let grace_until = requalify.map(|requalify| requalify.by);
            return Count { current, previous: None, requalify, grace_until, renewal: Renewal::None };
        };
        let window = Window { from: Some(held.from), until: Some(held.deadline) };
        let at_deadline = || Requalify::new(self.counted, held.rank, held.counted, held.deadline);
        let counts = Counting::From(held.first);
        let after_grace = self.after_grace(held.counted);
        Count {
            current: Total { window, counted: held.counted, earns: Some(held.rank), counts },
            previous: None,
            requalify: Some(after_grace.unwrap_or_else(at_deadline)),
            grace_until: after_grace.map(|requalify| requalify.by),
            renewal: Renewal::Deadlines { kept_at: self.state.kept_at, next: held.deadline },
        }
    }

    /// What keeps a tier that is held by a grace beyond its end: the threshold.
    fn after_grace(&self, counted: Quantity) -> Option<Requalify> {
        let Grace { rank, until } = self.state.grace.filter(|grace| Some(grace.rank) > self.by_the_rules())?;
        Some(Requalify::after_grace(self.counted, rank, counted, until))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde_json::json;

    use super::*;
    use crate::fact::{Currency, Fact};
    use crate::fact_index::FactIndex;
    use crate::id::MemberId;
    use crate::standing::evaluate;
    use crate::version::Versions;

    const DAY: i64 = 86_400_000;

    thread_local! {
        /// The number of movements that were taken in on this thread.
        pub(super) static TAKEN: Cell<usize> = const { Cell::new(0) };
    }

    /// A thousand cancellations of one entry: each counts the entry again, and not the cancellations before it.
    #[test]
    fn an_amendment_does_not_pass_the_amendments_before_it() {
        const COUNT: usize = 1_000;
        let mut index = FactIndex::new();
        let mut tell = |fact: serde_json::Value| {
            index.apply(Fact::read(&fact, Currency::from_code("USD").unwrap()).unwrap().fact);
        };
        let at = |number: usize| Instant::from_millis(1_700_000_000_000 + i64::try_from(number).unwrap()).to_string();
        tell(
            json!({ "type": "points.earned", "member_id": "anna", "entry_id": "1", "points": 5_000, "occurred_at": at(0) }),
        );
        for number in 1..=COUNT {
            tell(json!({ "type": "points.canceled", "cancel_id": number.to_string(), "entry_id": "1", "points": 1,
                         "occurred_at": at(number) }));
        }
        let milestone = json!({ "metric": "points_earned", "period": { "since_last_upgrade": { "days": 90 } },
                                "on_refund": "revoke" });
        let program = json!({ "start_date": "2020-01-01", "milestone": milestone,
                              "tiers": [{ "id": "silver", "threshold": 100 }, { "id": "gold", "threshold": 9_000 }] });
        let zones = crate::calendar::Zones::built_in();
        let versions = Versions::first(Program::read(&program, &zones).unwrap().program, None).unwrap();
        TAKEN.set(0);
        let ledger = index.ledger(&MemberId::new("anna").unwrap()).unwrap();
        let standing = evaluate(versions.last(), ledger, Instant::from_millis(1_700_000_100_000));
        assert!(TAKEN.get() <= 2 * COUNT, "{} movements for {COUNT} cancellations", TAKEN.get());
        assert_eq!(standing.tier, versions.last().program.rank(&crate::id::TierId::new("silver").unwrap()));
    }

    /// Orders as sent: the instant, the total, and the refund with its instant.
    type Orders = [(i64, i64, Option<(i64, i64)>)];

    fn standing(orders: &Orders, versions: &Versions, at: i64) -> crate::standing::Standing {
        let mut index = FactIndex::new();
        let mut tell = |fact: serde_json::Value| {
            index.apply(Fact::read(&fact, Currency::from_code("USD").unwrap()).unwrap().fact);
        };
        for (order, (paid, total, refund)) in orders.iter().enumerate() {
            let at = |millis: i64| Instant::from_millis(millis).to_string();
            tell(json!({ "type": "order.paid", "member_id": "anna", "order_id": format!("{order:04}"),
                         "occurred_at": at(*paid), "total": total.to_string() }));
            if let Some((given, amount)) = refund {
                tell(json!({ "type": "order.refunded", "refund_id": "r", "order_id": format!("{order:04}"),
                             "occurred_at": at(*given), "amount": amount.to_string() }));
            }
        }
        evaluate(versions.last(), index.ledger(&MemberId::new("anna").unwrap()).unwrap(), Instant::from_millis(at))
    }

    #[test]
    fn under_revoke_a_refund_counts_as_if_it_had_been_known_from_the_start() {
        let program = json!({ "start_date": "2020-01-01",
            "milestone": { "metric": "amount_spent", "period": { "since_last_upgrade": { "days": 90 } }, "on_refund": "revoke" },
            "tiers": [{ "id": "bronze", "threshold": 100 }, { "id": "silver", "threshold": 250 },
                      { "id": "gold", "threshold": 600 }] });
        let versions =
            Versions::first(Program::read(&program, &crate::calendar::Zones::built_in()).unwrap().program, None)
                .unwrap();
        let mut seed = 7_u64;
        let mut dice = |sides: i64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            i64::try_from(seed >> 40).unwrap() % sides
        };
        for _ in 0..300 {
            let mut at = 1_600_000_000_000;
            let mut orders = Vec::new();
            for _ in 0..dice(60) {
                at += dice(20) * DAY;
                let total = 1 + dice(120);
                let refund = (dice(3) == 0).then(|| (at + dice(200) * DAY, 1 + dice(total)));
                orders.push((at, total, refund));
            }
            orders.push((at, 1, None));
            let now = at + dice(100) * DAY;
            let net = |(at, total, refund): &(i64, i64, Option<(i64, i64)>)| {
                (*at, total - refund.filter(|(given, _)| *given <= now).map_or(0, |(_, amount)| amount), None)
            };
            let (told, net) = (orders.clone(), orders.iter().map(net).collect::<Vec<_>>());
            let (told, net) = (standing(&told, &versions, now), standing(&net, &versions, now));
            // `since` may differ: each past instant sees only the facts known then.
            assert_eq!(crate::standing::Standing { since: net.since, ..told }, net, "{orders:?}");
        }
    }
}
