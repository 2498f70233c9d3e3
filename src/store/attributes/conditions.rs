//! Conditions: where a credential is accepted at most.

use std::net::IpAddr;

use super::Network;

/// Where a credential is accepted at most: from which networks, and by services of which
/// environment. They are checked after the proof of the secret and can only refuse.
///
/// Without a condition a credential is accepted everywhere. A condition holds only on a layer that
/// can check it, and is refused by any other: see
/// [`AuthLayer::with_client_address`](crate::AuthLayer::with_client_address) and
/// [`AuthLayer::with_environment`](crate::AuthLayer::with_environment).
///
/// ```
/// use tower_api_key::store::Conditions;
///
/// let office = Conditions::default().with_networks(["192.0.2.0/24".parse()?]);
/// let one_host = Conditions::default().with_networks(["192.0.2.7".parse()?]);
/// assert!(office.cover(&one_host) && !one_host.cover(&office));
/// # Ok::<(), tower_api_key::store::InvalidNetwork>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[must_use]
pub struct Conditions {
    /// Sorted and without duplicates.
    networks: Option<Box<[Network]>>,
    environment: Option<Box<str>>,
}

impl Conditions {
    /// Accepts the credential from these networks only; from none if there are none.
    pub fn with_networks(self, networks: impl IntoIterator<Item = Network>) -> Self {
        let mut networks = Vec::from_iter(networks);
        networks.sort_unstable();
        networks.dedup();
        Self {
            networks: Some(networks.into()),
            ..self
        }
    }

    /// Accepts the credential from every network.
    pub fn without_networks(self) -> Self {
        Self {
            networks: None,
            ..self
        }
    }

    /// Accepts the credential only on a service that declares this environment, such as `test` or
    /// `live`: 1 to 64 letters, digits and `-._` of ASCII.
    pub fn with_environment(self, environment: impl Into<Box<str>>) -> Self {
        Self {
            environment: Some(environment.into()),
            ..self
        }
    }

    /// Accepts the credential in every environment.
    pub fn without_environment(self) -> Self {
        Self {
            environment: None,
            ..self
        }
    }

    /// Returns the only networks from which the credential is accepted; `None` if from all.
    #[must_use]
    pub fn networks(&self) -> Option<&[Network]> {
        self.networks.as_deref()
    }

    /// Returns the only environment in which the credential is accepted; `None` if in all.
    #[must_use]
    pub fn environment(&self) -> Option<&str> {
        self.environment.as_deref()
    }

    /// Returns whether there is no condition.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.networks.is_none() && self.environment.is_none()
    }

    /// Returns whether they hold wherever `other` holds, so that `other` allows no more.
    #[must_use]
    pub fn cover(&self, other: &Self) -> bool {
        let inside = |network: &Network| {
            let mut networks = self.networks.iter().flatten();
            networks.any(|own| own.covers(network))
        };
        let networks = self.networks.is_none()
            || (other.networks()).is_some_and(|networks| networks.iter().all(inside));
        let environment = self.environment.is_none() || self.environment == other.environment;
        networks && environment
    }

    /// Returns whether the credential is accepted from an address.
    pub(crate) fn accept_from(&self, address: IpAddr) -> bool {
        self.networks()
            .is_none_or(|networks| networks.iter().any(|network| network.contains(address)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*};

    use super::*;

    fn conditions() -> impl Strategy<Value = Conditions> {
        let network = (0u8..=3, prop_oneof![Just(30u8), Just(31), Just(32)]);
        let networks = option::of(vec(network, 0..3));
        let environment = option::of(prop_oneof![Just("test"), Just("live")]);
        (networks, environment).prop_map(|(networks, environment)| {
            let mut made = Conditions::default();
            if let Some(networks) = networks {
                made = made.with_networks(networks.into_iter().map(|(host, length)| {
                    let host = host & (255u16 << (32 - length)) as u8;
                    format!("10.0.0.{host}/{length}").parse().unwrap()
                }));
            }
            match environment {
                Some(environment) => made.with_environment(environment),
                None => made,
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_covered_allows_nothing_more(one in conditions(), other in conditions()) {
            let addresses = || (0..=4).map(|host| IpAddr::from([10, 0, 0, host]));
            let environments = || [None, Some("test"), Some("live")];
            let holds = |conditions: &Conditions, address, environment: Option<&str>| {
                conditions.accept_from(address)
                    && conditions.environment().is_none_or(|own| Some(own) == environment)
            };
            if one.cover(&other) {
                for (address, environment) in
                    addresses().flat_map(|address| environments().map(|one| (address, one)))
                {
                    prop_assert!(!holds(&other, address, environment)
                        || holds(&one, address, environment));
                }
            }
            prop_assert!(one.cover(&one) && Conditions::default().cover(&one));
            prop_assert_eq!(one.cover(&Conditions::default()), one.is_empty());
        }
    }
}
