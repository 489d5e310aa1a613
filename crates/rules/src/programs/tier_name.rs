//! Tiers as people write them in files: by id or by name, in any capitals.

use thiserror::Error;

use crate::program::{Program, Tier};

/// Why a text names no tier of a program. The text lists the tiers that could be meant.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TierNameError {
    /// The program has no tier with this id or name.
    #[error("the program has no tier `{name}`; name one of: {tiers}")]
    Unknown {
        /// The text.
        name: String,
        /// The ids of all tiers.
        tiers: String,
    },
    /// Several tiers have this id or name, if capitals are left aside.
    #[error("`{name}` names several tiers of the program; write the id of one: {tiers}")]
    Ambiguous {
        /// The text.
        name: String,
        /// The ids of the tiers that it names.
        tiers: String,
    },
}

impl Program {
    /// The tier that a text names: by its id as it stands, or else by id or name without regard to capitals and to the
    /// spaces around it.
    ///
    /// # Errors
    /// If no tier is named, or more than one.
    pub fn tier_named(&self, text: &str) -> Result<&Tier, TierNameError> {
        let wanted = text.trim();
        if let Some((_, tier)) = self.tiers().find(|(_, tier)| tier.id.as_str() == wanted) {
            return Ok(tier);
        }
        let lower = wanted.to_lowercase();
        let alike = |other: &str| other.trim().to_lowercase() == lower;
        let found: Vec<&Tier> =
            self.tiers().map(|(_, tier)| tier).filter(|tier| alike(tier.id.as_str()) || alike(&tier.name)).collect();
        let ids = |tiers: &[&Tier]| tiers.iter().map(|tier| tier.id.as_str()).collect::<Vec<_>>().join(", ");
        match found.as_slice() {
            [tier] => Ok(tier),
            [] => {
                let all: Vec<&Tier> = self.tiers().map(|(_, tier)| tier).collect();
                Err(TierNameError::Unknown { name: wanted.to_owned(), tiers: ids(&all) })
            }
            several => Err(TierNameError::Ambiguous { name: wanted.to_owned(), tiers: ids(several) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::calendar::Zones;

    fn program() -> Program {
        let tier = |id: &str, name: &str, threshold: &str| json!({ "id": id, "name": name, "threshold": threshold });
        let text = json!({
            "program_id": "p", "name": "P", "active": true, "timezone": "UTC", "currency": "EUR",
            "start_date": "2023-01-01", "milestone": { "metric": "amount_spent", "period": "lifetime" },
            "tiers": [tier("t1", "Silver", "1"), tier("gold", "VIP Gold", "2"), tier("Gold", "Élite", "3"), tier("t4", "silver ", "4")],
        });
        Program::read(&text, &Zones::built_in()).unwrap().program
    }

    #[test]
    fn a_tier_is_named_by_its_id_or_its_name_in_any_capitals() {
        let program = program();
        for (text, id) in
            [("gold", "gold"), ("Gold", "Gold"), ("T1", "t1"), (" vip GOLD ", "gold"), ("ÉLITE", "Gold"), ("t4", "t4")]
        {
            assert_eq!(program.tier_named(text).map(|tier| tier.id.as_str()), Ok(id), "{text}");
        }
    }

    #[test]
    fn a_name_that_several_tiers_have_and_one_that_none_has_are_errors_that_list_them() {
        let program = program();
        let said = |text: &str| program.tier_named(text).unwrap_err().to_string();
        assert_eq!(said("Ruby"), "the program has no tier `Ruby`; name one of: t1, gold, Gold, t4");
        assert_eq!(said("SILVER"), "`SILVER` names several tiers of the program; write the id of one: t1, t4");
        assert_eq!(said("GOLD"), "`GOLD` names several tiers of the program; write the id of one: gold, Gold");
    }
}
