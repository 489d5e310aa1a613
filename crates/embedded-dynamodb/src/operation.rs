//! Translates a request into a call of the database, and its result into an answer.

use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Answer, Request};

/// Carries out a request.
pub(crate) fn carry_out(database: &Database, request: &Request) -> Answer {
    match call(database, &request.operation, &request.body) {
        Ok(body) => Answer::Reply { status: 200, body },
        Err(error) => Answer::Reply { status: error.status_code(), body: error.to_json() },
    }
}

/// Calls the operation of a table, an item or a stream.
fn call(database: &Database, operation: &str, body: &[u8]) -> Result<String, DynoxideError> {
    match operation {
        "CreateTable" => json(body, |input| database.create_table(input)),
        "DescribeTable" => json(body, |input| database.describe_table(input)),
        "UpdateTable" => json(body, |input| database.update_table(input)),
        "DeleteTable" => json(body, |input| database.delete_table(input)),
        "ListTables" => json(body, |input| database.list_tables(input)),
        "DescribeTimeToLive" => json(body, |input| database.describe_time_to_live(input)),
        "UpdateTimeToLive" => json(body, |input| database.update_time_to_live(input)),
        "PutItem" => json(body, |input| database.put_item(input)),
        "GetItem" => json(body, |input| database.get_item(input)),
        "UpdateItem" => json(body, |input| database.update_item(input)),
        "DeleteItem" => json(body, |input| database.delete_item(input)),
        "Query" => json(body, |input| database.query(input)),
        "Scan" => json(body, |input| database.scan(input)),
        "BatchGetItem" => json(body, |input| database.batch_get_item(input)),
        "BatchWriteItem" => json(body, |input| database.batch_write_item(input)),
        "TransactGetItems" => json(body, |input| database.transact_get_items(input)),
        "TransactWriteItems" => json(body, |input| database.transact_write_items(input)),
        "ListStreams" => json(body, |input| database.list_streams(input)),
        "DescribeStream" => json(body, |input| database.describe_stream(input)),
        "GetShardIterator" => json(body, |input| database.get_shard_iterator(input)),
        "GetRecords" => json(body, |input| database.get_records(input)),
        other => Err(DynoxideError::ValidationException(format!("the embedded store has no operation `{other}`"))),
    }
}

fn json<Input: DeserializeOwned, Output: Serialize>(
    body: &[u8],
    call: impl FnOnce(Input) -> Result<Output, DynoxideError>,
) -> Result<String, DynoxideError> {
    let input = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    let output = call(input)?;
    serde_json::to_string(&output).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// The marks that dynoxide puts before messages of its own readers, for its server to remove.
const MARKS: [&str; 5] =
    ["VALIDATION:", "VALIDATION_REQUEST:", "VALIDATION_AS_READ:", "SERIALIZATION:", "SERIALIZATION_AS_READ:"];

/// The SDK writes valid JSON; an input that cannot be read therefore has a value that DynamoDB does not accept.
fn unreadable(error: &serde_json::Error) -> DynoxideError {
    let text = error.to_string();
    let unmarked = MARKS.iter().find_map(|mark| text.strip_prefix(mark)).unwrap_or(&text);
    let message = unmarked.split(" at line ").next().unwrap_or(unmarked);
    DynoxideError::ValidationException(message.to_owned())
}
