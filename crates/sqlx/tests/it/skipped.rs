//! A database that skips or undoes changes: triggers, rules and policies that are not the store's.
//! No call reports a change that was not made, and `check` names the cause.

mod postgres;
mod sqlite;

use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    manage::{Actor, Import, ManageError, Manager, NewKey, Rotation},
    secret::Digest,
    store::{Directory, ManageStore, Owner, StoreError, Usage, WriteError},
};
/// Calls that end something.
const ENDINGS: [&str; 5] = [
    "delete",
    "disable",
    "revoke_presented",
    "revoke_all",
    "rotate",
];

/// Statements that a trigger can skip, and the calls that then have to fail.
const SKIPPED: [(&str, &str, &[&str]); 11] = [
    ("UPDATE", "credentials", &ENDINGS),
    ("INSERT", "credentials", &["issue", "import", "rotate"]),
    (
        "INSERT",
        "events",
        &[
            "issue",
            "import",
            "rotate",
            "delete",
            "disable",
            "revoke_all",
        ],
    ),
    ("INSERT", "organizations", &["create_organization"]),
    ("UPDATE", "organizations", &["delete_organization"]),
    ("INSERT", "users", &["create_user"]),
    ("UPDATE", "users", &["disable_user"]),
    ("DELETE", "users", &["delete_user"]),
    ("INSERT", "memberships", &["set_member"]),
    ("DELETE", "memberships", &["remove_member", "delete_user"]),
    ("UPDATE", "events", &["delete_user"]),
];

/// An organization with a key, and a user with a token, an event and a membership.
struct Scene<S> {
    store: S,
    manager: Manager<S>,
    key: String,
    token: String,
}

fn org() -> Actor {
    Actor::operator("test", Owner::Organization("org_test".into()))
}

fn user() -> Actor {
    Actor::operator("test", Owner::User("user_test".into()))
}

impl<S: ManageStore + Directory + Clone> Scene<S> {
    async fn new(store: S) -> Self {
        store.create_organization("org_test", None).await.unwrap();
        store.create_organization("second", None).await.unwrap();
        store.create_user("user_test").await.unwrap();
        let member = store.set_member("user_test", "org_test", "viewer");
        member.await.unwrap();
        let manager = Manager::new(store.clone());
        let key = NewKey::named("key").with_role("viewer");
        let (key, secret) = manager.issue_key(&org(), key).await.unwrap().into_parts();
        let token = Import::new("pat", Digest::of(b"test pat"), "token");
        let owner = user();
        let import = manager.import(&owner, Kind::PersonalToken, token);
        import.await.unwrap();
        Self {
            store,
            manager,
            key: key.id.as_str().into(),
            token: secret.unwrap().expose_secret().to_owned(),
        }
    }

    /// Makes a call, and returns what it answered.
    async fn call(&self, name: &str) -> String {
        let outcome = match name {
            "create_organization" => self.store.create_organization("new", None).await,
            "delete_organization" => self.store.delete_organization("second").await,
            "create_user" => self.store.create_user("new").await,
            "disable_user" => self.store.set_user_enabled("user_test", false).await,
            "delete_user" => self.store.delete_user("user_test").await,
            "set_member" => self.store.set_member("user_test", "second", "admin").await,
            "remove_member" => self.store.remove_member("user_test", "org_test").await,
            _ => return code(self.manage(name).await),
        };
        match outcome {
            Ok(()) => "done".into(),
            Err(WriteError::Store(StoreError::Unavailable(_))) => "store_unavailable".into(),
            Err(other) => format!("{other:?}"),
        }
    }

    async fn manage(&self, name: &str) -> Result<(), ManageError> {
        let (manager, id, kind) = (&self.manager, self.key.as_str(), Kind::OrgKey);
        match name {
            "delete" => manager.delete(&org(), kind, id).await.map(drop),
            "disable" => manager.disable(&org(), kind, id).await.map(drop),
            "revoke_presented" => manager.revoke_presented(&self.token, None).await.map(drop),
            "revoke_all" => manager.revoke_all(&org(), kind).await.map(drop),
            "rotate" => manager
                .rotate(&org(), kind, id, Rotation::default())
                .await
                .map(drop),
            "issue" => manager
                .issue_key(&org(), NewKey::named("new").with_role("viewer"))
                .await
                .map(drop),
            _ => manager
                .import(
                    &org(),
                    kind,
                    Import::new("foreign", Digest::of(b"test foreign"), "foreign"),
                )
                .await
                .map(drop),
        }
    }
}

fn code<T>(outcome: Result<T, ManageError>) -> String {
    outcome.map_or_else(|error| error.code().into(), |_| "done".into())
}

/// A change that was not made is an error of the store. That the database skips an update looks to
/// a change that compares what it read like one that others keep overtaking.
fn is_refused(name: &str, answer: &str) -> bool {
    answer == "store_unavailable" || name == "rotate" && answer == "busy"
}

/// A use of the token.
fn used() -> [Usage; 1] {
    let at = UnixMillis(1_000_000);
    [Usage::new(Kind::PersonalToken, "pat", at)]
}
