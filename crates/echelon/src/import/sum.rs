//! Orders added up: their number, and the money charged for them by currency. The size does not depend on their number.

use std::collections::BTreeMap;
use std::fmt;

use rules::fact::OrderPaid;
use rules::quantity::Quantity;

/// Orders added up.
#[derive(Debug, Default)]
pub struct OrderSum {
    orders: u64,
    money: BTreeMap<&'static str, (Quantity, u8)>,
}

impl OrderSum {
    /// Adds an order.
    pub fn add(&mut self, paid: &OrderPaid) {
        self.orders += 1;
        let currency = paid.charge.currency;
        let sum =
            self.money.entry(currency.code()).or_insert((Quantity::ZERO, currency.decimals().unwrap_or_default()));
        sum.0 += paid.charge.total.into();
    }

    /// The number of orders.
    pub fn orders(&self) -> u64 {
        self.orders
    }

    /// The money, by the code of the currency.
    pub fn money(&self) -> BTreeMap<&'static str, String> {
        self.money.iter().map(|(currency, (sum, decimals))| (*currency, sum.with_decimals(*decimals))).collect()
    }
}

impl fmt::Display for OrderSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let orders = if self.orders == 1 { "order" } else { "orders" };
        let money: Vec<_> = self.money().into_iter().map(|(currency, sum)| format!("{sum} {currency}")).collect();
        write!(f, "{} {orders} over {}", self.orders, money.join(" and "))
    }
}
