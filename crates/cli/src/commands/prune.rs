//! `api-keys prune`: removes what ended long ago, as a service with a retention task does.

use clap::Args;
use serde_json::json;
use tower_api_key::store::Retention;

use crate::{
    database::Backend,
    failure::Failure,
    moment::{Kept, kept},
    session::Session,
};

pub(crate) const EXAMPLES: &str = "\
Durations are written as 30d, 12h or 1y, or forever, which removes nothing. A removed credential
leaves its id, which stays taken.

Examples:
  api-keys prune
  api-keys prune --deleted 30d --events forever";

/// The defaults are those of the library's `Retention`.
#[derive(Args)]
pub(crate) struct Prune {
    /// How long deleted credentials are kept
    #[arg(long, value_name = "AGE", default_value = "90d", value_parser = kept)]
    deleted: Kept,
    /// How long expired credentials are kept
    #[arg(long, value_name = "AGE", default_value = "365d", value_parser = kept)]
    expired: Kept,
    /// How long idempotency keys are kept
    #[arg(long, value_name = "AGE", default_value = "24h", value_parser = kept)]
    idempotency_keys: Kept,
    /// How long audit events are kept
    #[arg(long, value_name = "AGE", default_value = "730d", value_parser = kept)]
    events: Kept,
    /// How long the last use of a credential is kept
    #[arg(long, value_name = "AGE", default_value = "400d", value_parser = kept)]
    uses: Kept,
    /// How long rows of the change log are kept
    #[arg(long, value_name = "AGE", default_value = "7d", value_parser = kept)]
    changes: Kept,
}

impl Prune {
    fn retention(&self) -> Retention {
        Retention::default()
            .with_deleted(self.deleted.0)
            .with_expired(self.expired.0)
            .with_idempotency_keys(self.idempotency_keys.0)
            .with_events(self.events.0)
            .with_uses(self.uses.0)
            .with_changes(self.changes.0)
    }
}

pub(crate) async fn run<S: Backend>(session: &Session<S>, args: &Prune) -> Result<(), Failure> {
    let swept = session.manager.sweep(&args.retention()).await?;
    let fields = vec![
        ("credentials", json!(swept.credentials)),
        ("idempotency_keys", json!(swept.idempotency_keys)),
        ("events", json!(swept.events)),
        ("uses", json!(swept.uses)),
        ("changes", json!(swept.changes)),
    ];
    Ok(session.output.record(&fields)?)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        prune: Prune,
    }

    #[test]
    fn the_defaults_are_those_of_the_library() {
        let alone = Alone::try_parse_from(["prune"]).ok().unwrap();
        assert_eq!(alone.prune.retention(), Retention::default());
    }
}
