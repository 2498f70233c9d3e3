//! Pages of credentials, the newest first, at a price that does not depend on how many are not
//! shown.
//!
//! By age, deleted ones lie in an index of their own. A filter may leave out most of the others
//! too. Where it shows few, the page is sorted from the index by what ends a credential, which
//! holds nothing but what the page may show. Where it shows many, they are likely to be among the
//! newest, of which [a few pages](PAGES) are looked through first.

use sqlx::SqliteConnection;

use super::{
    super::row::failed,
    ByOwner,
    read::{columns, info_of},
};
use crate::{
    clock::UnixMillis,
    manage::{CredentialInfo, Owner, State},
    store::{ListQuery, StoreError},
};

/// How many are sorted without looking at the newest first.
const FEW: u32 = 500;

/// How many pages of the newest are looked through otherwise.
const PAGES: u32 = 4;

/// As [`Filter::shows`](crate::manage::Filter::shows) says. A standing that is none of ours is in
/// the list of all, so that it is found out.
macro_rules! shown {
    () => {
        "(?3 IS NULL OR CASE c.standing
            WHEN 'active' THEN CASE WHEN c.expires_at <= ?2 THEN 'expired' ELSE 'active' END
            WHEN 'disabled' THEN 'disabled'
            WHEN 'deleted' THEN 'deleted'
        END = ?3)
        AND (?4 IS NULL OR (c.expires_at < ?4 AND c.standing IN ('active', 'disabled', 'deleted')))
        AND (?5 IS NULL OR max(coalesce(u.at, c.created_at), c.created_at) < ?5)"
    };
}

/// Without a first one to leave behind, a moment and a blob stand for it, which come after
/// everything.
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
            shown!(),
            ordered!()
        )
    };
}

macro_rules! by_age {
    ($index:literal, $owned:literal, $standing:literal) => {
        page!(
            concat!("tower_api_key_credentials c INDEXED BY ", $index),
            concat!($owned, " AND c.standing ", $standing, " AND ", behind!(), " AND ")
        )
    };
}

macro_rules! newest {
    ($index:literal, $owned:literal) => {
        page!(
            concat!(
                "(SELECT c.* FROM tower_api_key_credentials c INDEXED BY ",
                $index,
                " WHERE ",
                $owned,
                " AND c.standing <> 'deleted' AND ",
                behind!(),
                " ORDER BY c.created_at DESC, c.id DESC LIMIT ?9) c"
            ),
            ""
        )
    };
}

macro_rules! by_end {
    ($index:literal, $owned:literal) => {
        page!(
            concat!("tower_api_key_credentials c INDEXED BY ", $index),
            concat!(
                $owned,
                " AND c.standing <> 'deleted' AND c.standing IN (?9, ?10)
                AND coalesce(c.expires_at, 9223372036854775807) BETWEEN ?11 AND ?12 AND ",
                behind!(),
                " AND "
            )
        )
    };
}

/// How many there are, at most `?6`. All of it is in the index.
macro_rules! matching {
    ($index:literal, $owned:literal) => {
        concat!(
            "SELECT count(*) FROM (
                SELECT 1 FROM tower_api_key_credentials c INDEXED BY ",
            $index,
            " WHERE ",
            $owned,
            " AND c.standing <> 'deleted' AND c.standing IN (?2, ?3)
                    AND coalesce(c.expires_at, 9223372036854775807) BETWEEN ?4 AND ?5
                LIMIT ?6
            )"
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
    user: by_age!("tower_api_key_tokens_living", "c.user_id = ?1 AND +c.kind = 'pat'", "<> 'deleted'"),
};
pub(super) const DELETED: ByOwner = ByOwner {
    organization: by_age!(
        "tower_api_key_keys_deleted",
        "c.organization_id = ?1 AND +c.kind = 'org_key'",
        "= 'deleted'"
    ),
    user: by_age!("tower_api_key_tokens_deleted", "c.user_id = ?1 AND +c.kind = 'pat'", "= 'deleted'"),
};
pub(super) const NEWEST: ByOwner = ByOwner {
    organization: newest!("tower_api_key_keys_living", "c.organization_id = ?1 AND +c.kind = 'org_key'"),
    user: newest!("tower_api_key_tokens_living", "c.user_id = ?1 AND +c.kind = 'pat'"),
};
pub(super) const BY_END: ByOwner = ByOwner {
    organization: by_end!("tower_api_key_keys_by_end", "c.organization_id = ?1 AND +c.kind = 'org_key'"),
    user: by_end!("tower_api_key_tokens_by_end", "c.user_id = ?1 AND +c.kind = 'pat'"),
};

pub(super) const MATCHING: ByOwner = ByOwner {
    organization: matching!("tower_api_key_keys_by_end", "c.organization_id = ?1 AND +c.kind = 'org_key'"),
    user: matching!("tower_api_key_tokens_by_end", "c.user_id = ?1 AND +c.kind = 'pat'"),
};

pub(super) async fn credentials(
    db: &mut SqliteConnection,
    owner: &Owner,
    query: &ListQuery,
) -> Result<Vec<CredentialInfo>, StoreError> {
    match (query.filter.state, query.filter.expiring_before) {
        (Some(State::Deleted), _) => page(db, &DELETED, owner, query, Narrowing::None).await,
        (None, None) => page(db, &LIVING, owner, query, Narrowing::None).await,
        _ => filtered(db, owner, query).await,
    }
}

async fn filtered(
    db: &mut SqliteConnection,
    owner: &Owner,
    query: &ListQuery,
) -> Result<Vec<CredentialInfo>, StoreError> {
    let ends = Ends::of(query);
    if ends.are_many(db, owner).await? {
        let newest = page(db, &NEWEST, owner, query, Narrowing::Newest).await?;
        if newest.len() >= query.limit as usize {
            return Ok(newest);
        }
    }
    page(db, &BY_END, owner, query, Narrowing::Ends(ends)).await
}

/// What a statement needs besides the query.
enum Narrowing {
    None,
    Newest,
    Ends(Ends),
}

/// The standings that a filter shows, and the first and the last moment at which what it shows
/// ends.
struct Ends {
    standings: [&'static str; 2],
    first: i64,
    last: i64,
}

impl Ends {
    fn of(query: &ListQuery) -> Self {
        let now = query.now.0;
        let last = query.filter.expiring_before.map_or(i64::MAX, |moment| moment.0.saturating_sub(1));
        let (standings, first, last) = match query.filter.state {
            Some(State::Active) => (["active"; 2], now.saturating_add(1), last),
            Some(State::Expired) => (["active"; 2], i64::MIN, last.min(now)),
            Some(State::Disabled) => (["disabled"; 2], i64::MIN, last),
            Some(State::Deleted) | None => (["active", "disabled"], i64::MIN, last),
        };
        Self { standings, first, last }
    }

    async fn are_many(&self, db: &mut SqliteConnection, owner: &Owner) -> Result<bool, StoreError> {
        let [one, other] = self.standings;
        let count = sqlx::query_scalar(MATCHING.of(owner)).bind(owner.id()).bind(one).bind(other);
        let count = count.bind(self.first).bind(self.last).bind(i64::from(FEW) + 1);
        let count: i64 = count.fetch_one(db).await.map_err(failed)?;
        Ok(count > i64::from(FEW))
    }
}

async fn page(
    db: &mut SqliteConnection,
    statement: &ByOwner,
    owner: &Owner,
    query: &ListQuery,
    narrowing: Narrowing,
) -> Result<Vec<CredentialInfo>, StoreError> {
    let filter = &query.filter;
    let millis = |moment: UnixMillis| moment.0;
    let (created_at, id) = query.after.as_ref().map(|(created_at, id)| (created_at.0, id.as_str())).unzip();
    let rows =
        sqlx::query(statement.of(owner)).bind(owner.id()).bind(query.now.0).bind(filter.state.map(State::as_str));
    let rows = rows.bind(filter.expiring_before.map(millis)).bind(filter.unused_since.map(millis));
    let rows = rows.bind(created_at).bind(id).bind(i64::from(query.limit));
    let rows = match narrowing {
        Narrowing::None => rows,
        Narrowing::Newest => rows.bind(i64::from(query.limit) * i64::from(PAGES)),
        Narrowing::Ends(Ends { standings: [one, other], first, last }) => {
            rows.bind(one).bind(other).bind(first).bind(last)
        }
    };
    let rows = rows.fetch_all(db).await.map_err(failed)?;
    rows.iter().map(|row| info_of(row, owner)).collect()
}
