//! `api-keys check`: whether the database keeps what the store relies on.

use serde_json::json;
use tower_api_key_sqlx::{BrokenAssumption, SetupError};

use crate::{database::Backend, failure::Failure, output::Output, session::Session};

pub(crate) async fn run<S: Backend>(session: &Session<S>) -> Result<(), Failure> {
    match session.store().check().await {
        Ok(()) => report(session.output, &[]),
        Err(error) => refused(session.output, error.into()),
    }
}

/// Reports the assumptions that do not hold, if that is what the failure is about: a store with
/// some of them is not even opened.
pub(crate) fn refused(output: Output, failure: Failure) -> Result<(), Failure> {
    match failure {
        Failure::Setup(SetupError::BrokenAssumptions { broken, .. }) => report(output, &broken),
        other => Err(other),
    }
}

/// Writes a line for each assumption that does not hold.
fn report(output: Output, broken: &[BrokenAssumption]) -> Result<(), Failure> {
    let texts: Vec<_> = broken.iter().map(ToString::to_string).collect();
    if output.is_json() {
        let fields = vec![("ok", json!(texts.is_empty())), ("broken", json!(texts))];
        output.json_line(&fields)?;
    } else if texts.is_empty() {
        output.line("ok: the database keeps what the store relies on")?;
    }
    for text in texts.iter().filter(|_| !output.is_json()) {
        output.line(&format!("broken: {}", crate::output::visible(text)))?;
    }
    match texts.len() {
        0 => Ok(()),
        count => Err(Failure::Check(count)),
    }
}
