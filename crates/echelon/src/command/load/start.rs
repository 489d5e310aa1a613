//! The program that a history is loaded for: facts before its start, in another currency or without a member are stored, and
//! count for nothing.

use std::collections::HashMap;

use engine::ingest::{DOCUMENT, FACTS};
use engine::publishing::remedy;
use rules::before_start::UncountedSum;
use rules::calendar::Instant;
use rules::fact::Fact;
use rules::program::{Counted, Metric, Milestone};
use rules::version::{Version, Versions};
use serde_json::Value;

/// The facts of a history that are stored and count for nothing, by what the lines tell by themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotCounted {
    /// Before the program's start.
    pub before_the_start: UncountedSum,
    /// Orders in another currency than the program's, without an exchange rate.
    pub no_exchange_rate: UncountedSum,
    /// Orders that name no member.
    pub no_member: UncountedSum,
}

/// The type of an event.
fn kind_of(event: &Value) -> Option<&str> {
    event.get("type").and_then(Value::as_str)
}

/// The start of a program.
#[derive(Debug, Clone)]
pub struct Start {
    /// The midnight of the first day that counts.
    pub at: Instant,
    version: Version,
    /// When orders were paid of which only one of payment and placing lies before the start: other revisions may not say it.
    paid_at: HashMap<String, Instant>,
}

impl Start {
    /// The earliest start among the versions that are in force now or later.
    pub fn of(versions: &Versions, now: Instant) -> Self {
        let midnight = |version: &Version| version.program.timezone.midnight(version.effective_start);
        let in_force = versions.in_force(now).number;
        let still = versions.iter().filter(|version| version.number >= in_force);
        let version = still.min_by_key(|version| midnight(version)).unwrap_or(versions.last());
        Self { at: midnight(version), version: version.clone(), paid_at: HashMap::new() }
    }

    /// Adds the facts of an event that are of a kind that counts, and count for nothing nevertheless. Yields the instant of the
    /// first that is added as before the start.
    pub fn add(&mut self, event: &Value, found: &mut NotCounted) -> Option<Instant> {
        match event.get(FACTS).and_then(Value::as_array).filter(|_| kind_of(event) == Some(DOCUMENT)) {
            Some(facts) => {
                facts.iter().filter_map(|fact| self.add_fact(fact, found)).fold(None, |first, at| first.or(Some(at)))
            }
            None => self.add_fact(event, found),
        }
    }

    fn add_fact(&mut self, event: &Value, found: &mut NotCounted) -> Option<Instant> {
        let text = |name| event.get(name).and_then(Value::as_str);
        let counted = match &self.version.program.milestone {
            Milestone::Counted(Counted { metric, .. }) => *metric,
            Milestone::Tags(_) => return None,
        };
        let kind = kind_of(event)?;
        let counts = match counted {
            Metric::PointsEarned => matches!(kind, "points.earned" | "points.adjusted" | "points.imported"),
            Metric::AmountSpent | Metric::OrdersPlaced => kind == "order.paid",
        };
        let instant = |name| text(name).and_then(|at| Instant::parse(at).ok());
        let (placed_at, paid_at) = (instant("occurred_at")?, instant("paid_at"));
        let order = text("order_id").unwrap_or_default();
        if let Some(paid_at) = paid_at.filter(|paid_at| (*paid_at < self.at) != (placed_at < self.at)) {
            self.paid_at.insert(order.to_owned(), paid_at);
        }
        let at = paid_at.or_else(|| self.paid_at.get(order).copied()).unwrap_or(placed_at);
        // The statement of a later payment has no money; the order comes behind it.
        let is_statement = paid_at.is_some() && text("total") == Some("0") && text("member_id").is_none();
        if !counts || is_statement {
            return None;
        }
        let ours = self.version.program.currency;
        let is_foreign = text("currency").is_some_and(|theirs| theirs != ours.code());
        let has_no_rate = counted == Metric::AmountSpent && is_foreign && event.get("exchange_rate").is_none();
        let sum = match text("member_id") {
            None => &mut found.no_member,
            Some(_) if at < self.at => &mut found.before_the_start,
            Some(_) if has_no_rate => &mut found.no_exchange_rate,
            Some(_) => return None,
        };
        // What is no fact is refused or quarantined, and named there.
        let fact = Fact::read(event, ours).ok()?.fact;
        match fact.paid() {
            Some(paid) if paid.charge.test => return None,
            Some(paid) => sum.add_charge(&paid.charge),
            None => sum.facts = sum.facts.saturating_add(1),
        }
        (fact.member().is_some() && at < self.at).then_some(at)
    }

    /// The currency that the program counts.
    pub fn currency(&self) -> &'static str {
        self.version.program.currency.code()
    }

    /// A sentence for people: facts before the start count for nothing, and the remedy.
    pub fn in_words(&self) -> String {
        let starts_on = self.version.effective_start;
        format!("before {starts_on}, where the program starts, nothing counts; {}", remedy(&self.version))
    }
}
