//! Numbers are exact.

use super::*;

#[test]
fn amounts_are_plain_decimals_within_bounds() {
    for (text, shown) in [("0", "0"), ("12.50", "12.5"), ("0.0001", "0.0001"), ("007.10000", "7.1"), ("-0", "0")] {
        assert_eq!(Amount::parse(text).unwrap().to_string(), shown, "{text}");
    }
    assert_eq!(Amount::parse("999999999999.9999").unwrap().ten_thousandths(), AMOUNT_LIMIT - 1);
    for text in ["", ".", "1.", ".5", "1e3", "1_000", "1,000", "+1", " 1", "0x1", "1.2.3", "NaN", "--1", "-"] {
        assert!(matches!(Amount::parse(text), Err(NumberError::NotANumber(_))), "{text}");
    }
    assert!(matches!(Amount::parse("-1"), Err(NumberError::Negative(_))));
    assert!(matches!(Amount::parse("0.00001"), Err(NumberError::TooFine { .. })));
    for text in ["1000000000000", "99999999999999999999999999999999999999999"] {
        assert!(matches!(Amount::parse(text), Err(NumberError::TooLarge { .. })), "{text}");
    }
    assert!(matches!(Rate::parse("0.00000000001"), Err(NumberError::TooFine { .. })));
    assert_eq!(Rate::parse("999999999.9999999999").unwrap().to_string(), "999999999.9999999999");
}

#[test]
fn ties_round_to_the_even_minor_unit() {
    let cents = MinorUnit::new(2).unwrap();
    let amount = |text| Amount::parse(text).unwrap().ten_thousandths();
    let convert = |text, rate, unit| Rate::parse(rate).unwrap().convert(amount(text), unit).to_string();
    assert_eq!(convert("10.05", "1.10", cents), "11.06");
    assert_eq!(convert("10.15", "1.10", cents), "11.16");
    assert_eq!(convert("10.03", "150", MinorUnit::new(0).unwrap()), "1504");
    assert_eq!(cents.round(amount("1.005")).to_string(), "1");
    assert_eq!(cents.round(amount("1.015")).to_string(), "1.02");
}

#[test]
fn a_share_of_the_largest_worth_is_exact() {
    let cents = MinorUnit::new(2).unwrap();
    let largest = AMOUNT_LIMIT - 1;
    let worth = Rate(RATE_LIMIT - 1).convert(2 * largest, cents);
    assert_eq!(cents.share(worth, largest, largest), worth);
    assert_eq!(cents.share(Quantity::whole(10), 1, 3).to_string(), "3.33");
    assert_eq!(cents.share(Quantity::whole(10), 2, 3).to_string(), "6.67");
    for unit in [1, 1 << 40] {
        let tie = MinorUnit::new(4).unwrap().share(Quantity(3 * i128::from(unit)), 1, 2 * unit);
        assert_eq!(tie, Quantity(2), "the even one of the whole");
    }
}

#[test]
fn quantities_read_like_prices() {
    let half = Quantity(5_000);
    assert_eq!(half.with_decimals(2), "0.50");
    assert_eq!(Quantity::whole(-12).with_decimals(2), "-12.00");
    assert_eq!((-half).to_string(), "-0.5");
    assert_eq!(Quantity::whole(7).with_decimals(0), "7");
    for text in ["-999999999999999999.9999", "999999999999999999.9999", "-0.0001"] {
        assert_eq!(Quantity::parse(text).unwrap().to_string(), text);
    }
    for text in ["1000000000000000000", "0.00001", "-", "1.-2"] {
        assert_eq!(Quantity::parse(text), None, "{text}");
    }
}

#[test]
fn a_sum_reads_as_it_was_written_however_large() {
    for written in [Quantity::ZERO, Quantity(-1), Quantity(12_500), Quantity(-120_000), Quantity::MAX, Quantity::MIN] {
        let text = serde_json::to_string(&written).unwrap();
        assert_eq!(serde_json::from_str::<Quantity>(&text).unwrap(), written, "{text}");
    }
    for text in ["\"\"", "\"1.00001\"", "\"1e3\"", "12"] {
        assert!(serde_json::from_str::<Quantity>(text).is_err(), "{text}");
    }
}

#[test]
fn a_share_in_percent_is_exact() {
    let whole = Quantity::whole(500);
    assert!(Quantity::whole(50).is_within_percent(10, whole));
    assert!(!(Quantity::whole(50) + Quantity(1)).is_within_percent(10, whole));
    assert!(!Quantity(1).is_within_percent(0, whole) && whole.is_within_percent(100, whole));
}
