//! When credentials were last used. That is not in the credentials' own table, whose triggers would
//! empty every cache.

use sqlx::SqliteConnection;

use super::{super::row::store_error, events};
use crate::shared::expect_rows;
use tower_api_key::{
    clock::{Clock, SystemClock, UnixMillis},
    store::{
        AuditEvent, Owner, StoreError, Usage,
        backend::{LastUsage, OverlapStage, Successor},
    },
};

pub(super) const KNOWN: &str = "
    SELECT CASE c.kind WHEN 'org_key' THEN c.organization_id ELSE c.user_id END,
        c.rotated_from, c.rotated_to, c.rotated_at, c.expires_at, u.at, coalesce(u.first_at, u.at),
        max(coalesce(u.rotation_reported, 0), coalesce(u.overlap_stage, 0))
    FROM tower_api_key_credentials c
    LEFT JOIN tower_api_key_uses u ON u.kind = c.kind AND u.id = c.id
    WHERE c.kind = ?1 AND c.id = ?2";

type KnownRow = (
    Option<String>,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    i64,
);

const RECORD: &str = "
    INSERT INTO tower_api_key_uses
        (kind, id, at, rotation_reported, first_at, last_address, last_user_agent, overlap_stage)
    VALUES (?1, ?2, ?3, ?4 > 0, ?5, ?6, ?7, ?4)
    ON CONFLICT (kind, id) DO UPDATE SET at = excluded.at, overlap_stage = excluded.overlap_stage,
        rotation_reported = max(rotation_reported, excluded.rotation_reported),
        first_at = min(coalesce(first_at, at), excluded.first_at),
        last_address = iif(?5 >= at, excluded.last_address, last_address),
        last_user_agent = iif(?5 >= at, excluded.last_user_agent, last_user_agent)";

pub(super) async fn record(
    db: &mut SqliteConnection,
    uses: &[Usage],
) -> Result<Vec<AuditEvent>, StoreError> {
    let now = SystemClock::default().now();
    let mut events = Vec::new();
    for used in uses {
        events.extend(record_one(db, &used.clipped(now), now).await?);
    }
    Ok(events)
}

async fn record_one(
    db: &mut SqliteConnection,
    used: &Usage,
    now: UnixMillis,
) -> Result<Vec<AuditEvent>, StoreError> {
    let query = sqlx::query_as(KNOWN)
        .bind(used.kind.as_str())
        .bind(used.id.as_str());
    let row: Option<KnownRow> = query.fetch_optional(&mut *db).await.map_err(store_error)?;
    let Some((owner, rotated_from, rotated_to, rotated_at, expires_at, recorded, first, stage)) =
        row
    else {
        return Ok(Vec::new());
    };
    let Some(owner) = owner else {
        return Err(StoreError::corrupt("an owner is missing"));
    };
    let successor = rotated_to
        .zip(rotated_at)
        .map(|(id, at)| Successor::new(id, UnixMillis(at), expires_at.map(UnixMillis)));
    // A use in the future was recorded by a node whose clock was ahead.
    let recorded = recorded.map(UnixMillis).filter(|at| *at <= now);
    let decision = used.decide({
        let mut known = LastUsage::new(Owner::of(used.kind, &owner));
        known.recorded = recorded;
        known.first = first.map(UnixMillis);
        known.predecessor = rotated_from.map(Into::into);
        known.successor = successor;
        known.stage = OverlapStage::of_number(stage);
        known
    });
    if decision.record {
        let at = recorded.map_or(used.at, |recorded| recorded.max(used.at));
        let query = sqlx::query(RECORD)
            .bind(used.kind.as_str())
            .bind(used.id.as_str())
            .bind(at.0);
        let recorded = query
            .bind(decision.stage.number())
            .bind(used.at.0)
            .bind(used.address.map(|address| address.to_string()))
            .bind(used.user_agent.as_deref())
            .execute(&mut *db)
            .await
            .map_err(store_error)?;
        expect_rows(recorded.rows_affected(), 1, "tower_api_key_uses")?;
    }
    let mut events = decision.events;
    for event in &mut events {
        event.number = Some(events::insert(db, event).await?);
    }
    Ok(events)
}
