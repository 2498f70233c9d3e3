//! Digests under a pepper: what is verified, what is not, and how one pepper takes the place of another.

use std::{convert::Infallible, future::ready, pin::Pin, sync::Arc};
use tower_api_key::{
    AuthLayer, LastUse,
    credential::Kind,
    manage::{Actor, Import, Manager, NewKey, NewToken},
    secret::{Digest, Peppers},
    store::{
        Cached, Directory, Lookup, LookupKey, ManageStore, Owner, Record, StoreError, WriteError,
    },
};

use http::{Request, Response, StatusCode};
use tower::{Layer, ServiceExt, service_fn};

/// Everything that a store of the crate is.
trait Whole: ManageStore + Directory {}

impl<S: ManageStore + Directory> Whole for S {}

type Store = Arc<dyn Whole>;
type Done = Pin<Box<dyn Future<Output = ()>>>;

/// One database, seen by stores with other peppers, and by a person.
struct Site {
    open: Box<dyn Fn(Option<Peppers>) -> Store>,
    /// Runs a statement in which `$credentials` is the table.
    sql: Box<dyn Fn(String) -> Done>,
}

const SECRETS: [[u8; 32]; 3] = [[b'a'; 32], [b'b'; 32], [b'c'; 32]];

fn one() -> Peppers {
    Peppers::new("one", &SECRETS[0]).unwrap()
}

fn two() -> Peppers {
    Peppers::new("two", &SECRETS[1]).unwrap()
}

fn two_and_one() -> Peppers {
    two().with_older("one", &SECRETS[0]).unwrap()
}

async fn status(store: &Store, token: &str) -> u16 {
    status_of(&AuthLayer::new(Arc::clone(store)), token).await
}

async fn status_of(auth: &AuthLayer<Arc<dyn Whole>>, token: &str) -> u16 {
    let inner =
        service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(String::new()))));
    let request = Request::builder().header("authorization", format!("Bearer {token}"));
    let request = request
        .header("x-anyreach-org", "org_test")
        .body(())
        .unwrap();
    auth.layer(inner)
        .oneshot(request)
        .await
        .unwrap()
        .status()
        .as_u16()
}

/// Issues a key and a token.
async fn issue(store: &Store) -> [(Kind, String, String); 2] {
    let manager = Manager::new(Arc::clone(store));
    let organization = Actor::operator("test", Owner::Organization("org_test".into()));
    let key = manager
        .issue_key(&organization, NewKey::named("key").with_role("viewer"))
        .await
        .unwrap();
    let user = Actor::operator("test", Owner::User("user_test".into()));
    let token = manager
        .issue_token(&user, NewToken::named("token"))
        .await
        .unwrap();
    [(Kind::OrgKey, key), (Kind::PersonalToken, token)].map(|(kind, issued)| {
        let (info, secret) = issued.into_parts();
        (
            kind,
            info.id.as_str().to_owned(),
            secret.unwrap().expose_secret().to_owned(),
        )
    })
}

impl Site {
    async fn furnished(self) -> Self {
        let store = (self.open)(None);
        store.create_organization("org_test", None).await.unwrap();
        store.create_user("user_test").await.unwrap();
        store
            .set_member("user_test", "org_test", "viewer")
            .await
            .unwrap();
        self
    }

    async fn stores(&self) -> [(&'static str, Store); 6] {
        [
            ("none", (self.open)(None)),
            ("one", (self.open)(Some(one()))),
            ("two", (self.open)(Some(two()))),
            ("two and one", (self.open)(Some(two_and_one()))),
            (
                "one, nothing plain",
                (self.open)(Some(one().without_plain_digests())),
            ),
            (
                "another named one",
                (self.open)(Some(Peppers::new("one", &SECRETS[2]).unwrap())),
            ),
        ]
    }
}

/// What a store answers for a credential that was made by another. A key is found and cannot be judged; a token that is
/// kept under an unknown digest cannot be found.
async fn each_is_verified_under_the_peppers_that_are_known(site: &Site) {
    type Row = (&'static str, Option<Peppers>, [u16; 6], [u16; 6]);
    let table: [Row; 3] = [
        (
            "plain",
            None,
            [200, 200, 200, 200, 503, 200],
            [200, 200, 200, 200, 401, 200],
        ),
        (
            "one",
            Some(one()),
            [503, 200, 503, 200, 200, 401],
            [401, 200, 401, 200, 200, 401],
        ),
        (
            "two",
            Some(two_and_one()),
            [503, 503, 200, 200, 503, 503],
            [401, 401, 200, 200, 401, 401],
        ),
    ];
    for (name, peppers, key, token) in table {
        let [(.., key_secret), (.., token_secret)] = issue(&(site.open)(peppers)).await;
        for (at, (seen_by, store)) in site.stores().await.into_iter().enumerate() {
            assert_eq!(
                status(&store, &key_secret).await,
                key[at],
                "a key made under {name}, seen by {seen_by}"
            );
            assert_eq!(
                status(&store, &token_secret).await,
                token[at],
                "a token made under {name}, seen by {seen_by}"
            );
        }
    }
}

/// Whoever can write to the database can copy digests and rename peppers, and gains nothing.
async fn a_digest_is_of_no_use_elsewhere(site: &Site) {
    let store = (site.open)(Some(two_and_one().without_plain_digests()));
    let [(_, good, good_secret), (.., token)] = issue(&store).await;
    let [(_, other, other_secret), ..] = issue(&store).await;
    assert_eq!(status(&store, &other_secret).await, 200);
    (site.sql)(format!(
        "UPDATE $credentials SET digest = (SELECT digest FROM $credentials WHERE id = '{good}') WHERE id = '{other}'"
    ))
    .await;
    assert_eq!(status(&store, &other_secret).await, 401, "its own secret");
    let mixed = format!("ak_{other}.{}", good_secret.split_once('.').unwrap().1);
    assert_eq!(status(&store, &mixed).await, 401, "the other's secret");
    (site.sql)(format!(
        "UPDATE $credentials SET pepper = 'one' WHERE id = '{good}'"
    ))
    .await;
    assert_eq!(
        status(&store, &good_secret).await,
        401,
        "under another pepper's name"
    );
    assert_eq!(status(&store, &token).await, 200);
}

/// A row whose pepper is not the one of its digest is damaged, also when its token finds it; the others go on.
async fn a_row_that_names_another_pepper_is_told_for_itself_alone(site: &Site) {
    let store = (site.open)(Some(two_and_one()));
    for name in ["'one'", "'nobody'", "NULL"] {
        let [_, (_, renamed, renamed_secret)] = issue(&store).await;
        let [_, (.., good)] = issue(&store).await;
        (site.sql)(format!(
            "UPDATE $credentials SET pepper = {name} WHERE id = '{renamed}'"
        ))
        .await;
        assert_eq!(status(&store, &renamed_secret).await, 503, "{name}");
        assert_eq!(status(&store, &good).await, 200, "beside {name}");
    }
    let plain = (site.open)(None);
    let [_, (_, renamed, secret)] = issue(&plain).await;
    (site.sql)(format!(
        "UPDATE $credentials SET pepper = 'one' WHERE id = '{renamed}'"
    ))
    .await;
    for (name, store) in site.stores().await {
        assert_ne!(
            status(&store, &secret).await,
            200,
            "a plain digest called a peppered one, seen by {name}"
        );
    }
}

/// What was deleted under a pepper stays under it, and must not turn from a 401 into a 503 when the pepper is dropped.
async fn what_was_deleted_is_refused_whatever_it_was_under(site: &Site) {
    for peppers in [None, Some(one()), Some(two())] {
        let store = (site.open)(peppers);
        for (kind, id, secret) in issue(&store).await {
            let owner = match kind {
                Kind::OrgKey => Owner::of(kind, "org_test"),
                Kind::PersonalToken => Owner::of(kind, "user_test"),
            };
            store.delete(&owner, &id).await.unwrap();
            for (name, store) in site.stores().await {
                assert_eq!(
                    status(&store, &secret).await,
                    401,
                    "a deleted {kind:?}, seen by {name}"
                );
            }
        }
    }
}

/// A digest under two peppers would be of no token.
async fn a_record_that_is_under_a_pepper_is_not_taken_under_another(site: &Site) {
    let store = (site.open)(Some(one()));
    let [(_, id, _), ..] = issue(&store).await;
    let found = store
        .find(&Lookup::new(LookupKey::OrgKey { id: &id }, None))
        .await
        .unwrap()
        .unwrap();
    for (name, store) in site.stores().await {
        let refused = store.insert(Record::clone(&found)).await.unwrap_err();
        let WriteError::Store(StoreError::UnknownPepper(pepper)) = refused else {
            panic!("{name}: {refused}")
        };
        assert_eq!(&*pepper, "one", "{name}");
    }
}

/// The same 401 for all that is not good, whatever the peppers.
async fn what_is_not_good_is_refused_alike(site: &Site) {
    for (name, store) in site.stores().await {
        let [(.., key), (.., token)] = issue(&store).await;
        let last = |text: &str, c: char| format!("{}{c}", &text[..text.len() - 1]);
        for text in [
            last(&key, '-'),
            last(&token, '-'),
            "ak_nobody.test".into(),
            "pat_nobody-test".into(),
        ] {
            assert_eq!(status(&store, &text).await, 401, "{text} with {name}");
        }
    }
}

/// Digests move to the current pepper when their credentials are used, each once, also behind a cache.
async fn a_use_moves_a_digest_to_the_current_pepper(site: &Site) {
    for (from, peppers) in [("plain", None), ("one", Some(one()))] {
        let before = (site.open)(peppers);
        let made = issue(&before).await;
        let cache: Store = Arc::new(Cached::new((site.open)(Some(two_and_one()))));
        let uses = LastUse::new();
        let auth = AuthLayer::new(Arc::clone(&cache)).with_last_use(uses.clone());
        let after = (site.open)(Some(two().without_plain_digests()));
        for (kind, id, secret) in &made {
            assert_ne!(
                status(&after, secret).await,
                200,
                "{kind:?} from {from}, unused"
            );
            let wrong = Digest::of(b"test");
            assert!(
                !cache.rehash(*kind, id, &wrong).await.unwrap(),
                "made anew from another token"
            );
            for _ in 0..3 {
                assert_eq!(status_of(&auth, secret).await, 200, "{kind:?} from {from}");
            }
        }
        Manager::new(Arc::clone(&cache))
            .record_uses(&uses)
            .await
            .unwrap();
        for (kind, id, secret) in &made {
            assert_eq!(
                status(&after, secret).await,
                200,
                "{kind:?} from {from}, used"
            );
            assert_eq!(
                status_of(&auth, secret).await,
                200,
                "{kind:?} from {from}, behind the cache"
            );
            assert_ne!(
                status(&before, secret).await,
                200,
                "{kind:?} from {from}: nothing is left of it"
            );
            let presented = Digest::of(secret.as_bytes());
            assert!(
                !cache.rehash(*kind, id, &presented).await.unwrap(),
                "{kind:?} was made anew twice"
            );
        }
    }
}

/// A row that was damaged since its credential was used keeps no other from moving.
async fn what_cannot_be_moved_holds_up_no_other(site: &Site) {
    let store = (site.open)(Some(two_and_one()));
    let uses = LastUse::new();
    let auth = AuthLayer::new(Arc::clone(&store)).with_last_use(uses.clone());
    let mut made = Vec::new();
    for _ in 0..4 {
        made.extend(issue(&(site.open)(Some(one()))).await);
    }
    for (.., secret) in &made {
        assert_eq!(status_of(&auth, secret).await, 200);
    }
    let ((_, _, good), damaged) = made.split_last().unwrap();
    for (_, id, _) in damaged {
        (site.sql)(format!(
            "UPDATE $credentials SET pepper = 'nobody' WHERE id = '{id}'"
        ))
        .await;
    }
    for _ in 0..2 {
        Manager::new(Arc::clone(&store))
            .record_uses(&uses)
            .await
            .unwrap();
    }
    assert_eq!(
        status(&(site.open)(Some(two().without_plain_digests())), good).await,
        200
    );
}

/// A token is issued once, whatever the pepper that it is kept under.
async fn a_tokens_digest_is_taken_under_any_pepper(site: &Site) {
    let digest = Digest::of(b"pat_test-of-another-system");
    let user = Actor::operator("test", Owner::User("user_test".into()));
    let import = |id: &str| Import::new(id, digest.clone(), "old");
    for (at, peppers) in [Some(one()), Some(two_and_one())].into_iter().enumerate() {
        let store = (site.open)(peppers);
        let again = Manager::new(store)
            .import(&user, Kind::PersonalToken, import(&format!("t{at}")))
            .await;
        assert_eq!(
            again.map_err(|error| error.code()).err(),
            (at > 0).then_some("taken"),
            "{at}"
        );
    }
}

async fn all(site: Site) {
    let site = site.furnished().await;
    each_is_verified_under_the_peppers_that_are_known(&site).await;
    a_digest_is_of_no_use_elsewhere(&site).await;
    a_row_that_names_another_pepper_is_told_for_itself_alone(&site).await;
    what_was_deleted_is_refused_whatever_it_was_under(&site).await;
    a_record_that_is_under_a_pepper_is_not_taken_under_another(&site).await;
    what_is_not_good_is_refused_alike(&site).await;
    a_use_moves_a_digest_to_the_current_pepper(&site).await;
    what_cannot_be_moved_holds_up_no_other(&site).await;
    a_tokens_digest_is_taken_under_any_pepper(&site).await;
}

/// Imports `count` digests of another system, uses each once under a new pepper, and holds every one to have moved.
async fn rehearse(site: Site, count: usize) {
    let site = site.furnished().await;
    let token = |at: usize| format!("ak_old-{at}.test-secret-of-another-system");
    let organization = Actor::operator("test", Owner::Organization("org_test".into()));
    let importing = Manager::new((site.open)(None));
    for at in 0..count {
        let text = hex::encode(Digest::of(token(at).as_bytes()).to_bytes()); // as the other system has kept it
        let key = Import::new(format!("old-{at}"), Digest::from_hex(&text).unwrap(), "old")
            .with_role("viewer");
        importing
            .import(&organization, Kind::OrgKey, key)
            .await
            .unwrap();
    }
    let store = (site.open)(Some(one()));
    let uses = LastUse::new();
    let auth = AuthLayer::new(Arc::clone(&store)).with_last_use(uses.clone());
    for at in 0..count {
        assert_eq!(
            status_of(&auth, &token(at)).await,
            200,
            "{at} does not verify"
        );
    }
    let written = Manager::new(Arc::clone(&store))
        .record_uses(&uses)
        .await
        .unwrap();
    let strict = (site.open)(Some(one().without_plain_digests()));
    let mut moved = 0;
    for at in 0..count {
        moved += usize::from(status(&strict, &token(at)).await == StatusCode::OK);
    }
    println!(
        "{count} foreign digests imported, {count} verified, {written} uses written, {moved} under the pepper now"
    );
    assert_eq!((written, moved), (count, count));
}

/// How many digests the rehearsal moves: few by default, since each is a transaction of its own.
fn digests() -> usize {
    std::env::var("DIGESTS").map_or(500, |count| count.parse().expect("DIGESTS is a number"))
}

mod sqlite {
    use sqlx::{AssertSqlSafe, ConnectOptions};
    use tower_api_key::scope::Catalogue;
    use tower_api_key_sqlx::SqliteStore;

    use super::*;

    async fn site(directory: &tempfile::TempDir) -> Site {
        let path = directory.path().join("test.db");
        let store = SqliteStore::open(&path, Catalogue::anyreach())
            .await
            .unwrap();
        let open = move |peppers: Option<Peppers>| match peppers {
            Some(peppers) => Arc::new(store.clone().with_peppers(peppers)) as Store,
            None => Arc::new(store.clone()) as Store,
        };
        let sql = move |sql: String| {
            let options = SqliteStore::options(&path);
            Box::pin(async move {
                let sql = AssertSqlSafe(sql.replace("$credentials", "tower_api_key_credentials"));
                sqlx::raw_sql(sql)
                    .execute(&mut options.connect().await.unwrap())
                    .await
                    .unwrap();
            }) as Done
        };
        Site {
            open: Box::new(open),
            sql: Box::new(sql),
        }
    }

    #[tokio::test]
    async fn peppers() {
        let directory = tempfile::tempdir().unwrap();
        all(site(&directory).await).await;
    }

    #[tokio::test]
    async fn a_move_from_another_system() {
        let directory = tempfile::tempdir().unwrap();
        rehearse(site(&directory).await, digests()).await;
    }
}

use crate::support::pg;

mod postgres {
    use super::*;

    async fn site(cluster: &'static pg::Cluster) -> Site {
        let schema = pg::fresh_schema();
        let store = cluster.unmade_store(&schema);
        store.migrate().await.unwrap();
        let open = move |peppers: Option<Peppers>| match peppers {
            Some(peppers) => Arc::new(store.clone().with_peppers(peppers)) as Store,
            None => Arc::new(store.clone()) as Store,
        };
        let sql = move |sql: String| {
            cluster.psql(&sql.replace("$credentials", &format!("{schema}.credentials")));
            Box::pin(ready(())) as Done
        };
        Site {
            open: Box::new(open),
            sql: Box::new(sql),
        }
    }

    #[tokio::test]
    async fn peppers() {
        let Some(cluster) = pg::shared() else { return };
        all(site(cluster).await).await;
    }

    #[tokio::test]
    async fn a_move_from_another_system() {
        let Some(cluster) = pg::shared() else { return };
        rehearse(site(cluster).await, digests()).await;
    }
}
