//! A request through the layers: built from bytes, sent, and compared with the oracle.

use std::{cell::RefCell, convert::Infallible, net::IpAddr};

use http::{HeaderName, HeaderValue, Method, Request, Response, Uri, Version, request::Parts};
use tower::{Layer, ServiceExt, service_fn, util::BoxCloneSyncService};
use tower_api_key::{
    AuthLayer, Principal, PublicLayer, RequireScopesLayer,
    clock::UnixMillis,
    condition::{ClientAddress, ProxyHeader},
    testing::ManualClock,
};

use crate::{
    counting::CountingStore,
    networks::PROXIES,
    oracle::{Decision, Mode, SCOPE, decide},
    refusal::assert_refusal,
    runtime::wait,
    world::{NOW, World},
};

type Service = BoxCloneSyncService<Request<String>, Response<String>, Infallible>;

/// The address of the peer, as a server would put it into the extensions.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// A world, its store, and the service around it for one mode.
pub struct Fixture {
    world: World,
    mode: Mode,
    store: CountingStore,
    service: Service,
}

/// What the service saw.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen(Decision);

impl Fixture {
    /// Builds the layers around a service that answers with what it saw.
    ///
    /// # Panics
    /// If the layers refuse their settings.
    pub fn new(world: World, mode: Mode) -> Self {
        let store = world.store();
        let auth = layer(store.clone(), &mode);
        let service = service_fn(move |request| async move { Ok(answer(&request, &mode)) });
        let service = match mode.scope {
            true => {
                let scopes = RequireScopesLayer::any([SCOPE]).expect("a scope");
                let scopes = scopes.with_responses_of(&auth);
                BoxCloneSyncService::new(auth.layer(scopes.layer(service)))
            }
            false => BoxCloneSyncService::new(auth.layer(service)),
        };
        Self {
            world,
            mode,
            store,
            service,
        }
    }

    /// Sends a request, and asserts that everything about its answer is as the oracle says.
    ///
    /// # Panics
    /// If it is not.
    pub fn assert_decided(&self, parts: &Parts) {
        let wanted = decide(&self.world, &self.mode, parts);
        self.store.take_lookups();
        let request = Request::from_parts(parts.clone(), String::new());
        let Ok(response) = wait(self.service.clone().oneshot(request));
        let lookups = self.store.take_lookups();
        assert_eq!(lookups, usize::from(wanted.asks_store), "lookups");
        let seen = response.extensions().get::<Seen>();
        match &wanted.decision {
            Decision::Refuse(reason) => {
                assert_eq!(seen, None, "the service saw what is refused: {reason}");
                assert_refusal(&response, parts, &self.mode, reason);
                self.assert_no_secret(&response);
            }
            Decision::Preflight => {
                assert_eq!(seen, None);
                assert_eq!(
                    (response.status().as_u16(), response.body().len()),
                    (200, 0)
                );
                assert_eq!(response.headers()["cache-control"], "no-store");
            }
            decision => assert_eq!(seen, Some(&Seen(decision.clone()))),
        }
    }

    /// No part of a token is in a refusal. A gRPC-Web refusal repeats the client's own content
    /// type, whatever the client wrote into it.
    fn assert_no_secret(&self, response: &Response<String>) {
        let mut headers = response.headers().clone();
        headers.remove(http::header::CONTENT_TYPE);
        let shown = format!("{headers:?} {}", response.body());
        for credential in &self.world.credentials {
            assert!(!shown.contains(credential.token), "{shown}");
        }
        assert!(!shown.contains("fuzz-secret"), "{shown}");
    }
}

/// Builds the layer of a mode.
fn layer(store: CountingStore, mode: &Mode) -> AuthLayer<CountingStore> {
    let mut auth = AuthLayer::new(store).with_clock(ManualClock::at(UnixMillis(NOW)));
    if mode.user_scoped {
        auth = auth.user_scoped();
    }
    if mode.optional {
        auth = auth.optional();
    }
    if mode.preflight {
        auth = auth.with_preflight_pass();
    }
    if mode.browser_guard {
        auth = auth.with_browser_guard(|exposed| drop(format!("{exposed:?}")));
    }
    if mode.removes {
        auth = auth.with_authorization_removed();
    }
    if mode.addresses {
        let peer = ClientAddress::of_peer(|extensions| Some(extensions.get::<Peer>()?.0));
        let proxies = [PROXIES.parse().expect("a network")];
        auth = auth.with_client_address(peer.behind(ProxyHeader::XForwardedFor, proxies));
    }
    if mode.live {
        auth = auth.with_environment("live").expect("an environment");
    }
    if mode.grpc {
        auth = auth.with_grpc();
    }
    auth
}

/// The service: says who called, and checks what it was given.
fn answer(request: &Request<String>, mode: &Mode) -> Response<String> {
    let caller = request.extensions().get::<Principal>();
    let decision = match caller {
        None => Decision::Anonymous,
        Some(caller) => Decision::Accept {
            credential: known_id(caller.credential_id()),
            organization: caller.organization().map(str::to_owned),
        },
    };
    for value in request.headers().get_all("authorization") {
        assert!(!mode.removes, "the credential was to be removed");
        assert!(value.is_sensitive(), "the credential is not hidden");
    }
    let mut response = Response::new(String::new());
    response.extensions_mut().insert(Seen(decision));
    response
}

fn known_id(id: &str) -> &'static str {
    let known = ["k1", "k2", "t3", "t4", "k5"];
    known.into_iter().find(|known| *known == id).unwrap_or("?")
}

/// Reads a request from bytes as they would be on a line: the first line has the method, the path,
/// the version and the address of the peer, each further line a header. Lines that cannot be are
/// left out.
pub fn parse(bytes: &[u8]) -> Parts {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let mut words = first.split(|byte| *byte == b' ');
    let mut request = Request::new(());
    let method = words.next().and_then(|word| Method::from_bytes(word).ok());
    *request.method_mut() = method.unwrap_or(Method::POST);
    let path = words.next().and_then(|word| Uri::try_from(word).ok());
    *request.uri_mut() = path.unwrap_or_default();
    *request.version_mut() = match words.next() {
        Some(b"0") => Version::HTTP_10,
        Some(b"1") => Version::HTTP_11,
        Some(b"3") => Version::HTTP_3,
        _ => Version::HTTP_2,
    };
    let peer = words.next().and_then(|word| std::str::from_utf8(word).ok());
    if let Some(peer) = peer.and_then(|word| word.parse().ok()) {
        request.extensions_mut().insert(Peer(peer));
    }
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':');
        let Some((name, value)) = colon.and_then(|colon| line.split_at_checked(colon)) else {
            continue;
        };
        let value = value.get(1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        append(&mut request, name, value);
    }
    request.into_parts().0
}

/// Appends a header, if there can be such a one.
pub fn append<B>(request: &mut Request<B>, name: &[u8], value: &[u8]) {
    let name = HeaderName::from_bytes(name);
    if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
        request.headers_mut().append(name, value);
    }
}

thread_local! {
    /// The fixtures of the usual world, one for each mode.
    static USUAL: RefCell<Vec<Fixture>> = const { RefCell::new(Vec::new()) };
}

/// Sends a request to the usual world.
///
/// # Panics
/// If something about its answer is wrong.
pub fn assert_decided(mode: Mode, parts: &Parts) {
    USUAL.with_borrow_mut(|fixtures| {
        let known = fixtures.iter().position(|fixture| fixture.mode == mode);
        let at = known.unwrap_or_else(|| {
            fixtures.push(Fixture::new(World::usual(), mode));
            fixtures.len() - 1
        });
        fixtures[at].assert_decided(parts);
    });
    assert_public(parts);
}

/// A public route answers every request, and sees no caller.
fn assert_public(parts: &Parts) {
    let mode = Mode::default();
    let service =
        service_fn(move |request| async move { Ok::<_, Infallible>(answer(&request, &mode)) });
    let request = Request::from_parts(parts.clone(), String::new());
    let Ok(response) = wait(PublicLayer::new().layer(service).oneshot(request));
    let seen = response.extensions().get::<Seen>();
    assert_eq!(seen, Some(&Seen(Decision::Anonymous)));
}

/// Reads a mode from the bits of a byte.
pub fn mode_of(bits: u8) -> Mode {
    Mode {
        user_scoped: bits & 1 != 0,
        optional: bits & 2 != 0,
        preflight: bits & 4 != 0,
        browser_guard: bits & 8 != 0,
        removes: bits & 16 != 0,
        scope: bits & 32 != 0,
        addresses: bits & 64 != 0,
        live: bits & 128 != 0,
        grpc: false,
    }
}
