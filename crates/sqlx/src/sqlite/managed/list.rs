//! Pages of credentials, the newest first, at a cost that does not depend on how many the filter
//! leaves out.
//!
//! Deleted credentials have an index of their own, by age. A filter may leave out most of the
//! others, so there are two ways to a page: to read the newest and skip those that the filter
//! leaves out, or to read those that it shows from the index by expiry, and sort them. The first
//! costs what is skipped, the second what is shown, and it is not known beforehand which is less.
//! So both are counted up to a [window](WINDOW), and up to one four times as large as long as
//! neither fits. A filter by metadata has no index: it is applied to the rows that are read, until
//! the page is full.

use sqlx::{Row, Sqlite, SqliteConnection, query::Query, sqlite::SqliteArguments};

use super::{
    super::row::store_error,
    ByOwner,
    read::{columns, info_of},
};
use tower_api_key::{
    clock::UnixMillis,
    store::{CredentialInfo, EffectiveStatus, Owner, StoreError, backend::ListQuery},
};

/// How many pages the first window has.
const WINDOW: u32 = 5;

/// How many times larger each further window is.
const GROWTH: u32 = 4;

/// The condition of [`Filter::shows`](tower_api_key::store::Filter::shows). An unknown status is in
/// the list without a filter, so that it is found.
macro_rules! shown {
    ($last_use:literal) => {
        concat!(
            "(?3 IS NULL OR CASE c.status
                WHEN 'active' THEN CASE WHEN c.expires_at <= ?2 THEN 'expired' ELSE 'active' END
                WHEN 'disabled' THEN 'disabled'
                WHEN 'deleted' THEN 'deleted'
            END = ?3)
            AND (?4 IS NULL
                OR (c.expires_at < ?4 AND c.status IN ('active', 'disabled', 'deleted')))
            AND (?5 IS NULL OR max(coalesce(",
            $last_use,
            ", c.created_at), c.created_at) < ?5)"
        )
    };
}

/// On the first page, a moment and a blob that are greater than every value stand for the place to
/// continue after.
macro_rules! behind {
    () => {
        "(c.created_at, c.id) < (coalesce(?6, 9223372036854775807), coalesce(?7, x''))"
    };
}

macro_rules! ordered {
    () => {
        " ORDER BY c.created_at DESC, c.id DESC LIMIT ?8"
    };
}

macro_rules! page {
    ($from:expr, $where:expr) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM ",
            $from,
            " LEFT JOIN tower_api_key_uses u ON u.kind = c.kind AND u.id = c.id WHERE ",
            $where,
            shown!("u.at"),
            " AND (?14 IS NULL OR EXISTS (
                SELECT 1 FROM json_each(
                    iif(json_valid(c.metadata), c.metadata, '{}')) WHERE key = ?14 AND value = ?15))
            AND (?16 IS NULL OR instr(lower(c.name), lower(?16)) > 0)",
            ordered!()
        )
    };
}

macro_rules! by_age {
    ($index:literal, $owned:literal, $status:literal) => {
        page!(
            concat!("tower_api_key_credentials c INDEXED BY ", $index),
            concat!(
                $owned,
                " AND c.status ",
                $status,
                " AND ",
                behind!(),
                " AND "
            )
        )
    };
}

macro_rules! ending {
    ($owned:literal) => {
        concat!(
            $owned,
            " AND c.status <> 'deleted' AND c.status IN (?9, ?10)
            AND coalesce(c.expires_at, 9223372036854775807) BETWEEN ?11 AND ?12"
        )
    };
}

/// Counts how many of the newest `?13` the filter shows, up to a page; and, if that is not a full
/// page, how many it shows in all, up to `?13`. Everything it reads is in the indexes, which
/// contain one kind each.
macro_rules! counts {
    ($by_age:literal, $by_end:literal, $owned:literal) => {
        concat!(
            "WITH newest (shown) AS MATERIALIZED (SELECT count(*) FROM (SELECT 1 FROM (
                SELECT c.kind, c.id, c.status, c.expires_at, c.created_at
                FROM tower_api_key_credentials c INDEXED BY ",
            $by_age,
            " WHERE ",
            $owned,
            " AND c.status <> 'deleted' AND ",
            behind!(),
            " ORDER BY c.created_at DESC, c.id DESC LIMIT ?13) c WHERE ",
            shown!("(SELECT u.at FROM tower_api_key_uses u WHERE u.kind = c.kind AND u.id = c.id)"),
            " LIMIT ?8))
            SELECT shown, CASE WHEN shown < ?8 THEN (
                SELECT count(*) FROM (SELECT 1 FROM tower_api_key_credentials c INDEXED BY ",
            $by_end,
            " WHERE ",
            ending!($owned),
            " LIMIT ?13)) ELSE 0 END FROM newest"
        )
    };
}

macro_rules! by_end {
    ($index:literal, $owned:literal) => {
        page!(
            concat!("tower_api_key_credentials c INDEXED BY ", $index),
            concat!(ending!($owned), " AND ", behind!(), " AND ")
        )
    };
}

// The plus keeps SQLite from reading all credentials of the kind.
pub(super) const LIVING: ByOwner = ByOwner {
    organization: by_age!(
        "tower_api_key_keys_living",
        "c.organization_id = ?1 AND +c.kind = 'org_key'",
        "<> 'deleted'"
    ),
    user: by_age!(
        "tower_api_key_tokens_living",
        "c.user_id = ?1 AND +c.kind = 'pat'",
        "<> 'deleted'"
    ),
};
pub(super) const DELETED: ByOwner = ByOwner {
    organization: by_age!(
        "tower_api_key_keys_deleted",
        "c.organization_id = ?1 AND +c.kind = 'org_key'",
        "= 'deleted'"
    ),
    user: by_age!(
        "tower_api_key_tokens_deleted",
        "c.user_id = ?1 AND +c.kind = 'pat'",
        "= 'deleted'"
    ),
};
pub(super) const BY_END: ByOwner = ByOwner {
    organization: by_end!(
        "tower_api_key_keys_by_end",
        "c.organization_id = ?1 AND +c.kind = 'org_key'"
    ),
    user: by_end!(
        "tower_api_key_tokens_by_end",
        "c.user_id = ?1 AND +c.kind = 'pat'"
    ),
};
pub(super) const COUNTS: ByOwner = ByOwner {
    organization: counts!(
        "tower_api_key_keys_living",
        "tower_api_key_keys_by_end",
        "c.organization_id = ?1"
    ),
    user: counts!(
        "tower_api_key_tokens_living",
        "tower_api_key_tokens_by_end",
        "c.user_id = ?1"
    ),
};

pub(super) async fn credentials(
    db: &mut SqliteConnection,
    owner: &Owner,
    query: &ListQuery,
) -> Result<Vec<CredentialInfo>, StoreError> {
    let statement = match (query.filter.state, query.filter.expiring_before) {
        (Some(EffectiveStatus::Deleted), _) => &DELETED,
        (None, None) => &LIVING,
        _ => cheaper(db, owner, query).await?,
    };
    let rows = bind(statement, owner, query, 0)
        .fetch_all(db)
        .await
        .map_err(store_error)?;
    rows.iter().map(|row| info_of(row, owner)).collect()
}

/// Returns the statement that reads fewer rows.
async fn cheaper(
    db: &mut SqliteConnection,
    owner: &Owner,
    query: &ListQuery,
) -> Result<&'static ByOwner, StoreError> {
    let mut window = query.limit.saturating_mul(WINDOW);
    loop {
        let counts = bind(&COUNTS, owner, query, window)
            .fetch_one(&mut *db)
            .await
            .map_err(store_error)?;
        let newest: i64 = counts.try_get(0).map_err(store_error)?;
        let shown: i64 = counts.try_get(1).map_err(store_error)?;
        if newest >= i64::from(query.limit) {
            return Ok(&LIVING);
        }
        if shown < i64::from(window) {
            return Ok(&BY_END);
        }
        window = window.saturating_mul(GROWTH);
    }
}

/// Binds the parameters of all these statements; some do not use all of them.
fn bind<'q>(
    statement: &ByOwner,
    owner: &'q Owner,
    query: &'q ListQuery,
    window: u32,
) -> Query<'q, Sqlite, SqliteArguments> {
    let (filter, ends) = (&query.filter, Ends::of(query));
    let millis = |moment: UnixMillis| moment.0;
    let (created_at, id) = behind(query).unzip();
    let [one, other] = ends.statuses;
    sqlx::query(statement.of(owner))
        .bind(owner.id())
        .bind(query.now.0)
        .bind(filter.state.map(EffectiveStatus::as_str))
        .bind(filter.expiring_before.map(millis))
        .bind(filter.unused_since.map(millis))
        .bind(created_at)
        .bind(id)
        .bind(i64::from(query.limit))
        .bind(one)
        .bind(other)
        .bind(ends.first)
        .bind(ends.last)
        .bind(i64::from(window))
        .bind(filter.metadata.as_ref().map(|(key, _)| &**key))
        .bind(filter.metadata.as_ref().map(|(_, value)| &**value))
        .bind(filter.name.as_deref())
}

/// Returns the place after which a page begins. A credential created at a moment or later was not
/// unused since then.
fn behind(query: &ListQuery) -> Option<(i64, &str)> {
    let after = query
        .after
        .as_ref()
        .map(|after| (after.created_at.0, after.id.as_str()));
    let unused = query.filter.unused_since.map(|moment| (moment.0, ""));
    after.into_iter().chain(unused).min()
}

/// The statuses that a filter shows, and the range of moments at which what it shows ends.
struct Ends {
    statuses: [&'static str; 2],
    first: i64,
    last: i64,
}

impl Ends {
    fn of(query: &ListQuery) -> Self {
        let now = query.now.0;
        let last = query
            .filter
            .expiring_before
            .map_or(i64::MAX, |moment| moment.0.saturating_sub(1));
        let (statuses, first, last) = match query.filter.state {
            Some(EffectiveStatus::Active) => (["active"; 2], now.saturating_add(1), last),
            Some(EffectiveStatus::Expired) => (["active"; 2], i64::MIN, last.min(now)),
            Some(EffectiveStatus::Disabled) => (["disabled"; 2], i64::MIN, last),
            Some(EffectiveStatus::Deleted) | None => (["active", "disabled"], i64::MIN, last),
        };
        Self {
            statuses,
            first,
            last,
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::AssertSqlSafe;
    use tower_api_key::{
        scope::Catalogue,
        store::{Directory, Filter},
    };

    use super::*;
    use crate::SqliteStore;

    /// The active ones of an owner are listed, two on a page: at first ten of the newest are looked
    /// at, and ten of those that the filter shows.
    #[tokio::test]
    async fn the_statement_that_reads_fewer_rows_is_chosen() {
        for (expired, older, chosen, case) in [
            (0, 2, &LIVING, "the newest are a page"),
            (9, 2, &BY_END, "all that are shown fit into a window"),
            (8, 2, &LIVING, "the newest are just a page"),
            (10, 9, &BY_END, "just all that are shown fit into a window"),
            (10, 10, &LIVING, "only a larger window has a page"),
        ] {
            let store = SqliteStore::in_memory(Catalogue::anyreach()).await.unwrap();
            store.create_organization("org_1", None).await.unwrap();
            let insert = format!(
                "WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number)
                INSERT INTO tower_api_key_credentials
                    (kind, id, digest, organization_id, role, created_at, expires_at)
                SELECT 'org_key', 'k' || n, randomblob(32), 'org_1', 'viewer', 1000 - n,
                    iif(n < {expired}, 1, NULL)
                FROM number LIMIT {}",
                expired + older
            );
            let insert = sqlx::query(AssertSqlSafe(insert));
            insert.execute(&store.pool).await.unwrap();
            let query = ListQuery {
                filter: Filter::default().with_state(EffectiveStatus::Active),
                after: None,
                limit: 2,
                now: UnixMillis(2000),
            };
            let owner = Owner::Organization("org_1".into());
            let mut db = store.pool.acquire().await.unwrap();
            let found = cheaper(&mut db, &owner, &query).await.unwrap();
            assert!(found.of(&owner) == chosen.of(&owner), "{case}");
        }
    }
}
