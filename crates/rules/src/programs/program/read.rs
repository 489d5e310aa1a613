//! Programs from their JSON form.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    Counted, Gift, GiftCards, Metric, Milestone, Notices, OnRefund, Period, Perk, Program, Reward, SkippedTierRewards,
    Spend, Tagged, Tier,
};
use crate::calendar::{Instant, Span, Zone, Zones};
use crate::fact::{Currency, Tag};
use crate::id::{ProgramId, TierId};
use crate::json::{Node, Notes, Object, Problem, Problems};
use crate::quantity::{Amount, MinorUnit, Points, Quantity};

/// A program as written in a file. Publishing gives it its number and, unless the file has one, its instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The rules.
    pub program: Program,
    /// The instant at which they take effect, if the file has one.
    pub effective_at: Option<Instant>,
    /// Whether the file takes its start date as stated (`clamp: false`).
    pub unclamped: bool,
    /// Settings that are allowed but probably not meant. For warnings that depend on the instant of publishing, see
    /// [`super::starting`] and [`super::replacing`].
    pub warnings: Vec<Problem>,
}

/// Windows are at most a century long, so dates stay within the calendar.
const DAYS_MAX: i64 = 36_500;
const MONTHS_MAX: i64 = 1_200;
/// The most tiers; a longer list is a mistake.
const TIERS_MAX: usize = 100;
const POINTS_MAX: i64 = 999_999_999_999;
const PERCENT_MAX: u64 = 100 * 10_000;

impl Program {
    /// Reads a program as a whole; `zones` is the release of the database with its time zone.
    ///
    /// # Errors
    /// All problems at once, each with its JSON path.
    pub fn read(value: &Value, zones: &Zones) -> Result<Draft, Problems> {
        let notes = Notes::default();
        let read = Node::root(value, &notes).object().and_then(|object| read_program(object, zones));
        let mut draft = notes.settle(read)?;
        draft.warnings.extend(super::advice::of(&draft.program));
        Ok(draft)
    }
}

fn read_program(o: Object<'_>, zones: &Zones) -> Option<Draft> {
    let mut warnings = Vec::new();
    let id = o.maybe("program_id", |node| node.id(ProgramId::new));
    let name = o.maybe("name", free_text);
    let active = o.or("active", true, Node::bool);
    let timezone = o.or("timezone", Zone::utc(), |node| timezone(node, zones));
    let currency = o.get("currency").map_or_else(usd, |node| currency(&node));
    let start_date = o.maybe("start_date", Node::date);
    let effective_at = o.maybe("effective_at", Node::instant);
    let clamp = o.or("clamp", true, Node::bool);
    let milestone = match o.get("milestone") {
        Some(node) => node.object().and_then(|object| kind_of_milestone(object, &mut warnings)),
        None => Some(KindOfMilestone::Counted(Metric::PointsEarned, Period::Lifetime, OnRefund::Keep)),
    };
    let spend = o.get("spend").map_or(Some(Spend::default()), |node| spend(&node));
    let skipped = [("highest_only", SkippedTierRewards::HighestOnly), ("all_skipped", SkippedTierRewards::AllSkipped)];
    let skipped_tier_rewards =
        o.or("skipped_tier_rewards", SkippedTierRewards::HighestOnly, |node| node.word(&skipped));
    let repeat_tier_rewards = o.or("repeat_tier_rewards", false, Node::bool);
    let notices = o.get("notices").map_or(Some(Notices::default()), |node| notices(&node));
    let tiers = o.need("tiers").and_then(|node| tiers(&node, milestone.as_ref(), &mut warnings));
    o.finish();
    let (currency, minor_unit) = currency?;
    let (milestone, tiers) = tiers?;
    let program = Program {
        id: id?,
        name: name?,
        active: active?,
        timezone: timezone?,
        currency,
        minor_unit,
        start_date: start_date?,
        milestone,
        spend: spend?,
        skipped_tier_rewards: skipped_tier_rewards?,
        repeat_tier_rewards: repeat_tier_rewards?,
        notices: notices?,
        tiers,
    };
    Some(Draft { program, effective_at: effective_at?, unclamped: !clamp?, warnings })
}

impl Default for Spend {
    fn default() -> Self {
        Self {
            include_tax: true,
            include_shipping: true,
            include_tips: true,
            include_duties: true,
            before_discounts: false,
            gift_cards: GiftCards::WhenSpent,
        }
    }
}

impl Default for Notices {
    fn default() -> Self {
        Self { expiring_days: vec![30], within_reach_percent: 10 }
    }
}

fn free_text(node: &Node<'_>) -> Option<String> {
    let text = node.text()?;
    if text.trim().is_empty() { node.problem("must not be empty") } else { Some(text.to_owned()) }
}

fn timezone(node: &Node<'_>, zones: &Zones) -> Option<Zone> {
    zones.named(node.text()?).map_or_else(|no_zone| node.problem(no_zone.to_string()), Some)
}

fn usd() -> Option<(Currency, MinorUnit)> {
    with_minor_unit(Currency::from_code("USD")?)
}

fn with_minor_unit(currency: Currency) -> Option<(Currency, MinorUnit)> {
    Some((currency, MinorUnit::new(currency.decimals()?)?))
}

fn currency(node: &Node<'_>) -> Option<(Currency, MinorUnit)> {
    let code = node.text()?;
    match Currency::from_code(code).and_then(with_minor_unit) {
        Some(currency) => Some(currency),
        None => node.problem(format!("`{code}` is not an ISO 4217 currency that money is paid in, such as \"USD\"")),
    }
}

fn spend(node: &Node<'_>) -> Option<Spend> {
    let o = node.object()?;
    let default = Spend::default();
    let include_tax = o.or("include_tax", default.include_tax, Node::bool);
    let include_shipping = o.or("include_shipping", default.include_shipping, Node::bool);
    let include_tips = o.or("include_tips", default.include_tips, Node::bool);
    let include_duties = o.or("include_duties", default.include_duties, Node::bool);
    let before_discounts = o.or("before_discounts", default.before_discounts, Node::bool);
    let words =
        [("when_spent", GiftCards::WhenSpent), ("when_bought", GiftCards::WhenBought), ("both", GiftCards::Both)];
    let gift_cards = o.or("gift_cards", default.gift_cards, |node| node.word(&words));
    o.finish();
    Some(Spend {
        include_tax: include_tax?,
        include_shipping: include_shipping?,
        include_tips: include_tips?,
        include_duties: include_duties?,
        before_discounts: before_discounts?,
        gift_cards: gift_cards?,
    })
}

fn notices(node: &Node<'_>) -> Option<Notices> {
    let o = node.object()?;
    let days = |node: &Node<'_>| -> Option<Vec<u16>> {
        let days = node.list()?.into_iter().map(|day| day.integer(1..=366).and_then(|day| u16::try_from(day).ok()));
        days.collect()
    };
    let expiring_days = o.or("expiring_days", Notices::default().expiring_days, days);
    let percent = o.or("within_reach_percent", 10, |node| node.integer(0..=100));
    o.finish();
    Some(Notices { expiring_days: expiring_days?, within_reach_percent: u8::try_from(percent?).ok()? })
}

/// A milestone before the tiers are known.
enum KindOfMilestone {
    Counted(Metric, Period, OnRefund),
    Tags(Period),
}

fn kind_of_milestone(o: Object<'_>, warnings: &mut Vec<Problem>) -> Option<KindOfMilestone> {
    let metrics = [
        ("points_earned", Some(Metric::PointsEarned)),
        ("amount_spent", Some(Metric::AmountSpent)),
        ("orders_placed", Some(Metric::OrdersPlaced)),
        ("customer_tags", None),
    ];
    let metric = o.or("metric", Some(Metric::PointsEarned), |node| node.word(&metrics));
    let given = o.get("period");
    let period = given.as_ref().map_or(Some(Period::Lifetime), period);
    let words = [("keep", OnRefund::Keep), ("revoke", OnRefund::Revoke)];
    let refund = o.maybe("on_refund", |node| node.word(&words));
    o.finish();
    let (metric, period, refund) = (metric?, period?, refund?);
    let Some(metric) = metric else {
        for (key, present) in [("period", given.is_some()), ("on_refund", refund.is_some())] {
            if present {
                let path = format!("$.milestone.{key}");
                warnings.push(Problem { path, message: "does nothing: tags have no period and no refunds".to_owned() });
            }
        }
        return Some(KindOfMilestone::Tags(period));
    };
    let default = if period == Period::Lifetime { OnRefund::Keep } else { OnRefund::Revoke };
    Some(KindOfMilestone::Counted(metric, period, refund.unwrap_or(default)))
}

fn period(node: &Node<'_>) -> Option<Period> {
    if node.value.is_string() {
        return node.word(&[
            ("lifetime", Period::Lifetime),
            ("calendar_year", Period::CalendarYear),
            ("since_last_upgrade", Period::SinceLastUpgrade(Span::YEAR_OF_DAYS)),
            ("rolling", Period::Rolling(Span::YEAR_OF_DAYS)),
        ]);
    }
    let o = node.object()?;
    let since = o.get("since_last_upgrade");
    let rolling = o.get("rolling");
    let period = match (since, rolling) {
        (Some(since), None) => span(&since).map(Period::SinceLastUpgrade),
        (None, Some(rolling)) => span(&rolling).map(Period::Rolling),
        _ => {
            node.problem("write one of \"since_last_upgrade\" and \"rolling\", such as {\"rolling\": {\"days\": 365}}")
        }
    };
    o.finish();
    period
}

fn span(node: &Node<'_>) -> Option<Span> {
    let o = node.object()?;
    let days = o.maybe("days", |node| node.integer(1..=DAYS_MAX));
    let months = o.maybe("months", |node| node.integer(1..=MONTHS_MAX));
    o.finish();
    match (days?, months?) {
        (Some(days), None) => u16::try_from(days).ok().map(Span::Days),
        (None, Some(months)) => u16::try_from(months).ok().map(Span::Months),
        _ => node.problem("write either \"days\" or \"months\", such as {\"days\": 365}"),
    }
}

/// A tier as written, before it is checked against its milestone. A part that is wrong in itself is none; the rest is
/// still checked, so that every problem is found at once.
struct Rung<'a> {
    node: Node<'a>,
    id: Option<TierId>,
    /// An absent threshold is `Some(None)`, a wrong one `None`.
    threshold: Option<Option<Quantity>>,
    tags: Option<Option<BTreeSet<Tag>>>,
    tier: Option<Tier>,
}

fn tiers(
    node: &Node<'_>,
    milestone: Option<&KindOfMilestone>,
    warnings: &mut Vec<Problem>,
) -> Option<(Milestone, Vec<Tier>)> {
    let list = node.list()?;
    if list.is_empty() {
        return node.problem("must have at least one tier");
    }
    if list.len() > TIERS_MAX {
        return node.problem(format!("has {} tiers; {TIERS_MAX} are the most", list.len()));
    }
    let count = list.len();
    let rungs: Vec<Rung<'_>> = list.iter().filter_map(rung).collect();
    unique_ids(&rungs);
    let milestone = match milestone {
        Some(KindOfMilestone::Counted(metric, period, on_refund)) => {
            let thresholds = thresholds(&rungs, warnings);
            let counted = |thresholds| Counted { metric: *metric, period: *period, on_refund: *on_refund, thresholds };
            thresholds.map(counted).map(Milestone::Counted)
        }
        Some(KindOfMilestone::Tags(period)) => {
            tag_sets(&rungs, warnings).map(|wanted| Milestone::Tags(Tagged { period: *period, wanted }))
        }
        None => None,
    };
    let tiers: Vec<Tier> = rungs.into_iter().filter_map(|rung| rung.tier).collect();
    (tiers.len() == count).then_some(())?;
    Some((milestone?, tiers))
}

fn rung<'a>(node: &Node<'a>) -> Option<Rung<'a>> {
    let o = node.object()?;
    let id = o.need("id").and_then(|node| node.id(TierId::new));
    let name = o.get("name").map_or_else(|| id.as_ref().map(ToString::to_string), |node| free_text(&node));
    let threshold = o.maybe("threshold", |node| node.amount().map(Quantity::from));
    let tags = o.maybe("tags", tags);
    let entry_rewards = o.or("entry_rewards", Vec::new(), |node| each(node, reward));
    let perks = o.or("perks", Vec::new(), |node| each(node, perk));
    o.finish();
    let tier = || Some(Tier { id: id.clone()?, name: name?, entry_rewards: entry_rewards?, perks: perks? });
    Some(Rung { node: node.clone(), tier: tier(), id, threshold, tags })
}

/// Reads every item of a list, even after one that is wrong.
fn each<T>(node: &Node<'_>, read: impl Fn(&Node<'_>) -> Option<T>) -> Option<Vec<T>> {
    let items = node.list()?;
    let found: Vec<T> = items.iter().filter_map(read).collect();
    (found.len() == items.len()).then_some(found)
}

fn unique_ids(rungs: &[Rung<'_>]) {
    for (index, rung) in rungs.iter().enumerate() {
        let Some(id) = &rung.id else { continue };
        if rungs.iter().take(index).any(|other| other.id.as_ref() == Some(id)) {
            rung.node.at("id").problem::<()>(format!("`{id}` is already the id of a lower tier"));
        }
    }
}

fn thresholds(rungs: &[Rung<'_>], warnings: &mut Vec<Problem>) -> Option<Vec<Quantity>> {
    let mut found: Vec<Quantity> = Vec::new();
    let mut right = true;
    for rung in rungs {
        if matches!(rung.tags, Some(Some(_))) {
            let message = "does nothing: only the metric customer_tags looks at tags".to_owned();
            warnings.push(Problem { path: rung.node.at("tags").path, message });
        }
        let node = rung.node.at("threshold");
        let Some(threshold) = rung.threshold.and_then(|threshold| threshold.or_else(|| node.problem("is missing")))
        else {
            right = false;
            continue;
        };
        if let Some(below) = found.last().filter(|below| **below >= threshold) {
            right = false;
            node.problem::<()>(format!(
                "{threshold} must be above the {below} of the tier below: tiers are listed lowest first"
            ));
        }
        found.push(threshold);
    }
    right.then_some(found)
}

fn tag_sets(rungs: &[Rung<'_>], warnings: &mut Vec<Problem>) -> Option<Vec<BTreeSet<Tag>>> {
    let mut found = Vec::new();
    for rung in rungs {
        if matches!(rung.threshold, Some(Some(_))) {
            let message = "does nothing: under the metric customer_tags only tags decide".to_owned();
            warnings.push(Problem { path: rung.node.at("threshold").path, message });
        }
        match &rung.tags {
            Some(Some(tags)) => found.push(tags.clone()),
            Some(None) => rung.node.at("tags").problem("is missing").unwrap_or_default(),
            None => {}
        }
    }
    (found.len() == rungs.len()).then_some(found)
}

fn tags(node: &Node<'_>) -> Option<BTreeSet<Tag>> {
    let mut found = BTreeSet::new();
    let items = node.list()?;
    if items.is_empty() {
        return node.problem("must name at least one tag");
    }
    for item in items {
        match Tag::new(item.text()?) {
            Some(tag) => found.insert(tag),
            None => return item.problem("must not be empty"),
        };
    }
    Some(found)
}

fn points(node: &Node<'_>) -> Option<Points> {
    Points::new(node.integer(1..=POINTS_MAX)?)
}

fn above_zero(node: &Node<'_>) -> Option<Amount> {
    let amount = node.amount()?;
    if amount == Amount::ZERO { node.problem("must be above 0") } else { Some(amount) }
}

fn percent(node: &Node<'_>) -> Option<Amount> {
    let percent = above_zero(node)?;
    if percent.ten_thousandths() > PERCENT_MAX { node.problem("must be at most 100") } else { Some(percent) }
}

fn reward(node: &Node<'_>) -> Option<Reward> {
    let o = node.object()?;
    let gift = match o.need("type")?.text()? {
        "points" => o.need("points").and_then(|node| points(&node)).map(Gift::Points),
        "discount_percent" => o.need("percent").and_then(|node| percent(&node)).map(Gift::DiscountPercent),
        "discount_amount" => o.need("amount").and_then(|node| above_zero(&node)).map(Gift::DiscountAmount),
        "free_shipping" => Some(Gift::FreeShipping),
        "free_product" => o.need("product").and_then(|node| free_text(&node)).map(Gift::FreeProduct),
        "custom" => o.need("text").and_then(|node| free_text(&node)).map(Gift::Custom),
        other => {
            return o.need("type")?.problem(format!(
                "`{other}` is not a reward; write one of `points`, `discount_percent`, `discount_amount`, \
                 `free_shipping`, `free_product`, `custom`"
            ));
        }
    };
    let days = o.maybe("valid_days", |node| node.integer(1..=DAYS_MAX).and_then(|days| u16::try_from(days).ok()));
    let unit_cost = o.maybe("unit_cost", Node::amount);
    o.finish();
    Some(Reward { gift: gift?, valid_days: days?, unit_cost: unit_cost? })
}

fn perk(node: &Node<'_>) -> Option<Perk> {
    let o = node.object()?;
    let perk = match o.need("type")?.text()? {
        "birthday_points" => o.need("points").and_then(|node| points(&node)).map(Perk::BirthdayPoints),
        "points_multiplier" => o.need("factor").and_then(|node| above_zero(&node)).map(Perk::PointsMultiplier),
        "free_shipping" => Some(Perk::FreeShipping),
        "early_access" => Some(Perk::EarlyAccess),
        "custom" => o.need("text").and_then(|node| free_text(&node)).map(Perk::Custom),
        other => {
            return o.need("type")?.problem(format!(
                "`{other}` is not a perk; write one of `birthday_points`, `points_multiplier`, `free_shipping`, \
                 `early_access`, `custom`"
            ));
        }
    };
    o.finish();
    perk
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(program: &Value) -> Program {
        Program::read(program, &Zones::built_in()).unwrap().program
    }

    fn paths(program: &Value) -> Vec<String> {
        Program::read(program, &Zones::built_in()).unwrap_err().iter().map(|problem| problem.path.clone()).collect()
    }

    #[test]
    fn every_problem_of_a_program_is_reported_at_once_with_its_path() {
        let program = json!({
            "active": "yes", "timezone": "Mars/Olympus", "currency": "XAU", "start_date": "2024-02-30", "colour": 1,
            "milestone": { "metric": "amount_spent", "period": { "rolling": { "weeks": 3 } } },
            "tiers": [
                { "id": "a", "threshold": 5.5, "perks": [{ "type": "x" }, { "type": "birthday_points", "points": 0 }] },
                { "id": "b", "threshold": "9" },
                { "id": "a", "threshold": "3" },
                { "id": "c" },
            ],
        });
        let expected = [
            "$.active",
            "$.timezone",
            "$.currency",
            "$.start_date",
            "$.milestone.period.rolling.weeks",
            "$.milestone.period.rolling",
            "$.tiers[0].threshold",
            "$.tiers[0].perks[0].type",
            "$.tiers[0].perks[1].points",
            "$.tiers[2].id",
            "$.colour",
        ];
        assert_eq!(paths(&program), expected);
        let mut program = program;
        program["milestone"] = json!({ "metric": "amount_spent" });
        let more = paths(&program);
        assert!(["$.tiers[2].threshold", "$.tiers[3].threshold"].iter().all(|path| more.iter().any(|p| p == path)));
    }

    #[test]
    fn amounts_are_read_from_texts_or_integers_only() {
        let tier = |threshold: Value| json!({ "tiers": [{ "id": "a", "threshold": threshold }] });
        for right in [json!(500), json!("500"), json!("0"), json!("12.3456")] {
            assert!(Program::read(&tier(right.clone()), &Zones::built_in()).is_ok(), "{right}");
        }
        for wrong in [json!(500.0), json!("5e2"), json!(-1), json!("0.00001"), json!("1000000000000"), json!(true)] {
            assert_eq!(paths(&tier(wrong.clone())), ["$.tiers[0].threshold"], "{wrong}");
        }
    }

    /// chrono reads more than it writes: signs, spaces, single digits, and years that no instant can have.
    #[test]
    fn a_start_date_is_written_in_one_way_and_its_midnight_is_an_instant() {
        let starting = |date: &str| json!({ "start_date": date, "tiers": [{ "id": "a", "threshold": 1 }] });
        for right in ["0001-01-01", "2024-02-29", "9999-12-31"] {
            assert!(Program::read(&starting(right), &Zones::built_in()).is_ok(), "{right}");
        }
        for wrong in ["0000-01-01", "-123-01-01", "+12345-1-1", "2024- 1- 1", "2024-1-1", "2024-02-30", "2024-02-29 "] {
            assert_eq!(paths(&starting(wrong)), ["$.start_date"], "{wrong}");
        }
    }

    #[test]
    fn defaults_are_those_of_section_3() {
        let program = read(&json!({ "tiers": [{ "id": "a", "threshold": 1 }] }));
        assert_eq!((program.active, program.timezone.name(), program.currency.code()), (true, "UTC", "USD"));
        assert_eq!(program.skipped_tier_rewards, SkippedTierRewards::HighestOnly);
        let Milestone::Counted(counted) = &program.milestone else { panic!("{program:?}") };
        assert_eq!(
            (counted.metric, counted.period, counted.on_refund),
            (Metric::PointsEarned, Period::Lifetime, OnRefund::Keep)
        );
        let refund = |period: Value| {
            let program = json!({ "milestone": { "period": period }, "tiers": [{ "id": "a", "threshold": 1 }] });
            match read(&program).milestone {
                Milestone::Counted(counted) => (counted.period, counted.on_refund),
                Milestone::Tags(_) => panic!("no tags"),
            }
        };
        assert_eq!(refund(json!("calendar_year")), (Period::CalendarYear, OnRefund::Revoke));
        assert_eq!(refund(json!("rolling")), (Period::Rolling(Span::Days(365)), OnRefund::Revoke));
        let months = json!({ "since_last_upgrade": { "months": 12 } });
        assert_eq!(refund(months), (Period::SinceLastUpgrade(Span::Months(12)), OnRefund::Revoke));
    }
}
