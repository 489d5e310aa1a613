//! Ready programs, and a scenario's changes of their settings.

use std::path::PathBuf;
use std::{fs, io};

use reference::tz::Tz;
use rust_decimal::Decimal;
use serde_json::{Map, Value};

/// The directory of the ready programs.
pub fn directory() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/programs"))
}

/// The names of all ready programs, in order.
pub fn ready() -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// Loads a ready program by its name.
///
/// # Errors
/// No ready program has this name, with the names of all of them.
pub fn load(name: &str) -> Result<Value, String> {
    let known = ready().map_err(|error| format!("the ready programs cannot be listed: {error}"))?;
    if !known.iter().any(|known| known == name) {
        return Err(format!("`{name}` is no ready program; there are {}", known.join(", ")));
    }
    let text = fs::read_to_string(directory().join(format!("{name}.json"))).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| format!("`{name}` is no JSON: {error}"))
}

/// Changes one setting: `path` is dotted, a tier is named by its id, and `none` removes.
///
/// A tier that the program lacks is added with its whole object, in the order of thresholds.
///
/// # Errors
/// There is no setting at `path`.
pub fn set(program: &mut Value, path: &str, text: &str) -> Result<(), String> {
    let (head, name) = path.rsplit_once('.').unwrap_or(("", path));
    let mut holder = &mut *program;
    for part in head.split('.').filter(|part| !part.is_empty()) {
        holder = enter(holder, part).ok_or_else(|| format!("the program has no `{part}` for `{path}`"))?;
    }
    let value = value(text)?;
    match holder {
        Value::Object(fields) => {
            if value.is_null() {
                fields.remove(name);
            } else {
                fields.insert(name.to_owned(), value);
            }
            Ok(())
        }
        Value::Array(tiers) => set_tier(tiers, name, value),
        _ => Err(format!("`{head}` has no parts to be changed")),
    }
}

fn enter<'a>(holder: &'a mut Value, part: &str) -> Option<&'a mut Value> {
    match holder {
        Value::Array(tiers) => tiers.iter_mut().find(|tier| tier["id"] == part),
        Value::Object(fields) => {
            // `spend` and `notices` are optional in a program, so a setting in them creates them.
            if matches!(part, "spend" | "notices") && !fields.contains_key(part) {
                fields.insert(part.to_owned(), Value::Object(Map::new()));
            }
            fields.get_mut(part)
        }
        _ => None,
    }
}

fn set_tier(tiers: &mut Vec<Value>, id: &str, mut tier: Value) -> Result<(), String> {
    tiers.retain(|known| known["id"] != id);
    if tier.is_null() {
        return Ok(());
    }
    let Some(fields) = tier.as_object_mut() else {
        return Err(format!("tier `{id}` is not there yet, so it needs all of its fields: {{\"name\": …}}"));
    };
    fields.insert("id".to_owned(), Value::from(id));
    let threshold = threshold(&tier);
    let place = tiers.iter().position(|known| self::threshold(known) > threshold && threshold.is_some());
    tiers.insert(place.unwrap_or(tiers.len()), tier);
    Ok(())
}

/// The threshold of a tier, if it has one.
pub fn threshold(tier: &Value) -> Option<Decimal> {
    match tier.get("threshold")? {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

/// The value after a `=`: marked JSON, true or false, a whole number, or plain text.
pub fn value(text: &str) -> Result<Value, String> {
    let whole = text.parse::<i64>().is_ok();
    if whole || text.starts_with(['{', '[', '"']) || matches!(text, "true" | "false") {
        return serde_json::from_str(text).map_err(|error| format!("`{text}` is no JSON: {error}"));
    }
    Ok(if text == "none" { Value::Null } else { Value::from(text) })
}

/// The ids of a program's tiers, lowest first.
pub fn tiers(program: &Value) -> Vec<&str> {
    let tiers = program["tiers"].as_array();
    tiers.into_iter().flatten().filter_map(|tier| tier["id"].as_str()).collect()
}

/// The time zone in which a program's days are counted.
///
/// # Errors
/// The time zone is not known.
pub fn zone(program: &Value) -> Result<Tz, String> {
    let name = program["timezone"].as_str().unwrap_or("UTC");
    Tz::named(name).ok_or_else(|| format!("`{name}` is no time zone such as \"America/New_York\""))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn changed(path: &str, text: &str) -> Result<Value, String> {
        let mut program = json!({ "active": true, "milestone": { "period": "lifetime" },
                                  "tiers": [{ "id": "silver", "threshold": "100" }, { "id": "gold", "threshold": "500" }] });
        set(&mut program, path, text).map(|()| program)
    }

    #[test]
    fn a_setting_is_found_by_its_path_and_a_tier_by_its_id() {
        assert_eq!(changed("active", "false").unwrap()["active"], false);
        assert_eq!(changed("milestone.period", "calendar_year").unwrap()["milestone"]["period"], "calendar_year");
        assert_eq!(changed("tiers.gold.threshold", "600").unwrap()["tiers"][1]["threshold"], 600);
        assert_eq!(changed("spend.include_tax", "false").unwrap()["spend"], json!({ "include_tax": false }));
    }

    #[test]
    fn a_new_tier_stands_where_its_threshold_belongs() {
        let program = changed("tiers.ruby", r#"{"name": "Ruby", "threshold": "250"}"#).unwrap();
        assert_eq!(tiers(&program), ["silver", "ruby", "gold"]);
        assert_eq!(tiers(&changed("tiers.top", r#"{"threshold": "900"}"#).unwrap()), ["silver", "gold", "top"]);
        assert_eq!(tiers(&changed("tiers.silver", "none").unwrap()), ["gold"]);
    }

    #[test]
    fn a_setting_that_does_not_exist_is_an_error() {
        assert!(changed("tiers.glod.threshold", "600").unwrap_err().contains("no `glod`"));
        assert!(changed("tiers.glod", "600").unwrap_err().contains("all of its fields"));
        assert!(changed("active.yes", "600").is_err());
    }
}
