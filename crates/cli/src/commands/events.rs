//! `api-keys events`: the audit trail of an owner.

use clap::Args;
use serde_json::json;
use tower_api_key::{
    credential::Kind,
    store::{AuditEvent, Owner},
};

use crate::{
    database::Backend,
    failure::Failure,
    moment,
    output::{Cell, Fields},
    session::Session,
};

pub(crate) const EXAMPLES: &str = "\
Examples:
  api-keys events --org org_1 --limit 20
  api-keys events --user user_1 --json | jq -r .action";

/// Events of a page, which is the most that the manager returns.
const PAGE: u32 = 200;

/// The columns of the list.
const HEADINGS: &[&str] = &["AT", "ACTION", "CREDENTIAL", "BY", "ORIGIN", "RELATED"];

#[derive(Args)]
pub(crate) struct Events {
    #[command(flatten)]
    owner: AnyOwner,
    /// Maximum number to list; all by default
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct AnyOwner {
    /// Events of the keys of this organization
    #[arg(long)]
    org: Option<String>,
    /// Events of the tokens of this user
    #[arg(long)]
    user: Option<String>,
}

impl AnyOwner {
    fn owner(&self) -> Owner {
        match (&self.org, &self.user) {
            (Some(org), _) => Owner::of(Kind::OrgKey, org),
            (None, user) => Owner::of(Kind::PersonalToken, user.as_deref().unwrap_or_default()),
        }
    }
}

pub(crate) async fn run<S: Backend>(session: &Session<S>, args: &Events) -> Result<(), Failure> {
    let owner = args.owner.owner();
    let (kind, actor) = (owner.kind(), session.actor(owner));
    let mut list = session.output.list(HEADINGS);
    let (mut left, mut before) = (args.limit.unwrap_or(usize::MAX), None);
    while left > 0 {
        let size = PAGE.min(left.try_into().unwrap_or(PAGE));
        let page = session.manager.events(&actor, kind, before, size).await?;
        left -= page.len().min(left);
        before = page.last().and_then(|event| event.number);
        for event in &page {
            list.push(event, fields, row)?;
        }
        if page.len() < size as usize || before.is_none() {
            break;
        }
    }
    Ok(list.end()?)
}

fn row(event: &AuditEvent) -> Vec<Cell> {
    let by = event.by.columns();
    let name = by.id.or(by.user);
    let by = name.map_or_else(|| by.kind.to_owned(), |name| format!("{} {name}", by.kind));
    vec![
        Cell::new(moment::show_short(event.at)),
        Cell::new(event.action.as_str()),
        Cell::new(event.credential.as_str()),
        Cell::new(by),
        Cell::optional(event.origin.as_deref()),
        Cell::optional(event.related.as_ref().map(|id| id.as_str())),
    ]
}

fn fields(event: &AuditEvent) -> Fields {
    let by = event.by.columns();
    vec![
        ("number", json!(event.number)),
        ("at", json!(moment::show(event.at))),
        ("action", json!(event.action.as_str())),
        ("org", json!(event.owner.organization())),
        ("user", json!(event.owner.user())),
        ("credential", json!(event.credential.as_str())),
        (
            "related",
            json!(event.related.as_ref().map(|id| id.as_str())),
        ),
        ("actor_kind", json!(by.kind)),
        ("actor_id", json!(by.id)),
        ("actor_user", json!(by.user)),
        ("origin", json!(event.origin)),
        ("expires_at", json!(event.expires_at.map(moment::show))),
    ]
}
