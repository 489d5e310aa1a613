//! Structured logs, and metrics as lines of the same log (CloudWatch's embedded metric format). Neither contains a
//! member's id, only a tag that cannot be reversed without the key.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;

use hmac::{Hmac, KeyInit, Mac};
use rules::calendar::Instant;
use rules::id::MemberId;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::Sha256;
use store::Units;
use store::shop::ShopId;
use thiserror::Error;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The namespace of all metrics.
pub const NAMESPACE: &str = "Echelon";

/// The service dimension of all metrics: every function belongs to it.
const SERVICE: &str = "echelon";

/// The minimum length of a key for tags, in bytes.
const KEY_BYTES_MIN: usize = 16;

/// Starts logging: one JSON object per line on standard output, at and above the levels of `filter` (`info`, or
/// `warn,engine=debug`). Later calls change nothing.
pub fn init(filter: &str) {
    let targets = Some(filter).filter(|filter| !filter.is_empty()).and_then(|filter| filter.parse().ok());
    let targets: Targets = targets.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_current_span(false);
    // Another logger may be set already, as in tests.
    let _ = tracing_subscriber::registry().with(lines.with_filter(targets)).try_init();
}

/// The key of member tags. Its holder can find a known member in the logs; without it that is impossible.
#[derive(Clone)]
pub struct LogKey(Hmac<Sha256>);

/// A key that is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the key for member ids in logs has fewer than {KEY_BYTES_MIN} characters: it could be guessed")]
pub struct LogKeyError;

impl LogKey {
    /// Takes a secret text as the key.
    ///
    /// # Errors
    /// The text is too short to be a secret.
    pub fn new(secret: &str) -> Result<Self, LogKeyError> {
        let secret = Some(secret.as_bytes()).filter(|secret| secret.len() >= KEY_BYTES_MIN).ok_or(LogKeyError)?;
        Hmac::new_from_slice(secret).map(Self).map_err(|_| LogKeyError)
    }

    /// The tag of a member: the same in every line, but different in another shop.
    pub fn tag(&self, shop: &ShopId, member: &MemberId) -> MemberTag {
        let mut hash = self.0.clone();
        // Neither a shop's name nor an id has a line break.
        hash.update(format!("{shop}\n{member}").as_bytes());
        let [a, b, c, d, e, f, ..] = hash.finalize().into_bytes().0;
        MemberTag([a, b, c, d, e, f])
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogKey(…)")
    }
}

/// The tag of a member in logs: 12 hexadecimal digits of a keyed hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MemberTag([u8; 6]);

impl fmt::Display for MemberTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Metric {
    /// Messages received.
    EventsIn,
    /// Facts that changed the stored state.
    FactsApplied,
    /// Facts that were known already.
    Duplicates,
    /// Facts of which a later revision was known.
    Superseded,
    /// Messages without consequence, and facts about erased members.
    Ignored,
    /// Messages quarantined because they can never succeed.
    Quarantined,
    /// Transitions recorded.
    Transitions,
    /// Rewards and birthday points recorded.
    Rewards,
    /// The age of the oldest message of a batch when it was handled.
    OldestEventAgeMs,
    /// Writes that lost a race to another writer.
    Conflicts,
    /// Events that the bus took.
    Published,
    /// Events that the bus did not take.
    PublishFailures,
    /// Jobs opened.
    JobsOpened,
    /// Segments handed to workers.
    SegmentsSent,
    /// Members that a sweep visited.
    MembersSwept,
    /// Members whose tier a boundary changed.
    MembersChanged,
    /// Notices sent to members.
    Notices,
    /// Items that cannot be decoded, which a sweep skipped.
    Unreadable,
    /// Read units used.
    ReadUnits,
    /// Write units used, tables and indexes together.
    WriteUnits,
}

impl Metric {
    /// Its name in snake case for Prometheus: `facts_applied`.
    pub fn snake_case(self) -> String {
        let mut name = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }

    /// Its description, for people.
    pub fn help(self) -> &'static str {
        match self {
            Self::EventsIn => "Messages received.",
            Self::FactsApplied => "Facts that changed what is known.",
            Self::Duplicates => "Facts that were known already.",
            Self::Superseded => "Facts of which a later revision was known.",
            Self::Ignored => "Messages of no consequence, and facts about members who were erased.",
            Self::Quarantined => "Messages that can never succeed as they are.",
            Self::Transitions => "Changes of tiers recorded.",
            Self::Rewards => "Rewards and birthday points recorded.",
            Self::OldestEventAgeMs => "The age of the oldest message when it was handled.",
            Self::Conflicts => "Writes that lost a race to another writer.",
            Self::Published => "Events that the bus took.",
            Self::PublishFailures => "Events that the bus did not take.",
            Self::JobsOpened => "Sweeps opened.",
            Self::SegmentsSent => "Segments of sweeps given to workers.",
            Self::MembersSwept => "Members that a sweep looked at.",
            Self::MembersChanged => "Members whose tier a boundary changed.",
            Self::Notices => "Notices sent to members.",
            Self::Unreadable => "Items that cannot be decoded, which a sweep skipped.",
            Self::ReadUnits => "Read units used.",
            Self::WriteUnits => "Write units used, tables and indexes together.",
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::OldestEventAgeMs => "Milliseconds",
            Self::EventsIn
            | Self::FactsApplied
            | Self::Duplicates
            | Self::Superseded
            | Self::Ignored
            | Self::Quarantined
            | Self::Transitions
            | Self::Rewards
            | Self::Conflicts
            | Self::Published
            | Self::PublishFailures
            | Self::JobsOpened
            | Self::SegmentsSent
            | Self::MembersSwept
            | Self::MembersChanged
            | Self::Notices
            | Self::Unreadable
            | Self::ReadUnits
            | Self::WriteUnits => "Count",
        }
    }
}

/// The metrics of one batch of one function.
#[derive(Debug, Clone)]
pub struct Metrics {
    function: String,
    /// The counts in halves, as for units.
    halves: BTreeMap<Metric, u64>,
}

impl Metrics {
    /// Creates metrics without counts.
    pub fn of(function: &str) -> Self {
        Self { function: function.to_owned(), halves: BTreeMap::new() }
    }

    /// Adds to a count. Adding 0 records that there was none.
    pub fn count(&mut self, metric: Metric, more: usize) {
        let more = u64::try_from(more).unwrap_or(u64::MAX).saturating_mul(2);
        let held = self.halves.entry(metric).or_default();
        *held = held.saturating_add(more);
    }

    /// The count of a metric, rounded down.
    pub fn counted(&self, metric: Metric) -> u64 {
        self.halves.get(&metric).copied().unwrap_or_default() / 2
    }

    /// Records the age of a message; the greatest age counts.
    pub fn oldest(&mut self, at: Instant, now: Instant) {
        let age = u64::try_from(now.millis().saturating_sub(at.millis())).unwrap_or(0).saturating_mul(2);
        let held = self.halves.entry(Metric::OldestEventAgeMs).or_default();
        *held = age.max(*held);
    }

    /// Adds used units of the database.
    pub fn used(&mut self, units: Units) {
        let Units { reads, table_writes, index_writes } = units;
        for (metric, halves) in [(Metric::ReadUnits, reads), (Metric::WriteUnits, table_writes + index_writes)] {
            let held = self.halves.entry(metric).or_default();
            *held = held.saturating_add(u64::try_from(halves).unwrap_or(0));
        }
    }

    /// The line that CloudWatch reads metrics from; none if nothing was counted.
    pub fn line(&self, now: Instant) -> Option<String> {
        if self.halves.is_empty() {
            return None;
        }
        let named = |metric: &Metric| json!({ "Name": metric, "Unit": metric.unit() });
        let directive = json!({ "Namespace": NAMESPACE, "Dimensions": [[], ["Service", "Function"]],
                                "Metrics": self.halves.keys().map(named).collect::<Vec<_>>() });
        let mut line = Map::new();
        line.insert("_aws".to_owned(), json!({ "Timestamp": now.millis(), "CloudWatchMetrics": [directive] }));
        line.insert("Service".to_owned(), json!(SERVICE));
        line.insert("Function".to_owned(), json!(self.function));
        line.extend(self.halves.iter().map(|(metric, halves)| (format!("{metric:?}"), number(*halves))));
        Some(Value::Object(line).to_string())
    }

    /// Writes the line to standard output, between the lines of the log.
    pub fn emit(&self, now: Instant) {
        if let Some(line) = self.line(now) {
            // A batch should not fail because the log cannot be written.
            let _ = writeln!(std::io::stdout().lock(), "{line}");
        }
    }
}

/// A number of halves as a JSON number.
fn number(halves: u64) -> Value {
    let whole = halves / 2;
    if halves.is_multiple_of(2) {
        return json!(whole);
    }
    serde_json::from_str(&format!("{whole}.5")).unwrap_or_else(|_| json!(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: &str) -> LogKey {
        LogKey::new(secret).unwrap()
    }

    #[test]
    fn a_member_is_known_by_a_tag_that_differs_by_key_and_shop() {
        let shop = |name| ShopId::new(name).unwrap();
        let anna = MemberId::new("anna@example.com").unwrap();
        let ours = key("0123456789abcdef");
        let tag = ours.tag(&shop("acme"), &anna).to_string();
        assert_eq!((tag.len(), &tag), (12, &ours.tag(&shop("acme"), &anna).to_string()));
        assert!(tag.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(tag, ours.tag(&shop("other"), &anna).to_string());
        assert_ne!(tag, key("another key, 16+").tag(&shop("acme"), &anna).to_string());
        assert_eq!(LogKey::new("short").unwrap_err(), LogKeyError);
        assert_eq!(format!("{ours:?}"), "LogKey(…)");
    }

    /// The rules of CloudWatch's embedded metric format that its parser enforces.
    #[test]
    fn a_line_of_metrics_is_in_the_embedded_metric_format() {
        let now = Instant::parse("2024-05-01T10:00:00Z").unwrap();
        let mut metrics = Metrics::of("relay");
        assert_eq!(metrics.line(now), None);
        metrics.count(Metric::Published, 2);
        metrics.count(Metric::Published, 1);
        metrics.count(Metric::PublishFailures, 0);
        metrics.oldest(now.plus_millis(-20), now);
        metrics.oldest(now.plus_millis(-1_500), now);
        metrics.used(Units { reads: 5, table_writes: 4, index_writes: 2 });
        let line = metrics.line(now).unwrap();
        assert!(!line.contains('\n'));
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["_aws"]["Timestamp"], 1_714_557_600_000_i64);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "Echelon");
        for dimension in directive["Dimensions"][0].as_array().unwrap() {
            assert!(line[dimension.as_str().unwrap()].is_string(), "{dimension} is no text at the root");
        }
        let named = directive["Metrics"].as_array().unwrap();
        assert!(named.len() <= 100);
        for metric in named {
            assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{metric} has no value at the root");
            assert!(["Count", "Milliseconds"].contains(&metric["Unit"].as_str().unwrap()));
        }
        let value = |name: &str| line[name].to_string();
        let values = ["Published", "PublishFailures", "OldestEventAgeMs", "ReadUnits", "WriteUnits"].map(value);
        assert_eq!(values, ["3", "0", "1500", "2.5", "3"]);
    }
}
