//! Networks: ranges of internet addresses.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::{IpNet, Ipv4Net};

/// A range of internet addresses: `192.0.2.0/24`, `2001:db8::/32` (CIDR, RFC 4632 and RFC 4291,
/// section 2.3), or a single address.
///
/// IPv4 addresses that are written as IPv6 ones (`::ffff:192.0.2.1`, RFC 4291, section 2.5.5.2) are
/// the IPv4 addresses that they stand for.
///
/// ```
/// use tower_api_key::store::{InvalidNetwork, Network};
///
/// let office: Network = "192.0.2.0/24".parse()?;
/// assert!(office.contains("192.0.2.7".parse()?));
/// assert!(office.contains("::ffff:192.0.2.7".parse()?));
/// assert!(!office.contains("192.0.3.1".parse()?));
/// assert_eq!(
///     "192.0.2.7/24".parse::<Network>(),
///     Err(InvalidNetwork::HostBits("192.0.2.0/24".into())),
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network(IpNet); // in canonical form, without host bits

/// Why a text is not a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidNetwork {
    /// It is neither an address nor an address with the length of a prefix.
    #[error("{0:?} is neither an address nor a network such as 192.0.2.0/24")]
    Malformed(Box<str>),
    /// The address has bits behind the prefix. The network that it lies in is this one.
    #[error("the address has host bits set; the network is {0}")]
    HostBits(Box<str>),
}

impl Network {
    /// Returns whether an address lies in the network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Returns whether every address of `other` lies in this network.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.0.contains(&other.0)
    }
}

/// Writes the network of an IPv4 address as one, also if it was written as an IPv6 one.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(mapped) = network else {
        return network;
    };
    let address = mapped.addr().to_ipv4_mapped();
    let length = mapped.prefix_len().checked_sub(96);
    let v4 = address.zip(length);
    v4.and_then(|(address, length)| Ipv4Net::new(address, length).ok())
        .map_or(network, IpNet::V4)
}

/// Reads an address and the length of a prefix, without zeros in front: some programs take such
/// numbers for octal ones.
fn parse(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    let is_plain = length == "0" || length.starts_with(|c: char| ('1'..='9').contains(&c));
    let length = length.parse().ok().filter(|_| is_plain)?;
    IpNet::new(address.parse().ok()?, length).ok()
}

impl From<IpAddr> for Network {
    /// The network of this address alone.
    fn from(address: IpAddr) -> Self {
        Self(address.to_canonical().into())
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(address.into());
        }
        let network = parse(text).ok_or_else(|| InvalidNetwork::Malformed(text.into()))?;
        let network = canonical(network);
        match network.trunc() {
            whole if whole == network => Ok(Self(network)),
            whole => Err(InvalidNetwork::HostBits(whole.to_string().into())),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Network({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            " ",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "10.0.0.0/8 ",
            " 10.0.0.0/8",
            "fe80::1%eth0",
            "010.0.0.1",
            "010.0.0.0/8",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "2001:db8::/032",
            "10.0.0.0/255.0.0.0",
            "example.com",
            "*",
        ] {
            let malformed = InvalidNetwork::Malformed(text.into());
            assert_eq!(text.parse::<Network>(), Err(malformed), "{text}");
        }
        for (text, network) in [
            ("10.0.0.1/8", "10.0.0.0/8"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("::ffff:10.0.0.1/104", "10.0.0.0/8"),
        ] {
            let host_bits = InvalidNetwork::HostBits(network.into());
            assert_eq!(text.parse::<Network>(), Err(host_bits), "{text}");
        }
    }

    #[test]
    fn both_families_are_kept_apart() {
        let all_4: Network = "0.0.0.0/0".parse().unwrap();
        let all_6: Network = "::/0".parse().unwrap();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(all_4.contains(address("255.255.255.255")) && all_6.contains(address("::1")));
        assert!(all_4.contains(address("::ffff:10.0.0.1")));
        assert!(!all_6.contains(address("::ffff:10.0.0.1")));
        assert!(!all_4.contains(address("::1")) && !all_6.contains(address("10.0.0.1")));
        assert!(!all_4.covers(&all_6) && !all_6.covers(&all_4));
        let mapped: Network = "::ffff:10.0.0.0/104".parse().unwrap();
        assert_eq!(mapped.to_string(), "10.0.0.0/8");
        let one: Network = "::ffff:10.0.0.1".parse().unwrap();
        assert_eq!(one.to_string(), "10.0.0.1/32");
    }

    proptest! {
        #[test]
        fn a_network_contains_the_addresses_with_its_prefix(
            network in any::<u32>(),
            length in 0u8..=32,
            address in any::<u32>(),
            near in 0u32..=32,
        ) {
            let mask = u32::MAX.checked_shl(u32::from(32 - length)).unwrap_or(0);
            let text = format!("{}/{length}", std::net::Ipv4Addr::from(network & mask));
            let parsed: Network = text.parse().unwrap();
            prop_assert_eq!(parsed.to_string(), text);
            for address in [address, network ^ 1u32.checked_shl(near).unwrap_or(0)] {
                let inside = address & mask == network & mask;
                prop_assert_eq!(parsed.contains(std::net::Ipv4Addr::from(address).into()), inside);
            }
        }

        #[test]
        fn every_network_is_read_as_it_is_written(bytes in any::<u128>(), length in 0u8..=128) {
            let mask = u128::MAX.checked_shl(u32::from(128 - length)).unwrap_or(0);
            let text = format!("{}/{length}", std::net::Ipv6Addr::from(bytes & mask));
            let network: Network = text.parse().unwrap();
            prop_assert_eq!(network.to_string().parse(), Ok(network));
        }
    }
}
