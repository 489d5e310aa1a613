//! `echelon validate`: finds everything that is wrong with a program, and what is probably not intended.

use std::path::PathBuf;

use rules::calendar::Instant;
use rules::json::Problem;
use rules::program::{Draft, Program, replacing, starting, unnamed_currency};
use serde_json::json;

use crate::error::CommandError;
use crate::input::{self, Document};
use crate::output::{Format, counted, print, print_json};
use crate::shop::instant;

/// Finds everything that is wrong with a program file, and what is probably not intended
///
/// All problems are reported at once, each with its place in the file. Warnings are about what is allowed but probably
/// not intended: a tier that no member can reach, a start that wipes what was earned.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The program, as JSON
    #[arg(value_name = "FILE")]
    program: PathBuf,

    /// The program that it replaces: warns of the effects of the change on members
    #[arg(long, value_name = "FILE")]
    replaces: Option<PathBuf>,

    /// When it is to be published, an instant or a day [default: the file's `effective_at`, or now]
    #[arg(long, value_name = "INSTANT")]
    at: Option<String>,

    /// Lines for people, or one JSON object with `valid`, `problems` and `warnings`
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

const AFTER: &str = "\
Examples:
  echelon validate vip.json
  echelon validate next.json --replaces vip.json --at 2025-01-10
  echelon validate vip.json --format json

A place is a JSON path: $.tiers[1].threshold is the threshold of the second
tier. Warnings are looked for once there are no problems left.

Exit codes: 0 no problems (there may be warnings); 1 problems; 2 a file cannot
be read or is not JSON.";

/// Runs the command. `now` is the time of publication unless the arguments name another one.
///
/// # Errors
/// A file that cannot be used, or problems.
pub fn run(args: &Args, now: Instant) -> Result<(), CommandError> {
    let old = args.replaces.as_deref().map(input::program).transpose()?;
    let Document { value, repeated: mut problems } = input::document(&args.program)?;
    let mut warnings = Vec::new();
    match Program::read(&value, crate::zones()) {
        Err(found) => problems.extend(found.iter().cloned()),
        Ok(draft) => {
            if let Err(found) = draft.program.check_rises("$") {
                problems.extend(found.iter().cloned());
            }
            // A warning alone, because the file may be meant for `replay`, where it counts in USD.
            let unnamed = unnamed_currency(&value, &draft.program);
            warnings = advised(args, draft, old.map(|(_, old)| old.program).as_ref(), now)?;
            warnings.extend(unnamed);
        }
    }
    report(args, &problems, &warnings)?;
    if problems.is_empty() { Ok(()) } else { Err(CommandError::Findings) }
}

fn advised(args: &Args, draft: Draft, old: Option<&Program>, now: Instant) -> Result<Vec<Problem>, CommandError> {
    let Draft { program, effective_at, unclamped, mut warnings } = draft;
    let said = args.at.as_deref().map(|text| instant(text, &program.timezone)).transpose();
    let said = said.map_err(|what| CommandError::input(format!("--at: {what}")))?;
    let at = said.or(effective_at).unwrap_or(now);
    warnings
        .extend(old.map_or_else(|| starting(&program, at, unclamped), |old| replacing(&program, old, at, unclamped)));
    Ok(warnings)
}

fn report(args: &Args, problems: &[Problem], warnings: &[Problem]) -> Result<(), CommandError> {
    let file = args.program.display().to_string();
    if args.format == Format::Json {
        let valid = problems.is_empty();
        return print_json(&json!({ "file": file, "valid": valid, "problems": problems, "warnings": warnings }));
    }
    let verdict = if problems.is_empty() { "valid".to_owned() } else { counted(problems.len(), "problem") };
    let verdict = match warnings.len() {
        0 => verdict,
        count => format!("{verdict}, {}", counted(count, "warning")),
    };
    let mut lines = vec![format!("{file}: {verdict}")];
    lines.extend(problems.iter().map(|problem| format!("  problem  {problem}")));
    lines.extend(warnings.iter().map(|warning| format!("  warning  {warning}")));
    print(&lines.join("\n"))
}
