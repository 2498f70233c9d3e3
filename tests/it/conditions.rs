//! Conditions under which a credential is accepted, as requests see them.

use crate::support;

use std::{convert::Infallible, net::IpAddr};

use http::{Method, Request, Response};
use proptest::{collection::vec, option, prelude::*, sample::select};
use support::{
    KEY, ORG, USER, ask, bearer, bearer_in, key, key_record, memory, now, pat, pat_record, under,
    with,
};
use tower::{Layer, ServiceExt as _};
use tower_api_key::{
    AuthLayer, CredentialStore, Principal,
    condition::{ClientAddress, ProxyHeader, RequestHead, Unmet},
    manage::Manager,
    store::{Attributes, Cached, Conditions, ManageStore, MemoryStore, Metadata},
};

/// The address of the peer, as a server would put it into the extensions.
#[derive(Clone, Copy)]
struct Peer(IpAddr);

fn of_peer() -> ClientAddress {
    ClientAddress::of_peer(|extensions| extensions.get::<Peer>().map(|peer| peer.0))
}

fn request_from(token: &str, peer: [u8; 4]) -> Request<String> {
    let mut request = bearer(token);
    request.extensions_mut().insert(Peer(peer.into()));
    request
}

async fn status<S: CredentialStore>(auth: &AuthLayer<S>, request: Request<String>) -> u16 {
    ask(&auth.clone(), request).await.status
}

#[tokio::test]
async fn a_key_is_accepted_from_its_networks_whoever_says_so() {
    let auth = AuthLayer::new(memory());
    let direct = auth.clone().with_client_address(of_peer());
    let behind = of_peer().behind(
        ProxyHeader::XForwardedFor,
        ["198.51.100.0/24".parse().unwrap()],
    );
    let behind = auth.clone().with_client_address(behind);
    let office = &*key("office");
    let forwarded = |peer, value: &str| with(request_from(office, peer), "x-forwarded-for", value);
    for (layer, request, expected) in [
        (&direct, request_from(office, [10, 1, 2, 3]), 200),
        (&direct, request_from(office, [192, 0, 2, 1]), 403),
        (&direct, bearer(office), 403),
        (&direct, forwarded([192, 0, 2, 1], "10.1.2.3"), 403),
        (&behind, forwarded([192, 0, 2, 1], "10.1.2.3"), 403),
        (&behind, forwarded([198, 51, 100, 7], "10.1.2.3"), 200),
        (
            &behind,
            forwarded([198, 51, 100, 7], "10.1.2.3, 192.0.2.1"),
            403,
        ),
        (
            &behind,
            forwarded([198, 51, 100, 7], "192.0.2.1, 10.1.2.3"),
            200,
        ),
        (&behind, request_from(office, [198, 51, 100, 7]), 403),
        // One without conditions is accepted from everywhere.
        (&behind, forwarded([192, 0, 2, 1], "what?"), 403),
        (&direct, request_from(KEY, [192, 0, 2, 1]), 200),
        (&auth, bearer(KEY), 200),
    ] {
        let shown = format!(
            "{:?} {:?}",
            request.extensions().get::<Peer>().map(|peer| peer.0),
            request.headers()
        );
        assert_eq!(status(layer, request).await, expected, "{shown}");
    }
}

#[tokio::test]
async fn a_credential_of_an_environment_is_accepted_there_alone() {
    let auth = AuthLayer::new(memory());
    let staging = auth.clone().with_environment("staging").unwrap();
    let live = auth.clone().with_environment("live").unwrap();
    for (layer, environment, any) in [(&staging, 200, 200), (&live, 403, 200), (&auth, 403, 200)] {
        assert_eq!(status(layer, bearer(key("staging"))).await, environment);
        assert_eq!(status(layer, bearer(KEY)).await, any);
    }
    for name in ["", "a b", "\u{e9}"] {
        assert!(auth.clone().with_environment(name).is_err(), "{name:?}");
    }
}

#[tokio::test]
async fn a_condition_of_the_service_sees_the_caller_and_the_request() {
    fn read_only(caller: &Principal, request: &RequestHead<'_>) -> Result<(), Unmet> {
        assert!(request.extensions.get::<Principal>().is_none() && request.uri.path() == "/agents");
        match caller.metadata("mode") == Some("read-only") && *request.method != Method::GET {
            true => Err(Unmet::forbidden("read_only")),
            false => Ok(()),
        }
    }
    let store = memory();
    let pairs = Metadata::new([("mode", "read-only")]).unwrap();
    let limited =
        key_record("limited", ORG).with_attributes(Attributes::default().with_metadata(pairs));
    now(store.insert(limited.with_role("admin", store.catalogue()).unwrap())).unwrap();
    let auth = AuthLayer::new(store).with_condition(read_only);
    for (id, method, expected) in [
        ("limited", Method::GET, 200),
        ("limited", Method::POST, 403),
        ("testkey", Method::POST, 200),
    ] {
        let mut request = bearer(key(id));
        *request.method_mut() = method;
        *request.uri_mut() = "/agents".parse().unwrap();
        let answer = ask(&auth, request).await;
        assert_eq!(answer.status, expected);
        if let Some(rejection) = &answer.rejection {
            let cause = rejection.cause();
            assert_eq!(cause.to_string(), "the condition \"read_only\" is not met");
            assert_eq!(rejection.credential_id(), Some("limited"));
        }
    }
}

#[tokio::test]
async fn a_condition_that_panics_is_an_outage() {
    fn panics(_: &Principal, _: &RequestHead<'_>) -> Result<(), Unmet> {
        panic!("a test panics here")
    }
    let of_peer = ClientAddress::of_peer(|_| panic!("a test panics here"));
    let (own, peer) = (AuthLayer::new(memory()), AuthLayer::new(memory()));
    for (auth, token) in [
        (own.with_condition(panics), KEY.to_owned()),
        (peer.with_client_address(of_peer), key("office")),
    ] {
        let answer = ask(&auth, bearer(token)).await;
        assert_eq!((answer.status, answer.cause()), (503, "condition_panicked"));
    }
}

/// Nobody is asked where a bearer is who wants to end the credential.
#[tokio::test]
async fn a_bearer_can_revoke_a_credential_from_everywhere() {
    let store = memory();
    let manager = Manager::new(store.clone());
    manager
        .revoke_presented(&key("office"), None)
        .await
        .unwrap();
    let auth = AuthLayer::new(store).with_client_address(of_peer());
    let answer = ask(&auth, request_from(&key("office"), [10, 0, 0, 1])).await;
    assert_eq!((answer.status, answer.cause()), (401, "deleted"));
}

#[test]
fn debug_shows_settings_and_no_secret() {
    let mut request = bearer(KEY);
    *request.uri_mut() = "/agents?access_token=planted".parse().unwrap();
    let shown = format!("{:?}", RequestHead::of(&request));
    assert_eq!(shown, r#"RequestHead { method: GET, path: "/agents", .. }"#);
    let address = of_peer().behind(ProxyHeader::Forwarded, ["10.0.0.0/8".parse().unwrap()]);
    let shown = format!("{address:?}");
    let expected = "ClientAddress { header: Forwarded, proxies: [Network(10.0.0.0/8)], .. }";
    assert_eq!(shown, expected);
    let auth = AuthLayer::new(memory()).with_client_address(address);
    let auth = auth
        .with_environment("live")
        .unwrap()
        .with_condition(refuses);
    let shown = format!("{auth:?}");
    for part in [expected, "environment: Some(\"live\")", "own: 1"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let metadata = Metadata::new([("a", "1"), ("b", "2")]).unwrap();
    assert_eq!(format!("{metadata:?}"), r#"{"a": "1", "b": "2"}"#);
}

fn network() -> impl Strategy<Value = String> {
    select(
        &[
            "10.0.0.0/8",
            "10.0.0.1",
            "192.0.2.0/24",
            "0.0.0.0/0",
            "::/0",
            "2001:db8::1",
        ][..],
    )
    .prop_map(str::to_owned)
}

fn conditions() -> impl Strategy<Value = Conditions> {
    let environment = option::of(select(&["live", "test"][..]));
    (option::of(vec(network(), 0..3)), environment).prop_map(|(networks, environment)| {
        let mut conditions = Conditions::default();
        if let Some(networks) = networks {
            let networks = networks.iter().map(|network| network.parse().unwrap());
            conditions = conditions.with_networks(networks);
        }
        match environment {
            Some(environment) => conditions.with_environment(environment),
            None => conditions,
        }
    })
}

/// What a layer knows, and what a request says.
#[derive(Clone, Debug)]
struct Asked {
    knows_addresses: bool,
    environment: Option<&'static str>,
    own: Option<&'static str>,
    peer: Option<[u8; 4]>,
    /// How the credential is not what it should be, if it is not.
    flaw: Option<&'static str>,
    is_token: bool,
}

fn asked() -> impl Strategy<Value = Asked> {
    let peer = option::of(select(
        &[
            [10, 0, 0, 1],
            [10, 0, 0, 2],
            [192, 0, 2, 1],
            [198, 51, 100, 1],
        ][..],
    ));
    (
        any::<bool>(),
        option::of(select(&["live", "test"][..])),
        option::of(select(&["passes", "refuses"][..])),
        peer,
        option::of(select(&["wrong secret", "expired", "no header"][..])),
        any::<bool>(),
    )
        .prop_map(
            |(knows_addresses, environment, own, peer, flaw, is_token)| Asked {
                knows_addresses,
                environment,
                own,
                peer,
                flaw,
                is_token,
            },
        )
}

impl Asked {
    fn store(&self, conditions: &Conditions) -> MemoryStore {
        let store = memory();
        let expired = self.flaw == Some("expired");
        let end = expired.then_some(tower_api_key::clock::UnixMillis(1));
        let attributes = under(conditions.clone());
        let record = match self.is_token {
            true => pat_record("t", USER),
            false => key_record("k", ORG)
                .with_role("admin", store.catalogue())
                .unwrap(),
        };
        now(store.insert(record.expiring_at(end).with_attributes(attributes))).unwrap();
        store
    }

    fn request(&self) -> Request<String> {
        let token = if self.is_token { pat("t") } else { key("k") };
        let token = match self.flaw {
            Some("wrong secret") => format!("{token}x"),
            _ => token,
        };
        let mut request = match self.is_token {
            true => bearer_in(token, ORG),
            false => bearer(token),
        };
        if self.flaw == Some("no header") {
            request.headers_mut().remove("authorization");
        }
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(Peer(peer.into()));
        }
        request
    }

    fn layer<S: CredentialStore>(&self, store: S) -> AuthLayer<S> {
        let mut auth = AuthLayer::new(store);
        if self.knows_addresses {
            auth = auth.with_client_address(of_peer());
        }
        if let Some(environment) = self.environment {
            auth = auth.with_environment(environment).unwrap();
        }
        match self.own {
            Some("refuses") => auth.with_condition(refuses),
            Some(_) => auth.with_condition(|_: &Principal, _: &RequestHead<'_>| Ok(())),
            None => auth,
        }
    }

    /// Whether the conditions hold, said in another way than the crate does.
    fn holds(&self, conditions: &Conditions) -> bool {
        let peer = self.peer.filter(|_| self.knows_addresses);
        let from = conditions.networks().is_none_or(|networks| {
            networks
                .iter()
                .any(|network| peer.is_some_and(|peer| network.contains(peer.into())))
        });
        let environment = conditions.environment();
        from && (environment.is_none() || environment == self.environment)
            && self.own != Some("refuses")
    }
}

fn refuses(_: &Principal, _: &RequestHead<'_>) -> Result<(), Unmet> {
    Err(Unmet::forbidden("test"))
}

async fn answers<S: CredentialStore>(auth: AuthLayer<S>, asked: &Asked) -> (u16, String) {
    let inner = tower::service_fn(async |_| Ok::<_, Infallible>(Response::new(String::new())));
    let answer = auth.layer(inner).oneshot(asked.request()).await.unwrap();
    (answer.status().as_u16(), answer.into_body())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    /// Conditions only take away, and a cache makes no difference.
    #[test]
    fn what_is_accepted_under_conditions_is_accepted_without(
        conditions in conditions(),
        asked in asked(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (free, bound) = (asked.store(&Conditions::default()), asked.store(&conditions));
            let without = answers(AuthLayer::new(free), &asked).await;
            let under = answers(asked.layer(bound.clone()), &asked).await;
            let expected = match without.0 {
                200 if !asked.holds(&conditions) => 403,
                status => status,
            };
            prop_assert_eq!(under.0, expected, "{:?}", &under);
            let cached = Cached::new(bound);
            for _ in 0..2 {
                let cached = answers(asked.layer(cached.clone()), &asked).await;
                prop_assert_eq!(&cached, &under);
            }
            // What the client sees of a credential that is bad does not depend on conditions.
            prop_assert!(without.0 == 200 || without == under);
            Ok(())
        })?;
    }
}
