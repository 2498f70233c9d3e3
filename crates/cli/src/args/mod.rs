//! The arguments of the command.

mod global;

use clap::{Args, Parser, Subcommand, builder::Styles};

pub(crate) use global::{Global, Service};

use crate::commands::{
    completions::Completions, credential::args::Command as CredentialCommand, events::Events,
    key::KeyOf, member::Member, org::Org, prune::Prune, token::TokenOf, user::User,
};

const ABOUT: &str = "\
Manages the API keys and personal access tokens in a store of tower-api-key.

It works beside the services that use the store. Those that follow its feed see each change at once.
Each change of a credential is in the audit trail, with the name of the operator and of the host.

The result is on standard output, remarks and errors are on standard error. A new secret is shown
once, alone on standard output. Tokens are read from standard input. Commands never prompt.";

const EXAMPLES: &str = "\
Examples:
  export API_KEYS_DATABASE=sqlite:/var/lib/service/keys.db
  api-keys migrate
  api-keys org create org_1
  api-keys key create --org org_1 --name ci --role viewer --expires 90d >ci.key
  api-keys key list --org org_1 --state active
  api-keys whois <leaked.txt
  api-keys revoke <leaked.txt

Exit codes:
  0  done
  1  failed: the database, standard input or output
  2  the arguments or the settings are wrong
  3  refused: unknown, taken, deleted, or against a rule
  4  the database does not keep what the store relies on (see api-keys check)

Databases:
  sqlite:PATH or sqlite://PATH           a file; PATH is taken as it is, without parameters
  postgres://USER:PASSWORD@HOST:PORT/DB  also postgresql://; what is left out comes from PGHOST,
                                         PGPASSWORD and so on, and from .pgpass";

#[derive(Parser)]
#[command(
    name = "api-keys",
    version,
    about = "Manages the API keys and personal access tokens in a store of tower-api-key",
    long_about = ABOUT,
    after_long_help = EXAMPLES,
    styles = Styles::styled(),
    arg_required_else_help = true,
    subcommand_required = true,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Organizations
    #[command(subcommand)]
    Org(Org),
    /// Users
    #[command(subcommand)]
    User(User),
    /// Memberships of users in organizations
    #[command(subcommand)]
    Member(Member),
    /// Keys of organizations
    #[command(subcommand)]
    Key(CredentialCommand<KeyOf>),
    /// Personal access tokens of users
    #[command(subcommand)]
    Token(CredentialCommand<TokenOf>),
    /// Shows what the token on standard input is; records no use
    #[command(after_help = "Example:\n  api-keys whois <leaked.txt")]
    Whois(FromInput),
    /// Revokes the token on standard input, whoever owns it
    #[command(after_help = "Example:\n  api-keys revoke <leaked.txt")]
    Revoke(FromInput),
    /// Checks what the store relies on in its database
    Check,
    /// Lists the audit trail of an owner, newest first
    #[command(after_help = crate::commands::events::EXAMPLES)]
    Events(Events),
    /// Removes old rows: ended credentials, audit events, the change log
    #[command(after_help = crate::commands::prune::EXAMPLES)]
    Prune(Prune),
    /// Creates or updates the store's schema; creates a missing SQLite file
    Migrate,
    /// Prints the completions of a shell
    #[command(after_help = crate::commands::completions::EXAMPLES)]
    Completions(Completions),
}

/// A command that reads a token from standard input and takes none as an argument.
#[derive(Args)]
pub(crate) struct FromInput {
    /// Is refused without being repeated, where clap would show it.
    #[arg(hide = true)]
    pub(crate) refused: Vec<String>,
}
