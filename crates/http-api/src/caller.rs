//! Who asks, for which shop, and what they may do. A handler names what it needs in its signature, [`Authorized<Read>`] or another,
//! and is given the shop; there is no other way to a shop's name. [`Among`] is for what may be about all of them.

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

/// What somebody may do. Each may all that those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// Look at members, programs and jobs.
    #[serde(rename = "echelon/read")]
    Read,
    /// Tell facts, and assign tiers.
    #[serde(rename = "echelon/write")]
    Write,
    /// Change programs, order jobs, and forget members.
    #[serde(rename = "echelon/admin")]
    Admin,
}

impl Scope {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    /// Its name in tokens.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "echelon/read",
            Self::Write => "echelon/write",
            Self::Admin => "echelon/admin",
        }
    }

    /// The greatest among names as tokens have them, separated by spaces; other names mean nothing here.
    pub fn greatest(names: &str) -> Option<Self> {
        Self::ALL.into_iter().filter(|scope| names.split_whitespace().any(|name| name == scope.name())).max()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who asks, as [`crate::authenticate`] found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Somebody of a shop, or of the deployment.
    Staff {
        /// The only shop they may ask about; none for somebody of the deployment, who names it with each request.
        shop: Option<ShopId>,
        /// What they may do.
        scope: Scope,
        /// What the audit calls them.
        name: String,
    },
    /// A member, who may see where they stand and nothing else.
    Member {
        /// Their shop.
        shop: ShopId,
        /// Who.
        member: MemberId,
    },
}

/// What a handler needs, as a type.
pub trait RequiredScope: Send + Sync + 'static {
    /// The scope.
    const SCOPE: Scope;
}

/// To look.
#[derive(Debug)]
pub enum Read {}
/// To tell.
#[derive(Debug)]
pub enum Write {}
/// To administer.
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

/// A request about a shop, by somebody who may.
#[derive(Debug)]
pub struct Authorized<S> {
    /// The shop.
    pub shop: ShopId,
    /// Who asks, for the audit.
    pub by: String,
    needs: PhantomData<S>,
}

impl<N: RequiredScope, S: Send + Sync> FromRequestParts<S> for Authorized<N>
where
    Api: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let (theirs, by) = staff::<N>(parts)?;
        let shop = match one_of(theirs, named(parts)?)? {
            Some(shop) => shop,
            None => Api::from_ref(state).only_shop().await?.ok_or_else(Problem::which_shop)?,
        };
        Ok(Self { shop, by, needs: PhantomData })
    }
}

/// A request about one shop or about all of them, by somebody who may: about all only where they are of none, and name none.
#[derive(Debug)]
pub struct Among<N> {
    /// The only shop that it is about; none for all, and for what is nobody's.
    pub shop: Option<ShopId>,
    /// Who asks, for the audit.
    pub by: String,
    needs: PhantomData<N>,
}

impl<N: RequiredScope, S: Send + Sync> FromRequestParts<S> for Among<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let (theirs, by) = staff::<N>(parts)?;
        let shop = one_of(theirs, named(parts)?)?;
        Ok(Self { shop, by, needs: PhantomData })
    }
}

/// The shop of staff who may, if they are of one, and what the audit calls them.
fn staff<N: RequiredScope>(parts: &Parts) -> Result<(Option<ShopId>, String), Problem> {
    match parts.extensions.get::<Caller>() {
        None => Err(Problem::unauthenticated()),
        Some(Caller::Staff { shop, scope, name }) if *scope >= N::SCOPE => Ok((shop.clone(), name.clone())),
        Some(Caller::Staff { .. } | Caller::Member { .. }) => Err(Problem::forbidden(N::SCOPE)),
    }
}

/// The shop that is meant by somebody of a shop, or of none, who named one, or none.
fn one_of(theirs: Option<ShopId>, named: Option<ShopId>) -> Result<Option<ShopId>, Problem> {
    match (theirs, named) {
        (Some(theirs), Some(named)) if theirs != named => {
            // Whether there is such a shop is nobody else's business.
            Err(Problem::wrong_shop())
        }
        (Some(one), _) | (None, Some(one)) => Ok(Some(one)),
        (None, None) => Ok(None),
    }
}

/// A request about the system as a whole, by somebody who may.
#[derive(Debug)]
pub struct Operator<N>(PhantomData<N>);

impl<N: RequiredScope, S: Send + Sync> FromRequestParts<S> for Operator<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match parts.extensions.get::<Caller>() {
            None => Err(Problem::unauthenticated()),
            // Whoever is of one shop has no business with the others'.
            Some(Caller::Staff { shop: None, scope, .. }) if *scope >= N::SCOPE => Ok(Self(PhantomData)),
            Some(Caller::Staff { shop: Some(_), scope, .. }) if *scope >= N::SCOPE => Err(Problem::not_of_one_shop()),
            Some(Caller::Staff { .. } | Caller::Member { .. }) => Err(Problem::forbidden(N::SCOPE)),
        }
    }
}

/// A member who asks about themselves.
#[derive(Debug)]
pub struct MemberSelf {
    /// Their shop.
    pub shop: ShopId,
    /// Who.
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
    // Whoever names a shop means that one, and none that is only not ruled out.
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
