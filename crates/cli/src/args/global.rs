//! The options of every command.

use std::path::PathBuf;

use clap::Args;

use crate::settings::FurtherPrefix;

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
