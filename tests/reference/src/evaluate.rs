//! Section 7: one evaluation of a member, and the rows it records.

use super::earned::{is_eligible, term};
use super::fact::{Fact, place_of_kind};
use super::ledger::{Assignment, Ledger};
use super::program::{Metric, Period, Program};
use super::replay::Replay;
use super::rewards::{self, Kind};
use super::standing::{is_assigned, since, tier_at, valid_until};
use super::time::{Instant, day, midnight, print};
use super::years::Year;
use chrono::{Datelike, NaiveDate};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// The record of one member.
#[derive(Debug, Clone, Default)]
pub struct Member {
    pub(super) tier: Option<String>,
    pub(super) last_at: Option<Instant>,
    pub(super) evaluated_at: Option<Instant>,
    /// Renewals for years, by the name of the year: "(at most once per tier and year, across versions and zones)".
    pub(super) settled: BTreeSet<(String, i32)>,
    pub(super) given: Vec<(String, Instant)>,
    pub(super) holds: Vec<Assignment>,
    pub(super) birthday_years: BTreeSet<i32>,
    pub(super) transitions: Vec<Value>,
    pub(super) rewards: Vec<Value>,
    pub(super) birthdays: Vec<Value>,
    pub(super) corrections: Vec<Value>,
}

/// A document that has arrived, as it concerns one member.
pub struct Arrived {
    /// The member's ledger without the document.
    pub(super) before: Ledger,
    /// Whether the member's id stood for another member until then.
    pub(super) stood_for_another: bool,
    /// The facts of the document, each with the member's ledger without this one fact.
    pub(super) facts: Vec<(Fact, Ledger)>,
}

impl Arrived {
    /// The cause of a change of tier that the document makes, and whether it is rewarded.
    fn cause(&self, program: &Program, ledger: &Ledger, t: Instant) -> (&'static str, bool) {
        self.cause_of(ledger, |ledger| tier_at(program, ledger, t))
    }

    /// The cause of a rise or a fall of anything that follows from the ledger.
    fn cause_of<V: Ord>(&self, ledger: &Ledger, view: impl Fn(&Ledger) -> V) -> (&'static str, bool) {
        // A document with a single fact is as that fact alone.
        if let [(fact, _)] = &self.facts[..] {
            return (fact.cause(), fact.rewards(&ledger.ids));
        }
        // "`imported` if all facts of the document are"
        if self.facts.iter().all(|(fact, _)| fact.cause() == "imported") {
            return ("imported", false);
        }
        // "a merged id that held a tier has `left` (cause `merged`, …)", whatever else the document says.
        if ledger.ids.is_empty() {
            let merge = self.facts.iter().find(|(fact, _)| fact.kind == "customer.merged");
            return (merge.map_or("merged", |(fact, _)| fact.cause()), false);
        }
        // "The cause of a rise is that of the fact listed first in the table among those without which the tier would
        // be lower, else `activity`; of a fall, among those without which it would be higher, else `refund`"
        let now = view(ledger);
        let change = now.cmp(&view(&self.before));
        let explains = |without: &Ledger| change != Ordering::Equal && now.cmp(&view(without)) == change;
        let explaining = self.facts.iter().filter(|(_, without)| explains(without)).map(|(fact, _)| fact);
        // Of several of one kind the one that the document tells first.
        match explaining.min_by_key(|fact| place_of_kind(&fact.kind)) {
            Some(fact) => (fact.cause(), fact.rewards(&ledger.ids)),
            // A member on record from before they stood for another, where nothing but their return explains the change.
            None if self.stood_for_another && change == Ordering::Equal => ("merged", false),
            None if change == Ordering::Less => ("refund", false),
            // Where the tier is the same without the document, it is a renewal that the document brings.
            None => ("activity", true),
        }
    }
}

/// "Transitions caused by `imported` or `program_changed` carry `notify: false` unless asked otherwise", "with cause
/// `merged`: no entry rewards, `notify: false`".
const SILENT: [&str; 3] = ["imported", "program_changed", "merged"];

/// The reason for an evaluation.
pub enum News<'a> {
    /// A review that is due.
    Review,
    /// A document; a fact that is told in none is one of its own.
    Document(&'a Arrived),
    /// A new version, with the version in force before it.
    Version(&'a Program),
}

impl Replay {
    /// Evaluates a member at `t`, and records everything due then.
    pub(super) fn evaluate(&mut self, id: &str, t: Instant, news: News) {
        let program = self.program().clone();
        let mut ledger = self.ledger(id);
        let mut member = self.members[id].clone();
        // "On record, a merged id that held a tier has `left`": also where the version is inactive, because it is not reviewed
        // any more.
        let has_left = ledger.ids.is_empty() && member.tier.is_some();
        if (program.active || has_left) && !self.shop.is_erased(id) {
            let bare = ledger.clone();
            if let News::Version(old) = news
                && let Some(hold) = self.hold(old, &program, &ledger, t)
            {
                member.holds.push(hold.clone());
                ledger.assignments.push(hold);
            }
            let tier = program.id(tier_at(&program, &ledger, t));
            // The cause of a change, judged by any value that depends on program and ledger.
            let cause = |view: &dyn Fn(&Program, &Ledger) -> Option<String>| {
                let now = view(&program, &ledger);
                match &news {
                    // "The cause is the fact's if the tier differs with and without the fact, else `period_end`."
                    // A member whose id stood for another's until then passes at once what has changed meanwhile.
                    News::Document(arrived)
                        if arrived.stood_for_another || has_left || view(&program, &arrived.before) != now =>
                    {
                        arrived.cause(&program, &ledger, t)
                    }
                    // "At `effective_at` the cause is `program_changed` if the old version gives another tier then or
                    // was inactive, else `period_end`."
                    News::Version(old) if !old.active || view(old, &bare) != now => ("program_changed", false),
                    // "A fact dated ahead takes effect as itself at its own instant, with its own cause and reward, … of
                    // several the kind listed first." A waiting fact makes no difference "with and without", nor does
                    // one that a later revision has replaced or another member has.
                    _ if view(&program, &ledger.before(t)) != now => {
                        let matters = |fact: &&Fact| {
                            self.shop.matters(fact) && self.shop.dated(fact) == t && ledger.feels(fact, id)
                        };
                        self.ahead
                            .iter()
                            .filter(matters)
                            .min_by_key(|fact| (place_of_kind(&fact.kind), &fact.key, !self.shop.dates(fact)))
                            .map_or(("period_end", false), |fact| (fact.cause(), fact.rewards(&ledger.ids)))
                    }
                    _ => ("period_end", false),
                }
            };
            if tier != member.tier {
                let (cause, rewarded) = cause(&|program, ledger| program.id(tier_at(program, ledger, t)));
                self.record_change(&mut member, id, t, &ledger, tier.clone(), cause, rewarded);
                self.settle_year(&mut member, t, &program, &ledger);
            } else {
                let rows = member.transitions.len();
                let renewed = self.settle_year(&mut member, t, &program, &ledger);
                // "unless … the standing's tier is not the one renewed"
                if renewed.is_some() && renewed == tier {
                    let (cause, _) =
                        cause(&|program, ledger| year_renewed(program, ledger, t).map(|_| "holds".to_owned()));
                    self.record_renewal(&mut member, id, t, cause);
                }
                let kept = self.kept_at(&member, t, &program, &ledger);
                if kept.is_some() && kept == tier {
                    self.record_renewal(&mut member, id, t, "period_end");
                }
                // "otherwise than a transition recorded at that arrival says": such a one says the new `valid_until`.
                if let News::Document(arrived) = &news
                    && member.transitions.len() == rows
                {
                    member.corrections.extend(correction(id, arrived, &program, &ledger, t));
                }
            }
            // "As long as they are merged, rewards and birthday points given to either were given to both."
            let years = self.on_every_record(&ledger, id, &member, |record| record.birthday_years.iter().copied());
            let due = birthday_due(&program, &ledger, &years, t);
            member.birthdays.extend(due.map(|(rank, date)| {
                member.birthday_years.insert(date.year());
                let tier = &program.tiers[rank];
                let points = tier.birthday_points.to_string();
                json!({"member_id": id, "tier": tier.id, "on": date.to_string(), "points": points})
            }));
        }
        member.evaluated_at = Some(t);
        self.members.insert(id.to_owned(), member);
    }

    /// "`demotions`: `apply`, or `hold` (who would drop keeps the present tier until its `valid_until` under the old
    /// version, without end for lifetime; recorded as a visible floor assignment `by: "program"` …)".
    fn hold(&self, old: &Program, new: &Program, ledger: &Ledger, t: Instant) -> Option<Assignment> {
        // "default `hold` where the *old* version is lifetime with `keep`, else `apply`"
        let lifetime = old.metric != Metric::Tags && old.period == Period::Lifetime;
        let holds = match self.options["demotions"].as_str() {
            Some(said) => said == "hold",
            None => lifetime && old.keep,
        };
        // "an inactive old version is read as active": `tier_at` and `since` ignore `active`.
        // "What ends at that very instant is not held": the present tier is the old version's at that instant.
        let present = old.id(tier_at(old, ledger, t))?;
        // "a removed tier cannot be held"
        let would_drop = tier_at(new, ledger, t) < Some(new.rank(&present)?);
        (holds && would_drop).then(|| Assignment {
            // It holds what the assignments and their ends of that instant have left.
            place: (t, place_of_kind("tier.unassigned") + 1, format!("program {}", self.versions.len())),
            ends_older: false,
            tier: Some(present),
            lock: false,
            until: valid_until(old, ledger, t).map(|(until, _)| until),
            held_since: since(old, ledger, t),
        })
    }

    #[allow(clippy::too_many_arguments)]
    fn record_change(
        &self,
        member: &mut Member,
        id: &str,
        t: Instant,
        ledger: &Ledger,
        to: Option<String>,
        cause: &str,
        rewarded: bool,
    ) {
        let program = self.program();
        let from = member.tier.clone();
        let since = since(program, ledger, t);
        // "a merged id that held a tier has `left` (…, dated that arrival)"; else
        // "the instant it took effect (`since` of the new standing, … never before the previous transition's; with no
        // timeline left, the previous transition's)"
        let mut at = if ledger.ids.is_empty() { t } else { since.max(member.last_at).unwrap_or(t) };
        // "a `program_changed` one is dated not before its version's `effective_at`"
        if cause == "program_changed" {
            at = at.max(program.effective_at);
        }
        let kind = rewards::kind(&self.versions, from.as_deref(), to.as_deref());
        let asked = |what: &str| cause == "program_changed" && self.options[what] == true;
        let notify = !SILENT.contains(&cause) || asked("notify");
        let seq = member.transitions.len() + 1;
        member.transitions.push(json!({
            "member_id": id, "seq": seq, "kind": kind.name(), "from": from, "to": to, "at": print(at), "cause": cause,
            "notify": notify,
        }));
        // "**Entry rewards** are due on `entered` / `upgraded` …", "Never on … `program_changed` (unless the publisher
        // asks for it)"
        if matches!(kind, Kind::Entered | Kind::Upgraded) && (rewarded || asked("rewards")) {
            let since = since.unwrap_or(t);
            let given_before: Vec<_> = self.on_every_record(ledger, id, member, |record| record.given.iter().cloned());
            for tier in rewards::due(&self.versions, from.as_deref(), to.as_deref().unwrap()) {
                // "given once per member ever, unless `repeat_tier_rewards`, then once per stretch of the tier reached
                // (its `since`)"
                let given = given_before
                    .iter()
                    .any(|(given, stretch)| *given == tier && (!program.repeat_rewards || *stretch == since));
                if !given {
                    member.rewards.push(json!({"member_id": id, "tier": tier, "transition": seq}));
                    member.given.push((tier, since));
                }
            }
        }
        member.tier = to;
        member.last_at = Some(at);
    }

    /// All that is on the records of the ids that stand for a member now, and on their own, which is at hand.
    fn on_every_record<'a, I: Iterator>(
        &'a self,
        ledger: &Ledger,
        id: &str,
        own: &'a Member,
        part: impl Fn(&'a Member) -> I,
    ) -> Vec<I::Item> {
        let others = ledger.ids.iter().filter(|other| *other != id).filter_map(|other| self.members.get(other));
        others.chain([own]).flat_map(part).collect()
    }

    fn record_renewal(&self, member: &mut Member, id: &str, t: Instant, cause: &str) {
        let tier = member.tier.clone();
        let at = member.last_at.map_or(t, |last| last.max(t));
        let seq = member.transitions.len() + 1;
        let asked = cause == "program_changed" && self.options["notify"] == true;
        member.transitions.push(json!({
            "member_id": id, "seq": seq, "kind": "renewed", "from": tier, "to": tier, "at": print(at), "cause": cause,
            "notify": !SILENT.contains(&cause) || asked,
        }));
        member.last_at = Some(at);
    }

    /// The tier whose renewal for the year holds for the first time, which settles it.
    fn settle_year(&self, member: &mut Member, t: Instant, program: &Program, ledger: &Ledger) -> Option<String> {
        let (tier, name) = year_renewed(program, ledger, t)?;
        member.settled.insert((tier.clone(), name)).then_some(tier)
    }

    /// "for `since_last_upgrade`, at the instant of a deadline that keeps the tier under the version in force at it": the
    /// tier kept by a deadline `d` with `evaluated_at < d == t`.
    fn kept_at(&self, member: &Member, t: Instant, program: &Program, ledger: &Ledger) -> Option<String> {
        let Period::SinceLastUpgrade(span) = program.period else {
            return None;
        };
        let due = program.metric != Metric::Tags
            && is_eligible(program, ledger, t)
            && member.evaluated_at.is_none_or(|before| before < t);
        let term = due.then(|| term(program, ledger, span, t)).filter(|term| term.kept.contains(&t))?;
        program.id(term.held)
    }
}

/// "for a year (`calendar_year`, `membership_year`; not with `rest_of_year`), at the first evaluation in year Y at which
/// `review(tier, C_Y)`, without `one_step`, is at least the tier that Y began with …, where that is a tier with a threshold
/// above 0": the tier renewed, and the name of Y. A member who earns no tier renews none.
fn year_renewed(program: &Program, ledger: &Ledger, t: Instant) -> Option<(String, i32)> {
    if !program.has_years() || program.rest_of_year || !is_eligible(program, ledger, t) {
        return None;
    }
    let year = Year::at(program, ledger, t)?;
    let began_with = program.above_zero(year.began_with)?;
    let reviewed = program.review_without_one_step(year.tier(program), year.c);
    Some((program.id(reviewed.filter(|&rank| rank >= began_with))?, year.name))
}

/// "A **correction** is recorded … when with a year (`calendar_year`, `membership_year`) an arrival leaves the tier as it is
/// and moves its `valid_until` …. It names the tier, `valid_until` before and after, the arrival's instant and the cause of
/// the fact. Nothing is recorded while an assignment gives the tier."
fn correction(id: &str, arrived: &Arrived, program: &Program, ledger: &Ledger, t: Instant) -> Option<Value> {
    let tier = tier_at(program, ledger, t)?;
    let unchanged = tier_at(program, &arrived.before, t) == Some(tier);
    if !program.has_years() || !unchanged || is_assigned(program, ledger, t) {
        return None;
    }
    let end = |ledger: &Ledger| valid_until(program, ledger, t).map(|(until, _)| until);
    let (from, to) = (end(&arrived.before), end(ledger));
    // Of a document the fact that explains it, as for a rise or a fall of the tier; without an end it lasts longest.
    let (cause, _) = arrived.cause_of(ledger, |ledger| end(ledger).unwrap_or(Instant::MAX));
    (from != to).then(|| {
        json!({
            "member_id": id, "tier": program.id(Some(tier)), "at": print(t), "cause": cause,
            "valid_until": {"from": from.map(print), "to": to.map(print)},
        })
    })
}

/// "(due once per local year on the member's birthday, February 29 on February 28 in common years, to whoever holds
/// the tier at local midnight)"
fn birthday_due(program: &Program, ledger: &Ledger, given: &[i32], t: Instant) -> Option<(usize, NaiveDate)> {
    let tz = program.timezone;
    let today = day(tz, t);
    let date = on(&ledger.birthday(t)?, today.year())?;
    let rank = tier_at(program, ledger, t)?;
    let due = date == today
        && midnight(tz, date) == t
        && !given.contains(&today.year())
        && program.tiers[rank].birthday_points > Decimal::ZERO;
    due.then_some((rank, date))
}

/// The birthday `MM-DD` in a year, with February 29 as February 28 in common years.
pub fn on(birthday: &str, y: i32) -> Option<NaiveDate> {
    let (month, day) = birthday.split_once('-')?;
    let (month, day) = (month.parse().ok()?, day.parse().ok()?);
    let common_year = || NaiveDate::from_ymd_opt(y, 2, 28).filter(|_| (month, day) == (2, 29));
    NaiveDate::from_ymd_opt(y, month, day).or_else(common_year)
}
