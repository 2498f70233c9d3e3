//! A world in which every call of the stores' traits and of a manager can be made, and what a
//! reader sees of it. The tests of the SQL stores use it, too.

use std::{future::Future, pin::Pin, time::Duration};

use tower_api_key::{
    LastUse,
    clock::{Clock, SystemClock, UnixMillis},
    credential::Kind,
    manage::{Actor, Edit, Import, ManageError, Manager, NewKey, NewToken, Rotation},
    secret::Digest,
    store::{
        AuditAction, AuditActor, CredentialStore, Directory, EffectiveStatus, ExpiryWatch, Filter,
        Lookup, LookupKey, ManageStore, Owner, Peek, Record, Retention, Status, StoreError, Usage,
        WriteError,
        backend::{
            Authority, Commit, EndStatus, EndTarget, Ending, ListQuery, Requirements, Sweep,
            UnusedQuery, Update,
        },
    },
};

/// The calls that change something, and those that only read.
pub(crate) const CALLS: [&str; 44] = [
    "Manager::issue_key",
    "Manager::issue_token",
    "Manager::rename",
    "Manager::edit",
    "Manager::disable",
    "Manager::enable",
    "Manager::rotate",
    "Manager::import",
    "Manager::revoke_presented",
    "Manager::delete",
    "Manager::revoke_all",
    "Manager::record_uses",
    "Manager::watch_expiry",
    "Manager::expire_unused",
    "Manager::sweep",
    "Manager::get",
    "Manager::rotation_state",
    "Manager::find_presented",
    "Manager::list",
    "Manager::events",
    "Manager::expiry_events",
    "ManageStore::commit",
    "ManageStore::insert",
    "ManageStore::delete",
    "ManageStore::end",
    "ManageStore::record_uses",
    "ManageStore::watch_expiry",
    "ManageStore::sweep",
    "ManageStore::rehash",
    "ManageStore::credential",
    "ManageStore::credentials",
    "ManageStore::issued_under",
    "ManageStore::events",
    "ManageStore::expiry_events",
    "ManageStore::unused",
    "Directory::create_organization",
    "Directory::delete_organization",
    "Directory::create_user",
    "Directory::delete_user",
    "Directory::set_user_enabled",
    "Directory::set_member",
    "Directory::remove_member",
    "Directory::is_descendant_of",
    "CredentialStore::find",
];

/// What a call returned: nothing, or the code of its error.
pub(crate) type Outcome = Result<(), String>;
pub(crate) type Call<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// A store, and another handle of its content that nothing is done to: organizations, a user, keys
/// and a token, whose ids all begin alike.
pub(crate) struct World<S, R> {
    pub(crate) store: S,
    pub(crate) reader: R,
    pub(crate) manager: Manager<S>,
    pub(crate) uses: LastUse,
    /// The id of a key that a manager has issued, and its token.
    pub(crate) issued: (String, String),
    prefix: String,
}

impl<S, R> World<S, R>
where
    S: ManageStore + Directory + Clone,
    R: ManageStore + Directory + Clone,
{
    /// Fills the content of `reader`, which is that of `store`. The key `off` is disabled.
    pub(crate) async fn new(store: S, reader: R, prefix: &str) -> Self {
        let mut world = Self {
            manager: Manager::new(store.clone()),
            store,
            reader,
            uses: LastUse::new(),
            issued: Default::default(),
            prefix: prefix.to_owned(),
        };
        world.fill().await;
        world
    }

    async fn fill(&mut self) {
        let (org, other, alice) = (self.id("org"), self.id("other"), self.id("alice"));
        self.reader.create_organization(&org, None).await.unwrap();
        self.reader.create_organization(&other, None).await.unwrap();
        self.reader.create_user(&alice).await.unwrap();
        self.reader
            .set_member(&alice, &org, "viewer")
            .await
            .unwrap();
        for id in ["k1", "off"] {
            self.reader.insert(self.key(id)).await.unwrap();
        }
        let token = Record::personal_token(self.id("t1"), self.digest("t1"), alice);
        self.reader.insert(token).await.unwrap();
        let (direct, actor) = (Manager::new(self.reader.clone()), self.operator());
        let disabled = direct.disable(&actor, Kind::OrgKey, &self.id("off")).await;
        disabled.unwrap();
        let issued = direct.issue_key(&actor, NewKey::named("issued")).await;
        let (info, secret) = issued.unwrap().into_parts();
        let token = secret.unwrap().expose_secret().to_owned();
        self.issued = (info.id.as_str().to_owned(), token);
    }

    fn id(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn digest(&self, name: &str) -> Digest {
        Digest::of(self.id(name).as_bytes())
    }

    fn key(&self, name: &str) -> Record {
        Record::org_key(self.id(name), self.digest(name), self.id("org"))
    }

    pub(crate) fn org(&self) -> Owner {
        Owner::Organization(self.id("org").into())
    }

    fn operator(&self) -> Actor {
        Actor::operator("test", self.org())
    }

    fn user(&self) -> Owner {
        Owner::User(self.id("alice").into())
    }

    /// Makes a call of [`CALLS`].
    pub(crate) fn call(&self, name: &'static str) -> Call<'_> {
        let (class, method) = name.split_once("::").unwrap();
        match class {
            "Manager" => Box::pin(self.manager_call(method)),
            "ManageStore" => Box::pin(self.store_call(method)),
            "Directory" => Box::pin(self.directory_call(method)),
            _ => Box::pin(async move {
                let id = &self.id("never");
                let lookup = Lookup::new(LookupKey::OrgKey { id }, None);
                outcome(self.store.find(&lookup).await.map_err(WriteError::from))
            }),
        }
    }

    async fn manager_call(&self, method: &str) -> Outcome {
        let (manager, org, kind) = (&self.manager, &self.operator(), Kind::OrgKey);
        let (id, off) = (&self.id("k1"), &self.id("off"));
        let done = match method {
            "issue_key" => {
                let new = NewKey::named("new").with_idempotency_key("once");
                manager.issue_key(org, new).await.map(drop)
            }
            "issue_token" => {
                let new = NewToken::named("new").with_idempotency_key("once");
                let user = Actor::operator("test", self.user());
                manager.issue_token(&user, new).await.map(drop)
            }
            "rename" => manager.rename(org, kind, id, "renamed").await.map(drop),
            "edit" => {
                let edit = Edit::default().with_description("edited");
                manager.edit(org, kind, id, edit).await.map(drop)
            }
            "disable" => manager.disable(org, kind, id).await.map(drop),
            "enable" => manager.enable(org, kind, off).await.map(drop),
            "rotate" => {
                let rotation = Rotation::default();
                manager.rotate(org, kind, id, rotation).await.map(drop)
            }
            "import" => {
                let id = self.id("imported");
                let import = Import::new(id, self.digest("imported"), "imported");
                manager.import(org, kind, import).await.map(drop)
            }
            "find_presented" => {
                let token = &self.issued.1;
                manager.find_presented(token).await.map(drop)
            }
            "revoke_presented" => {
                let token = &self.issued.1;
                manager.revoke_presented(token, None).await.map(drop)
            }
            "delete" => manager.delete(org, kind, id).await.map(drop),
            "revoke_all" => manager.revoke_all(org, kind).await.map(drop),
            "record_uses" => manager.record_uses(&self.uses).await.map(drop),
            "watch_expiry" => {
                let watch = ExpiryWatch::default();
                manager.watch_expiry(&watch).await.map(drop)
            }
            "expire_unused" => manager.expire_unused(kind, DAY).await.map(drop),
            "sweep" => manager.sweep(&no_events()).await.map(drop),
            "expiry_events" => manager.expiry_events(None, 9).await.map(drop),
            "get" => manager.get(org, kind, id).await.map(drop),
            "rotation_state" => manager.rotation_state(org, kind, id).await.map(drop),
            "list" => {
                let all = Filter::default();
                manager.list(org, kind, &all, None, 9).await.map(drop)
            }
            "events" => manager.events(org, kind, None, 9).await.map(drop),
            other => panic!("{other}"),
        };
        done.map_err(|error: ManageError| error.code().to_owned())
    }

    async fn store_call(&self, method: &str) -> Outcome {
        let (store, org, id) = (&self.store, &self.org(), &self.id("k1"));
        outcome(match method {
            "commit" => store.commit(&self.renaming().await).await,
            "insert" => store.insert(self.key("inserted")).await,
            "delete" => store.delete(org, id).await,
            "end" => store.end(&self.ending()).await.map(drop),
            read => {
                let done: Result<(), StoreError> = match read {
                    "record_uses" => {
                        let used = Usage::new(Kind::OrgKey, id.as_str(), UnixMillis(1_000));
                        store.record_uses(&[used]).await.map(drop)
                    }
                    "watch_expiry" => {
                        let watch = ExpiryWatch::default();
                        let now = SystemClock::default().now();
                        store.watch_expiry(&watch, now, 9).await.map(drop)
                    }
                    "expiry_events" => store.expiry_events(None, 9).await.map(drop),
                    "unused" => store.unused(&unused()).await.map(drop),
                    "sweep" => store.sweep(&sweep()).await.map(drop),
                    "rehash" => {
                        let digest = &self.digest("k1");
                        store.rehash(Kind::OrgKey, id, digest).await.map(drop)
                    }
                    "credential" => store.credential(org, id).await.map(drop),
                    "credentials" => store.credentials(org, &all(None)).await.map(drop),
                    "issued_under" => store.issued_under(org, "once").await.map(drop),
                    "events" => store.events(org, None, 9).await.map(drop),
                    other => panic!("{other}"),
                };
                done.map_err(WriteError::from)
            }
        })
    }

    async fn directory_call(&self, method: &str) -> Outcome {
        let (store, org, alice) = (&self.store, &self.id("org"), &self.id("alice"));
        outcome(match method {
            "create_organization" => {
                let new = &self.id("below");
                store.create_organization(new, Some(org)).await
            }
            "delete_organization" => store.delete_organization(org).await,
            "create_user" => store.create_user(&self.id("bob")).await,
            "delete_user" => store.delete_user(alice).await,
            "set_user_enabled" => store.set_user_enabled(alice, false).await,
            "set_member" => store.set_member(alice, &self.id("other"), "admin").await,
            "remove_member" => store.remove_member(alice, org).await,
            "is_descendant_of" => {
                let below = store.is_descendant_of(org, &self.id("other")).await;
                below.map(drop).map_err(WriteError::from)
            }
            other => panic!("{other}"),
        })
    }

    /// The commit that renames `k1`.
    async fn renaming(&self) -> Commit {
        let before = self.reader.credential(&self.org(), &self.id("k1")).await;
        let before = before.unwrap().unwrap();
        let mut after = before.clone();
        after.name = "committed".into();
        Commit {
            changes: vec![Update { before, after }],
            ..Commit::new(self.org(), Authority::Unconditional)
        }
    }

    /// Deletes every key of the organization.
    fn ending(&self) -> Ending {
        Ending {
            owner: self.org(),
            target: EndTarget::All,
            to: EndStatus::Deleted,
            authority: Authority::Unconditional,
            at: UnixMillis(1),
            action: AuditAction::Deleted,
            by: AuditActor::Operator("test".into()),
            origin: None,
        }
    }

    /// Everything that a reader can see, without ids and times, which differ from one world to the
    /// next.
    pub(crate) async fn contents(&self) -> Vec<String> {
        let mut contents = Vec::new();
        for owner in [self.org(), self.user()] {
            for state in [None, Some(EffectiveStatus::Deleted)] {
                let listed = self.reader.credentials(&owner, &all(state)).await.unwrap();
                contents.extend(listed.iter().map(|one| {
                    let (expires, rotated) = (one.expires_at.is_some(), one.rotated_to.is_some());
                    let used = one.last_used_at.is_some();
                    format!("{} {:?} {expires} {rotated} {used}", one.name, one.status)
                }));
            }
            let events = self.reader.events(&owner, None, 50).await.unwrap();
            contents.extend(events.iter().map(|event| format!("{:?}", event.action)));
            let again = self.reader.issued_under(&owner, "once").await.unwrap();
            contents.push(format!("{owner:?} issued {}", again.is_some()));
        }
        let (below, org) = (self.id("below"), self.id("org"));
        let below = self.reader.is_descendant_of(&below, &org).await.unwrap();
        contents.push(format!("below {below}"));
        contents.push(format!("bob {}", self.bob_exists().await));
        contents.push(format!("{:?}", self.ask_all(&self.reader).await));
        contents.sort();
        let anonymous = contents
            .into_iter()
            .map(|line| line.replace(&self.prefix, ""));
        anonymous.collect()
    }

    /// A commit of nothing is refused if its actor does not exist.
    async fn bob_exists(&self) -> bool {
        let bob = Authority::User {
            id: self.id("bob").into(),
            requirements: Requirements::new(UnixMillis(1)),
        };
        let nothing = Commit::new(self.org(), bob);
        self.reader.commit(&nothing).await.is_ok()
    }

    /// Looks everything up, as requests do. Returns the organization and the role that each lookup
    /// is accepted with.
    pub(crate) async fn ask_all(&self, store: &impl CredentialStore) -> Vec<String> {
        let mut answers = Vec::new();
        let digest = &self.digest("t1");
        for organization in [None, Some("org"), Some("other")] {
            let organization = organization.map(|name| self.id(name));
            let key = LookupKey::PersonalToken { digest };
            let lookup = Lookup::new(key, organization.as_deref());
            answers.push(ask(store, &lookup).await);
        }
        let mut keys = ["k1", "off", "inserted", "imported"]
            .map(|name| self.id(name))
            .to_vec();
        keys.push(self.issued.0.clone());
        for id in &keys {
            answers.push(ask(store, &Lookup::new(LookupKey::OrgKey { id }, None)).await);
        }
        answers
    }
}

async fn ask(store: &impl CredentialStore, lookup: &Lookup<'_>) -> String {
    let found = match store.peek(lookup) {
        Peek::Found(record) => Some(record),
        Peek::NotFound => None,
        Peek::Unknown => store.find(lookup).await.unwrap(),
    };
    let accepted = found.filter(|record| record.status() == Status::Active);
    accepted.map_or_else(
        || "refused".to_owned(),
        |record| format!("{:?} {:?}", record.organization(), record.role()),
    )
}

fn all(state: Option<EffectiveStatus>) -> ListQuery {
    ListQuery {
        filter: Filter::default().with_state(state),
        after: None,
        limit: 50,
        now: UnixMillis(1),
    }
}

const DAY: Duration = Duration::from_secs(24 * 3600);

fn unused() -> UnusedQuery {
    UnusedQuery {
        kind: Kind::OrgKey,
        before: UnixMillis(1),
        recorded_since: UnixMillis(1),
        after: None,
        limit: 9,
        now: UnixMillis(1),
    }
}

/// Removes every audit event, in one transaction.
fn no_events() -> Retention {
    Retention::forever().with_events(Duration::ZERO)
}

fn sweep() -> Sweep {
    let now = SystemClock::default().now();
    Sweep {
        now,
        deleted: None,
        expired: None,
        idempotency_keys: None,
        events: Some(now),
        uses: None,
        changes: None,
        uses_after: None,
        limit: 1000,
    }
}

fn outcome<T>(done: Result<T, WriteError>) -> Outcome {
    done.map(drop).map_err(|error| match error {
        WriteError::Store(error) => error.code().to_owned(),
        _ => "refused".to_owned(),
    })
}

/// Returns whether a call that was made before was refused for that reason.
pub(crate) fn is_repeated(outcome: &Outcome) -> bool {
    let codes = [
        "refused",
        "unknown_credential",
        "deleted",
        "disabled",
        "already_rotated",
        "taken",
        "unknown_owner",
    ];
    outcome
        .as_ref()
        .map_or_else(|code| codes.contains(&code.as_str()), |()| true)
}
