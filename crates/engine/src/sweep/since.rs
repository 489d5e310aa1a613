//! The rows recorded about a member since a boundary, as far as a job counts them.

use rules::calendar::Instant;
use rules::id::TierId;
use store::history::Recorded;
use store::records::tally::CountedRow;

/// The rows recorded since a boundary that may belong to it, and the tier held at it.
pub(super) struct Since {
    pub(super) rows: Vec<CountedRow>,
    pub(super) tier: Option<TierId>,
}

impl Since {
    /// Filters a member's whole history by a boundary. `tier` is the tier on record now.
    pub(super) fn boundary(history: Vec<Recorded>, until: Instant, tier: Option<TierId>) -> Self {
        let (mut rows, mut at_boundary) = (Vec::new(), None);
        for row in history {
            match row {
                Recorded::Transition { event, .. } if event.recorded_at >= until => {
                    let id = |tier: &Option<store::announce::Tier>| tier.as_ref().map(|tier| tier.id.clone());
                    let (from, to) = (id(&event.before), id(&event.after));
                    let (seq, change, cause) = (event.sequence, event.change, event.cause);
                    // A transition that took effect later belongs to another boundary. One that took effect before, but
                    // was recorded late, sets the tier at this boundary.
                    if event.effective_at > until {
                        at_boundary.get_or_insert(from);
                    } else {
                        at_boundary = Some(to.clone());
                        rows.push(CountedRow::Transition {
                            seq,
                            change,
                            cause,
                            version: event.program_version,
                            from,
                            to,
                        });
                    }
                }
                Recorded::Reward { event, .. } => rows.push(CountedRow::Reward { transition: event.sequence }),
                Recorded::Birthday(event) if event.recorded_at >= until => rows.push(CountedRow::Birthday),
                Recorded::Held(held) => rows.push(CountedRow::Held { version: held.version }),
                Recorded::Expiring(event) if event.recorded_at >= until => rows.push(CountedRow::Notice),
                Recorded::WithinReach(event) if event.recorded_at >= until => rows.push(CountedRow::Notice),
                Recorded::Transition { .. }
                | Recorded::Correction(_)
                | Recorded::Birthday(_)
                | Recorded::Expiring(_)
                | Recorded::WithinReach(_) => {}
            }
        }
        Self { rows, tier: at_boundary.unwrap_or(tier) }
    }
}
