//! Who asks, as API Gateway has found out: staff of a shop by the token of its identity provider, or somebody of the
//! deployment by IAM.

use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequestContext as Context;
use service::shop::ShopId;
use web::caller::{Caller, Scope};

/// Whoever IAM lets in may do anything in any shop; of a token it is what its claims say. `shop_claim` names the claim that
/// has the shop: a token without one speaks for nobody.
pub fn caller(context: &Context, shop_claim: &str) -> Option<Caller> {
    let authorizer = context.authorizer.as_ref()?;
    if let Some(iam) = &authorizer.iam {
        let name = iam.user_arn.clone()?;
        return Some(Caller::Staff { shop: None, scope: Scope::Admin, name });
    }
    let claims = &authorizer.jwt.as_ref()?.claims;
    let shop = ShopId::new(claims.get(shop_claim)?).ok()?;
    let names = ["scope", "scp"].iter().filter_map(|name| claims.get(*name));
    // A list arrives as `[one two]`.
    let names = names.map(|names| names.replace(['[', ']', ',', '"'], " ")).collect::<Vec<_>>().join(" ");
    let name = ["username", "client_id", "sub"].iter().find_map(|name| claims.get(*name))?.clone();
    Some(Caller::Staff { shop: Some(shop), scope: Scope::greatest(&names)?, name })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn told(authorizer: &str) -> Option<Caller> {
        let request = include_str!("../../../tests/events/http-request.json");
        let mut request: serde_json::Value = serde_json::from_str(request).unwrap();
        let context = request.get_mut("requestContext").unwrap();
        let authorizer = serde_json::from_str(authorizer).unwrap();
        context.as_object_mut().unwrap().insert("authorizer".to_owned(), authorizer);
        caller(&serde_json::from_value(context.take()).unwrap(), "custom:shop")
    }

    #[test]
    fn a_token_speaks_for_its_shop_and_iam_for_the_deployment() {
        let staff =
            |scope| Some(Caller::Staff { shop: Some(ShopId::new("acme").unwrap()), scope, name: "jo".to_owned() });
        for (claims, expected) in [
            (r#""scope": "openid echelon/write""#, staff(Scope::Write)),
            (r#""scp": "[echelon/read echelon/admin]""#, staff(Scope::Admin)),
            (r#""scp": "[\"echelon/read\",\"openid\"]""#, staff(Scope::Read)),
            (r#""scope": "openid""#, None),
        ] {
            let jwt =
                format!(r#"{{"jwt": {{"claims": {{"custom:shop": "Acme", "sub": "jo", {claims}}}, "scopes": null}}}}"#);
            assert_eq!(told(&jwt), expected, "{claims}");
        }
        assert_eq!(told(r#"{"jwt": {"claims": {"sub": "jo", "scope": "echelon/admin"}, "scopes": null}}"#), None);
        let arn = "arn:aws:iam::123456789012:user/op";
        let iam = format!(r#"{{"iam": {{"userArn": "{arn}"}}}}"#);
        assert_eq!(told(&iam), Some(Caller::Staff { shop: None, scope: Scope::Admin, name: arn.to_owned() }));
        assert_eq!(told("{}"), None);
    }
}
