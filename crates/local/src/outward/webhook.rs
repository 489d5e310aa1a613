//! The webhook to which events are posted, signed if there is a secret.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::{HeaderValue, StatusCode};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;

use crate::client::{Client, Secret, UrlError};

/// The minimum number of bytes of a secret: half the size of a signature.
const SECRET_BYTES_MIN: usize = 16;
/// The scheme of the signatures, named so that another one can be added.
const SCHEME: &str = "v1";

/// Why the arguments do not make a webhook.
#[derive(Debug, Error)]
pub enum WebhookError {
    /// The URL has a user or a password.
    #[error("--webhook: {0}; give them as --webhook-authorization 'Basic …'")]
    Login(#[source] UrlError),
    /// The URL cannot be used.
    #[error("--webhook: {0}")]
    Url(#[from] UrlError),
    /// The secret is too short.
    #[error("--webhook-secret: a secret has at least {SECRET_BYTES_MIN} bytes, this one has {0}")]
    Short(usize),
    /// The value for `Authorization` is not allowed in a header.
    #[error("--webhook-authorization: that is not a header such as 'Bearer TOKEN': it is empty or has a line break")]
    Authorization,
}

/// Why an event was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DeliveryError {
    /// The webhook refused it, and would refuse it again.
    #[error("the webhook answers {0}")]
    Refused(StatusCode),
    /// The webhook may accept it at another time.
    #[error("{0}")]
    Trouble(String),
}

/// The webhook to which events are posted.
#[derive(Debug)]
pub struct Webhook {
    client: Client,
    secret: Option<Secret>,
}

impl Webhook {
    /// The webhook at a URL. With a secret, requests are signed.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub fn new(url: &str, secret: Option<&str>, authorization: Option<&str>) -> Result<Self, WebhookError> {
        let client = Client::new(url).map_err(|error| match error {
            UrlError::Login(_) => WebhookError::Login(error),
            UrlError::Unreadable(_) | UrlError::NotHttp(_) | UrlError::Roots(_) => WebhookError::Url(error),
        })?;
        if let Some(short) = secret.map(str::len).filter(|bytes| *bytes < SECRET_BYTES_MIN) {
            return Err(WebhookError::Short(short));
        }
        if authorization.is_some_and(|value| value.trim().is_empty() || HeaderValue::from_str(value).is_err()) {
            return Err(WebhookError::Authorization);
        }
        let client = client.with_authorization(authorization.map(Secret::new));
        Ok(Self { client, secret: secret.map(Secret::new) })
    }

    /// Posts an event with this name and id.
    ///
    /// # Errors
    /// [`DeliveryError`]; then it is unknown whether it arrived.
    pub async fn post(&self, kind: &str, id: &str, detail: &str) -> Result<(), DeliveryError> {
        let (timestamp, signature) = self.signed(detail);
        let mut headers = vec![("X-Echelon-Event", kind), ("X-Echelon-Delivery", id)];
        if let Some(signature) = &signature {
            headers.extend([("X-Echelon-Timestamp", timestamp.as_str()), ("X-Echelon-Signature", signature)]);
        }
        match self.client.tell(detail.to_owned(), &headers).await {
            Ok(status) if status.is_success() => Ok(()),
            Ok(status) if is_final(status) => Err(DeliveryError::Refused(status)),
            Ok(status) => Err(DeliveryError::Trouble(format!("the webhook answers {status}"))),
            Err(error) => Err(DeliveryError::Trouble(error.to_string())),
        }
    }

    /// The time and the signature of a body. The time is the real one, not that of the system, because the receiver
    /// compares it with its own clock.
    fn signed(&self, body: &str) -> (String, Option<String>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string();
        let signature = self.secret.as_ref().and_then(|secret| signature(secret.as_str(), &now, body));
        (now, signature)
    }
}

/// The signature of a body at a time. It exists for any secret.
fn signature(secret: &str, timestamp: &str, body: &str) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    for part in [timestamp, ".", body] {
        mac.update(part.as_bytes());
    }
    let digits = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Some(format!("{SCHEME}={digits}"))
}

/// Whether the same request will be refused again. Redirects are not followed, so they count too.
fn is_final(status: StatusCode) -> bool {
    let passes = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    (status.is_client_error() || status.is_redirection()) && !passes.contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_openssl() {
        // printf '%s' '1767225600.{"id":"1"}' | openssl dgst -sha256 -hmac 'a secret of some length'
        let expected = "v1=17844ffffd94e278f1b3b3843c03da77a7b5b615eaebc56ad84bf1f53f94d7a7";
        assert_eq!(signature("a secret of some length", "1767225600", r#"{"id":"1"}"#).unwrap(), expected);
    }

    #[test]
    fn what_cannot_be_a_webhook_is_refused_without_its_secrets() {
        let said = |url: &str, secret: Option<&str>, authorization: Option<&str>| {
            let error = Webhook::new(url, secret, authorization).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
            error.to_string()
        };
        let url = "http://example.com/hook";
        assert!(said("http://anna:hush@example.com", None, None).contains("--webhook-authorization 'Basic …'"));
        assert!(said("file:///hush", None, None).contains("--webhook: "));
        assert!(said(url, Some("hush"), None).contains("--webhook-secret: a secret has at least 16 bytes"));
        for bad in ["", " ", "Bearer hush\nX-Other: 1"] {
            assert!(said(url, None, Some(bad)).contains("--webhook-authorization: "));
        }
        let webhook = Webhook::new(url, Some("hush, and be long enough"), Some("Basic hush")).unwrap();
        assert!(!format!("{webhook:?}").contains("hush"));
    }

    #[test]
    fn what_is_refused_for_good_is_told_from_what_passes() {
        let of = |status: u16| is_final(StatusCode::from_u16(status).unwrap());
        assert!([301, 400, 401, 404, 410, 422].into_iter().all(of));
        assert!(![408, 425, 429, 500, 502, 503].into_iter().any(of));
    }
}
