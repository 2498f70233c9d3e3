//! The memory store: readers, which take no lock, and writers among each other.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use loom::thread::{self, JoinHandle};

use crate::{
    Model,
    clock::UnixMillis,
    credential::Kind,
    explore,
    id::OrgId,
    scope::ScopeSet,
    secret::Digest,
    store::{
        AuditAction, AuditActor, CredentialInfo, CredentialStore, Directory, Lookup, LookupKey,
        ManageStore, MemoryStore, Owner, Peek, Record, Status, WriteError,
        backend::{
            Authority, Commit, EndStatus, EndTarget, Ending, ListQuery, NewCredential,
            Requirements, Update,
        },
    },
    sync::{AtomicBool, Ordering::SeqCst},
};

pub(crate) const ALL: &[Model] = &[
    (
        "memory::a_reader_finds_a_key_that_is_replaced_and_never_an_older_record",
        a_reader_finds_a_key_that_is_replaced_and_never_an_older_record,
    ),
    (
        "memory::a_lookup_never_mixes_the_memberships_of_two_organizations",
        a_lookup_never_mixes_the_memberships_of_two_organizations,
    ),
    (
        "memory::a_lookup_shows_a_state_that_the_users_history_has",
        a_lookup_shows_a_state_that_the_users_history_has,
    ),
    (
        "memory::a_deleted_key_stays_refused_whatever_is_written_meanwhile",
        a_deleted_key_stays_refused_whatever_is_written_meanwhile,
    ),
    (
        "memory::a_deleted_token_stays_refused_whatever_is_written_meanwhile",
        a_deleted_token_stays_refused_whatever_is_written_meanwhile,
    ),
    (
        "memory::a_key_that_is_inserted_while_its_organization_ends_is_refused",
        a_key_that_is_inserted_while_its_organization_ends_is_refused,
    ),
    (
        "memory::a_token_that_is_inserted_while_its_owner_is_disabled_is_refused",
        a_token_that_is_inserted_while_its_owner_is_disabled_is_refused,
    ),
    (
        "memory::two_changes_of_one_user_are_both_seen_afterwards",
        two_changes_of_one_user_are_both_seen_afterwards,
    ),
    (
        "memory::a_list_shows_a_rotation_whole_or_not_at_all",
        a_list_shows_a_rotation_whole_or_not_at_all,
    ),
    (
        "memory::a_reader_finds_a_rotated_key_and_its_successor",
        a_reader_finds_a_rotated_key_and_its_successor,
    ),
    (
        "memory::ending_all_keys_is_whole_for_management_and_final_for_readers",
        ending_all_keys_is_whole_for_management_and_final_for_readers,
    ),
    ("memory::an_id_is_given_out_once", an_id_is_given_out_once),
    (
        "memory::a_revoked_actor_commits_nothing",
        a_revoked_actor_commits_nothing,
    ),
];

/// Completes a future of the store, which never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the memory store waits for nothing"),
    }
}

fn owner() -> Owner {
    Owner::Organization("org_1".into())
}

fn key_record(id: &str, organization: &str) -> Record {
    Record::org_key(id, Digest::of(id.as_bytes()), organization)
}

fn token_record(id: &str) -> Record {
    Record::personal_token(id, Digest::of(id.as_bytes()), "alice")
}

/// The key `k1` of `org_1`, and the token `t1` of a viewer of `org_1` who is admin of `org_2`.
fn filled() -> MemoryStore {
    let store = MemoryStore::new();
    for id in ["org_1", "org_2"] {
        now(store.create_organization(id, None)).unwrap();
    }
    now(store.create_user("alice")).unwrap();
    now(store.set_member("alice", "org_1", "viewer")).unwrap();
    now(store.set_member("alice", "org_2", "admin")).unwrap();
    now(store.insert(key_record("k1", "org_1"))).unwrap();
    now(store.insert(token_record("t1"))).unwrap();
    store
}

fn find(store: &MemoryStore, lookup: &Lookup<'_>) -> Option<Arc<Record>> {
    match store.peek(lookup) {
        Peek::Found(record) => Some(record),
        Peek::NotFound => None,
        Peek::Unknown => panic!("the memory store knows"),
    }
}

fn find_key(store: &MemoryStore, id: &str) -> Option<Arc<Record>> {
    find(store, &Lookup::new(LookupKey::OrgKey { id }, None))
}

/// Looks a token up from an organization.
fn find_token(store: &MemoryStore, id: &str, organization: &str) -> Option<Arc<Record>> {
    let digest = &Digest::of(id.as_bytes());
    let key = LookupKey::PersonalToken { digest };
    find(store, &Lookup::new(key, Some(organization)))
}

/// The status, the organization and the role that a token shows.
fn seen(store: &MemoryStore, organization: &str) -> (Status, Option<String>, Option<String>) {
    let record = find_token(store, "t1", organization).expect("it exists throughout");
    let organization = record.organization().map(|id| id.as_str().to_owned());
    (
        record.status(),
        organization,
        record.role().map(str::to_owned),
    )
}

fn spawn<T: 'static>(
    store: &MemoryStore,
    work: impl FnOnce(MemoryStore) -> T + 'static,
) -> JoinHandle<T> {
    let store = store.clone();
    thread::spawn(move || work(store))
}

/// Commits another expiry of a credential.
fn expire_at(
    store: &MemoryStore,
    owner: &Owner,
    id: &str,
    moment: UnixMillis,
) -> Result<(), WriteError> {
    let before = now(store.credential(owner, id)).unwrap().unwrap();
    let after = CredentialInfo {
        expires_at: Some(moment),
        ..before.clone()
    };
    let changes = vec![Update { before, after }];
    now(store.commit(&Commit {
        changes,
        ..Commit::new(owner.clone(), Authority::Unconditional)
    }))
}

fn end(store: &MemoryStore, owner: &Owner, target: EndTarget) -> usize {
    let ending = Ending {
        owner: owner.clone(),
        target,
        to: EndStatus::Deleted,
        authority: Authority::Unconditional,
        at: UnixMillis(1),
        action: AuditAction::Deleted,
        by: AuditActor::Operator("test".into()),
        origin: None,
    };
    now(store.end(&ending)).unwrap().len()
}

/// A commit that issues `k2`, and marks `k1` as its predecessor if `rotated` is its info.
fn issuing(rotated: Option<CredentialInfo>, authority: Authority) -> Commit {
    let insert = NewCredential {
        info: CredentialInfo::new("k2", owner(), UnixMillis(1)),
        digest: Digest::of(b"k2"),
        salt: None,
        idempotency: None,
    };
    let change = |before: CredentialInfo| Update {
        after: CredentialInfo {
            rotated_to: Some("k2".into()),
            rotated_at: Some(UnixMillis(1)),
            ..before.clone()
        },
        before,
    };
    Commit {
        insert: Some(insert),
        changes: rotated.map(change).into_iter().collect(),
        ..Commit::new(owner(), authority)
    }
}

fn list(store: &MemoryStore) -> Vec<CredentialInfo> {
    let all = ListQuery {
        filter: Default::default(),
        after: None,
        limit: 10,
        now: UnixMillis(1),
    };
    now(store.credentials(&owner(), &all)).unwrap()
}

fn a_reader_finds_a_key_that_is_replaced_and_never_an_older_record() -> usize {
    explore(|| {
        let store = filled();
        let writer = spawn(&store, |store| {
            for moment in [7, 8] {
                expire_at(&store, &owner(), "k1", UnixMillis(moment)).unwrap();
            }
        });
        let mut last = None;
        for _ in 0..3 {
            let key = find_key(&store, "k1").expect("it exists throughout");
            assert_eq!(key.status(), Status::Active);
            assert!(key.expires_at() >= last, "an older record");
            last = key.expires_at();
        }
        writer.join().unwrap();
        let key = find_key(&store, "k1").unwrap();
        assert_eq!(key.expires_at(), Some(UnixMillis(8)));
    })
}

fn a_lookup_never_mixes_the_memberships_of_two_organizations() -> usize {
    explore(|| {
        let store = filled();
        let writers = [
            spawn(&store, |store| {
                now(store.set_member("alice", "org_1", "admin")).unwrap();
            }),
            spawn(&store, |store| {
                now(store.remove_member("alice", "org_2")).unwrap();
            }),
        ];
        let (status, organization, role) = seen(&store, "org_1");
        assert_eq!(status, Status::Active);
        assert_eq!(organization.as_deref(), Some("org_1"));
        assert!(matches!(role.as_deref(), Some("viewer" | "admin")));
        let (_, organization, role) = seen(&store, "org_2");
        assert_eq!(organization.is_some(), role.is_some());
        assert!(matches!(role.as_deref(), None | Some("admin")));
        for writer in writers {
            writer.join().unwrap();
        }
        assert_eq!(seen(&store, "org_1").2.as_deref(), Some("admin"));
        assert_eq!(seen(&store, "org_2"), (Status::Active, None, None));
    })
}

fn a_lookup_shows_a_state_that_the_users_history_has() -> usize {
    explore(|| {
        let store = filled();
        // While alice is admin she is disabled, so no answer may accept an admin.
        let writer = spawn(&store, |store| {
            now(store.set_user_enabled("alice", false)).unwrap();
            now(store.set_member("alice", "org_1", "admin")).unwrap();
            now(store.set_member("alice", "org_1", "viewer")).unwrap();
            now(store.set_user_enabled("alice", true)).unwrap();
        });
        for _ in 0..3 {
            let (status, _, role) = seen(&store, "org_1");
            let admin = role.as_deref() == Some("admin");
            assert!(!admin || status == Status::OwnerGone, "an enabled admin");
        }
        writer.join().unwrap();
        assert_eq!(seen(&store, "org_1").0, Status::Active);
    })
}

fn a_deleted_key_stays_refused_whatever_is_written_meanwhile() -> usize {
    explore(|| {
        let store = filled();
        let update = spawn(&store, |store| {
            // Refused with `Changed` if the deletion came in between.
            let _ = expire_at(&store, &owner(), "k1", UnixMillis(7));
        });
        let deletion = spawn(&store, |store| {
            end(&store, &owner(), EndTarget::One("k1".into()));
            assert_eq!(find_key(&store, "k1").unwrap().status(), Status::Deleted);
        });
        deletion.join().unwrap();
        assert_eq!(find_key(&store, "k1").unwrap().status(), Status::Deleted);
        update.join().unwrap();
        assert_eq!(find_key(&store, "k1").unwrap().status(), Status::Deleted);
    })
}

fn a_deleted_token_stays_refused_whatever_is_written_meanwhile() -> usize {
    explore(|| {
        let store = filled();
        let change = spawn(&store, |store| {
            now(store.set_member("alice", "org_1", "admin")).unwrap();
            now(store.set_user_enabled("alice", true)).unwrap();
        });
        end(
            &store,
            &Owner::User("alice".into()),
            EndTarget::One("t1".into()),
        );
        assert_eq!(seen(&store, "org_1").0, Status::Deleted);
        change.join().unwrap();
        assert_eq!(seen(&store, "org_1").0, Status::Deleted);
    })
}

fn a_key_that_is_inserted_while_its_organization_ends_is_refused() -> usize {
    explore(|| {
        let store = filled();
        let insert = spawn(&store, |store| {
            now(store.insert(key_record("k2", "org_1"))).is_ok()
        });
        now(store.delete_organization("org_1")).unwrap();
        assert_ne!(find_key(&store, "k1").unwrap().status(), Status::Active);
        let inserted = insert.join().unwrap();
        let key = find_key(&store, "k2");
        assert_eq!(key.is_some(), inserted);
        assert!(key.is_none_or(|key| key.status() == Status::OrganizationGone));
    })
}

fn a_token_that_is_inserted_while_its_owner_is_disabled_is_refused() -> usize {
    explore(|| {
        let store = filled();
        let insert = spawn(&store, |store| {
            now(store.insert(token_record("t2"))).unwrap();
        });
        now(store.set_user_enabled("alice", false)).unwrap();
        assert_eq!(seen(&store, "org_1").0, Status::OwnerGone);
        insert.join().unwrap();
        let token = find_token(&store, "t2", "org_1").unwrap();
        assert_eq!(token.status(), Status::OwnerGone);
    })
}

fn two_changes_of_one_user_are_both_seen_afterwards() -> usize {
    explore(|| {
        let store = filled();
        let role = spawn(&store, |store| {
            now(store.set_member("alice", "org_1", "admin")).unwrap();
        });
        let expiry = spawn(&store, |store| {
            expire_at(&store, &Owner::User("alice".into()), "t1", UnixMillis(7)).unwrap();
        });
        now(store.remove_member("alice", "org_2")).unwrap();
        role.join().unwrap();
        expiry.join().unwrap();
        let token = find_token(&store, "t1", "org_1").unwrap();
        assert_eq!(token.role(), Some("admin"));
        assert_eq!(token.expires_at(), Some(UnixMillis(7)));
        assert_eq!(seen(&store, "org_2").1, None);
    })
}

fn a_list_shows_a_rotation_whole_or_not_at_all() -> usize {
    explore(|| {
        let store = filled();
        let rotation = spawn(&store, |store| {
            let before = now(store.credential(&owner(), "k1")).unwrap();
            now(store.commit(&issuing(before, Authority::Unconditional))).unwrap();
        });
        for _ in 0..2 {
            let listed = list(&store);
            let rotated = listed.iter().any(|one| one.rotated_to.is_some());
            assert_eq!(listed.len(), if rotated { 2 } else { 1 });
        }
        rotation.join().unwrap();
    })
}

fn a_reader_finds_a_rotated_key_and_its_successor() -> usize {
    explore(|| {
        let store = filled();
        let rotation = spawn(&store, |store| {
            let before = now(store.credential(&owner(), "k1")).unwrap();
            now(store.commit(&issuing(before, Authority::Unconditional))).unwrap();
        });
        let key = find_key(&store, "k1").expect("it exists throughout");
        // The first use after a rotation is reported, so the successor is there before the mark.
        assert!(!key.is_rotated() || find_key(&store, "k2").is_some());
        rotation.join().unwrap();
        assert!(find_key(&store, "k1").unwrap().is_rotated());
        assert_eq!(find_key(&store, "k2").unwrap().status(), Status::Active);
    })
}

fn ending_all_keys_is_whole_for_management_and_final_for_readers() -> usize {
    explore(|| {
        let store = filled();
        now(store.insert(key_record("k2", "org_1"))).unwrap();
        let ending = spawn(&store, |store| {
            assert_eq!(end(&store, &owner(), EndTarget::All), 2);
            for id in ["k1", "k2"] {
                assert_eq!(find_key(&store, id).unwrap().status(), Status::Deleted);
            }
        });
        let listed = list(&store);
        assert!(matches!(listed.len(), 0 | 2), "one of two is listed");
        ending.join().unwrap();
    })
}

fn an_id_is_given_out_once() -> usize {
    explore(|| {
        let store = filled();
        let insert = |organization| {
            spawn(&store, move |store| {
                now(store.insert(key_record("k2", organization))).is_ok()
            })
        };
        let (first, second) = (insert("org_1"), insert("org_2"));
        let (first, second) = (first.join().unwrap(), second.join().unwrap());
        assert!(first != second, "one of the two is refused");
        let winner = if first { "org_1" } else { "org_2" };
        let key = find_key(&store, "k2").unwrap();
        assert_eq!(key.organization().map(OrgId::as_str), Some(winner));
    })
}

fn a_revoked_actor_commits_nothing() -> usize {
    explore(|| {
        let store = filled();
        let revoked = Arc::new(AtomicBool::new(false));
        let revocation = {
            let revoked = Arc::clone(&revoked);
            spawn(&store, move |store| {
                end(&store, &owner(), EndTarget::One("k1".into()));
                revoked.store(true, SeqCst);
            })
        };
        let requirements = Requirements {
            organization: Some("org_1".into()),
            scopes: ScopeSet::empty(),
            expires_at: None,
            ..Requirements::new(UnixMillis(1))
        };
        let actor = Authority::Credential {
            kind: Kind::OrgKey,
            id: "k1".into(),
            requirements,
        };
        let was_revoked = revoked.load(SeqCst);
        let outcome = now(store.commit(&issuing(None, actor)));
        match outcome {
            Ok(()) => assert!(!was_revoked, "a revoked key has issued another"),
            Err(WriteError::NotPermitted) => assert!(find_key(&store, "k2").is_none()),
            Err(other) => panic!("{other}"),
        }
        revocation.join().unwrap();
    })
}
