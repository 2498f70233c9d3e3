//! The claim about what a store leaves out: it refuses that, rather than doing half of it.

use super::{
    Feature,
    fixture::{Fixture, NOW, ORG, Outcome, USER, digest, ensure, owner},
};
use crate::{
    credential::Kind,
    store::{
        CredentialInfo, Directory, ManageStore, Owner, WriteError,
        backend::{Authority, Commit, Idempotency, NewCredential, Update},
    },
};

pub(super) async fn a_store_refuses_what_it_does_not_support<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    fixture.store.create_organization(ORG, None).await?;
    let existing = fixture.record(Kind::OrgKey, "existing");
    fixture.store.insert(existing).await?;
    // The manager takes its word for it.
    ensure(
        fixture.supports(Feature::TokenRestrictions) || !fixture.store.supports_restrictions(),
        "it says that it supports the restrictions of tokens",
    )?;
    ensure(
        fixture.supports(Feature::Attributes) || !fixture.store.supports_attributes(),
        "it says that it supports attributes",
    )?;
    for (feature, commit) in [
        (Feature::Roles, with_role()),
        (Feature::PersonalTokens, of_user()),
        (Feature::Idempotency, with_idempotency_key()),
        (Feature::Rotation, rotating(fixture).await?),
    ] {
        if fixture.supports(feature) {
            continue;
        }
        let refused = fixture.store.commit(&commit).await;
        ensure(
            matches!(refused, Err(WriteError::Unsupported)),
            format!("a change that needs {feature:?} is {refused:?}"),
        )?;
        let found = fixture.store.credential(&commit.owner, "new").await?;
        ensure(
            found.is_none(),
            format!("the refusal of {feature:?} stored {found:?}"),
        )?;
    }
    Ok(())
}

fn inserting(owner: Owner, change: impl FnOnce(&mut NewCredential)) -> Commit {
    let mut insert = NewCredential {
        info: CredentialInfo::new("new", owner.clone(), NOW),
        digest: digest("new"),
        salt: None,
        idempotency: None,
    };
    change(&mut insert);
    Commit {
        insert: Some(insert),
        ..Commit::new(owner, Authority::Unconditional)
    }
}

fn with_role() -> Commit {
    inserting(owner(Kind::OrgKey), |new| {
        new.info.role = Some("viewer".into());
    })
}

fn of_user() -> Commit {
    inserting(Owner::User(USER.into()), |_| ())
}

fn with_idempotency_key() -> Commit {
    inserting(owner(Kind::OrgKey), |new| {
        new.info.scopes = Some(["agents:read".into()].into());
        new.idempotency = Some(Idempotency::new("key", [7; 32]));
    })
}

async fn rotating<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
) -> Result<Commit, super::fixture::Violation> {
    let owner = owner(Kind::OrgKey);
    let before = fixture.store.credential(&owner, "existing").await?;
    let before = before.unwrap_or_else(|| CredentialInfo::new("existing", owner.clone(), NOW));
    let after = CredentialInfo {
        rotated_to: Some("successor".into()),
        rotated_at: Some(NOW),
        ..before.clone()
    };
    Ok(Commit {
        changes: vec![Update { before, after }],
        ..Commit::new(owner, Authority::Unconditional)
    })
}
