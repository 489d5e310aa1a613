//! Reading JSON documents of Shopify: webhooks, bare or in an EventBridge envelope, answers of the Admin API, and the lines of
//! bulk operations.

use std::io::BufRead;

use serde_json::value::RawValue;
use shopify::Page;
use shopify::bulk::{BulkError, Gathered, Gathering};

use super::Import;
use super::input::{Form, Opened};
use crate::error::CommandError;
use crate::input::{LINE_BYTES_MAX, line_of_at_most, remedy_of_length};
use echelon::import::outcome::{Outcome, Why};
use echelon::import::report::SourceLocation;

/// Reads the documents of a file, each into an outcome.
pub fn read(opened: Opened, topic: Option<&str>, import: &mut Import<'_>) -> Result<(), CommandError> {
    let mut documents = Documents { topic, place: SourceLocation::Line, import, gathering: Gathering::default() };
    match opened.form {
        Form::Lines => lines(opened.reader, &mut documents)?,
        Form::Document | Form::Table => {
            documents.place = SourceLocation::Document;
            values(opened.reader, &mut documents)?;
        }
    }
    documents.finish()
}

/// The topic of orders that the Admin API answers: none of them announces its payment, wherever the file is.
const ANSWERS: Option<&str> = Some("orders/updated");

/// The documents of a file as they come.
struct Documents<'r, 'i> {
    topic: Option<&'r str>,
    place: fn(u64) -> SourceLocation,
    import: &'r mut Import<'i>,
    /// The lines of a bulk operation whose orders may not be whole yet.
    gathering: Gathering,
}

impl Documents<'_, '_> {
    /// Takes the document of this number: one resource, a list of orders, or a line of a bulk operation.
    fn take(&mut self, number: u64, document: &[u8]) -> Result<(), CommandError> {
        let place = (self.place)(number);
        let text = match std::str::from_utf8(document) {
            Ok(text) => text,
            Err(error) if self.gathering.has_begun() => {
                return Err(self.failed(&BulkError::Damaged { line: number, problem: error.to_string() }));
            }
            Err(_) => return self.import.document(place, document, self.topic),
        };
        if let Some(failed) = query_failed(text) {
            return self.import.take(place, failed);
        }
        if self.gathering.take(number, text).map_err(|error| self.failed(&error))? {
            while let Some(gathered) = self.gathering.overdue().map_err(|error| self.failed(&error))? {
                self.gathered(&gathered)?;
            }
            return Ok(());
        }
        match shopify::orders(text) {
            None => self.import.document(place, document, self.topic),
            Some(page) => {
                self.page(&page);
                page.orders.into_iter().try_for_each(|order| self.answered(number, order))
            }
        }
    }

    /// Notes whether more orders follow on another page.
    fn page(&mut self, page: &Page<'_>) {
        if let Some(has_next) = page.has_next {
            self.import.report.page(self.import.file, has_next);
        }
    }

    /// Takes an order of a list that the Admin API answers.
    fn answered(&mut self, number: u64, order: &str) -> Result<(), CommandError> {
        self.import.document((self.place)(number), order.as_bytes(), ANSWERS)
    }

    fn gathered(&mut self, gathered: &Gathered) -> Result<(), CommandError> {
        self.import.document((self.place)(gathered.line), gathered.document.as_bytes(), ANSWERS)
    }

    fn finish(mut self) -> Result<(), CommandError> {
        let gathering = std::mem::take(&mut self.gathering);
        for gathered in gathering.finish().map_err(|error| self.failed(&error))? {
            self.gathered(&gathered)?;
        }
        Ok(())
    }

    /// Rejects a line that is too long. It may have been a part of any of the orders before.
    fn too_long(&mut self, number: u64) -> Result<(), CommandError> {
        let problem = format!("the line is longer than {LINE_BYTES_MAX} bytes: {}", remedy_of_length());
        if self.gathering.has_begun() {
            return Err(self.failed(&BulkError::Damaged { line: number, problem }));
        }
        self.import.take((self.place)(number), rejected("too_long", &problem))
    }

    fn failed(&self, error: &BulkError) -> CommandError {
        CommandError::input(format!("`{}` {error}", self.import.file))
    }
}

/// Reads one document per line. A line that is not JSON is one rejected document, and the next line is read.
fn lines(mut reader: Box<dyn BufRead>, documents: &mut Documents<'_, '_>) -> Result<(), CommandError> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let file = documents.import.file;
        let unreadable = |error| CommandError::input(format!("`{file}` line {number} cannot be read: {error}"));
        let passed_over = line_of_at_most(LINE_BYTES_MAX, &mut reader, &mut line).map_err(unreadable)?;
        if line.is_empty() {
            break;
        }
        if passed_over > 0 {
            documents.too_long(number)?;
            continue;
        }
        let document = line.trim_ascii();
        if !document.is_empty() {
            documents.take(number, document)?;
        }
    }
    Ok(())
}

/// Reads one document, or several in a row, or lists of them.
fn values(reader: Box<dyn BufRead>, documents: &mut Documents<'_, '_>) -> Result<(), CommandError> {
    let mut number = 0;
    for value in serde_json::Deserializer::from_reader(reader).into_iter::<Box<RawValue>>() {
        let value = match value {
            Ok(value) => value,
            Err(error) if error.is_io() => {
                return Err(CommandError::input(format!("`{}` cannot be read: {error}", documents.import.file)));
            }
            // It may have been a part of any of the orders before.
            Err(error) if documents.gathering.has_begun() => {
                return Err(documents.failed(&BulkError::Damaged { line: number + 1, problem: error.to_string() }));
            }
            Err(error) => {
                let text = format!("the document is not JSON, and nothing after it is read: {error}");
                return documents.import.take(SourceLocation::Document(number + 1), rejected("not_json", &text));
            }
        };
        let list: Result<Vec<&RawValue>, _> = serde_json::from_str(value.get());
        let is_whole = list.is_err() && shopify::errors(value.get()).is_none();
        let answered = if is_whole { shopify::orders(value.get()) } else { None };
        if let Some(page) = answered {
            documents.page(&page);
            for document in page.orders {
                number += 1;
                documents.answered(number, document)?;
            }
        } else {
            for document in list.unwrap_or_else(|_| vec![&value]) {
                number += 1;
                documents.take(number, document.get().as_bytes())?;
            }
        }
    }
    Ok(())
}

/// The rejection of an answer of the Admin API that has errors, whatever it has beside them.
fn query_failed(text: &str) -> Option<Outcome> {
    let errors = shopify::errors(text)?;
    let text = format!(
        "the Admin API answered with an error, and what it gave beside it may be incomplete: {errors}; ask again, and import the \
         whole answer"
    );
    Some(rejected("query_failed", &text))
}

/// Decodes a document and its shop. Only this function knows the reader of Shopify's format.
pub fn shopify(document: &[u8], topic: Option<&str>) -> (Option<String>, Outcome) {
    match shopify::read(document, topic) {
        shopify::Outcome::Facts { shop, facts } => (shop, Outcome::Facts(facts)),
        shopify::Outcome::Ignored(why) => (None, Outcome::Ignored(Why::new(why.code(), &why.to_string()))),
        shopify::Outcome::Rejected(why) => (None, rejected(why.code(), &why.to_string())),
    }
}

/// A rejection with its reason.
pub fn rejected(code: &str, text: &str) -> Outcome {
    Outcome::Rejected(Why::new(code, text))
}
