//! `api-keys key import` and `api-keys token import`: credentials of another system by their
//! digests, a line for each.
//!
//! Each line is a change of its own. A bad one is reported by its number, without what is in it,
//! and the others are imported all the same. A database that fails ends the import.

mod line;
mod lines;
mod progress;

use std::io;

use clap::ValueEnum;
use serde_json::json;
use tower_api_key::{
    manage::{Import, ManageError},
    store::Owner,
};

use self::{line::BadLine, progress::Progress};
use super::credential::args::{Import as Arguments, OwnerArgs};
use crate::{database::Backend, failure::Failure, output::Fields, session::Session};

pub(crate) const HELP: &str = "\
Fields of a line, as a JSON object (jsonl) or in the columns that the first line names (csv):
  id             a key's is the part of the token between prefix and dot; if a key has none, it is
                 computed from the digest. Tokens need one; any name will do
  digest         SHA-256 of the whole token, in hexadecimal or Base64; required
  name           required
  org or user    the owner, unless --org or --user names it
  role           of a key
  scopes         of a key, or to which a token is restricted: a list, or separated by blanks
  organizations  to which a token is restricted
  description
  created_at     RFC 3339, or milliseconds since 1970
  expires_at     the same; absent means never
  salt, salted   if the digest is one of salt and token: the salt in hexadecimal, and sha256-prefix
                 (the salt comes first) or sha256-suffix

Each line is imported by itself. Bad lines are reported by their numbers, and the exit code is then
3. A second run reports what the first one imported as taken; with --skip-taken it counts as done.

Examples:
  api-keys key import --org org_1 <keys.jsonl
  api-keys key import --format csv --skip-taken <keys.csv
  echo '{\"id\":\"billing\",\"digest\":\"9436…\",\"name\":\"export\",\"role\":\"viewer\"}' |
    api-keys key import --org org_1";

/// The format of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A JSON object a line
    Jsonl,
    /// Comma-separated values; the first line names the columns
    Csv,
}

/// How many lines ended how.
#[derive(Debug, Default)]
struct Counts {
    imported: u64,
    taken: u64,
    refused: u64,
}

pub(crate) async fn run<O: OwnerArgs, S: Backend>(
    session: &Session<S>,
    arguments: Arguments<O>,
) -> Result<(), Failure> {
    let (progress, skip_taken) = (Progress::start(), arguments.skip_taken);
    let counts = import_all(session, arguments, &progress).await;
    progress.end();
    let counts = counts?;
    session.output.record(&counts.fields())?;
    counts.result(skip_taken)
}

/// Imports each line, and reports the bad ones.
async fn import_all<O: OwnerArgs, S: Backend>(
    session: &Session<S>,
    arguments: Arguments<O>,
    progress: &Progress,
) -> Result<Counts, Failure> {
    let default: Option<String> = arguments.owner.into();
    let input = progress.reading(io::stdin().lock());
    let mut counts = Counts::default();
    for next in lines::read(arguments.format, input) {
        let (line, fields) = next.map_err(Failure::Input)?;
        let parsed = fields.and_then(|fields| line::parse::<O>(fields, default.as_deref()));
        let imported = match parsed {
            Ok((owner, import)) => import_one(session, owner, import).await,
            Err(bad) => Err(bad),
        };
        counts.add(&imported);
        progress.show(counts.total());
        match imported {
            Err(BadLine::Refused(source @ ManageError::Unavailable(_))) => {
                return Err(Failure::ImportStopped { line, source });
            }
            Err(bad) if !(bad.is_taken() && arguments.skip_taken) => progress.report(line, &bad),
            _ => {}
        }
    }
    Ok(counts)
}

async fn import_one<S: Backend>(
    session: &Session<S>,
    owner: Owner,
    import: Import,
) -> Result<(), BadLine> {
    let (kind, actor) = (owner.kind(), session.actor(owner));
    session.manager.import(&actor, kind, import).await?;
    Ok(())
}

impl Counts {
    fn add(&mut self, imported: &Result<(), BadLine>) {
        match imported {
            Ok(()) => self.imported += 1,
            Err(bad) if bad.is_taken() => self.taken += 1,
            Err(_) => self.refused += 1,
        }
    }

    fn total(&self) -> u64 {
        self.imported + self.taken + self.refused
    }

    fn fields(&self) -> Fields {
        vec![
            ("imported", json!(self.imported)),
            ("taken", json!(self.taken)),
            ("refused", json!(self.refused)),
        ]
    }

    /// Returns whether all lines are imported, now or before.
    fn result(&self, skip_taken: bool) -> Result<(), Failure> {
        let (taken, refused) = (self.taken, self.refused);
        match refused == 0 && (taken == 0 || skip_taken) {
            true => Ok(()),
            false => Err(Failure::Import { refused, taken }),
        }
    }
}
