//! A page that the worker of a sweep abandons: it dies when it has written a list for the page, and before another worker goes on
//! the only member on that list is erased. What the dead worker wrote must then be on no list.
//!
//! By chance alone this happens in one seed of a thousand. Here it is brought about during the last sweeps before a comparison,
//! since only the latest lists are compared.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rules::id::MemberId;
use serde_json::Value;
use store::records::list::unpack;

use super::dice::Dice;
use super::fault::Fault;
use super::network::State;
use super::workload::Shop;
use super::world::{InvariantViolation, World};

/// The seeds in a thousand in which pages are abandoned.
const ABANDONING: u64 = 250;

/// Whether pages are abandoned in a seed. It is drawn separately from the seed's story.
pub(super) fn of(seed: u64) -> bool {
    Dice::of(seed ^ 0x0dea_d11f).chance(ABANDONING)
}

/// Whether the worker of a sweep is to abandon a page.
#[derive(Debug, Default)]
pub enum Abandoned {
    /// No worker is to.
    #[default]
    Never,
    /// The next worker is to that wrote a list of a single member who may be erased.
    Next,
    /// A worker has, and this member is to be erased before another one goes on.
    At(MemberId),
}

impl Abandoned {
    /// The member to be erased, once.
    fn member(&mut self) -> Option<MemberId> {
        let Self::At(member) = self else { return None };
        let member = member.clone();
        *self = Self::Never;
        Some(member)
    }
}

impl State {
    /// Whether the worker that has made this request dies of it.
    pub(super) fn abandons(&mut self, operation: &str, input: &Value) -> bool {
        if !matches!(self.abandoned, Abandoned::Next) || operation != "PutItem" {
            return false;
        }
        let Some(member) = only_member(input).filter(|member| member.as_str().contains("-forgettable-")) else {
            return false;
        };
        self.fault_counts.hit(Fault::PageAbandoned);
        self.abandoned = Abandoned::At(member);
        true
    }
}

impl World {
    /// Sweeps until every job has ended, and abandons a page if this is a seed in which pages are abandoned.
    ///
    /// # Errors
    /// Says what is wrong.
    pub(super) async fn sweep_abandoning(&mut self) -> Result<(), InvariantViolation> {
        if self.abandoning {
            self.network.state().abandoned = Abandoned::Next;
        }
        self.sweep().await?;
        let is_abandoned = !matches!(std::mem::take(&mut self.network.state().abandoned), Abandoned::Next);
        if self.abandoning && is_abandoned {
            // The erasure was taken in while the sweep was under way.
            self.settled_at = self.network.instant();
        }
        Ok(())
    }

    /// Erases the member on the page that a worker has abandoned, if one has.
    pub(super) fn erase_abandoned(&mut self) {
        let Some(member) = self.network.state().abandoned.member() else { return };
        let now = self.now();
        let is_of = |shop: &&mut Shop| member.as_str().starts_with(shop.short_name());
        let Some(shop) = self.shops.iter_mut().find(is_of) else { return };
        let sent = shop.erasure_of(&member, now);
        self.fault_counts(Fault::ErasureBesideSweep);
        self.send(&sent);
    }
}

/// The member of a list's row that has one member.
fn only_member(input: &Value) -> Option<MemberId> {
    let is_of_list = input["Item"]["pk"]["S"].as_str()?.contains("#list#");
    let packed = input["Item"]["body"]["B"].as_str().filter(|_| is_of_list)?;
    let packed = STANDARD.decode(packed).ok()?;
    match unpack(&packed)?.as_slice() {
        [only] => Some(only.member_id.clone()),
        _ => None,
    }
}
