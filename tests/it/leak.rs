//! Secrets, sent in every way that goes wrong: found in no log down to TRACE, no `Debug`, no text and no answer.

mod canary;
mod peppers;

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

use canary::Canary;
use http::Request;
use support::{
    Answer, KEY, ORG, ORG_HEADER, TOKEN, USER, ask, authorization, bearer, bearer_in,
    distant::{Distant, Mood},
    grpc_call, logs, memory, request, with,
};
use tower::{Layer, ServiceBuilder};

type Door = AuthLayer<Arc<dyn CredentialStore>>;

/// A store with freshly minted credentials, good and bad, and a watch over each of them.
fn aviary() -> (MemoryStore, Vec<Canary>) {
    let (store, format) = (memory(), TokenFormat::default());
    let mint = |kind| format.mint(kind).unwrap();
    let canary = |minted: &Minted| Canary::new(minted.secret.expose_secret());
    let (good, deleted, expired, token) = (
        mint(Kind::OrgKey),
        mint(Kind::OrgKey),
        mint(Kind::OrgKey),
        mint(Kind::PersonalToken),
    );
    let mut canaries: Vec<_> = [&good, &deleted, &expired, &token]
        .into_iter()
        .map(canary)
        .collect();
    canaries.extend([Kind::OrgKey, Kind::PersonalToken].map(|kind| canary(&mint(kind))));
    // A wrong secret for an id that there is.
    canaries.push(Canary::new(&format!(
        "ak_testkey.{}",
        canaries[0].token.split_once('.').unwrap().1
    )));
    let key = |minted: &Minted| Record::org_key(&minted.id, minted.digest.clone(), ORG);
    let admin = |record: Record| record.with_role("admin", store.catalogue()).unwrap();
    now(store.insert(admin(key(&good)))).unwrap();
    now(store.insert(admin(key(&deleted)))).unwrap();
    now(store.insert(key(&expired).expiring_at(UnixMillis(1)))).unwrap();
    now(store.insert(Record::personal_token(&token.id, token.digest, USER))).unwrap();
    now(store.delete(&Owner::of(Kind::OrgKey, ORG), deleted.id.as_str())).unwrap();
    (store, canaries)
}

/// All the ways in which a token can be sent, most of them wrong.
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
        ("as it should be", bearer_in(token, ORG)),
        ("without organization", bearer(token)),
        ("elsewhere", bearer_in(token, "org_unknown")),
        ("without a scheme", authorization(token)),
        ("as Basic", authorization(format!("Basic {token}"))),
        ("behind a tab", authorization(format!("Bearer\t{token}"))),
        ("twice", with(bearer(token), "authorization", &value)),
        ("joined", authorization(format!("{value}, {value}"))),
        ("with an unknown prefix", bearer(format!("x{token}"))),
        ("over-long", bearer(format!("{token}{}", "A".repeat(600)))),
        ("with junk behind it", bearer(format!("{token} test"))),
        ("cut off", bearer(&token[..token.len() - 1])),
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
            "as the organization of nobody",
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

/// Doors of every kind over a store that is at hand, away, or out of order.
fn doors(store: &MemoryStore) -> Vec<(&'static str, Door)> {
    let away = |mood| AuthLayer::new(Distant::new(store.clone(), mood) as Arc<dyn CredentialStore>);
    let here: Door = AuthLayer::new(Arc::new(store.clone()));
    vec![
        ("usual", here.clone()),
        ("user-scoped", here.clone().user_scoped()),
        ("optional", here.clone().optional()),
        ("guarded", here.clone().with_browser_guard(|_| {})),
        ("with gRPC", here.clone().with_grpc()),
        (
            "with checksums",
            here.with_token_format(TokenFormat::default().with_required_checksum()),
        ),
        ("away", away(Mood::Answers)),
        ("failing", away(Mood::Fails)),
        ("hanging", away(Mood::Hangs)),
        ("panicking", away(Mood::Panics)),
    ]
}

/// Everything that can be read off an answer and off what the inner service got, apart from what the client sent itself.
fn all_of(answer: &Answer) -> String {
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
async fn no_secret_gets_out_whatever_is_done_with_it() {
    let (store, canaries) = aviary();
    logs::start();
    let (mut accepted, mut refused) = (0, 0);
    for (kind, door) in doors(&store) {
        for canary in &canaries {
            for (way, request) in ways(&canary.token) {
                let answer = ask(&door, request).await;
                let place = format!("{kind} door, {way}");
                canary.absent_from(&all_of(&answer), &place);
                let logged = logs::take();
                canary.absent_from(&logged, &format!("log of {place}"));
                accepted += logged.matches("request accepted").count();
                refused += logged.matches("request refused").count();
            }
        }
    }
    assert!(
        accepted > 50 && refused > 500,
        "the log was looked at: {accepted} accepted, {refused} refused"
    );
}

#[tokio::test(start_paused = true)]
async fn no_demand_and_no_responder_lets_a_secret_out() {
    let (store, canaries) = aviary();
    let auth: AuthLayer<_, ProblemResponder> =
        AuthLayer::new(store.clone()).with_responder(ProblemResponder::new());
    let scopes = RequireScopesLayer::any(["nobody:holds"])
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
    let below = RequireDescendantLayer::new(Distant::new(store, Mood::Hangs), target)
        .with_responses_of(&auth);
    logs::start();
    for canary in &canaries {
        for (way, request) in ways(&canary.token) {
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
                canary.absent_from(&all_of(answer), way);
            }
            let logged = logs::take();
            assert!(logged.contains("no_auth_layer"), "{way}: {logged}");
            canary.absent_from(&logged, way);
        }
    }
}

#[tokio::test]
async fn debug_of_what_is_on_the_way_shows_no_secret() {
    let (store, canaries) = aviary();
    for kind in [Kind::OrgKey, Kind::PersonalToken] {
        let minted = TokenFormat::default().mint(kind).unwrap();
        let canary = Canary::new(minted.secret.expose_secret());
        let record = match kind {
            Kind::OrgKey => Record::org_key(&minted.id, minted.digest.clone(), ORG),
            Kind::PersonalToken => Record::personal_token(&minted.id, minted.digest.clone(), USER),
        };
        canary.absent_from(
            &format!("{:?} {:?} {:?}", minted.secret, minted.digest, record),
            "Secret, Digest, Record",
        );
        canary.absent_from(
            &format!("{minted:?} {minted:#?} {record:#?}"),
            "Minted, Record",
        );
    }
    let auth = AuthLayer::new(store.clone()).with_browser_guard(|_| {});
    let mut service = auth.layer(support::Inner::default());
    for canary in &canaries {
        let future = tower::Service::call(&mut service, bearer_in(&canary.token, ORG));
        canary.absent_from(
            &format!("{auth:?} {service:#?} {future:?}"),
            "AuthLayer, AuthService, ResponseFuture",
        );
    }
    let digest = Digest::of(b"test");
    assert_eq!(format!("{digest:?}"), "Digest(..)");
    assert_eq!(
        StoreError::unavailable("test").to_string(),
        "the store failed",
        "the source is for `source`"
    );
}

#[test]
fn debug_of_a_store_in_memory_shows_no_digest() {
    let (store, canaries) = aviary();
    for canary in &canaries {
        canary.absent_from(&format!("{store:?} {store:#?}"), "MemoryStore");
    }
}
