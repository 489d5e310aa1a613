//! The shops of a system that starts: their other names, and the program that it is started with.

use engine::publishing::{ProgramSource, PublishOutcome, PublishRequest, Publisher};
use local::opened::Opened;
use local::time::Time;
use serde_json::Value;
use store::shop::{Aliases, ShopId};
use store::{Store, only_shop};

use super::Args;
use crate::error::CommandError;
use crate::input;
use crate::output::{say, warn};

/// The shop of a program that names none.
const SHOP: &str = "shop";

/// The other names of shops.
///
/// # Errors
/// An alias is not clear, or is the name of a shop that has a program: that one could no longer be reached.
pub(super) async fn aliases(named: &[String], store: &Store) -> Result<Aliases, CommandError> {
    let wrong = |what: String| CommandError::input(format!("--alias: {what}"));
    let aliases = Aliases::read(named.iter().map(String::as_str)).map_err(|error| wrong(error.to_string()))?;
    let known = store.shops().await.map_err(CommandError::input)?;
    if let Some(name) = aliases.names().find(|name| known.contains(name)) {
        return Err(wrong(format!(
            "`{name}` is a shop with a program of its own, which an alias would hide; leave the alias out"
        )));
    }
    for shop in aliases.shops().into_iter().filter(|shop| !known.contains(shop)) {
        say(&format!(
            "warning: --alias: there is no shop `{shop}` yet; what comes under its alias is quarantined until it has a program"
        ));
    }
    Ok(aliases)
}

/// Puts the given program in force; returns the shop that is meant if none is named.
///
/// # Errors
/// The program cannot be read or put in force, or it is not clear for which shop it is.
pub(super) async fn publish(
    args: &Args,
    opened: &Opened,
    time: &Time,
    shop: Option<ShopId>,
) -> Result<Option<ShopId>, CommandError> {
    let Some(path) = &args.program else { return Ok(shop) };
    let (program, _) = input::program(path)?;
    let options: Value =
        serde_json::from_str(&args.options).map_err(|error| CommandError::input(format!("--options: {error}")))?;
    let shop = match shop {
        Some(shop) => shop,
        None => {
            let several = opened.store.shops().await.map_err(CommandError::input)?.len() > 1;
            if several {
                return Err(CommandError::input(format!("--shop: {} is for which of the shops?", path.display())));
            }
            let only = only_shop(&opened.store).await.map_err(CommandError::input)?;
            only.map_or_else(|| ShopId::new(SHOP).map_err(CommandError::input), Ok)?
        }
    };
    let (now, ahead_ms) = (time.now(), 0);
    let (by, why) = ("echelon serve".to_owned(), "given when the system was started".to_owned());
    let wanted = PublishRequest { what: ProgramSource::Program(program), options, at: None, by, why };
    let rules = Publisher { store: &opened.store, shop: &shop, now, ahead_ms };
    let put = rules.publish(&wanted).await;
    let put = put.map_err(|error| CommandError::input(format!("{}: {error}", path.display())))?;
    let PublishOutcome { version, published, warnings, before_the_start, .. } = rules.with_uncounted(put).await;
    if let Some(uncounted) = before_the_start {
        warn(true, &uncounted.message);
    }
    warnings.iter().for_each(|advice| warn(advice.loud, &advice.message));
    let is = if published { "is" } else { "is in force already," };
    say(&format!("{} {is} version {version} of shop `{shop}`", path.display()));
    Ok(Some(shop))
}
