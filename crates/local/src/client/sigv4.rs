//! Requests signed with AWS's Signature Version 4, which API Gateway requires where the callers of an API are those of
//! IAM.

use std::fmt;
use std::time::SystemTime;

use aws::{MissingVariableError, Variable, need};
use aws_sdk_dynamodb::config::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningError, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use thiserror::Error;

/// The parts of a deployed API's host before and after the region.
const API: &str = ".execute-api.";
const DOMAINS: [&str; 2] = [".amazonaws.com", ".amazonaws.com.cn"];
/// The name of the service.
const SERVICE: &str = "execute-api";

/// Why a request is not signed.
#[derive(Debug, Error)]
pub enum UnsignedError {
    /// The request cannot be signed.
    #[error("it cannot be signed: {0}")]
    Signing(#[from] SigningError),
    /// A parameter of the signature is missing.
    #[error("it cannot be signed: {0}")]
    Parameters(#[from] v4::signing_params::BuildError),
    /// The credentials have a character that is not allowed in headers.
    #[error("it cannot be signed: the credentials have a character that no header has")]
    Header,
}

/// A signer of requests.
#[derive(Clone)]
pub struct Signer {
    identity: Identity,
    region: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer").field(&self.region).finish()
    }
}

/// The region of a deployed API, from its host.
pub fn region_of(host: &str) -> Option<&str> {
    let behind = DOMAINS.iter().find_map(|domain| host.strip_suffix(domain))?;
    let (api, region) = behind.split_once(API)?;
    (!api.is_empty() && !region.is_empty()).then_some(region)
}

impl Signer {
    /// A signer with the credentials of the environment for the API at a host. If the host does not name the region,
    /// the environment does.
    ///
    /// # Errors
    /// The variable that is missing.
    pub fn new(host: &str, variable: Variable) -> Result<Self, MissingVariableError> {
        let (id, secret) = (need(variable, "AWS_ACCESS_KEY_ID")?, need(variable, "AWS_SECRET_ACCESS_KEY")?);
        let credentials = Credentials::new(id, secret, variable("AWS_SESSION_TOKEN"), None, "environment");
        let named = || variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
        let region = region_of(host).map(str::to_owned).or_else(named);
        let region = region.map_or_else(|| need(variable, "AWS_REGION"), Ok)?;
        Ok(Self { identity: credentials.into(), region })
    }

    /// Adds a signature of this time to a request.
    ///
    /// # Errors
    /// [`UnsignedError`].
    pub fn sign(&self, request: &mut Parts, body: &[u8], time: SystemTime) -> Result<(), UnsignedError> {
        let params = v4::SigningParams::builder().identity(&self.identity).region(&self.region).name(SERVICE);
        let params = params.time(time).settings(SigningSettings::default()).build()?.into();
        let uri = request.uri.to_string();
        let headers = request.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let signable = SignableRequest::new(request.method.as_str(), uri, headers, SignableBody::Bytes(body))?;
        let (signed, _) = sign(signable, &params)?.into_parts();
        for (name, value) in signed.headers() {
            let name = HeaderName::try_from(name).map_err(|_| UnsignedError::Header)?;
            let mut value = HeaderValue::from_str(value).map_err(|_| UnsignedError::Header)?;
            value.set_sensitive(true);
            request.headers.insert(name, value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::Request;

    use super::*;

    const HOST: &str = "abc123.execute-api.eu-central-1.amazonaws.com";

    fn keys(name: &str) -> Option<String> {
        let value = match name {
            "AWS_ACCESS_KEY_ID" => "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY" => "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            _ => return None,
        };
        Some(value.to_owned())
    }

    /// The expected signatures come from a Python program that follows the description of the algorithm, and that
    /// yields 5fa00fa3…3fbf31 for `get-vanilla` of AWS's own tests.
    #[test]
    fn a_request_is_signed_as_it_was_by_another_program() {
        fn session(name: &str) -> Option<String> {
            keys(name).or_else(|| (name == "AWS_SESSION_TOKEN").then(|| "a session token".to_owned()))
        }
        let uri = format!("https://{HOST}/v1/members/an%20na/tier?shop=acme.myshopify.com&at=2026-05-01T10:00:00Z");
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        for (variable, headers, signature) in [
            (
                keys as Variable,
                "content-type;host;x-amz-date",
                "b0b39545461bcb3b25efd37c24f8073c97d97c19eb799059a44e6647cd189ebb",
            ),
            (
                session,
                "content-type;host;x-amz-date;x-amz-security-token",
                "e93f24c8ae7311219f5082f43ddffa78dbf1e79435fd74cd8819a81dfcc86596",
            ),
        ] {
            let request = Request::post(&uri).header("content-type", "application/json").body(()).unwrap();
            let (mut parts, ()) = request.into_parts();
            Signer::new(HOST, variable).unwrap().sign(&mut parts, br#"{"tier":"gold"}"#, time).unwrap();
            let scope = "AKIDEXAMPLE/20150830/eu-central-1/execute-api/aws4_request";
            let expected =
                format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={headers}, Signature={signature}");
            assert_eq!(parts.headers["authorization"], expected);
            assert_eq!(parts.headers["x-amz-date"], "20150830T123600Z");
        }
    }

    #[test]
    fn the_region_is_in_the_host_or_in_the_environment() {
        assert_eq!(region_of(HOST), Some("eu-central-1"));
        assert_eq!(region_of("abc123.execute-api.cn-north-1.amazonaws.com.cn"), Some("cn-north-1"));
        for other in ["execute-api.eu-central-1.amazonaws.com", "127.0.0.1", "a.execute-api.b.example.com"] {
            assert_eq!(region_of(other), None);
        }
        let missing = |host| Signer::new(host, keys).unwrap_err().to_string();
        assert!(missing("api.example.com").contains("AWS_REGION"));
        assert!(Signer::new(HOST, |_| None).unwrap_err().to_string().contains("AWS_ACCESS_KEY_ID"));
    }
}
