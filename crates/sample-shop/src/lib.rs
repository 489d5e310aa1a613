//! A made-up shop: three years of a small shop with all the irregularities of real ones, for demonstrations, loading
//! and measuring.
//!
//! The same [`Setup`] makes the same events on every machine. All arithmetic is in integers, every decision is drawn
//! from a ChaCha stream of its own, and nothing depends on a clock or on the order of a hash map. Customers do not
//! depend on one another, so a larger shop contains the customers of a smaller one (with other order numbers). Memory
//! grows with the customers and with the facts on their way, not with the events.
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

/// The parameters of a shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// The seed; another seed makes another shop.
    pub seed: u64,
    /// The number of customers over the three years.
    pub customers: u32,
}

impl Setup {
    /// The calendar years in which the shop sells.
    pub const YEARS: std::ops::RangeInclusive<i32> = shop::YEARS;

    /// The instant from which nothing arrives: a month after the last year's end, which leaves time for returns and late facts.
    pub fn end() -> Instant {
        Shop::new(0).end()
    }
}

/// An event that arrives.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A fact, with its arrival.
    Fact(Box<ReceivedFact>),
    /// A change of rules.
    Published {
        /// The instant from which it is in force.
        at: Instant,
        /// The new program.
        program: Value,
        /// The publisher's options.
        options: Value,
    },
}

impl Event {
    /// The event as a line of section 9.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Fact(told) => told.to_json(),
            Self::Published { at, program, options } => program_published(*at, program.clone(), options.clone()),
        }
    }

    /// The instant of arrival.
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
    /// The instant from which nothing arrives.
    end: Instant,
    /// The number of items ever put into `due`, which orders items of one instant.
    put: u64,
    /// The number of orders placed.
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

    /// Carries out a customer's visit. Everything that follows from it arrives at that instant or later.
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

/// The next item, and its instant.
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
