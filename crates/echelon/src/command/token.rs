//! `echelon token`: tokens for callers of a served system.

use chrono::TimeDelta;
use clap::{Subcommand, ValueEnum};
use http_api::caller::{Caller, Scope};
use http_api::register::{Known, Says, TokenId};
use http_api::token::{MemberToken, TokenKey};
use local::tokens::Tokens;
use rules::calendar::Instant;
use serde_json::json;
use store::shop::ShopId;

use crate::command::serve::runtime;
use crate::command::system::System;
use crate::error::CommandError;
use crate::location::StoreLocation;
use crate::output::{Format, print, print_json, table};

/// Makes a token for a caller of a system that `echelon serve` runs with the same key; lists those in use, and revokes
/// them
///
/// In AWS, staff have tokens of the shop's own identity provider instead.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER, args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    act: Option<Act>,

    #[command(flatten)]
    make: Make,
}

#[derive(Debug, Subcommand)]
enum Act {
    List(List),
    Revoke(Revoke),
}

/// Lists the tokens of staff that were used on a served system and have not ended, and those that are revoked
#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    served: Served,

    /// A table, or one JSON object
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Revokes tokens of a served system, at once and for good
#[derive(Debug, clap::Args)]
struct Revoke {
    #[command(flatten)]
    served: Served,

    /// The ids, as `list` names them, or the tokens themselves
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct Served {
    /// The URL of `echelon serve`
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8700")]
    url: String,

    /// A token of the scope `admin`, for all shops
    #[arg(long, value_name = "TOKEN", env = "ECHELON_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Make {
    /// The key of `echelon serve`
    #[arg(long, value_name = "KEY", env = "ECHELON_TOKEN_KEY", hide_env_values = true)]
    token_key: Option<String>,

    /// The only shop that the token is for; without it, any
    #[arg(long, value_name = "NAME")]
    shop: Option<String>,

    /// The scope of the token
    #[arg(long, value_enum, default_value = "read")]
    scope: Allowed,

    /// The name of the token's holder in the audit
    #[arg(long, value_name = "NAME", default_value = "echelon")]
    name: String,

    /// The validity in days
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,

    /// Only the token, or one JSON object with its id
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Allowed {
    /// Read members, programs and jobs
    Read,
    /// Also send facts, and assign tiers
    Write,
    /// Also change programs, order jobs, and erase members
    Admin,
}

const AFTER: &str = "\
Examples:
  export ECHELON_TOKEN_KEY=$(openssl rand -hex 32)
  echelon serve --program vip.json --shop acme
  export ECHELON_TOKEN=$(echelon token --shop acme --scope write --name till)
  echelon token list
  echelon token revoke 4b227777d4dd1fc61c6f884f48641d02

The system knows a signed token from its first use on, and lists it from then on.
It may be revoked before, by the id that --format json prints.

Exit codes: 0 done; 2 usage, or the system cannot be asked.";

/// Runs the command.
///
/// # Errors
/// If the key is too short, the shop's name is not valid, or the system cannot be asked.
pub fn run(args: &Args, now: Instant) -> Result<(), CommandError> {
    match &args.act {
        None => make(&args.make, now),
        Some(Act::List(args)) => runtime()?.block_on(list(args)),
        Some(Act::Revoke(args)) => runtime()?.block_on(revoke(args)),
    }
}

fn make(args: &Make, now: Instant) -> Result<(), CommandError> {
    let key = args.token_key.as_deref().ok_or_else(|| {
        CommandError::input("--token-key: name the key that `echelon serve` has, or set ECHELON_TOKEN_KEY to it")
    })?;
    let key = TokenKey::new(key).map_err(|error| CommandError::input(format!("--token-key: {error}")))?;
    let shop = args.shop.as_deref().map(ShopId::new).transpose();
    let shop = shop.map_err(|error| CommandError::input(format!("--shop: {error}")))?;
    let scope = match args.scope {
        Allowed::Read => Scope::Read,
        Allowed::Write => Scope::Write,
        Allowed::Admin => Scope::Admin,
    };
    let until = now.plus_millis(TimeDelta::days(args.days.into()).num_milliseconds());
    let MemberToken { token, expires_at } = key.sign(&Caller::Staff { shop, scope, name: args.name.clone() }, until);
    match args.format {
        Format::Text => print(&token),
        Format::Json => {
            let id = TokenId::read(&token).map_err(|error| CommandError::input(format!("it {error}")))?;
            print_json(&json!({ "token": token, "expires_at": expires_at, "id": id }))
        }
    }
}

async fn list(args: &List) -> Result<(), CommandError> {
    let listed: Tokens = args.served.system().get("/tokens").await?;
    match args.format {
        Format::Json => print_json(&json!(listed)),
        Format::Text if listed.tokens.is_empty() => print("No token was used yet."),
        Format::Text => print(&text(&listed.tokens)),
    }
}

fn text(tokens: &[Known]) -> String {
    let head = ["ID", "NAME", "SCOPE", "SHOP", "ENDS", "LAST USED", "REVOKED"].map(str::to_owned).to_vec();
    let or_none = |at: Option<Instant>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let cells = |known: &Known| {
        let Known { id, says, last_used_at, revoked_at, .. } = known;
        let [name, scope, shop, ends] = match says {
            None => ["-", "-", "-", "-"].map(str::to_owned),
            Some(Says { name, scope, shop, expires_at }) => [
                name.escape_debug().to_string(),
                scope.name().to_owned(),
                shop.as_ref().map_or_else(|| "all".to_owned(), ToString::to_string),
                expires_at.to_string(),
            ],
        };
        vec![id.to_string(), name, scope, shop, ends, or_none(*last_used_at), or_none(*revoked_at)]
    };
    table(&std::iter::once(head).chain(tokens.iter().map(cells)).collect::<Vec<_>>()).join("\n")
}

async fn revoke(args: &Revoke) -> Result<(), CommandError> {
    let read = |id: &String| TokenId::read(id).map_err(|error| CommandError::input(format!("`{id}` {error}")));
    let ids: Vec<TokenId> = args.ids.iter().map(read).collect::<Result<_, _>>()?;
    for id in ids {
        let Known { says, .. } = args.served.system().delete(&format!("/tokens/{id}")).await?;
        let name = says.map_or_else(
            || "no token of this id was used so far: look whether it is the one you mean".to_owned(),
            |says| says.name.escape_debug().to_string(),
        );
        print(&format!("{id}: revoked ({name})"))?;
    }
    Ok(())
}

impl Served {
    fn system(&self) -> System {
        System { url: self.url.clone(), token: self.token.clone(), sigv4: false, place: StoreLocation::nowhere() }
    }
}
