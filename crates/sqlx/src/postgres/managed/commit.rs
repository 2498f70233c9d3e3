//! Committing a change with everything that belongs to it, as one transaction.

use sqlx::{PgConnection, Row};

use super::{
    authority::Turn,
    sql::Owned,
    write::{alter, insert_events, millis, text},
};
use crate::postgres::{PostgresStore, pool::Purpose, row::store_error};
use crate::shared::{AttributeColumns, skipped};
use tower_api_key::{
    credential::{Kind, check_credential_id},
    id::OrgId,
    secret::Digest,
    store::{
        AuditActor, Owner, StoreError,
        WriteError::{self, CapReached, Changed, Taken, UnknownOrganization, UnknownUser},
        backend::{Cap, Commit, NewCredential},
    },
};

/// How often a commit is tried for an owner without a row in `owner_turns`.
const MAX_ATTEMPTS: usize = 3;

impl PostgresStore {
    pub(super) async fn commit_in_tx(&self, commit: &Commit) -> Result<(), WriteError> {
        for _ in 0..MAX_ATTEMPTS {
            if self.try_commit(commit).await? {
                return Ok(());
            }
            self.make_turn(&commit.owner).await?;
        }
        Err(Changed)
    }

    /// Returns false if the owner needs a row in `owner_turns` first.
    ///
    /// All locks come first, in a statement of their own: later statements then see what earlier
    /// holders of the locks have committed.
    async fn try_commit(&self, commit: &Commit) -> Result<bool, WriteError> {
        let Commit {
            owner,
            authority,
            insert: new,
            changes,
            events,
            cap,
        } = commit;
        let sql = self.by_owner.of_kind(owner.kind());
        self.transact(Purpose::Ordinary, async |db| {
            if self.lock_for_commit(db, commit).await? == Turn::Missing {
                return Ok(false);
            }
            self.check_authority(db, authority).await?;
            if let Some(new) = new {
                if !self.is_living(db, commit).await? {
                    return Err(unknown(owner));
                }
                self.insert(db, owner, new).await?;
            }
            alter(db, sql, owner, changes).await?;
            check_cap(db, sql, owner, *cap).await?;
            insert_events(db, &self.statements.insert_events, events).await?;
            Ok(true)
        })
        .await
    }

    /// Inserts the row in `owner_turns` of an owner who exists.
    async fn make_turn(&self, owner: &Owner) -> Result<(), WriteError> {
        let make = self
            .by_owner
            .of_kind(owner.kind())
            .make_turns
            .query()
            .bind(vec![owner.id()]);
        self.transact(Purpose::Ordinary, async |db| {
            Ok(make.execute(db).await.map(drop).map_err(store_error)?)
        })
        .await
    }

    async fn insert(
        &self,
        db: &mut PgConnection,
        owner: &Owner,
        new: &NewCredential,
    ) -> Result<(), WriteError> {
        let info = &new.info;
        check_credential_id(info.kind(), info.id.as_str())?;
        if self.is_kept(db, owner, &new.digest).await? {
            return Err(Taken(info.id.as_str().into()));
        }
        let stored = self.digests().store_new(new)?;
        let scopes = info
            .scopes
            .as_ref()
            .map(|scopes| scopes.iter().map(|scope| &**scope).collect::<Vec<_>>());
        let (scopes, own_scopes) = match info.kind() {
            Kind::OrgKey => (scopes, None),
            Kind::PersonalToken => (None, scopes),
        };
        let organizations = info.organizations.as_ref();
        let organizations =
            organizations.map(|list| list.iter().map(OrgId::as_str).collect::<Vec<_>>());
        let attributes = AttributeColumns::of(&info.attributes);
        let creator = info.created_by.as_ref().map(AuditActor::columns);
        let (key, request) = new
            .idempotency
            .as_ref()
            .map(|it| (&*it.key, it.fingerprint.to_vec()))
            .unzip();
        let digest = stored.digest.to_bytes().to_vec();
        let inserted = self
            .statements
            .insert
            .query()
            .bind(owner.kind().as_str())
            .bind(info.id.as_str())
            .bind(&digest)
            .bind(info.status.as_str())
            .bind(millis(info.expires_at))
            .bind(owner.organization())
            .bind(owner.user())
            .bind(info.role.as_deref())
            .bind(scopes)
            .bind(&*info.name)
            .bind(info.created_at.0)
            .bind(text(&info.rotated_from))
            .bind(text(&info.rotated_to))
            .bind(millis(info.rotated_at))
            .bind(key)
            .bind(request)
            .bind(stored.pepper.as_deref())
            .bind(own_scopes)
            .bind(organizations)
            .bind(attributes.description)
            .bind(attributes.metadata)
            .bind(attributes.networks)
            .bind(attributes.environment)
            .bind(creator.map(|creator| creator.kind))
            .bind(creator.and_then(|creator| creator.id))
            .bind(creator.and_then(|creator| creator.user))
            .execute(&mut *db)
            .await
            .map_err(store_error)?;
        let sql = self.by_owner.of_kind(owner.kind());
        if inserted.rows_affected() > 0 {
            let digests = self.candidates(&new.digest);
            let removed = sql.is_removed.query().bind(info.id.as_str()).bind(digests);
            let removed = removed.fetch_optional(db).await.map_err(store_error)?;
            return removed.map_or(Ok(()), |_| Err(Taken(info.id.as_str().into())));
        }
        let is_taken = sql.is_taken.query().bind(info.id.as_str()).bind(&digest);
        let taken = is_taken.bind(key).bind(owner.id()).fetch_optional(db).await;
        match taken.map_err(store_error)? {
            Some(_) => Err(Taken(info.id.as_str().into())),
            None => Err(skipped("credentials").into()),
        }
    }

    /// Returns what may be stored as the digest of a token.
    fn candidates(&self, digest: &Digest) -> Vec<Vec<u8>> {
        let candidates = self.digests().candidates(digest);
        let bytes = candidates.iter().map(|digest| digest.to_bytes().to_vec());
        bytes.collect()
    }

    /// Whether the token is already stored under another pepper than the current one; the unique
    /// index covers the current one.
    async fn is_kept(
        &self,
        db: &mut PgConnection,
        owner: &Owner,
        digest: &Digest,
    ) -> Result<bool, StoreError> {
        if owner.kind() == Kind::OrgKey || self.peppers.is_none() {
            return Ok(false);
        }
        let candidates = self.candidates(digest);
        let query = self
            .statements
            .find_peppered_token
            .query()
            .bind(candidates)
            .bind(None::<&str>);
        Ok(query
            .fetch_optional(db)
            .await
            .map_err(store_error)?
            .is_some())
    }
}

/// Serializes the transactions of these owners, by locking their rows in `owner_turns`.
pub(super) async fn take_turns(
    db: &mut PgConnection,
    sql: &Owned,
    owners: Vec<&str>,
) -> Result<(), StoreError> {
    if owners.is_empty() {
        return Ok(());
    }
    sql.make_turns
        .query()
        .bind(owners.clone())
        .execute(&mut *db)
        .await
        .map_err(store_error)?;
    sql.take_turns
        .query()
        .bind(owners)
        .execute(db)
        .await
        .map(drop)
        .map_err(store_error)
}

fn unknown(owner: &Owner) -> WriteError {
    match owner {
        Owner::Organization(id) => UnknownOrganization(id.as_str().into()),
        Owner::User(id) => UnknownUser(id.as_str().into()),
    }
}

/// Refuses a change that brings the owner above its cap; counted after everything else.
async fn check_cap(
    db: &mut PgConnection,
    sql: &Owned,
    owner: &Owner,
    cap: Option<Cap>,
) -> Result<(), WriteError> {
    let Some(Cap { limit, at, .. }) = cap else {
        return Ok(());
    };
    let counting = sql
        .counting
        .query()
        .bind(owner.id())
        .bind(at.0)
        .bind(i64::from(limit) + 1);
    let counted: i64 = counting
        .fetch_one(db)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(store_error)?;
    if counted <= i64::from(limit) {
        Ok(())
    } else {
        Err(CapReached(limit))
    }
}
