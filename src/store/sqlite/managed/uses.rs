//! When credentials were last used. Not in their own table, whose triggers would empty every cache.

use sqlx::SqliteConnection;

use super::{super::row::failed, events};
use crate::{
    clock::UnixMillis,
    manage::{Event, Owner},
    store::{StoreError, Use, managed::Used},
};

pub(super) const KNOWN: &str = "
    SELECT CASE c.kind WHEN 'org_key' THEN c.organization_id ELSE c.user_id END, c.rotated_to, c.rotated_at, u.at
    FROM tower_api_key_credentials c
    LEFT JOIN tower_api_key_uses u ON u.kind = c.kind AND u.id = c.id
    WHERE c.kind = ?1 AND c.id = ?2";

type KnownRow = (Option<String>, Option<String>, Option<i64>, Option<i64>);

const RECORD: &str = "
    INSERT INTO tower_api_key_uses (kind, id, at) VALUES (?1, ?2, ?3)
    ON CONFLICT (kind, id) DO UPDATE SET at = excluded.at";

pub(super) async fn record(db: &mut SqliteConnection, uses: &[Use]) -> Result<Vec<Event>, StoreError> {
    let mut events = Vec::new();
    for used in uses {
        let query = sqlx::query_as(KNOWN).bind(used.kind.as_str()).bind(used.id.as_str());
        let row: Option<KnownRow> = query.fetch_optional(&mut *db).await.map_err(failed)?;
        let Some((owner, rotated_to, rotated_at, recorded)) = row else { continue };
        let Some(owner) = owner else { return Err(StoreError::corrupt("an owner is missing")) };
        let rotated = rotated_to.map(Into::into).zip(rotated_at.map(UnixMillis));
        let known = Used { owner: Owner::of(used.kind, &owner), recorded: recorded.map(UnixMillis), rotated };
        let (due, event) = used.judge(known);
        if due {
            let query = sqlx::query(RECORD).bind(used.kind.as_str()).bind(used.id.as_str()).bind(used.at.0);
            query.execute(&mut *db).await.map_err(failed)?;
        }
        if let Some(mut event) = event {
            event.number = events::insert(db, &event).await?;
            events.push(event);
        }
    }
    Ok(events)
}
