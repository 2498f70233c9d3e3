//! What conditions are made of: networks, metadata, and the address of a client, which nobody but
//! the nearest proxy chooses.

#![no_main]

use std::{collections::BTreeMap, net::IpAddr};

use arbitrary::Arbitrary;
use http::Request;
use libfuzzer_sys::fuzz_target;
use tower_api_key::{
    condition::{ClientAddress, ProxyHeader, RequestHead},
    store::{Conditions, Metadata, Network},
};
use tower_api_key_fuzz::{
    networks::{self, PROXIES, client},
    request::append,
};

#[derive(Arbitrary, Debug)]
struct Input {
    network: Text,
    other: Text,
    address: IpAddr,
    pairs: Vec<(String, String)>,
    hops: Hops,
}

/// A text that may be a network.
#[derive(Arbitrary, Debug)]
enum Text {
    Raw(String),
    Address(IpAddr),
    Prefix(IpAddr, u8),
    /// The network of that length in which an address lies.
    Whole(IpAddr, u8),
}

/// What a client writes, and the hop that the nearest proxy appends.
#[derive(Arbitrary, Debug)]
struct Hops {
    peer: Option<IpAddr>,
    written: Vec<Vec<u8>>,
    hop: IpAddr,
    form: Form,
    own_field: bool,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Form {
    Bare,
    Port(u16),
    Brackets,
}

fuzz_target!(|input: Input| {
    let (one, other) = (input.network.build(), input.other.build());
    assert_network(&one, input.address);
    assert_covered(&one, &other, input.address);
    assert_metadata(&input.pairs);
    assert_found(&input.hops);
    assert_chosen_by_the_proxy(&input.hops);
});

impl Text {
    fn build(&self) -> String {
        match self {
            Self::Raw(text) => text.clone(),
            Self::Address(address) => address.to_string(),
            Self::Prefix(address, length) => format!("{address}/{length}"),
            Self::Whole(IpAddr::V4(address), length) => {
                let length = u32::from(*length) % 33;
                let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
                let first = u32::from(*address) & mask;
                format!("{}/{length}", std::net::Ipv4Addr::from(first))
            }
            Self::Whole(IpAddr::V6(address), length) => {
                let length = u32::from(*length) % 129;
                let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
                let first = u128::from(*address) & mask;
                format!("{}/{length}", std::net::Ipv6Addr::from(first))
            }
        }
    }
}

/// What is read as a network is written in the stored form, and read as the same again.
fn assert_network(text: &str, address: IpAddr) {
    let Ok(network) = text.parse::<Network>() else {
        assert!(
            networks::Network::stored(text).is_none(),
            "{text:?} is refused"
        );
        assert!(text.parse::<IpAddr>().is_err(), "{text:?} is refused");
        return;
    };
    let shown = network.to_string();
    assert_eq!(shown.parse(), Ok(network), "{text:?}");
    let plain = networks::Network::stored(&shown);
    let plain = plain.unwrap_or_else(|| panic!("{text:?} is shown as {shown:?}"));
    assert_eq!(
        network.contains(address),
        plain.contains(address),
        "{text:?} {address}"
    );
    if let Ok(own) = text.parse::<IpAddr>() {
        assert!(network.contains(own) && plain.contains(own));
    }
}

/// What is covered has no address that is not.
fn assert_covered(one: &str, other: &str, address: IpAddr) {
    let (Ok(one), Ok(other)) = (one.parse::<Network>(), other.parse::<Network>()) else {
        return;
    };
    let of = |networks: &[Network]| Conditions::default().with_networks(networks.iter().copied());
    assert_eq!(of(&[one, other]), of(&[other, one, other]));
    assert!(of(&[one, other]).cover(&of(&[other])));
    if of(&[one]).cover(&of(&[other])) {
        assert!(
            !other.contains(address) || one.contains(address),
            "{one} {other} {address}"
        );
    }
}

/// Metadata is refused exactly if it breaks a limit, and keeps each pair.
fn assert_metadata(pairs: &[(String, String)]) {
    let bytes: usize = pairs
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    let is_key = |key: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-./:_".contains(c);
        !key.is_empty() && key.chars().all(allowed)
    };
    let sound = |(key, value): &(String, String)| is_key(key) && !value.contains(char::is_control);
    let map: BTreeMap<&str, &str> = pairs
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let fits = pairs.len() <= 16 && bytes <= 1024 && map.len() == pairs.len();
    let metadata = Metadata::new(pairs.iter().cloned());
    assert_eq!(
        metadata.is_ok(),
        fits && pairs.iter().all(sound),
        "{pairs:?}"
    );
    let Ok(metadata) = metadata else { return };
    assert!(
        metadata
            .iter()
            .eq(map.iter().map(|(key, value)| (*key, *value)))
    );
    assert!(
        map.iter()
            .all(|(key, value)| metadata.get(key) == Some(value))
    );
    assert_eq!(Metadata::from_stored(metadata.iter()), metadata);
}

/// The client is found as the rule says, whatever the fields have.
fn assert_found(hops: &Hops) {
    let fields: Vec<&[u8]> = hops.written.iter().map(Vec::as_slice).collect();
    let request = request("x-forwarded-for", &fields);
    let kept: Vec<&[u8]> = request
        .headers()
        .values()
        .map(|value| value.as_bytes())
        .collect();
    let found = find(ProxyHeader::XForwardedFor, hops.peer, &request);
    assert_eq!(found, client(hops.peer, &kept), "{hops:?}");
}

/// Whatever was written before it, the hop that the nearest proxy appends is the client.
fn assert_chosen_by_the_proxy(hops: &Hops) {
    let proxy = IpAddr::from([198, 51, 100, 7]);
    let proxies: Network = PROXIES.parse().expect("a network");
    if proxies.contains(hops.hop) {
        return;
    }
    for (header, name) in [
        (ProxyHeader::XForwardedFor, "x-forwarded-for"),
        (ProxyHeader::Forwarded, "forwarded"),
    ] {
        let hop = hops.form.write(hops.hop, header);
        let mut fields = hops.written.clone();
        match fields.last_mut() {
            Some(last) if !hops.own_field => {
                last.extend(b", ");
                last.extend(hop.as_bytes());
            }
            _ => fields.push(hop.into_bytes()),
        }
        let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
        let request = request(name, &fields);
        // A proxy appends to what it received: a field that cannot be sent was not.
        if request.headers().get_all(name).iter().count() == fields.len() {
            let found = find(header, Some(proxy), &request);
            assert_eq!(found, Some(hops.hop.to_canonical()), "{header:?} {hops:?}");
        }
    }
}

impl Form {
    fn write(self, hop: IpAddr, header: ProxyHeader) -> String {
        let text = match (self, hop) {
            (Self::Port(port), hop) => std::net::SocketAddr::from((hop, port)).to_string(),
            (Self::Brackets, IpAddr::V6(hop)) => format!("[{hop}]"),
            (_, hop) => hop.to_string(),
        };
        match header {
            ProxyHeader::Forwarded => format!("for=\"{text}\";proto=https"),
            _ => text,
        }
    }
}

fn request(name: &str, fields: &[&[u8]]) -> Request<()> {
    let mut request = Request::new(());
    for field in fields {
        append(&mut request, name.as_bytes(), field);
    }
    request
}

fn find(header: ProxyHeader, peer: Option<IpAddr>, request: &Request<()>) -> Option<IpAddr> {
    let proxies = [PROXIES.parse().expect("a network")];
    let address = ClientAddress::of_peer(move |_| peer).behind(header, proxies);
    address.find(&RequestHead::of(request))
}
