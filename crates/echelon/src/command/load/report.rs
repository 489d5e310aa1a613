//! What became of the events.

use std::collections::BTreeMap;
use std::path::Path;

use engine::ingest::Counts;
use rules::calendar::Instant;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::records::Reason;

use crate::error::CommandError;
use crate::output::{Format, print, print_json, table};

/// Events of a file that are not in, though their lines are passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NotIn {
    /// Of lines that are no JSON.
    pub left_out: u64,
    /// Quarantined, as far as this command knows.
    #[serde(alias = "set_aside")]
    pub quarantined: u64,
    /// Refused, and kept nowhere.
    pub refused: u64,
}

/// What became of the events of a file.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The line it began with.
    pub from: usize,
    /// What is not in of the lines before that one, where the same command loaded them.
    pub earlier: NotIn,
    /// Lines read from there on.
    pub lines: u64,
    /// Lines left out, for they are no JSON.
    pub left_out: u64,
    /// Lines passed over, for they publish programs.
    pub programs: u64,
    /// What was counted as they were taken in.
    pub counts: Counts,
    /// When the first day begins whose facts may count; none if the system does not tell.
    pub starts_at: Option<Instant>,
    /// Facts dated before that: they are kept, and do not count.
    pub before_the_start: u64,
    /// Why events were quarantined, where that is known.
    pub reasons: BTreeMap<Reason, u64>,
    /// Facts that are in, and were known when they were sent again after an answer that never came: new the first time, or
    /// known before.
    pub unanswered: u64,
    /// Facts that can never be taken in as they are, and are kept nowhere.
    pub refused: u64,
    /// Members forgotten, for lines that say so.
    pub erased: u64,
    /// Whether a served system was started again meanwhile: then it does not know all that became of the events.
    pub restarted: bool,
    /// Who counted.
    pub by: By,
    /// Events that the system has not taken in yet.
    pub waiting: u64,
}

/// Who counted what became of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum By {
    /// This command, which took them in.
    #[default]
    Itself,
    /// A served system, which counts everybody's.
    Served,
    /// This command, by what an API answered of each fact. What followed from facts it does not say.
    Api,
}

impl Report {
    /// Prints it.
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

    /// What is not in, of the lines before as well.
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
        let reasons: BTreeMap<_, _> = self.reasons.iter().map(|(reason, count)| (reason.code(), count)).collect();
        let taken_in = match self.by {
            By::Itself | By::Served => json!(counts),
            By::Api => {
                json!({ "applied": counts.applied, "duplicates": counts.duplicates, "superseded": counts.superseded,
                        "member_erased": counts.member_erased, "unanswered": self.unanswered, "refused": refused, "erased": self.erased })
            }
        };
        json!({ "from_line": self.from, "lines": self.lines, "left_out": self.left_out, "programs_passed_over": self.programs,
                "taken_in": taken_in, "reasons": reasons, "waiting": self.waiting, "earlier": self.earlier,
                "counts_from": self.starts_at, "before_the_start": self.before_the_start, "restarted": self.restarted })
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
        let start = self
            .starts_at
            .map_or_else(String::new, |at| format!("the program starts at {at}: they do not count; see --help"));
        rows.extend([
            row("left out", self.left_out, "no JSON"),
            row("left out before", earlier.left_out, &before),
            row("quarantined before", earlier.quarantined, &before),
            row("refused before", earlier.refused, &before),
            row("programs", self.programs, "passed over: put them in force with `echelon serve --program`"),
            row("before the start", self.before_the_start, &start),
            row("waiting", self.waiting, "accepted, not taken in yet"),
            row("transitions", counts.transitions, "recorded"),
        ]);
        // Nothing is not worth a line, but for what everybody looks for.
        rows.retain(|row| matches!(row.as_slice(), [what, count, ..] if count != "0" || what.trim() == "applied"));
        said.extend(table(&rows));
        if self.restarted {
            said.push("  the system was started again meanwhile, and counts from then on: all was accepted; what it quarantined".to_owned());
            said.push("  before is in `echelon quarantine list`".to_owned());
        }
        said.join("\n")
    }
}
