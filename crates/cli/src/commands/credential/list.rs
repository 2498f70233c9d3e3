//! Lists of credentials, page by page.

use clap::{Args, ValueEnum};
use tower_api_key::{
    clock::UnixMillis,
    store::{EffectiveStatus, Filter},
};

use super::{args::OwnerArgs, attributes::pair, view};
use crate::{
    database::Backend,
    failure::Failure,
    moment::{ago, ahead},
    session::Session,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  api-keys key list --org org_1 --expiring-before 30d
  api-keys key list --org org_1 --unused-since 90d --json | jq -r .id
  api-keys key list --org org_1 --name deploy
  api-keys token list --user user_1 --state deleted";

/// Credentials of a page, which is the most that the manager returns.
const PAGE: usize = 200;

#[derive(Args)]
pub(crate) struct List<O: OwnerArgs> {
    #[command(flatten)]
    owner: O,
    /// Only those in this state; all but deleted ones by default
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only those that expire before this: a date, or a duration from now on
    #[arg(long, value_name = "WHEN", value_parser = ahead)]
    expiring_before: Option<UnixMillis>,
    /// Only those not used since this: a date, or a duration before now
    #[arg(long, value_name = "WHEN", value_parser = ago)]
    unused_since: Option<UnixMillis>,
    /// Only those whose name contains this, in upper or lower case
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Only those with this pair in their metadata
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    metadata: Option<(String, String)>,
    /// Maximum number to list; all by default
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
}

impl<O: OwnerArgs> List<O> {
    /// Returns the filter.
    fn filter(&self) -> Filter {
        let mut filter = Filter::default()
            .with_state(self.state.map(EffectiveStatus::from))
            .with_expiring_before(self.expiring_before)
            .with_unused_since(self.unused_since);
        if let Some(name) = &self.name {
            filter = filter.with_name(name.as_str());
        }
        if let Some((key, value)) = &self.metadata {
            filter = filter.with_metadata(key.as_str(), value.as_str());
        }
        filter
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

pub(super) async fn run<O: OwnerArgs, S: Backend>(
    session: &Session<S>,
    arguments: &List<O>,
) -> Result<(), Failure> {
    let (actor, filter) = (session.actor(arguments.owner.owner()), arguments.filter());
    let mut list = session.output.list(view::HEADINGS);
    let (mut left, mut cursor) = (arguments.limit.unwrap_or(usize::MAX), None);
    while left > 0 {
        let size = u32::try_from(left.min(PAGE)).unwrap_or(u32::MAX);
        let (manager, after) = (&session.manager, cursor.as_ref());
        let page = manager.list(&actor, O::KIND, &filter, after, size).await?;
        left -= page.items.len().min(left);
        for info in &page.items {
            list.push(info, view::fields, view::row)?;
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    Ok(list.end()?)
}
