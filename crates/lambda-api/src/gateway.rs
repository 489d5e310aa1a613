//! Requests as API Gateway passes them on. The gateway has authenticated the caller: staff of a shop by the token of
//! its identity provider, or an operator of the deployment by IAM. The path arrives decoded, except for `%25`.
//! Characters that were encoded would count as parts of the URI, and so the path is encoded again before anything reads
//! it.

use std::fmt::Write as _;

use http_api::caller::{Caller, Scope};
use lambda_http::LambdaEvent;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequestContext as Context;
use lambda_http::request::LambdaRequest;
use store::shop::ShopId;

/// The caller of a request. A caller admitted by IAM may do anything in any shop; a caller with a token may do what its
/// claims say. `shop_claim` names the claim with the shop: a token without it authenticates no caller.
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

/// Encodes the path of a request again, as a client sends it.
pub fn encoded(mut event: LambdaEvent<LambdaRequest>) -> LambdaEvent<LambdaRequest> {
    if let LambdaRequest::ApiGatewayV2(request) = &mut event.payload {
        request.raw_path = request.raw_path.as_deref().map(encode);
    }
    event
}

/// Encodes all characters that are not part of a plain path. `%25` is the only sequence that the gateway leaves
/// encoded; any other comes from an emulator that decodes nothing.
fn encode(path: &str) -> String {
    let is_escape = |at: usize| {
        let digits = path.as_bytes().get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let mut encoded = String::with_capacity(path.len());
    for (at, byte) in path.bytes().enumerate() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) || (byte == b'%' && is_escape(at)) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {

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
    fn what_stood_encoded_in_a_path_is_encoded_again() {
        for (handed_over, sent) in [
            ("/v1/members/anna@example.com", "/v1/members/anna%40example.com"),
            ("/v1/members/anna#x", "/v1/members/anna%23x"),
            ("/v1/members/anna?x", "/v1/members/anna%3Fx"),
            ("/v1/members/50%25", "/v1/members/50%25"),
            ("/v1/members/50%2525", "/v1/members/50%2525"),
            ("/v1/members/%", "/v1/members/%25"),
            ("/v1/members/%zz", "/v1/members/%25zz"),
            ("/v1/members/a\\b c\tÜ", "/v1/members/a%5Cb%20c%09%C3%9C"),
            ("/v1/members/anna%40example.com", "/v1/members/anna%40example.com"),
        ] {
            assert_eq!(encode(handed_over), sent);
        }
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
