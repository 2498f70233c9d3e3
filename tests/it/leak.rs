//! Secrets that are sent in every wrong way appear in no log down to TRACE, no `Debug` output, no
//! text and no response.

mod peppers;
mod planted_secret;

use crate::support::{self, now};
use tower_api_key::store::Owner;
use tower_api_key::{
    AuthLayer, CredentialStore, RequireDescendantLayer, RequireScopesLayer,
    clock::UnixMillis,
    credential::{Kind, Minted, TokenFormat},
    id::OrgId,
    rejection::ProblemResponder,
    secret::Digest,
    store::{ManageStore, MemoryStore, Record, StoreError},
};

use std::{error::Error, fmt::Write as _, sync::Arc};

use http::Request;
use planted_secret::PlantedSecret;
use support::{
    Answer, KEY, ORG, ORG_HEADER, TOKEN, USER, ask, authorization, bearer, bearer_in, grpc_call,
    logs, memory,
    remote_store::{Behaviour, RemoteStore},
    request, with,
};
use tower::{Layer, ServiceBuilder};

type Auth = AuthLayer<Arc<dyn CredentialStore>>;

/// A store with freshly minted credentials, valid and invalid, and a [`PlantedSecret`] for each.
fn store_with_planted_secrets() -> (MemoryStore, Vec<PlantedSecret>) {
    let (store, format) = (memory(), TokenFormat::default());
    let mint = |kind| format.mint(kind).unwrap();
    let planted_secret = |minted: &Minted| PlantedSecret::new(minted.secret.expose_secret());
    let (good, deleted, expired, token) = (
        mint(Kind::OrgKey),
        mint(Kind::OrgKey),
        mint(Kind::OrgKey),
        mint(Kind::PersonalToken),
    );
    let mut planted_secrets: Vec<_> = [&good, &deleted, &expired, &token]
        .into_iter()
        .map(planted_secret)
        .collect();
    planted_secrets
        .extend([Kind::OrgKey, Kind::PersonalToken].map(|kind| planted_secret(&mint(kind))));
    // A wrong secret for an existing id.
    planted_secrets.push(PlantedSecret::new(&format!(
        "ak_testkey.{}",
        planted_secrets[0].token.split_once('.').unwrap().1
    )));
    let key = |minted: &Minted| Record::org_key(&minted.id, minted.digest.clone(), ORG);
    let admin = |record: Record| record.with_role("admin", store.catalogue()).unwrap();
    now(store.insert(admin(key(&good)))).unwrap();
    now(store.insert(admin(key(&deleted)))).unwrap();
    now(store.insert(key(&expired).expiring_at(UnixMillis(1)))).unwrap();
    now(store.insert(Record::personal_token(&token.id, token.digest, USER))).unwrap();
    now(store.delete(&Owner::of(Kind::OrgKey, ORG), deleted.id.as_str())).unwrap();
    (store, planted_secrets)
}

/// The ways to send a token, most of them wrong.
fn ways(token: &str) -> Vec<(&'static str, Request<String>)> {
    let swapped = match token
        .strip_prefix("ak_")
        .and_then(|body| body.split_once('.'))
    {
        Some((id, secret)) => format!("ak_{secret}.{id}"),
        None => format!("ak_{}.x", token.trim_start_matches("pat_")),
    };
    let value = format!("Bearer {token}");
    let in_query = Request::get(format!("/?access_token={token}"))
        .body(String::new())
        .unwrap();
    vec![
        ("correctly", bearer_in(token, ORG)),
        ("without organization", bearer(token)),
        ("in another organization", bearer_in(token, "org_unknown")),
        ("without a scheme", authorization(token)),
        ("as Basic", authorization(format!("Basic {token}"))),
        ("after a tab", authorization(format!("Bearer\t{token}"))),
        ("twice", with(bearer(token), "authorization", &value)),
        ("joined", authorization(format!("{value}, {value}"))),
        ("with an unknown prefix", bearer(format!("x{token}"))),
        ("over-long", bearer(format!("{token}{}", "A".repeat(600)))),
        ("with junk after it", bearer(format!("{token} test"))),
        ("truncated", bearer(&token[..token.len() - 1])),
        ("swapped", bearer(swapped)),
        (
            "from a browser",
            with(bearer_in(token, ORG), "origin", "https://page.test"),
        ),
        (
            "over gRPC",
            grpc_call(bearer_in(token, ORG), "application/grpc"),
        ),
        (
            "over gRPC, without organization",
            grpc_call(bearer(token), "application/grpc"),
        ),
        ("as the organization of a token", bearer_in(TOKEN, token)),
        ("as the organization of a key", bearer_in(KEY, token)),
        (
            "as the organization without a credential",
            with(request(), ORG_HEADER, token),
        ),
        (
            "in a cookie",
            with(request(), "cookie", format!("token={token}")),
        ),
        (
            "under Proxy-Authorization",
            with(request(), "proxy-authorization", &value),
        ),
        ("in the query", in_query),
    ]
}

/// Layers in every mode, over stores that answer at once, later, or not at all.
fn layers(store: &MemoryStore) -> Vec<(&'static str, Auth)> {
    let remote = |behaviour| {
        AuthLayer::new(RemoteStore::new(store.clone(), behaviour) as Arc<dyn CredentialStore>)
    };
    let local: Auth = AuthLayer::new(Arc::new(store.clone()));
    vec![
        ("usual", local.clone()),
        ("user-scoped", local.clone().user_scoped()),
        ("optional", local.clone().optional()),
        ("guarded", local.clone().with_browser_guard(|_| {})),
        ("with gRPC", local.clone().with_grpc()),
        (
            "with checksums",
            local.with_token_format(TokenFormat::default().with_required_checksum()),
        ),
        ("remote", remote(Behaviour::Answers)),
        ("failing", remote(Behaviour::Fails)),
        ("hanging", remote(Behaviour::Hangs)),
        ("panicking", remote(Behaviour::Panics)),
    ]
}

/// Everything visible in an answer and in what the inner service received, except what the client
/// sent itself.
fn visible_text(answer: &Answer) -> String {
    let mut text = format!("{:?} {:#?}", answer.wire(), answer.principal());
    if let Some(rejection) = &answer.rejection {
        write!(
            text,
            "{rejection} {rejection:?} {rejection:#?} {:?}",
            rejection.cause()
        )
        .unwrap();
        let mut next: Option<&dyn Error> = Some(rejection);
        while let Some(error) = next {
            write!(text, "{error} {error:?}").unwrap();
            next = error.source();
        }
    }
    if let Some(parts) = &answer.reached {
        write!(
            text,
            "{:?} {:#?}",
            parts.extensions,
            parts.headers.get("authorization")
        )
        .unwrap();
    }
    text
}

#[tokio::test(start_paused = true)]
async fn no_secret_leaks_however_it_is_sent() {
    let (store, planted_secrets) = store_with_planted_secrets();
    logs::start();
    let (mut accepted, mut refused) = (0, 0);
    for (kind, auth) in layers(&store) {
        for planted_secret in &planted_secrets {
            for (way, request) in ways(&planted_secret.token) {
                let answer = ask(&auth, request).await;
                let place = format!("{kind} layer, {way}");
                planted_secret.assert_absent_from(&visible_text(&answer), &place);
                let logged = logs::take();
                planted_secret.assert_absent_from(&logged, &format!("log of {place}"));
                accepted += logged.matches("request accepted").count();
                refused += logged.matches("request refused").count();
            }
        }
    }
    assert!(
        accepted > 50 && refused > 500,
        "the log was read: {accepted} accepted, {refused} refused"
    );
}

#[tokio::test(start_paused = true)]
async fn no_requirement_or_responder_leaks_a_secret() {
    let (store, planted_secrets) = store_with_planted_secrets();
    let auth: AuthLayer<_, ProblemResponder> =
        AuthLayer::new(store.clone()).with_responder(ProblemResponder::new());
    let scopes = RequireScopesLayer::any(["unheld:scope"])
        .unwrap()
        .with_responses_of(&auth);
    let target = |parts: &http::request::Parts| {
        parts
            .headers
            .get(ORG_HEADER)?
            .to_str()
            .ok()
            .map(OrgId::from)
    };
    let below = RequireDescendantLayer::new(RemoteStore::new(store, Behaviour::Hangs), target)
        .with_responses_of(&auth);
    logs::start();
    for planted_secret in &planted_secrets {
        for (way, request) in ways(&planted_secret.token) {
            let by_scope = ask(
                &ServiceBuilder::new()
                    .layer(auth.clone())
                    .layer(scopes.clone()),
                request.clone(),
            )
            .await;
            let by_tree = ask(
                &ServiceBuilder::new()
                    .layer(auth.clone())
                    .layer(below.clone()),
                request.clone(),
            )
            .await;
            let by_none = ask(&scopes, request).await;
            for answer in [&by_scope, &by_tree, &by_none] {
                planted_secret.assert_absent_from(&visible_text(answer), way);
            }
            let logged = logs::take();
            assert!(logged.contains("no_auth_layer"), "{way}: {logged}");
            planted_secret.assert_absent_from(&logged, way);
        }
    }
}

#[tokio::test]
async fn debug_output_of_requests_and_layers_contains_no_secret() {
    let (store, planted_secrets) = store_with_planted_secrets();
    for kind in [Kind::OrgKey, Kind::PersonalToken] {
        let minted = TokenFormat::default().mint(kind).unwrap();
        let planted_secret = PlantedSecret::new(minted.secret.expose_secret());
        let record = match kind {
            Kind::OrgKey => Record::org_key(&minted.id, minted.digest.clone(), ORG),
            Kind::PersonalToken => Record::personal_token(&minted.id, minted.digest.clone(), USER),
        };
        planted_secret.assert_absent_from(
            &format!("{:?} {:?} {:?}", minted.secret, minted.digest, record),
            "Secret, Digest, Record",
        );
        planted_secret.assert_absent_from(
            &format!("{minted:?} {minted:#?} {record:#?}"),
            "Minted, Record",
        );
    }
    let auth = AuthLayer::new(store.clone()).with_browser_guard(|_| {});
    let mut service = auth.layer(support::Inner::default());
    for planted_secret in &planted_secrets {
        let future = tower::Service::call(&mut service, bearer_in(&planted_secret.token, ORG));
        planted_secret.assert_absent_from(
            &format!("{auth:?} {service:#?} {future:?}"),
            "AuthLayer, AuthService, ResponseFuture",
        );
    }
    let digest = Digest::of(b"test");
    assert_eq!(format!("{digest:?}"), "Digest(..)");
    assert_eq!(
        StoreError::unavailable("test").to_string(),
        "the store failed",
        "the source is only returned by `source`"
    );
}

#[test]
fn debug_output_of_a_memory_store_contains_no_digest() {
    let (store, planted_secrets) = store_with_planted_secrets();
    for planted_secret in &planted_secrets {
        planted_secret.assert_absent_from(&format!("{store:?} {store:#?}"), "MemoryStore");
    }
}
