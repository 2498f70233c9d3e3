//! Claims about a catalogue that is replaced while the store is in use.

use super::{
    Feature,
    fixture::{Fixture, ORG, Outcome, USER, Violation, digest, ensure, is_active, scopes_of},
};
use crate::{
    credential::Kind,
    scope::{Catalogue, ScopeSet},
    store::{Directory, ManageStore, Record, Restrictions},
};

const READ: &str = "agents:read";
const MANAGE: &str = "agents:manage";

/// Returns a catalogue in which `viewer` may do this.
pub(super) fn viewer_with(scopes: &[&str]) -> Result<Catalogue, Violation> {
    build(&[("viewer", scopes), ("admin", &[READ, MANAGE])])
}

/// Returns a catalogue in which `admin` may do no more than `viewer`.
pub(super) fn narrowed() -> Result<Catalogue, Violation> {
    build(&[("viewer", &[READ]), ("admin", &[READ])])
}

fn build(roles: &[(&str, &[&str])]) -> Result<Catalogue, Violation> {
    let empty = Catalogue::builder();
    let add = |builder: crate::scope::CatalogueBuilder, (role, scopes): &(&str, &[&str])| {
        builder.role(role, scopes.iter().copied())
    };
    let built = roles.iter().fold(empty, add).build();
    built.map_err(|error| Violation(error.to_string()))
}

impl<S: ManageStore + Directory> Fixture<S> {
    /// Returns the kinds of credentials that have a role, of their own or by a membership.
    fn kinds_with_roles(&self) -> Vec<Kind> {
        let has_roles = |kind: &Kind| match kind {
            Kind::OrgKey => self.supports(Feature::Roles),
            Kind::PersonalToken => self.supports(Feature::Memberships),
        };
        self.kinds().into_iter().filter(has_roles).collect()
    }

    /// Checks what a credential holds, twice: a cache answers the second lookup.
    pub(super) async fn ensure_scopes(&self, kind: Kind, id: &str, scopes: &ScopeSet) -> Outcome {
        for time in ["first", "second"] {
            let found = self.find(kind, id).await?;
            let held = found.filter(|it| is_active(&Some(it.clone())));
            let held = held.map(|record| record.scopes().clone());
            ensure(
                held.as_ref() == Some(scopes),
                format!(
                    "at the {time} lookup, the {} {id:?} holds {held:?} instead of {scopes:?}",
                    kind.as_str()
                ),
            )?;
        }
        Ok(())
    }
}

pub(super) async fn a_replaced_catalogue_applies_from_the_next_lookup<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    fixture.seed("pat").await?;
    for kind in fixture.kinds_with_roles() {
        let scopes = scopes_of("viewer");
        fixture.ensure_scopes(kind, "pat", &scopes).await?;
    }
    let catalogue = fixture.store.catalogue().clone();
    for scopes in [&[READ] as &[&str], &[READ, MANAGE], &[MANAGE], &[], &[READ]] {
        catalogue.replace(viewer_with(scopes)?);
        let scopes = scopes.iter().copied().collect();
        for kind in fixture.kinds_with_roles() {
            fixture.ensure_scopes(kind, "pat", &scopes).await?;
        }
    }
    Ok(())
}

/// Scopes that were granted one by one are those that the catalogue in force has, with what they
/// imply there.
pub(super) async fn a_replaced_catalogue_decides_what_stored_scopes_grant<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    fixture.seed("other").await?;
    let key = Record::org_key("listed", digest("listed"), ORG);
    let key = key.with_scopes(ScopeSet::from_iter([MANAGE]));
    fixture.store.insert(key).await?;
    let catalogue = fixture.store.catalogue().clone();
    let implying = || {
        let builder = Catalogue::builder().implies(MANAGE, READ);
        builder
            .build()
            .map_err(|error| Violation(error.to_string()))
    };
    for (new, held) in [
        (viewer_with(&[READ])?, &[MANAGE] as &[&str]),
        (implying()?, &[MANAGE, READ]),
        (narrowed()?, &[]),
        (viewer_with(&[READ])?, &[MANAGE]),
    ] {
        catalogue.replace(new);
        let held = held.iter().copied().collect();
        fixture.ensure_scopes(Kind::OrgKey, "listed", &held).await?;
    }
    Ok(())
}

pub(super) async fn a_role_that_widens_does_not_widen_a_restricted_token<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    fixture.seed("other").await?;
    let only = Restrictions::default().with_scopes(ScopeSet::from_iter([READ]));
    let token = Record::personal_token("limited", digest("limited"), USER).restricted_to(only);
    fixture.store.insert(token).await?;
    let catalogue = fixture.store.catalogue().clone();
    for (scopes, held) in [
        (&[READ] as &[&str], &[READ] as &[&str]),
        (&[READ, MANAGE], &[READ]),
        (&[MANAGE], &[]),
        (&[READ, MANAGE], &[READ]),
    ] {
        catalogue.replace(viewer_with(scopes)?);
        let held = held.iter().copied().collect();
        fixture
            .ensure_scopes(Kind::PersonalToken, "limited", &held)
            .await?;
    }
    Ok(())
}

pub(super) async fn a_role_that_the_catalogue_lacks_grants_nothing<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    fixture.seed("during").await?;
    for kind in fixture.kinds() {
        fixture.store.insert(fixture.record(kind, "after")).await?;
    }
    let catalogue = fixture.store.catalogue().clone();
    for kind in fixture.kinds_with_roles() {
        catalogue.replace(viewer_with(&[READ])?);
        let held = ScopeSet::from_iter([READ]);
        for id in ["during", "after"] {
            fixture.ensure_scopes(kind, id, &held).await?;
        }
        catalogue.replace(build(&[("admin", &[READ, MANAGE])])?);
        if let Ok(Some(record)) = fixture.find(kind, "during").await {
            let refused = record.scopes().is_empty() || !is_active(&Some(record.clone()));
            ensure(refused, format!("without its role it is {record:?}"))?;
        }
        catalogue.replace(viewer_with(&[READ])?);
        fixture.ensure_scopes(kind, "after", &held).await?;
    }
    Ok(())
}
