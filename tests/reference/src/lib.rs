//! The reference model, a second implementation of the rules: `docs/semantics.md` written down sentence by sentence. It
//! is slow and shares no code with the `rules` crate, so random ledgers can be compared under both.
//!
//! - [`Shop`] takes fact events in any order and merges them (section 4).
//! - [`standing()`] is sections 5 and 6: tiers by definition, `since` and `valid_until` by trying every instant at
//!   which something could change.
//! - [`replay()`] is sections 3, 7 and 9: versions, transitions, rewards, birthdays.
//!
//! It trusts its input: input that `validate` would refuse may panic here or give meaningless results.

mod earned;
mod evaluate;
mod fact;
mod identity;
mod ledger;
mod program;
mod replay;
mod rewards;
mod rolling;
mod standing;
mod time;
pub mod tz;
mod worth;
mod years;

pub use fact::Shop;
pub use program::Program;
pub use replay::{Replay, replay, replay_trying_every_midnight};
pub use time::{Instant, instant};

use serde_json::{Value, json};

/// The standing of a member at an instant under one version: the keys of section 9's `standings`.
pub fn standing(program: &Program, shop: &Shop, member_id: &str, as_of: Instant) -> Value {
    // "a member that was erased has a standing of nulls"
    if shop.is_erased(member_id) {
        return erased();
    }
    let member = shop.stands_for(member_id);
    told_of(member_id, &member, standing::print_standing(program, &ledger::Ledger::of(shop, &member), as_of))
}

/// The standing of a member as told of an id that stands for them: "with `merged_into`".
fn told_of(id: &str, member: &str, mut standing: Value) -> Value {
    if id != member {
        standing["merged_into"] = json!(member);
    }
    standing
}

fn erased() -> Value {
    json!({
        "active": null, "tier": null, "since": null, "valid_until": null, "upcoming": null, "counted": null,
        "window": null, "next_tier": null, "remaining": null, "requalify": null,
    })
}
