//! The network between processes, which takes its time and loses things; and behind it tables, queues and the bus. Requests come
//! through the SDK's own transport: everything above it is the shipped code.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use embedded_dynamodb::{Answer, Decision, Intercept, Request};
use rules::calendar::Instant;
use serde_json::{Value, json};
use store::announce::PROGRAM_PUBLISHED;
use tokio::sync::Notify;

use super::abandoned::Abandoned;
use super::bug::{Bent, Bug};
use super::dice::Dice;
use super::fault::{Fault, Hits, Weather};
use super::process::{Life, Scale};
use super::queue::Queue;
use super::release::Releases;
use super::table::{At, LAG_MS, Tables, cancelled_for_first};

/// The role of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Ingests events.
    Ingest,
    /// Announces.
    Relay,
    /// Sweeps and ticks.
    Sweep,
    /// Answers API requests.
    Api,
    /// Answers the comparisons; without faults.
    ApiHarness,
    /// Looks and publishes; without faults.
    Operator,
}

/// A queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Line {
    /// Events to be ingested.
    Ingest,
    /// Segments of midnights.
    Rollover,
    /// Segments of new versions.
    Recalculation,
    /// Published versions, as the bus's rule delivers them.
    Published,
}

impl Line {
    /// All queues.
    pub const ALL: [Self; 4] = [Self::Ingest, Self::Rollover, Self::Recalculation, Self::Published];

    /// The URL that a client sends to.
    pub fn url(self) -> String {
        format!("http://queues.invalid/{self:?}")
    }
}

/// The URL of the queue for quarantined bodies.
pub const QUARANTINE: &str = "http://queues.invalid/Quarantine";

/// The longest time by which a request is carried out after its sender gave up.
const LATE_MS: u64 = 4_000;

/// More requests than any seed needs.
const REQUESTS_MAX: u64 = 40_000;

/// The state that outlives processes.
#[derive(Debug)]
pub struct State {
    /// The tables.
    pub tables: Tables,
    /// The queues.
    pub queues: BTreeMap<Line, Queue>,
    /// The events that the bus took, in order: the event's name, and its detail.
    pub announced: Vec<(String, String)>,
    /// The quarantined bodies, with their ids.
    pub quarantine: Vec<(String, String)>,
    /// The present chances of faults.
    pub weather: Weather,
    /// The faults that were injected.
    pub fault_counts: Hits,
    /// The random numbers.
    pub dice: Dice,
    /// The bug planted in the code, if any.
    pub bug: Option<Bug>,
    /// The number of requests.
    pub requests: u64,
    /// A digest of all requests in their order.
    pub digest: u64,
    /// Answers that a process with a planted bug remembers, by request.
    pub remembered: BTreeMap<String, Answer>,
    /// The weight of each message body: the number of its facts, or one if it has none.
    pub weights: BTreeMap<String, u64>,
    /// The keys of members that were stored when all clocks were ahead.
    pub met_ahead: BTreeSet<(String, String)>,
    /// Whether the worker of a sweep is to abandon a page.
    pub abandoned: Abandoned,
    /// The first invocation whose counts do not add up.
    pub miscounted: Option<String>,
}

/// The network.
#[derive(Debug)]
pub struct Network {
    state: Mutex<State>,
    base: i64,
    /// The lead of all clocks, in milliseconds.
    pub(super) ahead: AtomicI64,
    /// The sizes of partitions and pages.
    pub scale: Scale,
    /// The releases of the time zone database.
    pub releases: Releases,
    begun: OnceLock<tokio::time::Instant>,
    /// Notified when something is put into a queue or a stream.
    pub arrived: Notify,
}

impl Network {
    /// An empty network at an instant.
    pub fn new(base: i64, scale: Scale, releases: Releases, dice: Dice, bug: Option<Bug>) -> Self {
        let state = State {
            tables: Tables::default(),
            queues: Line::ALL.into_iter().map(|line| (line, Queue::default())).collect(),
            announced: Vec::new(),
            quarantine: Vec::new(),
            weather: Weather::CALM,
            fault_counts: Hits::default(),
            dice,
            bug,
            requests: 0,
            digest: 0,
            remembered: BTreeMap::new(),
            weights: BTreeMap::new(),
            met_ahead: BTreeSet::new(),
            abandoned: Abandoned::Never,
            miscounted: None,
        };
        let (begun, arrived, ahead) = (OnceLock::new(), Notify::new(), AtomicI64::new(0));
        Self { state: Mutex::new(state), base, ahead, scale, releases, begun, arrived }
    }

    /// The state. The guard must not be held while waiting.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The true time, in milliseconds since 1970, which no process knows.
    pub fn now(&self) -> i64 {
        let begun = *self.begun.get_or_init(tokio::time::Instant::now);
        self.base + i64::try_from(begun.elapsed().as_millis()).unwrap_or_default()
    }

    /// The true time.
    pub fn instant(&self) -> Instant {
        Instant::from_millis(self.now())
    }

    /// Puts a message into a queue.
    pub fn send(&self, line: Line, body: String, delay_ms: i64) {
        let now = self.now();
        if let Some(queue) = self.state().queues.get_mut(&line) {
            queue.send(body, now, now + delay_ms);
        }
        self.arrived.notify_waiters();
    }

    fn carry_out(&self, role: Role, operation: &str, input: &Value, plan: &Plan) -> Answer {
        let now = self.now();
        let mut state = self.state();
        let state = &mut *state;
        let before = (state.tables.changes.len(), state.queues.values().map(Queue::sent).sum::<u64>());
        let answer = match operation {
            "PutEvents" => state.put_events(role, input, plan.partial, now),
            "SendMessage" => state.send_message(input),
            "SendMessageBatch" => state.send_messages(input, now),
            _ => {
                let spread = i64::try_from(plan.back).unwrap_or_default();
                let is_behind = role == Role::Api && state.bug == Some(Bug::AnswersStale);
                let lag = if is_behind { LAG_MS } else { plan.lag };
                let at = At { now, lag, page: plan.page, spread };
                state.tables.carry_out(operation, input, at)
            }
        };
        let come = (state.tables.changes.len(), state.queues.values().map(Queue::sent).sum::<u64>());
        if come != before {
            self.arrived.notify_waiters();
        }
        answer
    }
}

impl State {
    /// Whether processes keep each other busy; then no request is answered any more.
    pub fn goes_on_for_ever(&self) -> bool {
        self.requests > REQUESTS_MAX
    }

    fn put_events(&mut self, role: Role, input: &Value, partial: bool, now: i64) -> Answer {
        let mut entries = Vec::new();
        let mut failed = 0;
        for entry in input["Entries"].as_array().into_iter().flatten() {
            let field = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
            if partial && self.dice.chance(500) {
                self.fault_counts.hit(Fault::PartialEvents);
                failed += 1;
                entries.push(json!({ "ErrorCode": "ThrottlingException", "ErrorMessage": "slow down" }));
                continue;
            }
            let (kind, detail) = (field("DetailType"), field("Detail"));
            entries.push(json!({ "EventId": self.announced.len().to_string() }));
            if partial && self.dice.chance(100) {
                self.fault_counts.hit(Fault::BusDuplicate);
                self.announced.push((kind.clone(), detail.clone()));
                if kind == PROGRAM_PUBLISHED {
                    self.bring_publication(&detail, now);
                }
            }
            if kind == PROGRAM_PUBLISHED {
                self.bring_publication(&detail, now);
            }
            self.announced.push((kind, detail));
        }
        if role == Role::Relay && self.bug == Some(Bug::FailuresOfTheBusIgnored) {
            entries.iter_mut().for_each(|entry| *entry = json!({ "EventId": "never" }));
            failed = 0;
        }
        reply(&json!({ "FailedEntryCount": failed, "Entries": entries }))
    }

    /// A rule delivers published versions to the function that opens their jobs. If one is lost, a tick opens its job.
    fn bring_publication(&mut self, detail: &str, now: i64) {
        if self.dice.chance(200) {
            self.fault_counts.hit(Fault::LostAnnouncement);
        } else if let Some(queue) = self.queues.get_mut(&Line::Published) {
            queue.send(detail.to_owned(), now, now);
        }
    }

    fn send_message(&mut self, input: &Value) -> Answer {
        let field = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        assert_eq!(input["QueueUrl"], QUARANTINE);
        if self.bug != Some(Bug::BodyLost) {
            let id = field(&input["MessageAttributes"]["id"]["StringValue"]);
            self.quarantine.push((id, field(&input["MessageBody"])));
        }
        reply(&json!({ "MessageId": "1" }))
    }

    fn send_messages(&mut self, input: &Value, now: i64) -> Answer {
        let url = input["QueueUrl"].as_str().unwrap_or_default();
        let line = Line::ALL.into_iter().find(|line| line.url() == url).unwrap_or_else(|| panic!("no queue at {url}"));
        let mut successful = Vec::new();
        for entry in input["Entries"].as_array().into_iter().flatten() {
            let delay = entry["DelaySeconds"].as_i64().unwrap_or_default() * 1_000;
            let body = entry["MessageBody"].as_str().unwrap_or_default();
            if let Some(queue) = self.queues.get_mut(&line) {
                queue.send(body.to_owned(), now, now + delay);
            }
            successful.push(json!({ "Id": entry["Id"], "MessageId": "1", "MD5OfMessageBody": "" }));
        }
        reply(&json!({ "Successful": successful, "Failed": [] }))
    }
}

fn reply(body: &Value) -> Answer {
    Answer::Reply { status: 200, body: body.to_string() }
}

/// The fate of a request.
#[derive(Debug, Default)]
struct Plan {
    there: u64,
    back: u64,
    /// The answer in place of the request.
    instead: Option<Answer>,
    lag: i64,
    page: usize,
    partial: bool,
    dies_before: bool,
    dies_after: bool,
    /// Carried out, but the answer is lost.
    lost: bool,
    /// Carried out, and then sent again by the client, which had no answer.
    again: bool,
    /// Carried out this many milliseconds after its sender gave up.
    late: Option<u64>,
}

/// The kind of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
    Announce,
    Send,
}

impl Kind {
    fn of(operation: &str) -> Self {
        match operation {
            "GetItem" | "BatchGetItem" | "Query" | "Scan" | "ListTables" => Self::Read,
            "PutEvents" => Self::Announce,
            "SendMessage" | "SendMessageBatch" => Self::Send,
            _ => Self::Write,
        }
    }
}

/// The connection of a process to everything else.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The network.
    pub network: Arc<Network>,
    /// The life of the process.
    pub life: Arc<Life>,
    /// The role of the process.
    pub role: Role,
}

impl Intercept for Connection {
    fn before<'a>(&'a self, request: &'a Request) -> Decision<'a> {
        Box::pin(async { Some(self.carry(request).await) })
    }
}

impl Connection {
    async fn carry(&self, request: &Request) -> Answer {
        if self.life.is_dead() || self.network.state().goes_on_for_ever() {
            return std::future::pending().await;
        }
        let operation = request.operation.as_str();
        let mut input: Value = serde_json::from_slice(&request.body).unwrap();
        if matches!(self.role, Role::ApiHarness | Role::Operator) {
            let plan = Plan { page: usize::MAX, ..Plan::default() };
            let answer = self.network.carry_out(self.role, operation, &input, &plan);
            let bug = self.network.state().bug;
            return bug.map_or(answer.clone(), |bug| bug.bend_answer(self, operation, &input, answer));
        }
        let plan = self.plan(request, &input);
        wait(plan.there).await;
        if plan.dies_before {
            return self.die().await;
        }
        if let Some(late) = plan.late {
            self.do_later(late, operation, input);
            return Answer::TimedOut;
        }
        if let Some(instead) = plan.instead {
            return instead;
        }
        let bug = self.network.state().bug;
        let bent = bug.map_or(Bent::Not, |bug| bug.bend(self, operation, &mut input, plan.lost));
        let left = if plan.partial && operation == "BatchGetItem" { self.leave_some(&mut input) } else { json!({}) };
        let answer = match bent {
            Bent::Not => self.network.carry_out(self.role, operation, &input, &plan),
            Bent::Answer(answer) => answer,
        };
        // A transaction has a token, by which the database recognizes it.
        let answer = if plan.again && operation != "TransactWriteItems" {
            wait(plan.there).await;
            self.network.carry_out(self.role, operation, &input, &plan)
        } else {
            answer
        };
        let answer = bug.map_or(answer.clone(), |bug| bug.bend_answer(self, operation, &input, answer));
        let answer = with_left(answer, left);
        wait(plan.back).await;
        let abandons = self.role == Role::Sweep && self.network.state().abandons(operation, &input);
        if plan.dies_after || abandons {
            return self.die().await;
        }
        if plan.lost { Answer::TimedOut } else { answer }
    }

    /// Carries out a request that was on its way for so long that its sender has given up.
    fn do_later(&self, late: u64, operation: &str, input: Value) {
        let (network, role, operation) = (Arc::clone(&self.network), self.role, operation.to_owned());
        tokio::spawn(async move {
            wait(late).await;
            network.carry_out(role, &operation, &input, &Plan::default());
        });
    }

    async fn die(&self) -> Answer {
        self.life.end();
        std::future::pending().await
    }

    /// Decides everything random about a request at once.
    fn plan(&self, request: &Request, input: &Value) -> Plan {
        let (operation, now) = (request.operation.as_str(), self.network.now());
        let mut state = self.network.state();
        let State { weather, fault_counts, dice, requests, digest, .. } = &mut *state;
        *requests += 1;
        let mut hasher = DefaultHasher::new();
        // The fields of a body may stand in any order; its length is always the same.
        (*digest, now, self.role, operation, request.body.len()).hash(&mut hasher);
        *digest = hasher.finish();
        let kind = Kind::of(operation);
        let mut plan = Plan { page: usize::MAX, ..Plan::default() };
        let slow = weather.slow;
        (plan.there, plan.back) = (1 + dice.below(slow + 1), dice.below(slow + 1));
        if *weather == (Weather { slow, ..Weather::CALM }) {
            return plan;
        }
        let crash = if self.role == Role::Sweep { 3 * weather.crash } else { weather.crash };
        if dice.chance(crash) {
            let after = dice.chance(500);
            (plan.dies_before, plan.dies_after) = (!after, after);
            fault_counts.hit(match (self.role, kind, after) {
                (Role::Sweep, ..) => Fault::CrashAtPage,
                (_, Kind::Read, false) => Fault::CrashBeforeRead,
                (_, Kind::Read, true) => Fault::CrashAfterRead,
                (Role::Relay, Kind::Announce, false) => Fault::CrashBeforeAnnouncing,
                (Role::Relay, ..) => Fault::CrashAfterAnnouncing,
                (_, _, false) => Fault::CrashBeforeWrite,
                (_, _, true) => Fault::CrashAfterCommit,
            });
            return plan;
        }
        if dice.chance(weather.throttled) {
            fault_counts.hit(Fault::Throttled);
            plan.instead = Some(throttled(operation, input));
        } else if dice.chance(weather.server_error) {
            fault_counts.hit(Fault::ServerError);
            plan.instead = Some(Answer::error(500, "InternalServerError", "it did not work"));
        } else if dice.chance(weather.lost) {
            let answer = if dice.chance(500) { Answer::TimedOut } else { Answer::Broken };
            let fault = match dice.below(4) {
                _ if kind == Kind::Read => Fault::ReadFailed,
                0 => Fault::AmbiguousApplied,
                1 => Fault::AmbiguousLost,
                2 => Fault::SentAgain,
                _ => Fault::LateWrite,
            };
            fault_counts.hit(fault);
            plan.lost = fault == Fault::AmbiguousApplied;
            plan.again = fault == Fault::SentAgain;
            plan.late = (fault == Fault::LateWrite).then(|| dice.below(LATE_MS));
            plan.instead = matches!(fault, Fault::ReadFailed | Fault::AmbiguousLost).then_some(answer);
        } else if operation == "TransactWriteItems" && dice.chance(weather.conflict) {
            fault_counts.hit(Fault::ConflictStorm);
            plan.instead = Some(cancelled_for_first(input, "TransactionConflict"));
        }
        if plan.instead.is_some() {
            return plan;
        }
        plan.partial = dice.chance(weather.partial);
        if operation == "Query" && dice.chance(weather.short) {
            plan.page = 1 + dice.place(3);
        }
        if kind == Kind::Read && dice.chance(weather.stale) {
            plan.lag = dice.between(1, LAG_MS);
            if input["ConsistentRead"] != true && operation != "BatchGetItem" {
                fault_counts.hit(Fault::StaleRead);
            }
        }
        if plan.page < usize::MAX {
            fault_counts.hit(Fault::ShortPage);
        }
        plan
    }

    /// Takes some keys out of a batch; returns those that are left for later.
    fn leave_some(&self, input: &mut Value) -> Value {
        let mut left = json!({});
        for (table, wanted) in input["RequestItems"].as_object_mut().into_iter().flatten() {
            let Some(keys) = wanted["Keys"].as_array_mut().filter(|keys| keys.len() > 1) else { continue };
            let mut state = self.network.state();
            let some = keys.split_off(1 + state.dice.place(keys.len() - 1));
            state.fault_counts.hit(Fault::PartialRead);
            left[table] = json!({ "Keys": some, "ConsistentRead": wanted["ConsistentRead"] });
        }
        left
    }
}

async fn wait(millis: u64) {
    if millis > 0 {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}

fn with_left(answer: Answer, left: Value) -> Answer {
    match answer {
        Answer::Reply { status: 200, body } if left.as_object().is_some_and(|left| !left.is_empty()) => {
            let mut body: Value = serde_json::from_str(&body).unwrap();
            body["UnprocessedKeys"] = left;
            reply(&body)
        }
        answer => answer,
    }
}

fn throttled(operation: &str, input: &Value) -> Answer {
    // Each item of a transaction has its own reason.
    if operation == "TransactWriteItems" { cancelled_for_first(input, "ThrottlingError") } else { Answer::throttled() }
}
