//! The rules of VIP tiers: what a member's facts are worth, which tier they earn, why, and until when.
//!
//! `standing = evaluate(program, ledger, as_of)` ([`standing::evaluate`]), pure and total: no clock, no I/O, no
//! failure. A shop's input comes in through [`program::Program::read`] and [`fact::Fact::read`], which report every
//! problem at once; after that nothing can fail. The meaning is in `docs/semantics.md`; the modules name its sections.
//!
//! # Words
//!
//! - *program*: the rules of one shop's tiers; a *version* of it is in force from an instant on
//! - *fact*: something that happened, under its natural key
//! - *fact index*: a shop's facts, each in its latest version; *ledger*: those of one member
//! - *movement*: credit that comes or goes, at an instant, counting for a day
//! - *threshold*: what a tier takes; *milestone*: what is counted towards it, and over which period
//! - *course*: the tier earned over all time, as known at an instant
//! - *standing*: what a member holds at an instant, until when, and what comes next
//! - *assignment*: a tier given by hand, as a *floor* (at least) or a *lock* (exactly); a *hold* is the program's own floor
//! - *transition*: a recorded change: entered, upgraded, downgraded, left, renewed
//! - *entry reward*: due once when a tier is reached; *perk*: holds while the tier is held
//! - *notice*: an announcement ahead of time: a tier is expiring, or a tier is within reach
//! - *forecast*: a standing together with the tier before it and the tier to come
//! - *review*: an instant at which something may be due although no fact arrives
//!
//! # Chapters
//!
//! `base` (instants, numbers, ids) · `facts` (facts, the fact index and ledgers) · `programs` (the rules of a shop) ·
//! `evaluation` (the standing and its explanation) · `recording` (what is recorded about a member) · `questions`
//! (forecast, notices, preview and revenue) · `wording` (explanations and history in sentences) · `codec` (the compact
//! form). Each stands on those before it; their modules are re-exported here without the chapter's name.

mod base;
mod codec;
mod evaluation;
mod facts;
mod programs;
mod questions;
mod recording;
mod wording;

pub use base::{calendar, id, json, quantity};
pub use codec::{chunk, compact};
pub use evaluation::earned::{Requalify, Window};
pub(crate) use evaluation::{assignment, credit, earned, eligibility};
pub use evaluation::{explain, standing};
pub use facts::{cause, connected, fact, fact_index, ledger, merge};
pub use programs::{program, tier_name, version};
pub use questions::{before_start, forecast, notice, preview, revenue};
pub(crate) use recording::reward;
pub use recording::{advance, apply, record, replay};
pub use wording::prose;
