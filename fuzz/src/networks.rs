//! Networks and the addresses of clients, by rules of their own.

use std::net::{IpAddr, SocketAddr};

/// A range of addresses: the family, the bits of the first address, and the length of the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    is_v6: bool,
    first: u128,
    length: u32,
}

/// The only proxies that may say whom they act for.
pub const PROXIES: &str = "198.51.100.0/24";

impl Network {
    /// Reads a network in the one form in which stores keep it: the first address as the standard
    /// library writes it, and the length of the prefix. `None` if it is in another form.
    pub fn stored(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let first: IpAddr = address.parse().ok()?;
        let length: u32 = length.parse().ok()?;
        let (is_v6, first_bits) = bits(first);
        if length > if is_v6 { 128 } else { 32 } {
            return None;
        }
        let network = Self {
            is_v6,
            first: first_bits,
            length,
        };
        let is_usual = format!("{}/{length}", first.to_canonical()) == text;
        (is_usual && network.prefix(first_bits) == first_bits).then_some(network)
    }

    /// Returns the bits of an address without those behind the prefix.
    fn prefix(self, bits: u128) -> u128 {
        let host_bits = if self.is_v6 { 128 } else { 32 } - self.length;
        bits & u128::MAX.checked_shl(host_bits).unwrap_or(0)
    }

    /// Returns whether an address lies in the network.
    pub fn contains(self, address: IpAddr) -> bool {
        let (is_v6, bits) = bits(address);
        self.is_v6 == is_v6 && self.prefix(bits) == self.first
    }
}

/// The family and the bits of an address; one of IPv4 that is written as one of IPv6 is one of
/// IPv4.
fn bits(address: IpAddr) -> (bool, u128) {
    match address.to_canonical() {
        IpAddr::V4(address) => (false, u128::from(u32::from(address))),
        IpAddr::V6(address) => (true, u128::from(address)),
    }
}

/// Reads a list of networks as stores keep it: with a space between them, in order, each once.
pub fn stored_list(text: &str) -> Option<Vec<Network>> {
    let words = text.split(' ').filter(|_| !text.is_empty());
    let networks: Vec<Network> = words.map(Network::stored).collect::<Option<_>>()?;
    networks
        .windows(2)
        .all(|two| two[0] < two[1])
        .then_some(networks)
}

/// Returns the address of a client, by its peer and the `X-Forwarded-For` fields.
pub fn client(peer: Option<IpAddr>, fields: &[&[u8]]) -> Option<IpAddr> {
    let proxies = Network::stored(PROXIES).expect("a network");
    let joined = fields.join(&b',');
    let mut hops: Vec<&[u8]> = match fields {
        [] => Vec::new(),
        _ => joined.split(|byte| *byte == b',').collect(),
    };
    let mut client = peer?;
    if proxies.contains(client) && fields.is_empty() {
        return None; // the proxy may have been made to drop it
    }
    while proxies.contains(client) {
        let Some(hop) = hops.pop() else { break };
        client = address(std::str::from_utf8(hop).ok()?.trim_ascii())?;
    }
    Some(client.to_canonical())
}

/// An address, perhaps in brackets, perhaps with a port.
fn address(text: &str) -> Option<IpAddr> {
    let inner = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(inner) => inner.parse().ok().map(IpAddr::V6),
        None => text
            .parse()
            .ok()
            .or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip())),
    }
}
