//! Claims about issuing: who may get what, and what a repeated request is answered with.

use super::{Actor, Breach, Claim, NOW, ORG, OTHER_ORG, Site, USER, both, claim, org, user};
use crate::{
    clock::UnixMillis,
    credential::{Kind, TokenFormat},
    manage::{Import, ManageError, NewKey, NewToken, Rotation},
    secret::Digest,
    store::Directory,
    store::{CredentialStore, Lookup, LookupKey, ManageStore},
};

pub(super) async fn what_is_issued_is_accepted_and_says_what_was_asked_for<
    S: ManageStore + Directory,
>(
    site: &Site<S>,
) -> Claim {
    let end = site.later(60_000);
    let wishes = [
        (
            NewKey::named("role").with_role("viewer").expiring_at(end),
            Some("viewer"),
            Some(end),
            "agents:read",
        ),
        (
            NewKey::named("scopes").with_scopes(["members:manage"]),
            None,
            None,
            "members:read",
        ),
        (
            NewKey::named("nothing").with_scopes([""; 0]),
            None,
            None,
            "",
        ),
        (NewKey::named("nothing asked for"), None, None, ""),
    ];
    for (wish, role, expires_at, scope) in wishes {
        let (info, secret) = both(site.manager.issue_key(&org(ORG), wish).await?)?;
        claim(
            site.accepts(&secret).await?,
            format!("{info:?} is not accepted"),
        )?;
        let found = site
            .store
            .find(&Lookup::new(
                LookupKey::OrgKey {
                    id: info.id.as_str(),
                },
                None,
            ))
            .await?;
        let found = found.ok_or_else(|| Breach(format!("{info:?} is not found")))?;
        let good = found.role() == role
            && found.expires_at() == expires_at
            && (if scope.is_empty() {
                found.scopes().is_empty()
            } else {
                found.scopes().contains(scope)
            });
        claim(good, format!("{info:?} is looked up as {found:?}"))?;
        let read = site
            .manager
            .get(&org(ORG), Kind::OrgKey, info.id.as_str())
            .await?;
        claim(
            read == info && read.created_at == NOW,
            format!("issued {info:?}, read {read:?}"),
        )?;
    }
    let (info, secret) = both(site.token("laptop").await?)?;
    claim(site.accepts(&secret).await?, "a new token is not accepted")?;
    claim(
        TokenFormat::checksum_holds(secret.expose_secret().as_bytes()),
        "a token without a good checksum",
    )?;
    let read = site
        .manager
        .get(&user(USER), Kind::PersonalToken, info.id.as_str())
        .await?;
    claim(
        read == info && &*read.name == "laptop",
        format!("issued {info:?}, read {read:?}"),
    )
}

pub(super) async fn nobody_hands_out_more_than_they_hold<S: ManageStore + Directory>(
    site: &Site<S>,
) -> Claim {
    let (soon, late) = (site.later(1000), site.later(2000));
    let manages = "organizations:manage";
    let (some, mortal) = (
        site.caller(&[manages, "agents:read"], None).await?,
        site.caller(&[manages], Some(soon)).await?,
    );
    let (reader, nothing) = (
        site.caller(&["agents:read"], None).await?,
        site.caller(&[], None).await?,
    );
    let members = site.caller(&[manages, "members:manage"], None).await?;
    let key = || NewKey::named("child");
    site.store.set_member(USER, ORG, "admin").await?;
    // The service states the scopes as they are; what they imply is the catalogue's to say.
    let stated = [manages, "members:manage"].into_iter().collect();
    let person = Actor::user(USER).acting_in(ORG, stated);
    let refused = [
        (
            "another scope",
            &some,
            key().with_scopes(["agents:manage"]),
            "scope_not_held",
        ),
        (
            "one too many",
            &some,
            key().with_scopes(["agents:read", "agents:manage"]),
            "scope_not_held",
        ),
        (
            "a role with more",
            &some,
            key().with_role("viewer"),
            "scope_not_held",
        ),
        (
            "a person with less",
            &person,
            key().with_scopes(["agents:read"]),
            "scope_not_held",
        ),
        ("without end", &mortal, key(), "expiry_beyond_creator"),
        (
            "too late an end",
            &mortal,
            key().expiring_at(late),
            "expiry_beyond_creator",
        ),
        (
            "no right to manage",
            &reader,
            key().with_scopes(["agents:read"]),
            "not_allowed",
        ),
        ("no rights at all", &nothing, key(), "not_allowed"),
        ("no organization", &Actor::user(USER), key(), "not_allowed"),
    ];
    for (what, actor, wish, code) in refused {
        site.refuses(what, code, site.manager.issue_key(actor, wish))
            .await?;
    }
    let token = site.manager.issue_token(&some, NewToken::named("child"));
    site.refuses("a token for a key, which is nobody", "not_allowed", token)
        .await?;
    for (actor, wish) in [
        (&some, key().with_scopes(["agents:read"])),
        (&some, key().with_scopes([manages])),
        (&mortal, key().expiring_at(soon)),
        (&members, key().with_scopes(["members:manage"])),
        (&person, key().with_scopes(["members:manage"])),
        (&person, key().with_scopes(["members:read"])),
    ] {
        site.manager.issue_key(actor, wish).await?;
    }
    site.manager
        .issue_token(&Actor::user(USER), NewToken::named("own"))
        .await?;
    Ok(())
}

pub(super) async fn a_bad_request_is_told_apart_and_leaves_no_trace<S: ManageStore + Directory>(
    site: &Site<S>,
) -> Claim {
    let key = || NewKey::named("key");
    let (long, fits) = ("x".repeat(101), "\u{e9}".repeat(100));
    let requests = [
        ("no name", NewKey::named(""), "invalid_name"),
        ("a blank name", NewKey::named(" \u{a0}"), "invalid_name"),
        ("an over-long name", NewKey::named(&long), "invalid_name"),
        ("a name of two lines", NewKey::named("a\nb"), "invalid_name"),
        ("a name with NUL", NewKey::named("a\0"), "invalid_name"),
        ("an expiry now", key().expiring_at(NOW), "expiry_in_past"),
        (
            "an expiry long ago",
            key().expiring_at(UnixMillis(i64::MIN)),
            "expiry_in_past",
        ),
        (
            "an unknown scope",
            key().with_scopes(["agents:fly"]),
            "unknown_scope",
        ),
        ("a wildcard", key().with_scopes(["*"]), "unknown_scope"),
        ("an empty scope", key().with_scopes([""]), "unknown_scope"),
        ("an unknown role", key().with_role("owner"), "unknown_role"),
        (
            "a role in capitals",
            key().with_role("Admin"),
            "unknown_role",
        ),
        (
            "no idempotency key",
            key().with_idempotency_key(""),
            "invalid_idempotency_key",
        ),
        (
            "an over-long idempotency key",
            key().with_idempotency_key(&"k".repeat(256)),
            "invalid_idempotency_key",
        ),
        (
            "an idempotency key with a blank",
            key().with_idempotency_key("a b"),
            "invalid_idempotency_key",
        ),
    ];
    for (what, wish, code) in requests {
        site.refuses(what, code, site.manager.issue_key(&org(ORG), wish))
            .await?;
    }
    let limited = site
        .manager
        .clone()
        .with_max_lifetime(std::time::Duration::from_secs(60));
    for (what, end) in [
        ("for ever", None),
        ("a millisecond too late", Some(site.later(60_001))),
    ] {
        let wish = key().expiring_at(end);
        site.refuses(
            what,
            "expiry_beyond_policy",
            limited.issue_key(&org(ORG), wish),
        )
        .await?;
    }
    limited
        .issue_key(&org(ORG), key().expiring_at(site.later(60_000)))
        .await?;
    site.manager
        .issue_key(&org(ORG), NewKey::named(&fits).expiring_at(site.later(1)))
        .await?;
    let (nowhere, nobody) = (org("org_nowhere"), user("nobody"));
    site.refuses(
        "an unknown organization",
        "unknown_owner",
        site.manager.issue_key(&nowhere, key()),
    )
    .await?;
    let token = site.manager.issue_token(&nobody, NewToken::named("token"));
    site.refuses("an unknown person", "unknown_owner", token)
        .await?;
    site.store.delete_organization(OTHER_ORG).await?;
    site.refuses(
        "a deleted organization",
        "unknown_owner",
        site.manager.issue_key(&org(OTHER_ORG), key()),
    )
    .await
}

pub(super) async fn an_idempotency_key_is_answered_with_what_it_has_made<
    S: ManageStore + Directory,
>(
    site: &Site<S>,
) -> Claim {
    let end = site.later(10_000);
    let wish = || {
        NewKey::named("ci")
            .with_role("viewer")
            .expiring_at(end)
            .with_idempotency_key("key-1")
    };
    let (info, secret) = both(site.manager.issue_key(&org(ORG), wish()).await?)?;
    site.clock.advance_millis(5000);
    let (repeated, again) = site
        .manager
        .issue_key(&org(ORG), wish())
        .await?
        .into_parts();
    claim(again.is_none(), "the secret was handed out twice")?;
    claim(
        repeated == info,
        format!("made {info:?}, repeated {repeated:?}"),
    )?;
    site.clock.advance_millis(-5000);
    claim(
        site.accepts(&secret).await?,
        "the repetition has harmed the first",
    )?;
    let others = [
        (
            "another name",
            NewKey::named("cd").with_role("viewer").expiring_at(end),
        ),
        (
            "another role",
            NewKey::named("ci").with_role("admin").expiring_at(end),
        ),
        (
            "scopes",
            NewKey::named("ci")
                .with_scopes(["agents:read"])
                .expiring_at(end),
        ),
        ("another end", NewKey::named("ci").with_role("viewer")),
    ];
    let actor = org(ORG);
    for (what, other) in others {
        let call = site
            .manager
            .issue_key(&actor, other.with_idempotency_key("key-1"));
        site.refuses(what, "idempotency_conflict", call).await?;
    }
    let elsewhere = site
        .manager
        .issue_key(&org(OTHER_ORG), wish())
        .await?
        .into_parts();
    claim(
        elsewhere.1.is_some() && elsewhere.0.id != info.id,
        "another owner's idempotency key counted",
    )?;
    Ok(())
}

pub(super) async fn a_repeated_request_does_not_answer_with_what_has_ended<
    S: ManageStore + Directory,
>(
    site: &Site<S>,
) -> Claim {
    let (manager, code) = (&site.manager, "issued_inactive");
    for (what, (actor, kind)) in [
        ("key", (org(ORG), Kind::OrgKey)),
        ("token", (user(USER), Kind::PersonalToken)),
    ] {
        let issue = |how: &'static str| {
            let (actor, end) = (actor.clone(), UnixMillis(NOW.0 + 1000));
            async move {
                match kind {
                    Kind::OrgKey => {
                        let new = NewKey::named("ci").with_idempotency_key(how);
                        manager.issue_key(&actor, new.expiring_at(end)).await
                    }
                    Kind::PersonalToken => {
                        let new = NewToken::named("ci").with_idempotency_key(how);
                        manager.issue_token(&actor, new.expiring_at(end)).await
                    }
                }
            }
        };
        let made = ["deleted", "disabled", "rotated", "expired", "overlap"];
        let mut ids = Vec::new();
        for how in made {
            ids.push(issue(how).await?.info().id.clone());
        }
        let [deleted, disabled, rotated, _, overlap] = &ids[..] else {
            return Err(Breach("five were issued".into()));
        };
        manager.delete(&actor, kind, deleted.as_str()).await?;
        manager.disable(&actor, kind, disabled.as_str()).await?;
        manager
            .rotate(&actor, kind, rotated.as_str(), Rotation::default())
            .await?;
        for how in ["deleted", "disabled", "rotated"] {
            site.refuses(&format!("a {how} {what}"), code, issue(how))
                .await?;
        }
        // It is accepted still, and says what took its place.
        let an_hour = Rotation::default().with_overlap(std::time::Duration::from_secs(3600));
        manager
            .rotate(&actor, kind, overlap.as_str(), an_hour)
            .await?;
        let (info, _) = issue("overlap").await?.into_parts();
        claim(
            info.rotated_to.is_some(),
            format!("in its overlap it is answered with {info:?}"),
        )?;
        manager.enable(&actor, kind, disabled.as_str()).await?;
        let (info, _) = issue("disabled").await?.into_parts();
        claim(&info.id == disabled, "enabled again, it is not the answer")?;
        site.clock.advance_millis(1000);
        site.refuses(&format!("an expired {what}"), code, issue("expired"))
            .await?;
        site.clock.advance_millis(-1000);
    }
    Ok(())
}

pub(super) async fn of_many_under_one_idempotency_key_one_makes_a_credential<
    S: ManageStore + Directory,
>(
    site: &Site<S>,
) -> Claim {
    let tasks = (0..8).map(|_| {
        let manager = site.manager.clone().with_max_credentials(1); // which the first of them reaches
        let wish = NewToken::named("one").with_idempotency_key("once");
        tokio::spawn(async move { manager.issue_token(&user(USER), wish).await })
    });
    let mut ids = Vec::new();
    let mut secrets = 0;
    for task in tasks.collect::<Vec<_>>() {
        let (info, secret) = task
            .await
            .map_err(|error| Breach(error.to_string()))??
            .into_parts();
        secrets += usize::from(secret.is_some());
        ids.push(info.id);
    }
    ids.dedup();
    claim(
        secrets == 1 && ids.len() == 1,
        format!("{secrets} secrets, {ids:?}"),
    )
}

pub(super) async fn the_cap_is_kept_among_many_at_once<S: ManageStore + Directory>(
    site: &Site<S>,
) -> Claim {
    let manager = site.manager.clone().with_max_credentials(5);
    let fill = || async {
        let tasks = (0..12).map(|_| {
            let manager = manager.clone();
            tokio::spawn(async move { manager.issue_key(&org(ORG), NewKey::named("many")).await })
        });
        let mut made = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            match task.await.map_err(|error| Breach(error.to_string()))? {
                Ok(issued) => made.push(issued.into_parts().0),
                Err(ManageError::CapReached(5)) => {}
                Err(other) => return Err(Breach::from(other)),
            }
        }
        Ok(made)
    };
    let made = fill().await?;
    claim(made.len() == 5, format!("{} of 5", made.len()))?;
    site.refuses(
        "the cap",
        "cap_reached",
        manager.issue_key(&org(ORG), NewKey::named("sixth")),
    )
    .await?;
    manager
        .issue_key(&org(OTHER_ORG), NewKey::named("elsewhere"))
        .await?;
    // What does not count any more leaves room: one deleted, one expired.
    let [first, ..] = &made[..] else {
        return Err(Breach("nothing was made".into()));
    };
    manager
        .delete(&org(ORG), Kind::OrgKey, first.id.as_str())
        .await?;
    let mortal = NewKey::named("mortal").expiring_at(site.later(10));
    manager.issue_key(&org(ORG), mortal).await?;
    site.clock.advance_millis(10);
    let again = fill().await?;
    claim(
        again.len() == 1,
        format!("{} fitted where one had expired", again.len()),
    )
}

pub(super) async fn a_foreign_digest_is_accepted_as_it_is<S: ManageStore + Directory>(
    site: &Site<S>,
) -> Claim {
    let format = TokenFormat::default();
    let key = format!(
        "{}foreign-id.test-secret-of-another-system",
        format.org_key_prefix()
    );
    let token = format!(
        "{}test-token-of-another-system",
        format.personal_token_prefix()
    );
    let of = |text: &str| Digest::of(text.as_bytes());
    let import = || {
        Import::new("foreign-id", of(&key), "old key")
            .with_role("viewer")
            .with_created_at(UnixMillis(5))
    };
    let info = site
        .manager
        .import(&org(ORG), Kind::OrgKey, import())
        .await?;
    claim(info.created_at == UnixMillis(5), format!("{info:?}"))?;
    let old_token = Import::new("t-1", of(&token), "old token");
    site.manager
        .import(&user(USER), Kind::PersonalToken, old_token.clone())
        .await?;
    for text in [&key, &token] {
        claim(
            site.accepts(&crate::secret::Secret::new(text.clone()))
                .await?,
            format!("{text} is not accepted"),
        )?;
    }
    let everybody = site.caller(&["organizations:manage"], None).await?;
    let (manager, digest) = (&site.manager, of("another secret"));
    let other = |id: &str| Import::new(id, digest.clone(), "other");
    let by_caller = manager.import(&everybody, Kind::OrgKey, other("x"));
    site.refuses("an import by a caller", "not_allowed", by_caller)
        .await?;
    site.refuses(
        "the id again",
        "taken",
        manager.import(&org(OTHER_ORG), Kind::OrgKey, import()),
    )
    .await?;
    site.refuses(
        "no id",
        "invalid_id",
        manager.import(&org(ORG), Kind::OrgKey, other("a.b")),
    )
    .await?;
    let digest_again = Import::new("t-2", of(&token), "thief");
    site.refuses(
        "the digest again",
        "taken",
        manager.import(&user(USER), Kind::PersonalToken, digest_again),
    )
    .await?;
    let nameless = Import::new("t-3", digest.clone(), " ");
    site.refuses(
        "no name",
        "invalid_name",
        manager.import(&user(USER), Kind::PersonalToken, nameless),
    )
    .await?;
    for (what, import, code) in [
        (
            "an unknown role",
            other("x").with_role("owner"),
            "unknown_role",
        ),
        (
            "an unknown scope",
            other("x").with_scopes(["agents:fly"]),
            "unknown_scope",
        ),
    ] {
        site.refuses(what, code, manager.import(&org(ORG), Kind::OrgKey, import))
            .await?;
    }
    let granted = old_token.with_role("viewer");
    site.refuses(
        "a token's role",
        "not_allowed",
        manager.import(&user(USER), Kind::PersonalToken, granted),
    )
    .await
}
