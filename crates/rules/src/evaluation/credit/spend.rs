//! What of an order is spend, by the settings of the program (section 4).

use crate::fact::{Charge, RefundParts};
use crate::program::{GiftCards, Spend};
use crate::quantity::Amount;

/// A part of an order's total, or an amount beside it, that the spend settings may leave out or add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Tax,
    Shipping,
    Tips,
    Duties,
    Discounts,
    GiftCards,
    PaidWithCredit,
}

impl Charge {
    pub(super) fn get(&self, part: Part) -> Amount {
        match part {
            Part::Tax => self.tax,
            Part::Shipping => self.shipping,
            Part::Tips => self.tips,
            Part::Duties => self.duties,
            Part::Discounts => self.discounts,
            Part::GiftCards => self.gift_cards,
            Part::PaidWithCredit => self.paid_with_credit,
        }
    }
}

impl RefundParts {
    pub(super) fn get(&self, part: Part) -> Option<Amount> {
        match part {
            Part::Tax => self.tax,
            Part::Shipping => self.shipping,
            Part::Tips => self.tips,
            Part::Duties => self.duties,
            Part::GiftCards => self.gift_cards,
            Part::Discounts | Part::PaidWithCredit => None,
        }
    }
}

impl Spend {
    /// Whether the basis is just the total, for orders without tips, duties, gift cards and credit.
    pub(crate) fn is_total(self) -> bool {
        self.include_tax && self.include_shipping && !self.before_discounts
    }

    /// The parts of a total that do not count, in ten-thousandths. Parts that the settings do not need are not read.
    #[inline]
    pub(crate) fn left_out(self, part: impl Fn(Part) -> Amount) -> u64 {
        let unless = |counts: bool, of: Part| if counts { 0 } else { part(of).ten_thousandths() };
        unless(self.include_tax, Part::Tax)
            + unless(self.include_shipping, Part::Shipping)
            + unless(self.include_tips, Part::Tips)
            + unless(self.include_duties, Part::Duties)
            + unless(self.gift_cards != GiftCards::WhenSpent, Part::GiftCards)
    }

    /// The part of an order that is spend before conversion, never below 0 (section 4; seeds 003 and 004).
    #[inline]
    pub(crate) fn basis(self, total: Amount, part: impl Fn(Part) -> Amount) -> u64 {
        let more = if self.before_discounts { part(Part::Discounts).ten_thousandths() } else { 0 };
        let counted_before = self.gift_cards == GiftCards::WhenBought;
        let credit = if counted_before { part(Part::PaidWithCredit).ten_thousandths() } else { 0 };
        (total.ten_thousandths() + more).saturating_sub(self.left_out(part) + credit)
    }

    /// The part of the total that counts, in ten-thousandths. Refunds that name their parts are shares of it.
    #[inline]
    pub(crate) fn counting(self, total: Amount, part: impl Fn(Part) -> Amount) -> u64 {
        total.ten_thousandths().saturating_sub(self.left_out(part))
    }
}
