//! What an OpenAPI document says of the layers.

use serde_json::{json, to_value};
use tower_api_key::{
    CredentialSource,
    credential::TokenFormat,
    scope::AcceptedScopes,
    utoipa::{security_requirements, security_scheme, source_security_scheme},
};

#[test]
fn the_scheme_is_bearer_and_names_the_prefixes() {
    let format = TokenFormat::default().with_prefixes("sk_", "pt_").unwrap();
    assert_eq!(
        to_value(security_scheme(&format)).unwrap(),
        json!({
            "type": "http",
            "scheme": "bearer",
            "description": "An organization API key (`sk_…`) or a personal access token (`pt_…`).",
        })
    );
}

#[test]
fn a_further_source_has_a_scheme_of_its_own() {
    let scheme = |source| to_value(source_security_scheme(&source)).unwrap();
    let header = CredentialSource::header("x-api-key".parse().unwrap());
    let wanted = json!({ "type": "apiKey", "in": "header", "name": "x-api-key" });
    assert_eq!(scheme(header), wanted);
    let basic = json!({ "type": "http", "scheme": "basic" });
    assert_eq!(scheme(CredentialSource::basic_username()), basic);
}

#[test]
fn each_accepted_scope_is_an_alternative() {
    let reads = AcceptedScopes::any(["agents:read", "agents:manage"]).unwrap();
    assert_eq!(
        to_value(security_requirements("key", &reads)).unwrap(),
        json!([{ "key": ["agents:manage"] }, { "key": ["agents:read"] }])
    );
    let exports = reads.and_any(["billing:manage"]).unwrap();
    assert_eq!(
        to_value(security_requirements("key", &exports)).unwrap(),
        json!([
            { "key": ["agents:manage", "billing:manage"] },
            { "key": ["agents:read", "billing:manage"] },
        ])
    );
}
