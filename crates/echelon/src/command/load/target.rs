//! Into which system it goes: to `/events` of a served one, over the API of a deployed one, or straight into a store.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::StatusCode;
use engine::ingest::{Counts, Ingest, Message, native};
use engine::publishing::Listed;
use http_api::problem::Problem;
use local::client::{Client, RequestError};
use local::envelope::ITEM;
use local::time::Time;
use rules::calendar::Instant;
use rules::version::{Version, Versions};
use serde::Deserialize;
use serde_json::{Value, json};
use store::shop::ShopId;
use store::{only_shop, published};
use uuid::Uuid;

use super::api::{self, Api};
use super::checkpoint::{Before, SoFar};
use super::report::{By, Report};
use crate::command::system::of_shop;
use crate::deployed::{self, Kept};
use crate::error::CommandError;
use crate::input::Lines;
use crate::location::StoreLocation;

/// An event of a line.
pub struct Event {
    /// The line.
    pub line: usize,
    /// What it says.
    pub value: Value,
}

/// The system that takes events.
pub enum Target {
    /// One that is served.
    Served(Box<Served>),
    /// One that is deployed, over its API.
    Api(Box<Api>),
    /// A store, through the ingest itself.
    Store(Box<DirectStore>),
}

/// A served system.
pub struct Served {
    client: Client,
    shop: Option<ShopId>,
    /// What it had taken in before.
    before: Health,
    /// Whether it was started again since the load began.
    restarted: bool,
}

/// A store.
pub struct DirectStore {
    ingest: Ingest<Kept>,
    shop: ShopId,
    time: Time,
    name: String,
    versions: Versions,
}

/// What `echelon serve` says of itself to whom it does not know.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "that it says so is enough")]
struct Strangers {
    status: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Health {
    /// One that is older does not say.
    started_at: Option<Instant>,
    waiting: u64,
    taken_in: Counts,
}

/// The versions of a program, as they are told.
#[derive(Debug, Deserialize)]
struct Published {
    programs: Vec<Listed>,
}

/// So many events go together where nothing else is said.
const TOGETHER: usize = 500;
/// How often something is tried that others may be in the way of; the pause doubles each time.
pub const TRIES: u32 = 9;
pub const PAUSE: Duration = Duration::from_millis(100);
/// How often a served system is asked how far it is.
const LOOK: Duration = Duration::from_millis(200);
/// A system that has got no further for so long is not waited for.
const STUCK_AFTER: u32 = 300;
/// So many of the events that were quarantined are named; the report counts all.
pub const NAMED_MAX: u64 = 20;

impl Target {
    /// Of a system at a URL: `echelon serve` answers `/health`, a deployed API does not.
    ///
    /// # Errors
    /// If there is none.
    pub async fn over(client: Client, shop: Option<ShopId>) -> Result<Self, CommandError> {
        let (status, body) = client.get("/health").await.map_err(|RequestError(what)| {
            CommandError::input(format!("{what}\n       start it with `echelon serve`, or name a store with --data"))
        })?;
        if let Ok(before) = serde_json::from_slice(&body) {
            return Ok(Self::Served(Box::new(Served { client, shop, before, restarted: false })));
        }
        if serde_json::from_slice::<Strangers>(&body).is_ok() {
            let remedy = "name one of its tokens with --token, or ECHELON_TOKEN; with --open it asks for none: unset ECHELON_TOKEN";
            return Err(CommandError::input(format!(
                "{}: does not take the token, or was given none; {remedy}",
                client.url()
            )));
        }
        match status {
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => Ok(Self::Api(Box::new(Api::open(client, shop).await?))),
            _ => Err(CommandError::input(format!("{}: answers {status}, as `echelon serve` never does", client.url()))),
        }
    }

    /// Of a store; a deployed one has a queue for what can never succeed.
    ///
    /// # Errors
    /// If it cannot be opened, or it is not clear whose history it is.
    pub async fn store(
        place: &StoreLocation,
        quarantine: Option<&str>,
        shop: Option<ShopId>,
    ) -> Result<Self, CommandError> {
        let time = Time::default();
        let (store, ingest) = deployed::ingest(place, quarantine, time.clock()).await?;
        let shop = match shop {
            Some(shop) => shop,
            None => only_shop(&store).await.map_err(CommandError::input)?.ok_or_else(|| {
                CommandError::input("--shop: it does not have just one shop; name the one whose history this is")
            })?,
        };
        let versions = store.versions(&shop).await.map_err(CommandError::input)?.ok_or_else(|| {
            let remedy = format!("put it in force: echelon publish --program FILE --shop {shop}");
            CommandError::input(format!("{}: shop `{shop}` has no program; {remedy}", place.name()))
        })?;
        let within = place.tables.as_ref().map_or(&place.prefix, |tables| &tables.ledger);
        let name = format!("{} {within} {shop}", place.name());
        Ok(Self::Store(Box::new(DirectStore { ingest, shop, time, name, versions })))
    }

    /// Which system, for who goes on later.
    pub fn name(&self) -> String {
        match self {
            Self::Served(served) => system_of(&served.client, served.shop.as_ref()),
            Self::Api(api) => api.name(),
            Self::Store(straight) => straight.name.clone(),
        }
    }

    /// When the first day begins whose facts may count, by whatever version; none if that cannot be told.
    pub async fn starts_at(&self) -> Option<Instant> {
        match self {
            Self::Served(served) => starts_at(&served.client, served.shop.as_ref()).await,
            Self::Api(api) => starts_at(api.client(), api.shop()).await,
            Self::Store(straight) => Some(first_start(&straight.versions)),
        }
    }

    /// Goes on with what a served system had taken in before the first line, if that was kept.
    pub fn begin(&mut self, so_far: &mut SoFar) {
        let Self::Served(served) = self else { return };
        let before = so_far.before;
        let now = Before { started_at: served.before.started_at, taken_in: served.before.taken_in };
        let counts_on = before.is_none_or(|before| before.started_at == now.started_at);
        so_far.restarted |= !counts_on;
        served.restarted = so_far.restarted;
        let before = before.filter(|_| counts_on).unwrap_or(now);
        served.before.taken_in = before.taken_in;
        so_far.before = Some(before);
    }

    /// Tells events, and does not return before they are on disk.
    ///
    /// # Errors
    /// Names the line that cannot be taken, or says that the system takes nothing any more.
    pub async fn send(&self, lines: &Lines, events: Vec<Event>, report: &mut Report) -> Result<(), CommandError> {
        match self {
            Self::Served(served) => served.send(lines, &events).await,
            Self::Api(api) => api.send(lines, events, report).await,
            Self::Store(straight) => straight.send(lines, &events, report).await,
        }
    }

    /// Waits until all of it is taken in, where that is not so already.
    ///
    /// # Errors
    /// If the system does not answer any more.
    pub async fn settle(&self, report: &mut Report) -> Result<(), CommandError> {
        match self {
            Self::Served(served) => served.settle(report).await,
            Self::Api(_) => {
                report.by = By::Api;
                Ok(())
            }
            Self::Store(_) => Ok(()),
        }
    }

    /// So many events are told together.
    pub fn together(&self) -> usize {
        match self {
            Self::Served(_) | Self::Store(_) => TOGETHER,
            Self::Api(_) => api::TOGETHER,
        }
    }
}

impl Served {
    async fn send(&self, lines: &Lines, events: &[Event]) -> Result<(), CommandError> {
        let body: Vec<String> = events.iter().map(|event| event.value.to_string()).collect();
        let body = axum::body::Bytes::from(body.join("\n"));
        // Sent again under the same key, it is taken once, whether or not the first try was.
        let key = Uuid::now_v7().to_string();
        let shop = self.shop.as_ref().map(|shop| ("X-Echelon-Shop", shop.as_str()));
        let headers: Vec<_> = shop.into_iter().chain([("Idempotency-Key", key.as_str())]).collect();
        let mut pause = PAUSE;
        let mut why = String::new();
        for _ in 0..TRIES {
            match self.client.post("/events", body.clone(), &headers).await {
                Ok((status, _)) if status.is_success() => return Ok(()),
                Ok((status, body)) if status.is_client_error() => return Err(refused(lines, events, &body)),
                Ok((status, _)) => why = format!("{}: answers {status}", self.client.url()),
                Err(RequestError(what)) => why = what,
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Err(CommandError::input(why))
    }

    async fn settle(&self, report: &mut Report) -> Result<(), CommandError> {
        let (mut last, mut looked) = (u64::MAX, 0);
        loop {
            let now = health(&self.client).await?;
            // One that was started again counts from nothing: what it counted before is not known any more.
            let is_another = now.started_at != self.before.started_at;
            report.restarted = self.restarted || is_another;
            report.counts = if is_another { now.taken_in } else { since(&self.before.taken_in, &now.taken_in) };
            report.by = By::Served;
            if now.waiting == 0 {
                return Ok(());
            }
            looked = if now.waiting == last { looked + 1 } else { 0 };
            last = now.waiting;
            if looked >= STUCK_AFTER {
                report.waiting = now.waiting;
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Which system events go into, and into which shop of it: another shop is another system.
pub(super) fn system_of(client: &Client, shop: Option<&ShopId>) -> String {
    let whose = shop.map(ToString::to_string).or_else(|| client.on_behalf_of());
    whose.map_or_else(|| client.url().to_owned(), |whose| format!("{} {whose}", client.url()))
}

/// Of a system that tells its versions. That they do not read says nothing of events.
async fn starts_at(client: &Client, shop: Option<&ShopId>) -> Option<Instant> {
    let (status, body) = client.get(&of_shop("/v1/program/versions", shop)).await.ok()?;
    let told: Published = serde_json::from_slice(&body).ok().filter(|_| status.is_success())?;
    let told = told.programs.into_iter().filter(|one| one.withdrawn.is_none());
    let events = told.map(|one| {
        let Listed { effective_at, program, options, .. } = one;
        json!({ "type": "program.published", "occurred_at": effective_at, "program": program, "options": options })
    });
    published(events, crate::zones()).ok()?.as_ref().map(first_start)
}

fn first_start(versions: &Versions) -> Instant {
    let midnight = |version: &Version| version.program.timezone.midnight(version.effective_start);
    versions.iter().map(midnight).min().unwrap_or_else(|| midnight(versions.first_of_all()))
}

/// How far a served system is; asked again where there is no answer, for all is on disk there and one answer says nothing.
async fn health(client: &Client) -> Result<Health, CommandError> {
    let mut pause = PAUSE;
    for last in (0..TRIES).rev() {
        let why = match client.get("/health").await {
            Ok((status, body)) => match serde_json::from_slice(&body) {
                Ok(health) => return Ok(health),
                // It answers, and will answer the same again.
                Err(_) if status.is_client_error() || serde_json::from_slice::<Strangers>(&body).is_ok() => {
                    return Err(untold(&format!("{}: does not take the token any more", client.url())));
                }
                Err(_) => format!("{}: answers {status}", client.url()),
            },
            Err(RequestError(what)) => what,
        };
        if last == 0 {
            return Err(untold(&why));
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    Err(untold(client.url()))
}

fn untold(why: &str) -> CommandError {
    let remedy = "all of it is accepted, and what becomes of it was not told: the same command asks again";
    CommandError::input(format!("{why}\n       {remedy}"))
}

fn refused(lines: &Lines, events: &[Event], body: &[u8]) -> CommandError {
    let Ok(Problem { detail, remedy, problems, .. }) = serde_json::from_slice(body) else {
        return CommandError::input(String::from_utf8_lossy(body));
    };
    let item = problems.iter().find_map(|place| place.path.strip_prefix(ITEM)?.parse::<usize>().ok());
    let line = item.and_then(|item| events.get(item.checked_sub(1)?)).map(|event| event.line);
    match line {
        Some(line) => CommandError::input(format!("{}:{line}: {detail}; {remedy}", lines.name())),
        None => CommandError::input(format!("{}: {detail}; {remedy}", lines.name())),
    }
}

/// What was counted since.
fn since(before: &Counts, now: &Counts) -> Counts {
    let less = |of: fn(&Counts) -> u64| of(now).saturating_sub(of(before));
    Counts {
        events: less(|it| it.events),
        done: less(|it| it.done),
        ignored: less(|it| it.ignored),
        quarantined: less(|it| it.quarantined),
        applied: less(|it| it.applied),
        duplicates: less(|it| it.duplicates),
        superseded: less(|it| it.superseded),
        member_erased: less(|it| it.member_erased),
        transitions: less(|it| it.transitions),
        rewards: less(|it| it.rewards),
        conflicts: less(|it| it.conflicts),
    }
}

impl DirectStore {
    async fn send(&self, lines: &Lines, events: &[Event], report: &mut Report) -> Result<(), CommandError> {
        let now = self.time.now();
        let message = |event: &Event| Message {
            id: event.line.to_string(),
            body: native(&self.shop, &event.value, now),
            sent_at: None,
        };
        let mut waiting: BTreeMap<String, Message> =
            events.iter().map(message).map(|message| (format!("{:>12}", message.id), message)).collect();
        let mut pause = PAUSE;
        for attempt in 1.. {
            let messages: Vec<Message> = waiting.values().cloned().collect();
            let taken = self.ingest.handle(&messages).await;
            report.counts.add(&taken.counts);
            for (line, quarantined) in &taken.quarantined {
                let count = report.reasons.entry(quarantined.reason).or_default();
                *count += 1;
                if *count <= NAMED_MAX {
                    let (reason, paths) = (quarantined.reason.code(), quarantined.paths.join(", "));
                    lines.note(&format!("quarantined {}:{line}: {reason} {paths}", lines.name()));
                }
            }
            waiting.retain(|_, message| taken.failed.contains(&message.id));
            let Some(first) = waiting.values().next() else { return Ok(()) };
            if attempt == TRIES {
                let why = taken.failure.unwrap_or_default();
                return Err(CommandError::input(format!("{}:{}: {why}", lines.name(), first.id)));
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Ok(())
    }
}
