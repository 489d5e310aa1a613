//! Exact numbers: money, points, orders and thresholds, never a float.
//!
//! Every number is stored as ten-thousandths. The bounds of section 3 of the semantics (amounts below 10^12 with at
//! most 4 decimals, rates at most 10 decimals) are checked where a number comes in. They are chosen so that no sum or
//! product of accepted numbers can overflow: see `Rate::convert` and `MinorUnit::share`.

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Add, AddAssign, Neg, Sub};

use rust_decimal::Decimal;
use thiserror::Error;

/// Ten-thousandths in one: the finest step of an amount (section 3).
pub const SCALE: i128 = 10_000;
const AMOUNT_DECIMALS: u32 = 4;
const RATE_DECIMALS: u32 = 10;
const RATE_ONE: u128 = 10_000_000_000;
/// Amounts stay below 10^12 (section 3).
const AMOUNT_LIMIT: u64 = 1_000_000_000_000 * 10_000;
/// Rates stay below 10^9: no two currencies of the world are further apart, and products stay within 128 bits.
const RATE_LIMIT: u64 = 1_000_000_000 * 10_000_000_000;
/// Points of one entry stay below 10^12, like amounts (section 3).
const POINTS_LIMIT: i64 = 1_000_000_000_000;

/// The reasons why a text is not the expected number.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NumberError {
    /// The text is not digits with at most one point.
    #[error("`{0}` is not a decimal number such as \"12.50\"")]
    NotANumber(String),
    /// The number is negative where that has no meaning.
    #[error("`{0}` must not be negative")]
    Negative(String),
    /// The number is finer than can be kept exactly.
    #[error("`{text}` has more than {decimals} decimals")]
    TooFine {
        /// The text as written.
        text: String,
        /// The number of decimals allowed.
        decimals: u32,
    },
    /// The number is beyond the limit.
    #[error("`{text}` must be below {limit}")]
    TooLarge {
        /// The text as written.
        text: String,
        /// The first number that is too large.
        limit: &'static str,
    },
}

/// Reads plain decimal notation (no exponent, no grouping) as a whole number of `10^-decimals`; `decimals` is at most 10.
fn scaled(text: &str, decimals: u32, limit: &'static str) -> Result<i128, NumberError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || !are_digits(fraction) {
        return Err(NumberError::NotANumber(text.to_owned()));
    }
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    if whole.len() > 18 {
        return Err(NumberError::TooLarge { text: text.to_owned(), limit });
    }
    let missing = u32::try_from(fraction.len()).ok().and_then(|written| decimals.checked_sub(written));
    let Some(missing) = missing else {
        return Err(NumberError::TooFine { text: text.to_owned(), decimals });
    };
    // At most 18 digits before the point and 10 after it: neither part exceeds 64 bits, nor their sum 128.
    let count = |part: &str| part.bytes().fold(0_u64, |sum, byte| sum * 10 + u64::from(byte - b'0'));
    let fraction = count(fraction) * 10_u64.pow(missing);
    let scaled = i128::from(count(whole)) * 10_i128.pow(decimals) + i128::from(fraction);
    Ok(if text.starts_with('-') { -scaled } else { scaled })
}

/// `numerator / denominator` and the remainder, in 64 bits where they suffice, as they nearly always do.
fn divide(numerator: u128, denominator: u128) -> (u128, u128) {
    match (u64::try_from(numerator), u64::try_from(denominator)) {
        (Ok(numerator), Ok(denominator)) => ((numerator / denominator).into(), (numerator % denominator).into()),
        _ => (numerator / denominator, numerator % denominator),
    }
}

/// `numerator / denominator`, rounded half-even; the denominator is above zero.
fn divide_half_even(numerator: u128, denominator: u128) -> u128 {
    let (quotient, rest) = divide(numerator, denominator);
    let up = match rest.cmp(&(denominator - rest)) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => quotient % 2 == 1,
    };
    quotient + u128::from(up)
}

/// Ten-thousandths rounded half-even to a multiple of `STEP`.
#[inline]
fn round_to<const STEP: u64>(basis: u64) -> u64 {
    let rest = basis % STEP;
    if rest == 0 {
        return basis; // the case for nearly every amount
    }
    let down = basis - rest;
    let up = rest > STEP - rest || (rest == STEP - rest && (down / STEP) % 2 == 1);
    if up { down + STEP } else { down }
}

/// An amount of money, or a threshold: 0 or more, below 10^12, at most 4 decimals (section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(u64);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Reads `"12.50"`.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        let limit = "1000000000000";
        let scaled = scaled(text, AMOUNT_DECIMALS, limit)?;
        if scaled < 0 {
            return Err(NumberError::Negative(text.to_owned()));
        }
        u64::try_from(scaled)
            .ok()
            .and_then(Self::from_ten_thousandths)
            .ok_or_else(|| NumberError::TooLarge { text: text.to_owned(), limit })
    }

    /// The amount as a count of ten-thousandths.
    pub fn ten_thousandths(self) -> u64 {
        self.0
    }

    /// The amount of `count` ten-thousandths, if it is below 10^12.
    pub fn from_ten_thousandths(count: u64) -> Option<Self> {
        (count < AMOUNT_LIMIT).then_some(Self(count))
    }

    /// The rest after another amount is taken off, at least 0.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The same share of this amount as `some` is of `all`, rounded down; all of it if the two are equal.
    #[must_use]
    pub fn part(self, some: Self, all: Self) -> Self {
        if some == all {
            return self;
        }
        let share = u128::from(self.0) * u128::from(some.0) / u128::from(all.0.max(1));
        u64::try_from(share).ok().and_then(Self::from_ten_thousandths).unwrap_or(self)
    }

    /// The amount as a decimal number.
    pub fn decimal(self) -> Decimal {
        Decimal::from_i128_with_scale(i128::from(self.0), AMOUNT_DECIMALS).normalize()
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Quantity::from(*self).fmt(f)
    }
}

/// The value of one unit of an order's currency in the program's: 0 or more, below 10^9, at most 10 decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(u64);

impl Rate {
    /// Reads `"1.0842"`.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        let limit = "1000000000";
        let scaled = scaled(text, RATE_DECIMALS, limit)?;
        if scaled < 0 {
            return Err(NumberError::Negative(text.to_owned()));
        }
        u64::try_from(scaled)
            .ok()
            .and_then(Self::from_raw)
            .ok_or_else(|| NumberError::TooLarge { text: text.to_owned(), limit })
    }

    /// The rate as a count of 10^-10.
    pub(crate) fn raw(self) -> u64 {
        self.0
    }

    /// The rate of `raw` times 10^-10, if it is below 10^9.
    pub(crate) fn from_raw(raw: u64) -> Option<Self> {
        (raw < RATE_LIMIT).then_some(Self(raw))
    }

    /// Converts `basis` (ten-thousandths, at most some 10^17) and rounds it half-even to the minor unit, once.
    ///
    /// 10^17 · 2·10^19 stays below 3·10^38: it fits 128 bits.
    pub(crate) fn convert(self, basis: u64, minor: MinorUnit) -> Quantity {
        let per_unit = RATE_ONE * u128::from(minor.step());
        minor.quantity(divide_half_even(u128::from(basis) * u128::from(self.0), per_unit))
    }

    /// Whether an amount, converted exactly, is at least another.
    pub(crate) fn converts_to_at_least(self, amount: Amount, other: Amount) -> bool {
        u128::from(amount.0) * u128::from(self.0) >= u128::from(other.0) * RATE_ONE
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimal = Decimal::from_i128_with_scale(i128::from(self.0), RATE_DECIMALS).normalize();
        write!(f, "{decimal}")
    }
}

/// Whole points of one entry: not 0, and fewer than 10^12 either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Points(i64);

impl Points {
    /// Checks a count of points: it must not be 0 or too large.
    pub fn new(points: i64) -> Option<Self> {
        (points != 0 && points.unsigned_abs() < POINTS_LIMIT.unsigned_abs()).then_some(Self(points))
    }

    /// The number of points.
    pub fn get(self) -> i64 {
        self.0
    }
}

/// The smallest step of a currency: 2 decimals for dollars, none for yen, 3 for Kuwaiti dinars (ISO 4217).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinorUnit {
    decimals: u8,
}

impl MinorUnit {
    /// The minor unit with `decimals` decimals, if they are at most 4; no currency has more.
    pub fn new(decimals: u8) -> Option<Self> {
        (u32::from(decimals) <= AMOUNT_DECIMALS).then_some(Self { decimals })
    }

    /// The number of decimals.
    pub fn decimals(self) -> u8 {
        self.decimals
    }

    /// Ten-thousandths in one minor unit.
    fn step(self) -> u64 {
        match self.decimals {
            0 => 10_000,
            1 => 1_000,
            2 => 100,
            3 => 10,
            _ => 1,
        }
    }

    /// Whether `basis` ten-thousandths need no rounding.
    pub(crate) fn is_whole(self, basis: u64) -> bool {
        basis.is_multiple_of(self.step())
    }

    fn quantity(self, units: u128) -> Quantity {
        Quantity(i128::try_from(units.saturating_mul(u128::from(self.step()))).unwrap_or(i128::MAX))
    }

    /// `basis` ten-thousandths rounded half-even to this unit.
    #[inline]
    pub(crate) fn round(self, basis: u64) -> Quantity {
        // The divisors are constants for the compiler, because every evaluation rounds every order.
        let rounded = match self.decimals {
            0 => round_to::<10_000>(basis),
            1 => round_to::<1_000>(basis),
            2 => round_to::<100>(basis),
            3 => round_to::<10>(basis),
            _ => basis,
        };
        Quantity(i128::from(rounded))
    }

    /// `whole · part / of`, rounded half-even to this unit, once (section 4: the part of an order's worth that a refund takes).
    ///
    /// `whole` is a multiple of this unit, `part ≤ of`, `of` above zero. With `whole = q·of + r`, the product is split
    /// into `(q·of + r)·part / of = q·part + r·part/of`, so nothing exceeds `whole` or 10^34. `q` is even, so a tie
    /// goes to the even result of the whole.
    pub(crate) fn share(self, whole: Quantity, part: u64, of: u64) -> Quantity {
        let (part, of) = (u128::from(part), u128::from(of.max(1)));
        let (units, _) = divide(whole.0.unsigned_abs(), self.step().into());
        if (units | part) >> 32 == 0 {
            return self.quantity(divide_half_even(units * part, of)); // the usual case
        }
        let (times, rest) = divide(units, of);
        let odd = times % 2;
        self.quantity((times - odd) * part + divide_half_even((rest + odd * of) * part, of))
    }

    /// `whole` times the sum of two shares, rounded half-even to this unit, once; all of it if the shares reach 1.
    ///
    /// Each product is divided apart, as in [`Self::share`]: `whole·p/o = q·p + (r·p)/o`. What is left over of each is below
    /// 10^16, so their sum over the common denominator stays below 10^33.
    pub(crate) fn shares(self, whole: Quantity, [one, other]: [Share; 2]) -> Quantity {
        let ((part, of), (also, also_of)) = (one.fraction(), other.fraction());
        let common = of * also_of;
        if part * also_of + also * of >= common {
            return whole;
        }
        if also == 0 {
            return self.share(whole, one.part, one.of);
        }
        if part == 0 {
            return self.share(whole, other.part, other.of);
        }
        let (units, _) = divide(whole.0.unsigned_abs(), self.step().into());
        let split = |part: u128, of: u128| {
            let (times, rest) = divide(units, of);
            let (more, left) = divide(rest * part, of);
            (times * part + more, left)
        };
        let ((some, left), (more, also_left)) = (split(part, of), split(also, also_of));
        let (carried, rest) = divide(left * also_of + also_left * of, common);
        let below = some + more + carried;
        let is_up = match (2 * rest).cmp(&common) {
            Ordering::Less => false,
            Ordering::Equal => below % 2 == 1,
            Ordering::Greater => true,
        };
        self.quantity(below + u128::from(is_up))
    }
}

/// A part of something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    pub part: u64,
    pub of: u64,
}

impl Share {
    /// Numerator and denominator, which is never 0.
    fn fraction(self) -> (u128, u128) {
        (self.part.into(), self.of.max(1).into())
    }
}

/// A sum of credits, in ten-thousandths: money, points or orders, of either sign.
///
/// One credit stays below 10^27 (an amount times a rate), so 10^11 of them still fit 128 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Quantity(i128);

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// Below and above every sum, and far enough from the limits of the type that differences do not overflow.
    pub(crate) const MIN: Self = Self(i128::MIN / 2);
    pub(crate) const MAX: Self = Self(i128::MAX / 2);
    /// One point, one order.
    pub const ONE: Self = Self(SCALE);

    /// A count of whole units.
    pub fn whole(count: i64) -> Self {
        Self(i128::from(count) * SCALE)
    }

    /// A count of ten-thousandths.
    pub(crate) fn from_ten_thousandths(count: i64) -> Self {
        Self(i128::from(count))
    }

    /// The count of ten-thousandths of a number of 0 or more, or the largest count that fits.
    pub(crate) fn capped(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// Reads a decimal number of either sign with at most 4 decimals.
    pub fn parse(text: &str) -> Option<Self> {
        scaled(text, AMOUNT_DECIMALS, "10^18").ok().map(Self)
    }

    /// The amount that `counted` lacks to reach `self`: at least 0.
    pub fn remaining_from(self, counted: Self) -> Self {
        Self((self.0 - counted.0).max(0))
    }

    /// Whether it is at most `percent` hundredths of `whole`, exactly.
    pub(crate) fn is_within_percent(self, percent: u8, whole: Self) -> bool {
        self.0.saturating_mul(100) <= whole.0.saturating_mul(i128::from(percent))
    }

    /// The points for a credit of 0 or more: `points` for each full `amount` of it (section 4). No more than 10^24, far above
    /// every threshold, so that sums stay within their bounds.
    pub(crate) fn per_full(self, amount: Amount, points: Points) -> Self {
        const MOST: i128 = 1_000_000_000_000_000_000_000_000 * SCALE;
        let times = self.0.checked_div(i128::from(amount.0)).unwrap_or(0);
        Self(times.saturating_mul(i128::from(points.0)).saturating_mul(SCALE).min(MOST))
    }

    /// Whether the sum is zero.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Whether it is below zero.
    pub fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// The smallest number at least as large that has at most `decimals` decimals.
    pub fn rounded_up(self, decimals: u8) -> Self {
        let step = 10_i128.pow(AMOUNT_DECIMALS.saturating_sub(u32::from(decimals)));
        Self(self.0 + (step - self.0.rem_euclid(step)) % step)
    }

    /// The number as text with at least `decimals` decimals: `12.50` with 2, `12` with 0.
    pub fn with_decimals(self, decimals: u8) -> String {
        let text = self.to_string();
        let written = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let wanted = usize::from(decimals);
        if written >= wanted {
            return text;
        }
        let point = if written == 0 { "." } else { "" };
        format!("{text}{point}{}", "0".repeat(wanted - written))
    }
}

impl From<Amount> for Quantity {
    fn from(amount: Amount) -> Self {
        Self(i128::from(amount.0))
    }
}

impl Add for Quantity {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0) // cannot overflow: see the type
    }
}

impl AddAssign for Quantity {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Quantity {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Neg for Quantity {
    type Output = Self;
    fn neg(self) -> Self {
        Self::ZERO - self
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, scale) = (self.0.unsigned_abs(), SCALE.unsigned_abs());
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}", count / scale)?;
        match count % scale {
            0 => Ok(()),
            rest => write!(f, ".{}", format!("{rest:04}").trim_end_matches('0')),
        }
    }
}

impl serde::Serialize for Quantity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Quantity {
    /// Reads what `serialize` wrote: sums may be longer than accepted input.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let reads = whole.ends_with(|last: char| last.is_ascii_digit()) && fraction.len() <= 4;
        let digits = format!("{whole}{fraction:0<4}").parse().ok().filter(|_| reads);
        digits.map(Self).ok_or_else(|| serde::de::Error::custom(NumberError::NotANumber(text)))
    }
}

impl serde::Serialize for Amount {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests;
