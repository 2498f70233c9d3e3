//! JSON Web Tokens: the check is `jsonwebtoken::decode` with its default validation.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

/// A signed token, and the check that accepts it.
pub(crate) struct Jwt<F> {
    pub(crate) token: String,
    pub(crate) check: F,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    sub: String,
    org: String,
    scope: String,
    exp: u64,
}

/// Symmetric, the cheapest algorithm.
pub(crate) fn hs256() -> Jwt<impl Fn(&str) -> Option<Claims> + Clone> {
    let secret = b"test-secret-of-thirty-two-bytes!";
    jwt(
        Algorithm::HS256,
        EncodingKey::from_secret(secret),
        DecodingKey::from_secret(secret),
    )
}

/// Asymmetric, with the key pair of RFC 8032, section 7.1, test 1 (its public key as in RFC 8037,
/// appendix A).
pub(crate) fn eddsa() -> Jwt<impl Fn(&str) -> Option<Claims> + Clone> {
    const PKCS8_ED25519: [u8; 16] = [
        0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
    ];
    const TEST_1_SECRET: [u8; 32] = [
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c,
        0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae,
        0x7f, 0x60,
    ];
    const TEST_1_PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let signing = EncodingKey::from_ed_der(&[&PKCS8_ED25519[..], &TEST_1_SECRET].concat());
    jwt(
        Algorithm::EdDSA,
        signing,
        DecodingKey::from_ed_components(TEST_1_PUBLIC).unwrap(),
    )
}

fn jwt(
    algorithm: Algorithm,
    signing: EncodingKey,
    verifying: DecodingKey,
) -> Jwt<impl Fn(&str) -> Option<Claims> + Clone> {
    let claims = Claims {
        sub: "user_test".to_owned(),
        org: "org_test".to_owned(),
        scope: "agents:read members:read".to_owned(),
        exp: 4_102_444_800, // 2100-01-01
    };
    let validation = Validation::new(algorithm);
    Jwt {
        token: encode(&Header::new(algorithm), &claims, &signing).unwrap(),
        check: move |token: &str| {
            decode::<Claims>(token, &verifying, &validation)
                .ok()
                .map(|token| token.claims)
        },
    }
}
