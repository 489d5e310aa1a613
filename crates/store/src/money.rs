//! Which currencies a shop's money is kept in: read when a program's currency changes, or is not named. It reads the
//! orders of members. An order that names no member counts for nothing yet, and is not looked for.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use rules::fact::{Charge, Currency};

use super::load::StoredMember;
use super::{Store, StoreError};
use crate::shop::ShopId;

/// The items of a page: some 200 kB of ordinary members.
const PAGE: u16 = 1_000;
/// The number of orders after which the currency of most of them is clear enough to be offered.
const ORDERS_MAX: u64 = 1_000;

impl Store {
    /// Whether a member's order is kept whose amounts are in a currency, or were converted to it. A member who cannot
    /// be decoded may have one. It reads every member if there is none.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn keeps_money_in(&self, shop: &ShopId, currency: Currency) -> Result<bool, StoreError> {
        let mut is_kept = false;
        let is_unreadable = self
            .each_charge(shop, |charge| {
                is_kept = charge.is_kept_in(currency);
                if is_kept { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .await?;
        Ok(is_kept || is_unreadable)
    }

    /// The currency of most of a shop's orders, as far as the first thousand of them tell; none without orders.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn most_used_currency(&self, shop: &ShopId) -> Result<Option<Currency>, StoreError> {
        let (mut seen, mut orders) = (BTreeMap::<Currency, u64>::new(), 0);
        self.each_charge(shop, |charge| {
            *seen.entry(charge.currency).or_default() += 1;
            orders += 1;
            if orders < ORDERS_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .await?;
        Ok(seen.into_iter().max_by_key(|(_, count)| *count).map(|(currency, _)| currency))
    }

    /// Passes on the charges of members' orders until `each` has seen enough. Yields whether a member that was read could
    /// not be decoded.
    async fn each_charge(
        &self,
        shop: &ShopId,
        mut each: impl FnMut(&Charge) -> ControlFlow<()>,
    ) -> Result<bool, StoreError> {
        let mut is_unreadable = false;
        for bucket in 0..self.tables.spread.buckets() {
            let mut behind: Option<String> = None;
            loop {
                let page = self.scan(shop, (bucket, behind.as_deref()), PAGE).await?;
                is_unreadable |= !page.unreadable.is_empty();
                let members = page.members.into_iter().filter_map(|(_, stored)| StoredMember::present(stored));
                for member in members {
                    for order in member.ledger.orders() {
                        if each(&order.charge).is_break() {
                            return Ok(is_unreadable);
                        }
                    }
                }
                behind = page.next;
                if behind.is_none() {
                    break;
                }
            }
        }
        Ok(is_unreadable)
    }
}
