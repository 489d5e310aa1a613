//! A change of rules: the request, its preview, and its outcome. The same types serve the command on a store and the
//! HTTP API.

mod uncounted;

pub use uncounted::{Uncounted, remedy};

use std::str::FromStr;
use std::time::Duration;

use crate::preview::{Preview, picture};
use crate::sweep::preview::{Changed, Part, parts};
use futures::StreamExt;
use rules::calendar::Instant;
use rules::fact::Currency;
use rules::json::Problem;
use rules::program::{Draft, Program, about_zone, starting, unnamed_currency};
use rules::version::{PublishError, Published, Version, Versions, change_advice};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use store::shop::ShopId;
use store::{PastPublication, Publication, PublicationError, Store, VersionDraft, Withdrawn};

/// The author of a publication that names none.
pub const DEFAULT_AUTHOR: &str = "echelon";

/// A request to put a program in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "PublishBody", into = "PublishBody")]
pub struct PublishRequest {
    /// The program.
    pub what: ProgramSource,
    /// The publisher's options (section 3).
    pub options: Value,
    /// The instant from which it is in force; none stands for as soon as possible.
    pub at: Option<Instant>,
    /// The publisher, kept with the version.
    pub by: String,
    /// The reason, kept with the version.
    pub why: String,
}

/// The source of a requested program.
#[derive(Debug, Clone, PartialEq)]
pub enum ProgramSource {
    /// A new program.
    Program(Value),
    /// The program of an earlier version.
    Version(u32),
}

/// The request in its JSON form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PublishBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<Value>,
    #[serde(default, deserialize_with = "whole", skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(default)]
    options: Option<Value>,
    #[serde(default)]
    at: Option<Instant>,
    #[serde(default)]
    by: Option<String>,
    #[serde(default)]
    why: String,
}

/// Reads a whole number in either JSON form: `12` and `12.0` are the same.
///
/// # Errors
/// The number is not whole, or not a value of `T`.
pub fn whole<'de, D: Deserializer<'de>, T: FromStr>(deserializer: D) -> Result<Option<T>, D::Error> {
    let Some(number) = Option::<f64>::deserialize(deserializer)? else { return Ok(None) };
    let wrong = |_| serde::de::Error::custom(format!("{number} is not a whole number in the allowed range"));
    number.to_string().parse().map(Some).map_err(wrong)
}

impl TryFrom<PublishBody> for PublishRequest {
    type Error = &'static str;

    fn try_from(told: PublishBody) -> Result<Self, Self::Error> {
        let PublishBody { program, version, options, at, by, why } = told;
        let what = match (program, version) {
            (Some(program), None) => ProgramSource::Program(program),
            (None, Some(version)) => ProgramSource::Version(version),
            (Some(_), Some(_)) | (None, None) => {
                return Err("say which program: `program`, or `version` for the one of an earlier version");
            }
        };
        let options = options.unwrap_or_else(|| json!({}));
        Ok(Self { what, options, at, by: by.unwrap_or_else(|| DEFAULT_AUTHOR.to_owned()), why })
    }
}

impl From<PublishRequest> for PublishBody {
    fn from(wanted: PublishRequest) -> Self {
        let PublishRequest { what, options, at, by, why } = wanted;
        let (program, version) = match what {
            ProgramSource::Program(program) => (Some(program), None),
            ProgramSource::Version(version) => (None, Some(version)),
        };
        Self { program, version, options: Some(options), at, by: Some(by), why }
    }
}

/// An effect of a change on members that its publisher should know in advance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// The field that causes it.
    pub path: String,
    /// A sentence for people.
    pub message: String,
    /// Whether it wipes progress or takes tiers.
    pub loud: bool,
}

/// The outcome of a publication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishOutcome {
    /// The shop.
    pub shop: ShopId,
    /// The number of the version.
    pub version: u32,
    /// Whether the version is new. Otherwise the newest version was already the same.
    pub published: bool,
    /// The instant from which it is in force.
    pub effective_at: Instant,
    /// The pending version that it replaces, and which never takes effect.
    pub replaces: Option<u32>,
    /// The effects on members.
    pub warnings: Vec<Advice>,
    /// The stored facts before the program's start, which count for nothing; none if there are none.
    #[serde(default)]
    pub before_the_start: Option<Uncounted>,
}

/// The result of a preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previewed {
    /// The shop.
    pub shop: ShopId,
    /// The number that the version would have.
    pub version: u32,
    /// The instant from which it would be in force.
    pub effective_at: Instant,
    /// The pending version that it would replace, and which would never take effect.
    pub replaces: Option<u32>,
    /// The effects on members, derived from the rules alone.
    pub warnings: Vec<Advice>,
    /// The effects on members, evaluated one by one and added up.
    pub preview: Preview,
    /// The number of members who cannot be decoded, and are not counted.
    pub unreadable: u64,
    /// The preview as a text for people.
    pub picture: String,
    /// The next of the 256 equal parts of the members, if the time did not suffice for all: request a preview from
    /// there, and add up the results.
    pub next_part: Option<u16>,
    /// The members whose tier would change, by id, if requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<Changed>>,
}

/// Options of a preview.
#[derive(Debug, Clone, Copy, Default)]
pub struct PreviewOptions {
    /// Whether to list each member whose tier would change.
    pub listed: bool,
    /// The first of the 256 parts.
    pub from: u16,
    /// The time limit; none stands for as long as it takes.
    pub budget: Option<Duration>,
}

/// A version as it was published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// Its number.
    pub version: u32,
    /// Its state.
    pub state: State,
    /// The instant from which it is in force, unless it was withdrawn.
    pub effective_at: Instant,
    /// When it was published.
    pub recorded_at: Instant,
    /// The publisher.
    pub by: String,
    /// The reason.
    pub why: String,
    /// The withdrawal or replacement, if any: by whom, and when.
    pub withdrawn: Option<Withdrawn>,
    /// The publisher's options.
    pub options: Value,
    /// The program.
    pub program: Value,
}

/// The state of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A later version is in force.
    Past,
    /// It is in force.
    InForce,
    /// It waits to take effect.
    Pending,
    /// It was withdrawn or replaced before it took effect.
    Withdrawn,
}

impl State {
    /// The name of the state in texts.
    pub fn words(self) -> &'static str {
        match self {
            Self::Past => "past",
            Self::InForce => "in force",
            Self::Pending => "pending",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// The publisher of a shop's rules at an instant.
#[derive(Debug, Clone, Copy)]
pub struct Publisher<'a> {
    /// The store.
    pub store: &'a Store,
    /// The shop.
    pub shop: &'a ShopId,
    /// The present instant.
    pub now: Instant,
    /// The time until a version takes effect if the request names no instant, in milliseconds.
    pub ahead_ms: i64,
}

impl Publisher<'_> {
    /// Publishes the requested program as the shop's first version, or as the next one, unless the newest version is
    /// the same.
    ///
    /// # Errors
    /// See [`PublicationError`]; nothing has changed then.
    pub async fn publish(&self, wanted: &PublishRequest) -> Result<PublishOutcome, PublicationError> {
        let before = self.store.versions(self.shop).await?;
        let publication = self.publication(wanted, before.as_ref()).await?;
        let VersionDraft { versions, replaces, .. } = self.drafted(wanted, &publication.event).await?;
        let shop = self.shop.clone();
        self.check_instant(wanted, before.as_ref(), &publication.event)?;
        if let Some(known) = before.as_ref().map(Versions::last).filter(|last| self.is_same(last, &versions, wanted)) {
            let (version, effective_at) = (known.number, known.effective_at);
            return Ok(PublishOutcome {
                shop,
                version,
                published: false,
                effective_at,
                replaces: None,
                warnings: Vec::new(),
                before_the_start: None,
            });
        }
        self.check_currency(wanted, &publication.event).await?;
        let versions = self.store.publish(self.shop, &publication, self.now).await?;
        let new = versions.last();
        let (version, effective_at) = (new.number, new.effective_at);
        let (replaces, warnings) = (replaces.map(|version| version.number), advice(&versions));
        let before_the_start = None;
        Ok(PublishOutcome { shop, version, published: true, effective_at, replaces, warnings, before_the_start })
    }

    /// The outcome together with the stored facts before the start of the newest version. It reads members for a bounded
    /// time, and so is asked for apart, when nothing is locked any more. What is published stays so if it cannot be read.
    pub async fn with_uncounted(&self, outcome: PublishOutcome) -> PublishOutcome {
        let before_the_start = match Uncounted::find(self.store, self.shop).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(shop = %self.shop, %error, "it is not known which facts lie before the start");
                None
            }
        };
        PublishOutcome { before_the_start, ..outcome }
    }

    /// The versions that a request would make. A program that names no currency is not said to change it.
    async fn drafted(&self, wanted: &PublishRequest, event: &Published) -> Result<VersionDraft, PublicationError> {
        let drafted = self.store.draft(self.shop, event, self.now).await;
        match (&wanted.what, &drafted) {
            (ProgramSource::Program(written), Err(PublicationError::Refused(PublishError::CurrencyFixed(kept))))
                if unnamed_currency(written, &event.program).is_some() =>
            {
                Err(PublicationError::CurrencyMissing(Currency::from_code(kept)))
            }
            (ProgramSource::Program(_) | ProgramSource::Version(_), _) => drafted,
        }
    }

    /// Refuses a program that does not name the currency it counts. One that is published already may be published again
    /// without it, and an earlier version may be rolled back to, whatever it says.
    async fn check_currency(&self, wanted: &PublishRequest, event: &Published) -> Result<(), PublicationError> {
        match &wanted.what {
            ProgramSource::Program(written) if unnamed_currency(written, &event.program).is_some() => {
                Err(PublicationError::CurrencyMissing(self.store.most_used_currency(self.shop).await?))
            }
            ProgramSource::Program(_) | ProgramSource::Version(_) => Ok(()),
        }
    }

    /// Refuses an instant in the program that would be ignored, be it the only change.
    fn check_instant(
        &self,
        wanted: &PublishRequest,
        before: Option<&Versions>,
        event: &Published,
    ) -> Result<(), PublicationError> {
        let ProgramSource::Program(written) = &wanted.what else { return Ok(()) };
        let Draft { effective_at: Some(said), .. } = Program::read(written, self.store.zones())? else { return Ok(()) };
        let is_heeded = match before {
            None => event.at == said,
            // The file of the first version, edited: it still says since when that one is in force.
            Some(before) => before.first_of_all().effective_at == said,
        };
        if is_heeded { Ok(()) } else { Err(PublicationError::EffectiveAtIgnored(said)) }
    }

    /// Whether the newest version is the same. A pending version may be published again for another instant.
    fn is_same(&self, last: &Version, with_draft: &Versions, wanted: &PublishRequest) -> bool {
        let is_then = last.effective_at <= self.now || wanted.at.is_none_or(|at| at == last.effective_at);
        let draft = with_draft.last();
        is_then && last.program == draft.program && last.effective_start == draft.effective_start
    }

    async fn publication(
        &self,
        wanted: &PublishRequest,
        before: Option<&Versions>,
    ) -> Result<Publication, PublicationError> {
        let PublishRequest { what, options, at, by, why } = wanted;
        let soon = self.now.plus_millis(self.ahead_ms);
        match what {
            ProgramSource::Version(number) => {
                let at = at.unwrap_or(soon);
                self.store.roll_back(self.shop, *number, (at, options), (by, why)).await
            }
            ProgramSource::Program(program) => {
                // A first version may take effect in the past: facts from then on are evaluated under it.
                let since = match before {
                    None => Program::read(program, self.store.zones())?.effective_at.filter(|since| *since <= self.now),
                    Some(_) => None,
                };
                let at = at.or(since).unwrap_or(soon);
                let event = Published::of(at, program, options, self.store.zones())?;
                Ok(Publication { event, by: by.clone(), why: why.clone() })
            }
        }
    }

    /// Evaluates every member under the requested program, and writes nothing. It covers as many of the 256 parts as
    /// the time allows, and calls `each` after each part.
    ///
    /// # Errors
    /// See [`PublicationError`]: the same errors as publishing, or the store does not answer.
    pub async fn preview(
        &self,
        wanted: &PublishRequest,
        how: PreviewOptions,
        mut each: impl FnMut(),
    ) -> Result<Previewed, PublicationError> {
        let PreviewOptions { listed, from, budget } = how;
        let begun = tokio::time::Instant::now();
        let before = self.store.versions(self.shop).await?;
        let publication = self.publication(wanted, before.as_ref()).await?;
        let VersionDraft { versions, replaces, .. } = self.drafted(wanted, &publication.event).await?;
        let last = before.as_ref().map(Versions::last);
        self.check_instant(wanted, before.as_ref(), &publication.event)?;
        if !last.is_some_and(|last| self.is_same(last, &versions, wanted)) {
            self.check_currency(wanted, &publication.event).await?;
        }
        let (mut preview, mut changes, mut unreadable) = (Preview::default(), Vec::new(), 0);
        let mut all = std::pin::pin!(parts(self.store, self.shop, &versions, listed, from));
        let mut next_part = from;
        while budget.is_none_or(|budget| begun.elapsed() < budget)
            && let Some(part) = all.next().await
        {
            let Part { preview: part, changes: some, unreadable: count } = part?;
            preview.merge(&part);
            changes.extend(some);
            unreadable += count;
            next_part += 1;
            each();
        }
        changes.sort_unstable_by(|a: &Changed, b| a.member_id.cmp(&b.member_id));
        let new = versions.last();
        Ok(Previewed {
            shop: self.shop.clone(),
            version: new.number,
            effective_at: new.effective_at,
            replaces: replaces.map(|version| version.number),
            warnings: advice(&versions),
            picture: picture(&preview, before_last(&versions), new),
            preview,
            unreadable,
            next_part: (next_part < self.store.tables().spread.buckets()).then_some(next_part),
            changes: listed.then_some(changes),
        })
    }

    /// All publications of the shop, the oldest first.
    ///
    /// # Errors
    /// See [`PublicationError`].
    pub async fn list(&self) -> Result<Vec<Listed>, PublicationError> {
        let all = self.store.publications(self.shop).await?;
        let is_there = |past: &&PastPublication| past.withdrawn.is_none();
        let is_reached = |past: &&PastPublication| past.effective_at <= self.now;
        let in_force = all.iter().filter(is_there).filter(is_reached).map(|past| past.number).next_back();
        let in_force = in_force.or_else(|| all.first().map(|first| first.number));
        Ok(all.into_iter().map(|past| listed(past, in_force)).collect())
    }
}

fn listed(past: PastPublication, in_force: Option<u32>) -> Listed {
    let PastPublication { number, effective_at, is_early: _, publication, recorded_at, withdrawn } = past;
    let state = match () {
        () if withdrawn.is_some() => State::Withdrawn,
        () if Some(number) == in_force => State::InForce,
        () if Some(number) > in_force => State::Pending,
        () => State::Past,
    };
    let Publication { event, by, why } = publication;
    let (options, program) = (event.written_options().clone(), event.written_program().clone());
    Listed { version: number, state, effective_at, recorded_at, by, why, withdrawn, options, program }
}

/// The version before the newest one; for a first version, that version itself.
fn before_last(versions: &Versions) -> &Version {
    versions.iter().rev().nth(1).unwrap_or(versions.last())
}

fn advice(versions: &Versions) -> Vec<Advice> {
    let found = change_advice(before_last(versions), versions.last());
    let advice = |warning: rules::version::Warning| Advice {
        path: warning.path().to_owned(),
        message: warning.to_string(),
        loud: warning.is_loud(),
    };
    let last = versions.last();
    let first = Some(last).filter(|_| versions.iter().count() == 1);
    let start = first.map(|first| starting(&first.program, first.effective_at, first.options.unclamped));
    let plain = start.into_iter().flatten().chain(about_zone(&last.program.timezone));
    let plain = plain.map(|Problem { path, message }| Advice { message: named(&path, message), path, loud: false });
    found.into_iter().map(advice).chain(plain).collect()
}

/// A message about a start, which is a sentence only together with the name of its field.
fn named(path: &str, message: String) -> String {
    match path.strip_prefix("$.").filter(|field| *field == "start_date") {
        Some(field) => format!("`{field}` {message}"),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_a_program_or_an_earlier_version_and_nothing_is_passed_over() {
        let read = |told: Value| serde_json::from_value::<PublishRequest>(told).map_err(|error| error.to_string());
        let wanted = read(json!({ "version": 1, "why": "it was better" })).unwrap();
        assert_eq!(
            (&wanted.what, &wanted.options, &*wanted.by),
            (&ProgramSource::Version(1), &json!({}), DEFAULT_AUTHOR)
        );
        assert_eq!(read(json!(wanted)), Ok(wanted));
        for (wrong, why) in [
            (json!({}), "say which program"),
            (json!({ "version": 1, "program": {} }), "say which program"),
            (json!({ "version": 1, "optons": {} }), "optons"),
            (json!({ "version": 1, "at": "tomorrow" }), "tomorrow"),
        ] {
            let said = read(wrong).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }
}
