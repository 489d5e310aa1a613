//! The values of single options.

use rules::calendar::Zone;
use rules::fact::Currency;
use shopify::Topic;

use crate::output::say;

/// Reads the name of a time zone.
pub fn timezone(text: &str) -> Result<Zone, String> {
    let zone = crate::zones().named(text).map_err(|no_zone| no_zone.to_string())?;
    if let Some(use_this) = zone.name_to_use() {
        say(&format!("warning: --timezone: `{text}` is a legacy name of a time zone; write `{use_this}`"));
    }
    Ok(zone)
}

/// Reads the code of a currency.
pub fn currency(text: &str) -> Result<Currency, String> {
    Currency::from_code(text).ok_or_else(|| "no ISO 4217 currency code; write one such as GBP".to_owned())
}

/// Reads the form of times.
pub fn time_format(text: &str) -> Result<String, String> {
    let known = chrono::format::StrftimeItems::new(text).all(|item| item != chrono::format::Item::Error);
    if known { Ok(text.to_owned()) } else { Err("not strftime's letters, such as \"%d/%m/%Y %H:%M\"".to_owned()) }
}

/// Reads a topic of Shopify.
pub fn known_topic(text: &str) -> Result<String, String> {
    Topic::named(text)
        .map(|_| text.to_owned())
        .ok_or_else(|| "no topic of Shopify; write one such as orders/paid".to_owned())
}

/// Reads the character between cells.
pub fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"\\t" => Ok(b'\t'),
        [one] if one.is_ascii() && !matches!(one, b'"' | b'\r' | b'\n') => Ok(*one),
        _ => Err("one character, such as `;` or \\t for a tab".to_owned()),
    }
}
