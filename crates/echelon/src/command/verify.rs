//! `echelon verify` and `echelon rebuild`: members recomputed from the ledger, and compared or stored again.

use engine::verify::{Difference, Recomputed, everybody_past, recompute};
use indicatif::ProgressBar;
use rules::id::MemberId;
use rules::version::Versions;
use serde_json::json;
use store::shop::ShopId;
use store::unread::Unread;
use store::{Store, StoreError};

use crate::command::serve::runtime;
use crate::error::CommandError;
use crate::location::StoreLocation;
use crate::output::{Format, counted, print, print_json};

/// Recomputes members from the ledger and reports where the stored member differs
///
/// A member's item follows from the ledger's rows: the facts, and the history of what was recorded. Nothing is written.
/// Items that cannot be decoded are reported, and the rest is still checked; a file is also checked for damage.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  echelon verify --data echelon.db
  echelon verify --dynamodb http://127.0.0.1:8000 --shop acme --member anna

A file is open in one process at a time: stop `echelon serve` first. Behind an
endpoint the system may go on; members being written are recomputed again.

Exit codes: 0 all is well; 1 something differs, is damaged or cannot be decoded;
2 usage, or there is no such store.")]
pub struct Args {
    #[command(flatten)]
    place: StoreLocation,

    /// Only this shop
    #[arg(long, value_name = "NAME")]
    shop: Option<String>,

    /// Only this member
    #[arg(long, value_name = "ID", requires = "shop")]
    member: Option<String>,

    /// A sentence for each difference, or one JSON object
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Recomputes members from the ledger and stores those again that differ
///
/// Use it for members that were lost, or restored from another time than the ledger. Announcements stay as they are:
/// the tier on record, its sequence and the rewards given come from the history in the ledger.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  echelon verify  --data echelon.db      first see what is wrong
  echelon rebuild --data echelon.db

What cannot be decoded is reported and left alone: `echelon restore` puts a
backup in place.

Exit codes: 0 all is well now; 1 something cannot be decoded; 2 usage, or there
is no such store, or it cannot be written.")]
pub struct RebuildArgs {
    #[command(flatten)]
    args: Args,
}

/// The maximum number of recomputations of a member that another writer keeps changing.
const TRIES: u32 = 5;

/// The findings.
#[derive(Default)]
struct Found {
    members: usize,
    differing: Vec<(ShopId, MemberId, Vec<Difference>)>,
    unread: Vec<Gap>,
    damage: Vec<String>,
}

/// Something that cannot be decoded: all of a shop, a part of it, or a member.
struct Gap {
    shop: ShopId,
    member: Option<MemberId>,
    why: String,
}

impl Found {
    fn is_all_read(&self) -> bool {
        self.unread.is_empty() && self.damage.is_empty()
    }

    fn pass(&mut self, shop: &ShopId, member: Option<&MemberId>, error: &StoreError) {
        let (shop, member, why) = (shop.clone(), member.cloned(), error.detail());
        self.unread.push(Gap { shop, member, why });
    }
}

/// Runs `verify`.
///
/// # Errors
/// Findings if something differs or cannot be decoded; otherwise why nothing can be read.
pub fn run(args: &Args) -> Result<(), CommandError> {
    let found = runtime()?.block_on(go(args, false))?;
    tell(args, &found, "different from the ledger")?;
    if found.differing.is_empty() && found.is_all_read() { Ok(()) } else { Err(CommandError::Findings) }
}

/// Runs `rebuild`.
///
/// # Errors
/// Findings if something cannot be decoded; otherwise why nothing can be read or written.
pub fn rebuild(args: &RebuildArgs) -> Result<(), CommandError> {
    let found = runtime()?.block_on(go(&args.args, true))?;
    tell(&args.args, &found, "rebuilt")?;
    if found.is_all_read() { Ok(()) } else { Err(CommandError::Findings) }
}

async fn go(args: &Args, repair: bool) -> Result<Found, CommandError> {
    if args.place.is_nowhere() {
        return Err(CommandError::input("say which store: --data FILE, or --dynamodb URL"));
    }
    let (store, here) = args.place.store_here().await?;
    let refused = |why: String| CommandError::input(format!("{}: {why}", args.place.name()));
    let wrong = |error: StoreError| refused(error.detail());
    let mut found = Found::default();
    if let Some(here) = &here {
        let checked = here.check(false).await;
        found.damage = checked.map_err(|error| CommandError::input(format!("{}: {error}", args.place.name())))?;
    }
    let shops = match &args.shop {
        Some(shop) => vec![ShopId::new(shop).map_err(CommandError::input)?],
        None => store.shops().await.map_err(wrong)?,
    };
    let member = args.member.as_deref().map(MemberId::new).transpose().map_err(CommandError::input)?;
    let which = Which { member, is_here: here.is_some(), repair };
    for shop in shops {
        match one_shop(&which, &store, &shop, &mut found).await {
            Ok(Looked::Through) => {}
            Ok(Looked::NoProgram) => return Err(refused(format!("the shop `{shop}` has published no program"))),
            Ok(Looked::NoSuchMember) => {
                let member = args.member.as_deref().unwrap_or_default();
                return Err(refused(format!("nothing is stored of a member `{member}` of the shop `{shop}`")));
            }
            Err(error) if Unread::of(here.is_some()).passes(&error) => found.pass(&shop, None, &error),
            Err(error) => return Err(wrong(error)),
        }
    }
    Ok(found)
}

/// The members to recompute, and whether to store them.
struct Which {
    member: Option<MemberId>,
    is_here: bool,
    repair: bool,
}

/// The result of checking a shop.
enum Looked {
    Through,
    NoProgram,
    NoSuchMember,
}

/// Recomputes all members of a shop, or the selected one, and continues past items that cannot be decoded.
async fn one_shop(which: &Which, store: &Store, shop: &ShopId, found: &mut Found) -> Result<Looked, StoreError> {
    let Some(versions) = store.versions(shop).await? else { return Ok(Looked::NoProgram) };
    let mut unread = Unread::of(which.is_here);
    let members: Vec<MemberId> = match &which.member {
        Some(member) => vec![member.clone()],
        None => everybody_past(store, shop, &mut unread).await?.into_iter().collect(),
    };
    unread.errors.iter().for_each(|error| found.pass(shop, None, error));
    // Drawn only on a terminal, like all bars of indicatif.
    let bar = ProgressBar::new(u64::try_from(members.len()).unwrap_or(u64::MAX));
    let mut rebuilt = false;
    for member in &members {
        bar.inc(1);
        match settled(store, shop, member, &versions, which.repair).await {
            Ok(recomputed) if which.member.is_some() && !recomputed.is_known => return Ok(Looked::NoSuchMember),
            Ok(recomputed) => {
                found.members += 1;
                if !recomputed.differences.is_empty() {
                    rebuilt |= which.repair;
                    found.differing.push((shop.clone(), recomputed.member, recomputed.differences));
                }
            }
            Err(error) if unread.passes(&error) => found.pass(shop, Some(member), &error),
            Err(error) => return Err(error),
        }
    }
    // A member who was rebuilt has lost the ids that were merged into the item before: each of these says so itself.
    for member in members.iter().filter(|_| rebuilt && which.member.is_none()) {
        match settled(store, shop, member, &versions, which.repair).await {
            Ok(_) => {}
            Err(error) if unread.passes(&error) => {}
            Err(error) => return Err(error),
        }
    }
    bar.finish_and_clear();
    Ok(Looked::Through)
}

/// Recomputes a member, and stores it again if asked to. It is repeated while another writer changes the member. A
/// difference is reported only if it is seen twice, because the index by member follows the table a little later.
async fn settled(
    store: &Store,
    shop: &ShopId,
    member: &MemberId,
    versions: &Versions,
    repair: bool,
) -> Result<Recomputed, StoreError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let recomputed = match recompute(store, shop, member, versions, local::now()).await {
            Err(StoreError::Conflict) if tries < TRIES => continue,
            recomputed => recomputed?,
        };
        if recomputed.differences.is_empty() {
            return Ok(recomputed);
        }
        let again = recompute(store, shop, member, versions, local::now()).await?;
        if again.differences != recomputed.differences && tries < TRIES {
            continue;
        }
        if repair {
            match again.repair(store, shop, versions, local::now()).await {
                Err(StoreError::Conflict) if tries < TRIES => continue,
                done => done?,
            }
        }
        return Ok(again);
    }
}

fn tell(args: &Args, found: &Found, done: &str) -> Result<(), CommandError> {
    let Found { members, differing, unread, damage } = found;
    match args.format {
        Format::Json => {
            let one = |(shop, member, differences): &(ShopId, MemberId, Vec<Difference>)| {
                let differences: Vec<String> = differences.iter().map(ToString::to_string).collect();
                json!({ "shop": shop, "member_id": member, "differences": differences })
            };
            let differing: Vec<_> = differing.iter().map(one).collect();
            let one = |Gap { shop, member, why }: &Gap| json!({ "shop": shop, "member_id": member, "why": why });
            let unread: Vec<_> = unread.iter().map(one).collect();
            print_json(&json!({ "members": members, "differing": differing, "unread": unread, "damage": damage }))
        }
        Format::Text => {
            for place in damage {
                print(&format!("the file is damaged: {}", place.replace('\n', "; ")))?;
            }
            for (shop, member, differences) in differing {
                for difference in differences {
                    print(&format!("{member} of {shop} {difference}"))?;
                }
            }
            for Gap { shop, member, why } in unread {
                match member {
                    Some(member) => print(&format!("{member} of {shop} cannot be decoded: {why}"))?,
                    None => print(&format!("{shop} cannot be read to the end: {why}"))?,
                }
            }
            let done = format!("{} recomputed, {} {done}", counted(*members, "member"), differing.len());
            let not = if found.is_all_read() {
                String::new()
            } else {
                format!(
                    ", {} not read, {} in the file",
                    counted(unread.len(), "place"),
                    counted(damage.len(), "damaged place")
                )
            };
            print(&format!("{done}{not}"))
        }
    }
}
