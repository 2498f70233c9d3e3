//! The claim about other owners: their credentials do not exist.

use super::{
    Actor, Feature, Fixture, ORG, OTHER_ORG, OTHER_USER, Outcome, USER, Violation, ensure, org,
    user,
};
use crate::{
    credential::Kind,
    manage::{ManageError, NewKey, NewToken, Rotation},
    store::{Directory, ManageStore},
};

pub(super) async fn another_owners_credentials_are_unknown_and_untouched<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, kind) = (&fixture.manager, Kind::OrgKey);
    // Each owner with the ids of one credential of theirs.
    let mut owned = vec![(org(ORG), kind, fixture.issue(kind, "key").await?)];
    let other = NewKey::named("other");
    let other = manager.issue_key(&org(OTHER_ORG), other).await?;
    owned.push((org(OTHER_ORG), kind, other));
    if fixture.supports(Feature::PersonalTokens) {
        let kind = Kind::PersonalToken;
        owned.push((user(USER), kind, fixture.issue(kind, "token").await?));
        let other = NewToken::named("other");
        let other = manager.issue_token(&user(OTHER_USER), other).await?;
        owned.push((user(OTHER_USER), kind, other));
    }
    let deleted = fixture.issue(kind, "deleted").await?;
    let id = deleted.info().id.as_str();
    manager.delete(&org(ORG), kind, id).await?;
    for (number, (actor, kind, _)) in owned.iter().enumerate() {
        let unknown = answers(fixture, actor, *kind, "unknown").await;
        let refused = |(_, answer): &(_, String)| answer.starts_with("unknown_credential");
        ensure(
            unknown.iter().all(refused),
            format!("for an unknown id, the answers are {unknown:?}"),
        )?;
        let others = owned.iter().enumerate();
        for (_, (_, _, theirs)) in others.filter(|(other, _)| *other != number) {
            let before = fixture.everything().await?;
            let found = answers(fixture, actor, *kind, theirs.info().id.as_str()).await;
            ensure(
                found == unknown,
                format!("for an unknown id {unknown:?}, for another owner's {found:?}"),
            )?;
            if fixture.everything().await? != before {
                let text = "another owner's credential was changed";
                return Err(Violation(text.into()));
            }
        }
    }
    Ok(())
}

/// Returns what each call answers for an id: its code, its text and its status.
async fn answers<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    actor: &Actor,
    kind: Kind,
    id: &str,
) -> Vec<(&'static str, String)> {
    fn text<T>(answer: Result<T, ManageError>) -> String {
        answer.err().map_or_else(
            || "done".into(),
            |error| format!("{} {error} {}", error.code(), error.status()),
        )
    }
    let (manager, at_once) = (&fixture.manager, Rotation::default());
    let get = manager.get(actor, kind, id).await;
    let rename = manager.rename(actor, kind, id, "mine").await;
    let disable = manager.disable(actor, kind, id).await;
    let enable = manager.enable(actor, kind, id).await;
    let rotate = manager.rotate(actor, kind, id, at_once).await;
    let delete = manager.delete(actor, kind, id).await;
    vec![
        ("get", text(get)),
        ("rename", text(rename)),
        ("disable", text(disable)),
        ("enable", text(enable)),
        ("rotate", text(rotate)),
        ("delete", text(delete)),
    ]
}
