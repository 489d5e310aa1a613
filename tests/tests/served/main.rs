//! The built command from outside: over HTTP, in a browser, by another command.

mod browser;
mod command;
mod fuzzed;
mod load;
mod new_year;
