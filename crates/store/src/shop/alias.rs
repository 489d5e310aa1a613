//! Other names of shops: a Shopify shop sends as `acme.myshopify.com` what the shop itself sends as `acme`. An alias is
//! said once, in the configuration, and holds wherever a shop is named.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use thiserror::Error;

use super::{ShopId, ShopIdError};

/// The end of the names that Shopify gives its shops.
const SHOPIFY_DOMAIN: &str = ".myshopify.com";

/// The other names of shops, each with the shop that it means.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Aliases(Arc<BTreeMap<ShopId, ShopId>>);

/// An alias that is not clear.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AliasError {
    /// The text has no `=`.
    #[error("`{0}` is no alias: write NAME=SHOP, such as acme.myshopify.com=acme")]
    NoPair(String),
    /// One side is not a shop's name.
    #[error("`{text}`: {source}")]
    NoShop {
        /// The alias as it was written.
        text: String,
        /// Why a side of it is not a name.
        source: ShopIdError,
    },
    /// One name means two shops.
    #[error("`{name}` means both `{one}` and `{other}`: name one of them")]
    Twice {
        /// The name.
        name: ShopId,
        /// The shop that it means.
        one: ShopId,
        /// The other shop that it means.
        other: ShopId,
    },
    /// An alias means another alias, or itself.
    #[error("`{name}` means `{shop}`, which is an alias itself: name the shop whose program it is")]
    Chain {
        /// The name.
        name: ShopId,
        /// The alias that it means.
        shop: ShopId,
    },
}

impl Aliases {
    /// Reads aliases, each as `NAME=SHOP`.
    ///
    /// # Errors
    /// [`AliasError`] says which alias is not clear, and how one is written.
    pub fn read<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, AliasError> {
        let mut all = BTreeMap::new();
        for text in texts {
            let (name, shop) = text.split_once('=').ok_or_else(|| AliasError::NoPair(text.to_owned()))?;
            let named = |name: &str| {
                let no_shop = |source| AliasError::NoShop { text: text.to_owned(), source };
                ShopId::new(name.trim()).map_err(no_shop)
            };
            let (name, shop) = (named(name)?, named(shop)?);
            match all.insert(name.clone(), shop.clone()) {
                Some(other) if other != shop => return Err(AliasError::Twice { name, one: other, other: shop }),
                Some(_) | None => {}
            }
        }
        match all.iter().find(|(_, shop)| all.contains_key(*shop)) {
            Some((name, shop)) => Err(AliasError::Chain { name: name.clone(), shop: shop.clone() }),
            None => Ok(Self(Arc::new(all))),
        }
    }

    /// The shop that a name means: that of an alias, or the shop of this name.
    pub fn shop(&self, named: ShopId) -> ShopId {
        self.0.get(&named).cloned().unwrap_or(named)
    }

    /// Whether a shop may be several shops of Shopify: more than one of its names, its own included, is a shop's name there. If
    /// none is, each other name may stand for one.
    pub fn are_several(&self, shop: &ShopId) -> bool {
        let others = self.0.iter().filter(|(_, means)| *means == shop).map(|(name, _)| name);
        let of_shopify = others.clone().chain([shop]).filter(|name| name.as_str().ends_with(SHOPIFY_DOMAIN)).count();
        match of_shopify {
            0 => others.count() > 1,
            count => count > 1,
        }
    }

    /// The shops that other names mean.
    pub fn shops(&self) -> BTreeSet<&ShopId> {
        self.0.values().collect()
    }

    /// The names that mean another shop.
    pub fn names(&self) -> impl Iterator<Item = &ShopId> {
        self.0.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The deletion of one Shopify shop deletes none of the others that are one shop here, also where the shop carries the
    /// name of one of them; another name beside the only one of Shopify's stands in no way.
    #[test]
    fn a_shop_is_several_of_shopifys_by_its_own_name_too_and_other_names_do_not_count() {
        let are_several = |aliases: &[&str], shop: &str| {
            Aliases::read(aliases.iter().copied()).unwrap().are_several(&ShopId::new(shop).unwrap())
        };
        assert!(are_several(&["two.myshopify.com=acme.myshopify.com"], "acme.myshopify.com"));
        assert!(are_several(&["one.myshopify.com=acme", "two.myshopify.com=acme"], "acme"));
        assert!(are_several(&["one=acme", "two=acme"], "acme"));
        assert!(!are_several(&["one.myshopify.com=acme", "old=acme"], "acme"));
        assert!(!are_several(&["one.myshopify.com=acme", "two.myshopify.com=other"], "acme"));
        assert!(!are_several(&[], "acme.myshopify.com"));
    }

    #[test]
    fn an_alias_means_its_shop_and_one_that_is_not_clear_is_refused_by_name() {
        let aliases = Aliases::read(["Acme.myshopify.com = acme", "acme-eu=acme"]).unwrap();
        let shop = |name: &str| aliases.shop(ShopId::new(name).unwrap()).to_string();
        assert_eq!(
            ["acme.myshopify.com", "acme-eu", "acme", "other"].map(shop),
            ["acme", "acme", "acme", "other"].map(str::to_owned)
        );
        for (wrong, why) in [
            (&["acme.myshopify.com"][..], "NAME=SHOP"),
            (&["a shop=acme"], "names no shop"),
            (&["a=acme", "a=other"], "means both `acme` and `other`"),
            (&["a=b", "b=c"], "an alias itself"),
            (&["a=a"], "an alias itself"),
        ] {
            let said = Aliases::read(wrong.iter().copied()).unwrap_err().to_string();
            assert!(said.contains(why), "{said}");
        }
    }
}
