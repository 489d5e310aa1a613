//! Scenarios: worked cases that a shop owner can read and add to.
//!
//! A file of `tests/scenarios` describes what happened to a program's members, line by line, and what must hold then.
//! [`read`] turns it into programs and events in the form of section 9 of the semantics, and expectations;
//! [`Scenario::run`] plays them to any replay. The code that computes the standings is behind that one function, so the
//! same files test the production code and the reference model.
//!
//! The sentences are in one table each: events in [`event::SENTENCES`], expectations in [`expect::SENTENCES`]. The
//! README of the scenarios and the error messages show the same tables.

pub mod event;
pub mod expect;
pub mod form;
pub mod moment;
pub mod program;

mod parse;

use serde_json::Value;

pub use expect::Expectation;
pub use parse::read;

/// A worked case: a program, events, and expectations.
#[derive(Debug)]
pub struct Scenario {
    /// The file it was read from, as shown in messages.
    pub file: String,
    /// The line with its title.
    pub line: usize,
    /// A sentence with the rule that it shows.
    pub title: String,
    /// The source of the rule: seed pages by number, or everyday life.
    pub source: String,
    /// Every ready program it names, the first one first.
    pub programs: Vec<String>,
    /// The first version of the program, in the form of section 3.
    pub program: Value,
    /// The events, in the order of arrival, in the form of section 9.
    pub events: Vec<Value>,
    /// The expectations, in the order of the file.
    pub expectations: Vec<Expectation>,
}

impl Scenario {
    /// Plays the scenario to `replay`, and returns the expectations that did not hold, one line each. `replay` takes a
    /// program, events and an instant, and answers with the object of section 9.
    ///
    /// An expectation sees only the events above it, so that later events do not change it.
    pub fn run(&self, replay: impl Fn(&Value, &[Value], &str) -> Result<Value, String>) -> Vec<String> {
        let mut misses = Vec::new();
        for expectation in &self.expectations {
            let known = self.events.get(..expectation.events).unwrap_or(&self.events);
            let found = match replay(&self.program, known, &expectation.as_of) {
                Ok(answer) => expectation.judge(&answer),
                Err(error) => vec![format!("replay failed: {error}")],
            };
            let place = format!("{}:{}: {}", self.file, expectation.line, expectation.text);
            misses.extend(found.into_iter().map(|miss| format!("{place}\n    {miss}")));
        }
        misses
    }
}
