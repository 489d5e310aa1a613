//! A visit: one order, sometimes two, with all their irregularities.

use chrono::Datelike;
use rules::calendar::Instant;
use rules::fact::{Charge, Fact, FactBody, OrderPaid, ReceivedFact, Refunded};
use rules::id::{MemberId, OrderId, RefundId};
use rules::quantity::{Amount, Rate};

use super::customer::Habits;
use super::dice::{Dice, MILLION};
use super::shop::{DayNumber, Shop, days_later, ms_later};

/// The value of a basket in cents: half are below 58 dollars, one in a hundred is above 400.
const BASKETS: [(u64, u64); 10] = [
    (0, 600),
    (100_000, 1_900),
    (250_000, 3_200),
    (500_000, 5_800),
    (750_000, 9_900),
    (900_000, 17_000),
    (970_000, 28_500),
    (990_000, 42_000),
    (999_000, 98_000),
    (1_000_000, 210_000),
];

const SHIPPING_CENTS: u64 = 595;
const FREE_SHIPPING_FROM_CENTS: u64 = 7_500;
const MS_PER_MINUTE: u64 = 60_000;
const MS_PER_HOUR: u64 = 60 * MS_PER_MINUTE;
const MS_PER_DAY: u64 = 24 * MS_PER_HOUR;
/// The first order number, chosen so that it does not look like the first.
const FIRST_ORDER: u64 = 10_001;

/// The facts that a visit sends, each with its arrival.
#[derive(Debug)]
pub(super) struct Outbox {
    orders: u64,
    told: Vec<(Instant, ReceivedFact)>,
}

impl Outbox {
    /// An outbox in a shop that has already taken `orders` orders.
    pub(super) fn new(orders: u64) -> Self {
        Self { orders, told: Vec::new() }
    }

    /// The number of orders that the shop has taken now.
    pub(super) fn orders(&self) -> u64 {
        self.orders
    }

    pub(super) fn into_told(self) -> Vec<(Instant, ReceivedFact)> {
        self.told
    }

    /// Sends a fact that arrives at the instant it occurs.
    pub(super) fn at_once(&mut self, fact: Fact) {
        self.told.push((fact.occurred_at, ReceivedFact::of(fact)));
    }

    /// Sends a fact that is known at an instant: some seconds later or after some days, and now and then twice.
    fn deliver(&mut self, known_at: Instant, fact: Fact, late: bool, dice: &mut Dice) {
        let on_the_way = if late { dice.between(1, 20 * 24) * MS_PER_HOUR } else { 0 };
        let first = ms_later(known_at, on_the_way + dice.between(200, 8_000));
        if dice.permille(12) {
            let again = ms_later(first, dice.between(MS_PER_MINUTE, 2 * MS_PER_DAY));
            self.told.push((again, ReceivedFact { received_at: Some(again), ..ReceivedFact::of(fact.clone()) }));
        }
        self.told.push((first, ReceivedFact { received_at: Some(first), ..ReceivedFact::of(fact) }));
    }

    fn next_order(&mut self) -> Option<OrderId> {
        self.orders += 1;
        OrderId::new(&(FIRST_ORDER - 1 + self.orders).to_string()).ok()
    }
}

/// A visit of a customer who buys.
pub(super) struct Visit<'a> {
    pub shop: &'a Shop,
    pub habits: &'a Habits,
    pub member: &'a MemberId,
    pub day: DayNumber,
    pub at: Instant,
    pub dice: Dice,
}

/// An order that was placed.
struct Placed {
    order: OrderId,
    at: Instant,
    paid: Charge,
    member: Option<MemberId>,
    basket: Basket,
}

impl Visit<'_> {
    /// Places the orders of this visit, and sends them with their corrections, cancellations and refunds.
    pub(super) fn orders(mut self, outbox: &mut Outbox) {
        let at = self.at;
        // Nothing follows a test, nor an order whose id could not be made, which does not happen.
        if self.order(at, outbox).is_some() && self.dice.permille(60) {
            let later = ms_later(at, self.dice.between(5, 90) * MS_PER_MINUTE);
            self.order(later, outbox);
        }
    }

    fn order(&mut self, at: Instant, outbox: &mut Outbox) -> Option<()> {
        let mut placed = self.place(at, outbox)?;
        let late = self.is_late();
        outbox.deliver(at, placed.fact(at), late, &mut self.dice);
        if placed.paid.test {
            return None;
        }
        if placed.member.is_none() && self.dice.permille(550) {
            placed.member = Some(self.member.clone());
            let claimed_at = days_later(at, self.dice.between(1, 12));
            outbox.deliver(claimed_at, placed.fact(claimed_at), false, &mut self.dice);
        }
        let returns = if self.habits.sends_back { 300 } else { 60 };
        let gifts = if self.shop.date(self.day).month() == 12 { returns / 2 } else { 0 };
        match self.dice.below(1_000) {
            0..10 => self.correct(&mut placed, outbox)?,
            10..25 => self.cancel(&placed, outbox),
            other if other < 25 + returns + gifts => self.give_back(&placed, outbox)?,
            _ => {}
        }
        Some(())
    }

    fn place(&mut self, at: Instant, outbox: &mut Outbox) -> Option<Placed> {
        let order = outbox.next_order()?;
        let guest = self.dice.permille(45);
        let basket = self.basket();
        let paid = self.paid(&basket)?;
        Some(Placed { order, at, paid, member: (!guest).then(|| self.member.clone()), basket })
    }

    fn basket(&mut self) -> Basket {
        let cents = self.dice.quantile(&BASKETS) * self.habits.purse / 1_000;
        let date = self.shop.date(self.day);
        // The days around Black Friday.
        let sale = date.month() == 11 && date.day() > 20;
        let percent_off = if self.dice.permille(if sale { 650 } else { 180 }) {
            self.dice.weighted(&[(5, 10), (3, 15), (3, 20), (1, 30)]).copied().unwrap_or_default()
        } else {
            0
        };
        Basket { cents, percent_off }
    }

    fn paid(&mut self, basket: &Basket) -> Option<Charge> {
        let money = self.habits.money;
        let rate = self.shop.rate(money, self.day);
        let cents = basket.in_cents(self.habits.tax);
        let convert = |cents: u64| {
            let exact = if money.is_own() { cents * 100 } else { cents * 100 * MILLION / rate.max(1) };
            exact / money.minor * money.minor
        };
        let (net, tax, shipping) = (convert(cents.net), convert(cents.tax), convert(cents.shipping));
        let known_rate = !money.is_own() && !self.dice.permille(20);
        let total = Amount::from_ten_thousandths(net + tax + shipping)?;
        Some(Charge {
            tax: Amount::from_ten_thousandths(tax)?,
            shipping: Amount::from_ten_thousandths(shipping)?,
            discounts: Amount::from_ten_thousandths(convert(cents.discount))?,
            exchange_rate: known_rate
                .then(|| Rate::parse(&format!("{}.{:06}", rate / MILLION, rate % MILLION)).ok())
                .flatten(),
            test: self.dice.permille(3),
            ..Charge::of(total, money.currency()?)
        })
    }

    /// Whether an order arrives late. Most facts arrive within seconds; over the holidays the marketplace sends its orders late.
    fn is_late(&mut self) -> bool {
        let date = self.shop.date(self.day);
        self.dice.permille(if date.month() == 12 && date.day() > 17 { 90 } else { 18 })
    }

    /// Corrects an order in which something was exchanged: the same order is sent again, with other amounts.
    fn correct(&mut self, placed: &mut Placed, outbox: &mut Outbox) -> Option<()> {
        let revision = ms_later(placed.at, self.dice.between(MS_PER_HOUR, 10 * MS_PER_DAY));
        placed.basket.cents = placed.basket.cents * self.dice.between(600, 1_400) / 1_000;
        let (rate, test) = (placed.paid.exchange_rate, placed.paid.test);
        let paid = self.paid(&placed.basket)?;
        placed.paid = Charge { exchange_rate: rate, test, ..paid };
        outbox.deliver(revision, placed.fact(revision), false, &mut self.dice);
        Some(())
    }

    fn cancel(&mut self, placed: &Placed, outbox: &mut Outbox) {
        let at = ms_later(placed.at, self.dice.between(10 * MS_PER_MINUTE, 36 * MS_PER_HOUR));
        let cancelled = Fact::new(at, placed.member.clone(), FactBody::OrderCancelled(placed.order.clone()));
        outbox.deliver(at, cancelled, false, &mut self.dice);
    }

    /// Refunds all of an order, or a part, or a part and then the rest.
    fn give_back(&mut self, placed: &Placed, outbox: &mut Outbox) -> Option<()> {
        let minor = self.habits.money.minor;
        let total = placed.paid.total.ten_thousandths();
        let at = ms_later(placed.at, self.dice.between(4 * MS_PER_DAY, 38 * MS_PER_DAY));
        let part =
            if self.dice.permille(600) { total } else { total * self.dice.between(200, 700) / 1_000 / minor * minor };
        self.refund(placed, 1, at, part, outbox)?;
        if part < total && self.dice.permille(200) {
            let at = ms_later(at, self.dice.between(MS_PER_DAY, 9 * MS_PER_DAY));
            self.refund(placed, 2, at, total - part, outbox)?;
        }
        Some(())
    }

    fn refund(&mut self, placed: &Placed, nth: u8, at: Instant, part: u64, outbox: &mut Outbox) -> Option<()> {
        let order = placed.order.clone();
        let refund = RefundId::new(&format!("{order}-R{nth}")).ok()?;
        let refunded = Refunded::of(Amount::from_ten_thousandths(part)?);
        let fact = Fact::new(at, placed.member.clone(), FactBody::OrderRefunded(order, refund, refunded));
        let late = self.dice.permille(15);
        outbox.deliver(at, fact, late, &mut self.dice);
        Some(())
    }
}

impl Placed {
    fn fact(&self, revision: Instant) -> Fact {
        let paid = OrderPaid { paid_at: None, charge: self.paid };
        let body = FactBody::OrderPaid(self.order.clone(), paid);
        Fact { revision, ..Fact::new(self.at, self.member.clone(), body) }
    }
}

/// The goods of an order, before they are priced in a currency.
struct Basket {
    cents: u64,
    percent_off: u64,
}

/// The parts of a price in cents; the total is all of them except the discount.
struct Cents {
    net: u64,
    tax: u64,
    shipping: u64,
    discount: u64,
}

impl Basket {
    fn in_cents(&self, tax: u64) -> Cents {
        let discount = self.cents * self.percent_off / 100;
        let net = self.cents - discount;
        let shipping = if net < FREE_SHIPPING_FROM_CENTS { SHIPPING_CENTS } else { 0 };
        Cents { net, tax: (net * tax + MILLION / 2) / MILLION, shipping, discount }
    }
}
