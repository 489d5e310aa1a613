//! The values in payloads: ids, instants and money, read exactly or not at all.

use rules::calendar::Instant;
use rules::fact::Currency;
use rules::quantity::{Amount, NumberError};
use serde::Deserialize;

use super::DocumentError;
use super::json::{Nested, Scalar};
use super::reason::Result;

/// Shopify's ids are 64-bit numbers: at most 20 digits.
const ID_DIGITS_MAX: usize = 20;

/// A resource's id, as the number and as the global id beside it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Id<'d, 'a> {
    pub(super) number: &'d Scalar<'a>,
    pub(super) global: &'d Scalar<'a>,
}

impl Id<'_, '_> {
    /// The digits of the id, from the global id if it is there, because many senders round numbers above 2^53.
    pub(super) fn digits(&self, kind: &str, path: &'static str) -> Result<Option<String>> {
        if self.global.is_absent() {
            return digits(self.number, path);
        }
        global_digits(self.global, kind, path).map(Some)
    }

    /// The digits of the id, which is required.
    pub(super) fn needed(&self, kind: &str, path: &'static str) -> Result<String> {
        self.digits(kind, path)?.ok_or_else(|| DocumentError::missing(path))
    }
}

fn is_id(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    plain && !text.is_empty() && text.len() <= ID_DIGITS_MAX
}

/// The digits of an id written as a whole number or as a text, never as a float.
pub(super) fn digits(value: &Scalar<'_>, path: &'static str) -> Result<Option<String>> {
    match value {
        Scalar::Absent => Ok(None),
        Scalar::Number(text) if is_id(text) => Ok(Some((*text).to_owned())),
        Scalar::Text(text) if is_id(text) => Ok(Some(text.clone().into_owned())),
        Scalar::Bool(_) | Scalar::Number(_) | Scalar::Text(_) | Scalar::Parts(_) => {
            Err(DocumentError::unreadable(path, "an id must be a whole number above 0, or its digits as text"))
        }
    }
}

/// The digits of `gid://shopify/<kind>/<digits>`.
pub(super) fn global_digits(value: &Scalar<'_>, kind: &str, path: &'static str) -> Result<String> {
    let text = value.text().unwrap_or_default();
    let digits = text.strip_prefix("gid://shopify/").and_then(|rest| rest.strip_prefix(kind)?.strip_prefix('/'));
    match digits {
        Some(digits) if is_id(digits) => Ok(digits.to_owned()),
        _ => Err(DocumentError::unreadable(
            path,
            format_args!("a global id must read `gid://shopify/{kind}/` and digits"),
        )),
    }
}

/// The instant of a date, if it is there.
pub(super) fn instant(value: &Scalar<'_>, path: &'static str) -> Result<Option<Instant>> {
    match value {
        Scalar::Absent => Ok(None),
        Scalar::Text(text) => Instant::parse(text).map(Some).map_err(|error| DocumentError::unreadable(path, error)),
        Scalar::Bool(_) | Scalar::Number(_) | Scalar::Parts(_) => {
            Err(DocumentError::unreadable(path, "a date must be a text"))
        }
    }
}

/// The instant of a date, which is required.
pub(super) fn needed_instant(value: &Scalar<'_>, path: &'static str) -> Result<Instant> {
    instant(value, path)?.ok_or_else(|| DocumentError::missing(path))
}

/// A boolean; absent means false.
pub(super) fn flag(value: &Scalar<'_>, path: &'static str) -> Result<bool> {
    match value {
        Scalar::Absent => Ok(false),
        Scalar::Bool(value) => Ok(*value),
        Scalar::Number(_) | Scalar::Text(_) | Scalar::Parts(_) => {
            Err(DocumentError::unreadable(path, "must be true or false"))
        }
    }
}

/// A number of articles; absent means one.
pub(super) fn count(value: &Scalar<'_>, path: &'static str) -> Result<Signed> {
    let text = match value {
        Scalar::Absent => return Ok(1),
        Scalar::Number(text) => *text,
        Scalar::Text(text) => text.as_ref(),
        Scalar::Bool(_) | Scalar::Parts(_) => return Err(DocumentError::unreadable(path, "must be a whole number")),
    };
    let count: u32 = text.parse().map_err(|_| DocumentError::unreadable(path, "must be a whole number"))?;
    Ok(count.into())
}

/// An amount of either sign in ten-thousandths; sums of any number of payload amounts fit.
pub(super) type Signed = i128;

/// An amount within the bounds of facts; below 0 it counts as 0.
pub(super) fn amount(sum: Signed, path: &'static str) -> Result<Amount> {
    let count = u64::try_from(sum.max(0)).ok();
    count.and_then(Amount::from_ten_thousandths).ok_or_else(|| DocumentError::unreadable(path, "is 10^12 or more"))
}

fn signed(text: &str) -> std::result::Result<Signed, NumberError> {
    let (digits, sign) = text.strip_prefix('-').map_or((text, 1), |digits| (digits, -1));
    if digits.starts_with('-') {
        return Err(NumberError::NotANumber(text.to_owned()));
    }
    Ok(sign * Signed::from(Amount::parse(digits)?.ten_thousandths()))
}

/// An amount in two currencies, as webhooks or GraphQL write it. Its `presentment_money` is what the customer saw; only the rate
/// between the two is read from it, where a transaction is in the customer's currency.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct MoneySet<'a> {
    #[serde(alias = "shopMoney")]
    pub(super) shop_money: Nested<InCurrency<'a>>,
    /// As it is written: hardly any is looked into.
    #[serde(alias = "presentmentMoney")]
    pub(super) presentment_money: Scalar<'a>,
}

/// An amount with its currency.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct InCurrency<'a> {
    amount: Scalar<'a>,
    #[serde(alias = "currencyCode")]
    currency_code: Scalar<'a>,
}

impl<'a> InCurrency<'a> {
    /// The currency it names.
    pub(super) fn currency(&self) -> Option<&str> {
        self.currency_code.text()
    }

    /// The amount.
    pub(super) fn money(&self, path: &'static str) -> Money<'_, 'a> {
        Money { plain: &Scalar::Absent, shop: Some(self), path }
    }
}

/// An amount as Shopify writes it: in `…_set.shop_money` with its currency, and also plain, in the shop's currency.
#[derive(Debug, Clone, Copy)]
pub(super) struct Money<'d, 'a> {
    plain: &'d Scalar<'a>,
    shop: Option<&'d InCurrency<'a>>,
    path: &'static str,
}

impl<'d, 'a> Money<'d, 'a> {
    /// The amount at `path`, plain and in a set.
    pub(super) fn of(plain: &'d Scalar<'a>, set: &'d Nested<MoneySet<'a>>, path: &'static str) -> Result<Self> {
        let shop = match set.object(path)? {
            Some(set) => set.shop_money.object(path)?,
            None => None,
        };
        Ok(Self { plain, shop, path })
    }

    /// An amount that comes only in a set.
    pub(super) fn of_set(set: &'d Nested<MoneySet<'a>>, path: &'static str) -> Result<Self> {
        Self::of(&Scalar::Absent, set, path)
    }

    /// The currency it names.
    pub(super) fn currency(self) -> Option<&'d str> {
        self.shop.and_then(|shop| shop.currency_code.text())
    }

    /// The amount in ten-thousandths, if it is there. If it names a currency, that must be the `shop`'s.
    pub(super) fn signed(self, shop: Option<&str>) -> Result<Option<Signed>> {
        let path = self.path;
        if let (Some(currency), Some(found)) = (shop, self.currency())
            && currency != found
        {
            let (currency, found) = (currency.to_owned(), found.to_owned());
            return Err(DocumentError::MixedCurrencies { path, currency, found }.into());
        }
        let amount = self.shop.map(|shop| &shop.amount).filter(|amount| !amount.is_absent());
        let text = match amount.unwrap_or(self.plain) {
            Scalar::Absent => return Ok(None),
            Scalar::Number(text) => text,
            Scalar::Text(text) => text.as_ref(),
            Scalar::Bool(_) | Scalar::Parts(_) => {
                return Err(DocumentError::unreadable(path, "an amount must be a text"));
            }
        };
        signed(text).map(Some).map_err(|error| DocumentError::unreadable(path, error))
    }

    /// The amount as in [`Self::signed`], which must be 0 or more.
    pub(super) fn positive(self, shop: Option<&str>) -> Result<Option<Signed>> {
        let amount = self.signed(shop)?;
        if amount.is_some_and(|amount| amount < 0) {
            return Err(DocumentError::unreadable(self.path, "must not be negative"));
        }
        Ok(amount)
    }
}

/// The ISO 4217 currency of a code.
pub(super) fn currency(code: &str, path: &'static str) -> Result<Currency> {
    Currency::from_code(code)
        .ok_or_else(|| DocumentError::unreadable(path, format_args!("`{code}` is not an ISO 4217 currency code")))
}

/// One instant that orders versions as the pair (`updated_at`, `triggered_at`) does.
///
/// `updated_at` has whole seconds, so its milliseconds are free to hold the delay until the webhook was triggered: one
/// millisecond for every 4 ms in the first 3 s, and one for every 1 s after that. Smaller differences make two
/// revisions equal, never reversed. A bare body has no trigger, and ranks below the webhooks of its second. If
/// `updated_at` has milliseconds of its own, it is used alone.
pub(super) fn revision(updated_at: Instant, triggered_at: Option<Instant>) -> Instant {
    const FINE_MS: i64 = 3_000;
    const FINE_STEP_MS: i64 = 4;
    let Some(triggered_at) = triggered_at.filter(|_| updated_at.millis() % 1_000 == 0) else {
        return updated_at;
    };
    let delay = triggered_at.millis().saturating_sub(updated_at.millis());
    let rank = match delay {
        ..0 => 0,
        0..FINE_MS => 1 + delay / FINE_STEP_MS,
        _ => 1 + FINE_MS / FINE_STEP_MS + (delay - FINE_MS) / 1_000,
    };
    updated_at.plus_millis(rank.min(999))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_are_ordered_by_update_then_by_trigger() {
        let at = |text| Instant::parse(text).unwrap();
        let update = at("2024-01-01T10:00:00-05:00");
        let later = at("2024-01-01T10:00:01-05:00");
        let triggers = [None, Some(0), Some(10), Some(2_000), Some(3_500), Some(60_000), Some(120_000)];
        let revisions = triggers.map(|ms| revision(update, ms.map(|ms| update.plus_millis(ms))));
        assert!(revisions.is_sorted_by(|earlier, later| earlier < later), "{revisions:?}");
        assert!(revision(update, Some(update.plus_millis(i64::MAX))) < revision(later, None));
        assert_eq!(revision(update, Some(update.plus_millis(-5))), update);
        let fine = update.plus_millis(7);
        assert_eq!(revision(fine, Some(later)), fine);
    }
}
