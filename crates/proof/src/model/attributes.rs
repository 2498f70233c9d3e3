//! What is kept with a credential beside what it may do: a description, metadata, and conditions
//! under which it is accepted.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// What is kept with a credential beside what it may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attributes {
    /// For people.
    pub description: Option<String>,
    /// For programs.
    pub metadata: BTreeMap<String, String>,
    /// Where the credential is accepted at most.
    pub conditions: Conditions,
}

/// Where a credential is accepted at most.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conditions {
    /// The only networks; `None` is no limit.
    pub networks: Option<BTreeSet<String>>,
    /// The only environment; `None` is no limit.
    pub environment: Option<String>,
}

/// A change of a name and attributes; `None` leaves a part as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// The name.
    pub name: Option<String>,
    /// The description; `Some(None)` removes it.
    pub description: Option<Option<String>>,
    /// All of the metadata.
    pub metadata: Option<BTreeMap<String, String>>,
    /// The networks; `Some(None)` removes the limit.
    pub networks: Option<Option<BTreeSet<String>>>,
    /// The environment; `Some(None)` removes the limit.
    pub environment: Option<Option<String>>,
}

/// What a layer can check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// The environment that the service is.
    pub environment: Option<&'static str>,
    /// Whether it finds the addresses of clients.
    pub finds_addresses: bool,
}

impl Attributes {
    /// Returns whether each part keeps within its limits.
    pub(super) fn are_valid(&self) -> bool {
        let bytes = |(key, value): (&String, &String)| key.len() + value.len();
        let is_name = |name: &String, most: usize, others: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
            (1..=most).contains(&name.len()) && name.chars().all(allowed)
        };
        let is_text = |text: &String| !text.chars().any(|c| c.is_control() && c != '\n');
        let description = self
            .description
            .as_ref()
            .is_none_or(|text| (1..=500).contains(&text.chars().count()) && is_text(text));
        let Conditions {
            networks,
            environment,
        } = &self.conditions;
        description
            && self.metadata.len() <= 16
            && self.metadata.iter().map(bytes).sum::<usize>() <= 1024
            && self.metadata.keys().all(|key| is_name(key, 1024, "-./:_"))
            && !self
                .metadata
                .values()
                .any(|text| text.chars().any(char::is_control))
            && networks
                .as_ref()
                .is_none_or(|networks| networks.len() <= 100)
            && environment
                .as_ref()
                .is_none_or(|name| is_name(name, 64, "-._"))
    }
}

impl Conditions {
    /// Returns whether a request from an address to a service meets them. What a service cannot
    /// check is not met.
    pub(super) fn are_met(&self, address: Option<IpAddr>, at: Surroundings) -> bool {
        let address = address.filter(|_| at.finds_addresses);
        let from = |network: &String| address.is_some_and(|one| Network::of(network).has(one));
        let networks = self.networks.as_ref();
        let environment = self.environment.as_deref();
        networks.is_none_or(|networks| networks.iter().any(from))
            && environment.is_none_or(|environment| at.environment == Some(environment))
    }

    /// Returns whether others allow nothing more: each network lies in one of these, and the
    /// environment is the same.
    pub(super) fn cover(&self, others: &Self) -> bool {
        let lies_in = |other: &String| {
            let mut own = self.networks.iter().flatten();
            own.any(|own| Network::of(own).covers(&Network::of(other)))
        };
        let networks = match (&self.networks, &others.networks) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(_), Some(others)) => others.iter().all(lies_in),
        };
        networks && (self.environment.is_none() || self.environment == others.environment)
    }
}

/// The bits of a network, as many as its prefix has. Both families are kept apart.
struct Network {
    is_v4: bool,
    prefix: Vec<bool>,
}

impl Network {
    /// Reads one of the few networks of histories; another text is a network that has nothing.
    fn of(text: &str) -> Self {
        let (address, length) = text.split_once('/').unwrap_or((text, "0"));
        let (is_v4, mut prefix) = address.parse().map_or((false, Vec::new()), bits);
        prefix.truncate(length.parse().unwrap_or(0));
        Self { is_v4, prefix }
    }

    fn has(&self, address: IpAddr) -> bool {
        let (is_v4, bits) = bits(address);
        self.is_v4 == is_v4 && bits.starts_with(&self.prefix)
    }

    fn covers(&self, other: &Self) -> bool {
        self.is_v4 == other.is_v4 && other.prefix.starts_with(&self.prefix)
    }
}

/// Returns whether an address is one of IPv4, perhaps written as one of IPv6, and its bits, the
/// first one first.
fn bits(address: IpAddr) -> (bool, Vec<bool>) {
    let bytes = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => match address.octets() {
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, rest @ ..] => rest.to_vec(),
            bytes => bytes.to_vec(),
        },
    };
    let of_byte = |byte: &u8| {
        (0..8)
            .map(|at| byte & (0x80 >> at) != 0)
            .collect::<Vec<_>>()
    };
    (bytes.len() == 4, bytes.iter().flat_map(of_byte).collect())
}
