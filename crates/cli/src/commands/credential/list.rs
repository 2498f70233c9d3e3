//! Lists of credentials, page by page.

use super::{
    args::{List, OwnerArgs},
    view,
};
use crate::{database::Backend, failure::Failure, output::Table, session::Session};

pub(super) const EXAMPLES: &str = "\
Examples:
  api-keys key list --org org_1 --expiring-before 30d
  api-keys key list --org org_1 --unused-since 90d --json | jq -r .id
  api-keys token list --user user_1 --state deleted";

/// Credentials of a page, which is the most that the manager returns.
const PAGE: usize = 200;

pub(super) async fn run<O: OwnerArgs, S: Backend>(
    session: &Session<S>,
    arguments: &List<O>,
) -> Result<(), Failure> {
    let (output, manager) = (session.output, &session.manager);
    let (actor, filter) = (session.actor(arguments.owner.owner()), arguments.filter());
    let mut table = Table::with_headings(view::HEADINGS);
    let (mut left, mut cursor) = (arguments.limit.unwrap_or(usize::MAX), None);
    while left > 0 {
        let size = u32::try_from(left.min(PAGE)).unwrap_or(u32::MAX);
        let page = manager
            .list(&actor, O::KIND, &filter, cursor.as_ref(), size)
            .await?;
        left -= page.items.len().min(left);
        for info in &page.items {
            match output.is_json() {
                true => output.json_line(&view::fields(info))?,
                false => table.push(view::row(info)),
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    match output.is_json() {
        true => Ok(()),
        false => Ok(table.write(&mut anstream::stdout().lock())?),
    }
}
