//! What management reads does not grow with the number of dead rows. The tests count the rows and
//! index entries that the server reads, whatever its plan.

use sqlx::{PgConnection, postgres::PgPoolOptions};
use tower_api_key::{
    clock::UnixMillis,
    scope::Catalogue,
    store::{
        AuditAction, AuditActor, EffectiveStatus, Filter, ManageStore, Owner, Status, Usage,
        backend::{Authority, Cap, EndStatus, EndTarget, Ending, Idempotency, ListQuery, Position},
    },
};
use tower_api_key_sqlx::PostgresStore;

use super::{Fixture, event, info, insert_commit, owners, update_commit};

const DEAD: i64 = 20_000;

/// The most that a call may read for a page of fifty, among twenty thousand dead rows.
const MAX_READ: i64 = 3_000;

const NOW: i64 = 1_000_000_000;

/// The kinds of dead rows: their status and expiry.
const KINDS: [(&str, &str); 4] = [
    ("'deleted'", "NULL"),
    ("'active'", "500000000 + n"),
    ("'disabled'", "NULL"),
    ("'disabled'", "2000000000"),
];

/// Seeds many owners with few rows, so that the planner expects few rows for every owner, and one
/// owner with many dead rows and sixty older rows of each other kind.
fn seed_rows(fixture: &Fixture, owner: &Owner, (status, expires_at): (&str, &str), analyzed: bool) {
    let (kind, column, table) = match owner {
        Owner::Organization(_) => ("org_key", "organization_id", "organizations"),
        Owner::User(_) => ("pat", "user_id", "users"),
    };
    let credentials = format!(
        "INSERT INTO credentials (kind, id, digest, {column}, status, expires_at, created_at)"
    );
    let id = owner.id();
    fixture.psql(&format!(
        "ALTER TABLE credentials DISABLE TRIGGER ALL;
        INSERT INTO {table} (id) SELECT 'small' || n FROM generate_series(1, 1000) n;
        {credentials} SELECT '{kind}', 'small' || n, sha256(('{kind}small' || n)::bytea), 'small' \
        || n, 'active', NULL, n
            FROM generate_series(1, 1000) n;
        {credentials} SELECT '{kind}', 'dead' || n, sha256(('{kind}dead' || n)::bytea), '{id}', \
        {status}, {expires_at}, 1000 + n
            FROM generate_series(1, {DEAD}) n;
        {credentials} SELECT '{kind}', s || n, sha256(('{kind}' || s || n)::bytea), '{id}', s, \
        NULL, n
            FROM generate_series(1, 60) n, unnest(ARRAY['active', 'disabled', 'deleted']) s;
        {credentials} SELECT '{kind}', 'over' || n, sha256(('{kind}over' || n)::bytea), '{id}', \
        'active', 1000 + n, n
            FROM generate_series(1, 60) n;
        {credentials} SELECT '{kind}', 'soon' || n, sha256(('{kind}soon' || n)::bytea), '{id}', \
        'active', {NOW} + 1000 + n, n
            FROM generate_series(1, 60) n;
        INSERT INTO events (at, action, {column}, credential_id, actor_kind) \
        SELECT n, 'deleted', '{id}', 'dead' || n, 'bearer'
            FROM generate_series(1, {DEAD}) n;
        ALTER TABLE credentials ENABLE TRIGGER ALL;
        ALTER TABLE credentials ENABLE ALWAYS TRIGGER logged, ENABLE ALWAYS TRIGGER truncated"
    ));
    if analyzed {
        fixture.psql("ANALYZE");
    }
}

/// Counts the rows and index entries that finished sessions have read.
async fn count_reads(watcher: &mut PgConnection, schema: &str, session: &str) -> i64 {
    let running = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1";
    while sqlx::query_scalar::<_, i64>(running)
        .bind(session)
        .fetch_one(&mut *watcher)
        .await
        .unwrap()
        != 0
    {}
    let read = "SELECT
        (SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_user_tables \
        WHERE schemaname = $1)::bigint
        + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE schemaname = $1)::bigint";
    sqlx::query_scalar(read)
        .bind(schema)
        .fetch_one(watcher)
        .await
        .unwrap()
}

/// Runs `call` in a session of its own and asserts that it reads at most `MAX_READ`.
async fn assert_reads_little(
    fixture: &Fixture,
    watcher: &mut PgConnection,
    mode: &str,
    name: &str,
    call: impl AsyncFn(&PostgresStore),
) {
    let session = format!("{}_dead_rows", fixture.schema);
    let options = fixture
        .cluster
        .options()
        .application_name(&session)
        .options([("plan_cache_mode", mode)]);
    let before = count_reads(watcher, &fixture.schema, &session).await;
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_lazy_with(options);
    let store = PostgresStore::new(pool.clone(), Catalogue::anyreach())
        .with_schema(&fixture.schema)
        .unwrap();
    call(&store).await;
    pool.close().await;
    let read = count_reads(watcher, &fixture.schema, &session).await - before;
    assert!(read <= MAX_READ, "{name} ({mode}) read {read}");
}

fn filters() -> Vec<Filter> {
    let states = [
        None,
        Some(EffectiveStatus::Active),
        Some(EffectiveStatus::Disabled),
        Some(EffectiveStatus::Expired),
        Some(EffectiveStatus::Deleted),
    ];
    let mut filters = Vec::new();
    for state in states {
        for expiring_before in [None, Some(UnixMillis(5_000)), Some(UnixMillis(NOW + 5_000))] {
            for unused_since in [None, Some(UnixMillis(NOW))] {
                filters.push(
                    Filter::default()
                        .with_state(state)
                        .with_expiring_before(expiring_before)
                        .with_unused_since(unused_since),
                );
            }
        }
    }
    filters
}

async fn list_two_pages(store: &PostgresStore, owner: &Owner, filter: &Filter) {
    let mut query = ListQuery {
        filter: filter.clone(),
        after: None,
        limit: 50,
        now: UnixMillis(NOW),
    };
    let page = store.credentials(owner, &query).await.unwrap();
    if let Some(last) = page.last() {
        query.after = Some(Position::new(last.created_at, last.id.clone()));
        store.credentials(owner, &query).await.unwrap();
    }
}

async fn run_other_calls(store: &PostgresStore, owner: &Owner, round: &str) {
    let new = info(owner, &format!("new{round}"));
    let mut issue = insert_commit(new.clone());
    issue.cap = Some(Cap::new(200, UnixMillis(NOW)));
    issue.insert.as_mut().unwrap().idempotency =
        Some(Idempotency::new(format!("key{round}"), [1; 32]));
    issue.events = vec![event(owner, "new", AuditAction::Issued)];
    store.commit(&issue).await.unwrap();
    store
        .issued_under(owner, &format!("key{round}"))
        .await
        .unwrap()
        .unwrap();
    let mut rename = update_commit(&new, |after| after.name = "renamed".into());
    rename.cap = Some(Cap::new(200, UnixMillis(NOW)));
    store.commit(&rename).await.unwrap();
    let renamed = store
        .credential(owner, new.id.as_str())
        .await
        .unwrap()
        .unwrap();
    let mut rotation = insert_commit(info(owner, &format!("next{round}")));
    rotation.changes = update_commit(&renamed, |after| after.status = Status::Disabled).changes;
    store.commit(&rotation).await.unwrap();
    let used = Usage::new(owner.kind(), new.id.clone(), UnixMillis(NOW));
    store.record_uses(&[used]).await.unwrap();
    store.events(owner, None, 50).await.unwrap();
    store.events(owner, Some(DEAD / 2), 50).await.unwrap();
    let end = Ending {
        owner: owner.clone(),
        target: EndTarget::One(new.id),
        to: EndStatus::Deleted,
        authority: Authority::Unconditional,
        at: UnixMillis(NOW),
        action: AuditAction::Deleted,
        by: AuditActor::Bearer,
        origin: None,
    };
    store.end(&end).await.unwrap();
}

#[tokio::test]
async fn no_call_reads_in_proportion_to_the_dead_rows() {
    for (number, kind) in KINDS.into_iter().enumerate() {
        for analyzed in [true, false] {
            let Some(fixture) = Fixture::new().await else {
                return;
            };
            let owner = &owners()[number % 2].0;
            seed_rows(&fixture, owner, kind, analyzed);
            let watcher = &mut fixture.cluster.connection().await;
            for mode in ["force_generic_plan", "force_custom_plan"] {
                for filter in filters() {
                    let name = format!("{kind:?} {analyzed} {filter:?}");
                    let call =
                        async |store: &PostgresStore| list_two_pages(store, owner, &filter).await;
                    assert_reads_little(&fixture, watcher, mode, &name, call).await;
                }
                let name = format!("{kind:?} {analyzed} everything else");
                let call = async |store: &PostgresStore| run_other_calls(store, owner, mode).await;
                assert_reads_little(&fixture, watcher, mode, &name, call).await;
            }
        }
    }
}
