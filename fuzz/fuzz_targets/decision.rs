//! The differential target: any world, any mode, any request, decided by the layers and by the
//! oracle.

#![no_main]

use std::net::IpAddr;

use arbitrary::Arbitrary;
use http::{Method, Request, Version};
use libfuzzer_sys::fuzz_target;
use tower_api_key_fuzz::{
    oracle::Mode,
    request::{Fixture, Peer, append},
    world::{Setup, World},
};

#[derive(Arbitrary, Debug)]
struct Input {
    setup: Setup,
    mode: Mode,
    method: Verb,
    http_2: bool,
    lines: Vec<Line>,
    organizations: Vec<Organization>,
    others: Vec<Other>,
    peer: Option<Client>,
}

#[derive(Arbitrary, Debug)]
enum Verb {
    Get,
    Post,
    Options,
}

/// An `Authorization` line.
#[derive(Arbitrary, Debug)]
struct Line {
    scheme: Scheme,
    spaces: u8,
    token: u8,
    change: Option<Change>,
}

#[derive(Arbitrary, Debug)]
enum Scheme {
    Bearer,
    Upper,
    Basic,
    Nothing,
    Tab,
    Raw(Vec<u8>),
}

/// A change to a token.
#[derive(Arbitrary, Debug)]
enum Change {
    Replace(u8, u8),
    Cut(u8),
    Append(Vec<u8>),
    Lengthen(u16),
}

#[derive(Arbitrary, Debug)]
enum Organization {
    A,
    B,
    Blank,
    Padded,
    Other(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
enum Other {
    Origin,
    FetchMode,
    Preflight,
    Forwarded(Client),
    Grpc,
    GrpcWeb,
    Raw(Vec<u8>, Vec<u8>),
}

/// An address, in one of the networks or in none.
#[derive(Arbitrary, Debug)]
enum Client {
    Inside,
    Mapped,
    Single,
    V6,
    Proxy,
    Outside,
}

impl Client {
    fn text(&self) -> &'static str {
        match self {
            Self::Inside => "10.1.2.3",
            Self::Mapped => "::ffff:10.1.2.3",
            Self::Single => "192.0.2.1",
            Self::V6 => "2001:db8::1",
            Self::Proxy => "198.51.100.7",
            Self::Outside => "203.0.113.1",
        }
    }

    fn address(&self) -> IpAddr {
        self.text().parse().expect("an address")
    }
}

fuzz_target!(|input: Input| {
    let fixture = Fixture::new(World::new(&input.setup), input.mode);
    let mut request = Request::new(());
    *request.method_mut() = match input.method {
        Verb::Get => Method::GET,
        Verb::Post => Method::POST,
        Verb::Options => Method::OPTIONS,
    };
    *request.version_mut() = match input.http_2 {
        true => Version::HTTP_2,
        false => Version::HTTP_11,
    };
    for line in &input.lines {
        append(&mut request, b"authorization", &line.bytes());
    }
    for organization in &input.organizations {
        append(&mut request, b"x-anyreach-org", organization.bytes());
    }
    for other in &input.others {
        let (name, value) = other.header();
        append(&mut request, name, value);
    }
    if let Some(peer) = &input.peer {
        request.extensions_mut().insert(Peer(peer.address()));
    }
    fixture.assert_decided(&request.into_parts().0);
});

impl Line {
    fn bytes(&self) -> Vec<u8> {
        let mut line = match &self.scheme {
            Scheme::Bearer => b"Bearer".to_vec(),
            Scheme::Upper => b"BEARER".to_vec(),
            Scheme::Basic => b"Basic".to_vec(),
            Scheme::Nothing => Vec::new(),
            Scheme::Tab => b"Bearer\t".to_vec(),
            Scheme::Raw(bytes) => bytes.clone(),
        };
        line.extend(vec![b' '; usize::from(self.spaces % 4)]);
        let tokens = [
            "ak_k1.fuzz-secret-1",
            "ak_k2.fuzz-secret-2",
            "pat_fuzz-secret-3",
            "pat_fuzz-secret-4==",
            "ak_k5.fuzz-secret-5",
            "ak_unknown.fuzz-secret",
            "sk_other",
        ];
        let token = tokens[usize::from(self.token) % tokens.len()];
        line.extend(
            self.change
                .as_ref()
                .map_or(token.into(), |change| change.of(token)),
        );
        line
    }
}

impl Change {
    fn of(&self, token: &str) -> Vec<u8> {
        let mut token = token.as_bytes().to_vec();
        match self {
            Self::Replace(at, byte) => {
                let at = usize::from(*at) % token.len();
                token[at] = *byte;
            }
            Self::Cut(at) => token.truncate(usize::from(*at) % token.len()),
            Self::Append(more) => token.extend(more),
            Self::Lengthen(by) => token.extend(vec![b'a'; usize::from(by % 600)]),
        }
        token
    }
}

impl Organization {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::A => b"org_a",
            Self::B => b"org_b",
            Self::Blank => b" ",
            Self::Padded => b" org_a\t",
            Self::Other(bytes) => bytes,
        }
    }
}

impl Other {
    fn header(&self) -> (&[u8], &[u8]) {
        match self {
            Self::Origin => (b"origin", b"https://example.com"),
            Self::FetchMode => (b"sec-fetch-mode", b"cors"),
            Self::Forwarded(client) => (b"x-forwarded-for", client.text().as_bytes()),
            Self::Preflight => (b"access-control-request-method", b"POST"),
            Self::Grpc => (b"content-type", b"application/grpc+proto"),
            Self::GrpcWeb => (b"content-type", b"application/grpc-web-text"),
            Self::Raw(name, value) => (name, value),
        }
    }
}
