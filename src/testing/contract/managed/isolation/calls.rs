//! Every call that takes an id, a key or a cursor, and what it answers.
//!
//! `store_contract::the_isolation_matrix_has_every_call` looks for each of them here.

use crate::{
    credential::{Kind, TokenFormat},
    manage::{Actor, Edit, Import, Issued, ManageError, NewKey, NewToken, PageCursor, Rotation},
    secret::Digest,
    store::{
        AuditAction, AuditActor, Conditions, CredentialInfo, Directory, EffectiveStatus, Filter,
        ManageStore, Metadata, Owner,
        backend::{Authority, Commit, EndStatus, EndTarget, Ending, ListQuery, Position, Update},
    },
    testing::contract::{
        Feature,
        fixture::{Fixture, NOW, Violation},
    },
};
use std::{fmt::Debug, time::Duration};

/// Returns all that a client or an operator can tell an error by.
fn text<T>(answer: Result<T, ManageError>) -> String {
    answer.err().map_or_else(
        || "done".into(),
        |error| {
            format!(
                "{} {} {error} {error:?}",
                error.code(),
                error.status().as_u16()
            )
        },
    )
}

/// Returns what each call of a manager answers for an id. `repeated` is a rotation that another
/// owner has made.
pub(super) async fn answers_by_id<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    actor: &Actor,
    kind: Kind,
    id: &str,
    repeated: &Rotation,
) -> Vec<(&'static str, String)> {
    let manager = &fixture.manager;
    let overlap = Rotation::default().with_overlap(Duration::from_secs(60));
    let rotations = [
        ("rotate", Rotation::default()),
        ("rotate with an overlap", overlap),
        (
            "rotate with an expiry",
            Rotation::default().expiring_at(fixture.later(1000)),
        ),
        ("rotate again", repeated.clone()),
    ];
    let edit = Edit::default;
    let edits = [
        ("edit nothing", edit()),
        ("edit the name", edit().with_name("mine")),
        ("edit the description", edit().with_description("mine")),
        ("remove the description", edit().without_description()),
        (
            "edit the metadata",
            edit().with_metadata(Metadata::from_stored([("a", "b")])),
        ),
        (
            "widen the conditions",
            edit().with_conditions(Conditions::default()),
        ),
        (
            "narrow the conditions",
            edit().with_conditions(Conditions::default().with_networks([])),
        ),
    ];
    // With the id of a key, and a secret that is not its own.
    let token = format!(
        "{}{id}.test-secret",
        TokenFormat::default().org_key_prefix()
    );
    let mut answers = vec![
        ("get", text(manager.get(actor, kind, id).await)),
        (
            "rename",
            text(manager.rename(actor, kind, id, "mine").await),
        ),
        (
            "rotation state",
            text(manager.rotation_state(actor, kind, id).await),
        ),
        ("find presented", text(manager.find_presented(&token).await)),
        (
            "revoke presented",
            text(manager.revoke_presented(&token, None).await),
        ),
        ("enable", text(manager.enable(actor, kind, id).await)),
    ];
    for (what, edit) in edits {
        answers.push((what, text(manager.edit(actor, kind, id, edit).await)));
    }
    for (what, rotation) in rotations {
        answers.push((what, text(manager.rotate(actor, kind, id, rotation).await)));
    }
    answers.push(("disable", text(manager.disable(actor, kind, id).await)));
    answers.push(("delete", text(manager.delete(actor, kind, id).await)));
    answers
}

/// Issues what each owner has issued under one idempotency key.
pub(super) async fn issue_once<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    actor: &Actor,
    kind: Kind,
) -> Result<Issued, ManageError> {
    let once = fixture.supports(Feature::Idempotency);
    let (key, token) = (NewKey::named("issued"), NewToken::named("issued"));
    match (kind, once) {
        (Kind::OrgKey, false) => fixture.manager.issue_key(actor, key).await,
        (Kind::OrgKey, true) => {
            let key = key.with_idempotency_key("issued");
            fixture.manager.issue_key(actor, key).await
        }
        (Kind::PersonalToken, false) => fixture.manager.issue_token(actor, token).await,
        (Kind::PersonalToken, true) => {
            let token = token.with_idempotency_key("issued");
            fixture.manager.issue_token(actor, token).await
        }
    }
}

/// Returns what a list answers for a cursor.
pub(super) async fn listed_from<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    actor: &Actor,
    kind: Kind,
    cursor: &PageCursor,
) -> String {
    let all = Filter::default();
    text(
        fixture
            .manager
            .list(actor, kind, &all, Some(cursor), 10)
            .await,
    )
}

/// Returns what an import answers for an id that is taken, without the id.
pub(super) async fn imported<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    actor: &Actor,
    kind: Kind,
    id: &str,
) -> String {
    let import = Import::new(id, Digest::of(b"test-import"), "mine");
    text(fixture.manager.import(actor, kind, import).await).replace(id, "an id")
}

/// Returns the owners of everything that an actor is shown: with each filter, in the audit trail
/// below the number of another owner's event, and of what was issued under an idempotency key.
pub(super) async fn owners_listed<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    actor: &Actor,
    kind: Kind,
    before: Option<i64>,
) -> Result<Vec<Owner>, Violation> {
    let (manager, all, mut owners) = (&fixture.manager, Filter::default(), Vec::new());
    let state = |state| all.clone().with_state(Some(state));
    let filters = [
        all.clone(),
        state(EffectiveStatus::Active),
        state(EffectiveStatus::Disabled),
        state(EffectiveStatus::Expired),
        state(EffectiveStatus::Deleted),
        all.clone().with_expiring_before(fixture.later(1_000_000)),
        all.clone().with_unused_since(fixture.later(1000)),
    ];
    for filter in &filters {
        let page = manager.list(actor, kind, filter, None, 200).await?;
        owners.extend(page.items.into_iter().map(|item| item.owner));
    }
    for before in [None, before] {
        let events = manager.events(actor, kind, before, 200).await?;
        owners.extend(events.into_iter().map(|event| event.owner));
    }
    if fixture.supports(Feature::Idempotency) {
        owners.push(issue_once(fixture, actor, kind).await?.info().owner.clone());
    }
    Ok(owners)
}

/// Returns what each call of a store answers for the id of a credential, which is another owner's
/// or nobody's.
pub(super) async fn answers_of_store<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    owner: &Owner,
    theirs: &CredentialInfo,
) -> Vec<(&'static str, String)> {
    fn text<T: Debug, E: Debug>(answer: &Result<T, E>, id: &str) -> String {
        format!("{answer:?}").replace(id, "an id")
    }
    let (store, id) = (&fixture.store, theirs.id.as_str());
    let ending = |to, action| Ending {
        owner: owner.clone(),
        target: EndTarget::One(theirs.id.clone()),
        to,
        authority: Authority::Unconditional,
        at: NOW,
        action,
        by: AuditActor::Unknown,
        origin: None,
    };
    let disabling = ending(EndStatus::Disabled, AuditAction::Disabled);
    let deleting = ending(EndStatus::Deleted, AuditAction::Deleted);
    let before = CredentialInfo {
        owner: owner.clone(),
        ..theirs.clone()
    };
    let renaming = Commit {
        changes: vec![Update {
            after: CredentialInfo {
                name: "mine".into(),
                ..before.clone()
            },
            before,
        }],
        ..Commit::new(owner.clone(), Authority::Unconditional)
    };
    let query = ListQuery {
        filter: Filter::default(),
        after: Some(Position::new(theirs.created_at, theirs.id.clone())),
        limit: 100,
        now: fixture.later(0),
    };
    let listed = store.credentials(owner, &query).await;
    let listed = listed.map(|all| all.into_iter().all(|one| one.owner == *owner));
    let events = store.events(owner, None, 100).await;
    let events = events.map(|all| all.into_iter().all(|one| one.owner == *owner));
    let issued = store.issued_under(owner, "issued").await;
    let issued = issued.map(|issued| issued.is_none_or(|issued| issued.info.owner == *owner));
    vec![
        ("credentials", text(&listed, id)),
        ("events", text(&events, id)),
        ("issued under", text(&issued, id)),
        ("credential", text(&store.credential(owner, id).await, id)),
        ("commit", text(&store.commit(&renaming).await, id)),
        ("disable", text(&store.end(&disabling).await, id)),
        ("end", text(&store.end(&deleting).await, id)),
        ("delete", text(&store.delete(owner, id).await, id)),
    ]
}
