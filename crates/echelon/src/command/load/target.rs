//! The system into which events are loaded: `/events` of a served system, the API of a deployed one, or a store
//! directly.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::StatusCode;
use engine::ingest::{Counts, Ingest, Message, documents, native_document};
use engine::publishing::Listed;
use http_api::problem::Problem;
use local::client::{Client, RequestError};
use local::envelope::ITEM;
use local::time::Time;
use rules::calendar::Instant;
use rules::version::Versions;
use serde::Deserialize;
use serde_json::{Value, json};
use store::shop::ShopId;
use store::{only_shop, published, shops_in_words};
use uuid::Uuid;

use super::api::{self, Api, need_program};
use super::batch::Limits;
use super::checkpoint::{Before, SoFar};
use super::report::{By, Report};
use super::start::Start;
use crate::command::system::of_shop;
use crate::deployed::{self, Kept};
use crate::error::CommandError;
use crate::input::Lines;
use crate::location::StoreLocation;

/// An event of a line.
pub struct Event {
    /// The line number.
    pub line: usize,
    /// The event.
    pub value: Value,
    /// Its length in bytes.
    pub length: usize,
}

/// The system that receives the events.
pub enum Target {
    /// A served system.
    Served(Box<Served>),
    /// A deployed system, over its API.
    Api(Box<Api>),
    /// A store, through the ingestion in this process.
    Store(Box<DirectStore>),
}

/// A served system.
pub struct Served {
    client: Client,
    shop: Option<ShopId>,
    /// Its health before the load.
    before: Health,
    /// Whether it was restarted since the load began.
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

/// The health report of `echelon serve` for a caller that it does not know.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "that it says so is enough")]
struct Strangers {
    status: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Health {
    /// The start of the process; a system of an older release does not report it.
    started_at: Option<Instant>,
    waiting: u64,
    taken_in: Counts,
}

/// The versions of a program, as the API returns them.
#[derive(Debug, Deserialize)]
struct Published {
    programs: Vec<Listed>,
}

/// The number of events that are sent together, unless the target has another limit.
const TOGETHER: usize = 500;
/// The bytes that are sent together: half of what a served system takes.
const BYTES_MAX: usize = 8 * 1024 * 1024;
/// The number of tries of an operation that may conflict with others. The pause doubles each time.
pub const TRIES: u32 = 9;
pub const PAUSE: Duration = Duration::from_millis(100);
/// The interval at which a served system is asked for its progress.
const LOOK: Duration = Duration::from_millis(200);
/// The number of looks without progress after which the command stops waiting.
const STUCK_AFTER: u32 = 300;
/// The number of quarantined events that are named; the report counts all.
pub const NAMED_MAX: u64 = 20;

impl Target {
    /// The system at a URL: `echelon serve` answers `/health`, a deployed API does not.
    ///
    /// # Errors
    /// If there is no system.
    pub async fn over(client: Client, shop: Option<ShopId>) -> Result<Self, CommandError> {
        let (status, body) = client.get("/health").await.map_err(|RequestError(what)| {
            CommandError::input(format!("{what}\n       start it with `echelon serve`, or name a store with --data"))
        })?;
        if let Ok(before) = serde_json::from_slice(&body) {
            need_program(&client, shop.as_ref()).await?;
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

    /// A store. A deployed one has a queue for events that can never succeed.
    ///
    /// # Errors
    /// If it cannot be opened, or the shop is not clear.
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
        let Some(versions) = store.versions(&shop).await.map_err(CommandError::input)? else {
            let known = store.shops().await.map_err(CommandError::input)?;
            let known = shops_in_words(&known).map_or_else(String::new, |known| format!("; {known}"));
            let remedy = format!("name another --shop, or publish one: echelon publish --program FILE --shop {shop}");
            return Err(CommandError::input(format!(
                "{}: shop `{shop}` has published no program{known}; {remedy}",
                place.name()
            )));
        };
        let within = place.tables.as_ref().map_or(&place.prefix, |tables| &tables.ledger);
        let name = format!("{} {within} {shop}", place.name());
        Ok(Self::Store(Box::new(DirectStore { ingest, shop, time, name, versions })))
    }

    /// The name of the system, by which a later run recognizes it.
    pub fn name(&self) -> String {
        match self {
            Self::Served(served) => system_of(&served.client, served.shop.as_ref()),
            Self::Api(api) => api.name(),
            Self::Store(straight) => straight.name.clone(),
        }
    }

    /// The start of the program; none if that is not known.
    pub async fn start(&self) -> Option<Start> {
        let now = Time::default().now();
        match self {
            Self::Served(served) => start(&served.client, served.shop.as_ref(), now).await,
            Self::Api(api) => start(api.client(), api.shop(), now).await,
            Self::Store(straight) => Some(Start::of(&straight.versions, straight.time.now())),
        }
    }

    /// Continues with the counts of a served system before the first line, if they were stored.
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

    /// Sends events, and returns when they are on disk.
    ///
    /// # Errors
    /// Names the line that cannot be accepted, or says that the system accepts nothing any more.
    pub async fn send(&self, lines: &Lines, events: Vec<Event>, report: &mut Report) -> Result<(), CommandError> {
        match self {
            Self::Served(served) => served.send(lines, &events).await,
            Self::Api(api) => api.send(lines, events, report).await,
            Self::Store(straight) => straight.send(lines, &events, report).await,
        }
    }

    /// Waits until everything is ingested, if it is not yet.
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

    /// The most that is sent together.
    pub fn limits(&self) -> Limits {
        match self {
            Self::Served(_) | Self::Store(_) => Limits { events: TOGETHER, bytes: BYTES_MAX },
            Self::Api(_) => api::LIMITS,
        }
    }
}

impl Served {
    async fn send(&self, lines: &Lines, events: &[Event]) -> Result<(), CommandError> {
        let body: Vec<String> = events.iter().map(|event| event.value.to_string()).collect();
        let body = axum::body::Bytes::from(body.join("\n"));
        // A request that is sent again under the same key is accepted once, whether or not the first try was.
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
            // A restarted system counts from zero, and its counts from before are lost.
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

/// The name of the system and the shop that events go into. Another shop counts as another system.
pub(super) fn system_of(client: &Client, shop: Option<&ShopId>) -> String {
    let whose = shop.map(ToString::to_string).or_else(|| client.on_behalf_of());
    whose.map_or_else(|| client.url().to_owned(), |whose| format!("{} {whose}", client.url()))
}

/// The start of the program of a system that returns its versions. If they cannot be decoded, that says nothing about
/// the events.
async fn start(client: &Client, shop: Option<&ShopId>, now: Instant) -> Option<Start> {
    let (status, body) = client.get(&of_shop("/v1/program/versions", shop)).await.ok()?;
    let told: Published = serde_json::from_slice(&body).ok().filter(|_| status.is_success())?;
    let told = told.programs.into_iter().filter(|one| one.withdrawn.is_none());
    let events = told.map(|one| {
        let Listed { effective_at, program, options, .. } = one;
        json!({ "type": "program.published", "occurred_at": effective_at, "program": program, "options": options })
    });
    published(events, crate::zones()).ok()?.as_ref().map(|versions| Start::of(versions, now))
}

/// The progress of a served system. The request is repeated if there is no answer, since everything is on disk there
/// and one lost answer means nothing.
async fn health(client: &Client) -> Result<Health, CommandError> {
    let mut pause = PAUSE;
    for last in (0..TRIES).rev() {
        let why = match client.get("/health").await {
            Ok((status, body)) => match serde_json::from_slice(&body) {
                Ok(health) => return Ok(health),
                // The system answers, and would answer the same again.
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
    let remedy = "all of it is accepted, but the results did not arrive: the same command asks again";
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

/// The counts since then.
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
        still_cancelled: less(|it| it.still_cancelled),
        conflicts: less(|it| it.conflicts),
    }
}

impl DirectStore {
    async fn send(&self, lines: &Lines, events: &[Event], report: &mut Report) -> Result<(), CommandError> {
        let now = self.time.now();
        let message = |document: &[Event]| {
            let first = document.first()?;
            let body = native_document(&self.shop, document.iter().map(|event| &event.value), now);
            Some(Message { id: first.line.to_string(), body, sent_at: None })
        };
        let messages = documents(events, |event| (&event.value, event.length)).into_iter().filter_map(message);
        let mut waiting: BTreeMap<String, Message> =
            messages.map(|message| (format!("{:>12}", message.id), message)).collect();
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
