//! `echelon token`: tokens for who asks a served system.

use chrono::TimeDelta;
use clap::ValueEnum;
use rules::calendar::Instant;
use serde_json::json;
use service::shop::ShopId;
use web::caller::{Caller, Scope};
use web::token::TokenKey;

use crate::failure::Failure;
use crate::output::{Format, print, print_json};

/// Makes a token for who asks a system that `echelon serve` runs with the same key
///
/// In AWS, staff has tokens of the shop's own identity provider instead.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The key, as `echelon serve` has it
    #[arg(long, value_name = "KEY", env = "ECHELON_TOKEN_KEY", hide_env_values = true)]
    token_key: String,

    /// The only shop that may be asked about; without it, any
    #[arg(long, value_name = "NAME")]
    shop: Option<String>,

    /// What may be done
    #[arg(long, value_enum, default_value = "read")]
    scope: Allowed,

    /// What the audit calls who has it
    #[arg(long, value_name = "NAME", default_value = "echelon")]
    name: String,

    /// For how many days
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,

    /// The token alone, or one JSON object
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Allowed {
    /// Look at members, programs and jobs
    Read,
    /// And tell facts, and assign tiers
    Write,
    /// And change programs, order jobs, and forget members
    Admin,
}

const AFTER: &str = "\
Examples:
  export ECHELON_TOKEN_KEY=$(openssl rand -hex 32)
  echelon serve --program vip.json --shop acme
  export ECHELON_TOKEN=$(echelon token --shop acme --scope write --name till)

Exit codes: 0 done; 2 usage.";

/// Runs the command.
///
/// # Errors
/// If the key is too short, or the shop none.
pub fn run(args: &Args, now: Instant) -> Result<(), Failure> {
    let key =
        TokenKey::new(args.token_key.as_str()).map_err(|error| Failure::input(format!("--token-key: {error}")))?;
    let shop = args.shop.as_deref().map(ShopId::new).transpose();
    let shop = shop.map_err(|error| Failure::input(format!("--shop: {error}")))?;
    let scope = match args.scope {
        Allowed::Read => Scope::Read,
        Allowed::Write => Scope::Write,
        Allowed::Admin => Scope::Admin,
    };
    let until = now.plus_millis(TimeDelta::days(args.days.into()).num_milliseconds());
    let made = key.sign(&Caller::Staff { shop, scope, name: args.name.clone() }, until);
    match args.format {
        Format::Text => print(&made.token),
        Format::Json => print_json(&json!(made)),
    }
}
