//! The start of the program that a history is loaded for: facts before it are stored, and count for nothing.

use engine::publishing::remedy;
use rules::before_start::BeforeStart;
use rules::calendar::Instant;
use rules::fact::Fact;
use rules::program::{Counted, Metric, Milestone};
use rules::version::{Version, Versions};
use serde_json::Value;

/// The start of a program.
#[derive(Debug, Clone)]
pub struct Start {
    /// The midnight of the first day that counts.
    pub at: Instant,
    version: Version,
    /// The order whose later payment the event before stated, and when it was paid.
    stated: Option<(String, Instant)>,
}

impl Start {
    /// The earliest start among the versions that are in force now or later.
    pub fn of(versions: &Versions, now: Instant) -> Self {
        let midnight = |version: &Version| version.program.timezone.midnight(version.effective_start);
        let in_force = versions.in_force(now).number;
        let still = versions.iter().filter(|version| version.number >= in_force);
        let version = still.min_by_key(|version| midnight(version)).unwrap_or(versions.last());
        Self { at: midnight(version), version: version.clone(), stated: None }
    }

    /// Adds an event to those before the start, if it is of a kind that counts and lies before it. Yields its instant.
    pub fn add(&mut self, event: &Value, found: &mut BeforeStart) -> Option<Instant> {
        let text = |name| event.get(name).and_then(Value::as_str);
        let counted = match &self.version.program.milestone {
            Milestone::Counted(Counted { metric, .. }) => *metric,
            Milestone::Tags(_) => return None,
        };
        let kind = text("type")?;
        let counts = match counted {
            Metric::PointsEarned => matches!(kind, "points.earned" | "points.adjusted" | "points.imported"),
            Metric::AmountSpent | Metric::OrdersPlaced => kind == "order.paid",
        };
        let at = text("paid_at").or(text("occurred_at")).and_then(|at| Instant::parse(at).ok())?;
        // An order that was paid later comes right behind the statement of it, which has no money.
        let paid_later = text("order_id").zip(self.stated.as_ref()).filter(|(order, (stated, _))| *order == stated);
        let at = paid_later.map_or(at, |(_, (_, paid_at))| at.max(*paid_at));
        let is_statement = text("paid_at").is_some() && text("total") == Some("0") && text("member_id").is_none();
        self.stated = text("order_id").filter(|_| is_statement).map(|order| (order.to_owned(), at));
        if !counts || is_statement || at >= self.at {
            return None;
        }
        // What is no fact is refused or quarantined, and named there.
        let fact = Fact::read(event, self.version.program.currency).ok()?.fact;
        match fact.paid() {
            Some(paid) if paid.charge.test => return None,
            Some(paid) => found.add_charge(&paid.charge),
            None => found.facts = found.facts.saturating_add(1),
        }
        Some(at)
    }

    /// A sentence for people: facts before the start count for nothing, and the remedy.
    pub fn in_words(&self) -> String {
        let starts_on = self.version.effective_start;
        format!("before {starts_on}, where the program starts, nothing counts; {}", remedy(&self.version))
    }
}
