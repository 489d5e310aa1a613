//! The HTTP API as any caller may use it, over a real store. Every answer is validated against the committed OpenAPI document,
//! and every problem says what is wrong and what to do.

mod agrees;
mod assignments;
mod document;
mod errors;
mod facts;
mod lists;
mod members;
mod precedence;
mod privacy;
mod program;
mod quarantine;
mod safety;
