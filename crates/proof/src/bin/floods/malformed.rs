//! Malformed tokens: refused without a store call, without an allocation before the response, and
//! if they are over-long, before they are hashed.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    hint::black_box,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
    time::Instant,
};

use allocation_counter::measure;
use http::{Request, Response};
use tower::{Layer, Service, ServiceExt as _, service_fn};
use tower_api_key::{AuthLayer, Rejection, secret::Digest};
use tower_api_key_proof::rig::{Random, Report};

use crate::{
    fixture::{bearing, memory, now, reached},
    remote_store::{Behaviour, RemoteStore},
};

const MAX: usize = 64 * 1024;

/// Characters that a token may have.
const LEGAL: &[u8] = b"ABCXYZabcxyz0189-._~+/";

/// Characters that a header may have, but no token.
const ILLEGAL: &[u8] = b"!\"#$%&'()*,:;<>?@[\\]^`{|}\x80\xbf\xff";

pub(crate) fn run(report: &mut Report, count: usize) {
    let store = RemoteStore::new(memory(&[]), Behaviour::Panics);
    let mut service = service(&store);
    let mut tokens = Tokens::new();
    let (mut causes, mut allocations) = (BTreeMap::<_, usize>::new(), 0);
    let own = counted(|| leave("nothing else")).1;
    for round in 0..=count {
        let request = bearing(&tokens.next());
        let (code, counted) = counted(|| send(&mut service, request));
        if round > 0 {
            allocations += counted - own; // the first call of a thread sets things up
            *causes.entry(code).or_default() += 1;
        }
    }
    let sent = format!("{count} malformed tokens, 1 B … 64 KiB");
    let calls = store.calls();
    report.row(&format!("{sent}: store calls"), calls, "0", calls == 0);
    let name = format!("{sent}: allocations before the response");
    report.row(&name, allocations, "0", allocations == 0);
    report.note(&format!("{sent}: causes"), format!("{causes:?}"));
    time_over_long(report, &mut service);
}

/// A service whose refusals unwind out of the call, so that nothing after the decision is counted.
fn service(
    store: &Arc<RemoteStore>,
) -> impl Service<Request<String>, Response = Response<String>, Error = Infallible> + use<> {
    let responder = |rejection: &Rejection| -> Response<String> { leave(rejection.cause().code()) };
    AuthLayer::new(Arc::clone(store))
        .with_responder(responder)
        .layer(service_fn(reached))
}

fn send<S>(service: &mut S, request: Request<String>)
where
    S: Service<Request<String>, Response = Response<String>, Error = Infallible>,
{
    let _ = now(async { service.ready().await?.call(request).await });
}

/// Returns the code that the responder left with, and the number of allocations until then.
fn counted(unwinds: impl FnOnce()) -> (&'static str, u64) {
    let mut unwound = None;
    let counts = measure(|| unwound = catch_unwind(AssertUnwindSafe(unwinds)).err());
    let code = unwound
        .expect("a malformed token is refused")
        .downcast::<&'static str>();
    (*code.expect("a code"), counts.count_total)
}

fn leave(code: &'static str) -> ! {
    resume_unwind(Box::new(code))
}

/// Tokens that are malformed for one reason each, of lengths spread over the orders of magnitude.
struct Tokens {
    random: Random,
    legal: Vec<u8>,
}

impl Tokens {
    fn new() -> Self {
        let mut random = Random::seeded(1);
        let legal = (0..2 * MAX).map(|_| *random.pick(LEGAL)).collect();
        Self { random, legal }
    }

    fn next(&mut self) -> Vec<u8> {
        let length = match self.random.below(50) {
            0 => 1,
            1 => MAX,
            _ => {
                let most = 1 << self.random.below(17);
                1 + self.random.below(most)
            }
        };
        let body = self.slice(length);
        let prefix = *self.random.pick(&[&b"ak_"[..], b"pat_"]);
        match self.random.below(5) {
            // Another prefix: a capital letter first.
            0 => [b"K", &body[1..]].concat(),
            // A prefix alone, or a key without a dot, an id or a secret.
            1 => match self.random.below(4) {
                0 => prefix.to_vec(),
                1 => b"ak_.secret".to_vec(),
                2 => b"ak_test.".to_vec(),
                _ => [&b"ak_"[..], &body.iter().map(|_| b'x').collect::<Vec<_>>()].concat(),
            },
            // Over-long, and otherwise in order.
            2 => {
                let length = 513 + self.random.below(MAX - 513);
                let start = &b"ak_test."[..];
                [start, &self.slice(length)].concat()
            }
            // A character somewhere that no token has.
            _ => {
                let mut token = [prefix, b"a.", &body].concat();
                let at = prefix.len() + self.random.below(token.len() - prefix.len());
                token[at] = *self.random.pick(ILLEGAL);
                token
            }
        }
    }

    /// Returns `length` characters that a token may have.
    fn slice(&mut self, length: usize) -> Vec<u8> {
        let from = self.random.below(MAX);
        self.legal[from..from + length].to_vec()
    }
}

/// Prints what the length of an over-long token costs, as a share of what hashing it would cost.
fn time_over_long(
    report: &mut Report,
    service: &mut impl Service<Request<String>, Response = Response<String>, Error = Infallible>,
) {
    let token = |length: usize| [&b"ak_test."[..], &vec![b'x'; length - 8]].concat();
    let (long, longest) = (token(513), token(MAX));
    let mut refuse = |token: &[u8]| {
        let request = bearing(token);
        fastest(|| {
            let request = request.clone();
            let (code, _) = counted(|| send(service, request));
            assert_eq!(code, "token_too_long");
        })
    };
    let (long, refused) = (refuse(&long), refuse(&longest));
    let hashed = fastest(|| _ = black_box(Digest::of(black_box(&longest))));
    let share = refused.saturating_sub(long) as f64 / hashed as f64;
    let figure =
        format!("{share:.3} ({long} ns at 513 B, {refused} ns; hashing takes {hashed} ns)");
    let name = "a token of 64 KiB: what its length adds, as a share of hashing it";
    report.row(name, figure, "≤ 0.1", share <= 0.1);
}

/// Returns the shortest of many runs in nanoseconds.
fn fastest(mut run: impl FnMut()) -> u128 {
    let times = (0..1_000).map(|_| {
        let began = Instant::now();
        run();
        began.elapsed().as_nanos()
    });
    times.min().unwrap()
}
