//! Section 3: a program, read directly from JSON.

use super::time::{Instant, Span, day, instant, midnight};
use super::years::Years;
use crate::tz::Tz;
use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde_json::{Value, json};

/// `milestone.metric`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// `points_earned`
    Points,
    /// `amount_spent`
    Spent,
    /// `orders_placed`
    Orders,
    /// `customer_tags`
    Tags,
}

/// `milestone.period`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// `lifetime`
    Lifetime,
    /// `calendar_year`, with the month and the day of `starts_on`.
    CalendarYear(u32, u32),
    /// `membership_year`
    MembershipYear,
    /// `since_last_upgrade`
    SinceLastUpgrade(Span),
    /// `rolling`
    Rolling(Span),
}

/// `spend.gift_cards`: when money that goes through a gift card counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiftCards {
    /// `when_spent`
    WhenSpent,
    /// `when_bought`
    WhenBought,
    /// `both`
    Both,
}

/// `earning`: "every paid order earns `points` for each full `amount` of its credit".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earning {
    /// `amount`
    pub amount: Decimal,
    /// `points`
    pub points: Decimal,
}

/// One tier; its rank is its position in `Program::tiers`.
#[derive(Debug, Clone, PartialEq)]
pub struct Tier {
    /// The id, unique and stable.
    pub id: String,
    /// The inclusive threshold; none in a tag program.
    pub threshold: Option<Decimal>,
    /// "`retain_threshold` (default: the threshold)"
    pub retain_threshold: Option<Decimal>,
    /// The tags, trimmed and in lower case.
    pub tags: Vec<String>,
    /// Whether it has entry rewards.
    pub rewarding: bool,
    /// The sum of its perks' `birthday_points`.
    pub birthday_points: Decimal,
    rest: Value,
}

/// One version of a program with its effective start.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    /// Whether it gives tiers.
    pub active: bool,
    /// The IANA time zone.
    pub timezone: Tz,
    /// The ISO 4217 currency code.
    pub currency: String,
    /// The start date, if it is given.
    pub start_date: Option<NaiveDate>,
    /// The metric.
    pub metric: Metric,
    /// The period.
    pub period: Period,
    /// Whether `holds` is `rest_of_year`: "`holds` is no part of the period", so it stands beside it.
    pub rest_of_year: bool,
    /// Whether `on_refund` is `keep`.
    pub keep: bool,
    /// Whether `on_miss` is `one_step`.
    pub one_step: bool,
    /// `milestone.grace`
    pub grace: Option<Span>,
    /// `earning`
    pub earning: Option<Earning>,
    /// `orders.min_total`
    pub min_total: Decimal,
    /// `eligibility.enrolled_only`
    pub enrolled_only: bool,
    /// `eligibility.excluded_tags`, trimmed and in lower case.
    pub excluded_tags: Vec<String>,
    /// `spend.include_tax`
    pub include_tax: bool,
    /// `spend.include_shipping`
    pub include_shipping: bool,
    /// `spend.include_tips`
    pub include_tips: bool,
    /// `spend.include_duties`
    pub include_duties: bool,
    /// `spend.before_discounts`
    pub before_discounts: bool,
    /// `spend.gift_cards`
    pub gift_cards: GiftCards,
    /// The tiers, lowest first.
    pub tiers: Vec<Tier>,
    /// Whether `skipped_tier_rewards` is `all_skipped`.
    pub all_skipped: bool,
    /// `repeat_tier_rewards`
    pub repeat_rewards: bool,
    /// The instant at which this version takes effect.
    pub effective_at: Instant,
    /// The local day from which facts count.
    pub effective_start: NaiveDate,
    /// Whether to try every midnight instead of those that could matter (slow).
    pub every_midnight: bool,
    rest: Value,
}

impl Program {
    /// Reads a version. `published_at` is the instant of publishing, if it was published. `earlier` are the versions
    /// before it, oldest first. An `effective_start` in the JSON is used as resolved.
    pub fn read(json: &Value, published_at: Option<Instant>, earlier: &[Program]) -> Option<Program> {
        Program::read_with(json, published_at, earlier, &Value::Null)
    }

    /// Reads the version of a line `program.published`, with the publisher's options.
    pub fn published(line: &Value, published_at: Instant, earlier: &[Program]) -> Option<Program> {
        Program::read_with(&line["program"], Some(published_at), earlier, &line["options"])
    }

    fn read_with(json: &Value, published_at: Option<Instant>, earlier: &[Program], options: &Value) -> Option<Program> {
        let mut program = fields(json)?;
        // "(`effective_at` is set by publishing; in files it may be given, and defaults to midnight of `start_date`)"
        program.effective_at = published_at
            .or_else(|| instant(json["effective_at"].as_str()?))
            .or_else(|| Some(midnight(program.timezone, program.start_date?)))
            .unwrap_or(0);
        // "The publisher's option `clamp: false` (in files also a key beside `effective_at`)"
        let as_stated = json["clamp"] == false || options["clamp"] == false;
        program.effective_start = match date(&json["effective_start"]) {
            Some(given) => given,
            // "takes the start as it is stated", whatever an earlier version has stored
            None if as_stated => program.start(earlier),
            None => program.resolve_effective_start(earlier),
        };
        Some(program)
    }

    /// "**Effective start** is resolved once, when `start_date` or `period` is set, and stored with the version."
    fn resolve_effective_start(&self, earlier: &[Program]) -> NaiveDate {
        // "a program equal in every field to an earlier version rolls back to the newest such one"
        if let Some(same) = earlier.iter().rev().find(|old| old.same_fields(self))
            && !self.still_without_start(earlier)
        {
            return same.effective_start;
        }
        // "later versions that change neither carry it over"
        if let Some(last) = earlier.last()
            && last.period == self.period
            && (last.start_date.is_none() && self.start_date.is_none()
                || last.start(&earlier[..earlier.len() - 1]) == self.start(earlier))
            && !self.still_without_start(earlier)
        {
            return last.effective_start;
        }
        // "For `calendar_year` it is the later of `start_date` and January 1 of the local year of `effective_at`;
        // for every other period it is `start_date`.", "A year that `starts_on` another day is clamped to its own
        // beginning; `membership_year` is not clamped."
        let start = self.start(earlier);
        if let Period::CalendarYear(month, first) = self.period {
            let years = Years::of_shop(month, first);
            return start.max(years.begin(years.of_day(day(self.timezone, self.effective_at))));
        }
        start
    }

    /// "Default: the local day of the first active version's `effective_at`." While no version was active, it is this
    /// version's own.
    fn start(&self, earlier: &[Program]) -> NaiveDate {
        let first_active = earlier.iter().find(|version| version.active).unwrap_or(self);
        self.start_date.unwrap_or_else(|| day(self.timezone, first_active.effective_at))
    }

    /// Whether no start date was given and no earlier version was active, so that there is nothing to carry over yet.
    fn still_without_start(&self, earlier: &[Program]) -> bool {
        self.start_date.is_none() && earlier.iter().all(|version| !version.active)
    }

    fn same_fields(&self, other: &Program) -> bool {
        let bare = |program: &Program| Program {
            effective_at: 0,
            effective_start: NaiveDate::MIN,
            every_midnight: false,
            ..program.clone()
        };
        bare(self) == bare(other)
    }

    /// "`q(x)` is the highest tier whose threshold ≤ max(`x`, 0), or none."
    pub fn q(&self, x: Decimal) -> Option<usize> {
        let x = x.max(Decimal::ZERO);
        (0..self.tiers.len()).rev().find(|&rank| self.tiers[rank].threshold.is_some_and(|threshold| threshold <= x))
    }

    /// "`review(h, c)` = the highest of  `q(c)`; the highest tier not above `h` whose `retain_threshold` ≤ `c`; with
    /// `one_step`, the tier one below `h`"
    pub fn review(&self, h: Option<usize>, c: Decimal) -> Option<usize> {
        let one_below = h.filter(|_| self.one_step).and_then(|rank| rank.checked_sub(1));
        self.review_without_one_step(h, c).max(one_below)
    }

    /// "`review(…)`, without `one_step`"
    pub fn review_without_one_step(&self, h: Option<usize>, c: Decimal) -> Option<usize> {
        let retains = |rank: &usize| self.tiers[*rank].retain_threshold.is_some_and(|retain| retain <= c);
        let kept = h.and_then(|h| (0..=h).rev().find(retains));
        self.q(c).max(kept)
    }

    /// Whether tiers are earned by the year.
    pub fn has_years(&self) -> bool {
        self.metric != Metric::Tags && matches!(self.period, Period::CalendarYear(..) | Period::MembershipYear)
    }

    /// The tier, if it has to be earned: "a threshold above 0".
    pub fn above_zero(&self, tier: Option<usize>) -> Option<usize> {
        tier.filter(|&rank| self.tiers[rank].threshold.is_some_and(|threshold| threshold > Decimal::ZERO))
    }

    /// The rank of a tier id.
    pub fn rank(&self, id: &str) -> Option<usize> {
        self.tiers.iter().position(|tier| tier.id == id)
    }

    /// The id of a rank.
    pub fn id(&self, rank: Option<usize>) -> Option<String> {
        Some(self.tiers[rank?].id.clone())
    }
}

fn fields(json: &Value) -> Option<Program> {
    let milestone = &json["milestone"];
    let metric = match milestone["metric"].as_str().unwrap_or("points_earned") {
        "points_earned" => Metric::Points,
        "amount_spent" => Metric::Spent,
        "orders_placed" => Metric::Orders,
        "customer_tags" => Metric::Tags,
        _ => return None,
    };
    let period = period(&milestone["period"])?;
    let keep = match milestone["on_refund"].as_str() {
        Some(said) => said == "keep",
        // "Default `keep` for lifetime, `revoke` otherwise."
        None => period == Period::Lifetime,
    };
    let spend = &json["spend"];
    let eligibility = &json["eligibility"];
    let earning = &json["earning"];
    let one = if milestone["period"].is_object() { &milestone["period"] } else { &Value::Null };
    let holds = [&one["calendar_year"]["holds"], &one["membership_year"]["holds"]];
    let tiers = json["tiers"].as_array()?.iter().map(tier).collect::<Option<_>>()?;
    Some(Program {
        active: json["active"].as_bool().unwrap_or(true),
        timezone: Tz::named(json["timezone"].as_str().unwrap_or("UTC"))?,
        currency: json["currency"].as_str().unwrap_or("USD").to_owned(),
        start_date: date(&json["start_date"]),
        metric,
        period,
        rest_of_year: holds.iter().any(|said| **said == "rest_of_year"),
        keep,
        one_step: milestone["on_miss"] == "one_step",
        grace: span(&milestone["grace"]),
        earning: amount(&earning["amount"])
            .zip(amount(&earning["points"]))
            .map(|(amount, points)| Earning { amount, points }),
        min_total: amount(&json["orders"]["min_total"]).unwrap_or_default(),
        enrolled_only: eligibility["enrolled_only"] == true,
        excluded_tags: tags(&eligibility["excluded_tags"]),
        include_tax: spend["include_tax"].as_bool().unwrap_or(true),
        include_shipping: spend["include_shipping"].as_bool().unwrap_or(true),
        include_tips: spend["include_tips"].as_bool().unwrap_or(true),
        include_duties: spend["include_duties"].as_bool().unwrap_or(true),
        before_discounts: spend["before_discounts"].as_bool().unwrap_or(false),
        gift_cards: match spend["gift_cards"].as_str().unwrap_or("when_spent") {
            "when_spent" => GiftCards::WhenSpent,
            "when_bought" => GiftCards::WhenBought,
            "both" => GiftCards::Both,
            _ => return None,
        },
        tiers,
        all_skipped: json["skipped_tier_rewards"] == "all_skipped",
        repeat_rewards: json["repeat_tier_rewards"].as_bool().unwrap_or(false),
        effective_at: 0,
        effective_start: NaiveDate::MIN,
        every_midnight: false,
        rest: json!([
            json["program_id"],
            json["name"],
            json["notices"].get("expiring_days").unwrap_or(&json!([30])),
            json["notices"]
                .get("within_reach_percent")
                .map_or(Decimal::TEN, |v| amount(v).unwrap_or_default())
                .normalize()
                .to_string(),
        ]),
    })
}

fn period(json: &Value) -> Option<Period> {
    // "a bare `since_last_upgrade` or `rolling` means 365 days, a bare `membership_year` the default"
    let (name, form) = match json {
        Value::Null => ("lifetime", &Value::Null),
        Value::String(name) => (name.as_str(), &Value::Null),
        Value::Object(one) => one.iter().next().map(|(name, form)| (name.as_str(), form))?,
        _ => return None,
    };
    // "Default unit 365 days."
    let unit = span(form).unwrap_or(Span::Days(365));
    match name {
        "lifetime" => Some(Period::Lifetime),
        "calendar_year" => {
            // "`starts_on` (`MM-DD`, default `01-01`, not `02-29`)"
            let (month, day) = form["starts_on"].as_str().unwrap_or("01-01").split_once('-')?;
            Some(Period::CalendarYear(month.parse().ok()?, day.parse().ok()?))
        }
        "membership_year" => Some(Period::MembershipYear),
        "since_last_upgrade" => Some(Period::SinceLastUpgrade(unit)),
        "rolling" => Some(Period::Rolling(unit)),
        _ => None,
    }
}

/// A number of days or of months, if it is given.
fn span(json: &Value) -> Option<Span> {
    match (json["days"].as_u64(), json["months"].as_u64()) {
        (Some(days), None) => Some(Span::Days(days)),
        (None, Some(months)) => Some(Span::Months(months as u32)),
        _ => None,
    }
}

fn tier(json: &Value) -> Option<Tier> {
    let list = |name: &str| json[name].as_array().cloned().unwrap_or_default();
    let perks = list("perks");
    Some(Tier {
        id: json["id"].as_str()?.to_owned(),
        threshold: amount(&json["threshold"]),
        retain_threshold: amount(&json["retain_threshold"]).or_else(|| amount(&json["threshold"])),
        tags: tags(&json["tags"]),
        rewarding: !list("entry_rewards").is_empty(),
        birthday_points: perks
            .iter()
            .filter(|perk| perk["type"] == "birthday_points")
            .filter_map(|perk| amount(&perk["points"]))
            .sum(),
        rest: json!([json["name"], list("entry_rewards"), perks]),
    })
}

fn tags(list: &Value) -> Vec<String> {
    let list = list.as_array().cloned().unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(tag).collect()
}

/// "(trimmed, case-insensitive)"
pub fn tag(text: &str) -> String {
    text.trim().to_lowercase()
}

/// Whether a number is a valid amount: "Amounts are below 10^12 with at most 4 decimals", and not below 0.
pub fn is_amount(amount: Decimal) -> bool {
    !amount.is_sign_negative() && amount < Decimal::from(1_000_000_000_000_i64) && amount.scale() <= 4
}

/// "amounts are read from strings or integers, never written as floats"
pub fn amount(json: &Value) -> Option<Decimal> {
    match json {
        Value::String(text) => text.parse::<Decimal>().ok().map(|n| n.normalize()),
        Value::Number(number) => number.as_i64().map(Decimal::from),
        _ => None,
    }
}

fn date(json: &Value) -> Option<NaiveDate> {
    json.as_str()?.parse().ok()
}
