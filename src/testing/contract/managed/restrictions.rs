//! Claims about tokens that are restricted to scopes and organizations of their own.

use super::{
    Actor, Feature, Fixture, ORG, OTHER_ORG, Outcome, USER, Violation, ensure, into_pair, user,
};
use crate::{
    credential::Kind,
    id::OrgId,
    manage::{NewToken, Rotation},
    secret::{Digest, Secret},
    store::{CredentialInfo, CredentialStore, Directory, Lookup, LookupKey, ManageStore, Record},
    testing::principal,
};
use std::sync::Arc;

const READ: &str = "agents:read";
const WRITE: &str = "agents:manage";
const MANAGES: &str = "organizations:manage";

impl<S: ManageStore + Directory> Fixture<S> {
    async fn issue_token(&self, new: NewToken) -> Result<(CredentialInfo, Secret), Violation> {
        into_pair(self.manager.issue_token(&user(USER), new).await?)
    }

    /// Looks a token up as a request that names `organization` does.
    async fn seen(
        &self,
        secret: &Secret,
        organization: Option<&str>,
    ) -> Result<Arc<Record>, Violation> {
        let digest = Digest::of(secret.expose_secret().as_bytes());
        let key = LookupKey::PersonalToken { digest: &digest };
        let found = self.store.find(&Lookup::new(key, organization)).await?;
        found.ok_or_else(|| Violation("a token was not found".into()))
    }

    /// Ensures that the token holds exactly these scopes in `organization`, and may act there.
    async fn ensure_holds(
        &self,
        what: &str,
        secret: &Secret,
        organization: &str,
        scopes: Option<&[&str]>,
    ) -> Outcome {
        let found = self.seen(secret, Some(organization)).await?;
        let held = found
            .organization()
            .filter(|organization| found.may_act_in(organization))
            .map(|_| found.scopes().iter().collect::<Vec<_>>());
        ensure(
            held.as_deref() == scopes,
            format!("{what}: in {organization:?} it holds {held:?} instead of {scopes:?}"),
        )
    }
}

pub(super) async fn a_restricted_token_has_what_its_owner_and_its_lists_allow<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let store = &fixture.store;
    for organization in [ORG, OTHER_ORG] {
        store.set_member(USER, organization, "viewer").await?;
    }
    let new = || NewToken::named("restricted");
    let (_, both) = fixture
        .issue_token(new().with_scopes([READ, WRITE]).with_organizations([ORG]))
        .await?;
    let (_, nothing) = fixture.issue_token(new().with_scopes([""; 0])).await?;
    let (_, nowhere) = fixture
        .issue_token(new().with_organizations([""; 0]))
        .await?;
    let ensure_holds = async |what, secret, organization, scopes: Option<&[&str]>| {
        fixture
            .ensure_holds(what, secret, organization, scopes)
            .await
    };
    ensure_holds("a viewer", &both, ORG, Some(&[READ])).await?;
    ensure_holds("not on its list", &both, OTHER_ORG, None).await?;
    ensure_holds("an empty list of scopes", &nothing, ORG, Some(&[])).await?;
    ensure_holds("an empty list of organizations", &nowhere, ORG, None).await?;
    store.set_member(USER, ORG, "admin").await?;
    ensure_holds("a wider role", &both, ORG, Some(&[WRITE, READ])).await?;
    ensure_holds("a wider role, an empty list", &nothing, ORG, Some(&[])).await?;
    store.set_member(USER, ORG, "viewer").await?;
    ensure_holds("a narrower role", &both, ORG, Some(&[READ])).await?;
    store.remove_member(USER, ORG).await?;
    ensure_holds("no longer a member", &both, ORG, None).await?;
    for secret in [&both, &nothing, &nowhere] {
        let alone = fixture.seen(secret, None).await?;
        ensure(
            alone.organization().is_none() && alone.scopes().is_empty(),
            format!("seen from no organization it is {alone:?}"),
        )?;
    }
    Ok(())
}

pub(super) async fn restrictions_are_listed_and_survive_rotation<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let new = NewToken::named("restricted")
        .with_scopes(["members:manage"])
        .with_organizations([OTHER_ORG, ORG, OTHER_ORG]);
    let (info, secret) = fixture.issue_token(new).await?;
    let expected: [OrgId; 2] = [OTHER_ORG.into(), ORG.into()];
    let as_requested = |info: &CredentialInfo| {
        info.scopes.as_deref() == Some(&["members:manage".into()])
            && info.organizations.as_deref() == Some(&expected)
    };
    let (actor, kind) = (user(USER), Kind::PersonalToken);
    let read = fixture.manager.get(&actor, kind, info.id.as_str()).await?;
    ensure(
        read == fixture.as_kept(&info) && as_requested(&read),
        format!("issued {info:?}, read {read:?}"),
    )?;
    let mut restrictions = vec![fixture.seen(&secret, None).await?];
    if fixture.supports(Feature::Rotation) {
        let rotation = Rotation::default();
        let rotated = fixture
            .manager
            .rotate(&actor, kind, info.id.as_str(), rotation)
            .await?;
        let (successor, secret) = into_pair(rotated)?;
        ensure(
            as_requested(&successor),
            format!("its successor is {successor:?}"),
        )?;
        restrictions.push(fixture.seen(&secret, None).await?);
    }
    for found in restrictions {
        let scopes = found.restrictions().and_then(|only| only.scopes());
        let expanded = scopes.is_some_and(|scopes| scopes.contains("members:read"));
        let organizations = found.restrictions().and_then(|only| only.organizations());
        ensure(
            expanded && organizations == Some(&expected),
            format!("it is found with {:?}", found.restrictions()),
        )?;
    }
    Ok(())
}

/// Returns the callers of requests with a token that is restricted to `ORG` and three scopes: on a
/// route of a person, and in that organization.
async fn restricted_actors<S>(fixture: &Fixture<S>) -> Result<[Actor; 2], Violation>
where
    S: ManageStore + Directory,
{
    fixture.store.set_member(USER, ORG, "admin").await?;
    let restricted = NewToken::named("restricted")
        .with_scopes([READ, WRITE, MANAGES])
        .with_organizations([ORG]);
    let (_, secret) = fixture.issue_token(restricted).await?;
    let alone = fixture.seen(&secret, None).await?;
    let there = fixture.seen(&secret, Some(ORG)).await?;
    Ok([alone, there].map(|record| Actor::from_principal(&principal(Record::clone(&record)))))
}

pub(super) async fn a_restricted_token_issues_only_what_it_may_do<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let new = || NewToken::named("child");
    let here = || new().with_organizations([ORG]);
    let beyond = "restrictions_beyond_creator";
    for actor in &restricted_actors(fixture).await? {
        #[rustfmt::skip]
        let refused = [
            ("no restrictions", new(), beyond),
            ("all organizations", new().with_scopes([READ]), beyond),
            ("one organization too many", new().with_scopes([READ]).with_organizations([ORG, OTHER_ORG]), beyond),
            ("all scopes", here(), beyond),
            ("one scope too many", here().with_scopes([READ, "billing:manage"]), "scope_not_held"),
        ];
        for (what, request, code) in refused {
            let issued = fixture.manager.issue_token(actor, request);
            fixture.assert_refused(what, code, issued).await?;
        }
        for request in [
            here().with_scopes([READ, WRITE, MANAGES]),
            here().with_scopes([READ]),
            here().with_scopes([""; 0]),
            new().with_scopes([READ]).with_organizations([""; 0]),
        ] {
            fixture.manager.issue_token(actor, request).await?;
        }
    }
    Ok(())
}

pub(super) async fn a_restricted_token_renews_only_what_it_may_do<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, owner) = (&fixture.manager, user(USER));
    let (kind, beyond) = (Kind::PersonalToken, "restrictions_beyond_creator");
    let (free, _) = fixture.issue_token(NewToken::named("free")).await?;
    let id = free.id.as_str();
    for actor in &restricted_actors(fixture).await? {
        if fixture.supports(Feature::Rotation) {
            let rotated = manager.rotate(actor, kind, id, Rotation::default());
            fixture
                .assert_refused("rotating one that is not restricted", beyond, rotated)
                .await?;
        }
        manager.disable(&owner, kind, id).await?;
        let enabled = manager.enable(actor, kind, id);
        fixture
            .assert_refused("enabling one that is not restricted", beyond, enabled)
            .await?;
        manager.enable(&owner, kind, id).await?;
    }
    Ok(())
}

pub(super) async fn a_token_without_a_management_scope_manages_no_tokens<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let manager = &fixture.manager;
    let new = || NewToken::named("restricted");
    for scopes in [&[][..], &[READ, WRITE]] {
        let restricted = new().with_scopes(scopes.iter().copied());
        let (info, secret) = fixture.issue_token(restricted.clone()).await?;
        let record = fixture.seen(&secret, None).await?;
        let actor = Actor::from_principal(&principal(Record::clone(&record)));
        let (kind, id) = (Kind::PersonalToken, info.id.as_str());
        let refused = "not_allowed";
        let issued = manager.issue_token(&actor, restricted);
        fixture.assert_refused("issuing", refused, issued).await?;
        let deleted = manager.delete(&actor, kind, id);
        fixture.assert_refused("deleting", refused, deleted).await?;
        let read = manager.get(&actor, kind, id);
        fixture.assert_refused("reading", refused, read).await?;
        let revoked = manager.revoke_all(&actor, kind);
        fixture.assert_refused("revoking", refused, revoked).await?;
    }
    Ok(())
}

pub(super) async fn invalid_restrictions_give_the_reason_and_change_nothing<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let new = || NewToken::named("restricted");
    let many = |count: usize| (0..count).map(|number| format!("org_{number}"));
    let longest = "o".repeat(256);
    #[rustfmt::skip]
    let refused = [
        ("an unknown scope", new().with_scopes([READ, "agents:fly"]), "unknown_scope"),
        ("an empty scope", new().with_scopes([""]), "unknown_scope"),
        ("an empty id", new().with_organizations([""]), "invalid_id"),
        ("a blank in an id", new().with_organizations([ORG, "org 1"]), "invalid_id"),
        ("an id that is not ASCII", new().with_organizations(["örg"]), "invalid_id"),
        ("an id that is too long", new().with_organizations([format!("{longest}o")]), "invalid_id"),
        ("too many organizations", new().with_organizations(many(101)), "too_many_organizations"),
    ];
    let actor = user(USER);
    for (what, request, code) in refused {
        let issued = fixture.manager.issue_token(&actor, request);
        fixture.assert_refused(what, code, issued).await?;
    }
    for request in [
        new().with_organizations([longest]),
        new().with_organizations(many(100)),
        // Refusing unknown ids would reveal which organizations exist.
        new().with_organizations([OTHER_ORG, "org_unknown"]),
    ] {
        fixture.issue_token(request).await?;
    }
    Ok(())
}
