//! Bugs planted on purpose: requests are bent on their way, as if the code had asked for something else. They show that the
//! simulator can fail.

use embedded_dynamodb::Answer;
use serde_json::{Value, json};

use super::expression::{Item, text};
use super::network::{Connection, Role};

/// A bug that the code could have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bug {
    /// A member is written whatever is stored by now: a dropped condition.
    MemberUnconditioned,
    /// The facts of a subject are written whatever is stored by now.
    ThingUnconditioned,
    /// Half of a transaction is done if its answer is lost.
    TransactionTorn,
    /// A transition is recorded twice: a double write.
    TransitionTwice,
    /// A transition changes the member and is not recorded.
    TransitionUnrecorded,
    /// A revision stays beside the newer one that replaces it: a delta in place of a replacement.
    RevisionKept,
    /// A row changes and the member's item does not.
    ItemNotWritten,
    /// Money loses its last digit when it is written.
    MoneyRounded,
    /// Entries that the bus did not take are marked as sent.
    FailuresOfTheBusIgnored,
    /// Messages that failed are not delivered again.
    FailuresOfIngestIgnored,
    /// A sweep passes over the last member of a page: a skipped review.
    MemberNotReviewed,
    /// Nothing is left of an erased member, not even what keeps later facts out.
    NoTombstone,
    /// Rows of an erased member stay.
    RowsNotErased,
    /// Orders go to the other shop.
    ShopsMixedUp,
    /// A process never checks again which program is in force.
    ProgramNeverForgotten,
    /// A log line names a member.
    MemberInLog,
    /// The body of a message that can never succeed is not kept.
    BodyLost,
    /// A question is answered with the state at the time when it was asked first.
    AnswersRemembered,
    /// A question is answered with the state of a moment ago: its reads are not consistent.
    AnswersStale,
    /// A row of a list is not written.
    ListRowLost,
    /// The list rows of a worker that died stand beside those of the worker that went on.
    ListRowsOfTheDead,
    /// Ingest and sweeps go on with the first release of the time zone database.
    ZonesStale,
    /// The results of sweeps by clocks that were years ahead are not forgotten afterwards.
    AheadNotForgotten,
    /// A member looked at by a clock that was years ahead is not brought back.
    AheadNotBroughtBack,
}

impl Bug {
    /// All bugs.
    pub const ALL: [Self; 24] = [
        Self::MemberUnconditioned,
        Self::ThingUnconditioned,
        Self::TransactionTorn,
        Self::TransitionTwice,
        Self::TransitionUnrecorded,
        Self::RevisionKept,
        Self::ItemNotWritten,
        Self::MoneyRounded,
        Self::FailuresOfTheBusIgnored,
        Self::FailuresOfIngestIgnored,
        Self::MemberNotReviewed,
        Self::NoTombstone,
        Self::RowsNotErased,
        Self::ShopsMixedUp,
        Self::ProgramNeverForgotten,
        Self::MemberInLog,
        Self::BodyLost,
        Self::AnswersRemembered,
        Self::AnswersStale,
        Self::ListRowLost,
        Self::ListRowsOfTheDead,
        Self::ZonesStale,
        Self::AheadNotForgotten,
        Self::AheadNotBroughtBack,
    ];

    /// The bug of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bug| format!("{bug:?}") == name)
    }
}

/// The outcome of bending a request.
pub(super) enum Bent {
    /// The request goes on, as it is now.
    Not,
    /// The request is answered with this.
    Answer(Answer),
}

fn done() -> Answer {
    Answer::Reply { status: 200, body: "{}".to_owned() }
}

fn at<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(text).unwrap_or_default()
}

fn is_history(item: &Item) -> bool {
    at(item, "pk").contains("#history#")
}

fn is_transition(item: &Item) -> bool {
    is_history(item) && at(item, "sk").bytes().all(|byte| byte.is_ascii_digit())
}

/// The puts of a request.
fn puts<'a>(operation: &str, input: &'a mut Value) -> Vec<&'a mut Value> {
    match operation {
        "PutItem" => vec![input],
        "TransactWriteItems" => {
            let writes = input["TransactItems"].as_array_mut().into_iter().flatten();
            writes.filter_map(|write| write.get_mut("Put")).collect()
        }
        _ => Vec::new(),
    }
}

/// The facts that a put writes, if it is about a subject.
fn facts(put: &mut Value) -> Option<&mut Vec<Value>> {
    put.pointer_mut("/Item/facts/L")?.as_array_mut()
}

fn pk(put: &Value) -> &str {
    put["Item"]["pk"]["S"].as_str().unwrap_or_default()
}

fn table_is(input: &Value, name: &str) -> bool {
    input["TableName"].as_str().is_some_and(|table| table.ends_with(name))
}

impl Bug {
    /// Bends a request.
    pub(super) fn bend(self, from: &Connection, operation: &str, input: &mut Value, is_lost: bool) -> Bent {
        match self {
            Self::MemberUnconditioned => unconditioned(operation, input, |item| !item.contains_key("type"), "members"),
            Self::ThingUnconditioned => {
                unconditioned(operation, input, |item| item.contains_key("facts"), "ledger");
            }
            Self::TransactionTorn => {
                if let Some(writes) = input["TransactItems"].as_array_mut().filter(|_| is_lost) {
                    writes.truncate(writes.len().div_ceil(2));
                }
            }
            Self::TransitionTwice => again(operation, input),
            Self::TransitionUnrecorded => {
                without(operation, input, |put| put["Item"].as_object().is_some_and(is_transition))
            }
            Self::ItemNotWritten => without(operation, input, |put| {
                table_is(put, "members") && put["ConditionExpression"] == "v = :v" && put["Item"]["body"].is_object()
            }),
            Self::RevisionKept => self.beside(from, operation, input),
            Self::MoneyRounded => {
                for put in puts(operation, input) {
                    for fact in facts(put).into_iter().flatten() {
                        let cut = fact["S"].as_str().unwrap_or_default().replace("5\",\"tax", "\",\"tax");
                        fact["S"] = Value::from(cut);
                    }
                }
            }
            Self::NoTombstone => {
                let is_tombstone = |put: &Value| table_is(put, "members") && put["Item"]["erased_at"].is_object();
                without(operation, input, is_tombstone);
            }
            Self::RowsNotErased if operation == "DeleteItem" && table_is(input, "ledger") => {
                return Bent::Answer(done());
            }
            Self::ShopsMixedUp => {
                for put in puts(operation, input) {
                    let pk = put["Item"]["pk"]["S"].as_str().unwrap_or_default();
                    if let Some((_, rest)) = pk.split_once("#order#") {
                        put["Item"]["pk"]["S"] = Value::from(format!("other-shop#order#{rest}"));
                    }
                }
            }
            Self::MemberInLog if from.role == Role::Ingest => {
                for put in puts(operation, input) {
                    if table_is(put, "members") {
                        tracing::warn!(member = put["Item"]["sk"]["S"].as_str(), "wrote");
                    }
                }
            }
            Self::AnswersStale if from.role == Role::Api && operation == "BatchGetItem" => {
                for wanted in input["RequestItems"].as_object_mut().into_iter().flat_map(Item::values_mut) {
                    wanted["ConsistentRead"] = Value::from(false);
                }
            }
            Self::ListRowLost if operation == "PutItem" && pk(input).contains("#list#") => {
                return Bent::Answer(done());
            }
            Self::ListRowsOfTheDead => {
                for put in puts(operation, input).into_iter().filter(|put| pk(put).ends_with("#jobs")) {
                    let mut job: Value = serde_json::from_str(put["Item"]["body"]["S"].as_str().unwrap()).unwrap();
                    if job["lists"]["restarts"].is_array() {
                        job["lists"]["restarts"] = json!([]);
                        put["Item"]["body"]["S"] = Value::from(job.to_string());
                    }
                }
            }
            Self::AheadNotBroughtBack if from.role == Role::Sweep => {
                let mut state = from.network.state();
                let key = |put: &Value| Some((pk(put).to_owned(), text(put["Item"].get("sk")?)?.to_owned()));
                let met: Vec<_> = puts(operation, input).into_iter().filter_map(|put| key(put)).collect();
                if met.iter().any(|key| state.met_ahead.remove(key)) {
                    return Bent::Answer(done());
                }
            }
            Self::RowsNotErased
            | Self::ListRowLost
            | Self::MemberInLog
            | Self::FailuresOfTheBusIgnored
            | Self::FailuresOfIngestIgnored
            | Self::MemberNotReviewed
            | Self::ProgramNeverForgotten
            | Self::BodyLost
            | Self::AnswersRemembered
            | Self::AnswersStale
            | Self::ZonesStale
            | Self::AheadNotForgotten
            | Self::AheadNotBroughtBack => {}
        }
        Bent::Not
    }

    /// Bends an answer.
    pub(super) fn bend_answer(self, from: &Connection, operation: &str, input: &Value, answer: Answer) -> Answer {
        match (self, from.role) {
            (Self::MemberNotReviewed, Role::Sweep) if operation == "Query" && table_is(input, "members") => {
                let Answer::Reply { status: 200, body } = &answer else { return answer };
                let mut body: Value = serde_json::from_str(body).unwrap();
                body["Items"].as_array_mut().map(Vec::pop);
                Answer::Reply { status: 200, body: body.to_string() }
            }
            (Self::ProgramNeverForgotten, Role::Ingest) if is_of_program(operation, input) => {
                // As in one process that lives forever.
                self.first(from, input, answer)
            }
            (Self::AnswersRemembered, Role::ApiHarness) if operation == "BatchGetItem" => {
                self.first(from, input, answer)
            }
            _ => answer,
        }
    }

    fn first(self, from: &Connection, input: &Value, answer: Answer) -> Answer {
        let asked = canonical(input);
        from.network.state().remembered.entry(asked).or_insert(answer).clone()
    }

    /// Keeps the stored facts beside the new ones.
    fn beside(self, from: &Connection, operation: &str, input: &mut Value) {
        for put in puts(operation, input) {
            let (Some(item), Some(table)) = (put["Item"].as_object(), put["TableName"].as_str()) else { continue };
            let (pk, sk) = (at(item, "pk").to_owned(), at(item, "sk").to_owned());
            let state = from.network.state();
            let was = state.tables.items(table).find(|was| at(was, "pk") == pk && at(was, "sk") == sk);
            let before = was.and_then(|was| was.get("facts")?.get("L")?.as_array().cloned()).unwrap_or_default();
            drop(state);
            if let Some(now) = facts(put) {
                let lost: Vec<Value> = before.into_iter().filter(|fact| !now.contains(fact)).collect();
                now.splice(0..0, lost);
            }
        }
    }
}

/// A text that does not depend on the order of fields.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name}:{}", canonical(value))).collect();
            fields.sort_unstable();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(all) => all.iter().map(canonical).collect::<Vec<_>>().join(","),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

fn is_of_program(operation: &str, input: &Value) -> bool {
    operation == "Query" && input.to_string().contains("#program\"")
}

fn unconditioned(operation: &str, input: &mut Value, which: impl Fn(&Item) -> bool, table: &str) {
    for put in puts(operation, input) {
        if table_is(put, table)
            && put["Item"].as_object().is_some_and(&which)
            && let Some(put) = put.as_object_mut()
        {
            put.shift_remove("ConditionExpression");
        }
    }
}

fn without(operation: &str, input: &mut Value, which: impl Fn(&Value) -> bool) {
    if operation == "TransactWriteItems"
        && let Some(writes) = input["TransactItems"].as_array_mut()
    {
        writes.retain(|write| !write.get("Put").is_some_and(&which));
    }
}

/// Writes every transition once more, under the next number.
fn again(operation: &str, input: &mut Value) {
    if operation != "TransactWriteItems" {
        return;
    }
    let writes = input["TransactItems"].as_array_mut();
    let Some(writes) = writes else { return };
    let mut more = Vec::new();
    for write in writes.iter() {
        if write["Put"]["Item"].as_object().is_some_and(is_transition) {
            let mut copy = write.clone();
            let sk = copy["Put"]["Item"]["sk"]["S"].as_str().unwrap_or_default();
            let next = sk.parse::<u64>().unwrap_or_default() + 1;
            copy["Put"]["Item"]["sk"] = json!({ "S": format!("{next:010}") });
            more.push(copy);
        }
    }
    let taken: Vec<Value> = writes.iter().map(|write| write["Put"]["Item"]["sk"].clone()).collect();
    more.retain(|copy| !taken.contains(&copy["Put"]["Item"]["sk"]));
    writes.extend(more);
}
