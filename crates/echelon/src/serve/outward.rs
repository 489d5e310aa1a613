//! What is announced on one machine: shown as it goes out, and posted to a webhook where there is one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rules::calendar::Instant;
use serde_json::{Value, json};
use service::relay::{Answer, Bus, Pace, Relay};
use service::store::StoreError;
use service::telemetry::{LogKey, Metrics};
use tokio::sync::watch;

use super::System;
use super::client::Client;
use crate::output::{Format, print};

/// After a failure it is tried again this soon.
const SOON: Duration = Duration::from_secs(1);
/// What nobody told of is looked for this often: rows that were there at the start, or that another process wrote.
const SOMETIMES: Duration = Duration::from_secs(10);
/// Everything was recorded before this: the end of the year 9999.
pub(super) const EVER_MS: i64 = 253_402_300_799_999;
/// Members stand in the log of one's own machine under a tag all the same.
const LOG_KEY: &str = "on this machine only";

/// The bus of one machine.
#[derive(Debug)]
pub struct Outward {
    webhook: Option<Client>,
    format: Format,
    /// Why the webhook takes nothing, while that is so.
    trouble: Mutex<Option<String>>,
}

impl Outward {
    /// Shows events in this form, and posts them to a webhook if there is one.
    pub fn new(webhook: Option<Client>, format: Format) -> Self {
        Self { webhook, format, trouble: Mutex::default() }
    }

    async fn post(&self, kind: &str, detail: &str) -> Result<(), String> {
        let Some(webhook) = &self.webhook else { return Ok(()) };
        let answer = webhook.post("", detail.to_owned(), &[("X-Echelon-Event", kind)]).await;
        match answer {
            Ok((status, _)) if status.is_success() => Ok(()),
            Ok((status, _)) => Err(format!("the webhook answers {status}")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Says that the webhook takes nothing, or takes it again: once each time.
    fn note(&self, now: Option<String>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match (trouble.as_ref(), &now) {
            (None, Some(why)) => tracing::warn!(why, "the webhook takes nothing; it is tried again until it does"),
            (Some(_), None) => tracing::warn!("the webhook takes events again"),
            (None, None) | (Some(_), Some(_)) => {}
        }
        *trouble = now;
    }

    /// Who reads the output may have gone away; what is announced goes out all the same.
    fn show(&self, kind: &str, detail: &str) {
        let event: Value = serde_json::from_str(detail).unwrap_or_default();
        let _ = print(&match self.format {
            Format::Json => json!({ "type": kind, "detail": event }).to_string(),
            Format::Text => line(kind, &event),
        });
    }
}

impl Bus for Outward {
    async fn put(&self, entries: &[&service::store::Outgoing]) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(entries.len());
        for entry in entries {
            match self.post(&entry.kind, &entry.detail).await {
                Ok(()) => {
                    self.note(None);
                    self.show(&entry.kind, &entry.detail);
                    answers.push(Answer::Taken);
                }
                // The next would wait as long in vain.
                Err(why) => {
                    self.note(Some(why.clone()));
                    answers.resize(entries.len(), Answer::Later(why));
                    break;
                }
            }
        }
        answers
    }
}

/// An event on a line: when, who, and what.
fn line(kind: &str, event: &Value) -> String {
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or("-");
    let named = |name: &str| event.get(name).and_then(|it| it.get("name")).and_then(Value::as_str).unwrap_or("no tier");
    let what = match kind {
        "tier.changed.v1" => {
            let quiet = if event.get("notify") == Some(&Value::Bool(false)) { " (quietly)" } else { "" };
            format!("{} -> {}{quiet}: {}", named("before"), named("after"), text("summary"))
        }
        "tier.reward_issued.v1" => {
            let count = event.get("rewards").and_then(Value::as_array).map_or(0, Vec::len);
            format!("{} due for reaching {}", crate::output::counted(count, "reward"), named("tier"))
        }
        "tier.birthday_points_due.v1" => {
            let points = event.get("points").and_then(Value::as_i64).unwrap_or_default();
            format!("{points} birthday points due on {}, as a member of {}", text("on"), named("tier"))
        }
        "tier.expiring.v1" => format!("{} is expiring: {}", named("tier"), text("summary")),
        "tier.within_reach.v1" => format!("{} is within reach: {}", named("next"), text("summary")),
        "program.published.v1" => {
            let number = |name: &str| event.get(name).and_then(Value::as_u64);
            let replaces = number("replaces").map(|number| format!(", in place of version {number}"));
            let (number, replaces) = (number("program_version").unwrap_or_default(), replaces.unwrap_or_default());
            format!("version {number} of the program is published{replaces}")
        }
        other => other.to_owned(),
    };
    let at = event.get("effective_at").and_then(Value::as_str).unwrap_or_else(|| text("recorded_at"));
    format!("{at}  {}  {}  {what}", text("shop"), text("member_id"))
}

/// Announces what was recorded until it is told to stop.
pub async fn announce(system: Arc<System>, bus: Arc<Outward>, mut stop: watch::Receiver<bool>) {
    let Ok(log_key) = LogKey::new(LOG_KEY) else { return };
    let relay = Relay { store: system.store.clone(), bus, pace: pace(), clock: system.time.clock(), log_key };
    loop {
        system.health.announcer.beat();
        let stopping = *stop.borrow();
        let next = match all(&relay).await {
            Ok(true) => SOMETIMES,
            Ok(false) => SOON,
            Err(error) => {
                tracing::warn!(%error, "what is to be announced cannot be read; it is tried again");
                SOON
            }
        };
        if stopping {
            return;
        }
        tokio::select! {
            () = system.api.recorded.notified() => {}
            () = tokio::time::sleep(next) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Once: another pass follows soon, and what else waits must not wait for it.
fn pace() -> Pace {
    Pace { attempts: 1, ..Pace::default() }
}

/// Announces all that waits; whether all of it went out.
async fn all(relay: &Relay<Arc<Outward>>) -> Result<bool, StoreError> {
    let mut metrics = Metrics::of("serve");
    let passed = relay.pass_before(Instant::from_millis(EVER_MS), &mut metrics).await?;
    Ok(passed.finished && passed.failed == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line() {
        let event = json!({ "shop": "acme", "member_id": "anna", "before": null, "after": { "id": "gold", "name": "Gold" },
                            "effective_at": "2026-05-01T10:00:00Z", "notify": true, "summary": "Spent enough." });
        let said = line("tier.changed.v1", &event);
        assert_eq!(said, "2026-05-01T10:00:00Z  acme  anna  no tier -> Gold: Spent enough.");
        let quiet = json!({ "shop": "acme", "member_id": "anna", "notify": false });
        assert!(line("tier.changed.v1", &quiet).contains("(quietly)"));
        let expiring = json!({ "shop": "acme", "member_id": "anna", "tier": { "id": "gold", "name": "Gold" },
                               "recorded_at": "2026-12-01T00:00:01Z", "summary": "Gold ends soon." });
        let said = line("tier.expiring.v1", &expiring);
        assert_eq!(said, "2026-12-01T00:00:01Z  acme  anna  Gold is expiring: Gold ends soon.");
        let published = json!({ "shop": "acme", "program_version": 3, "replaces": 2,
                                "effective_at": "2027-01-01T00:00:00Z" });
        let said = line("program.published.v1", &published);
        assert_eq!(said, "2027-01-01T00:00:00Z  acme  -  version 3 of the program is published, in place of version 2");
    }
}
