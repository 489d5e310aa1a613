//! The reason for an evaluation, from which the cause of a change follows.

use super::StepContext;
use crate::calendar::Instant;
use crate::cause::{Attribution, Cause};
use crate::fact::FactKind;
use crate::ledger::Ledger;
use crate::record::Record;
use crate::standing::{Assessment, Facts, assess};

/// The reason for an evaluation. It is recorded as the cause if the standing differs from the standing `without` it.
pub(super) struct Trigger<'a> {
    pub told: Attribution,
    pub without: &'a Assessment,
    /// The attribution of a fact that was told ahead of this instant. It takes effect at its own instant, with its own cause,
    /// unless the trigger makes the difference (section 4).
    pub ahead: Option<Attribution>,
    pub notify: bool,
    /// Whether the end of a period is announced to members, where the trigger does not explain the change.
    pub is_news: bool,
}

impl<'a> Trigger<'a> {
    /// The trigger for an evaluation without any event. A difference from the record then comes from a newer release of
    /// the time zone database (section 2), or from a repair that put the facts in order. It is recorded without an
    /// announcement.
    pub fn none(now: &'a Assessment) -> Self {
        let told = Attribution { cause: Cause::PeriodEnd, may_reward: false };
        Self { told, without: now, ahead: None, notify: false, is_news: false }
    }

    /// The cause: the trigger's own if it made the difference, otherwise that of a fact told ahead if that did, otherwise the
    /// end of a period (section 7). `differs`: whether the assessment is another one than this.
    pub fn attribute(&self, step: &StepContext<'_>, differs: impl Fn(&Assessment) -> bool) -> (Attribution, bool) {
        if differs(self.without) {
            return (self.told, self.notify);
        }
        let before = || assess(step.assessed.version, &Facts::of(step.ledger), step.at.plus_millis(-1), step.at);
        match self.ahead.filter(|_| differs(&before())) {
            Some(ahead) => (ahead, ahead.is_announced()),
            None => self.as_period_end(),
        }
    }

    /// The end of a period as the cause.
    pub fn as_period_end(&self) -> (Attribution, bool) {
        (Attribution { cause: Cause::PeriodEnd, may_reward: false }, self.is_news)
    }
}

/// The facts that were told ahead of this instant and take effect at it, each with its kind and its attribution. Before the
/// instant is evaluated, all facts of it were.
pub(super) fn ahead_at(ledger: &Ledger, record: &Record, at: Instant) -> Vec<(FactKind, Attribution)> {
    match record.evaluated_at {
        Some(done) if done < at => ledger.told_at(at).collect(),
        Some(_) | None => Vec::new(),
    }
}

/// The attribution of one of several facts: of the kind that section 4 lists first.
pub(super) fn first_listed(facts: Vec<(FactKind, Attribution)>) -> Option<Attribution> {
    facts.into_iter().min_by_key(|(kind, _)| *kind).map(|(_, told)| told)
}
