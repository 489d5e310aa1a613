//! `echelon publish`: publishes a program as a shop's next version.

use std::path::PathBuf;

use clap::ArgGroup;
use engine::publishing::{Listed, ProgramSource, PublishOutcome, PublishRequest, Publisher};
use engine::sweep::Listed as ListedJob;
use local::sweeper::told;
use rules::calendar::Instant;
use serde::Deserialize;
use serde_json::{Value, json};
use store::PublicationError;
use store::records::{JobId, Kind};
use store::shop::ShopId;

use crate::command::serve::runtime;
use crate::command::sweeping;
use crate::command::system::{System, of_shop, shop_of};
use crate::error::CommandError;
use crate::input;
use crate::location::StoreLocation;
use crate::output::{Format, print, print_json, say, table, warn};

/// Publishes a program as the next version for a shop; the first one makes the shop known
///
/// A version is immutable and in force from its instant on. Then all members are recalculated, and changes of their
/// tiers are announced. A pending version is replaced by publishing another, up to a minute before its instant.
/// Publishing the same program again makes no new version. A program that counts money has to name its currency. Stored
/// facts before the program's start count for nothing, and it says how many there are.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER, group = ArgGroup::new("act").required(true).args(["program", "roll_back", "withdraw", "list"]))]
pub struct Args {
    #[command(flatten)]
    system: System,

    /// The shop, as its events name it; needed unless there is exactly one
    #[arg(long, value_name = "NAME")]
    shop: Option<String>,

    /// The program
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,

    /// The program of an earlier version, as `--list` numbers them
    #[arg(long, value_name = "NUMBER")]
    roll_back: Option<u32>,

    /// Withdraws the pending version
    #[arg(long)]
    withdraw: bool,

    /// Shows every version ever published
    #[arg(long)]
    list: bool,

    #[command(flatten)]
    said: Said,

    /// The reason, kept with the version
    #[arg(long, value_name = "TEXT", default_value = "")]
    why: String,

    /// The publisher, kept with the version
    #[arg(long, value_name = "NAME", default_value = "echelon publish")]
    by: String,

    /// Lines for people, or one JSON object
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// The options of a version besides its program.
#[derive(Debug, clap::Args)]
pub struct Said {
    /// The publisher's options, as in `program.published`: '{"while_active": true, "demotions": "hold", "rewards": true}'
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub options: String,

    /// The instant from which the version is in force; by default now for a file or a served system, and in a minute
    /// behind an endpoint, because functions cache versions for 20 s
    #[arg(long, value_name = "TIME", value_parser = crate::input::instant)]
    pub at: Option<Instant>,
}

const AFTER: &str = "\
Examples:
  echelon publish --program next.json --why 'gold at 750'       to `echelon serve`
  echelon publish --data echelon.db --shop acme --program vip.json
  echelon publish --program next.json --at 2027-01-01T00:00:00Z
  echelon publish --list
  echelon publish --withdraw                    the one that waits
  echelon publish --roll-back 1 --why 'it was better'
  echelon publish --dynamodb https://dynamodb.eu-central-1.amazonaws.com \\
      --tables $MEMBERS_TABLE,$LEDGER_TABLE,$CONTROL_TABLE \\
      --shop acme.myshopify.com --program vip.json --by eve --why opening

`echelon validate vip.json` says before what is wrong, or probably not meant;
`echelon preview` what it would do to each member. In a file all members are
recalculated here; a served or deployed system does that by itself, and
`echelon jobs` shows how far it is.

Exit codes: 0 done; 2 usage, or the program is refused.";

/// Runs the command.
///
/// # Errors
/// If the program has problems or is refused.
pub fn run(args: &Args, now: Instant) -> Result<(), CommandError> {
    let shop = shop(args.shop.as_deref())?;
    let runtime = runtime()?;
    if args.list {
        runtime.block_on(list(args, shop.as_ref(), now))
    } else if args.withdraw {
        runtime.block_on(withdraw(args, shop.as_ref(), now))
    } else {
        let wanted = wanted(args.program.as_ref(), args.roll_back, &args.said)?;
        let wanted = PublishRequest { by: args.by.clone(), why: args.why.clone(), ..wanted };
        runtime.block_on(publish(args, shop.as_ref(), &wanted, now))
    }
}

/// The named shop, if one is named.
///
/// # Errors
/// A text that says how shops are named.
pub fn shop(named: Option<&str>) -> Result<Option<ShopId>, CommandError> {
    named.map(ShopId::new).transpose().map_err(|error| CommandError::input(format!("--shop: {error}")))
}

/// The program to publish: that of a file, or that of an earlier version.
///
/// # Errors
/// If the program or its options have problems.
pub fn wanted(program: Option<&PathBuf>, version: Option<u32>, said: &Said) -> Result<PublishRequest, CommandError> {
    let what = match (program, version) {
        (Some(path), _) => ProgramSource::Program(input::program(path)?.0),
        (None, Some(version)) => ProgramSource::Version(version),
        (None, None) => return Err(CommandError::input("say which program: --program FILE, or --roll-back NUMBER")),
    };
    let options: Value =
        serde_json::from_str(&said.options).map_err(|error| CommandError::input(format!("--options: {error}")))?;
    Ok(PublishRequest { what, options, at: said.at, by: String::new(), why: String::new() })
}

/// The error of a refused publication. It names its subject: the program's file, or the store.
pub fn refused(program: Option<&PathBuf>, place: &StoreLocation, error: &PublicationError) -> CommandError {
    if let PublicationError::Store(error) = error {
        return CommandError::input(format!("{}: {}", place.name(), error.detail()));
    }
    let program = program.map(|path| format!("{}: ", path.display())).unwrap_or_default();
    CommandError::input(format!("{program}{error}"))
}

async fn publish(
    args: &Args,
    shop: Option<&ShopId>,
    wanted: &PublishRequest,
    now: Instant,
) -> Result<(), CommandError> {
    let place = &args.system.place;
    if args.system.is_served() {
        let published: PublishOutcome =
            args.system.post(&of_shop("/v1/program/versions", shop), &json!(wanted)).await?;
        let url = &args.system.url;
        return tell(
            args,
            &published,
            None,
            &format!("`echelon jobs --url {url}` shows how all members are recalculated"),
        );
    }
    let store = place.store_or_new().await?;
    let shop = shop_of(&store, shop).await?;
    let rules = Publisher { store: &store, shop: &shop, now, ahead_ms: place.ahead_ms() };
    let published = rules.publish(wanted).await.map_err(|error| refused(args.program.as_ref(), place, &error))?;
    let published = rules.with_uncounted(published).await;
    let PublishOutcome { version, effective_at, published: is_new, .. } = published;
    let is_here = place.is_alone() && is_new && effective_at <= local::now();
    let mut job = None;
    if is_here {
        let sweep = place.sweep(&store);
        sweep.published(&shop, version).await.map_err(CommandError::input)?;
        let jobs = sweeping::work(&store, &sweep, std::slice::from_ref(&shop)).await.map_err(|error| {
            CommandError::input(format!(
                "{error}\n       it is published; `echelon rollover` goes on with the recalculation"
            ))
        })?;
        let id = JobId { until: effective_at, kind: Kind::Recalculation { version } };
        job = sweeping::of(&jobs, &shop, id).cloned();
    }
    let later = match () {
        () if is_here => "what is to be announced goes out with `echelon serve`",
        () if place.is_alone() => "all members are recalculated then by `echelon serve`, or by `echelon rollover`",
        () => "all members are recalculated then by the system that runs there, or by `echelon rollover`",
    };
    tell(args, &published, job.as_ref(), later)
}

fn tell(args: &Args, published: &PublishOutcome, job: Option<&ListedJob>, later: &str) -> Result<(), CommandError> {
    if args.format == Format::Json {
        let mut said = json!(published);
        if let Some(fields) = said.as_object_mut() {
            fields.insert("job".to_owned(), json!(job));
        }
        return print_json(&said);
    }
    let PublishOutcome { shop, version, published, effective_at, replaces, warnings, before_the_start } = published;
    if let Some(uncounted) = before_the_start {
        warn(true, &uncounted.message);
    }
    if !published {
        return print(&format!("version {version} of shop `{shop}` is the same already; nothing was published"));
    }
    warnings.iter().for_each(|advice| warn(advice.loud, &advice.message));
    print(&format!("version {version} of shop `{shop}`, in force from {effective_at} at the latest"))?;
    if let Some(replaced) = replaces {
        print(&format!("instead of version {replaced}, which waited and never takes effect"))?;
    }
    if let Some(ListedJob { progress, .. }) = job {
        print(&told(progress))?;
        for line in sweeping::moves(&progress.so_far) {
            print(&line)?;
        }
    }
    if *version > 1 {
        say(later);
    }
    Ok(())
}

#[derive(Deserialize)]
struct Withdrawn {
    shop: ShopId,
    withdrawn: u32,
    effective_at: Instant,
}

async fn withdraw(args: &Args, shop: Option<&ShopId>, now: Instant) -> Result<(), CommandError> {
    let done: Withdrawn = if args.system.is_served() {
        args.system.delete(&of_shop("/v1/program/versions/pending", shop)).await?
    } else {
        let store = args.system.place.store().await?;
        let shop = shop_of(&store, shop).await?;
        let version =
            store.withdraw(&shop, &args.by, now).await.map_err(|error| refused(None, &args.system.place, &error))?;
        Withdrawn { shop, withdrawn: version.number, effective_at: version.effective_at }
    };
    let Withdrawn { shop, withdrawn, effective_at } = done;
    match args.format {
        Format::Json => print_json(&json!({ "shop": shop, "withdrawn": withdrawn, "effective_at": effective_at })),
        Format::Text => print(&format!(
            "version {withdrawn} of shop `{shop}` is withdrawn: it was to take effect at {effective_at}"
        )),
    }
}

#[derive(Deserialize)]
struct All {
    shop: ShopId,
    programs: Vec<Listed>,
}

async fn list(args: &Args, shop: Option<&ShopId>, now: Instant) -> Result<(), CommandError> {
    let All { shop, programs } = if args.system.is_served() {
        args.system.get(&of_shop("/v1/program/versions", shop)).await?
    } else {
        let store = args.system.place.store().await?;
        let shop = shop_of(&store, shop).await?;
        let rules = Publisher { store: &store, shop: &shop, now, ahead_ms: 0 };
        let programs = rules.list().await.map_err(|error| refused(None, &args.system.place, &error))?;
        All { shop, programs }
    };
    if args.format == Format::Json {
        return print_json(&json!({ "shop": shop, "programs": programs }));
    }
    if programs.is_empty() {
        return print(&format!("shop `{shop}` has published no program"));
    }
    let head = ["VERSION", "STATE", "IN FORCE FROM", "PUBLISHED", "BY", "WHY"].map(str::to_owned).to_vec();
    let rows = programs.iter().map(|listed| {
        let Listed { version, state, effective_at, recorded_at, by, why, withdrawn, options: _, program: _ } = listed;
        let state = withdrawn.as_ref().map_or_else(
            || state.words().to_owned(),
            |withdrawn| format!("{} by {} at {}", state.words(), withdrawn.by, withdrawn.at),
        );
        vec![version.to_string(), state, effective_at.to_string(), recorded_at.to_string(), by.clone(), why.clone()]
    });
    print(&table(&std::iter::once(head).chain(rows).collect::<Vec<_>>()).join("\n"))
}
