//! Claims about descriptions, metadata and conditions of credentials.

use super::{Actor, Feature, Fixture, Managed, Outcome, Violation, ensure, into_pair, operator};
use crate::{
    credential::{Kind, TokenFormat},
    manage::{Edit, NewKey, NewToken, Rotation},
    secret::{Digest, Secret},
    store::{
        Attributes, AuditAction, Conditions, CredentialInfo, CredentialStore, Directory, Lookup,
        LookupKey, ManageStore, Metadata, Network, Record,
    },
};
use std::sync::Arc;

/// Networks that are written in this form.
pub(super) fn networks(texts: &[&str]) -> Result<Conditions, Violation> {
    let networks: Result<Vec<Network>, _> = texts.iter().map(|text| text.parse()).collect();
    let networks = networks.map_err(|error| Violation(error.to_string()))?;
    Ok(Conditions::default().with_networks(networks))
}

pub(super) fn paired(pairs: &[(&str, &str)]) -> Metadata {
    Metadata::from_stored(pairs.iter().copied())
}

pub(super) fn under(conditions: Conditions) -> Attributes {
    Attributes::default().with_conditions(conditions)
}

/// Attributes of every shape.
fn shapes() -> Result<Vec<Attributes>, Violation> {
    let whole = Attributes::default()
        .with_description("two\nlines, \"\u{e9}\u{1f511}\"")
        .with_metadata(paired(&[
            ("b", ""),
            ("a", "it's {\"\u{e9}\"}, \\"),
            ("c/d:e", "x y"),
        ]))
        .with_conditions(
            networks(&["2001:db8::/32", "192.0.2.7", "10.0.0.0/8", "10.0.0.0/8"])?
                .with_environment("live"),
        );
    Ok(vec![
        whole,
        Attributes::default(),
        under(networks(&[])?),
        under(Conditions::default().with_environment("test-1")),
        Attributes::default().with_metadata(paired(&[("only", "1")])),
    ])
}

impl<S: ManageStore + Directory> Fixture<S> {
    pub(super) async fn issue_with(
        &self,
        kind: Kind,
        attributes: Attributes,
    ) -> Result<Managed, Violation> {
        let actor = operator(kind);
        let issued = match kind {
            Kind::OrgKey => {
                let new = self.granted(NewKey::named("name"), "viewer");
                self.manager
                    .issue_key(&actor, new.with_attributes(attributes))
                    .await?
            }
            Kind::PersonalToken => {
                let new = NewToken::named("name").with_attributes(attributes);
                self.manager.issue_token(&actor, new).await?
            }
        };
        let (info, secret) = into_pair(issued)?;
        Ok(Managed {
            actor,
            kind,
            info,
            secret,
        })
    }

    /// Looks a credential up as a request that presents it does.
    pub(super) async fn found(&self, secret: &Secret) -> Result<Arc<Record>, Violation> {
        let parsed = TokenFormat::default().parse(secret.expose_secret());
        let parsed = parsed.map_err(|error| Violation(error.to_string()))?;
        let digest = Digest::of(secret.expose_secret().as_bytes());
        let key = match &parsed.id {
            Some(id) => LookupKey::OrgKey { id: id.as_str() },
            None => LookupKey::PersonalToken { digest: &digest },
        };
        let found = self.store.find(&Lookup::new(key, None)).await?;
        found.ok_or_else(|| Violation("a credential was not found".into()))
    }

    async fn ensure_has(
        &self,
        what: &str,
        info: &CredentialInfo,
        secret: &Secret,
        wanted: &Attributes,
    ) -> Outcome {
        let (actor, kind) = (operator(info.kind()), info.kind());
        let read = self.manager.get(&actor, kind, info.id.as_str()).await?;
        let found = self.found(secret).await?;
        ensure(
            read == self.as_kept(info) && read.attributes == *wanted,
            format!("{what}: {info:?} is read as {read:?}; wanted {wanted:?}"),
        )?;
        ensure(
            found.attributes() == Some(wanted).filter(|wanted| !wanted.is_empty()),
            format!(
                "{what}: a lookup has {:?}; wanted {wanted:?}",
                found.attributes()
            ),
        )
    }
}

pub(super) async fn attributes_are_returned_as_they_were_set<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let manager = &fixture.manager;
    for kind in fixture.kinds() {
        for wanted in shapes()? {
            let of = fixture.issue_with(kind, wanted.clone()).await?;
            fixture
                .ensure_has("issued", &of.info, &of.secret, &wanted)
                .await?;
            let id = of.info.id.as_str();
            // A change of something else leaves them alone.
            let renamed = manager.rename(&of.actor, kind, id, "renamed").await?;
            fixture
                .ensure_has("renamed", &renamed, &of.secret, &wanted)
                .await?;
            if fixture.supports(Feature::Rotation) {
                let rotated = manager
                    .rotate(&of.actor, kind, id, Rotation::default())
                    .await?;
                let (successor, secret) = into_pair(rotated)?;
                fixture
                    .ensure_has("rotated", &successor, &secret, &wanted)
                    .await?;
            }
        }
        for (before, wanted) in shapes()?.iter().zip(shapes()?.iter().skip(1)) {
            let of = fixture.issue_with(kind, before.clone()).await?;
            let edit = Edit::default()
                .with_metadata(wanted.metadata.clone())
                .with_conditions(wanted.conditions.clone());
            let edit = match &wanted.description {
                Some(description) => edit.with_description(description.clone()),
                None => edit.without_description(),
            };
            let edited = manager
                .edit(&of.actor, kind, of.info.id.as_str(), edit)
                .await?;
            fixture
                .ensure_has("edited", &edited, &of.secret, wanted)
                .await?;
        }
    }
    Ok(())
}

/// Edits of [`an_edit_changes_what_it_names_all_at_once`].
const EDITS: usize = 10;

pub(super) async fn an_edit_changes_what_it_names_all_at_once<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let manager = &fixture.manager;
    let [whole, ..] = &shapes()?[..] else {
        return Err(Violation("no shapes".into()));
    };
    for kind in fixture.kinds() {
        let of = fixture.issue_with(kind, whole.clone()).await?;
        let id = of.info.id.clone();
        let edits = [
            Edit::default().with_name("new name"),
            Edit::default().with_description("new"),
            Edit::default().without_description(),
            Edit::default().with_metadata(paired(&[("new", "1")])),
            Edit::default().with_conditions(conditions(Some("10.1.0.0/16"), Some("live"))),
            Edit::default().with_networks("10.2.0.0/16".parse()),
            Edit::default().with_environment("test"),
            Edit::default().without_networks(),
            Edit::default().without_environment(),
            Edit::default()
                .with_name("both")
                .with_metadata(Metadata::default()),
        ];
        let mut wanted = of.info;
        let apply: [fn(&mut CredentialInfo); EDITS] = [
            |info| info.name = "new name".into(),
            |info| info.attributes.description = Some("new".into()),
            |info| info.attributes.description = None,
            |info| info.attributes.metadata = paired(&[("new", "1")]),
            |info| info.attributes.conditions = conditions(Some("10.1.0.0/16"), Some("live")),
            |info| info.attributes.conditions = conditions(Some("10.2.0.0/16"), Some("live")),
            |info| info.attributes.conditions = conditions(Some("10.2.0.0/16"), Some("test")),
            |info| info.attributes.conditions = conditions(None, Some("test")),
            |info| info.attributes.conditions = conditions(None, None),
            |info| {
                info.name = "both".into();
                info.attributes.metadata = Metadata::default();
            },
        ];
        for (edit, apply) in edits.into_iter().zip(apply) {
            apply(&mut wanted);
            let edited = manager
                .edit(&of.actor, kind, id.as_str(), edit.clone())
                .await?;
            let read = manager.get(&of.actor, kind, id.as_str()).await?;
            ensure(
                edited == wanted && read == wanted,
                format!("{edit:?} makes {edited:?}, read as {read:?}; wanted {wanted:?}"),
            )?;
        }
        if fixture.supports(Feature::AuditTrail) {
            ensure_edits_are_audited(fixture, &of.actor, kind, whole, &wanted).await?;
        }
    }
    Ok(())
}

fn conditions(network: Option<&str>, environment: Option<&str>) -> Conditions {
    let mut conditions = Conditions::default();
    if let Some(network) = network {
        conditions = conditions.with_networks(network.parse());
    }
    match environment {
        Some(environment) => conditions.with_environment(environment),
        None => conditions,
    }
}

/// Ensures that the trail has what the attributes were set to, at first and at last, and nothing in
/// an event of another kind.
async fn ensure_edits_are_audited<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    actor: &Actor,
    kind: Kind,
    first: &Attributes,
    last: &CredentialInfo,
) -> Outcome {
    let manager = &fixture.manager;
    manager.delete(actor, kind, last.id.as_str()).await?;
    let mut events = manager.events(actor, kind, None, 200).await?;
    events.retain(|event| event.credential == last.id);
    let actions: Vec<_> = events.iter().map(|event| event.action).rev().collect();
    let edited = std::iter::repeat_n(AuditAction::Edited, EDITS);
    let expected: Vec<_> = [AuditAction::Issued].into_iter().chain(edited).collect();
    ensure(
        actions.strip_suffix(&[AuditAction::Deleted]) == Some(&expected[..]),
        format!("the trail has {actions:?}"),
    )?;
    let said = |place: usize| events.get(place).map(|event| &event.attributes);
    ensure(
        said(EDITS + 1) == Some(first)
            && said(1) == Some(&last.attributes)
            && said(0) == Some(&Attributes::default()),
        format!("the trail says {events:?}"),
    )
}

/// Attributes each of which breaks a limit.
fn breaking_limits() -> Vec<Attributes> {
    let described = |text: String| Attributes::default().with_description(text);
    let with = |metadata| Attributes::default().with_metadata(metadata);
    let hosts = (0..=100).map(|host| std::net::IpAddr::from([10, 0, 0, host]).into());
    let long = "v".repeat(1024);
    vec![
        described(String::new()),
        described("\u{e9}".repeat(501)),
        described("a\0b".into()),
        with(paired(&[("", "empty key")])),
        with(paired(&[("\u{e9}", "not ASCII")])),
        with(paired(&[("k", &long)])),
        with(paired(&[("k", "a\0")])),
        with(Metadata::from_stored(
            (0..17).map(|number| (number.to_string(), "")),
        )),
        under(Conditions::default().with_environment("")),
        under(Conditions::default().with_environment("a b")),
        under(Conditions::default().with_networks(hosts)),
    ]
}

pub(super) async fn invalid_attributes_give_the_reason_and_change_nothing<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, invalid) = (&fixture.manager, "invalid_attributes");
    for kind in fixture.kinds() {
        for attributes in breaking_limits() {
            let what = format!("{attributes:?}");
            let actor = operator(kind);
            let issued = async {
                match kind {
                    Kind::OrgKey => {
                        let new = NewKey::named("name").with_attributes(attributes.clone());
                        manager.issue_key(&actor, new).await
                    }
                    Kind::PersonalToken => {
                        let new = NewToken::named("name").with_attributes(attributes.clone());
                        manager.issue_token(&actor, new).await
                    }
                }
            };
            fixture.assert_refused(&what, invalid, issued).await?;
        }
        let of = fixture.issue_with(kind, Attributes::default()).await?;
        let id = of.info.id.as_str();
        let edit = Edit::default().with_description("\0");
        let edited = manager.edit(&of.actor, kind, id, edit);
        fixture.assert_refused("an edit", invalid, edited).await?;
        let edited = manager.edit(&of.actor, kind, id, Edit::default().with_name(""));
        fixture
            .assert_refused("an edit", "invalid_name", edited)
            .await?;
        let edited = manager.edit(&of.actor, kind, "unknown", Edit::default().with_name("a"));
        fixture
            .assert_refused("an unknown one", "unknown_credential", edited)
            .await?;
    }
    Ok(())
}
