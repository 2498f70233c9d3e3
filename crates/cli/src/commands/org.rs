//! `api-keys org`: organizations.

use clap::Subcommand;
use serde_json::json;

use crate::{database::Backend, failure::Failure, session::Session};

const EXAMPLES: &str = "\
Examples:
  api-keys org create org_1
  api-keys org create org_2 --parent org_1
  api-keys org delete org_2";

#[derive(Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Org {
    /// Creates an organization
    Create {
        /// The organization's id
        #[arg(value_name = "ORG")]
        id: String,
        /// The organization above it
        #[arg(long, value_name = "ORG")]
        parent: Option<String>,
    },
    /// Deletes an organization: its keys and every membership in it become invalid, forever
    Delete {
        /// The organization's id
        #[arg(value_name = "ORG")]
        id: String,
    },
}

pub(crate) async fn run<S: Backend>(session: &Session<S>, command: Org) -> Result<(), Failure> {
    let (store, output) = (session.store(), session.output);
    match command {
        Org::Create { id, parent } => {
            store.create_organization(&id, parent.as_deref()).await?;
            let fields = vec![("org", json!(id)), ("parent", json!(parent))];
            output.changed(&format!("created organization {id}"), &fields)?;
        }
        Org::Delete { id } => {
            store.delete_organization(&id).await?;
            let fields = vec![("org", json!(id)), ("deleted", json!(true))];
            output.changed(&format!("deleted organization {id}"), &fields)?;
        }
    }
    Ok(())
}
