//! Orders added up: their number, and the money charged for them by currency. The size does not depend on their number.

use std::collections::BTreeMap;
use std::fmt;

use rules::fact::Currency;
use rules::quantity::{Amount, Quantity};

/// Orders added up.
#[derive(Debug, Clone, Default)]
pub struct OrderSum {
    currencies: BTreeMap<&'static str, OfCurrency>,
}

/// The orders in a currency.
#[derive(Debug, Clone, Copy, Default)]
struct OfCurrency {
    orders: u64,
    money: Quantity,
    decimals: u8,
}

impl OrderSum {
    /// Adds an order.
    pub fn add(&mut self, total: Amount, currency: Currency) {
        let of = self.currencies.entry(currency.code()).or_default();
        of.orders += 1;
        of.money += total.into();
        of.decimals = currency.decimals().unwrap_or_default();
    }

    /// Takes an order out that was added before.
    pub fn remove(&mut self, total: Amount, currency: Currency) {
        if let Some(of) = self.currencies.get_mut(currency.code()) {
            of.orders = of.orders.saturating_sub(1);
            of.money += -Quantity::from(total);
        }
        self.currencies.retain(|_, of| of.orders > 0);
    }

    /// The number of orders.
    pub fn orders(&self) -> u64 {
        self.currencies.values().map(|of| of.orders).sum()
    }

    /// The money, by the code of the currency.
    pub fn money(&self) -> BTreeMap<&'static str, String> {
        self.currencies.iter().map(|(currency, of)| (*currency, of.money.with_decimals(of.decimals))).collect()
    }
}

impl fmt::Display for OrderSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let orders = if self.orders() == 1 { "order" } else { "orders" };
        let money: Vec<_> = self.money().into_iter().map(|(currency, sum)| format!("{sum} {currency}")).collect();
        write!(f, "{} {orders} over {}", self.orders(), money.join(" and "))
    }
}
