//! Attributes: what is kept with a credential beside what its owner may do.

mod conditions;
mod metadata;
mod network;

pub use conditions::Conditions;
pub use metadata::{InvalidMetadata, Metadata};
pub use network::{InvalidNetwork, Network};

/// What is kept with a credential beside what its owner may do: for people a description, for
/// programs [`Metadata`], and [`Conditions`] under which it is accepted. All can be changed later.
///
/// ```
/// use tower_api_key::store::{Attributes, Conditions, Metadata};
///
/// let attributes = Attributes::default()
///     .with_description("Exports the calls of the day before.")
///     .with_metadata(Metadata::new([("team", "reporting")])?)
///     .with_conditions(Conditions::default().with_networks(["192.0.2.0/24".parse()?]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Attributes {
    /// What the credential is for, at most 500 characters. Nothing depends on it.
    pub description: Option<Box<str>>,
    /// Pairs of the owner's own. They decide nothing, unless a
    /// [condition](crate::AuthLayer::with_condition) of the service looks at them.
    pub metadata: Metadata,
    /// Where the credential is accepted at most.
    pub conditions: Conditions,
}

/// Why a credential cannot have such attributes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidAttributes {
    /// The description is blank, has more than 500 characters, or contains a character that cannot
    /// be seen or reorders text, other than a line feed.
    #[error(
        "a description must be 1 to {MAX_DESCRIPTION} characters long, not blank, and without hidden \
         characters other than line feeds"
    )]
    Description,
    /// The metadata breaks one of its limits.
    #[error(transparent)]
    Metadata(#[from] InvalidMetadata),
    /// A text is not a network.
    #[error(transparent)]
    Network(#[from] InvalidNetwork),
    /// There are more than 100 networks.
    #[error("there are {0} networks; the most is {MAX_NETWORKS}")]
    TooManyNetworks(usize),
    /// The name of an environment is empty, longer than 64 characters, or contains another
    /// character than letters, digits and `-._`.
    #[error("{0:?} is not an environment: use 1 to {MAX_ENVIRONMENT} letters, digits and `-._`")]
    Environment(Box<str>),
}

/// Maximum length of a description, in characters.
const MAX_DESCRIPTION: usize = 500;

/// Maximum number of networks.
const MAX_NETWORKS: usize = 100;

/// Maximum length of the name of an environment.
const MAX_ENVIRONMENT: usize = 64;

impl Attributes {
    /// Sets the description.
    #[must_use]
    pub fn with_description(self, description: impl Into<Box<str>>) -> Self {
        Self {
            description: Some(description.into()),
            ..self
        }
    }

    /// Sets the metadata.
    #[must_use]
    pub fn with_metadata(self, metadata: Metadata) -> Self {
        Self { metadata, ..self }
    }

    /// Sets the conditions.
    #[must_use]
    pub fn with_conditions(self, conditions: Conditions) -> Self {
        Self { conditions, ..self }
    }

    /// Checks the limits of each.
    pub(crate) fn check(&self) -> Result<(), InvalidAttributes> {
        if let Some(description) = &self.description
            && !is_description(description)
        {
            return Err(InvalidAttributes::Description);
        }
        self.metadata.check()?;
        let networks = self.conditions.networks().unwrap_or_default().len();
        if networks > MAX_NETWORKS {
            return Err(InvalidAttributes::TooManyNetworks(networks));
        }
        match self.conditions.environment() {
            Some(environment) if !is_environment(environment) => {
                Err(InvalidAttributes::Environment(environment.into()))
            }
            _ => Ok(()),
        }
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.description.is_none() && self.metadata.is_empty() && self.conditions.is_empty()
    }
}

fn is_description(text: &str) -> bool {
    !text.is_empty()
        && text.chars().nth(MAX_DESCRIPTION).is_none()
        && !text.chars().any(|c| c.is_control() && c != '\n')
}

/// Returns whether a text can be the name of an environment.
pub(crate) fn is_environment(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (1..=MAX_ENVIRONMENT).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_has_its_error() {
        let described = |text: &str| Attributes {
            description: Some(text.into()),
            ..Attributes::default()
        };
        let longest = "\u{e9}".repeat(500);
        for text in ["a", "two\nlines", &longest] {
            assert_eq!(described(text).check(), Ok(()), "{text:?}");
        }
        for text in ["", "a\0", "a\r\nb", "\u{85}", &format!("{longest}a")] {
            let refused = described(text).check();
            assert_eq!(refused, Err(InvalidAttributes::Description), "{text:?}");
        }
        let under = |conditions: Conditions| Attributes {
            conditions,
            ..Attributes::default()
        };
        let networks = |count: u8| {
            let networks = (0..count).map(|host| std::net::IpAddr::from([10, 0, 0, host]).into());
            under(Conditions::default().with_networks(networks))
        };
        assert_eq!(networks(100).check(), Ok(()));
        let refused = networks(101).check();
        assert_eq!(refused, Err(InvalidAttributes::TooManyNetworks(101)));
        let in_environment = |name: &str| under(Conditions::default().with_environment(name));
        let longest = "a".repeat(64);
        for name in ["live", "eu-1.test_2", &longest] {
            assert_eq!(in_environment(name).check(), Ok(()), "{name:?}");
        }
        for name in ["", "a b", "\u{e9}", "a\n", &format!("{longest}a")] {
            let refused = InvalidAttributes::Environment(name.into());
            assert_eq!(in_environment(name).check(), Err(refused), "{name:?}");
        }
        let pairs = (0..17).map(|number| (number.to_string(), ""));
        let attributes = Attributes {
            metadata: Metadata::from_stored(pairs),
            ..Attributes::default()
        };
        let refused = InvalidMetadata::TooManyPairs(17).into();
        assert_eq!(attributes.check(), Err(refused));
    }
}
