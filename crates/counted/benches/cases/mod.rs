//! The cases that `counted` counts, each with its base.

use std::{hint::black_box, sync::Arc};

use http::{Request, Response};
use tower_api_key::{
    AuthLayer, Rejection,
    secret::{Digest, Peppers},
    store::Record,
};
use tower_layer::Layer;
use tower_service::Service;

use crate::support::{
    fixtures::{
        AsyncStore, Body, EmptyStore, ORGANIZATION, PepperedStore, SingleRecordStore, bearing,
        bearing_for_organization, key, key_id, key_with_secret, reads, store, token,
    },
    parts,
    refusals::{self, BoxedService, Refusal, boxed},
    service::{Echo, Extensions, Loop},
};

/// A case to count, and a base to subtract from it.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) base: Box<dyn FnMut(u32)>,
    pub(crate) run: Box<dyn FnMut(u32)>,
}

/// Cases that differ only in a position: the prefix of their names, and the number of positions.
pub(crate) const PROBES: [(&str, usize); 2] = [
    ("wrong secret at byte ", SECRET_LEN),
    ("stored digest differs at byte ", DIGEST_LEN),
];

const SECRET_LEN: usize = 40;
const DIGEST_LEN: usize = 32;

/// The probe of that name, `<prefix><position>`.
pub(crate) fn probe(name: &str) -> Option<Case> {
    let position = |(kind, _): &(&str, usize)| name.strip_prefix(kind)?.parse::<usize>().ok();
    let [wrong, differing] = PROBES.each_ref().map(position);
    wrong
        .map(wrong_secret)
        .or_else(|| differing.map(differing_digest))
}

pub(crate) fn all() -> Vec<Case> {
    let mut all = accepted();
    all.extend(refusals::all().into_iter().map(refused));
    all.extend(parsed());
    all.extend(peppered());
    let parts = parts::arms().into_iter();
    all.extend(parts.map(|part| Case {
        name: format!("part: {}", part.name),
        base: Box::new(|_| ()),
        run: part.run,
    }));
    all
}

fn accepted() -> Vec<Case> {
    let auth = AuthLayer::new(store());
    let (key, token) = (
        bearing(&key("live")),
        bearing_for_organization(&token("live")),
    );
    let mortal = bearing(&self::key("mortal"));
    let asking = AuthLayer::new(AsyncStore(store()));
    let mut cases = Vec::new();
    for extensions in [Extensions::Empty, Extensions::Warm] {
        cases.push(accept("key", auth.layer(Echo), &key, extensions));
        cases.push(accept(
            "key that can expire",
            auth.layer(Echo),
            &mortal,
            extensions,
        ));
        cases.push(accept(
            "personal token",
            auth.layer(Echo),
            &token,
            extensions,
        ));
        cases.push(accept(
            "key, scopes required",
            auth.layer(reads().layer(Echo)),
            &key,
            extensions,
        ));
        cases.push(accept(
            "key, store asked",
            asking.layer(Echo),
            &key,
            extensions,
        ));
    }
    cases
}

fn accept<S>(name: &str, service: S, request: &Request<Body>, extensions: Extensions) -> Case
where
    S: Service<Request<Body>, Response = Response<Body>> + 'static,
{
    let word = if extensions == Extensions::Warm {
        "warm"
    } else {
        "empty"
    };
    let mut base = Loop::new(Echo, request.clone(), extensions);
    let mut run = Loop::new(service, request.clone(), extensions);
    Case {
        name: format!("accept: {name}, {word} extensions"),
        base: Box::new(move |times| base.times(times)),
        run: Box::new(move |times| run.times(times)),
    }
}

/// The base of a refusal creates its request and drops it; what remains is the check and the
/// response.
fn refused(
    Refusal {
        code,
        request,
        service,
    }: Refusal,
) -> Case {
    refuse(format!("refuse: {code}"), request, service)
}

fn refuse(name: String, request: Request<Body>, mut service: BoxedService) -> Case {
    let again = request.clone();
    Case {
        name,
        base: Box::new(move |times| (0..times).for_each(|_| drop(black_box(request.clone())))),
        run: Box::new(move |times| {
            (0..times).for_each(|_| drop(black_box(service(again.clone()))))
        }),
    }
}

/// As in the bench `parse`: a store without credentials, and a minimal response.
fn parsed() -> Vec<Case> {
    let longest = format!("ak_test.{}", "x".repeat(504));
    let tokens = [
        ("key", key("live")),
        ("personal token", token("live")),
        ("key of 512 bytes", longest),
    ];
    let case = |(name, token): (&str, String)| {
        let layer = AuthLayer::new(EmptyStore).with_responder(|_: &Rejection| Response::default());
        refuse(
            format!("parse: {name}"),
            bearing(&token),
            boxed(layer.layer(Echo)),
        )
    };
    tokens.into_iter().map(case).collect()
}

/// The prefix of the names that must cost the same, so that the cost does not reveal which ids
/// exist.
pub(crate) const ALIKE: &str = "with a pepper: ";

/// With a pepper: an unknown id, and a wrong secret for a peppered and for a plain digest.
fn peppered() -> Vec<Case> {
    let peppers = Peppers::new("test", &[b't'; 32]).unwrap();
    let plain = Digest::of(key_with_secret("probe", "another").as_bytes());
    let under = Record::org_key(
        key_id("probe"),
        peppers.current().digest(&plain),
        ORGANIZATION,
    );
    let under = under.with_pepper(peppers.named("test").cloned());
    let plain = Record::org_key(key_id("probe"), plain, ORGANIZATION);
    let records = [
        ("unknown id", None),
        ("wrong secret", Some(under)),
        ("wrong secret, plain digest", Some(plain)),
    ];
    let case = |(name, record): (&str, Option<Record>)| {
        let store = PepperedStore(peppers.clone(), record.map(Arc::new));
        refuse(
            format!("{ALIKE}{name}"),
            bearing(&key("probe")),
            boxed(AuthLayer::new(store).layer(Echo)),
        )
    };
    records.into_iter().map(case).collect()
}

fn wrong_secret(position: usize) -> Case {
    let right = format!("{:x<SECRET_LEN$}", "testsecret");
    let mut wrong = right.clone().into_bytes();
    wrong[position] = b'A';
    let digest = Digest::of(key_with_secret("probe", &right).as_bytes());
    let wrong = key_with_secret("probe", &String::from_utf8(wrong).unwrap());
    one("wrong secret", digest, &wrong)
}

fn differing_digest(position: usize) -> Case {
    let token = key("probe");
    let mut digest = Digest::of(token.as_bytes()).to_bytes();
    digest[position] ^= 0x55;
    one("differing digest", Digest::from_bytes(digest), &token)
}

fn one(name: &str, digest: Digest, token: &str) -> Case {
    let record = Record::org_key(key_id("probe"), digest, ORGANIZATION);
    refuse(
        name.to_owned(),
        bearing(token),
        boxed(AuthLayer::new(SingleRecordStore(Arc::new(record))).layer(Echo)),
    )
}
