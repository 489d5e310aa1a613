//! Shopify's signature of a webhook: HMAC-SHA256 over the body as it came, in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Whether the body was signed with the secret. Takes equally long wherever a wrong signature differs.
pub fn is_signed(body: &[u8], signature: Option<&str>, secret: &str) -> bool {
    let signature = signature.and_then(|text| STANDARD.decode(text.trim()).ok());
    let (Some(signature), Ok(mut mac)) = (signature, Hmac::<Sha256>::new_from_slice(secret.as_bytes())) else {
        return false;
    };
    mac.update(body);
    mac.verify_slice(&signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_body_under_the_same_secret_is_signed() {
        // printf '{"id":1}' | openssl dgst -sha256 -hmac hush -binary | base64
        let signature = Some(SIGNED);
        assert!(is_signed(b"{\"id\":1}", signature, "hush"));
        assert!(!is_signed(b"{\"id\":2}", signature, "hush"));
        assert!(!is_signed(b"{\"id\":1}", signature, "loud"));
        for wrong in [None, Some(""), Some("not base64"), Some("AAAA")] {
            assert!(!is_signed(b"{\"id\":1}", wrong, "hush"), "{wrong:?}");
        }
    }

    const SIGNED: &str = "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY=";
}
