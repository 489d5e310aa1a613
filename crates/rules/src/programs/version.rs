//! Versions of a program: numbered, immutable, each in force from its instant to the next one's.

mod change;
mod published;

pub use change::{Warning, change_advice};
pub use published::Published;

use chrono::NaiveDate;
use thiserror::Error;

use crate::calendar::{Day, Instant};
use crate::program::{Counted, Milestone, OnRefund, Period, Program};

/// A publisher's options for a change, besides the program itself (sections 3 and 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Whether members who rise because of the change get the entry rewards.
    pub rewards: bool,
    /// Whether the change is announced to members.
    pub notify: bool,
    /// The treatment of members who would drop; `None` means the default of section 7.
    pub demotions: Option<Demotions>,
    /// Whether the tier list may change while the program is active (seed 003: it must be meant).
    pub while_active: bool,
    /// Whether a year program starts where its start date says, even before the current year (`clamp: false`): for a shop
    /// that brings its history with it.
    pub unclamped: bool,
}

/// The treatment of members who would drop because of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Demotions {
    /// They drop at once.
    Apply,
    /// They keep their tier until it would have ended under the old version.
    Hold,
}

/// The reasons why a program cannot be published.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PublishError {
    /// The program has neither a start date nor an instant of publishing.
    #[error("`start_date` is missing, and without `effective_at` it has no default: write one of them")]
    NoStart,
    /// The version would take effect before the last one.
    #[error("a version in force from {new} cannot follow one in force from {last}: publish it later")]
    TooEarly {
        /// The instant at which the refused version would take effect.
        new: Instant,
        /// The instant at which the last version takes effect.
        last: Instant,
    },
    /// Tiers were added, removed or reordered while the program is active.
    #[error(
        "program_active: the tier list changes while the program is active; say `while_active: true` if it is meant"
    )]
    ProgramActive,
    /// The currency changed although money is kept in it.
    #[error(
        "currency_fixed: orders are kept whose amounts are in {0} or were converted to it, so the currency stays: write \
         \"currency\": \"{0}\""
    )]
    CurrencyFixed(&'static str),
}

/// A program in force from an instant on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The number; 1 for the first version.
    pub number: u32,
    /// The instant from which it is in force.
    pub effective_at: Instant,
    /// The rules.
    pub program: Program,
    /// The publisher's options.
    pub options: Options,
    /// Facts dated before this day do not count.
    pub effective_start: Day,
    /// The instant at which that day begins.
    pub(crate) starts_at: Instant,
    /// The configured start date, if the effective start differs from it (seed 001: the clamp to New Year).
    pub moved_from: Option<NaiveDate>,
    /// Whether a clock that was ahead published it, so that it is in force earlier than that clock recorded. Members
    /// evaluated by that clock passed the version before its time.
    pub is_early: bool,
}

/// All versions of a program so far, oldest first; there is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    first: Version,
    later: Vec<Version>,
    /// The last number assigned. The number of a withdrawn version is not reused, so a number always means the same version.
    given: u32,
}

impl Versions {
    /// Starts a program. Without `effective_at`, the first version takes effect at the midnight of its start date.
    ///
    /// # Errors
    /// [`PublishError::NoStart`] if there is neither.
    pub fn first(program: Program, effective_at: Option<Instant>) -> Result<Self, PublishError> {
        Self::first_with(program, effective_at, Options::default())
    }

    /// Starts a program with the publisher's options, of which only the clamp matters to a first version.
    ///
    /// # Errors
    /// [`PublishError::NoStart`] if there is neither a start date nor an instant.
    pub fn first_with(program: Program, effective_at: Option<Instant>, options: Options) -> Result<Self, PublishError> {
        let midnight = program.start_date.map(|start| program.timezone.midnight(Day::of(start)));
        let effective_at = effective_at.or(midnight).ok_or(PublishError::NoStart)?;
        let (effective_start, moved_from) = resolve_start(&program, effective_at, None, options);
        let starts_at = program.timezone.midnight(effective_start);
        let is_early = false;
        let first =
            Version { number: 1, effective_at, program, options, effective_start, starts_at, moved_from, is_early };
        Ok(Self { first, later: Vec::new(), given: 1 })
    }

    /// Puts a new version in force from `effective_at` on. `keeps_money`: whether an order is kept whose amounts are in
    /// the currency of the newest version, or were converted to it.
    ///
    /// # Errors
    /// Returns why the version is refused; nothing has changed then.
    pub fn publish(
        &mut self,
        program: Program,
        effective_at: Instant,
        options: Options,
        keeps_money: bool,
    ) -> Result<&Version, PublishError> {
        // The first version is in force from the beginning, so the second may take effect before the first one's
        // `effective_at`.
        if let Some(last) = self.later.last().filter(|last| effective_at < last.effective_at) {
            return Err(PublishError::TooEarly { new: effective_at, last: last.effective_at });
        }
        let last = self.last();
        if keeps_money && program.currency != last.program.currency {
            return Err(PublishError::CurrencyFixed(last.program.currency.code()));
        }
        if last.program.active && program.active && !options.while_active && !same_tier_list(&last.program, &program) {
            return Err(PublishError::ProgramActive);
        }
        let (effective_start, moved_from) = self.start_of(&program, effective_at, options);
        let number = self.skip_number();
        let starts_at = program.timezone.midnight(effective_start);
        let is_early = false;
        let new = Version { number, effective_at, program, options, effective_start, starts_at, moved_from, is_early };
        self.later.push(new);
        Ok(self.last())
    }

    /// The newest version, if it has not taken effect yet and can still be withdrawn.
    pub fn pending(&self, now: Instant) -> Option<&Version> {
        self.later.last().filter(|last| last.effective_at > now)
    }

    /// Removes the newest version and returns it, as if it had never been published, except that its number is not
    /// reused. The first version is in force from the beginning and stays. The caller should withdraw only a
    /// [`Self::pending`] version: members already evaluated under a version keep what it gave them.
    pub fn withdraw_last(&mut self) -> Option<Version> {
        self.later.pop()
    }

    /// Notes that the newest version is in force earlier than the clock that published it recorded.
    pub fn last_is_early(&mut self) {
        self.later.last_mut().unwrap_or(&mut self.first).is_early = true;
    }

    /// The versions that a member passes again after being brought back, each with the one before it. These are the
    /// versions in force at `now` that are newer than version `passed`, and those that a clock that was ahead made
    /// members pass before their time.
    pub(crate) fn passed_again(&self, passed: u32, now: Instant) -> impl Iterator<Item = (&Version, &Version)> {
        let in_force = self.in_force(now).number;
        let pairs = self.iter().zip(&self.later).filter(move |(_, new)| new.number <= in_force);
        pairs.filter(move |(_, new)| new.is_early || new.number > passed)
    }

    /// Uses up a number: for the next version, or for one that was withdrawn before these versions were read.
    pub fn skip_number(&mut self) -> u32 {
        self.given = self.given.saturating_add(1);
        self.given
    }

    /// The effective start and the configured date that it replaces. They are resolved once, when the start date or the
    /// period is set. A version that changes neither carries them over, and a version equal to an earlier one restores
    /// that one's (section 3). A version without the clamp takes its start as stated, and so mends an earlier one.
    fn start_of(&self, program: &Program, effective_at: Instant, options: Options) -> (Day, Option<NaiveDate>) {
        let stored = |version: &Version| (version.effective_start, version.moved_from);
        let last = self.last();
        let first_active = self.iter().find(|version| version.program.active).map(|version| version.effective_at);
        if options.unclamped {
            return resolve_start(program, effective_at, first_active, options);
        }
        if let Some(earlier) = self.iter().rev().find(|version| version.program == *program) {
            return stored(earlier);
        }
        let settled = program.start_date.is_some() || first_active.is_some();
        let starts_like_last = last.program.period().starts_like(program.period());
        if settled && last.program.start_date == program.start_date && starts_like_last {
            return stored(last);
        }
        resolve_start(program, effective_at, first_active, options)
    }

    /// The version in force at an instant: the newest that has taken effect, or the first before any has.
    pub fn in_force(&self, at: Instant) -> &Version {
        self.iter().rev().find(|version| version.effective_at <= at).unwrap_or(&self.first)
    }

    /// The first version, in force from the beginning.
    pub fn first_of_all(&self) -> &Version {
        &self.first
    }

    /// The newest version, even if it is not in force yet.
    pub fn last(&self) -> &Version {
        self.later.last().unwrap_or(&self.first)
    }

    /// All versions, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Version> {
        std::iter::once(&self.first).chain(&self.later)
    }

    /// The version with a number.
    pub fn numbered(&self, number: u32) -> Option<&Version> {
        self.iter().find(|version| version.number == number)
    }
}

impl Version {
    /// Whether members who would drop because of this version keep their tier. The publisher decides; by default they
    /// keep it if the old version never took one away: lifetime with keep (section 7).
    pub(crate) fn holds_demotions_from(&self, old: &Program) -> bool {
        let never_lost = matches!(
            &old.milestone,
            Milestone::Counted(Counted { period: Period::Lifetime, on_refund: OnRefund::Keep, .. })
        );
        self.options.demotions.map_or(never_lost, |demotions| demotions == Demotions::Hold)
    }
}

fn same_tier_list(a: &Program, b: &Program) -> bool {
    a.tiers().map(|(_, tier)| &tier.id).eq(b.tiers().map(|(_, tier)| &tier.id))
}

/// Resolves the effective start. The default is the day of the first active version. A calendar-year program starts no
/// earlier than the current year (seeds 001, 003, 004), which begins on the day that the program says.
fn resolve_start(
    program: &Program,
    effective_at: Instant,
    first_active: Option<Instant>,
    options: Options,
) -> (Day, Option<NaiveDate>) {
    let asked = program.start_date.map_or_else(|| program.timezone.day(first_active.unwrap_or(effective_at)), Day::of);
    let first_day = program.period().calendar_year_of(program.timezone.day(effective_at));
    match first_day.filter(|first_day| asked < *first_day && !options.unclamped) {
        Some(first_day) => (first_day, Some(asked.date())),
        None => (asked, None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::calendar::Zones;

    fn program(changes: Value) -> Program {
        let mut value = json!({ "start_date": "2021-11-01", "milestone": { "period": "calendar_year" },
                                "tiers": [{ "id": "gold", "threshold": 500 }] });
        for (key, change) in changes.as_object().unwrap() {
            value[key] = change.clone();
        }
        Program::read(&value, &Zones::built_in()).unwrap().program
    }

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    fn started(changes: Value) -> Versions {
        Versions::first(program(changes), Some(at("2023-03-15T12:00:00Z"))).unwrap()
    }

    fn publish(versions: &mut Versions, changes: Value, on: &str) -> String {
        let options = Options { while_active: true, ..Options::default() };
        versions.publish(program(changes), at(on), options, false).unwrap().effective_start.to_string()
    }

    #[test]
    fn a_calendar_year_program_starts_no_earlier_than_this_year() {
        for (start, effective) in
            [("2021-11-01", "2023-01-01"), ("2023-02-01", "2023-02-01"), ("2023-06-01", "2023-06-01")]
        {
            let versions = started(json!({ "start_date": start }));
            assert_eq!(versions.last().effective_start.to_string(), effective);
        }
    }

    #[test]
    fn the_effective_start_is_carried_over_resolved_anew_or_rolled_back() {
        let mut versions = started(json!({}));
        assert_eq!(publish(&mut versions, json!({ "name": "Renamed" }), "2024-05-01T00:00:00Z"), "2023-01-01");
        let lifetime = json!({ "milestone": { "period": "lifetime" } });
        assert_eq!(publish(&mut versions, lifetime, "2024-06-01T00:00:00Z"), "2021-11-01");
        assert_eq!(publish(&mut versions, json!({}), "2025-06-01T00:00:00Z"), "2023-01-01");
        assert_eq!(publish(&mut versions, json!({ "start_date": "2021-11-02" }), "2025-07-01T00:00:00Z"), "2025-01-01");
    }

    #[test]
    fn without_a_start_date_the_program_starts_when_it_is_first_active() {
        let without = json!({ "start_date": null, "active": false, "milestone": { "period": "lifetime" } });
        let mut versions = started(without.clone());
        let mut active = without;
        active["active"] = json!(true);
        assert_eq!(publish(&mut versions, active.clone(), "2023-05-10T15:00:00Z"), "2023-05-10");
        active["name"] = json!("Renamed");
        assert_eq!(publish(&mut versions, active, "2023-08-10T15:00:00Z"), "2023-05-10");
    }

    #[test]
    fn a_refused_version_changes_nothing_and_says_why() {
        let mut versions = started(json!({}));
        let refused = |versions: &mut Versions, changes, on| {
            versions.publish(program(changes), at(on), Options::default(), true).unwrap_err().to_string()
        };
        let two = json!({ "tiers": [{ "id": "gold", "threshold": 500 }, { "id": "ruby", "threshold": 900 }] });
        assert!(refused(&mut versions, two, "2024-01-01T00:00:00Z").starts_with("program_active"));
        assert!(
            refused(&mut versions, json!({ "currency": "EUR" }), "2024-01-01T00:00:00Z").starts_with("currency_fixed")
        );
        assert_eq!(versions.iter().count(), 1);
        publish(&mut versions, json!({ "name": "Second" }), "2024-01-01T00:00:00Z");
        assert!(refused(&mut versions, json!({}), "2023-12-31T00:00:00Z").contains("cannot follow"));
        assert_eq!(versions.iter().count(), 2);
        assert_eq!(Versions::first(program(json!({ "start_date": null })), None), Err(PublishError::NoStart));
    }

    #[test]
    fn a_version_can_be_withdrawn_until_it_takes_effect_and_its_number_is_not_given_again() {
        let mut versions = started(json!({}));
        assert_eq!(versions.pending(at("2020-01-01T00:00:00Z")), None, "the first is in force from the beginning");
        assert_eq!(versions.withdraw_last(), None);
        publish(&mut versions, json!({ "start_date": "2024-02-01" }), "2024-06-01T00:00:00Z");
        let pending = |versions: &Versions, on| versions.pending(at(on)).map(|version| version.number);
        assert_eq!(pending(&versions, "2024-05-31T23:59:59.999Z"), Some(2));
        assert_eq!(pending(&versions, "2024-06-01T00:00:00Z"), None);
        assert_eq!(versions.withdraw_last().map(|version| version.number), Some(2));
        // The next version may take effect before the withdrawn one would have, and resolves its start without it.
        assert_eq!(publish(&mut versions, json!({ "name": "Third" }), "2024-05-01T00:00:00Z"), "2023-01-01");
        assert_eq!(versions.iter().map(|version| version.number).collect::<Vec<_>>(), [1, 3]);
        assert_eq!((versions.numbered(2), versions.in_force(at("2024-07-01T00:00:00Z")).number), (None, 3));
        assert_eq!(versions.skip_number(), 4);
        publish(&mut versions, json!({ "start_date": "2024-02-01" }), "2025-06-01T00:00:00Z");
        assert_eq!(versions.last().number, 5);
        // A withdrawn version cannot be rolled back to: the start is resolved again.
        assert_eq!(versions.last().effective_start.to_string(), "2025-01-01");
    }
}
