//! From the last tier upgrade: an upgrade restarts the counter, at the deadline the counter decides (seed 000).

use super::trailing::{Trailing, days};
use super::{Count, Counting, Course, Known, Renewal, Requalify, Steps, Total, Window, window};
use crate::calendar::{Day, Instant, Span};
use crate::credit::Movement;
use crate::program::{Counted, OnRefund, Program, Rank};
use crate::quantity::Quantity;
use crate::version::Version;

pub(super) fn course(version: &Version, counted: &Counted, span: Span, known: &Known<'_>) -> Course {
    let netted;
    let movements = match counted.on_refund {
        OnRefund::Keep => &known.movements,
        OnRefund::Revoke => {
            netted = net(&known.movements);
            &netted
        }
    };
    let mut term = Term::new(version, counted, span, movements);
    if let Some(first_at) = known.first_at {
        term.steps.push(first_at, term.rank());
    }
    for (position, movement) in movements.iter().enumerate() {
        term.pass_midnights(movement.at, position);
        term.take(position, movement);
    }
    term.pass_midnights(known.at, movements.len());
    let count = term.count(version, known, movements);
    term.pass_midnights(Instant::from_millis(i64::MAX), movements.len());
    Course { steps: term.steps, count: Some(count) }
}

/// Each credit at its own instant with what is left of it: how `revoke` looks back (section 5).
fn net(movements: &[Movement]) -> Vec<Movement> {
    let mut credits: Vec<Movement> =
        movements.iter().filter(|movement| !movement.kind.is_correction()).copied().collect();
    for correction in movements.iter().filter(|movement| movement.kind.is_correction()) {
        let place = credits.binary_search_by_key(&correction.source, |credit| credit.source);
        if let Some(credit) = place.ok().and_then(|place| credits.get_mut(place)) {
            credit.amount += correction.amount;
        }
    }
    credits
}

/// The tier held, and what has been counted since the last upgrade or deadline.
#[derive(Debug, Clone, Copy)]
struct Held {
    rank: Rank,
    counted: Quantity,
    /// The last upgrade or deadline.
    from: Instant,
    /// The position of the first movement after it.
    first: usize,
    last_day: Day,
    deadline: Instant,
}

/// The state of the counter, moving forward in time. With no tier held there was no last upgrade, and the trailing
/// window of the same length is looked at; a tier with threshold 0 is as no tier.
struct Term<'p> {
    program: &'p Program,
    counted: &'p Counted,
    span: Span,
    trailing: Trailing,
    held: Option<Held>,
    /// The last deadline that kept the tier.
    kept_at: Option<Instant>,
    /// The orders and entries that corrections belong to, with their positions; in order of both.
    own: Vec<(u32, usize)>,
    steps: Steps,
}

impl<'p> Term<'p> {
    fn new(version: &'p Version, counted: &'p Counted, span: Span, movements: &[Movement]) -> Self {
        let program = &version.program;
        let own = if movements.iter().any(|movement| movement.kind.is_correction()) {
            let credits = movements.iter().enumerate().filter(|(_, movement)| !movement.kind.is_correction());
            credits.map(|(position, movement)| (movement.source, position)).collect()
        } else {
            Vec::new()
        };
        let trailing = Trailing::new(program, span, movements);
        Self { program, counted, span, trailing, held: None, kept_at: None, own, steps: Steps::default() }
    }

    /// The tier that shows: the one held, or the one that everyone has.
    fn rank(&self) -> Option<Rank> {
        self.held.map_or_else(|| self.counted.reached(Quantity::ZERO), |held| Some(held.rank))
    }

    fn earned(&self, counted: Quantity) -> Option<Rank> {
        self.counted.reached(counted).filter(|rank| self.counted.is_earned(*rank))
    }

    fn term(&self, rank: Rank, from: Instant, first: usize, last_day: Day) -> Held {
        let deadline = self.program.timezone.midnight(last_day.next());
        Held { rank, counted: Quantity::ZERO, from, first, last_day, deadline }
    }

    fn upgrade(&mut self, rank: Rank, at: Instant, first: usize) {
        let last_day = self.span.after(self.program.timezone.day(at));
        self.held = Some(self.term(rank, at, first, last_day));
    }

    /// Passes deadlines, and with no tier held the midnights on which something ages out, up to an instant.
    /// `position`: how many movements came before it.
    fn pass_midnights(&mut self, to: Instant, position: usize) {
        loop {
            let next = match &self.held {
                Some(held) => Some(held.deadline),
                None => self.trailing.next_midnight(),
            };
            let Some(midnight) = next.filter(|midnight| *midnight <= to) else { return };
            let before = self.rank();
            if let Some(held) = self.held {
                self.held = self.earned(held.counted).map(|rank| {
                    let last_day = self.span.after(held.last_day);
                    self.term(rank.min(held.rank), midnight, position, last_day)
                });
            }
            self.trailing.age(midnight);
            self.look(midnight, position);
            if self.held.is_some() && self.rank() == before {
                self.kept_at = Some(midnight);
            }
            self.steps.push(midnight, self.rank());
        }
    }

    /// With no tier held, the trailing window may bring one.
    fn look(&mut self, at: Instant, first: usize) {
        if self.held.is_none()
            && let Some(rank) = self.earned(self.trailing.sum())
        {
            self.upgrade(rank, at, first);
        }
    }

    fn take(&mut self, position: usize, movement: &Movement) {
        self.trailing.age(movement.at);
        self.trailing.come(self.program, movement);
        match &mut self.held {
            Some(held) => {
                let own =
                    if movement.kind.is_correction() { own_position(&self.own, movement) } else { Some(position) };
                if own.is_some_and(|own| own >= held.first) {
                    held.counted += movement.amount;
                }
                let (rank, counted) = (held.rank, held.counted);
                if let Some(higher) = self.earned(counted).filter(|higher| *higher > rank) {
                    self.upgrade(higher, movement.at, position + 1);
                }
            }
            None => self.look(movement.at, position + 1),
        }
        self.steps.push(movement.at, self.rank());
    }

    fn count(&self, version: &Version, known: &Known<'_>, movements: &[Movement]) -> Count {
        let Some(held) = self.held else {
            let (from, until) = days(self.span, self.program.timezone.day(known.at));
            let window = window(version, from, Some(until.next()));
            let counts = Counting::Days(from, until);
            let current = Total { window, counted: self.trailing.sum(), earns: self.rank(), counts };
            return Count { current, previous: None, requalify: None, renewal: Renewal::None };
        };
        let window = Window { from: Some(held.from), until: Some(held.deadline) };
        let requalify = Requalify::new(self.counted.threshold(held.rank), held.counted, held.deadline);
        // Positions are those of the movements looked at; under revoke these are the credits alone, so the count is
        // told by the credits' own place among all movements.
        let first = movements.get(held.first).map_or(known.movements.len(), |first| {
            let same = |movement: &Movement| movement.source == first.source && movement.kind == first.kind;
            known.movements.iter().position(same).unwrap_or(known.movements.len())
        });
        Count {
            current: Total { window, counted: held.counted, earns: Some(held.rank), counts: Counting::From(first) },
            previous: None,
            requalify: Some(requalify),
            renewal: Renewal::Deadlines { kept_at: self.kept_at, next: held.deadline },
        }
    }
}

fn own_position(own: &[(u32, usize)], movement: &Movement) -> Option<usize> {
    let place = own.binary_search_by_key(&movement.source, |(source, _)| *source).ok()?;
    own.get(place).map(|(_, position)| *position)
}
