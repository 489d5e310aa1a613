//! Money in the customer's currency as money in the shop's, at the rate of an amount that the document has in both.

use rules::fact::Currency;

use super::DocumentError;
use super::json::{Nested, Scalar};
use super::reason::Result;
use super::value::{InCurrency, MoneySet, Signed};

/// A rate between the customer's currency and the shop's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exchange {
    /// An amount in the customer's currency, above 0.
    presentment: Signed,
    /// The same in the shop's, above 0.
    shop: Signed,
    presentment_unit: Signed,
    shop_unit: Signed,
}

/// Money in the shop's currency, and how far the rounding of both currencies may have moved it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Exchanged {
    pub(super) amount: Signed,
    pub(super) uncertainty: Signed,
}

const PATH: &str = "$..presentment_money";

impl Exchange {
    /// The rate of a set from the currency of this code, if the set has it.
    pub(super) fn of(set: &Nested<MoneySet<'_>>, from: &str, shop: &str) -> Result<Option<Self>> {
        let Some(set) = set.object(PATH)? else { return Ok(None) };
        let Scalar::Parts(seen) = set.presentment_money else { return Ok(None) };
        let Some(kept) = set.shop_money.object(PATH)? else { return Ok(None) };
        let seen: InCurrency<'_> =
            serde_json::from_str(seen).map_err(|error| DocumentError::unreadable(PATH, error))?;
        if seen.currency() != Some(from) || kept.currency() != Some(shop) {
            return Ok(None);
        }
        let amounts = (seen.money(PATH).positive(None)?, kept.money(PATH).positive(None)?);
        let (Some(presentment @ 1..), Some(shop_amount @ 1..)) = amounts else { return Ok(None) };
        Ok(Some(Self { presentment, shop: shop_amount, presentment_unit: unit(from), shop_unit: unit(shop) }))
    }

    /// An amount of the customer's currency in the shop's, rounded half up to its minor unit.
    pub(super) fn shop_money(self, amount: Signed) -> Exchanged {
        let Self { presentment, shop, presentment_unit, shop_unit } = self;
        let units = (2 * amount * shop + presentment * shop_unit) / (2 * presentment * shop_unit);
        // The amount and both sides of the rate are rounded to a unit, and each half of one way or the other.
        let uncertainty = 2 * (presentment_unit * shop / presentment + shop_unit);
        Exchanged { amount: units * shop_unit, uncertainty }
    }
}

/// Ten-thousandths in a minor unit of a currency.
fn unit(code: &str) -> Signed {
    match Currency::from_code(code).and_then(Currency::decimals) {
        Some(0) => 10_000,
        Some(1) => 1_000,
        Some(3) => 10,
        Some(4) => 1,
        Some(_) | None => 100,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_rounded_to_the_minor_unit_of_the_shops_currency() {
        let rate = |presentment, from, shop, to| Exchange {
            presentment,
            shop,
            presentment_unit: unit(from),
            shop_unit: unit(to),
        };
        assert_eq!(rate(7_700_000, "USD", 7_000_000, "EUR").shop_money(1_100_000).amount, 1_000_000);
        assert_eq!(rate(7_630_700, "USD", 7_000_000, "EUR").shop_money(4_360_400).amount, 4_000_000);
        assert_eq!(rate(100_000, "USD", 15_230_000, "JPY").shop_money(50_050).amount, 7_620_000);
        let most = 10_i128.pow(16) - 1;
        assert_eq!(rate(most, "USD", most, "EUR").shop_money(most).amount, 10_i128.pow(16));
    }
}
