//! Birthday points (section 7).

use super::{Assessed, StepContext};
use crate::calendar::{Day, Instant};
use crate::ledger::Ledger;
use crate::program::{Perk, Program};
use crate::quantity::Points;
use crate::record::{BirthdayDue, Record};

/// The birthday points due. A member gets them once per local year, for the tier held at the birthday's midnight (section 7).
pub(super) fn birthday(step: &StepContext<'_>, record: &mut Record) -> Option<BirthdayDue> {
    let Assessed { version, now, .. } = step.assessed;
    let zone = &version.program.timezone;
    let on = zone.day(step.at);
    let birthday = step.ledger.birthday(step.at)?;
    let today = zone.midnight(on) == step.at && birthday.in_year(on.year()) == Some(on.date());
    if !today || record.last_birthday_year() >= Some(on.year()) {
        return None;
    }
    let tier = version.program.tier(now.standing.tier?)?;
    let each = tier.perks.iter().filter_map(birthday_points).map(Points::get);
    let points = Points::new(each.fold(0, i64::saturating_add))?;
    record.birthday_year = Some(on.year());
    Some(BirthdayDue { tier: tier.id.clone(), on, points, version: version.number })
}

fn birthday_points(perk: &Perk) -> Option<Points> {
    match perk {
        Perk::BirthdayPoints(points) => Some(*points),
        Perk::PointsMultiplier(_) | Perk::FreeShipping | Perk::EarlyAccess | Perk::Custom(_) => None,
    }
}

/// The midnight of the member's next birthday, if any tier has points for it.
pub(super) fn next_birthday(program: &Program, ledger: &Ledger, done: Instant) -> Option<Instant> {
    let birthday = ledger.birthday(done)?;
    let has_points = |perks: &[Perk]| perks.iter().any(|perk| birthday_points(perk).is_some());
    program.tiers().any(|(_, tier)| has_points(&tier.perks)).then_some(())?;
    let year = program.timezone.day(done).year();
    let midnight = |year| birthday.in_year(year).map(|date| program.timezone.midnight(Day::of(date)));
    [year, year + 1].into_iter().filter_map(midnight).find(|midnight| *midnight > done)
}
