//! Reading JSON documents in the form of Shopify's webhooks, bare or in an EventBridge envelope.

use std::io::BufRead;

use serde_json::value::RawValue;

use super::Import;
use super::input::{Form, Opened};
use crate::error::CommandError;
use echelon::import::outcome::{Outcome, Why};
use echelon::import::report::SourceLocation;

/// Reads the documents of a file, each into an outcome.
pub fn read(opened: Opened, topic: Option<&str>, import: &mut Import<'_>) -> Result<(), CommandError> {
    match opened.form {
        Form::Lines => lines(opened.reader, topic, import),
        Form::Document | Form::Table => documents(opened.reader, topic, import),
    }
}

/// Reads one document per line. A line that is not JSON is one rejected document, and the next line is read.
fn lines(mut reader: Box<dyn BufRead>, topic: Option<&str>, import: &mut Import<'_>) -> Result<(), CommandError> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let unreadable =
            |error| CommandError::input(format!("`{}` line {number} cannot be read: {error}", import.file));
        if reader.read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            break;
        }
        let document = line.trim_ascii();
        if !document.is_empty() {
            import.document(SourceLocation::Line(number), document, topic)?;
        }
    }
    Ok(())
}

/// Reads one document, or several in a row, or lists of them.
fn documents(reader: Box<dyn BufRead>, topic: Option<&str>, import: &mut Import<'_>) -> Result<(), CommandError> {
    let mut number = 0;
    for value in serde_json::Deserializer::from_reader(reader).into_iter::<Box<RawValue>>() {
        let value = match value {
            Ok(value) => value,
            Err(error) if error.is_io() => {
                return Err(CommandError::input(format!("`{}` cannot be read: {error}", import.file)));
            }
            Err(error) => {
                let text = format!("the document is not JSON, and nothing after it is read: {error}");
                return import.take(SourceLocation::Document(number + 1), rejected("not_json", text));
            }
        };
        let list: Result<Vec<&RawValue>, _> = serde_json::from_str(value.get());
        for document in list.unwrap_or_else(|_| vec![&value]) {
            number += 1;
            import.document(SourceLocation::Document(number), document.get().as_bytes(), topic)?;
        }
    }
    Ok(())
}

/// Decodes a document and its shop. Only this function knows the reader of Shopify's format.
pub fn shopify(document: &[u8], topic: Option<&str>) -> (Option<String>, Outcome) {
    match shopify::read(document, topic) {
        shopify::Outcome::Facts { shop, facts } => (shop, Outcome::Facts(facts)),
        shopify::Outcome::Ignored(why) => {
            (None, Outcome::Ignored(Why { code: why.code().to_owned(), text: why.to_string() }))
        }
        shopify::Outcome::Rejected(why) => (None, rejected(why.code(), why.to_string())),
    }
}

/// A rejection with its reason.
pub fn rejected(code: &str, text: String) -> Outcome {
    Outcome::Rejected(Why { code: code.to_owned(), text })
}
