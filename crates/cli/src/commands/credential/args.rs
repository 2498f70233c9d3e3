//! The arguments that keys and tokens share.

use std::{future::Future, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    manage::Issued,
    store::{Attributes, Conditions, EffectiveStatus, Filter, Metadata, Owner},
};

use crate::{
    commands::import::Format,
    database::Backend,
    failure::Failure,
    moment::{Expiry, ago, ahead, duration, expiry},
    session::Session,
};

/// Names the owner of the credentials, which determines their kind.
pub(crate) trait OwnerArgs: Args {
    /// The kind of the owner's credentials.
    const KIND: Kind;
    /// The field of an import that names the owner.
    const FIELD: &'static str;
    /// The arguments for what a new credential may do.
    type Rights: Args;

    fn owner(&self) -> Owner;

    /// Issues a credential.
    fn issue<S: Backend>(
        session: &Session<S>,
        owner: Owner,
        common: &Common,
        rights: Self::Rights,
        attributes: Attributes,
    ) -> impl Future<Output = Result<Issued, Failure>> + Send;
}

#[derive(Subcommand)]
pub(crate) enum Command<O: OwnerArgs> {
    /// Issues one, and prints its secret once, alone on standard output
    #[command(after_help = super::create::EXAMPLES)]
    Create(Create<O>),
    /// Lists them, newest first
    #[command(after_help = super::list::EXAMPLES)]
    List(List<O>),
    /// Shows one, also if it is deleted
    Show(One<O>),
    /// Replaces one with another of the same rights, and prints the new secret once
    #[command(after_help = super::change::ROTATE_EXAMPLES)]
    Rotate(Rotate<O>),
    /// Disables one until it is enabled again
    Disable(One<O>),
    /// Enables a disabled one
    Enable(One<O>),
    /// Revokes one, or all of the owner, forever
    Revoke(Revoke<O>),
    /// Imports those of another system by their digests, from standard input
    #[command(after_long_help = crate::commands::import::HELP)]
    Import(Import),
}

#[derive(Args)]
pub(crate) struct Create<O: OwnerArgs> {
    #[command(flatten)]
    pub(crate) owner: O,
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) rights: O::Rights,
    #[command(flatten)]
    pub(crate) attributes: AttributeArgs,
}

#[derive(Args)]
pub(crate) struct Common {
    /// Its name: 1 to 100 characters
    #[arg(long)]
    pub(crate) name: String,
    /// When it expires: a date, a duration such as 90d, or never
    #[arg(long, value_name = "WHEN", default_value = "never", value_parser = expiry)]
    pub(crate) expires: Expiry,
    /// Makes it safe to repeat the command: no second one is issued under the same key
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
}

#[derive(Args)]
pub(crate) struct AttributeArgs {
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// A pair of its metadata; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
    /// The networks from which it is accepted, in CIDR notation, separated by commas
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    networks: Option<Vec<String>>,
    /// The environment in which it is accepted
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
}

impl AttributeArgs {
    /// Returns the attributes.
    pub(crate) fn attributes(self) -> Result<Attributes, Failure> {
        let metadata = Metadata::new(self.metadata);
        let metadata = metadata.map_err(|error| Failure::Argument("--metadata", error.into()))?;
        let mut conditions = Conditions::default();
        if let Some(networks) = self.networks {
            let networks: Result<Vec<_>, _> = networks.iter().map(|text| text.parse()).collect();
            let invalid = |error| Failure::Argument("--networks", Box::new(error));
            conditions = conditions.with_networks(networks.map_err(invalid)?);
        }
        if let Some(environment) = self.environment {
            conditions = conditions.with_environment(environment);
        }
        let attributes = Attributes::default()
            .with_metadata(metadata)
            .with_conditions(conditions);
        Ok(match self.description {
            Some(description) => attributes.with_description(description),
            None => attributes,
        })
    }
}

#[derive(Args)]
pub(crate) struct List<O: OwnerArgs> {
    #[command(flatten)]
    pub(crate) owner: O,
    /// Only those in this state; all but deleted ones by default
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only those that expire before this: a date, or a duration from now on
    #[arg(long, value_name = "WHEN", value_parser = ahead)]
    expiring_before: Option<UnixMillis>,
    /// Only those not used since this: a date, or a duration before now
    #[arg(long, value_name = "WHEN", value_parser = ago)]
    unused_since: Option<UnixMillis>,
    /// Only those with this pair in their metadata
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    metadata: Option<(String, String)>,
    /// At most so many; all by default
    #[arg(long, value_name = "COUNT")]
    pub(crate) limit: Option<usize>,
}

impl<O: OwnerArgs> List<O> {
    /// Returns the filter.
    pub(crate) fn filter(&self) -> Filter {
        let filter = Filter::default()
            .with_state(self.state.map(EffectiveStatus::from))
            .with_expiring_before(self.expiring_before)
            .with_unused_since(self.unused_since);
        match &self.metadata {
            Some((key, value)) => filter.with_metadata(key.as_str(), value.as_str()),
            None => filter,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum State {
    Active,
    Disabled,
    Expired,
    Deleted,
}

impl From<State> for EffectiveStatus {
    fn from(state: State) -> Self {
        match state {
            State::Active => Self::Active,
            State::Disabled => Self::Disabled,
            State::Expired => Self::Expired,
            State::Deleted => Self::Deleted,
        }
    }
}

#[derive(Args)]
pub(crate) struct One<O: OwnerArgs> {
    #[command(flatten)]
    pub(crate) owner: O,
    /// Its id, as in lists
    pub(crate) id: String,
}

#[derive(Args)]
pub(crate) struct Rotate<O: OwnerArgs> {
    #[command(flatten)]
    pub(crate) one: One<O>,
    /// How long the old one stays valid, at most 7d; by default it ends at once
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) overlap: Option<Duration>,
    /// When the new one expires; as the old one by default
    #[arg(long, value_name = "WHEN", value_parser = expiry)]
    pub(crate) expires: Option<Expiry>,
    /// Makes it safe to repeat the command
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
}

#[derive(Args)]
pub(crate) struct Revoke<O: OwnerArgs> {
    #[command(flatten)]
    pub(crate) owner: O,
    /// Its id, as in lists
    #[arg(required_unless_present = "all")]
    pub(crate) id: Option<String>,
    /// All of the owner
    #[arg(long, conflicts_with = "id")]
    pub(crate) all: bool,
}

#[derive(Args)]
pub(crate) struct Import {
    /// The owner of those whose line names none
    #[arg(long, visible_aliases = ["org", "user"], value_name = "ID")]
    pub(crate) owner: Option<String>,
    /// The format of standard input
    #[arg(long, value_enum, default_value = "jsonl")]
    pub(crate) format: Format,
    /// Counts what is already taken as done, for a second run
    #[arg(long)]
    pub(crate) skip_taken: bool,
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("use KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}
