//! Advances a member from the instant of the last evaluation to a later one (section 7). It passes reviews and version
//! changes in order, each at its own instant under the version then in force, and returns the rows to record. Ingest,
//! rollover, recalculation and preview only choose the end. They may run in any order and write identical rows, and
//! late jobs write the rows that timely ones would have written.

mod assessed;
mod birthday;
mod correction;
mod trigger;

use assessed::Assessed;
use birthday::{birthday, next_birthday};
pub use correction::Compared;
use correction::correction;
use trigger::{Trigger, ahead_at, first_listed};

use crate::calendar::{Day, Instant};
use crate::cause::{Attribution, Cause};
use crate::earned::Renewal;
use crate::fact::FactKind;
use crate::id::TierId;
use crate::ledger::Ledger;
use crate::program::Rank;
use crate::record::{Change, Held, Record, Row, Transition};
use crate::reward;
use crate::standing::Assessment;
use crate::version::{Version, Versions};

/// Advances a member to `until`, inclusive, and returns the rows to record.
pub fn advance(ledger: &mut Ledger, record: &mut Record, versions: &Versions, until: Instant) -> Vec<Row> {
    advance_some(ledger, record, versions, until, usize::MAX)
}

/// The same, but stops at the first instant at which there are at least `enough` rows, for callers that cannot record
/// more at once. Continuing from there ends as [`advance`] would have.
pub fn advance_some(
    ledger: &mut Ledger,
    record: &mut Record,
    versions: &Versions,
    until: Instant,
    enough: usize,
) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut last = None;
    while let Some(done) = record.evaluated_at.filter(|_| rows.len() < enough) {
        let current = versions.numbered(record.version).unwrap_or(versions.in_force(done));
        if is_behind(current, record) {
            last = catch_up(ledger, record, versions, current, done, &mut rows);
            continue;
        }
        let now = current.program.active.then(|| Assessed::last_or_new(last.take(), current, ledger, done));
        let next = versions.iter().find(|version| version.number > current.number);
        let change = next.map(|next| (next.effective_at.max(done), next)).filter(|(at, _)| *at <= until);
        let review = now.as_ref().and_then(|assessed| next_review(ledger, assessed));
        match (change, review.filter(|review| *review <= until)) {
            (Some((at, next)), review) if review.is_none_or(|review| at <= review) => {
                last = change_version(ledger, record, versions, next, at, now, &mut rows);
            }
            (_, Some(at)) => last = Some(review_at(ledger, record, versions, current, at, &mut rows)),
            (_, None) => {
                let at = done.max(until);
                if let Some(assessed) = now {
                    let step = StepContext { ledger, versions, assessed: &assessed, at };
                    record_tier(&step, record, &Trigger::none(&assessed.now), &mut rows);
                }
                record.looked_at(at, &current.program.timezone);
                break;
            }
        }
    }
    rows
}

/// Whether [`advance`] to `until` would pass a review or a change of rules.
pub fn is_due(ledger: &Ledger, record: &Record, versions: &Versions, until: Instant) -> bool {
    record.evaluated_at.is_some_and(|done| {
        let current = versions.numbered(record.version).unwrap_or(versions.in_force(done));
        let changes = versions.iter().any(|next| next.number > current.number && next.effective_at <= until);
        let is_reviewed =
            || next_review(ledger, &Assessed::new(current, ledger, done)).is_some_and(|review| review <= until);
        changes || is_behind(current, record) || (current.program.active && is_reviewed())
    })
}

/// Whether a newer release of the time zone database moved a midnight to before the last evaluation, so that it was
/// never evaluated (section 2).
fn is_behind(version: &Version, record: &Record) -> bool {
    let zone = &version.program.timezone;
    record.day.is_some_and(|day| record.evaluated_at.is_some_and(|done| zone.day(done) > day))
}

/// Whether an instant is a midnight that was passed before a newer release of the time zone database moved it. Its
/// effects were announced then.
fn was_passed(version: &Version, record: &Record, at: Instant) -> bool {
    let zone = &version.program.timezone;
    let day = zone.day(at);
    record.day_in(zone) >= Some(day) && zone.midnight(day) == at
}

/// Records the effects of midnights that were moved to before the last evaluation, which was at `done`.
fn catch_up<'v>(
    ledger: &Ledger,
    record: &mut Record,
    versions: &Versions,
    version: &'v Version,
    done: Instant,
    rows: &mut Vec<Row>,
) -> Option<Assessed<'v>> {
    let zone = &version.program.timezone;
    let found = version.program.active.then(|| {
        let first = record.day_in(zone).map(Day::next);
        let missed = std::iter::successors(first, |day| Some(day.next())).take_while(|day| *day <= zone.day(done));
        for at in missed.map(|day| zone.midnight(day)) {
            let assessed = Assessed::new(version, ledger, at);
            rows.extend(
                birthday(&StepContext { ledger, versions, assessed: &assessed, at }, record).map(Row::Birthday),
            );
        }
        let assessed = Assessed::new(version, ledger, done);
        let step = StepContext { ledger, versions, assessed: &assessed, at: done };
        record_tier(&step, record, &Trigger::none(&assessed.now), rows);
        assessed
    });
    record.looked_at(done, zone);
    found
}

/// Brings a member back to `now` who was evaluated by a clock that was ahead, and returns the rows that correct the
/// record. The time after `now` is evaluated again when it comes. A version that was passed before its time, or came
/// since, holds tiers from its own instant on. A member evaluated up to `now` or earlier needs no rows.
pub fn bring_back(ledger: &mut Ledger, record: &mut Record, versions: &Versions, now: Instant) -> Vec<Row> {
    let mut rows = Vec::new();
    if record.evaluated_at.is_none_or(|done| done <= now) {
        return rows;
    }
    let version = versions.in_force(now);
    let mut before = None;
    for (old, new) in versions.passed_again(record.version, now) {
        before = before.or(Some(old));
        // A hold that the ledger already has is not made again.
        let assessed = |version| Assessed::new(version, ledger, new.effective_at);
        if new.program.active
            && new.holds_demotions_from(&old.program)
            && let Some(held) = hold(&assessed(old), &assessed(new))
            && ledger.put_assignment(held.assignment())
        {
            rows.push(Row::Held(held));
        }
    }
    record.version = version.number;
    record.last_at = record.last_at.map(|at| at.min(now));
    if version.program.active {
        let found = Assessed::new(version, ledger, now);
        let step = StepContext { ledger, versions, assessed: &found, at: now };
        match before {
            Some(old) => {
                let told = Attribution { cause: Cause::ProgramChanged, may_reward: version.options.rewards };
                let without = into_terms_of(version, Assessed::new(old, ledger, now));
                let notify = version.options.notify;
                let trigger = Trigger { told, without: &without, ahead: None, notify, is_news: true };
                record_tier(&step, record, &trigger, &mut rows);
            }
            None => {
                let trigger = Trigger { is_news: true, ..Trigger::none(&found.now) };
                record_tier(&step, record, &trigger, &mut rows);
            }
        }
    }
    record.day = None; // the days after `now` have not been reached yet
    record.looked_at(now, &version.program.timezone);
    rows
}

/// The arrival of facts at a member, before they are applied.
#[derive(Debug, Clone)]
pub struct PendingChange {
    at: Instant,
    without: Assessment,
    ahead: Vec<(FactKind, Attribution)>,
    rows: Vec<Row>,
}

impl PendingChange {
    /// Passes every review due before an arrival, and the versions in force at it. An arrival before the last
    /// evaluation counts as arriving then.
    pub fn begin(ledger: &mut Ledger, record: &mut Record, versions: &Versions, at: Instant) -> Self {
        let at = record.evaluated_at.map_or(at, |done| done.max(at));
        let ahead = ahead_at(ledger, record, at);
        let mut rows = advance(ledger, record, versions, at.plus_millis(-1));
        let last = pass_version_changes(ledger, record, versions, at, &mut rows);
        let without = Assessed::last_or_new(last, versions.in_force(at), ledger, at).now;
        Self { at, without, ahead, rows }
    }

    /// The rows that were due anyway.
    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The same, for a fact that changed nothing about the member.
    pub fn discard(self) -> Vec<Row> {
        self.rows
    }

    /// Evaluates the member again, with the facts in the ledger, and returns all rows to record. `told` attributes a change
    /// of the tier or of its end, under a version at an instant.
    pub fn finish(
        self,
        ledger: &Ledger,
        record: &mut Record,
        versions: &Versions,
        told: impl Fn(&Version, (Compared, Compared), Instant) -> Attribution,
    ) -> Vec<Row> {
        let Self { at, without, mut ahead, mut rows } = self;
        let version = versions.in_force(at);
        if version.program.active {
            let assessed = Assessed::new(version, ledger, at);
            let tiers = (Compared::tier_of(&without.standing), Compared::tier_of(&assessed.now.standing));
            let ends = (Compared::end_of(&without.standing), Compared::end_of(&assessed.now.standing));
            let (of_tier, of_end) = (told(version, tiers, at), || told(version, ends, at));
            let is_news = !was_passed(version, record, at);
            // What arrives may stand in the place of a fact that was told ahead.
            ahead.retain(|fact| ledger.told_at(at).any(|told| told == *fact));
            let ahead = first_listed(ahead);
            let notify = of_tier.is_announced();
            let trigger = Trigger { told: of_tier, without: &without, ahead, notify, is_news };
            let before = record.seq;
            record_changes(&StepContext { ledger, versions, assessed: &assessed, at }, record, &trigger, &mut rows);
            if record.seq == before {
                rows.extend(correction(&assessed, record, &without, of_end).map(Row::Correction));
            }
        }
        record.version = version.number;
        record.looked_at(at, &version.program.timezone);
        rows
    }

    /// Records that the member holds nothing from now on: the id stands for another member, who has the facts. A tier that
    /// the id held is left at the arrival (section 4), also under a version that is inactive: the id is not reviewed any more.
    pub(crate) fn leave(self, record: &mut Record, versions: &Versions, told: Attribution) -> Vec<Row> {
        let Self { at, mut rows, .. } = self;
        let version = versions.in_force(at);
        if record.tier.is_some() {
            let ledger = Ledger::default();
            let assessed = Assessed::new(version, &ledger, at);
            let step = StepContext { ledger: &ledger, versions, assessed: &assessed, at };
            rows.push(transition(&step, record, Change::Left, Some(at), (told, told.is_announced())));
        }
        record.version = version.number;
        record.looked_at(at, &version.program.timezone);
        rows
    }
}

/// Passes the versions that take effect at the instant of an arrival: they are in force for it.
fn pass_version_changes<'v>(
    ledger: &mut Ledger,
    record: &mut Record,
    versions: &'v Versions,
    at: Instant,
    rows: &mut Vec<Row>,
) -> Option<Assessed<'v>> {
    record.evaluated_at?;
    let mut last = None;
    while let Some(current) = versions.numbered(record.version)
        && let Some(next) = versions.iter().find(|next| next.number > current.number && next.effective_at <= at)
    {
        last = change_version(ledger, record, versions, next, at, last, rows);
    }
    last
}

/// Evaluates a member at a review: a period ended, a birthday came, or a fact's own instant was reached.
fn review_at<'v>(
    ledger: &Ledger,
    record: &mut Record,
    versions: &Versions,
    version: &'v Version,
    at: Instant,
    rows: &mut Vec<Row>,
) -> Assessed<'v> {
    let assessed = Assessed::new(version, ledger, at);
    let step = StepContext { ledger, versions, assessed: &assessed, at };
    let is_news = !was_passed(version, record, at);
    let ahead = first_listed(ahead_at(ledger, record, at));
    record_changes(&step, record, &Trigger { is_news, ahead, ..Trigger::none(&assessed.now) }, rows);
    record.looked_at(at, &version.program.timezone);
    assessed
}

/// Puts a new version in force. `last` is the last assessment, which may be under the old version at this instant.
fn change_version<'v>(
    ledger: &mut Ledger,
    record: &mut Record,
    versions: &'v Versions,
    new: &'v Version,
    at: Instant,
    last: Option<Assessed<'v>>,
    rows: &mut Vec<Row>,
) -> Option<Assessed<'v>> {
    let old = versions.numbered(record.version).unwrap_or(new);
    record.version = new.number;
    let is_news = !was_passed(old, record, at);
    let ahead = first_listed(ahead_at(ledger, record, at));
    if !old.program.timezone.has_the_days_of(&new.program.timezone) {
        record.day = None; // a day of another zone
    }
    let found = new.program.active.then(|| {
        let before = Assessed::last_or_new(last, old, ledger, at);
        let mut assessed = Assessed::new(new, ledger, at);
        if new.holds_demotions_from(&old.program)
            && let Some(held) = hold(&before, &assessed)
            && ledger.put_assignment(held.assignment())
        {
            rows.push(Row::Held(held));
            assessed = Assessed::new(new, ledger, at);
        }
        let told = Attribution { cause: Cause::ProgramChanged, may_reward: new.options.rewards };
        let without = into_terms_of(new, before);
        let trigger = Trigger { told, without: &without, ahead, notify: new.options.notify, is_news };
        record_changes(&StepContext { ledger, versions, assessed: &assessed, at }, record, &trigger, rows);
        assessed
    });
    record.looked_at(at, &new.program.timezone);
    found
}

/// The old version's assessment in terms of the new version. A tier that the new version lacks becomes no tier, and an
/// inactive old version gave none.
fn into_terms_of(new: &Version, before: Assessed<'_>) -> Assessment {
    let Assessed { version: old, now: mut same, .. } = before;
    let tier = old.program.tier_id(same.standing.tier);
    same.standing.tier = tier.and_then(|tier| new.program.rank(tier));
    same.standing.active = old.program.active && (tier.is_none() || same.standing.tier.is_some());
    if !old.program.active {
        same.count = None;
    }
    same
}

/// The floor for a member who would drop under the new version; it keeps the tier until its end under the old version.
fn hold(before: &Assessed<'_>, after: &Assessed<'_>) -> Option<Held> {
    let standing = &before.now.standing;
    let tier = before.version.program.tier_id(standing.tier)?;
    let rank = after.version.program.rank(tier)?; // a removed tier cannot be held
    let drops = after.now.standing.tier < Some(rank);
    drops.then(|| Held {
        version: after.version.number,
        tier: tier.clone(),
        at: after.at,
        until: standing.valid_until,
        since: standing.since.unwrap_or(after.at),
    })
}

/// The context for the rows about one member at one instant.
struct StepContext<'a> {
    ledger: &'a Ledger,
    versions: &'a Versions,
    /// The member as assessed at that instant, or at the last evaluation before it.
    assessed: &'a Assessed<'a>,
    at: Instant,
}

/// Records differences from the record at an instant, and birthday points that are due at it.
fn record_changes(step: &StepContext<'_>, record: &mut Record, trigger: &Trigger<'_>, rows: &mut Vec<Row>) {
    record_tier(step, record, trigger, rows);
    rows.extend(birthday(step, record).map(Row::Birthday));
}

/// Records a tier at an instant if it differs from the one on record, or is renewed.
fn record_tier(step: &StepContext<'_>, record: &mut Record, trigger: &Trigger<'_>, rows: &mut Vec<Row>) {
    let Assessed { version, now, .. } = step.assessed;
    let tier = version.program.tier_id(now.standing.tier).cloned();
    let renewed = renewal(step, record, trigger);
    if record.tier != tier {
        let differs = |other: &Assessment| !other.standing.active || now.standing.tier != other.standing.tier;
        let (told, notify) = trigger.attribute(step, differs);
        let not_before = (told.cause == Cause::ProgramChanged).then_some(version.effective_at);
        let effective = now.standing.since.max(not_before);
        let floor = record.tier.as_ref().and_then(|tier| rank_for_comparison(step.versions, version, tier));
        let kind = match (&record.tier, now.standing.tier) {
            (None, _) => Change::Entered,
            (Some(_), None) => Change::Left,
            (Some(_), to) if to > floor => Change::Upgraded,
            (Some(_), Some(_)) => Change::Downgraded,
        };
        rows.push(transition(step, record, kind, effective, (told, notify)));
        if told.may_reward
            && matches!(kind, Change::Entered | Change::Upgraded)
            && let Some(reached) = now.standing.tier
        {
            let since = now.standing.since.unwrap_or(step.at);
            let when = (record.last_at.unwrap_or(since), since);
            rows.extend(reward::due(record, version, floor, reached, when).into_iter().map(Row::Reward));
        }
    } else if let Some((at, by)) = renewed {
        rows.push(transition(step, record, Change::Renewed, Some(at), by));
    }
}

/// Writes a transition. Its instant is never before the previous one's; without a timeline it is the previous one's.
fn transition(
    step: &StepContext<'_>,
    record: &mut Record,
    kind: Change,
    effective: Option<Instant>,
    (told, notify): (Attribution, bool),
) -> Row {
    let Assessed { version, now, .. } = step.assessed;
    let at = effective.max(record.last_at).unwrap_or(step.at);
    let to = version.program.tier_id(now.standing.tier).cloned();
    let from = std::mem::replace(&mut record.tier, to.clone());
    record.seq = record.seq.saturating_add(1);
    record.last_at = Some(at);
    let because = step.assessed.explained(step.ledger, step.at);
    let (seq, cause, version) = (record.seq, told.cause, version.number);
    let (valid_until, renewed) = (now.standing.valid_until, record.renewed.clone());
    Row::Transition(Box::new(Transition {
        seq,
        kind,
        from,
        to,
        at,
        cause,
        version,
        notify,
        valid_until,
        renewed,
        because,
    }))
}

/// The rank above which a tier is higher than the one on record. A tier that the version removed is compared as if it
/// ranked just above the remaining tiers that were below it (section 7).
fn rank_for_comparison(versions: &Versions, version: &Version, tier: &TierId) -> Option<Rank> {
    if let Some(rank) = version.program.rank(tier) {
        return Some(rank);
    }
    let had_it = versions.iter().rev().filter(|old| old.number < version.number);
    let (old, rank) = had_it.filter_map(|old| old.program.rank(tier).map(|rank| (old, rank))).next()?;
    let below = old.program.tiers().filter(|(other, _)| *other < rank);
    below.filter_map(|(_, other)| version.program.rank(&other.id)).max()
}

/// The instant at which the tier on record was renewed, if it was by now, with the attribution (section 7).
fn renewal(
    step: &StepContext<'_>,
    record: &mut Record,
    trigger: &Trigger<'_>,
) -> Option<(Instant, (Attribution, bool))> {
    let Assessed { version, now, .. } = step.assessed;
    let program = &version.program;
    let day = record.day_in(&program.timezone);
    let held = record.tier.as_ref() == program.tier_id(now.standing.tier) && now.standing.tier == now.earned;
    match now.count.as_ref()?.renewal {
        Renewal::ForYear { rank, year, until } => {
            // A version in a zone further west may take the members back into the year before.
            record.renewed.retain(|(_, settled)| *settled >= year.saturating_sub(1));
            let settled = (program.tier_id(Some(rank))?.clone(), year);
            if record.renewed.contains(&settled) {
                return None;
            }
            record.renewed.push(settled);
            let differs = |other: &Assessment| {
                !other.count.as_ref().is_some_and(|count| match count.renewal {
                    Renewal::ForYear { year: same, .. } => same == year,
                    Renewal::None | Renewal::Deadlines { .. } => false,
                })
            };
            // A member evaluated in the next year before a newer release of the time zone database moved its start
            // already had this year's renewals settled.
            let is_settled = !differs(trigger.without) && day.is_some_and(|day| day >= until);
            (held && !is_settled).then(|| (step.at, trigger.attribute(step, differs)))
        }
        Renewal::Deadlines { kept_at, .. } => {
            // Compared by day, because a newer release of the time zone database may have moved the deadline past the
            // last evaluation.
            let at = kept_at?;
            let first_look = day.is_some_and(|day| day < program.timezone.day(at));
            (held && first_look && (at == step.at || record.evaluated_at >= Some(at)))
                .then(|| (at, trigger.as_period_end()))
        }
        Renewal::None => None,
    }
}

/// The next instant at which something may be due under an active version although no fact arrives. The member is as
/// assessed at the last evaluation.
fn next_review(ledger: &Ledger, assessed: &Assessed<'_>) -> Option<Instant> {
    let Assessed { version, at: done, ref now } = *assessed;
    let step = now.steps.after(done).first().map(|step| step.at);
    let deadline = now.count.as_ref().and_then(|count| match count.renewal {
        Renewal::Deadlines { next, .. } => Some(next),
        Renewal::None | Renewal::ForYear { .. } => None,
    });
    let fact = ledger.next_at(done);
    [step, deadline, fact, next_birthday(&version.program, ledger, done)].into_iter().flatten().min()
}

#[cfg(test)]
mod tests;
