//! A shop of our own making: three years of a small shop with everything that real shops bring, to demonstrate, load
//! and measure with.
//!
//! The same [`Setup`] makes the same events on every machine: all arithmetic is in integers, every decision is drawn
//! from a ChaCha stream of its own, and nothing depends on a clock or on the order of a hash map. Customers do not
//! depend on one another, so a larger shop holds the customers of a smaller one (under other order numbers). What is
//! kept in memory grows with the customers and with what is on its way, not with the events.
//!
//! ```
//! use sample_shop::{Event, Sample, Setup};
//!
//! let facts = Sample::of(Setup { seed: 1, customers: 10 }).filter(|event| matches!(event, Event::Fact(_)));
//! assert!(facts.count() > 20);
//! ```

mod customer;
mod dice;
mod shop;
mod visit;

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rules::calendar::Instant;
use rules::fact::{ReceivedFact, program_published};
use serde_json::Value;

use customer::Customer;
use shop::Shop;
use visit::Outbox;

pub use shop::program;

/// What to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// Another seed makes another shop.
    pub seed: u64,
    /// How many people come to the shop over the three years.
    pub customers: u32,
}

impl Setup {
    /// The calendar years in which the shop sells.
    pub const YEARS: std::ops::RangeInclusive<i32> = shop::YEARS;

    /// Nothing arrives at or after this instant: a month after the last year's end, time for returns and late news.
    pub fn end() -> Instant {
        Shop::new(0).end()
    }
}

/// What arrives.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A fact, and when it arrives.
    Fact(Box<ReceivedFact>),
    /// A change of rules.
    Published {
        /// From when.
        at: Instant,
        /// The new program.
        program: Value,
        /// What the publisher says about it.
        options: Value,
    },
}

impl Event {
    /// The line of section 9 that says this.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Fact(told) => told.to_json(),
            Self::Published { at, program, options } => program_published(*at, program.clone(), options.clone()),
        }
    }

    /// When it arrives.
    pub fn arrives_at(&self) -> Instant {
        match self {
            Self::Fact(told) => told.received_at.unwrap_or(told.fact.occurred_at),
            Self::Published { at, .. } => *at,
        }
    }
}

/// The events of a shop in order of arrival. The program that it starts with is [`program`].
#[derive(Debug)]
pub struct Sample {
    shop: Shop,
    customers: Vec<Customer>,
    due: BinaryHeap<Reverse<Due>>,
    /// From when on nothing arrives.
    end: Instant,
    /// How much was ever put into `due`: tells apart what is due at one instant.
    put: u64,
    /// How many orders were placed.
    orders: u64,
}

impl Sample {
    /// Opens the shop.
    pub fn of(setup: Setup) -> Self {
        let shop = Shop::new(setup.seed);
        let customers = (0..setup.customers).map(|number| Customer::new(&shop, number)).collect();
        let end = shop.end();
        let mut sample = Self { shop, customers, due: BinaryHeap::new(), end, put: 0, orders: 0 };
        for number in 0..setup.customers {
            sample.await_next_visit(number);
        }
        sample.put(shop::changed_at(), What::Change);
        sample
    }

    fn put(&mut self, at: Instant, what: What) {
        self.due.push(Reverse(Due { at, nth: self.put, what }));
        self.put += 1;
    }

    fn await_next_visit(&mut self, number: u32) {
        let Some(customer) = self.customers.get_mut(number as usize) else { return };
        if let Some(at) = customer.next_visit(&self.shop) {
            self.put(at, What::Visit(number));
        }
    }

    /// A customer comes by: all that follows from it arrives at that instant or later.
    fn visit(&mut self, number: u32) {
        let Some(customer) = self.customers.get_mut(number as usize) else { return };
        let mut outbox = Outbox::new(self.orders);
        customer.visit(&self.shop, &mut outbox);
        self.orders = outbox.orders();
        for (at, told) in outbox.into_told() {
            self.put(at, What::Arrival(Box::new(told)));
        }
        self.await_next_visit(number);
    }
}

impl Iterator for Sample {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        loop {
            let Reverse(due) = self.due.pop()?;
            if due.at >= self.end {
                self.due.clear();
                return None;
            }
            match due.what {
                What::Arrival(told) => return Some(Event::Fact(told)),
                What::Change => {
                    let (program, options) = (shop::changed_program(), shop::change_options());
                    return Some(Event::Published { at: due.at, program, options });
                }
                What::Visit(number) => self.visit(number),
            }
        }
    }
}

/// What comes next, and when.
#[derive(Debug)]
struct Due {
    at: Instant,
    nth: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    Visit(u32),
    Arrival(Box<ReceivedFact>),
    Change,
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.nth).cmp(&(other.at, other.nth))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}
