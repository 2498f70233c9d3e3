//! What is left of a removed credential: an id that stays taken, and nothing in the change log.

use tower_api_key::{
    clock::UnixMillis,
    secret::Digest,
    store::{ManageStore, Owner, Record, Status, WriteError, backend::Sweep},
};
use tower_api_key_sqlx::SqliteStore;

use super::{File, NOW, add, info, insert_commit, new_credential, organization, raw, user};

/// Removes what was deleted or has expired, and returns how much.
async fn sweep(store: &SqliteStore) -> u64 {
    let sweep = Sweep {
        now: UnixMillis(NOW),
        deleted: Some(UnixMillis(NOW)),
        expired: Some(UnixMillis(NOW)),
        idempotency_keys: None,
        events: None,
        uses: None,
        changes: None,
        uses_after: None,
        limit: 1000,
    };
    store.sweep(&sweep).await.unwrap().swept.credentials
}

async fn add_over(store: &SqliteStore, owner: &Owner) {
    let mut deleted = info(owner, "deleted");
    deleted.status = Status::Deleted;
    add(store, deleted).await;
    let mut expired = info(owner, "expired");
    expired.expires_at = Some(UnixMillis(NOW));
    add(store, expired).await;
}

/// A statement by hand that inserts a credential.
fn insertion(owner: &Owner, id: &str, or: &str) -> String {
    let (kind, column, role) = match owner {
        Owner::Organization(_) => ("org_key", "organization_id", "'viewer'"),
        _ => ("pat", "user_id", "NULL"),
    };
    format!(
        "INSERT {or} INTO tower_api_key_credentials (kind, id, digest, {column}, role)
        VALUES ('{kind}', '{id}', randomblob(32), 'alpha', {role})"
    )
}

#[tokio::test]
async fn no_writer_takes_the_id_of_a_removed_credential() {
    for owner in [organization("alpha"), user("alpha")] {
        let file = File::new().await;
        let store = file.open().await;
        add_over(&store, &owner).await;
        assert_eq!(sweep(&store).await, 2);
        for id in ["deleted", "expired"] {
            let digest = Digest::of(b"another");
            let record = match &owner {
                Owner::Organization(_) => Record::org_key(id, digest, "alpha"),
                _ => Record::personal_token(id, digest, "alpha"),
            };
            let outcomes = [
                store.insert(record).await,
                store
                    .commit(&insert_commit(new_credential(info(&owner, id))))
                    .await,
            ];
            for taken in outcomes {
                assert!(matches!(taken, Err(WriteError::Taken(_))), "{taken:?}");
            }
            for or in ["", "OR REPLACE"] {
                let refused = file.try_by_hand(&insertion(&owner, id, or)).await;
                let reason = refused.unwrap_err().to_string();
                assert!(reason.contains("stays taken"), "{reason}");
            }
        }
        file.by_hand(&insertion(&owner, "another", "")).await;
        let left = "SELECT count(*) FROM tower_api_key_credentials";
        assert_eq!(file.query_number(left).await, 1);
    }
}

/// A credential that was deleted is refused already; one that has expired may be accepted by a
/// cache whose clock is behind.
#[tokio::test]
async fn only_the_removal_of_what_was_not_deleted_is_logged() {
    let file = File::new().await;
    let store = file.open().await;
    for owner in [organization("alpha"), user("alpha")] {
        add_over(&store, &owner).await;
    }
    file.by_hand("UPDATE tower_api_key_credentials SET deleted_at = 1 WHERE status = 'deleted'")
        .await;
    file.by_hand("DELETE FROM tower_api_key_changes").await;
    assert_eq!(sweep(&store).await, 4);
    assert_eq!(
        file.logged().await,
        ["credential org_key expired", "credential pat expired"]
    );
}

impl File {
    async fn logged(&self) -> Vec<String> {
        let sql = "SELECT concat_ws(' ', subject, kind, id) FROM tower_api_key_changes ORDER BY 1";
        let mut connection = raw(&self.path).await;
        let logged = sqlx::query_scalar(sql).fetch_all(&mut connection).await;
        logged.unwrap()
    }
}
