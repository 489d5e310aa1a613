//! `echelon publish`: a program as a shop's next version.

use std::path::PathBuf;

use rules::calendar::Instant;
use serde_json::Value;
use service::shop::ShopId;

use crate::command::serve::runtime;
use crate::failure::Failure;
use crate::input;
use crate::output::print;
use crate::serve::place::Place;
use crate::serve::{Publisher, Put, put_in_force};

/// Publishes a program as the next version of a shop's; the first makes the shop known
///
/// A version is immutable and is in force from its instant on. The same program again is no new version.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    place: Place,

    /// The shop, as its events name it
    #[arg(long, value_name = "NAME")]
    shop: String,

    /// The program
    #[arg(long, value_name = "FILE")]
    program: PathBuf,

    /// What is said besides, as in `program.published`: '{"while_active": true, "demotions": "hold"}'
    #[arg(long, value_name = "JSON", default_value = "{}")]
    options: String,

    /// From when on; at once in a file, a minute ahead behind an endpoint, for functions remember versions for 20 s
    #[arg(long, value_name = "TIME", value_parser = instant)]
    at: Option<Instant>,

    /// Who publishes it: kept with the version
    #[arg(long, value_name = "NAME", default_value = "echelon publish")]
    by: String,

    /// Why: kept with the version
    #[arg(long, value_name = "TEXT", default_value = "")]
    why: String,
}

const AFTER: &str = "\
Examples:
  echelon publish --data echelon.db --shop acme --program vip.json
  echelon publish --dynamodb https://dynamodb.eu-central-1.amazonaws.com \\
      --tables $MEMBERS_TABLE,$LEDGER_TABLE,$CONTROL_TABLE \\
      --shop acme.myshopify.com --program vip.json --by eve --why opening

`echelon validate vip.json` says before what is wrong, or probably not meant.

Exit codes: 0 done; 2 usage, or the program is refused.";

/// How far ahead a version takes effect where several processes read versions.
const AHEAD_MS: i64 = 60_000;

fn instant(text: &str) -> Result<Instant, String> {
    Instant::parse(text).map_err(|error| error.to_string())
}

/// Runs the command.
///
/// # Errors
/// What is wrong with the program, or why it is refused.
pub fn run(args: &Args, now: Instant) -> Result<(), Failure> {
    if args.place.is_nowhere() {
        return Err(Failure::input("say which store: --data FILE, or --dynamodb URL"));
    }
    let shop = ShopId::new(&args.shop).map_err(Failure::input)?;
    let (value, draft) = input::program(&args.program)?;
    let options: Value =
        serde_json::from_str(&args.options).map_err(|error| Failure::input(format!("--options: {error}")))?;
    let ahead = if args.place.dynamodb.is_some() { AHEAD_MS } else { 0 };
    let at = args.at.unwrap_or_else(|| now.plus_millis(ahead));
    let publisher = Publisher { by: &args.by, why: &args.why };
    let put = runtime()?.block_on(async {
        let store = args.place.store().await?;
        let put = put_in_force(&store, &shop, (&value, &draft), &options, publisher, (now, at)).await;
        put.map_err(|error| Failure::input(format!("{}: {error}", args.program.display())))
    })?;
    print(&match put {
        Put::Published(number) => format!("version {number} of shop `{shop}`, in force from {at} at the latest"),
        Put::Known(number) => format!("version {number} of shop `{shop}` is the same already; nothing was published"),
    })
}
