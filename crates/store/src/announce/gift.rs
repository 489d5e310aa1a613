//! Entry rewards as JSON, in the same form as in a program file.

use rules::program;
use serde::{Deserialize, Serialize};

/// An entry reward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reward {
    /// The gift.
    #[serde(flatten)]
    pub gift: Gift,
    /// The number of days for which it can be used.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub valid_days: Option<u16>,
    /// The cost for the shop, in program currency.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unit_cost: Option<String>,
}

/// The gift of a reward. Amounts are in program currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Gift {
    /// Bonus points.
    Points {
        /// The number of points.
        points: i64,
    },
    /// A percentage off.
    DiscountPercent {
        /// The percentage.
        percent: String,
    },
    /// An amount off.
    DiscountAmount {
        /// The amount.
        amount: String,
    },
    /// Free shipping.
    FreeShipping,
    /// A free product.
    FreeProduct {
        /// The product.
        product: String,
    },
    /// Anything else.
    Custom {
        /// Its description.
        text: String,
    },
}

impl From<&program::Reward> for Reward {
    fn from(reward: &program::Reward) -> Self {
        let program::Reward { gift, valid_days, unit_cost } = reward;
        Self { gift: gift.into(), valid_days: *valid_days, unit_cost: unit_cost.map(|cost| cost.to_string()) }
    }
}

impl From<&program::Gift> for Gift {
    fn from(gift: &program::Gift) -> Self {
        match gift {
            program::Gift::Points(points) => Self::Points { points: points.get() },
            program::Gift::DiscountPercent(percent) => Self::DiscountPercent { percent: percent.to_string() },
            program::Gift::DiscountAmount(amount) => Self::DiscountAmount { amount: amount.to_string() },
            program::Gift::FreeShipping => Self::FreeShipping,
            program::Gift::FreeProduct(product) => Self::FreeProduct { product: product.clone() },
            program::Gift::Custom(text) => Self::Custom { text: text.clone() },
        }
    }
}
