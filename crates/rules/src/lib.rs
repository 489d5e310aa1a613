//! The rules of VIP tiers: what a member's facts are worth, which tier they earn, why, and until when.
//!
//! `standing = evaluate(program, ledger, as_of)` ([`standing::evaluate`]), pure and total: no clock, no I/O, no failure.
//! What a shop says comes in through [`program::Program::read`] and [`fact::Fact::read`], which report every problem at
//! once; after that nothing can go wrong. The meaning is in `docs/semantics.md`, whose sections the modules name.
//!
//! # Words
//!
//! - *program*: the rules of one shop's tiers; a *version* of it is in force from an instant on
//! - *fact*: something that happened, under its natural key
//! - *book*: a shop's facts, each in its latest version; *ledger*: those of one member
//! - *movement*: credit that comes or goes, at an instant, counting for a day
//! - *threshold*: what a tier takes; *milestone*: what is counted towards it, and over which period
//! - *course*: the tier earned over all time, as known at an instant
//! - *standing*: what a member holds at an instant, until when, and what comes next
//! - *assignment*: a tier given by hand, as a *floor* (at least) or a *lock* (exactly); a *hold* is the program's own floor
//! - *transition*: a recorded change: entered, upgraded, downgraded, left, renewed
//! - *entry reward*: due once when a tier is reached; *perk*: holds while the tier is held
//! - *notice*: what a member is told ahead: a tier is expiring, a tier is within reach
//! - *outlook*: a standing with the tier before it and the one to come, and whether something stands out
//! - *review*: an instant at which something may be due although nothing arrives

pub mod advance;
pub mod arrive;
mod assignment;
pub mod book;
pub mod calendar;
pub mod cause;
pub mod compact;
mod credit;
mod earned;
pub mod explain;
pub mod fact;
pub mod id;
pub mod json;
pub mod ledger;
pub mod notice;
pub mod outlook;
pub mod page;
pub mod preview;
pub mod program;
pub mod prose;
pub mod quantity;
pub mod record;
pub mod replay;
pub mod revenue;
mod reward;
pub mod standing;
pub mod version;

pub use earned::{Requalify, Window};
