//! The parameters of a list.

use sqlx::{Postgres, postgres::PgArguments, query::Query};

use tower_api_key::{
    clock::UnixMillis,
    store::{EffectiveStatus, Filter, Owner, backend::ListQuery},
};

/// The first and the last expiry that a list shows. The greatest number stands for never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Expiry {
    from: i64,
    to: i64,
}

const ANY_EXPIRY: Expiry = Expiry {
    from: i64::MIN,
    to: i64::MAX,
};

impl Expiry {
    fn shown_by(filter: &Filter, now: UnixMillis) -> Self {
        let before = filter
            .expiring_before
            .map_or(i64::MAX, |moment| moment.0.saturating_sub(1));
        match filter.state {
            Some(EffectiveStatus::Active) => Self {
                from: now.0.saturating_add(1),
                to: before,
            },
            Some(EffectiveStatus::Expired) => Self {
                from: i64::MIN,
                to: before.min(now.0).min(i64::MAX - 1),
            },
            None | Some(EffectiveStatus::Disabled | EffectiveStatus::Deleted) => Self {
                to: before,
                ..ANY_EXPIRY
            },
        }
    }
}

/// Returns the states under which the indexes have what a list shows.
fn states(state: Option<EffectiveStatus>) -> &'static [&'static str] {
    match state {
        None => &["active", "disabled"],
        Some(EffectiveStatus::Active | EffectiveStatus::Expired) => &["active"],
        Some(EffectiveStatus::Disabled) => &["disabled"],
        Some(EffectiveStatus::Deleted) => &["deleted"],
    }
}

/// Binds the parameters of the statement for a page.
pub(super) fn bind<'q>(
    page: Query<'q, Postgres, PgArguments>,
    owner: &'q Owner,
    query: &'q ListQuery,
) -> Query<'q, Postgres, PgArguments> {
    let expiry = Expiry::shown_by(&query.filter, query.now);
    let (created_at, id) = behind(query);
    let [key, value] = pair(query);
    page.bind(owner.id())
        .bind(states(query.filter.state))
        .bind(expiry.from)
        .bind(expiry.to)
        .bind(expiry != ANY_EXPIRY)
        .bind(created_at)
        .bind(id)
        .bind(query.filter.unused_since.map(|moment| moment.0))
        .bind(i64::from(query.limit))
        .bind(key)
        .bind(value)
        .bind(query.filter.name.as_deref())
}

/// Returns the key and the value that the metadata must have.
pub(super) fn pair(query: &ListQuery) -> [Option<&str>; 2] {
    match &query.filter.metadata {
        Some((key, value)) => [Some(key), Some(value)],
        None => [None, None],
    }
}

/// Returns the place after which a page begins. A credential created at a moment or later was not
/// unused since then.
fn behind(query: &ListQuery) -> (i64, &str) {
    let after = query
        .after
        .as_ref()
        .map_or((i64::MAX, "\u{10ffff}"), |after| {
            (after.created_at.0, after.id.as_str())
        });
    query
        .filter
        .unused_since
        .map_or(after, |moment| after.min((moment.0, "")))
}
