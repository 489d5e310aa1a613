//! The sentences that become events of sections 4 and 9.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use reference::tz::Tz;
use serde_json::{Map, Value, json};

use super::form::{Form, Said};
use super::moment;
use super::program;

/// A sentence about something that happened, and the event that it becomes.
pub struct Sentence {
    /// The written form.
    pub form: Form,
    tell: fn(&mut Story, &Said) -> Result<Value, String>,
}

/// The details that every event may have in brackets: when it really happened, if it arrives late, and that it was
/// imported from another system.
pub const COMMON_DETAILS: [&str; 2] = ["dated WHEN", "imported"];

const ORDER: &[&str] = &["order ORDER", "tax AMOUNT", "shipping AMOUNT", "discounts AMOUNT", "rate AMOUNT", "test"];
const ENTRY: &[&str] = &["entry ENTRY"];
const REFUND: &[&str] = &["refund REFUND"];
const NO_REWARD: &[&str] = &["without reward"];

/// Every sentence about something that happened.
pub const SENTENCES: &[Sentence] = &[
    sentence("MEMBER enrols", &["birthday BIRTHDAY"], enrols),
    sentence("MEMBER has the birthday BIRTHDAY", &[], has_birthday),
    sentence("MEMBER earns NUMBER points", ENTRY, |story, said| entry(story, said, "points.earned")),
    sentence("MEMBER is adjusted by NUMBER points", ENTRY, |story, said| entry(story, said, "points.adjusted")),
    sentence("MEMBER has NUMBER points imported", ENTRY, |story, said| entry(story, said, "points.imported")),
    sentence("entry ENTRY is cancelled", &[], entry_cancelled),
    sentence("NUMBER points of entry ENTRY are cancelled", &[], entry_cancelled),
    sentence("MEMBER spends AMOUNT [CURRENCY]", ORDER, spends),
    sentence("a guest spends AMOUNT [CURRENCY]", ORDER, spends),
    sentence("order ORDER belongs to MEMBER", &[], order_revised),
    sentence("order ORDER is corrected to AMOUNT", &[], order_revised),
    sentence("order ORDER is refunded", REFUND, order_refunded),
    sentence("AMOUNT of order ORDER is refunded", REFUND, order_refunded),
    sentence("order ORDER is cancelled", &[], order_cancelled),
    sentence("MEMBER has the tags TAGS", &[], has_tags),
    sentence("MEMBER gets the tags TAGS", &[], |story, said| tags_changed(story, said, "added")),
    sentence("MEMBER loses the tags TAGS", &[], |story, said| tags_changed(story, said, "removed")),
    sentence("MEMBER is assigned at least TIER [until DAY]", NO_REWARD, assigned_at_least),
    sentence("MEMBER is assigned exactly TIER [until DAY]", NO_REWARD, assigned_exactly),
    sentence("MEMBER is assigned no tier [until DAY]", &[], assigned_exactly),
    sentence("MEMBER is unassigned", &[], unassigned),
    sentence("MEMBER is erased", &[], |story, said| Ok(story.event("customer.erased", said))),
    sentence("the program changes [to PROGRAM]", &[], program_changes),
];

const fn sentence(
    pattern: &'static str,
    details: &'static [&'static str],
    tell: fn(&mut Story, &Said) -> Result<Value, String>,
) -> Sentence {
    Sentence { form: Form { pattern, details }, tell }
}

/// A scenario while it is read: the events so far, and the present line.
pub struct Story {
    /// The program in force.
    pub program: Value,
    /// Its time zone, in which lines are dated.
    pub zone: Tz,
    /// Every ready program named so far.
    pub programs: Vec<String>,
    /// The instant of the present line.
    pub at: DateTime<Utc>,
    /// The number of the present line, which makes ids where none is given.
    pub line: usize,
    /// The settings below the present line: path and text.
    pub settings: Vec<(String, String)>,
    /// The events so far.
    pub events: Vec<Value>,
    orders: BTreeMap<String, Value>,
}

impl Story {
    /// Starts a scenario with a program.
    ///
    /// # Errors
    /// The program names an unknown time zone.
    pub fn new(name: &str, program: Value) -> Result<Self, String> {
        let zone = program::zone(&program)?;
        let programs = vec![name.to_owned()];
        let at = DateTime::UNIX_EPOCH;
        Ok(Self {
            program,
            zone,
            programs,
            at,
            line: 0,
            settings: Vec::new(),
            events: Vec::new(),
            orders: BTreeMap::new(),
        })
    }

    /// Adds the event of a sentence.
    ///
    /// # Errors
    /// The sentence refers to something that no line above mentions.
    pub fn tell(&mut self, sentence: &Sentence, said: &Said) -> Result<(), String> {
        let mut event = (sentence.tell)(self, said)?;
        if let Some(dated) = said.detail("dated").and_then(|text| moment::dated(text, self.zone)) {
            event["occurred_at"] = Value::from(moment::written(dated));
            event["received_at"] = Value::from(moment::written(self.at));
        }
        if said.detail("imported").is_some() {
            event["imported"] = Value::from(true);
        }
        if event["type"] == "order.paid" {
            let order = event["order_id"].as_str().unwrap_or_default();
            self.orders.insert(order.to_owned(), event.clone());
        }
        self.events.push(event);
        Ok(())
    }

    /// An event at the present line's instant, about the member that the sentence names, if it names one.
    fn event(&self, kind: &str, said: &Said) -> Value {
        let mut event = Map::new();
        event.insert("type".to_owned(), Value::from(kind));
        if let Some(member) = said.maybe("MEMBER") {
            event.insert("member_id".to_owned(), Value::from(member));
        }
        event.insert("occurred_at".to_owned(), Value::from(moment::written(self.at)));
        Value::Object(event)
    }

    /// The given id, or one made from the line's number.
    fn id(&self, said: &Said, word: &str) -> String {
        said.detail(word).map_or_else(|| format!("{word}-{}", self.line), str::to_owned)
    }
}

fn enrols(story: &mut Story, said: &Said) -> Result<Value, String> {
    let mut event = story.event("customer.enrolled", said);
    if let Some(birthday) = said.detail("birthday") {
        event["birthday"] = Value::from(birthday);
    }
    Ok(event)
}

fn has_birthday(story: &mut Story, said: &Said) -> Result<Value, String> {
    let mut event = story.event("customer.birthday_set", said);
    event["birthday"] = Value::from(said.slot("BIRTHDAY"));
    Ok(event)
}

fn entry(story: &mut Story, said: &Said, kind: &str) -> Result<Value, String> {
    let mut event = story.event(kind, said);
    event["entry_id"] = Value::from(story.id(said, "entry"));
    event["points"] = program::value(said.slot("NUMBER"))?;
    Ok(event)
}

fn entry_cancelled(story: &mut Story, said: &Said) -> Result<Value, String> {
    let mut event = story.event("points.canceled", said);
    event["cancel_id"] = Value::from(story.id(said, "cancel"));
    event["entry_id"] = Value::from(said.slot("ENTRY"));
    if let Some(points) = said.maybe("NUMBER") {
        event["points"] = program::value(points)?;
    }
    Ok(event)
}

fn spends(story: &mut Story, said: &Said) -> Result<Value, String> {
    let mut event = story.event("order.paid", said);
    event["order_id"] = Value::from(story.id(said, "order"));
    event["total"] = Value::from(said.slot("AMOUNT"));
    for (word, field) in
        [("tax", "tax"), ("shipping", "shipping"), ("discounts", "discounts"), ("rate", "exchange_rate")]
    {
        if let Some(amount) = said.detail(word) {
            event[field] = Value::from(amount);
        }
    }
    if let Some(currency) = said.maybe("CURRENCY") {
        event["currency"] = Value::from(currency);
    }
    if said.detail("test").is_some() {
        event["test"] = Value::from(true);
    }
    Ok(event)
}

/// The order in its last version, repeated with a later revision.
fn order_revised(story: &mut Story, said: &Said) -> Result<Value, String> {
    if said.detail("dated").is_some() {
        return Err("an order keeps its date when it is corrected; `dated` means nothing here".to_owned());
    }
    let mut event = known_order(story, said)?.clone();
    event["revision"] = Value::from(moment::written(story.at));
    event["received_at"] = Value::from(moment::written(story.at));
    if let Some(member) = said.maybe("MEMBER") {
        event["member_id"] = Value::from(member);
    }
    if let Some(total) = said.maybe("AMOUNT") {
        event["total"] = Value::from(total);
    }
    Ok(event)
}

fn known_order<'a>(story: &'a Story, said: &Said) -> Result<&'a Value, String> {
    let order = said.slot("ORDER");
    story.orders.get(order).ok_or_else(|| format!("no line above tells of an order `{order}`"))
}

fn order_refunded(story: &mut Story, said: &Said) -> Result<Value, String> {
    let mut event = story.event("order.refunded", said);
    event["refund_id"] = Value::from(story.id(said, "refund"));
    event["order_id"] = Value::from(said.slot("ORDER"));
    event["amount"] = match said.maybe("AMOUNT") {
        Some(amount) => Value::from(amount),
        None => known_order(story, said)?["total"].clone(),
    };
    Ok(event)
}

fn order_cancelled(story: &mut Story, said: &Said) -> Result<Value, String> {
    let mut event = story.event("order.cancelled", said);
    event["order_id"] = Value::from(said.slot("ORDER"));
    Ok(event)
}

fn has_tags(story: &mut Story, said: &Said) -> Result<Value, String> {
    let mut event = story.event("customer.tags_set", said);
    event["tags"] = json!(said.list("TAGS"));
    Ok(event)
}

fn tags_changed(story: &mut Story, said: &Said, field: &str) -> Result<Value, String> {
    let mut event = story.event("customer.tags_changed", said);
    event[field] = json!(said.list("TAGS"));
    Ok(event)
}

fn assigned_at_least(story: &mut Story, said: &Said) -> Result<Value, String> {
    assigned(story, said, "floor")
}

fn assigned_exactly(story: &mut Story, said: &Said) -> Result<Value, String> {
    assigned(story, said, "lock")
}

fn assigned(story: &mut Story, said: &Said, mode: &str) -> Result<Value, String> {
    let mut event = story.event("tier.assigned", said);
    event["assignment_id"] = Value::from(story.id(said, "assignment"));
    event["tier"] = said.maybe("TIER").into();
    event["mode"] = Value::from(mode);
    event["by"] = Value::from("shop");
    if let Some(day) = said.maybe("DAY").and_then(moment::day) {
        event["until"] = Value::from(moment::written(moment::end_of(day, story.zone)));
    }
    if said.detail("without").is_some() {
        event["reward"] = Value::from(false);
    }
    Ok(event)
}

fn unassigned(story: &mut Story, said: &Said) -> Result<Value, String> {
    let mut event = story.event("tier.unassigned", said);
    event["assignment_id"] = Value::from(story.id(said, "assignment"));
    event["by"] = Value::from("shop");
    Ok(event)
}

/// A new version: the program in force or another ready one, with the settings below the line.
fn program_changes(story: &mut Story, said: &Said) -> Result<Value, String> {
    if said.detail("dated").is_some() || said.detail("imported").is_some() {
        return Err("a program takes effect when it is published; nothing may stand in brackets".to_owned());
    }
    let mut next = story.program.clone();
    if let Some(name) = said.maybe("PROGRAM") {
        next = program::load(name)?;
        story.programs.push(name.to_owned());
    }
    // The instant of publishing decides when a version takes effect; a file's own `effective_at` is for the first version.
    if let Some(fields) = next.as_object_mut() {
        fields.remove("effective_at");
    }
    let mut options = json!({});
    for (path, text) in std::mem::take(&mut story.settings) {
        match path.strip_prefix("options.") {
            Some(option) => options[option] = program::value(&text)?,
            None => program::set(&mut next, &path, &text)?,
        }
    }
    let mut event = story.event("program.published", said);
    event["program"] = next.clone();
    event["options"] = options;
    story.zone = program::zone(&next)?;
    story.program = next;
    Ok(event)
}
