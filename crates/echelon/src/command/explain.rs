//! `echelon explain`: one member's standing, and the reasons for it.

use cases::history::{Recorded, member_standing};
use rules::id::MemberId;
use rules::prose::{ERASED, Lists, history, prose};
use rules::replay::Replay;
use serde_json::{Value, json};

use crate::error::CommandError;
use crate::output::{Format, print, print_json};
use crate::shop::{Given, Shop};

/// Shows one member's standing, and the reasons for it
///
/// The tier held and through which day, what counted and what did not, the threshold met and the next one, what is needed
/// and by when, and what was recorded so far.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    shop: Given,

    /// The member to explain
    #[arg(long, value_name = "ID")]
    member: String,

    /// Sentences for people, or one JSON object with `standing`, `explanation`, `prose` and what was recorded
    #[arg(long, value_enum, default_value = "text")]
    format: Format,

    /// Shows long lists of facts in full
    #[arg(long)]
    all: bool,
}

const AFTER: &str = "\
Examples:
  echelon explain --program vip.json --events events.jsonl \\
                  --as-of 2024-06-01 --member anna
  echelon explain --program vip.json --events events.jsonl \\
                  --as-of 2024-06-01 --member anna --format json

Days and times are those of the program's time zone. Events after --as-of are
not seen. A file that is not in order of time is said to be so: --sort reads it in
order.

Exit codes: 0 done; 1 done, but lines were skipped, or lie after a line that is
beyond --as-of although they are dated before it; 2 the input cannot be used, or
no member has this id.";

/// The maximum number of similar ids that are suggested for an unknown one.
const SUGGESTIONS_MAX: usize = 3;

/// Runs the command.
///
/// # Errors
/// If the input cannot be used, no member has the id, or lines were skipped.
pub fn run(args: &Args) -> Result<(), CommandError> {
    let shop = Shop::replayed(&args.shop)?;
    let member = known(&shop, &args.member)?;
    let lists = if args.all { Lists::Full } else { Lists::Short };
    match args.format {
        Format::Json => print_json(&object(&shop, &member, lists))?,
        Format::Text => print(&text(&shop, &member, lists))?,
    }
    shop.settled()
}

fn told(shop: &Shop, member: &MemberId, lists: Lists) -> Vec<String> {
    let Shop { replay, as_of, .. } = shop;
    match replay.standing(member, *as_of).zip(replay.explain(member, *as_of)) {
        Some((standing, explanation)) => {
            let merged = replay.merged_into(member).map(|into| format!("This id was merged, and stands for `{into}`."));
            let why = prose(replay.version_at(*as_of), &standing, &explanation, lists);
            merged.into_iter().chain(why).collect()
        }
        None => vec![ERASED.to_owned()],
    }
}

fn text(shop: &Shop, member: &MemberId, lists: Lists) -> String {
    let version = shop.replay.version_at(shop.as_of);
    let zone = &version.program.timezone;
    let local = zone.local(shop.as_of).format("%B %-d, %Y at %H:%M");
    let mut lines = vec![format!("{member} on {local} ({})", zone.name()), String::new()];
    lines.extend(told(shop, member, lists));
    let recorded = history(version, shop.replay.rows(member));
    if !recorded.is_empty() {
        lines.push("History:".to_owned());
        lines.extend(recorded.into_iter().map(|line| format!("  {line}")));
    }
    lines.join("\n")
}

fn object(shop: &Shop, member: &MemberId, lists: Lists) -> Value {
    let Shop { replay, as_of, .. } = shop;
    let Recorded { transitions, rewards, birthdays, corrections } = Recorded::about(replay, member);
    json!({
        "member_id": member,
        "as_of": as_of,
        "standing": member_standing(replay, member, *as_of),
        "explanation": replay.explain(member, *as_of),
        "prose": told(shop, member, lists),
        "transitions": transitions,
        "rewards": rewards,
        "birthdays": birthdays,
        "corrections": corrections,
    })
}

/// The member with this id. If there is none, the error suggests similar ids.
fn known(shop: &Shop, id: &str) -> Result<MemberId, CommandError> {
    let members = shop.replay.members();
    if let Some(member) = members.iter().find(|member| member.as_str() == id) {
        return Ok((*member).clone());
    }
    let close = close(id, &shop.replay);
    let hint = match close.as_slice() {
        [] => format!("{} members are known", members.len()),
        close => format!("did you mean {}?", close.join(" or ")),
    };
    Err(CommandError::input(format!("--member: no event up to {} names `{id}`; {hint}", shop.as_of)))
}

fn close(id: &str, replay: &Replay) -> Vec<String> {
    let wanted = id.to_lowercase();
    // At most one letter in three may differ; beyond that it is another word.
    let limit = (wanted.chars().count() / 3).max(1);
    let distance = |member: &&MemberId| strsim::damerau_levenshtein(&wanted, &member.as_str().to_lowercase());
    let mut found: Vec<_> = replay.members().into_iter().map(|member| (distance(&member), member)).collect();
    found.retain(|(distance, _)| *distance <= limit);
    found.sort();
    found.into_iter().take(SUGGESTIONS_MAX).map(|(_, member)| format!("`{member}`")).collect()
}
