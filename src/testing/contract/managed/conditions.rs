//! Claims about who may grant conditions of credentials.

use super::{
    Actor, Feature, Fixture, ORG, Outcome, Violation,
    attributes::{networks, paired, under},
    into_pair, org,
};
use crate::{
    credential::Kind,
    manage::{Edit, NewKey, Rotation},
    store::{Conditions, Directory, ManageStore, Record},
    testing::principal,
};

const KEY: Kind = Kind::OrgKey;

/// Returns the caller of a request with a key of [`ORG`] that has these scopes and conditions.
async fn conditional<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    scopes: &[&str],
    conditions: Conditions,
) -> Result<Actor, Violation> {
    let new = NewKey::named("actor").with_scopes(scopes.iter().copied());
    let new = new.with_attributes(under(conditions));
    let (_, secret) = into_pair(fixture.manager.issue_key(&org(ORG), new).await?)?;
    let record = fixture.found(&secret).await?;
    Ok(Actor::from_principal(&principal(Record::clone(&record))))
}

pub(super) async fn nothing_is_granted_that_is_accepted_where_its_creator_is_not<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, beyond) = (&fixture.manager, "conditions_beyond_creator");
    let own = networks(&["10.0.0.0/8"])?.with_environment("live");
    let scopes = ["organizations:manage", "agents:read"];
    let actor = conditional(fixture, &scopes, own.clone()).await?;
    let new = |conditions| NewKey::named("child").with_attributes(under(conditions));
    let live = |texts: &[&str]| Ok::<_, Violation>(networks(texts)?.with_environment("live"));
    for wider in [
        Conditions::default(),
        networks(&["10.0.0.0/8"])?,
        Conditions::default().with_environment("live"),
        networks(&["10.0.0.0/8"])?.with_environment("test"),
        live(&["10.0.0.0/7"])?,
        live(&["10.0.0.0/8", "192.0.2.1"])?,
        live(&["::/0"])?,
    ] {
        let what = format!("{wider:?}");
        let issued = manager.issue_key(&actor, new(wider.clone()));
        fixture.assert_refused(&what, beyond, issued).await?;
        let narrow = manager.issue_key(&actor, new(own.clone())).await?;
        let id = narrow.info().id.as_str();
        let edit = Edit::default().with_conditions(wider.clone());
        let edited = manager.edit(&actor, KEY, id, edit);
        fixture.assert_refused(&what, beyond, edited).await?;
        let other = fixture.issue_with(KEY, under(wider)).await?;
        let id = other.info.id.as_str();
        if fixture.supports(Feature::Rotation) {
            let rotated = manager.rotate(&actor, KEY, id, Rotation::default());
            fixture.assert_refused(&what, beyond, rotated).await?;
        }
        manager.disable(&org(ORG), KEY, id).await?;
        let enabled = manager.enable(&actor, KEY, id);
        fixture.assert_refused(&what, beyond, enabled).await?;
    }
    for narrower in [
        own.clone(),
        live(&[])?,
        live(&["10.1.2.3", "10.128.0.0/9"])?,
    ] {
        let issued = manager.issue_key(&actor, new(narrower.clone())).await?;
        let edit = Edit::default().with_conditions(own.clone());
        manager
            .edit(&actor, KEY, issued.info().id.as_str(), edit)
            .await?;
    }
    Ok(())
}

/// To widen conditions is to grant again; to narrow them is not.
pub(super) async fn conditions_are_widened_only_by_who_could_grant_the_credential<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let manager = &fixture.manager;
    let manages = conditional(fixture, &["organizations:manage"], Conditions::default()).await?;
    let office = networks(&["10.0.0.0/8"])?;
    let of = fixture.issue_with(KEY, under(office.clone())).await?;
    let id = of.info.id.as_str();
    let narrower = networks(&["10.1.0.0/16"])?;
    let edit = Edit::default().with_conditions(narrower);
    manager.edit(&manages, KEY, id, edit).await?;
    for wider in [
        office,
        Conditions::default(),
        networks(&["10.1.0.0/16", "::1"])?,
    ] {
        let edited = manager.edit(&manages, KEY, id, Edit::default().with_conditions(wider));
        fixture
            .assert_refused("not held", "scope_not_held", edited)
            .await?;
    }
    // What is no condition can be edited by everyone who manages the credential.
    let edit = Edit::default()
        .with_description("new")
        .with_metadata(paired(&[("a", "b")]));
    manager.edit(&manages, KEY, id, edit).await?;
    Ok(())
}
