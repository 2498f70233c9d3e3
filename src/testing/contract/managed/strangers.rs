//! The claim about other owners: what is theirs does not exist.

use super::{Actor, Breach, Claim, ORG, OTHER_ORG, OTHER_USER, Site, USER, claim, org, user};
use crate::{
    credential::Kind,
    manage::{ManageError, NewKey, NewToken, Rotation},
    store::Directory,
    store::ManageStore,
};

pub(super) async fn another_owners_ids_are_unknown_and_untouched<S: ManageStore + Directory>(
    site: &Site<S>,
) -> Claim {
    let [(_, _, key, _), (_, _, token, _)] = site.one_of_each().await?;
    let other_key = site
        .manager
        .issue_key(&org(OTHER_ORG), NewKey::named("other"))
        .await?
        .info()
        .id
        .clone();
    let other_token = site
        .manager
        .issue_token(&user(OTHER_USER), NewToken::named("other"))
        .await?
        .info()
        .id
        .clone();
    site.manager
        .delete(
            &org(ORG),
            Kind::OrgKey,
            site.key("dead").await?.info().id.as_str(),
        )
        .await?;
    let mine = [
        (
            org(ORG),
            Kind::OrgKey,
            vec![&other_key, &other_token, &token.id],
        ),
        (org(OTHER_ORG), Kind::OrgKey, vec![&key.id, &token.id]),
        (
            user(USER),
            Kind::PersonalToken,
            vec![&other_key, &other_token, &key.id],
        ),
        (
            user(OTHER_USER),
            Kind::PersonalToken,
            vec![&key.id, &token.id],
        ),
    ];
    for (actor, kind, theirs) in mine {
        let known_to_nobody = answers(site, &actor, kind, "nobody").await?;
        let told = known_to_nobody
            .iter()
            .all(|(_, answer)| answer.starts_with("unknown_credential"));
        claim(
            told,
            format!("an id of nobody is answered {known_to_nobody:?}"),
        )?;
        for id in theirs {
            let before = site.everything().await?;
            let told = answers(site, &actor, kind, id.as_str()).await?;
            claim(
                told == known_to_nobody,
                format!("an id of nobody {known_to_nobody:?}, another owner's {told:?}"),
            )?;
            claim(
                site.everything().await? == before,
                "what belongs to another owner was touched",
            )?;
        }
    }
    Ok(())
}

/// What each call that takes an id says to one: code, text and status.
async fn answers<S: ManageStore + Directory>(
    site: &Site<S>,
    actor: &Actor,
    kind: Kind,
    id: &str,
) -> Result<Vec<(&'static str, String)>, Breach> {
    fn said<T>(answer: Result<T, ManageError>) -> String {
        answer.err().map_or_else(
            || "done".into(),
            |error| format!("{} {error} {}", error.code(), error.status()),
        )
    }
    let manager = &site.manager;
    Ok(vec![
        ("get", said(manager.get(actor, kind, id).await)),
        (
            "rename",
            said(manager.rename(actor, kind, id, "mine").await),
        ),
        ("disable", said(manager.disable(actor, kind, id).await)),
        ("enable", said(manager.enable(actor, kind, id).await)),
        (
            "rotate",
            said(manager.rotate(actor, kind, id, Rotation::default()).await),
        ),
        ("delete", said(manager.delete(actor, kind, id).await)),
    ])
}
