//! `echelon verify` and `echelon rebuild`: members recomputed from the ledger, and compared or stored anew.

use indicatif::ProgressBar;
use rules::id::MemberId;
use rules::version::Versions;
use serde_json::json;
use service::shop::ShopId;
use service::store::{Store, StoreError};
use service::verify::{Difference, Recomputed, everybody, recompute};

use crate::command::serve::runtime;
use crate::failure::Failure;
use crate::output::{Format, counted, print, print_json};
use crate::serve::place::Place;

/// Recomputes members from the ledger and says where what is stored of them is another
///
/// A member's item follows from the ledger's rows: the facts, and the history of what was recorded. Nothing is written.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  echelon verify --data echelon.db
  echelon verify --dynamodb http://127.0.0.1:8000 --shop acme --member anna

A file is open in one process at a time: stop `echelon serve` first. Behind an
endpoint the system may go on; who is being written to is recomputed again.

Exit codes: 0 all is well; 1 something differs; 2 usage, or the store cannot be
read.")]
pub struct Args {
    #[command(flatten)]
    place: Place,

    /// One shop alone
    #[arg(long, value_name = "NAME")]
    shop: Option<String>,

    /// One member alone
    #[arg(long, value_name = "ID", requires = "shop")]
    member: Option<String>,

    /// A sentence for each difference, or one JSON object
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Recomputes members from the ledger and stores those anew that differ
///
/// For members that were lost, or restored from another time than the ledger. What was announced stays as it is: the
/// tier on record, its sequence and the rewards given come from the history in the ledger.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  echelon verify  --data echelon.db      first see what is wrong
  echelon rebuild --data echelon.db

Exit codes: 0 all is well now; 2 usage, or the store cannot be read or written.")]
pub struct RebuildArgs {
    #[command(flatten)]
    args: Args,
}

/// How often somebody who is being written to meanwhile is recomputed.
const TRIES: u32 = 5;

/// What was found.
#[derive(Default)]
struct Found {
    members: usize,
    differing: Vec<(ShopId, MemberId, Vec<Difference>)>,
}

/// Runs `verify`.
///
/// # Errors
/// Findings where something differs; otherwise what cannot be read.
pub fn run(args: &Args) -> Result<(), Failure> {
    let found = runtime()?.block_on(go(args, false))?;
    tell(args, &found, "not as the ledger has it")?;
    if found.differing.is_empty() { Ok(()) } else { Err(Failure::Findings) }
}

/// Runs `rebuild`.
///
/// # Errors
/// What cannot be read or written.
pub fn rebuild(args: &RebuildArgs) -> Result<(), Failure> {
    let found = runtime()?.block_on(go(&args.args, true))?;
    tell(&args.args, &found, "stored anew")
}

async fn go(args: &Args, repair: bool) -> Result<Found, Failure> {
    if args.place.is_nowhere() {
        return Err(Failure::input("say which store: --data FILE, or --dynamodb URL"));
    }
    let store = args.place.store().await?;
    let wrong = |error: StoreError| Failure::input(format!("{}: {}", args.place.name(), error.detail()));
    let shops = match &args.shop {
        Some(shop) => vec![ShopId::new(shop).map_err(Failure::input)?],
        None => store.shops().await.map_err(wrong)?,
    };
    let mut found = Found::default();
    for shop in shops {
        let Some(versions) = store.versions(&shop).await.map_err(wrong)? else {
            return Err(Failure::input(format!("{}: the shop `{shop}` has published no program", args.place.name())));
        };
        let members: Vec<MemberId> = match &args.member {
            Some(member) => vec![MemberId::new(member).map_err(Failure::input)?],
            None => everybody(&store, &shop).await.map_err(wrong)?.into_iter().collect(),
        };
        // Drawn on a terminal alone, as all bars of indicatif are.
        let bar = ProgressBar::new(u64::try_from(members.len()).unwrap_or(u64::MAX));
        for member in members {
            let recomputed = settled(&store, &shop, &member, &versions, repair).await.map_err(wrong)?;
            found.members += 1;
            if !recomputed.differences.is_empty() {
                found.differing.push((shop.clone(), recomputed.member, recomputed.differences));
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
    }
    Ok(found)
}

/// A member recomputed, and stored anew if that is asked for; again as long as somebody writes in between. A difference
/// is believed only when it is seen twice: the index by member follows the table a little later.
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
        let recomputed = match recompute(store, shop, member, versions, crate::now()).await {
            Err(StoreError::Conflict) if tries < TRIES => continue,
            recomputed => recomputed?,
        };
        if recomputed.differences.is_empty() {
            return Ok(recomputed);
        }
        let again = recompute(store, shop, member, versions, crate::now()).await?;
        if again.differences != recomputed.differences && tries < TRIES {
            continue;
        }
        if repair {
            match again.repair(store, shop, versions, crate::now()).await {
                Err(StoreError::Conflict) if tries < TRIES => continue,
                done => done?,
            }
        }
        return Ok(again);
    }
}

fn tell(args: &Args, found: &Found, done: &str) -> Result<(), Failure> {
    let Found { members, differing } = found;
    match args.format {
        Format::Json => {
            let one = |(shop, member, differences): &(ShopId, MemberId, Vec<Difference>)| {
                let differences: Vec<String> = differences.iter().map(ToString::to_string).collect();
                json!({ "shop": shop, "member_id": member, "differences": differences })
            };
            let differing: Vec<_> = differing.iter().map(one).collect();
            print_json(&json!({ "members": members, "differing": differing }))
        }
        Format::Text => {
            for (shop, member, differences) in differing {
                for difference in differences {
                    print(&format!("{member} of {shop} {difference}"))?;
                }
            }
            print(&format!("{} recomputed, {} {done}", counted(*members, "member"), differing.len()))
        }
    }
}
