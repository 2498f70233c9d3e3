//! Ending all credentials while the database lets only a part of it happen.

use tower_api_key::{
    id::CredentialId,
    store::{ManageStore, StoreError, WriteError, backend::EndTarget},
};

use super::{
    Fixture, ORG, info, owners,
    waiting::{ending, finish, in_transaction},
};

/// Otherwise a key that was issued meanwhile would be left, although the caller was told that none
/// is.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_of_all_that_may_leave_some_is_an_error_and_can_be_repeated() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    let (owner, _) = &owners()[0];
    fixture.insert(info(owner, "k")).await;
    let turn = in_transaction(&fixture, "SELECT FROM owner_turns FOR UPDATE").await;
    let (store, end) = (fixture.store.clone(), ending(owner, EndTarget::All));
    let revocation = tokio::spawn(async move { store.end(&end).await });
    fixture.wait_for_lock(1, &revocation).await;
    fixture.psql(&format!(
        "INSERT INTO credentials (kind, id, digest, organization_id)
         VALUES ('org_key', 'meanwhile', decode(repeat('ab', 32), 'hex'), '{ORG}')"
    ));
    let table = in_transaction(&fixture, "LOCK TABLE credentials IN ACCESS EXCLUSIVE MODE").await;
    let ended = revocation.await.unwrap();
    finish(table, "ROLLBACK").await;
    finish(turn, "ROLLBACK").await;

    let statuses = "SELECT string_agg(id || ' ' || status, ', ' ORDER BY id) FROM credentials";
    assert_eq!(fixture.psql(statuses), "k deleted, meanwhile active");
    assert!(
        matches!(ended, Err(WriteError::Store(StoreError::Unavailable(_)))),
        "{ended:?}"
    );
    let events = fixture.store.events(owner, None, 10).await.unwrap();
    assert_eq!(events.len(), 1, "the trail has what the first sweep ended");

    let again = fixture.store.end(&ending(owner, EndTarget::All)).await;
    assert_eq!(again.unwrap(), [CredentialId::from("meanwhile")]);
    assert_eq!(fixture.psql(statuses), "k deleted, meanwhile deleted");
}
