//! `echelon canary`: a small shop of made-up members whose years begin where the day begins first. The system's answers
//! about them are compared with the rules evaluated here. So a New Year that goes wrong is noticed hours before that of
//! any other shop.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::publishing::{ProgramSource, PublishOutcome, PublishRequest};
use rules::calendar::{Instant, Zone};
use rules::fact::{Currency, Fact};
use rules::fact_index::FactIndex;
use rules::id::MemberId;
use rules::ledger::Ledger;
use rules::program::Program;
use rules::standing::evaluate;
use rules::version::{Options, Versions};
use serde::Deserialize;
use serde_json::{Value, json};
use store::shop::{CANARY, ShopId};

use crate::command::serve::runtime;
use crate::command::system::{Remote, System, of_shop};
use crate::error::CommandError;
use crate::output::{Format, counted, print, print_json};

/// Keeps a small shop of made-up members in a system, and checks that the system's answers about them follow the rules
///
/// Its days begin in the time zone where they begin first, so it crosses each New Year fourteen hours before London and
/// nineteen before New York. Run it every few minutes, and notify an operator when its exit code is not 0. Nothing but
/// its own shop, `canary`, is touched; changes in that shop are announced like those of any shop.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    remote: Remote,

    /// The time zone in which its days begin
    #[arg(long, value_name = "ZONE", default_value = "Pacific/Kiritimati")]
    zone: String,

    /// The number of minutes after a midnight during which the sweep may still be under way
    #[arg(long, value_name = "MINUTES", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=1440))]
    within: u16,

    /// The present time, for a caller that knows it better than the system
    #[arg(long, value_name = "TIME", value_parser = crate::input::instant, hide = true)]
    now: Option<Instant>,

    /// Lines for people, or one JSON object
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

const AFTER: &str = "\
Examples:
  echelon canary --url https://API --sigv4
  */10 * * * *  echelon canary --url https://API --sigv4 || mail -s canary ops@example.com

The first run publishes its program and sends its members' orders; each run sends
them again, which changes nothing, and those of a new year when it has begun.

It checks each member's standing and history, and that the sweep of the last
midnight has ended and found as many members in each tier as there are.

It takes the scope `admin`, of the shop `canary` or of all. To see it alert, send an
order of canary-keeps yourself, and cancel it afterwards.

Exit codes: 0 all is as it should be; 1 something is not, and what; 2 usage, or
the system cannot be asked.";

/// The first year that has orders.
const FIRST_YEAR: i32 = 2024;
/// The number of facts in a request.
const TOGETHER: usize = 100;
/// The minimum age of the facts that are sent, so that none is dated after the instant that is asked about.
const TOLD_BEFORE: Duration = Duration::from_secs(60);

/// Runs the command.
///
/// # Errors
/// Findings if something is not as it should be; otherwise why the system cannot be asked.
pub fn run(args: &Args, now: Instant) -> Result<(), CommandError> {
    let shop = ShopId::new(CANARY).map_err(CommandError::input)?;
    let canary = Canary::at(&args.zone, args.now.unwrap_or(now))?;
    let found = runtime()?.block_on(canary.check(&args.remote.system(), &shop, args.within))?;
    let Found { members, wrong } = &found;
    match args.format {
        Format::Json => print_json(&json!({ "shop": shop, "as_of": canary.now, "members": members, "wrong": wrong }))?,
        Format::Text => {
            for line in wrong {
                print(line)?;
            }
            print(&format!("{} of shop `{shop}` checked: {} wrong", counted(*members, "member"), wrong.len()))?;
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(CommandError::Findings) }
}

/// The findings.
#[derive(Debug)]
struct Found {
    members: usize,
    wrong: Vec<String>,
}

/// The shop in its expected state.
#[derive(Debug)]
struct Canary {
    program: Value,
    versions: Versions,
    zone: Zone,
    events: Vec<Value>,
    index: FactIndex,
    now: Instant,
}

/// The program versions of its shop.
#[derive(Deserialize)]
struct Programs {
    programs: Vec<Value>,
}

impl Programs {
    /// When the first version was published.
    fn since(&self) -> Option<Instant> {
        let at = |version: &Value| Instant::parse(version.get("recorded_at")?.as_str()?).ok();
        self.programs.iter().filter_map(at).min()
    }
}

#[derive(Deserialize)]
struct Told {
    results: Vec<OneTold>,
}

#[derive(Deserialize)]
struct OneTold {
    status: String,
    #[serde(default)]
    detail: Option<String>,
}

impl Canary {
    /// The expected state at an instant, with days of the given zone.
    fn at(zone: &str, now: Instant) -> Result<Self, CommandError> {
        let program = json!({
            "program_id": "canary", "name": "Canary", "active": true, "timezone": zone, "currency": "USD",
            "start_date": format!("{FIRST_YEAR}-01-01"),
            // A calendar-year program starts no earlier than the year in which it takes effect.
            "effective_at": format!("{FIRST_YEAR}-01-01T00:00:00Z"),
            "milestone": { "metric": "amount_spent", "period": "calendar_year" },
            "tiers": [{ "id": "silver", "name": "Silver", "threshold": "100" },
                      { "id": "gold", "name": "Gold", "threshold": "500" }] });
        let read = Program::read(&program, crate::zones())
            .map_err(|error| CommandError::input(format!("--zone: {error}; name one such as Pacific/Kiritimati")))?;
        let zone = read.program.timezone.clone();
        let options = Options { unclamped: read.unclamped, ..Options::default() };
        let versions = Versions::first_with(read.program, read.effective_at, options).map_err(CommandError::input)?;
        let events: Vec<Value> = (FIRST_YEAR..=zone.day(now).year())
            .flat_map(orders)
            .filter(|(at, _)| at.millis() + i64::try_from(TOLD_BEFORE.as_millis()).unwrap_or(0) <= now.millis())
            .map(|(_, event)| event)
            .collect();
        let usd = Currency::from_code("USD").ok_or_else(|| CommandError::input("USD is not a currency"))?;
        let mut index = FactIndex::new();
        for event in &events {
            index.apply(Fact::read(event, usd).map_err(CommandError::input)?.fact);
        }
        Ok(Self { program, versions, zone, events, index, now })
    }

    /// Sends the shop to the system, and checks that the system's answers are the same.
    async fn check(&self, system: &System, shop: &ShopId, within: u16) -> Result<Found, CommandError> {
        let path = of_shop("/v1/program/versions", Some(shop));
        let before: Programs = system.get(&path).await?;
        if before
            .programs
            .iter()
            .any(|version| version.pointer("/program/program_id") != self.program.get("program_id"))
        {
            return Err(CommandError::input(format!(
                "shop `{shop}` has a program of its own, and is not a canary: nothing was done"
            )));
        }
        let wanted = PublishRequest {
            what: ProgramSource::Program(self.program.clone()),
            options: json!({}),
            at: None,
            by: "echelon canary".to_owned(),
            why: "the canary's own program".to_owned(),
        };
        let _: PublishOutcome = system.post(&path, &json!(wanted)).await?;
        let mut wrong = Vec::new();
        for some in self.events.chunks(TOGETHER) {
            let told: Told = system.post(&of_shop("/v1/facts", Some(shop)), &json!(some)).await?;
            let refused = told.results.iter().filter(|it| !matches!(it.status.as_str(), "applied" | "duplicate"));
            wrong.extend(refused.map(|it| {
                format!("a fact was {}: {}", it.status, it.detail.as_deref().unwrap_or("no reason was given"))
            }));
        }
        // A new shop is swept for the first time a little later.
        let midnight = self.zone.midnight(self.zone.day(self.now));
        let begun = before.since().unwrap_or(self.now).max(midnight);
        let is_swept = self.now >= begun.plus_millis(i64::from(within) * 60_000);
        let mut is_told_since = false;
        for (member, ledger) in self.members() {
            if !self.standing(system, shop, (member, ledger), &mut wrong).await? {
                wrong.push(format!("{member}: nothing is known of them"));
                continue;
            }
            let path = format!("/v1/members/{member}/history?shop={shop}");
            if is_swept && let Some(history) = system.find(&path).await? {
                let record = Record::read(&history);
                is_told_since |= record.told_last >= Some(midnight);
                if record.tier.as_deref() != self.tier(ledger) {
                    let name = |tier: Option<&str>| tier.unwrap_or("none").to_owned();
                    let (is, should) = (name(record.tier.as_deref()), name(self.tier(ledger)));
                    wrong.push(format!("{member}: on record is {is} and should be {should}"));
                }
            }
        }
        if is_swept {
            self.sweep(system, shop, (midnight, is_told_since), &mut wrong).await?;
        }
        Ok(Found { members: self.members().count(), wrong })
    }

    fn members(&self) -> impl Iterator<Item = (&MemberId, &Ledger)> {
        self.index.members().filter_map(|member| Some((member, self.index.ledger(member)?)))
    }

    /// Checks a member's standing; returns whether the member is known at all.
    async fn standing(
        &self,
        system: &System,
        shop: &ShopId,
        (member, ledger): (&MemberId, &Ledger),
        wrong: &mut Vec<String>,
    ) -> Result<bool, CommandError> {
        let path = format!("/v1/members/{member}?shop={shop}&as_of={}", self.now);
        let Some(said) = system.find::<Value>(&path).await? else { return Ok(false) };
        let should = json!(http_api::standing::Standing::of(shop, member, self.versions.last(), ledger, self.now));
        for field in ["tier", "since", "valid_until", "progress", "requalify"] {
            let (said, should) = (said.get(field), should.get(field));
            if said != should {
                let text = |value: Option<&Value>| value.unwrap_or(&Value::Null).to_string();
                wrong.push(format!("{member}: `{field}` is {} and should be {}", text(said), text(should)));
            }
        }
        Ok(true)
    }

    /// Checks the results of the last midnight's sweep. It cannot have counted facts that were sent since.
    async fn sweep(
        &self,
        system: &System,
        shop: &ShopId,
        (midnight, is_told_since): (Instant, bool),
        wrong: &mut Vec<String>,
    ) -> Result<(), CommandError> {
        let said: Value = system.find(&of_shop("/v1/insight", Some(shop))).await?.unwrap_or_default();
        let as_of = said.get("as_of").and_then(Value::as_str).and_then(|at| Instant::parse(at).ok());
        if as_of.is_none_or(|as_of| as_of < midnight) {
            let last = as_of.map_or_else(|| "none".to_owned(), |as_of| as_of.to_string());
            wrong.push(format!("the sweep of {midnight} has not ended: the last is {last}"));
            return Ok(());
        }
        if is_told_since {
            return Ok(());
        }
        let mut should: BTreeMap<Option<&str>, u64> = BTreeMap::new();
        for (_, ledger) in self.members() {
            *should.entry(self.tier(ledger)).or_default() += 1;
        }
        for of in said.get("tiers").and_then(Value::as_array).into_iter().flatten() {
            let tier = of.get("tier").and_then(Value::as_str);
            let (counted, is) = (of.get("members").and_then(Value::as_u64), should.remove(&tier).unwrap_or(0));
            if counted != Some(is) {
                let counted = counted.unwrap_or_default();
                wrong.push(format!("the sweep found {counted} in {} and should {is}", tier.unwrap_or("no tier")));
            }
        }
        wrong.extend(should.iter().filter(|(_, members)| **members > 0).map(|(tier, members)| {
            format!("the sweep found none in {} and should {members}", tier.unwrap_or("no tier"))
        }));
        Ok(())
    }

    fn tier(&self, ledger: &Ledger) -> Option<&str> {
        let version = self.versions.last();
        let standing = evaluate(version, ledger, self.now);
        version.program.tier_id(standing.tier).map(rules::id::TierId::as_str)
    }
}

/// The record of a member.
#[derive(Debug)]
struct Record {
    /// The tier of the last announced change.
    tier: Option<String>,
    /// When a change was last recorded that was caused by a fact, rather than by a midnight.
    told_last: Option<Instant>,
}

impl Record {
    fn read(history: &Value) -> Self {
        let entries = history.get("entries").and_then(Value::as_array).into_iter().flatten();
        let changes = entries.filter(|entry| entry.get("type").is_some_and(|it| it == "tier.changed.v1"));
        let changes: Vec<&Value> = changes.filter_map(|entry| entry.get("detail")).collect();
        let last = changes.iter().max_by_key(|detail| detail.get("sequence").and_then(Value::as_u64));
        let tier = last.and_then(|detail| detail.pointer("/after/id")).and_then(Value::as_str).map(str::to_owned);
        let told = changes.iter().filter(|detail| detail.get("cause").is_some_and(|cause| cause == "imported"));
        let told = told.filter_map(|detail| Instant::parse(detail.get("recorded_at")?.as_str()?).ok());
        Self { tier, told_last: told.max() }
    }
}

/// The orders of a year, on January 2: those of a member who keeps Gold each year, of one who has it for this year
/// only, and of one whose Gold becomes Silver in the next year.
fn orders(year: i32) -> Vec<(Instant, Value)> {
    let Ok(at) = Instant::parse(&format!("{year}-01-02T12:00:00Z")) else { return Vec::new() };
    let before = year - 1;
    let each = [
        ("keeps".to_owned(), "600"),
        (format!("falls-{year}"), "600"),
        (format!("slips-{year}"), "600"),
        (format!("slips-{before}"), "150"),
    ];
    let event = |(who, total): (String, &str)| {
        let event = json!({ "type": "order.paid", "order_id": format!("canary-{year}-{who}"),
                            "member_id": format!("canary-{who}"), "occurred_at": at, "total": total,
                            "imported": true });
        (at, event)
    };
    each.into_iter().map(event).collect()
}
