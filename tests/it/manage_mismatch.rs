//! What is reported as leaked is revoked only if the store finds it, and a store that answers for
//! something else has not said that it is unknown.

use crate::support::{
    KEY, ORG, OTHER_ORG, TOKEN, USER, forward::forward_manage_store, key_record, memory, now,
    pat_record,
};

use std::sync::Arc;

use tower_api_key::{
    credential::Kind,
    id::CredentialId,
    manage::{ManageError, Manager},
    secret::Digest,
    store::{
        AuditEvent, CredentialInfo, CredentialStore, Lookup, LookupKey, ManageStore as _,
        MemoryStore, Owner, Record, Status, StoreError, Usage, WriteError,
        backend::{Commit, EarlierIssue, Ending, ListQuery},
    },
};

/// Finds, for each kind of credential, the record that it is given.
struct Mismatched {
    memory: MemoryStore,
    found: [Record; 2],
}

impl Mismatched {
    async fn read<T>(&self, work: impl Future<Output = T>) -> T {
        work.await
    }

    async fn write<T>(&self, work: impl Future<Output = T>) -> T {
        work.await
    }

    async fn end_credentials(&self, ending: &Ending) -> Result<Vec<CredentialId>, WriteError> {
        self.memory.end(ending).await
    }
}

#[tower_api_key::async_trait]
impl CredentialStore for Mismatched {
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        let [key, token] = &self.found;
        let found = match lookup.key() {
            LookupKey::OrgKey { .. } => key,
            LookupKey::PersonalToken { .. } => token,
        };
        Ok(Some(Arc::new(found.clone())))
    }
}

forward_manage_store!(Mismatched);

/// Asserts that everything in the store is as it was.
fn assert_untouched(memory: &MemoryStore) {
    for (kind, owner, id) in [
        (Kind::OrgKey, ORG, "testkey"),
        (Kind::PersonalToken, USER, "token"),
    ] {
        let info = now(memory.credential(&Owner::of(kind, owner), id)).unwrap();
        assert_eq!(info.map(|info| info.status), Some(Status::Active), "{id}");
    }
}

#[tokio::test]
async fn a_token_that_the_store_answers_for_with_another_record_is_not_unknown() {
    for (name, key, token) in [
        (
            "another",
            key_record("other", OTHER_ORG),
            pat_record("other", USER),
        ),
        (
            "of the other kind",
            pat_record("testkey", USER),
            key_record("token", ORG),
        ),
    ] {
        let memory = memory();
        let manager = Manager::new(Mismatched {
            memory: memory.clone(),
            found: [key, token],
        });
        for presented in [KEY, TOKEN] {
            let revoked = manager.revoke_presented(presented, None).await;
            let error = revoked.expect_err(name);
            assert!(
                matches!(error, ManageError::Unavailable(_)),
                "{name}: {presented}: {error:?}"
            );
        }
        assert_untouched(&memory);
    }
}

#[tokio::test]
async fn another_secret_for_a_known_id_revokes_nothing() {
    let memory = memory();
    let manager = Manager::new(memory.clone());
    for presented in ["ak_testkey.test-secreT", "ak_testkey.x", "pat_test-tokeN"] {
        let revoked = manager.revoke_presented(presented, None).await;
        assert!(
            matches!(revoked, Err(ManageError::UnknownCredential)),
            "{presented}: {revoked:?}"
        );
    }
    assert_untouched(&memory);
}
