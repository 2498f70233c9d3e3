//! The words of the table.

use tower_api_key::{
    credential::Kind,
    store::{Change, FeedEvent},
};
use tower_api_key_sqlx::SetupError;

pub(super) fn last_word(text: &str) -> Option<&str> {
    text.split(' ').next_back()
}

pub(super) fn is_lost(events: &[FeedEvent]) -> bool {
    let state = |event: &&FeedEvent| !matches!(event, FeedEvent::Changed(_));
    events.iter().rfind(state) == Some(&FeedEvent::Lost)
}

pub(super) fn changed(id: &str) -> FeedEvent {
    FeedEvent::Changed(Change::Credential {
        kind: Kind::OrgKey,
        id: id.into(),
    })
}

/// Names events; equal ones in a row are named once.
pub(super) fn words(events: &[FeedEvent]) -> String {
    let mut words: Vec<_> = events
        .iter()
        .map(|event| match event {
            FeedEvent::Changed(Change::Everything) => "everything",
            FeedEvent::Changed(_) => "changed",
            FeedEvent::Lost => "lost",
            FeedEvent::Restored => "restored",
        })
        .collect();
    words.dedup();
    match words.is_empty() {
        true => "silent".to_owned(),
        false => words.join(" "),
    }
}

/// Names what a check found: the variants of the error, without their content.
pub(super) fn check_word(outcome: Result<(), SetupError>) -> String {
    let variant = |debug: String| {
        let end = debug.find(|c: char| !c.is_alphanumeric());
        debug[..end.unwrap_or(debug.len())].to_owned()
    };
    match outcome {
        Ok(()) => "ok".to_owned(),
        Err(SetupError::BrokenAssumptions { broken, .. }) => {
            let mut names: Vec<_> = broken.iter().map(|b| variant(format!("{b:?}"))).collect();
            names.dedup();
            names.join(" ")
        }
        Err(other) => variant(format!("{other:?}")),
    }
}
