//! Editing: the name, the description, the metadata and the conditions.

use clap::Args;
use tower_api_key::{manage::Edit as Change, store::Metadata};

use super::{
    args::{One, OwnerArgs},
    attributes::{metadata, networks, pair},
    change::changed,
};
use crate::{database::Backend, failure::Failure, session::Session};

pub(super) const EXAMPLES: &str = "\
Examples:
  api-keys key edit --org org_1 KEY_ID --name nightly
  api-keys key edit --org org_1 KEY_ID --networks 192.0.2.0/24 --no-environment";

#[derive(Args)]
pub(crate) struct Edit<O: OwnerArgs> {
    #[command(flatten)]
    one: One<O>,
    #[command(flatten)]
    changes: Changes,
}

#[derive(Args)]
#[group(required = true, multiple = true)]
struct Changes {
    /// Its new name
    #[arg(long)]
    name: Option<String>,
    /// Its new description
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Removes the description
    #[arg(long, conflicts_with = "description")]
    no_description: bool,
    /// A pair of its new metadata, which replaces the old; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
    /// Removes the metadata
    #[arg(long, conflicts_with = "metadata")]
    no_metadata: bool,
    /// The networks from which it is accepted from now on
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    networks: Option<Vec<String>>,
    /// Accepts it from everywhere
    #[arg(long, conflicts_with = "networks")]
    no_networks: bool,
    /// The environment in which it is accepted from now on
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// Accepts it in every environment
    #[arg(long, conflicts_with = "environment")]
    no_environment: bool,
}

pub(super) async fn run<O: OwnerArgs, S: Backend>(
    session: &Session<S>,
    Edit { one, changes }: Edit<O>,
) -> Result<(), Failure> {
    let (manager, actor) = (&session.manager, session.actor(one.owner.owner()));
    let change = changes.into_edit()?;
    let info = manager.edit(&actor, O::KIND, &one.id, change).await?;
    changed(session.output, "edited", &info)
}

impl Changes {
    fn into_edit(self) -> Result<Change, Failure> {
        let mut change = Change::default();
        if let Some(name) = self.name {
            change = change.with_name(name);
        }
        match self.description {
            Some(description) => change = change.with_description(description),
            None if self.no_description => change = change.without_description(),
            None => {}
        }
        if self.no_metadata {
            change = change.with_metadata(Metadata::default());
        } else if !self.metadata.is_empty() {
            change = change.with_metadata(metadata(self.metadata)?);
        }
        match self.networks {
            Some(named) => change = change.with_networks(networks(&named)?),
            None if self.no_networks => change = change.without_networks(),
            None => {}
        }
        match self.environment {
            Some(environment) => change = change.with_environment(environment),
            None if self.no_environment => change = change.without_environment(),
            None => {}
        }
        Ok(change)
    }
}
