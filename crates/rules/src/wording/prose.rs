//! The explanation of a standing in plain English: a rendering of the data, which decides nothing (section 8).
//!
//! People are shown the last full day of a tier; machines get the exclusive end (section 2). Days and times are in the
//! program's time zone.

mod ahead;
mod history;
mod summary;
mod words;

use std::collections::BTreeMap;

pub use ahead::notice;
pub use history::history;
pub use summary::{SUMMARY_CHARS_MAX, correction_summary, summary};
use words::{amount, by, counts_words, day, fact_words, instant, reason_words, through};

use crate::earned::Window;
use crate::explain::{AssignmentFound, Barred, CountedFact, Explanation, FactRef, HeldBy, Reason, Which, WindowFound};
use crate::program::{Counted, Milestone, Period, Rank};
use crate::quantity::Quantity;
use crate::standing::Standing;
use crate::version::Version;

/// The text about a member who was erased.
pub const ERASED: &str = "Was erased: nothing about this member is kept, and later facts are kept out.";

/// The length of lists of facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lists {
    /// Only the beginning and the end of a long one, with a count of the rest.
    Short,
    /// All facts.
    Full,
}

/// The facts shown at each end of a shortened list.
const SHOWN_AT_EACH_END: usize = 4;

/// A standing and the reasons for it, line by line; items of a list are indented by two spaces. Standing and
/// explanation must be of the same member, version and instant.
pub fn prose(version: &Version, standing: &Standing, explanation: &Explanation, lists: Lists) -> Vec<String> {
    let teller = Teller { version, standing, explanation, lists, lines: Vec::new() };
    teller.tell()
}

struct Teller<'a> {
    version: &'a Version,
    standing: &'a Standing,
    explanation: &'a Explanation,
    lists: Lists,
    lines: Vec<String>,
}

impl Teller<'_> {
    fn tell(mut self) -> Vec<String> {
        self.held();
        self.rule();
        self.windows();
        self.tags();
        self.earned();
        self.assignment();
        self.next_tier();
        self.requalify();
        self.next_change();
        self.counted();
        self.excluded();
        self.start();
        self.lines
    }

    fn say(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    fn amount(&self, quantity: Quantity) -> String {
        amount(&self.version.program, quantity)
    }

    fn name(&self, rank: Option<Rank>) -> &str {
        rank.and_then(|rank| self.version.program.tier(rank)).map_or("no tier", |tier| &tier.name)
    }

    fn milestone(&self) -> Option<&Counted> {
        match &self.version.program.milestone {
            Milestone::Counted(counted) => Some(counted),
            Milestone::Tags(_) => None,
        }
    }

    /// Adds the tier held, the start of its stretch, and its last full day.
    fn held(&mut self) {
        let Standing { active, tier, since, valid_until, upcoming, progress: _, requalify: _ } = self.standing;
        let zone = &self.version.program.timezone;
        if !active {
            return self.say("Holds no tier: the program is inactive. Facts are recorded, and no member has a tier.");
        }
        let held = self.name(*tier);
        let Some(since) = since else {
            return self.say(format!("Holds {held}: nothing has happened yet."));
        };
        let since = instant(zone, *since);
        let Some(until) = valid_until else {
            let end = if tier.is_some() { ", with no end in sight" } else { "" };
            return self.say(format!("Holds {held} since {since}{end}."));
        };
        self.say(format!("Holds {held} since {since}, {}.", through(zone, *until)));
        let upcoming = self.name(*upcoming);
        self.say(format!("If nothing more happens, {} brings {upcoming}.", instant(zone, *until)));
    }

    /// Adds the rule by which tiers are earned.
    fn rule(&mut self) {
        let tags = || "tiers follow the customer's tags, as long as they are there".to_owned();
        let rule = self.milestone().map_or_else(tags, words::how_earned);
        let line = match &self.version.program.name {
            Some(name) => format!("{name}: {rule}."),
            None => format!("{}.", words::capital(&rule)),
        };
        self.say(line);
    }

    fn windows(&mut self) {
        let explanation = self.explanation;
        // Before the program's start last year's window is empty, so there is no line for it.
        let is_empty = |window: &Window| window.from.zip(window.until).is_some_and(|(from, until)| from >= until);
        for found in explanation.windows.iter().filter(|found| !is_empty(&found.window)) {
            let line = self.window(found);
            self.say(line);
        }
    }

    fn window(&self, found: &WindowFound) -> String {
        let WindowFound { which, window, total, earns } = found;
        let earns = earns.as_ref().and_then(|id| self.version.program.rank(id));
        let earned = match (self.milestone().map(|counted| counted.period), which) {
            // Only the deadline decides this term; the tier for the present counter would mislead.
            (Some(Period::SinceLastUpgrade(_)), _) => String::new(),
            _ if earns.is_some() => format!(", which earns {}", self.name(earns)),
            _ => ", which earns no tier".to_owned(),
        };
        let head = match which {
            Which::Previous => "Last year",
            Which::Current if self.explanation.windows.len() > 1 => "This year",
            Which::Current => "So far",
        };
        format!("{head} ({}): {}{earned}.", self.time(window), self.amount(*total))
    }

    fn time(&self, window: &Window) -> String {
        let zone = &self.version.program.timezone;
        let from = window.from.map(|from| format!("from {}", instant(zone, from)));
        let until = window.until.map(|until| through(zone, until));
        match (from, until) {
            (Some(from), Some(until)) => format!("{from} {until}"),
            (Some(open), None) | (None, Some(open)) => open,
            (None, None) => "all time".to_owned(),
        }
    }

    fn tags(&mut self) {
        let Some(tags) = &self.explanation.tags else { return };
        let named: Vec<_> = tags.iter().map(|tag| format!("`{}`", tag.as_str())).collect();
        self.say(if named.is_empty() {
            "The customer has no tags.".to_owned()
        } else {
            format!("The customer's tags: {}.", named.join(", "))
        });
    }

    /// Adds the threshold met, and the reason if a tier is kept although less counts now.
    fn earned(&mut self) {
        match &self.explanation.barred {
            Some(Barred::Tag(tag)) => {
                return self.say(format!("Earned: no tier, because customers tagged `{}` earn none.", tag.as_str()));
            }
            Some(Barred::NotEnrolled) => {
                return self
                    .say("Earned: no tier, because only enrolled customers take part, and this one has not enrolled.");
            }
            None => {}
        }
        let Some(met) = &self.explanation.earned else {
            self.say(if self.standing.active { "Earned: no tier." } else { "Were it active: no tier." });
            return self.missed();
        };
        let name = self.name(self.version.program.rank(&met.tier)).to_owned();
        let head = if self.standing.active { "Earned" } else { "Were it active" };
        let threshold = match met.threshold {
            None => format!("{head}: {name}, by a tag."),
            Some(threshold) if threshold.is_zero() => format!("{head}: {name}, which everyone has."),
            Some(threshold) => format!("{head}: {name}, which takes {}.", self.amount(threshold)),
        };
        self.say(threshold);
        if met.kept {
            self.say(format!("{name} was reached before and is kept, although less counts now (`on_refund: keep`)."));
        }
        let zone = &self.version.program.timezone;
        let held_by = met.held_by.map(|held_by| match held_by {
            HeldBy::RetainThreshold(enough) => {
                format!("{name} was reached before, and {} keep it (`retain_threshold`).", self.amount(enough))
            }
            HeldBy::OneStep => format!("{name} is one tier below the one held before (`on_miss: one_step`)."),
            HeldBy::Grace { until } => {
                format!("{name} was missed, and is still held {} (`grace`).", through(zone, until))
            }
        });
        self.lines.extend(held_by);
        self.missed();
    }

    /// Adds the threshold just missed, if an assignment makes another tier the next one.
    fn missed(&mut self) {
        let Some(missed) = &self.explanation.missed else { return };
        let rank = self.version.program.rank(&missed.tier);
        if rank == self.standing.progress.and_then(|progress| progress.next).map(|(next, _)| next) {
            return;
        }
        let (threshold, by) = (self.amount(missed.threshold), self.amount(missed.by));
        self.say(format!("Missed: {}, which takes {threshold}, by {by}.", self.name(rank)));
    }

    fn assignment(&mut self) {
        let Some(AssignmentFound { fact, tier, exactly, until }) = &self.explanation.assignment else { return };
        let zone = &self.version.program.timezone;
        let tier = self.name(tier.as_ref().and_then(|id| self.version.program.rank(id)));
        let binds = if *exactly { "exactly" } else { "at least" };
        let end = until.map_or_else(|| "without end".to_owned(), |until| through(zone, until));
        let what = if let FactRef::Held(version) = fact {
            format!("The change to program version {version} keeps")
        } else {
            format!("The {} gives", fact_words(zone, fact))
        };
        self.say(format!("{what} {binds} {tier}, {end}; counters go on as if it were not there."));
    }

    /// Adds the next tier above the one held. It follows the standing; under an assignment it is not the one just missed.
    fn next_tier(&mut self) {
        let Some((rank, remaining)) = self.standing.progress.as_ref().and_then(|progress| progress.next) else {
            if self.standing.active && self.milestone().is_some() {
                self.say(format!("There is no tier above {}.", self.name(self.standing.tier)));
            }
            return;
        };
        let Some(counted) = self.milestone() else { return };
        let zone = &self.version.program.timezone;
        let until = self.explanation.windows.first().and_then(|found| found.window.until);
        let deadline = match (counted.period, until) {
            (Period::CalendarYear { .. } | Period::MembershipYear { .. }, Some(until)) => {
                format!(", {}", by(zone, until))
            }
            (Period::SinceLastUpgrade(_), _) => self
                .standing
                .requalify
                .map(|requalify| format!(", {}, when the counter restarts", by(zone, requalify.by)))
                .unwrap_or_default(),
            _ => String::new(),
        };
        let threshold = self.amount(counted.threshold(rank));
        let missing = if remaining.is_zero() { "nothing is".to_owned() } else { counts_words(&self.amount(remaining)) };
        self.say(format!("Next: {}, which takes {threshold}; {missing} missing{deadline}.", self.name(Some(rank))));
    }

    /// Adds the conditions for keeping the earned tier beyond its present end.
    fn requalify(&mut self) {
        let Some(requalify) = self.standing.requalify else { return };
        let zone = &self.version.program.timezone;
        let name = self.name(Some(requalify.tier));
        let end = words::beyond(zone, requalify.by);
        self.say(if requalify.remaining.is_zero() {
            format!("Requalified: {name} is already earned beyond {end}.")
        } else {
            format!(
                "To keep {name} beyond {end}: {} by then; {} counted so far, {} missing.",
                self.amount(requalify.threshold),
                counts_words(&self.amount(requalify.counted)),
                counts_words(&self.amount(requalify.remaining))
            )
        });
    }

    fn next_change(&mut self) {
        let zone = &self.version.program.timezone;
        self.say(match self.explanation.next_change_at {
            Some(at) => format!("The tier can next change by itself on {}.", instant(zone, at)),
            None => "The tier does not change by itself.".to_owned(),
        });
    }

    fn counted(&mut self) {
        let explanation = self.explanation;
        for found in &explanation.windows {
            let facts: Vec<_> = explanation.counted.iter().filter(|fact| fact.window == found.which).collect();
            let when = match found.which {
                Which::Previous => " last year",
                Which::Current if explanation.windows.len() > 1 => " this year",
                Which::Current => "",
            };
            if facts.is_empty() {
                continue;
            }
            self.say(format!("Counted{when}:"));
            let lines = self.counted_lines(&facts);
            self.lines.extend(lines);
        }
    }

    fn counted_lines(&self, facts: &[&CountedFact]) -> Vec<String> {
        let zone = &self.version.program.timezone;
        let line = |found: &&CountedFact| {
            let CountedFact { fact, amount, on, window: _ } = found;
            format!("  {}, {}, {}", self.amount(*amount), day(*on), fact_words(zone, fact))
        };
        let Some((first, middle, last)) = shortened(facts, self.lists) else {
            return facts.iter().map(line).collect();
        };
        let rest = middle.iter().fold(Quantity::ZERO, |sum, found| sum + found.amount);
        let mut lines: Vec<_> = first.iter().map(line).collect();
        lines.push(format!("  … {} more facts, together {} …", middle.len(), self.amount(rest)));
        lines.extend(last.iter().map(line));
        lines
    }

    /// Adds the facts that did not count, by reason.
    fn excluded(&mut self) {
        let zone = &self.version.program.timezone;
        let mut reasons: BTreeMap<Reason, Vec<String>> = BTreeMap::new();
        for found in &self.explanation.excluded {
            reasons.entry(found.reason).or_default().push(fact_words(zone, &found.fact));
        }
        if reasons.is_empty() {
            return;
        }
        self.say("Not counted:");
        for (reason, facts) in reasons {
            let facts = match shortened(&facts, self.lists) {
                None => facts.join(", "),
                Some((first, middle, last)) => {
                    format!("{}, … {} more …, {}", first.join(", "), middle.len(), last.join(", "))
                }
            };
            self.say(format!("  {}: {facts}", reason_words(reason)));
        }
    }

    /// Adds the effective start and the version.
    fn start(&mut self) {
        // Every field is named, so a new field does not compile until its line is decided.
        let Explanation {
            version,
            effective_start,
            moved_from,
            windows: _,
            counted: _,
            in_effect: _,
            excluded: _,
            tags: _,
            barred: _,
            earned: _,
            missed: _,
            assignment: _,
            next_change_at: _,
        } = self.explanation;
        let start = day(*effective_start);
        let moved = moved_from.map_or_else(String::new, |asked| {
            format!(
                " (its start date is {}; a calendar-year program starts no earlier than the year it was set up in)",
                day(asked)
            )
        });
        // Tags and assignments are states, so the start date does not affect them (section 4).
        if self.milestone().is_some() {
            self.say(format!("Program version {version} counts from {start} on{moved}."));
        } else {
            self.say(format!("Program version {version} decides."));
        }
    }
}

/// The beginning, the hidden middle, and the end of a list that is too long to show.
fn shortened<T>(list: &[T], lists: Lists) -> Option<(&[T], &[T], &[T])> {
    if lists == Lists::Full || list.len() <= 2 * SHOWN_AT_EACH_END + 1 {
        return None;
    }
    let (first, rest) = list.split_at_checked(SHOWN_AT_EACH_END)?;
    let (middle, last) = rest.split_at_checked(rest.len().checked_sub(SHOWN_AT_EACH_END)?)?;
    Some((first, middle, last))
}

#[cfg(test)]
mod tests;
