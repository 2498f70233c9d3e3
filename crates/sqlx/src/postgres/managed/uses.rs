//! Recording when credentials were last used: one transaction of a few statements, however many
//! credentials there are.
//!
//! Rows are locked in the order of their names, so two nodes that record uses of the same
//! credentials wait for each other but never deadlock. What is written is decided on a locked row,
//! so only one of two nodes reports a first use.

use sqlx::{PgConnection, postgres::PgRow};

use super::{commit::take_turns, write::insert_events};
use crate::postgres::{
    PostgresStore, contains_no_nul,
    pool::Purpose,
    row::{get, store_error},
};
use crate::shared::expect_rows;
use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    store::{
        AuditEvent, Owner, StoreError, Usage,
        backend::{LastUsage, OverlapStage, Successor},
    },
};

/// The uses to write, and the events about them.
#[derive(Default)]
struct Due {
    kinds: Vec<String>,
    ids: Vec<String>,
    at: Vec<i64>,
    stages: Vec<i16>,
    addresses: Vec<Option<String>>,
    user_agents: Vec<Option<String>>,
    events: Vec<AuditEvent>,
}

impl PostgresStore {
    pub(super) async fn record_uses_in_tx(
        &self,
        uses: &[Usage],
    ) -> Result<Vec<AuditEvent>, StoreError> {
        let uses: Vec<&Usage> = uses
            .iter()
            .filter(|used| contains_no_nul(used.id.as_str()))
            .collect();
        if uses.is_empty() {
            return Ok(Vec::new());
        }
        self.transact(Purpose::Ordinary, async |db| {
            let due = self.lock_due(db, &uses).await?;
            let count = due.ids.len();
            let write = self
                .statements
                .write_uses
                .query()
                .bind(due.kinds)
                .bind(due.ids)
                .bind(due.at)
                .bind(due.stages)
                .bind(due.addresses)
                .bind(due.user_agents);
            let written = write.execute(&mut *db).await.map_err(store_error)?;
            expect_rows(written.rows_affected(), count, "uses")?;
            self.insert_numbered_events(db, due.events).await
        })
        .await
    }

    /// Locks the owners of the tokens first, as the removal of a user does. Then it inserts a row
    /// for each credential without one, and locks the rows to be written.
    async fn lock_due(&self, db: &mut PgConnection, uses: &[&Usage]) -> Result<Due, StoreError> {
        let kinds: Vec<_> = uses.iter().map(|used| used.kind.as_str()).collect();
        let ids: Vec<_> = uses.iter().map(|used| used.id.as_str()).collect();
        let at: Vec<_> = uses.iter().map(|used| used.at.0).collect();
        let after_rotation: Vec<_> = uses.iter().map(|used| used.after_rotation).collect();
        let granularity: Vec<_> = uses
            .iter()
            .map(|used| used.granularity.fixed_millis())
            .collect();
        let addresses: Vec<_> = uses
            .iter()
            .map(|used| used.address.map(|address| address.to_string()))
            .collect();
        let user_agents: Vec<_> = uses.iter().map(|used| user_agent(used)).collect();
        let lock_users = self.statements.lock_users.query().bind(&kinds).bind(&ids);
        lock_users.execute(&mut *db).await.map_err(store_error)?;
        let begin_uses = self.statements.begin_uses.query().bind(&kinds).bind(&ids);
        begin_uses.execute(&mut *db).await.map_err(store_error)?;
        let lock = self
            .statements
            .lock_due_uses
            .query()
            .bind(kinds)
            .bind(ids)
            .bind(at)
            .bind(after_rotation)
            .bind(granularity)
            .bind(addresses)
            .bind(user_agents);
        let mut due = Due::default();
        for row in lock.fetch_all(db).await.map_err(store_error)? {
            due.add(&row)?;
        }
        Ok(due)
    }

    /// Inserts the events, serialized by owner, and numbers them.
    pub(super) async fn insert_numbered_events(
        &self,
        db: &mut PgConnection,
        mut events: Vec<AuditEvent>,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        for kind in [Kind::OrgKey, Kind::PersonalToken] {
            let owners = events
                .iter()
                .map(|event| &event.owner)
                .filter(|owner| owner.kind() == kind);
            take_turns(
                db,
                self.by_owner.of_kind(kind),
                owners.map(Owner::id).collect(),
            )
            .await?;
        }
        let numbers = insert_events(db, &self.statements.insert_events, &events).await?;
        for (event, number) in events.iter_mut().zip(numbers) {
            event.number = Some(number);
        }
        Ok(events)
    }
}

impl Due {
    fn add(&mut self, row: &PgRow) -> Result<(), StoreError> {
        let (id, at): (String, i64) = (get(row, "id")?, get(row, "at")?);
        let owner = owner_of(row)?;
        let mut used = Usage::new(owner.kind(), id.as_str(), UnixMillis(at));
        used.after_rotation = get(row, "after_rotation")?;
        let decision = used.decide(known(row, owner)?);
        self.stages.push(decision.stage.number());
        self.events.extend(decision.events);
        self.addresses.push(get(row, "address")?);
        self.user_agents.push(get(row, "user_agent")?);
        self.kinds.push(get(row, "kind")?);
        self.ids.push(id);
        self.at.push(at);
        Ok(())
    }
}

/// Reads what is known about the uses of a credential.
fn known(row: &PgRow, owner: Owner) -> Result<LastUsage, StoreError> {
    let moment = |column| get::<Option<i64>>(row, column).map(|at| at.map(UnixMillis));
    let successor = get::<Option<String>>(row, "rotated_to")?.zip(moment("rotated_at")?);
    let ends_at = moment("expires_at")?;
    let stage: i32 = get(row, "stage")?;
    let mut known = LastUsage::new(owner);
    known.recorded = moment("recorded")?;
    known.first = moment("first_at")?;
    known.predecessor = get::<Option<&str>>(row, "rotated_from")?.map(Into::into);
    known.successor = successor.map(|(id, issued_at)| Successor::new(id, issued_at, ends_at));
    known.stage = OverlapStage::of_number(stage.into());
    Ok(known)
}

/// Returns the user agent, if PostgreSQL can store it.
fn user_agent(used: &Usage) -> Option<&str> {
    used.user_agent
        .as_deref()
        .filter(|text| contains_no_nul(text))
}

/// Reads the owner of a row.
pub(super) fn owner_of(row: &PgRow) -> Result<Owner, StoreError> {
    match (
        get::<Option<&str>>(row, "organization_id")?,
        get::<Option<&str>>(row, "user_id")?,
    ) {
        (Some(id), None) => Ok(Owner::Organization(id.into())),
        (None, Some(id)) => Ok(Owner::User(id.into())),
        _ => Err(StoreError::corrupt("not one owner")),
    }
}
