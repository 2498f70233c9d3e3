//! Management: reads in `read` and `list`, changes in `write` and `end`, recorded uses in `uses`,
//! the audit trail in `events`, reports of expiry in `expiry`, removals in `sweep`.
//!
//! Every statement names the owner, so it never matches another owner's credential.

mod authority;
mod end;
mod events;
mod expiry;
mod list;
mod read;
mod rehash;
mod sweep;
mod uses;
mod write;

use async_trait::async_trait;

use super::{SqliteStore, writer::Purpose};
use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    id::CredentialId,
    scope::Catalogue,
    secret::Digest,
    store::{
        AuditEvent, CredentialInfo, ExpiryWatch, ManageStore, Owner, StoreError, Usage, WriteError,
        backend::{
            Commit, EarlierIssue, Ending, ListQuery, Sweep, SweptBatch, UnusedPage, UnusedQuery,
        },
    },
};

/// A statement in two forms: for keys of an organization, and for tokens of a user.
struct ByOwner {
    organization: &'static str,
    user: &'static str,
}

impl ByOwner {
    fn of(&self, owner: &Owner) -> &'static str {
        match owner {
            Owner::Organization(_) => self.organization,
            Owner::User(_) => self.user,
        }
    }
}

/// Puts the owner, `?1`, between the two parts of a statement about the credentials `c`.
///
/// The plus keeps SQLite from reading all credentials of the kind, which it considers the better
/// index.
macro_rules! of_owner {
    ($before:expr, $after:expr) => {
        ByOwner {
            organization: concat!(
                $before,
                " c.organization_id = ?1 AND +c.kind = 'org_key' ",
                $after
            ),
            user: concat!($before, " c.user_id = ?1 AND +c.kind = 'pat' ", $after),
        }
    };
}
use of_owner;

#[async_trait]
impl ManageStore for SqliteStore {
    fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    fn supports_restrictions(&self) -> bool {
        true
    }

    fn supports_attributes(&self) -> bool {
        true
    }

    async fn credential(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Option<CredentialInfo>, StoreError> {
        self.read_for_management(async |db| read::credential(db, owner, id).await)
            .await
    }

    async fn issued_under(
        &self,
        owner: &Owner,
        key: &str,
    ) -> Result<Option<EarlierIssue>, StoreError> {
        self.read_for_management(async |db| read::issued_under(db, owner, key).await)
            .await
    }

    async fn credentials(
        &self,
        owner: &Owner,
        query: &ListQuery,
    ) -> Result<Vec<CredentialInfo>, StoreError> {
        self.read_for_management(async |db| list::credentials(db, owner, query).await)
            .await
    }

    async fn commit(&self, commit: &Commit) -> Result<(), WriteError> {
        self.write(Purpose::Ordinary, async |db| {
            write::commit(self, db, commit).await
        })
        .await
    }

    async fn end(&self, ending: &Ending) -> Result<Vec<CredentialId>, WriteError> {
        self.write(Purpose::Prompt, async |db| end::end(self, db, ending).await)
            .await
    }

    async fn events(
        &self,
        owner: &Owner,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        self.read_for_management(async |db| events::of(db, owner, before, limit).await)
            .await
    }

    async fn record_uses(&self, uses: &[Usage]) -> Result<Vec<AuditEvent>, StoreError> {
        self.write(Purpose::Ordinary, async |db| uses::record(db, uses).await)
            .await
    }

    async fn watch_expiry(
        &self,
        watch: &ExpiryWatch,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        self.write(Purpose::Ordinary, async |db| {
            expiry::watch(db, watch, now, limit).await
        })
        .await
    }

    async fn expiry_events(
        &self,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        self.read_for_management(async |db| expiry::events(db, after, limit).await)
            .await
    }

    async fn unused(&self, query: &UnusedQuery) -> Result<UnusedPage, StoreError> {
        self.read_for_management(async |db| expiry::unused(db, query).await)
            .await
    }

    async fn sweep(&self, sweep: &Sweep) -> Result<SweptBatch, StoreError> {
        self.sweep_all(sweep).await
    }

    async fn rehash(&self, kind: Kind, id: &str, presented: &Digest) -> Result<bool, StoreError> {
        let digests = self.digests();
        self.write(Purpose::Ordinary, async |db| {
            rehash::rehash(db, kind, id, presented, digests).await
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Row};

    use super::*;

    async fn plan(store: &SqliteStore, sql: &str) -> Vec<String> {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let plan = sqlx::query(explain).fetch_all(&store.pool).await.unwrap();
        plan.iter().map(|step| step.get("detail")).collect()
    }

    fn of_both(statements: &[(&'static str, ByOwner)]) -> Vec<(&'static str, &'static str)> {
        statements
            .iter()
            .flat_map(|(name, sql)| [(*name, sql.organization), (*name, sql.user)])
            .collect()
    }

    /// All rows that a list or a count reads lie in one range of one index.
    #[tokio::test]
    async fn no_statement_reads_what_is_not_its_owners_or_sorts() {
        let store = SqliteStore::in_memory(Catalogue::anyreach()).await.unwrap();
        let statements = of_both(&[
            ("issued", read::ISSUED),
            ("living", list::LIVING),
            ("deleted", list::DELETED),
            ("counting", write::COUNTING),
            ("end one", end::ONE),
            ("end all", end::ALL),
            ("one left", end::ONE_LEFT),
            ("all left", end::ALL_LEFT),
            ("events", events::PAGE),
        ]);
        let single = [
            ("one", read::ONE),
            ("alter", write::ALTER),
            ("known", uses::KNOWN),
        ];
        for (name, sql) in statements.into_iter().chain(single) {
            let steps = plan(&store, sql).await;
            let narrow = ["(organization_id=?", "(user_id=?", "(kind=? AND id=?"];
            // The rows of the inner statement, which are counted; and the pairs of one row.
            let inner = ["CO-ROUTINE", "SCAN (subquery-1)"];
            let pairs = [
                "CORRELATED SCALAR SUBQUERY",
                "SCALAR SUBQUERY",
                "SCAN json_each ",
                "USE TEMP B-TREE FOR json_group_object",
            ];
            let bounded = |step: &String| {
                let mut parts = inner.iter().chain(&pairs);
                narrow.iter().any(|key| step.contains(key))
                    || parts.any(|part| step.starts_with(part))
            };
            assert!(steps.iter().all(bounded), "{name}: {steps:#?}");
        }
    }

    /// A round reads what it reports or removes, however many other rows there are.
    #[tokio::test]
    async fn what_ends_and_what_is_removed_is_read_in_one_range_of_an_index_and_not_sorted() {
        let store = SqliteStore::in_memory(Catalogue::anyreach()).await.unwrap();
        let by_deletion = "INDEX tower_api_key_credentials_deleted (deleted_at";
        let by_expiry = "INDEX tower_api_key_credentials_ending (expires_at>? AND expires_at<?)";
        let from_a_place = "INDEX tower_api_key_credentials_ending ((expires_at,kind,id)>(?,?,?) \
                            AND expires_at<?)";
        for (name, sql, ranges) in [
            ("ending", expiry::ENDING, &[from_a_place][..]),
            (
                "told",
                expiry::EVENTS,
                &["INDEX tower_api_key_events_of_expiry (number>?)"],
            ),
            ("in order", expiry::SOME, &["PRIMARY KEY (kind=? AND id>?)"]),
            ("over", sweep::OVER, &[by_deletion, by_expiry]),
            ("undated", sweep::MARK, &[by_deletion]),
            (
                "idempotency keys",
                sweep::FORGET_KEYS,
                &["INDEX tower_api_key_credentials_repeatable (created_at<?)"],
            ),
            (
                "events",
                sweep::EVENTS,
                &["INDEX tower_api_key_events_by_age (at<?)"],
            ),
        ] {
            let steps = plan(&store, sql).await;
            for range in ranges {
                let found = steps.iter().any(|step| step.contains(range));
                assert!(found, "{name} does not read {range}: {steps:#?}");
            }
            let scans = |step: &&String| {
                step.starts_with("SCAN") && !step.starts_with("SCAN (subquery")
                    || step.contains("TEMP B-TREE")
            };
            assert_eq!(steps.iter().find(scans), None, "{name}: {steps:#?}");
        }
    }

    /// The rows that decide are counted in indexes alone, by age up to the window. The list by end
    /// reads one range of a status, and sorts only the rows in that range.
    #[tokio::test]
    async fn a_filtered_list_counts_in_indexes_and_sorts_the_range_of_what_it_shows() {
        let store = SqliteStore::in_memory(Catalogue::anyreach()).await.unwrap();
        let range = "status=? AND <expr>>? AND <expr><?)";
        for (name, sql) in of_both(&[("counts", list::COUNTS)]) {
            let steps = plan(&store, sql).await;
            for (index, condition) in [("_living (", "(created_at,id)<(?,?)"), ("_by_end (", range)]
            {
                let words = ["USING COVERING INDEX", index, condition];
                assert!(
                    steps
                        .iter()
                        .any(|step| words.iter().all(|word| step.contains(word))),
                    "{name}: {steps:#?}"
                );
            }
            assert!(
                !steps.iter().any(|step| step.contains("TEMP B-TREE")),
                "{name}: {steps:#?}"
            );
        }
        for (name, sql) in of_both(&[("by end", list::BY_END)]) {
            let steps = plan(&store, sql).await;
            assert!(
                steps
                    .iter()
                    .any(|step| step.contains("_by_end (") && step.contains(range)),
                "{name}: {steps:#?}"
            );
        }
    }
}
