//! The arguments of the command.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, builder::Styles};

use crate::{
    commands::{
        completions::Completions, credential::args::Command as CredentialCommand, events::Events,
        key::KeyOf, member::Member, org::Org, prune::Prune, token::TokenOf, user::User,
    },
    settings::FurtherPrefix,
};

const ABOUT: &str = "\
Manages the API keys and personal access tokens in a store of tower-api-key.

It works beside the services that use the store. Those that follow its feed see each change at once.
Each change of a credential is in the audit trail, with the name of the operator and of the host.

The result is on standard output, remarks and errors are on standard error. A new secret is shown
once, alone on standard output. Tokens are read from standard input. There are no prompts: a
command does what it says.";

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

/// What applies to every command.
#[derive(Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// The database: sqlite:PATH or postgres://user@host:port/database
    ///
    /// Other users of the machine can see arguments. Use the variable for a URL with a password.
    #[arg(long, env = "API_KEYS_DATABASE", hide_env_values = true, global = true)]
    #[arg(value_name = "URL")]
    pub(crate) database: Option<String>,
    /// The PostgreSQL schema of the store [default: tower_api_key]
    #[arg(long, env = "API_KEYS_SCHEMA", hide_env_values = true, global = true)]
    #[arg(value_name = "NAME")]
    pub(crate) schema: Option<String>,
    /// The operator's name in the audit trail
    #[arg(
        long = "as",
        env = "USER",
        hide_env_values = true,
        default_value = "operator"
    )]
    #[arg(value_name = "NAME", global = true)]
    pub(crate) operator: String,
    /// Prints JSON: one object, or for a list one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) service: Service,
}

/// What the services that use the store are configured with. It must be the same here.
#[derive(Args)]
#[command(next_help_heading = "Settings of your services")]
pub(crate) struct Service {
    /// A JSON file with the roles, if they are not the default ones
    ///
    /// {"roles": {"editor": ["posts:write"]}, "implies": {"posts:write": ["posts:read"]}}
    #[arg(
        long,
        env = "API_KEYS_CATALOGUE",
        hide_env_values = true,
        global = true
    )]
    #[arg(value_name = "FILE", hide_short_help = true)]
    pub(crate) catalogue: Option<PathBuf>,
    /// A file with the peppers, the current one first; or their text in API_KEYS_PEPPERS
    ///
    /// A line for each: NAME=hex:0123… for bytes in hexadecimal, or NAME=text:… for the bytes of a
    /// text.
    #[arg(
        long,
        env = "API_KEYS_PEPPERS_FILE",
        hide_env_values = true,
        global = true
    )]
    #[arg(value_name = "FILE", hide_short_help = true)]
    pub(crate) peppers: Option<PathBuf>,
    /// The services accept no digests without a pepper
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) no_plain_digests: bool,
    /// The prefix of keys
    #[arg(
        long,
        env = "API_KEYS_KEY_PREFIX",
        hide_env_values = true,
        global = true
    )]
    #[arg(value_name = "PREFIX", default_value = "ak_", hide_short_help = true)]
    pub(crate) key_prefix: String,
    /// The prefix of personal tokens
    #[arg(
        long,
        env = "API_KEYS_TOKEN_PREFIX",
        hide_env_values = true,
        global = true
    )]
    #[arg(value_name = "PREFIX", default_value = "pat_", hide_short_help = true)]
    pub(crate) token_prefix: String,
    /// A prefix of imported tokens, and their shape; may be repeated
    ///
    /// PREFIX=key for keys with an id and a dot, PREFIX=key-without-id,
    /// PREFIX=key-hashed-by-secret:SEPARATOR, or PREFIX=token for personal tokens.
    #[arg(
        long,
        env = "API_KEYS_FURTHER_PREFIXES",
        hide_env_values = true,
        global = true
    )]
    #[arg(
        value_name = "PREFIX=SHAPE",
        value_delimiter = ' ',
        hide_short_help = true
    )]
    pub(crate) further_prefix: Vec<FurtherPrefix>,
    /// How many usable credentials an owner may have
    #[arg(
        long,
        env = "API_KEYS_MAX_CREDENTIALS",
        hide_env_values = true,
        global = true
    )]
    #[arg(value_name = "COUNT", default_value_t = 100, hide_short_help = true)]
    pub(crate) max_credentials: u32,
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
    /// Says what the token on standard input is; records no use
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
    /// Removes what ended long ago: credentials, audit events, rows of the change log
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
