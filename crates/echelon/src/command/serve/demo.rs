//! A made-up shop whose events are sent over HTTP like those of any other: three years in a minute, on a clock that
//! runs along.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use http_api::authenticate::AuthMode;
use http_api::caller::{Caller, Scope};
use local::System;
use local::client::Client;
use local::time::Move;
use rules::calendar::{Day, Instant};
use rules::id::MemberId;
use rules::quantity::Quantity;
use rules::standing::evaluate;
use rules::version::{Published, Version};
use sample_shop::{Event, Sample, Setup, program};
use serde_json::{Value, json};
use store::shop::ShopId;
use store::{Publication, Store};

use crate::error::CommandError;
use crate::output::say;

/// The name of the shop.
pub const SHOP: &str = "harbor-and-pine";
const SETUP: Setup = Setup { seed: 7, customers: 300 };
/// The opening of the shop: midnight in New York, at the beginning of 2023.
const OPENS_AT: &str = "2023-01-01T05:00:00Z";
/// The events within this time are sent together.
const TOGETHER_MS: i64 = 7 * 24 * 60 * 60 * 1_000;
/// The number of members that are read at a time.
const MEMBERS_AT_A_TIME: usize = 100;
/// The time before New Year to which the suggested command moves the clock.
const EVE_MS: i64 = 5_000;
/// The interval at which the queue is checked until everything is ingested.
const LOOK: Duration = Duration::from_millis(5);

/// Fills the shop unless it exists already, and says what to try.
///
/// # Errors
/// The first failure on the way.
pub async fn show(system: Arc<System>, address: String, printed: Option<String>) -> Result<(), CommandError> {
    let shop = ShopId::new(SHOP).map_err(CommandError::input)?;
    let known = system.store.versions(&shop).await.map_err(CommandError::input)?.is_some();
    let members = if known {
        say("the shop of the demonstration is here already: it goes on from where it was");
        Sample::of(SETUP).filter_map(|event| member(&event)).collect()
    } else {
        fill(&system, &shop, &address).await?
    };
    say(&format!("\n{}", page(&system, &shop, members, &address, printed.as_deref()).await?));
    Ok(())
}

fn member(event: &Event) -> Option<MemberId> {
    match event {
        Event::Fact(told) => told.fact.member().cloned(),
        Event::Published { .. } => None,
    }
}

async fn fill(system: &System, shop: &ShopId, address: &str) -> Result<BTreeSet<MemberId>, CommandError> {
    // A token for this task alone, which ends with the demonstration's time and is never shown.
    let teller = Caller::Staff { shop: None, scope: Scope::Write, name: SHOP.to_owned() };
    let token = system.api.auth.key().sign(&teller, Setup::end().plus_millis(TOGETHER_MS)).token;
    let client = Client::new(&format!("http://{address}")).map_err(CommandError::input)?.with_token(Some(&token));
    let opens_at = Instant::parse(OPENS_AT).map_err(CommandError::input)?;
    system.time.start(Move::To(opens_at));
    system.watch.begin(opens_at).await;
    publish(system, shop, &program(), &json!({})).await?;
    let mut members = BTreeSet::new();
    let mut week: Vec<Event> = Vec::new();
    for event in Sample::of(SETUP) {
        members.extend(member(&event));
        let over =
            week.first().is_some_and(|first| event.arrives_at().millis() - first.arrives_at().millis() > TOGETHER_MS);
        if over {
            tell(system, &client, &std::mem::take(&mut week)).await?;
        }
        match event {
            Event::Fact(_) => week.push(event),
            Event::Published { at, program, options } => {
                tell(system, &client, &std::mem::take(&mut week)).await?;
                let _ = system.time.advance(Move::To(at));
                publish(system, shop, &program, &options).await?;
            }
        }
    }
    tell(system, &client, &week).await?;
    let _ = system.time.advance(Move::To(Setup::end()));
    Ok(members)
}

/// Posts the events of a week at its end, and waits until they are ingested.
async fn tell(system: &System, client: &Client, events: &[Event]) -> Result<(), CommandError> {
    let Some(last) = events.last() else { return Ok(()) };
    // The clock runs on by itself and may be a little further already.
    let _ = system.time.advance(Move::To(last.arrives_at()));
    let lines: Vec<String> = events.iter().map(|event| event.to_json().to_string()).collect();
    let answer = client.post("/events", lines.join("\n"), &[("X-Echelon-Shop", SHOP)]).await;
    let (status, body) = answer.map_err(CommandError::input)?;
    if !status.is_success() {
        return Err(CommandError::input(format!("{status}: {}", String::from_utf8_lossy(&body))));
    }
    while system.queues.waiting() > 0 {
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

async fn publish(system: &System, shop: &ShopId, program: &Value, options: &Value) -> Result<(), CommandError> {
    let now = system.time.now();
    let event = Published::of(now, program, options, system.store.zones()).map_err(CommandError::input)?;
    let publication = Publication { event, by: "echelon serve".to_owned(), why: "the demonstration".to_owned() };
    let versions = system.store.publish(shop, &publication, now).await.map_err(CommandError::input)?;
    system.ingest.invalidate_programs();
    say(&format!("{now}  {shop}  version {} of the program is in force", versions.last().number));
    Ok(())
}

/// The member that is closest to the next tier, and the amount that is missing.
struct Closest {
    member: MemberId,
    new: bool,
    remaining: Quantity,
    next: String,
}

/// The standings of the shop, and what to try.
async fn page(
    system: &System,
    shop: &ShopId,
    members: BTreeSet<MemberId>,
    address: &str,
    token: Option<&str>,
) -> Result<String, CommandError> {
    let now = system.time.now();
    let is_open = matches!(system.api.auth, AuthMode::Open(_));
    let curl = if is_open { "curl" } else { "curl -H \"Authorization: Bearer $ECHELON_TOKEN\"" };
    let versions = system.store.versions(shop).await.map_err(CommandError::input)?;
    let Some(versions) = versions else { return Err(CommandError::input("the shop has no program")) };
    let version = versions.in_force(now);
    let (tiers, closest) = counted(&system.store, shop, version, members, now).await?;
    let mut lines = vec![format!("Members per tier on {now}:")];
    lines.extend(tiers.iter().map(|(tier, count)| format!("  {tier:<10}{count:>5}")));
    if let Some(token) = token {
        lines.push("\nNow it is yours. In another terminal, so that you may ask:".to_owned());
        lines.push(format!("  export ECHELON_TOKEN={token}"));
        lines.push("\nA member's standing, and why:".to_owned());
    } else if is_open {
        lines.push("\nNow it is yours. A member's standing, and why:".to_owned());
    } else {
        lines.push("\nNow it is yours. In another terminal, with the same key, so that you may ask:".to_owned());
        lines.push("  export ECHELON_TOKEN=$(echelon token --scope admin)".to_owned());
        lines.push("\nA member's standing, and why:".to_owned());
    }
    if let Some(Closest { member, remaining, next, .. }) = closest {
        let amount = remaining.with_decimals(version.program.decimals());
        let event = json!({ "type": "order.paid", "member_id": member, "order_id": "mine-1", "occurred_at": now,
                            "total": amount });
        lines.push(format!("  {curl} http://{address}/v1/members/{member}/explain"));
        lines.push(format!("\n{amount} more, and {member} holds {next}; watch this window:"));
        lines.push(format!("  {curl} http://{address}/events --json '{event}'"));
    }
    lines.push("\nRules can change: what that would do to all members, and doing it:".to_owned());
    let back = format!("--roll-back 1 --options '{{\"while_active\": true}}' --url http://{address}");
    lines.push(format!("  echelon preview {back}"));
    lines.push(format!("  echelon publish {back}"));
    lines.push(format!("  echelon jobs --url http://{address}"));
    lines.push("\nAnd New Year comes when you say so; watch this window:".to_owned());
    let eve = new_year(version, now).plus_millis(-EVE_MS);
    lines.push(format!("  {curl} http://{address}/clock --json '{{\"now\": \"{eve}\"}}'"));
    lines.push("\nWhat can never succeed is quarantined, and blocks nothing else:".to_owned());
    lines.push(format!("  {curl} http://{address}/events --json '{{\"type\": \"order.paid\", \"total\": \"a lot\"}}'"));
    lines.push(format!("  echelon quarantine list --url http://{address}"));
    Ok(lines.join("\n"))
}

/// The next midnight at which a year begins in the shop's time zone.
fn new_year(version: &Version, now: Instant) -> Instant {
    let zone = &version.program.timezone;
    zone.midnight(Day::new_year(zone.day(now).year() + 1))
}

async fn counted(
    store: &Store,
    shop: &ShopId,
    version: &Version,
    members: BTreeSet<MemberId>,
    now: Instant,
) -> Result<(BTreeMap<String, u32>, Option<Closest>), CommandError> {
    let (mut tiers, mut closest): (BTreeMap<String, u32>, Option<Closest>) = (BTreeMap::new(), None);
    let members: Vec<MemberId> = members.into_iter().collect();
    for some in members.chunks(MEMBERS_AT_A_TIME) {
        for (member, stored) in store.members(shop, some.iter().cloned()).await.map_err(CommandError::input)? {
            let Some(held) = stored.alive().filter(|held| held.stands_for.is_none()) else { continue };
            let standing = evaluate(version, &held.counting(), now);
            let name = |rank| version.program.tier(rank).map(|tier| tier.name.clone());
            *tiers.entry(standing.tier.and_then(name).unwrap_or_else(|| "none".to_owned())).or_default() += 1;
            let Some((rank, remaining)) = standing.progress.as_ref().and_then(|progress| progress.next) else {
                continue;
            };
            // A member who holds a tier already shows more than one without a tier.
            let new = standing.tier.is_none();
            if standing.tier < Some(rank)
                && closest.as_ref().is_none_or(|other| (new, remaining) < (other.new, other.remaining))
            {
                closest = Some(Closest { member, new, remaining, next: name(rank).unwrap_or_default() });
            }
        }
    }
    Ok((tiers, closest))
}
