//! Into a system whose HTTP API is all that is asked of it: a deployed one. It says of each fact what became of it.

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

use super::report::Report;
use super::target::system_of;
use super::target::{Event, NAMED_MAX, PAUSE, TRIES};
use crate::command::system::{of_shop, refused};
use crate::error::CommandError;
use crate::input::Lines;

/// It takes so many facts at once.
pub const TOGETHER: usize = 100;
/// And bodies of 1 MiB; the brackets and commas around facts are small.
const BYTES_MAX: usize = 1024 * 1024 - 1024;

/// A system that is told facts over its API.
pub struct Api {
    client: Client,
    shop: Option<ShopId>,
}

/// What became of facts, as `POST /v1/facts` answers; what a newer one says besides is passed over.
#[derive(Debug, Deserialize)]
struct Results {
    results: Vec<OneResult>,
}

/// What became of one.
#[derive(Debug, Deserialize)]
struct OneResult {
    status: Became,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    remedy: String,
    #[serde(default)]
    problems: Vec<Place>,
}

/// An event that is not in yet, as far as is known.
struct Pending {
    event: Event,
    /// Whether it was sent before without an answer: then it may be in, and known for that alone.
    is_unanswered: bool,
}

/// What came of asking once.
enum Once<T> {
    /// An answer.
    Answered(T),
    /// None, and it was not done.
    NotDone(String),
    /// None, and it may be done.
    Unknown(String),
}

impl Api {
    /// Of a deployed system, whose shop has a program.
    ///
    /// # Errors
    /// If it does not answer so.
    pub async fn open(client: Client, shop: Option<ShopId>) -> Result<Self, CommandError> {
        let asked = client.get(&of_shop("/v1/program", shop.as_ref())).await;
        let (status, body) = asked.map_err(|RequestError(what)| CommandError::input(what))?;
        if !status.is_success() {
            let url = client.url();
            return Err(match serde_json::from_slice::<Problem>(&body) {
                Ok(problem) => refused(url, &problem),
                Err(_) => {
                    CommandError::input(format!("{url}: {status}: neither `echelon serve` nor an API of Echelon's"))
                }
            });
        }
        Ok(Self { client, shop })
    }

    /// Who asks it.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The shop that is named.
    pub fn shop(&self) -> Option<&ShopId> {
        self.shop.as_ref()
    }

    /// Which system, for who goes on later.
    pub fn name(&self) -> String {
        system_of(&self.client, self.shop.as_ref())
    }

    /// Tells events, and does not return before each is in or refused.
    ///
    /// # Errors
    /// Names the line that is not taken, or says that the system takes nothing any more.
    pub async fn send(&self, lines: &Lines, events: Vec<Event>, report: &mut Report) -> Result<(), CommandError> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        for event in events {
            let size = event.value.to_string().len() + 1;
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

    /// Tells facts until each is in or refused.
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
                // Whatever stands in between may have put an answer of its own in the place of one.
                let unknown = || Once::Unknown(format!("{}: answers as nothing known", self.client.url()));
                told.map_or_else(unknown, |told| Once::Answered(told.results))
            }
            Once::NotDone(why) => Once::NotDone(why),
            Once::Unknown(why) => Once::Unknown(why),
        })
    }

    /// Forgets somebody: no fact that is told does that.
    async fn erase(&self, lines: &Lines, event: &Event, report: &mut Report) -> Result<(), CommandError> {
        let place = format!("{}:{}", lines.name(), event.line);
        let member = event.value.get("member_id").and_then(Value::as_str).unwrap_or_default();
        let member =
            MemberId::new(member).map_err(|error| CommandError::input(format!("{place}: member_id: {error}")))?;
        let path = of_shop(&format!("/v1/members/{}", segment(&member)), self.shop.as_ref());
        let (mut pause, mut why) = (PAUSE, String::new());
        for _ in 0..TRIES {
            // Done twice it is done once.
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

    /// What an answer means, or that there is none. `line`: of the fact at a place.
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
            // A gateway gives up while a function goes on, and a write whose answer was lost may have been done.
            let detail = serde_json::from_slice::<Problem>(&body).map(|problem| format!(": {}", problem.detail));
            return Ok(Once::Unknown(said + &detail.unwrap_or_default()));
        }
        let Ok(problem) = serde_json::from_slice::<Problem>(&body) else { return Err(CommandError::input(said)) };
        let named = problem.problems.iter().find_map(|place| line(index(&place.path)?)).or_else(|| line(0));
        let named = named.map(|line| format!(":{line}")).unwrap_or_default();
        Err(CommandError::input(format!("{}{named}: {}", lines.name(), refused(self.client.url(), &problem))))
    }
}

/// Counts what became of facts; those that failed for now are left, with the reason of the first.
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
            Became::Applied => counts.applied += 1,
            // The first time it may have been new: that answer is lost.
            Became::Duplicate if one.is_unanswered => report.unanswered += 1,
            Became::Duplicate => counts.duplicates += 1,
            Became::Superseded => counts.superseded += 1,
            Became::MemberErased => counts.member_erased += 1,
            Became::Invalid | Became::Refused => refuse(lines, one.event.line, &became, report),
            Became::Failed => {
                if left.is_empty() {
                    why = format!("{}:{}: {}", lines.name(), one.event.line, became.detail);
                }
                // That this try failed says nothing of one before that had no answer.
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

/// Whether it is about somebody who is to be forgotten.
fn is_erasure(event: &Event) -> bool {
    event.value.get("type").and_then(Value::as_str) == Some("customer.erased")
}

/// The place of a fact in a list, of a path such as `$[2].total`.
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
        let pending = |line, is_unanswered| Pending { event: Event { line, value: json!({}) }, is_unanswered };
        let became =
            |status| OneResult { status, detail: "busy".to_owned(), remedy: String::new(), problems: Vec::new() };
        let all = |status| vec![became(status), became(status)];
        // The first was sent before without an answer, the second was not.
        let waiting = vec![pending(1, true), pending(2, false)];
        let (left, why) = settle(&lines, waiting, all(Became::Failed), &mut report);
        assert!(left.len() == 2 && why.ends_with(":1: busy"), "{why}");
        let (left, _) = settle(&lines, left, all(Became::Duplicate), &mut report);
        assert_eq!((left.len(), report.unanswered, report.counts.duplicates), (0, 1, 1));
    }
}
