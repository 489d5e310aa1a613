//! Returns that name no order, and the orders that they are matched with.

use std::collections::HashMap;

use rules::calendar::Instant;
use rules::fact::Currency;
use rules::id::{MemberId, OrderId};
use rules::quantity::Amount;

/// The maximum number of orders with something left that are remembered per customer, the latest ones. In the year of
/// real invoices that the tests read, 64 gives the same matches as no limit, even for the busiest customers with 200
/// orders.
pub const OPEN_ORDERS_MAX: usize = 64;

/// The orders that a return can still be matched with: all that an import remembers of a customer.
#[derive(Debug, Default)]
pub struct OpenOrders {
    of: HashMap<MemberId, Vec<Open>>,
}

#[derive(Debug)]
struct Open {
    at: Instant,
    left: u64,
    currency: Currency,
    order: OrderId,
}

impl OpenOrders {
    /// Remembers an order and the amount that is left of it, unless it is known already.
    pub fn add(&mut self, member: &MemberId, order: &OrderId, at: Instant, left: Amount, currency: Currency) {
        let left = left.ten_thousandths();
        let orders = self.of.entry(member.clone()).or_default();
        if left == 0 || orders.iter().any(|open| open.order == *order) {
            return;
        }
        let mut place = orders.partition_point(|open| open.at <= at);
        if orders.len() >= OPEN_ORDERS_MAX {
            if place == 0 {
                return;
            }
            orders.remove(0);
            place -= 1;
        }
        orders.insert(place, Open { at, left, currency, order: order.clone() });
    }

    /// Matches a return of this amount with the customer's latest order that is not later, has the same currency, and
    /// has at least as much left.
    pub fn take(&mut self, member: &MemberId, at: Instant, amount: Amount, currency: Currency) -> Option<OrderId> {
        let amount = amount.ten_thousandths();
        let orders = self.of.get_mut(member)?;
        let fits = |open: &Open| open.at <= at && open.currency == currency && open.left >= amount;
        let place = orders.iter().rposition(fits)?;
        let open = orders.get_mut(place)?;
        open.left -= amount;
        if open.left > 0 {
            return Some(open.order.clone());
        }
        Some(orders.remove(place).order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GBP: &str = "GBP";

    struct Shop(OpenOrders);

    impl Shop {
        fn order(&mut self, id: &str, day: i64, amount: &str) {
            let (member, order) = (MemberId::new("anna").unwrap(), OrderId::new(id).unwrap());
            let currency = Currency::from_code(GBP).unwrap();
            self.0.add(&member, &order, Instant::from_millis(day), Amount::parse(amount).unwrap(), currency);
        }

        fn returned(&mut self, day: i64, amount: &str, currency: &str) -> Option<String> {
            let member = MemberId::new("anna").unwrap();
            let currency = Currency::from_code(currency).unwrap();
            let taken = self.0.take(&member, Instant::from_millis(day), Amount::parse(amount).unwrap(), currency);
            taken.map(|order| order.as_str().to_owned())
        }
    }

    #[test]
    fn a_return_belongs_to_the_latest_earlier_order_that_is_large_enough() {
        let mut shop = Shop(OpenOrders::default());
        shop.order("later", 30, "500");
        shop.order("large", 10, "100");
        shop.order("small", 20, "40");
        assert_eq!(shop.returned(25, "30", GBP).as_deref(), Some("small"));
        assert_eq!(shop.returned(25, "30", GBP).as_deref(), Some("large"), "only 10 of the small one is left");
        assert_eq!(shop.returned(25, "10", GBP).as_deref(), Some("small"));
        assert_eq!(shop.returned(25, "80", GBP), None);
        assert_eq!(shop.returned(30, "80", GBP).as_deref(), Some("later"), "at the same instant is early enough");
        assert_eq!(shop.returned(40, "1", "EUR"), None, "another currency is another money");
        assert_eq!(shop.returned(5, "1", GBP), None);
    }

    #[test]
    fn what_is_remembered_of_a_customer_has_a_limit() {
        let mut shop = Shop(OpenOrders::default());
        for day in 0..1_000 {
            shop.order(&day.to_string(), day, if day == 0 { "1000" } else { "1" });
        }
        assert_eq!(shop.0.of.values().map(Vec::len).max(), Some(OPEN_ORDERS_MAX));
        assert_eq!(shop.returned(1_000, "1000", GBP), None, "the large one is too long ago");
        assert_eq!(shop.returned(1_000, "1", GBP).as_deref(), Some("999"));
    }
}
