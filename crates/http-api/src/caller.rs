//! The caller, the shop, and what the caller may do. A handler states the scope that it needs in its signature, as
//! [`Authorized<Read>`] or another, and receives the shop; there is no other way to a shop's id. [`Among`] is for
//! requests that may be about all shops.

use std::fmt;
use std::marker::PhantomData;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::Uri;
use axum::http::request::Parts;
use rules::id::MemberId;
use serde::{Deserialize, Serialize};
use store::shop::ShopId;

use crate::Api;
use crate::problem::Problem;

/// The permissions of a caller. Each scope includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// Read members, programs and jobs.
    #[serde(rename = "echelon/read")]
    Read,
    /// Send facts, and assign tiers.
    #[serde(rename = "echelon/write")]
    Write,
    /// Change programs, order jobs, and erase members.
    #[serde(rename = "echelon/admin")]
    Admin,
}

impl Scope {
    /// All scopes, the least first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    /// The name in tokens.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "echelon/read",
            Self::Write => "echelon/write",
            Self::Admin => "echelon/admin",
        }
    }

    /// The greatest scope in a token's list of names, separated by spaces. Unknown names are ignored.
    pub fn greatest(names: &str) -> Option<Self> {
        Self::ALL.into_iter().filter(|scope| names.split_whitespace().any(|name| name == scope.name())).max()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The caller, as [`crate::authenticate`] identified them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Staff of a shop, or of the deployment.
    Staff {
        /// The only shop that they may ask about; none for staff of the deployment, who name the shop with each
        /// request.
        shop: Option<ShopId>,
        /// Their scope.
        scope: Scope,
        /// The name in the audit.
        name: String,
    },
    /// A member, who may see their own standing and nothing else.
    Member {
        /// The member's shop.
        shop: ShopId,
        /// The member.
        member: MemberId,
    },
}

/// The scope that a handler needs, as a type.
pub trait RequiredScope: Send + Sync + 'static {
    /// The scope.
    const SCOPE: Scope;
}

/// The scope to read.
#[derive(Debug)]
pub enum Read {}
/// The scope to write.
#[derive(Debug)]
pub enum Write {}
/// The scope to administer.
#[derive(Debug)]
pub enum Admin {}

impl RequiredScope for Read {
    const SCOPE: Scope = Scope::Read;
}
impl RequiredScope for Write {
    const SCOPE: Scope = Scope::Write;
}
impl RequiredScope for Admin {
    const SCOPE: Scope = Scope::Admin;
}

/// A request about a shop, by a caller with the scope.
#[derive(Debug)]
pub struct Authorized<S> {
    /// The shop.
    pub shop: ShopId,
    /// The caller's name, for the audit.
    pub by: String,
    /// Whether the caller may ask about every shop, and so may learn their names.
    pub is_of_all: bool,
    needs: PhantomData<S>,
}

impl<N: RequiredScope, S: Send + Sync> FromRequestParts<S> for Authorized<N>
where
    Api: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let api = Api::from_ref(state);
        let (theirs, by) = staff::<N>(parts)?;
        let is_of_all = theirs.is_none();
        let shop = match one_of(&api, theirs, named(parts)?)? {
            Some(shop) => shop,
            None => api.only_shop().await?.ok_or_else(Problem::which_shop)?,
        };
        Ok(Self { shop, by, is_of_all, needs: PhantomData })
    }
}

/// A request about one shop or about all of them, by a caller with the scope. It is about all only if the caller
/// belongs to no shop and names none.
#[derive(Debug)]
pub struct Among<N> {
    /// The only shop that it is about; none for all shops, including rows without a shop.
    pub shop: Option<ShopId>,
    /// The caller's name, for the audit.
    pub by: String,
    needs: PhantomData<N>,
}

impl<N: RequiredScope, S: Send + Sync> FromRequestParts<S> for Among<N>
where
    Api: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let (theirs, by) = staff::<N>(parts)?;
        let shop = one_of(&Api::from_ref(state), theirs, named(parts)?)?;
        Ok(Self { shop, by, needs: PhantomData })
    }
}

/// The shop of staff with the scope, if they belong to one, and their name in the audit.
fn staff<N: RequiredScope>(parts: &Parts) -> Result<(Option<ShopId>, String), Problem> {
    match parts.extensions.get::<Caller>() {
        None => Err(Problem::unauthenticated()),
        Some(Caller::Staff { shop, scope, name }) if *scope >= N::SCOPE => Ok((shop.clone(), name.clone())),
        Some(Caller::Staff { .. } | Caller::Member { .. }) => Err(Problem::forbidden(N::SCOPE)),
    }
}

/// The shop that is meant: that of the caller, or the one that the request names, or none. Either may be an alias.
fn one_of(api: &Api, theirs: Option<ShopId>, named: Option<ShopId>) -> Result<Option<ShopId>, Problem> {
    let meant = |name: Option<ShopId>| name.map(|name| api.store.shop_named(name));
    match (meant(theirs), meant(named)) {
        (Some(theirs), Some(named)) if theirs != named => {
            // The answer does not reveal whether the other shop exists.
            Err(Problem::wrong_shop())
        }
        (Some(one), _) | (None, Some(one)) => Ok(Some(one)),
        (None, None) => Ok(None),
    }
}

/// A request about the system as a whole, by a caller with the scope.
#[derive(Debug)]
pub struct Operator<N>(PhantomData<N>);

impl<N: RequiredScope, S: Send + Sync> FromRequestParts<S> for Operator<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match parts.extensions.get::<Caller>() {
            None => Err(Problem::unauthenticated()),
            // Staff of one shop may not see the other shops.
            Some(Caller::Staff { shop: None, scope, .. }) if *scope >= N::SCOPE => Ok(Self(PhantomData)),
            Some(Caller::Staff { shop: Some(_), scope, .. }) if *scope >= N::SCOPE => Err(Problem::not_of_one_shop()),
            Some(Caller::Staff { .. } | Caller::Member { .. }) => Err(Problem::forbidden(N::SCOPE)),
        }
    }
}

/// A member who asks about themselves.
#[derive(Debug)]
pub struct MemberSelf {
    /// The member's shop.
    pub shop: ShopId,
    /// The member.
    pub member: MemberId,
}

impl<S: Send + Sync> FromRequestParts<S> for MemberSelf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match parts.extensions.get::<Caller>() {
            Some(Caller::Member { shop, member }) => Ok(Self { shop: shop.clone(), member: member.clone() }),
            Some(Caller::Staff { .. }) => Err(Problem::member_token_required()),
            None => Err(Problem::unauthenticated()),
        }
    }
}

#[derive(Deserialize)]
struct Named {
    shop: Option<String>,
}

/// The shop that a request names: in its query, or in the header `X-Echelon-Shop`.
pub(crate) fn named(parts: &Parts) -> Result<Option<ShopId>, Problem> {
    let header = parts.headers.get("X-Echelon-Shop").map(|name| String::from_utf8_lossy(name.as_bytes()));
    named_in(&parts.uri, header.as_deref())
}

fn named_in(uri: &Uri, header: Option<&str>) -> Result<Option<ShopId>, Problem> {
    // A name that cannot be read is refused. Otherwise the request would be about a shop that the caller did not mean.
    let query = axum::extract::Query::<Named>::try_from_uri(uri);
    let query = query.map_err(|_| Problem::field("shop", "is named twice, or not in UTF-8"))?.0.shop;
    if query.as_deref().zip(header).is_some_and(|(query, header)| !query.eq_ignore_ascii_case(header)) {
        return Err(Problem::field(
            "shop",
            "is named twice, and differently: name it in the query or in X-Echelon-Shop",
        ));
    }
    let named = query.as_deref().or(header);
    named.map(ShopId::new).transpose().map_err(|error| Problem::field("shop", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_scope_of_a_token_counts_and_other_names_mean_nothing() {
        for (names, scope) in [
            ("", None),
            ("openid email", None),
            ("openid echelon/read", Some(Scope::Read)),
            ("echelon/admin echelon/read", Some(Scope::Admin)),
            ("echelon/write", Some(Scope::Write)),
            ("echelon/writer", None),
        ] {
            assert_eq!(Scope::greatest(names), scope, "{names}");
        }
        assert!(Scope::Read < Scope::Write && Scope::Write < Scope::Admin);
    }

    #[test]
    fn a_shop_is_named_in_the_query_or_a_header() {
        let named =
            |uri: &'static str, header| named_in(&Uri::from_static(uri), header).unwrap().map(|shop| shop.to_string());
        assert_eq!(named("/v1/jobs", None), None);
        assert_eq!(named("/v1/jobs?shop=Acme", Some("acme")).as_deref(), Some("acme"));
        assert_eq!(named("/v1/jobs", Some("other")).as_deref(), Some("other"));
        for wrong in ["/v1/jobs?shop=a%20b", "/v1/jobs?shop=acme&shop=acme", "/v1/jobs?shop=%ff"] {
            assert!(named_in(&Uri::from_static(wrong), None).is_err(), "{wrong}");
        }
        assert!(named_in(&Uri::from_static("/v1/jobs?shop=acme"), Some("other")).is_err(), "two shops");
    }
}
