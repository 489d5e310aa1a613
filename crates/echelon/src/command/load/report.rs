//! What became of the events.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service::ingest::{Counts, Reason};

use crate::failure::Failure;
use crate::output::{Format, print, print_json, table};

/// Events of a file that are not in, though their lines are passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NotIn {
    /// Of lines that are no JSON.
    pub left_out: u64,
    /// Set aside, as far as this command knows.
    pub set_aside: u64,
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
    /// Why events were set aside, where that is known.
    pub reasons: BTreeMap<Reason, u64>,
    /// Facts that are in, and were known when they were sent again after an answer that never came: new the first time, or
    /// known before.
    pub unanswered: u64,
    /// Facts that can never be taken in as they are, and are kept nowhere.
    pub refused: u64,
    /// Members forgotten, for lines that say so.
    pub erased: u64,
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
    /// [`Failure::Findings`] if there is something to look at.
    pub fn print(&self, file: &Path, format: Format) -> Result<(), Failure> {
        match format {
            Format::Json => print_json(&self.object())?,
            Format::Text => print(&self.text(file))?,
        }
        let all_is_in = self.not_in() == NotIn::default() && self.waiting == 0;
        if all_is_in { Ok(()) } else { Err(Failure::Findings) }
    }

    /// What is not in, of the lines before as well.
    pub fn not_in(&self) -> NotIn {
        let NotIn { left_out, set_aside, refused } = self.earlier;
        NotIn {
            left_out: left_out + self.left_out,
            set_aside: set_aside + self.counts.set_aside,
            refused: refused + self.refused,
        }
    }

    fn object(&self) -> Value {
        let Self {
            from,
            lines,
            left_out,
            programs,
            counts,
            reasons,
            unanswered,
            refused,
            erased,
            by,
            waiting,
            earlier,
        } = self;
        let reasons: BTreeMap<_, _> = reasons.iter().map(|(reason, count)| (reason.code(), count)).collect();
        let taken_in = match by {
            By::Itself | By::Served => json!(counts),
            By::Api => {
                json!({ "applied": counts.applied, "duplicates": counts.duplicates, "superseded": counts.superseded,
                               "kept_out": counts.kept_out, "unanswered": unanswered, "refused": refused, "erased": erased })
            }
        };
        json!({ "from_line": from, "lines": lines, "left_out": left_out, "programs_passed_over": programs,
                "taken_in": taken_in, "reasons": reasons, "waiting": waiting, "earlier": earlier })
    }

    fn text(&self, file: &Path) -> String {
        let Self {
            from,
            lines,
            left_out,
            programs,
            counts,
            reasons,
            unanswered,
            refused,
            erased,
            by,
            waiting,
            earlier,
        } = self;
        let Counts { ignored, set_aside, applied, duplicates, superseded, kept_out, transitions, .. } = counts;
        let by = match by {
            By::Served => ", as the served system counts them",
            By::Api => ", as the API answered",
            By::Itself => "",
        };
        let mut said = vec![format!("{}: {lines} lines from line {from}{by}", file.display())];
        let row =
            |what: &str, count: &u64, remark: &str| vec![format!("  {what}"), count.to_string(), remark.to_owned()];
        let mut rows = vec![
            row("applied", applied, ""),
            row("duplicates", duplicates, "known already"),
            row("accepted, new or known", unanswered, "an answer was lost, and they were sent again"),
            row("superseded", superseded, "a later revision is known"),
            row("ignored", ignored, "of no consequence"),
            row("kept out", kept_out, "about somebody who was erased"),
            row("erased", erased, "members forgotten"),
            row("set aside", set_aside, if *set_aside > 0 { "see `echelon quarantine list`" } else { "" }),
            row("refused", refused, "kept nowhere: correct these lines and load the file again"),
        ];
        for (reason, count) in reasons {
            rows.push(row(&format!("  {}", reason.code()), count, reason.remedy()));
        }
        rows.push(row("left out", left_out, "no JSON"));
        let before = format!("of the lines before {from}, as this command found then");
        rows.push(row("left out before", &earlier.left_out, &before));
        rows.push(row("set aside before", &earlier.set_aside, &before));
        rows.push(row("refused before", &earlier.refused, &before));
        rows.push(row("programs", programs, "passed over: put them in force with `echelon serve --program`"));
        rows.push(row("waiting", waiting, "accepted, not taken in yet"));
        rows.push(row("transitions", transitions, "recorded"));
        // Nothing is not worth a line, but for what everybody looks for.
        rows.retain(|row| matches!(row.as_slice(), [what, count, ..] if count != "0" || what.trim() == "applied"));
        said.extend(table(&rows));
        said.join("\n")
    }
}
