//! Loading over an HTTP API, as into a deployed system. The API returns a result for each fact.

use axum::body::Bytes;
use axum::http::StatusCode;
use http_api::facts::Became;
use http_api::path::segment;
use http_api::problem::{Place, Problem};
use local::client::{Client, RequestError};
use rules::id::MemberId;
use serde::Deserialize;
use serde_json::Value;
use store::records::Reason;
use store::shop::ShopId;

use super::batch::Limits;
use super::report::Report;
use super::target::system_of;
use super::target::{Event, NAMED_MAX, PAUSE, TRIES};
use crate::command::system::{of_shop, refused};
use crate::error::CommandError;
use crate::input::Lines;

/// The maximum number of facts in a request.
const TOGETHER: usize = 100;
/// The maximum size of the facts in a request: 1 MiB, less some room for the brackets and commas around them.
const BYTES_MAX: usize = 1024 * 1024 - 1024;
/// The same of a batch.
pub const LIMITS: Limits = Limits { events: TOGETHER, bytes: BYTES_MAX };

/// A system that receives facts over its API.
pub struct Api {
    client: Client,
    shop: Option<ShopId>,
}

/// The results of facts, as `POST /v1/facts` returns them. Unknown fields of a newer release are ignored.
#[derive(Debug, Deserialize)]
struct Results {
    results: Vec<OneResult>,
}

/// The result of a fact.
#[derive(Debug, Deserialize)]
struct OneResult {
    status: Became,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    remedy: String,
    #[serde(default)]
    problems: Vec<Place>,
    #[serde(default)]
    not_counted: Option<NotCounted>,
}

/// Why a stored fact counts for nothing yet.
#[derive(Debug, Deserialize)]
struct NotCounted {
    code: String,
}

/// An event that is not stored yet, as far as is known.
struct Pending {
    event: Event,
    /// Whether it was sent before without an answer. Then it may be stored, and be a duplicate only for that reason.
    is_unanswered: bool,
}

/// The outcome of a request.
enum Once<T> {
    /// The answer.
    Answered(T),
    /// No answer, and it was not carried out.
    NotDone(String),
    /// No answer, and it may have been carried out.
    Unknown(String),
}

impl Api {
    /// The API of a deployed system, whose shop has a program.
    ///
    /// # Errors
    /// If the system does not answer as such an API.
    pub async fn open(client: Client, shop: Option<ShopId>) -> Result<Self, CommandError> {
        need_program(&client, shop.as_ref()).await?;
        Ok(Self { client, shop })
    }

    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The named shop.
    pub fn shop(&self) -> Option<&ShopId> {
        self.shop.as_ref()
    }

    /// The name of the system, by which a later run recognizes it.
    pub fn name(&self) -> String {
        system_of(&self.client, self.shop.as_ref())
    }

    /// Sends events, and returns when each is stored or refused.
    ///
    /// # Errors
    /// Names the line that is not accepted, or says that the system accepts nothing any more.
    pub async fn send(&self, lines: &Lines, events: Vec<Event>, report: &mut Report) -> Result<(), CommandError> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        for event in events {
            let size = event.length + 1;
            let is_erasure = is_erasure(&event);
            if is_erasure || batch.len() == TOGETHER || bytes + size > BYTES_MAX {
                self.tell(lines, std::mem::take(&mut batch), report).await?;
                bytes = 0;
            }
            if is_erasure {
                self.erase(lines, &event, report).await?;
            } else {
                bytes += size;
                batch.push(event);
            }
        }
        self.tell(lines, batch, report).await
    }

    /// Sends facts until each is stored or refused.
    async fn tell(&self, lines: &Lines, events: Vec<Event>, report: &mut Report) -> Result<(), CommandError> {
        let pending = |event| Pending { event, is_unanswered: false };
        let mut waiting: Vec<Pending> = events.into_iter().map(pending).collect();
        let (mut pause, mut why) = (PAUSE, String::new());
        for _ in 0..TRIES {
            let Some(first) = waiting.first() else { return Ok(()) };
            let first = first.event.line;
            match self.told(lines, &waiting).await? {
                Once::Answered(results) => {
                    let (left, what) = settle(lines, waiting, results, report);
                    waiting = left;
                    if waiting.is_empty() {
                        return Ok(());
                    }
                    why = what;
                }
                Once::NotDone(what) => why = format!("{}:{first}: {what}", lines.name()),
                Once::Unknown(what) => {
                    waiting.iter_mut().for_each(|one| one.is_unanswered = true);
                    why = format!("{}:{first}: {what}", lines.name());
                }
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        if waiting.is_empty() { Ok(()) } else { Err(CommandError::input(why)) }
    }

    async fn told(&self, lines: &Lines, waiting: &[Pending]) -> Result<Once<Vec<OneResult>>, CommandError> {
        let facts: Vec<String> = waiting.iter().map(|one| one.event.value.to_string()).collect();
        let body = format!("[{}]", facts.join(","));
        let asked = self.client.post(&of_shop("/v1/facts", self.shop.as_ref()), body, &[]).await;
        let line = |place: usize| waiting.get(place).map(|one| one.event.line);
        Ok(match self.once(lines, line, asked)? {
            Once::Answered(body) => {
                let told = serde_json::from_slice::<Results>(&body).ok();
                let told = told.filter(|told| told.results.len() == waiting.len());
                // A proxy in between may have replaced the answer with its own.
                let unknown = || Once::Unknown(format!("{}: gives an unknown answer", self.client.url()));
                told.map_or_else(unknown, |told| Once::Answered(told.results))
            }
            Once::NotDone(why) => Once::NotDone(why),
            Once::Unknown(why) => Once::Unknown(why),
        })
    }

    /// Erases a member, which sending a fact does not do.
    async fn erase(&self, lines: &Lines, event: &Event, report: &mut Report) -> Result<(), CommandError> {
        let place = format!("{}:{}", lines.name(), event.line);
        let member = event.value.get("member_id").and_then(Value::as_str).unwrap_or_default();
        let member =
            MemberId::new(member).map_err(|error| CommandError::input(format!("{place}: member_id: {error}")))?;
        let path = of_shop(&format!("/v1/members/{}", segment(&member)), self.shop.as_ref());
        let (mut pause, mut why) = (PAUSE, String::new());
        for _ in 0..TRIES {
            // An erasure is idempotent.
            match self.once(lines, |_| Some(event.line), self.client.delete(&path).await)? {
                Once::Answered(_) => {
                    report.erased += 1;
                    return Ok(());
                }
                Once::NotDone(what) | Once::Unknown(what) => why = what,
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Err(CommandError::input(format!("{place}: {why}")))
    }

    /// Interprets an answer, or the lack of one. `line` returns the line of the fact at a place.
    fn once(
        &self,
        lines: &Lines,
        line: impl Fn(usize) -> Option<usize>,
        asked: Result<(StatusCode, Bytes), RequestError>,
    ) -> Result<Once<Bytes>, CommandError> {
        let (status, body) = match asked {
            Ok(answer) => answer,
            Err(RequestError(what)) => return Ok(Once::Unknown(what)),
        };
        let said = format!("{}: answers {status}", self.client.url());
        if status.is_success() {
            return Ok(Once::Answered(body));
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Ok(Once::NotDone(said));
        }
        if !status.is_client_error() {
            // A gateway may give up while the function continues, and a write without an answer may have been carried
            // out.
            let detail = serde_json::from_slice::<Problem>(&body).map(|problem| format!(": {}", problem.detail));
            return Ok(Once::Unknown(said + &detail.unwrap_or_default()));
        }
        let Ok(problem) = serde_json::from_slice::<Problem>(&body) else { return Err(CommandError::input(said)) };
        let named = problem.problems.iter().find_map(|place| line(index(&place.path)?)).or_else(|| line(0));
        let named = named.map(|line| format!(":{line}")).unwrap_or_default();
        Err(CommandError::input(format!("{}{named}: {}", lines.name(), refused(self.client.url(), &problem))))
    }
}

/// Asks whether the shop has a program: without one, every event would be quarantined or refused.
///
/// # Errors
/// If it has none, or the system does not answer as one of Echelon's.
pub async fn need_program(client: &Client, shop: Option<&ShopId>) -> Result<(), CommandError> {
    let asked = client.get(&of_shop("/v1/program", shop)).await;
    let (status, body) = asked.map_err(|RequestError(what)| CommandError::input(what))?;
    if status.is_success() {
        return Ok(());
    }
    let url = client.url();
    Err(match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => refused(url, &problem),
        Err(_) => CommandError::input(format!("{url}: {status}: neither `echelon serve` nor an API of Echelon's")),
    })
}

/// Counts the results of facts. Returns those that failed for now, and the reason of the first.
fn settle(
    lines: &Lines,
    waiting: Vec<Pending>,
    results: Vec<OneResult>,
    report: &mut Report,
) -> (Vec<Pending>, String) {
    let (mut left, mut why) = (Vec::new(), String::new());
    for (one, became) in waiting.into_iter().zip(results) {
        let counts = &mut report.counts;
        match became.status {
            Became::Applied => {
                counts.applied += 1;
                let is_cancelled = became.not_counted.is_some_and(|why| why.code == engine::ingest::CANCELLED);
                counts.still_cancelled += u64::from(is_cancelled);
            }
            // The fact may have been new the first time, but that answer is lost.
            Became::Duplicate if one.is_unanswered => report.unanswered += 1,
            Became::Duplicate => counts.duplicates += 1,
            Became::Superseded => counts.superseded += 1,
            Became::MemberErased => counts.member_erased += 1,
            Became::Invalid | Became::Refused => refuse(lines, one.event.line, &became, report),
            Became::Failed => {
                if left.is_empty() {
                    why = format!("{}:{}: {}", lines.name(), one.event.line, became.detail);
                }
                // This failure says nothing about an earlier try without an answer.
                left.push(one);
            }
        }
    }
    (left, why)
}

fn refuse(lines: &Lines, line: usize, became: &OneResult, report: &mut Report) {
    let reason = match became.status {
        Became::Invalid => Some(Reason::Invalid),
        Became::Applied
        | Became::Duplicate
        | Became::Superseded
        | Became::MemberErased
        | Became::Refused
        | Became::Failed => Reason::named(&became.detail),
    };
    if let Some(reason) = reason {
        *report.reasons.entry(reason).or_default() += 1;
    }
    report.refused += 1;
    if report.refused <= NAMED_MAX {
        let OneResult { detail, remedy, problems, .. } = became;
        let places: String = problems.iter().map(|at| format!("\n       {}: {}", at.path, at.message)).collect();
        lines.note(&format!("refused {}:{line}: {detail}; {remedy}{places}", lines.name()));
    }
}

/// Whether the event asks for a member's erasure.
fn is_erasure(event: &Event) -> bool {
    event.value.get("type").and_then(Value::as_str) == Some("customer.erased")
}

/// The place of a fact in a list, from a path such as `$[2].total`.
fn index(path: &str) -> Option<usize> {
    path.strip_prefix("$[")?.split(']').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_may_be_in_since_a_lost_answer_is_no_duplicate_though_a_try_between_failed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (lines, mut report) = (Lines::open(file.path()).unwrap(), Report::default());
        let pending =
            |line, is_unanswered| Pending { event: Event { line, value: json!({}), length: 2 }, is_unanswered };
        let became = |status| OneResult {
            status,
            detail: "busy".to_owned(),
            remedy: String::new(),
            problems: Vec::new(),
            not_counted: None,
        };
        let all = |status| vec![became(status), became(status)];
        // The first one was sent before without an answer, the second was not.
        let waiting = vec![pending(1, true), pending(2, false)];
        let (left, why) = settle(&lines, waiting, all(Became::Failed), &mut report);
        assert!(left.len() == 2 && why.ends_with(":1: busy"), "{why}");
        let (left, _) = settle(&lines, left, all(Became::Duplicate), &mut report);
        assert_eq!((left.len(), report.unanswered, report.counts.duplicates), (0, 1, 1));
    }
}
