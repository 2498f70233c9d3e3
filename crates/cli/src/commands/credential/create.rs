//! Issuing, and showing a new secret once.

use serde_json::json;
use tower_api_key::manage::Issued;

use super::{
    args::{Create, OwnerArgs},
    view,
};
use crate::{
    database::Backend,
    failure::Failure,
    moment,
    output::{self, Output},
    session::Session,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  api-keys key create --org org_1 --name ci --role viewer --expires 90d >ci.key
  api-keys key create --org org_1 --name door --scopes agents:read --networks 192.0.2.0/24
  api-keys token create --user user_1 --name laptop --expires 2027-01-01 --json";

pub(super) async fn run<O: OwnerArgs, S: Backend>(
    session: &Session<S>,
    arguments: Create<O>,
) -> Result<(), Failure> {
    let owner = arguments.owner.owner();
    let attributes = arguments.attributes.attributes()?;
    let rights = arguments.rights;
    let issued = O::issue(session, owner, &arguments.common, rights, attributes).await?;
    show_once(session.output, issued)
}

/// Writes the secret of a new credential. It is lost if it cannot be written, so that is an error
/// even if the reader has gone away.
pub(super) fn show_once(output: Output, issued: Issued) -> Result<(), Failure> {
    let (info, secret) = issued.into_parts();
    let Some(secret) = secret else {
        let id = info.id.as_str().into();
        return Err(Failure::IssuedBefore { id });
    };
    let written = match output.is_json() {
        true => {
            let mut fields = view::fields(&info);
            fields.push(("secret", json!(secret.expose_secret())));
            output.json_line(&fields)
        }
        false => output.line(secret.expose_secret()),
    };
    written.map_err(|source| Failure::SecretLost {
        id: info.id.as_str().into(),
        source,
    })?;
    let expires = info.expires_at.map(moment::show);
    output::remark(&format!(
        "issued {} ({}) of {}, expires: {}; the secret cannot be shown again",
        info.id,
        info.name,
        info.owner.id(),
        expires.as_deref().unwrap_or("never"),
    ));
    Ok(())
}
