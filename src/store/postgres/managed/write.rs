//! What a commit is in SQL, and the recording of uses. Each runs within a transaction.

use std::collections::HashMap;

use sqlx::PgConnection;

use super::{
    super::{
        PostgresStore,
        admin::{one, storable, there},
        row::{digest, failed, get},
        sql::Statements,
    },
    row::{number, used},
};
use crate::{
    credential::{Kind, is_key_id},
    manage::{Event, Owner},
    secret::{Digest, Peppers},
    store::{
        Alteration, Commit, Insert, StoreError, Use,
        WriteError::{self, CapReached, Changed, InvalidId, Taken, UnknownOrganization, UnknownUser},
    },
};

/// Does what a commit asks for.
pub(in super::super) async fn commit(
    db: &mut PgConnection,
    store: &PostgresStore,
    commit: &Commit,
) -> Result<(), WriteError> {
    if let Some(insert) = &commit.insert {
        add(db, store, insert).await?;
    }
    for change in &commit.changes {
        alter(db, &store.statements, &commit.owner, change).await?;
    }
    for event in &commit.events {
        tell(db, &store.statements, event).await?;
    }
    Ok(())
}

async fn add(db: &mut PgConnection, store: &PostgresStore, insert: &Insert) -> Result<(), WriteError> {
    let Insert { info, digest, idempotency, cap } = insert;
    let (id, kind, owner) = (info.id.as_str(), info.kind().as_str(), info.owner.id());
    if info.kind() == Kind::OrgKey && !is_key_id(id) {
        return Err(InvalidId(id.into()));
    }
    let (statements, managed) = (&store.statements, &store.statements.managed);
    match (&info.owner, cap) {
        (Owner::Organization(_), None) => {
            there(db, &statements.living_organization, owner, UnknownOrganization).await?
        }
        (Owner::Organization(_), Some(_)) => there(db, &managed.lock_organization, owner, UnknownOrganization).await?,
        (Owner::User(_), None) => there(db, &statements.known_user, owner, UnknownUser).await?,
        (Owner::User(_), Some(_)) => there(db, &managed.lock_user, owner, UnknownUser).await?,
    }
    storable(id)?;
    storable(&info.name)?;
    if let Some(cap) = *cap {
        let count = managed.count.for_owner(&info.owner).query().bind(kind).bind(owner).bind(info.created_at.0);
        if number(&count.fetch_one(&mut *db).await.map_err(failed)?)? >= i64::from(cap) {
            return Err(CapReached(cap));
        }
    }
    let peppers = store.peppers.as_ref();
    if info.kind() == Kind::PersonalToken && peppers.is_some() {
        let candidates = Peppers::candidates(peppers, digest);
        let candidates = candidates.iter().map(|digest| digest.to_bytes().to_vec()).collect::<Vec<_>>();
        let query = managed.by_digest.query().bind(candidates);
        if query.fetch_optional(&mut *db).await.map_err(failed)?.is_some() {
            return Err(Taken(id.into()));
        }
    }
    let (kept, pepper) = Peppers::keep(peppers, digest);
    let (organization, user) = info.owner.columns();
    let scopes = info.scopes.as_ref().map(|scopes| scopes.iter().map(|scope| scope.to_string()).collect::<Vec<_>>());
    let (key, request) = idempotency.as_ref().map(|(key, request)| (&**key, request.to_vec())).unzip();
    let query = statements.insert.query().bind(kind).bind(id).bind(kept.to_bytes().to_vec());
    let query = query.bind(info.standing.word()).bind(info.expires_at.map(|end| end.0));
    let query = query.bind(organization).bind(user).bind(info.role.as_deref()).bind(scopes);
    let query = query.bind(&*info.name).bind(info.created_at.0);
    let query = query.bind(info.rotated_from.as_ref().map(|from| from.as_str())).bind(key).bind(request).bind(pepper);
    one(query.execute(db).await.map_err(failed)?.rows_affected(), || Taken(id.into()))
}

async fn alter(
    db: &mut PgConnection,
    statements: &Statements,
    owner: &Owner,
    change: &Alteration,
) -> Result<(), WriteError> {
    let Alteration { before, after } = change;
    let query = statements.managed.alter.for_owner(owner).query();
    let query = query.bind(owner.kind().as_str()).bind(owner.id()).bind(before.id.as_str());
    let query = query.bind(&*after.name).bind(after.standing.word()).bind(after.expires_at.map(|end| end.0));
    let query = query.bind(after.rotated_to.as_ref().map(|to| to.as_str())).bind(after.rotated_at.map(|at| at.0));
    let query = query.bind(&*before.name).bind(before.standing.word());
    let query = query.bind(before.expires_at.map(|end| end.0)).bind(before.rotated_to.as_ref().map(|to| to.as_str()));
    match query.execute(db).await {
        Ok(done) => one(done.rows_affected(), || Changed),
        // deadlock_detected: another commit changes the same credentials in another order.
        Err(sqlx::Error::Database(told)) if told.code().as_deref() == Some("40P01") => Err(Changed),
        Err(error) => Err(failed(error).into()),
    }
}

async fn tell(db: &mut PgConnection, statements: &Statements, event: &Event) -> Result<i64, StoreError> {
    let (organization, user) = event.owner.columns();
    let (sort, id, person) = event.by.columns();
    let query = statements.managed.tell.query();
    let query = query.bind(event.at.0).bind(event.action.as_str()).bind(organization).bind(user);
    let query = query.bind(event.credential.as_str()).bind(event.related.as_ref().map(|id| id.as_str()));
    let query = query.bind(sort).bind(id).bind(person).bind(event.origin.as_deref());
    number(&query.fetch_one(db).await.map_err(failed)?)
}

/// Records uses; returns the events that they are.
pub(in super::super) async fn record(
    db: &mut PgConnection,
    statements: &Statements,
    uses: &[Use],
) -> Result<Vec<Event>, StoreError> {
    statements.managed.record_alone.query().execute(&mut *db).await.map_err(failed)?;
    let (kinds, ids, moments) = arrays(uses.iter().filter(|used| storable(used.id.as_str()).is_ok()));
    let query = statements.managed.used.query().bind(kinds).bind(ids).bind(moments);
    let rows = query.fetch_all(&mut *db).await.map_err(failed)?;
    let (mut due, mut told) = (HashMap::new(), Vec::new());
    for row in &rows {
        let (used, known) = used(row)?;
        let (is_due, event) = used.judge(known);
        if is_due {
            due.insert((used.kind, used.id.clone()), used);
        }
        if let Some(event) = event {
            let number = tell(db, statements, &event).await?;
            told.push(Event { number, ..event });
        }
    }
    let (kinds, ids, moments) = arrays(due.values());
    let query = statements.managed.set_used.query().bind(kinds).bind(ids).bind(moments);
    query.execute(db).await.map_err(failed)?;
    Ok(told)
}

/// Makes a digest anew under the current pepper; returns whether there was something to make anew.
pub(super) async fn rehash(
    db: &mut PgConnection,
    store: &PostgresStore,
    kind: Kind,
    id: &str,
    presented: &Digest,
) -> Result<bool, StoreError> {
    let (managed, peppers) = (&store.statements.managed, store.peppers.as_ref());
    let query = managed.digest.query().bind(kind.as_str()).bind(id);
    let Some(row) = query.fetch_optional(&mut *db).await.map_err(failed)? else { return Ok(false) };
    let pepper = get(&row, "pepper")?;
    if !Peppers::verifies(peppers, &digest(&row)?, pepper, presented)? || !Peppers::is_outdated(peppers, pepper) {
        return Ok(false);
    }
    let (kept, pepper) = Peppers::keep(peppers, presented);
    let query = managed.rehash.query().bind(kind.as_str()).bind(id).bind(kept.to_bytes().to_vec()).bind(pepper);
    query.execute(db).await.map_err(failed)?;
    Ok(true)
}

fn arrays<'u>(uses: impl Iterator<Item = &'u Use>) -> (Vec<String>, Vec<String>, Vec<i64>) {
    let rows = uses.map(|used| (used.kind.as_str().to_owned(), (used.id.as_str().to_owned(), used.at.0)));
    let (kinds, rest): (Vec<_>, Vec<_>) = rows.unzip();
    let (ids, moments) = rest.into_iter().unzip();
    (kinds, ids, moments)
}
