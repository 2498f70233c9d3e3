//! The arguments that keys and tokens share.

use std::{future::Future, time::Duration};

use clap::{Args, Subcommand};
use tower_api_key::{
    credential::Kind,
    manage::Issued,
    store::{Attributes, Owner},
};

use super::{attributes::AttributeArgs, edit::Edit, list::List};
use crate::{
    commands::import::Format,
    database::Backend,
    failure::Failure,
    moment::{Expiry, duration, expiry},
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
    /// The argument for the owner of imported credentials, which their lines may name, too.
    type OfImport: Args + Into<Option<String>>;

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
    /// Issues a new one, and prints its secret once, alone on standard output
    #[command(after_help = super::create::EXAMPLES)]
    Create(Create<O>),
    /// Lists them, newest first
    #[command(after_help = super::list::EXAMPLES)]
    List(List<O>),
    /// Shows one, even if it is deleted
    Show(One<O>),
    /// Changes the name, the description, the metadata or the conditions of one
    #[command(after_help = super::edit::EXAMPLES)]
    Edit(Edit<O>),
    /// Replaces one with a new one that has the same rights, and prints the new secret once
    #[command(after_help = super::change::ROTATE_EXAMPLES)]
    Rotate(Rotate<O>),
    /// Disables one until it is enabled again
    Disable(One<O>),
    /// Enables a disabled one
    Enable(One<O>),
    /// Revokes one, or all of the owner's, forever
    Revoke(Revoke<O>),
    /// Imports credentials of another system by their digests, from standard input
    #[command(after_long_help = crate::commands::import::HELP)]
    Import(Import<O>),
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
pub(crate) struct One<O: OwnerArgs> {
    #[command(flatten)]
    pub(crate) owner: O,
    /// The id, as lists show it
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
    /// The id, as lists show it
    #[arg(required_unless_present = "all")]
    pub(crate) id: Option<String>,
    /// Revokes all of the owner's
    #[arg(long, conflicts_with = "id")]
    pub(crate) all: bool,
}

#[derive(Args)]
pub(crate) struct Import<O: OwnerArgs> {
    #[command(flatten)]
    pub(crate) owner: O::OfImport,
    /// The format of standard input
    #[arg(long, value_enum, default_value = "jsonl")]
    pub(crate) format: Format,
    /// Counts what is already taken as done, to run an import again
    #[arg(long)]
    pub(crate) skip_taken: bool,
}
