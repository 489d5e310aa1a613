//! The report of a load.

use std::collections::BTreeMap;
use std::path::Path;

use engine::ingest::Counts;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::records::Reason;

use super::start::{NotCounted, Start};
use crate::error::CommandError;
use crate::output::{Format, print, print_json, table};

/// Events of a file that are not stored, though their lines were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NotIn {
    /// The number of lines that are not JSON, or too long for an event.
    pub left_out: u64,
    /// The number of quarantined events, as far as this command knows.
    #[serde(alias = "set_aside")]
    pub quarantined: u64,
    /// The number of events that were refused, and are stored nowhere.
    pub refused: u64,
}

/// The results of loading a file's events.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The first line of this run.
    pub from: usize,
    /// The events before that line that are not stored, if the same command loaded them.
    pub earlier: NotIn,
    /// The number of lines read from there on.
    pub lines: u64,
    /// The number of lines skipped because they are not JSON, or too long for an event.
    pub left_out: u64,
    /// The number of lines skipped because they publish programs.
    pub programs: u64,
    /// The counts of the ingested events.
    pub counts: Counts,
    /// The start of the program; none if the system does not tell.
    pub start: Option<Start>,
    /// The facts of this run that are stored and do not count, as far as their lines tell.
    pub not_counted: NotCounted,
    /// The reasons for which events were quarantined, where they are known.
    pub reasons: BTreeMap<Reason, u64>,
    /// The number of facts that were stored already when they were sent again, after an answer was lost. They may have
    /// been new the first time, or known before.
    pub unanswered: u64,
    /// The number of facts that can never be stored as they are, and are stored nowhere.
    pub refused: u64,
    /// The number of erased members, for lines that ask for it.
    pub erased: u64,
    /// Whether a served system was restarted meanwhile. If so, its counts are incomplete.
    pub restarted: bool,
    /// The origin of the counts.
    pub by: By,
    /// The number of events that the system has not ingested yet.
    pub waiting: u64,
}

/// The origin of the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum By {
    /// This command, which ingested the events.
    #[default]
    Itself,
    /// A served system, which counts the events of all senders.
    Served,
    /// This command, from the API's answer for each fact. Transitions and rewards are not known then.
    Api,
}

impl Report {
    /// Prints the report.
    ///
    /// # Errors
    /// [`CommandError::Findings`] if there is something to look at.
    pub fn print(&self, file: &Path, format: Format) -> Result<(), CommandError> {
        match format {
            Format::Json => print_json(&self.object())?,
            Format::Text => print(&self.text(file))?,
        }
        let all_is_in = self.not_in() == NotIn::default() && self.waiting == 0 && !self.restarted;
        if all_is_in { Ok(()) } else { Err(CommandError::Findings) }
    }

    /// The events that are not stored, including those of earlier lines.
    pub fn not_in(&self) -> NotIn {
        let NotIn { left_out, quarantined, refused } = self.earlier;
        NotIn {
            left_out: left_out + self.left_out,
            quarantined: quarantined + self.counts.quarantined,
            refused: refused + self.refused,
        }
    }

    fn object(&self) -> Value {
        let (counts, refused) = (&self.counts, self.refused);
        let NotCounted { before_the_start, no_exchange_rate, no_member } = &self.not_counted;
        let reasons: BTreeMap<_, _> = self.reasons.iter().map(|(reason, count)| (reason.code(), count)).collect();
        let taken_in = match self.by {
            By::Itself | By::Served => json!(counts),
            By::Api => {
                json!({ "applied": counts.applied, "duplicates": counts.duplicates, "superseded": counts.superseded,
                        "member_erased": counts.member_erased, "still_cancelled": counts.still_cancelled, "unanswered": self.unanswered, "refused": refused, "erased": self.erased })
            }
        };
        json!({ "from_line": self.from, "lines": self.lines, "left_out": self.left_out, "programs_passed_over": self.programs,
                "taken_in": taken_in, "reasons": reasons, "waiting": self.waiting, "earlier": self.earlier,
                "counts_from": self.start.as_ref().map(|start| start.at), "before_the_start": before_the_start.facts,
                "money_before_the_start": before_the_start.money, "no_exchange_rate": no_exchange_rate, "no_member": no_member,
                "restarted": self.restarted })
    }

    fn text(&self, file: &Path) -> String {
        let Self { from, lines, counts, earlier, .. } = self;
        let by = match self.by {
            By::Served => ", as the served system counts them",
            By::Api => ", as the API answered",
            By::Itself => "",
        };
        let mut said = vec![format!("{}: {lines} lines from line {from}{by}", file.display())];
        let row =
            |what: &str, count: u64, remark: &str| vec![format!("  {what}"), count.to_string(), remark.to_owned()];
        let mut rows = vec![
            row("applied", counts.applied, ""),
            row("duplicates", counts.duplicates, "known already"),
            row("accepted, new or known", self.unanswered, "an answer was lost, and they were sent again"),
            row("superseded", counts.superseded, "a later revision is known"),
            row("ignored", counts.ignored, "of no consequence"),
            row("member erased", counts.member_erased, "about an erased member: not kept"),
            row("erased", self.erased, "members forgotten"),
            row("quarantined", counts.quarantined, "see `echelon quarantine list`"),
            row("refused", self.refused, "kept nowhere: correct these lines and load the file again"),
        ];
        for (reason, count) in &self.reasons {
            rows.push(row(&format!("  {}", reason.code()), *count, reason.remedy()));
        }
        let before = format!("of the lines before {from}, when they were loaded");
        let NotCounted { before_the_start, no_exchange_rate, no_member } = &self.not_counted;
        let start = self.start.as_ref().map_or_else(String::new, |start| {
            format!("{}: stored, and counted for nothing: {}", before_the_start.in_words(), start.in_words())
        });
        let foreign = self.start.as_ref().map_or_else(String::new, |start| {
            let (found, ours) = (no_exchange_rate.in_words(), start.currency());
            format!("{found}: stored, and counted for nothing: the program counts {ours}; they count once a newer revision has an `exchange_rate`")
        });
        let guests =
            format!("{}: stored, and counted for nothing until a newer revision names a member", no_member.in_words());
        rows.extend([
            row("left out", self.left_out, "no JSON, or too long"),
            row("left out before", earlier.left_out, &before),
            row("quarantined before", earlier.quarantined, &before),
            row("refused before", earlier.refused, &before),
            row("programs", self.programs, "skipped: put them in force with `echelon serve --program`"),
            row(
                "still cancelled",
                counts.still_cancelled,
                "revisions of cancelled orders: they count again once `order.restored` of them is sent",
            ),
            row("before the start", before_the_start.facts, &start),
            row("no exchange rate", no_exchange_rate.facts, &foreign),
            row("no member", no_member.facts, &guests),
            row("waiting", self.waiting, "accepted, not taken in yet"),
            row("transitions", counts.transitions, "recorded"),
        ]);
        // Rows with a count of zero are left out, except `applied`, which every reader looks for.
        rows.retain(|row| matches!(row.as_slice(), [what, count, ..] if count != "0" || what.trim() == "applied"));
        said.extend(table(&rows));
        if self.restarted {
            said.push("  the system was started again meanwhile, and counts from then on: all was accepted; what it quarantined".to_owned());
            said.push("  before is in `echelon quarantine list`".to_owned());
        }
        said.join("\n")
    }
}
