//! A customer: their visits, their habits, and the facts that the shop knows besides their orders.

use chrono::{Datelike, NaiveDate};
use rules::calendar::{DayOfYear, Instant};
use rules::fact::{BirthdaySet, Enrolled, Fact, FactBody, Mode, TierAssigned, TierUnassigned};
use rules::id::{AssignmentId, MemberId, TierId};

use super::dice::{Dice, MILLION, interpolate};
use super::shop::{ABROAD, DOLLAR, DayNumber, Money, Shop, YEARS, days_later, ms_later};
use super::visit::{Outbox, Visit};

/// The decisions about a customer; those from `VISIT` on are one per day.
mod question {
    pub(super) const HABITS: u32 = 0;
    pub(super) const MEMBERSHIP: u32 = 1;
    pub(super) const YEAR: u32 = 2;
    pub(super) const VISIT: u32 = 16;
}

/// Days in a year on which a customer buys, by keenness: most buy once or twice, a few all the time.
const VISITS: [(u64, u64); 9] = [
    (0, 1),
    (400_000, 2),
    (620_000, 4),
    (800_000, 7),
    (900_000, 11),
    (970_000, 20),
    (990_000, 31),
    (999_000, 58),
    (1_000_000, 90),
];

/// The time of a purchase in milliseconds after midnight: some at night, most from noon to late evening.
const HOURS: [(u64, u64); 6] = [
    (0, 0),
    (30_000, 25_200_000),
    (300_000, 43_200_000),
    (620_000, 61_200_000),
    (930_000, 78_600_000),
    (1_000_000, 86_300_000),
];

/// The customer's sales tax in millionths, with weights.
const TAXES: [(u64, u64); 6] = [(3, 0), (2, 40_000), (4, 62_500), (3, 72_500), (2, 88_750), (1, 92_500)];

const NAMES: [&str; 40] = [
    "ada", "amir", "anna", "ben", "bruna", "carl", "chen", "dana", "diego", "ella", "emil", "fatma", "finn", "grace",
    "hana", "hugo", "ines", "ivan", "jana", "jonas", "kofi", "lara", "leon", "lucia", "maria", "milo", "nadia", "noah",
    "olga", "oscar", "paula", "priya", "rosa", "sami", "sofia", "tariq", "tessa", "viktor", "yuki", "zoe",
];

/// The lasting traits of a customer.
#[derive(Debug)]
pub(super) struct Habits {
    /// The day of their first visit.
    joins: DayNumber,
    /// Their place among all customers by keenness, in millionths.
    zeal: u64,
    /// The size of their baskets, in thousandths of the usual.
    pub purse: u64,
    /// The currency that they pay in.
    pub money: Money,
    /// Their sales tax, in millionths.
    pub tax: u64,
    /// Whether they order goods to try on at home, and send more of them back.
    pub sends_back: bool,
}

/// A customer, and the days of their next visits.
#[derive(Debug)]
pub(super) struct Customer {
    number: u32,
    habits: Habits,
    /// The remaining days of the current year, the next one last.
    days: Vec<DayNumber>,
    /// The first year that is not planned yet.
    year: i32,
}

impl Customer {
    pub(super) fn new(shop: &Shop, number: u32) -> Self {
        let mut dice = shop.dice(number, question::HABITS);
        let year = dice.weighted(&[(42, 0), (31, 1), (27, 2)]).map_or(0, |later| *later) + YEARS.start();
        let joins = shop.season_day(&mut dice, year);
        let habits = Habits {
            joins,
            zeal: dice.below(MILLION),
            purse: dice.quantile(&[(0, 450), (500_000, 900), (900_000, 1_700), (1_000_000, 3_200)]),
            money: if dice.permille(80) { dice.weighted(&ABROAD).copied().unwrap_or(DOLLAR) } else { DOLLAR },
            tax: dice.weighted(&TAXES).copied().unwrap_or_default(),
            sends_back: dice.permille(150),
        };
        Self { number, habits, days: Vec::new(), year }
    }

    /// The instant of the next visit; none after the last year.
    pub(super) fn next_visit(&mut self, shop: &Shop) -> Option<Instant> {
        while self.days.is_empty() && YEARS.contains(&self.year) {
            self.plan_year(shop);
        }
        let day = *self.days.last()?;
        Some(self.visit_at(shop, day).0)
    }

    /// Chooses the days of a year. Most customers stay about as keen as they were, some change, and some stay away.
    fn plan_year(&mut self, shop: &Shop) {
        let (year, joins) = (self.year, self.habits.joins);
        self.year += 1;
        let nth = u32::try_from(year - YEARS.start()).unwrap_or_default();
        let mut dice = shop.dice(self.number, question::YEAR + nth);
        let steady = (self.habits.zeal + dice.below(240_000)).saturating_sub(120_000);
        // Mirrored at the top. If values were capped there, one customer in twenty would be the keenest of all.
        let steady = steady.min((2 * MILLION).saturating_sub(steady)).min(MILLION - 1);
        let zeal = if dice.permille(300) { dice.below(MILLION) } else { steady };
        let stays_away = dice.permille(if zeal < 500_000 { 420 } else { 110 });
        let joining = shop.date(joins).year() == year;
        if joining {
            self.days.push(joins);
        } else if stays_away {
            return;
        }
        let more = interpolate(&VISITS, zeal).saturating_sub(u64::from(joining));
        let drawn = (0..more).map(|_| shop.season_day(&mut dice, year)).filter(|day| *day > joins);
        self.days.extend(drawn);
        self.days.sort_unstable_by(|a, b| b.cmp(a));
        self.days.dedup();
    }

    /// The instant of a visit, and the dice that decide the rest of it.
    fn visit_at(&self, shop: &Shop, day: DayNumber) -> (Instant, Dice) {
        let mut dice = shop.dice(self.number, question::VISIT + u32::from(day));
        let ms = dice.quantile(&HOURS) + dice.between(1, 999);
        (shop.at(day, ms), dice)
    }

    /// Carries out the visit that [`Self::next_visit`] announced.
    pub(super) fn visit(&mut self, shop: &Shop, outbox: &mut Outbox) {
        let Some((day, member)) = self.days.pop().zip(self.member()) else { return };
        let (at, dice) = self.visit_at(shop, day);
        let first = day == self.habits.joins;
        let only_enrols = first && self.first_visit(shop, &member, at, outbox);
        if !only_enrols {
            Visit { shop, habits: &self.habits, member: &member, day, at, dice }.orders(outbox);
        }
    }

    fn member(&self) -> Option<MemberId> {
        let names = u32::try_from(NAMES.len()).unwrap_or(1);
        let name = NAMES.get((self.number % names) as usize)?;
        MemberId::new(&format!("{name}-{}", self.number)).ok()
    }

    /// Sends the facts of the first visit besides orders; returns whether the customer came only to enroll.
    fn first_visit(&self, shop: &Shop, member: &MemberId, at: Instant, outbox: &mut Outbox) -> bool {
        let mut dice = shop.dice(self.number, question::MEMBERSHIP);
        let only_enrols = dice.permille(40);
        let birthday = birthday(&mut dice);
        if only_enrols || dice.permille(720) {
            let later = if dice.permille(400) { dice.between(1, 60) } else { 0 };
            let at = ms_later(days_later(at, later), dice.between(1_000, 600_000));
            let told = birthday.filter(|_| dice.permille(600));
            outbox.at_once(Fact::new(at, member.clone(), FactBody::Enrolled(Enrolled { birthday: told })));
            if told.is_none() && dice.permille(200) {
                let at = ms_later(days_later(at, dice.between(5, 200)), dice.below(600_000));
                outbox.at_once(Fact::new(at, member.clone(), FactBody::BirthdaySet(BirthdaySet { birthday })));
            }
        }
        if dice.permille(5) {
            let at = days_later(at, dice.between(20, 400));
            assign(self.number, member, at, &mut dice, outbox);
        }
        only_enrols
    }
}

fn birthday(dice: &mut Dice) -> Option<DayOfYear> {
    let ordinal = u32::try_from(dice.between(1, 366)).unwrap_or(1);
    let date = NaiveDate::from_yo_opt(2024, ordinal)?;
    DayOfYear::new(u8::try_from(date.month()).ok()?, u8::try_from(date.day()).ok()?)
}

/// Assigns a tier by hand: to an ambassador for a year, or as a lock without end to a customer who resells.
fn assign(number: u32, member: &MemberId, at: Instant, dice: &mut Dice, outbox: &mut Outbox) {
    let ambassador = dice.permille(700);
    let (tier, mode, reason) = if ambassador {
        ("gold", Mode::Floor, "ambassador of the season")
    } else {
        ("bronze", Mode::Lock, "sells on what is bought here")
    };
    let assigned = TierAssigned {
        tier: TierId::new(tier).ok(),
        mode,
        until: ambassador.then(|| days_later(at, 365)),
        reason: Some(reason.to_owned()),
        by: Some("customer care".to_owned()),
        reward: ambassador,
    };
    if let Ok(assignment) = AssignmentId::new(&format!("care-{number}")) {
        outbox.at_once(Fact::new(at, member.clone(), FactBody::TierAssigned(assignment, assigned)));
    }
    let at = days_later(at, dice.between(30, 200));
    if dice.permille(250)
        && let Ok(assignment) = AssignmentId::new(&format!("care-{number}-ended"))
    {
        let reason = Some("settled".to_owned());
        let ended = TierUnassigned { reason, by: Some("customer care".to_owned()) };
        outbox.at_once(Fact::new(at, member.clone(), FactBody::TierUnassigned(assignment, ended)));
    }
}
