//! Peppered digests: which stores verify them, and how one pepper replaces another.

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

/// All traits that a store of this crate implements.
trait FullStore: ManageStore + Directory {}

impl<S: ManageStore + Directory> FullStore for S {}

type Store = Arc<dyn FullStore>;
type Done = Pin<Box<dyn Future<Output = ()>>>;

/// One database, opened with different peppers or edited by hand.
struct Fixture {
    open: Box<dyn Fn(Option<Peppers>) -> Store>,
    /// Runs a statement in which `$credentials` stands for the table.
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
    two().with_other("one", &SECRETS[0]).unwrap()
}

async fn status(store: &Store, token: &str) -> u16 {
    status_of(&AuthLayer::new(Arc::clone(store)), token).await
}

async fn status_of(auth: &AuthLayer<Arc<dyn FullStore>>, token: &str) -> u16 {
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

impl Fixture {
    async fn seeded(self) -> Self {
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

/// How each store answers for a credential that another store issued. A key is found but cannot be
/// verified; a token whose digest was computed with an unknown pepper is not found.
async fn digests_verify_only_under_known_peppers(fixture: &Fixture) {
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
        let [(.., key_secret), (.., token_secret)] = issue(&(fixture.open)(peppers)).await;
        for (at, (reader, store)) in fixture.stores().await.into_iter().enumerate() {
            assert_eq!(
                status(&store, &key_secret).await,
                key[at],
                "a key issued under {name}, read by {reader}"
            );
            assert_eq!(
                status(&store, &token_secret).await,
                token[at],
                "a token issued under {name}, read by {reader}"
            );
        }
    }
}

/// Someone who can write to the database can copy digests and rename peppers, but gains nothing.
async fn a_copied_digest_grants_nothing(fixture: &Fixture) {
    let store = (fixture.open)(Some(two_and_one().without_plain_digests()));
    let [(_, good, good_secret), (.., token)] = issue(&store).await;
    let [(_, other, other_secret), ..] = issue(&store).await;
    assert_eq!(status(&store, &other_secret).await, 200);
    (fixture.sql)(format!(
        "UPDATE $credentials SET digest = (SELECT digest FROM $credentials WHERE id = '{good}') \
         WHERE id = '{other}'"
    ))
    .await;
    assert_eq!(status(&store, &other_secret).await, 401, "its own secret");
    let mixed = format!("ak_{other}.{}", good_secret.split_once('.').unwrap().1);
    assert_eq!(status(&store, &mixed).await, 401, "the other's secret");
    (fixture.sql)(format!(
        "UPDATE $credentials SET pepper = 'one' WHERE id = '{good}'"
    ))
    .await;
    assert_eq!(
        status(&store, &good_secret).await,
        401,
        "with the pepper renamed"
    );
    assert_eq!(status(&store, &token).await, 200);
}

/// A row that does not name the pepper of its digest is damaged, even if its token finds it. Other
/// rows keep working.
async fn a_row_that_names_another_pepper_fails_alone(fixture: &Fixture) {
    let store = (fixture.open)(Some(two_and_one()));
    for name in ["'one'", "'nobody'", "NULL"] {
        let [_, (_, renamed, renamed_secret)] = issue(&store).await;
        let [_, (.., good)] = issue(&store).await;
        (fixture.sql)(format!(
            "UPDATE $credentials SET pepper = {name} WHERE id = '{renamed}'"
        ))
        .await;
        assert_eq!(status(&store, &renamed_secret).await, 503, "{name}");
        assert_eq!(status(&store, &good).await, 200, "beside {name}");
    }
    let plain = (fixture.open)(None);
    let [_, (_, renamed, secret)] = issue(&plain).await;
    (fixture.sql)(format!(
        "UPDATE $credentials SET pepper = 'one' WHERE id = '{renamed}'"
    ))
    .await;
    for (name, store) in fixture.stores().await {
        assert_ne!(
            status(&store, &secret).await,
            200,
            "a plain digest labelled as peppered, read by {name}"
        );
    }
}

/// A deleted credential keeps its pepper, and dropping the pepper must not turn its 401 into a 503.
async fn deleted_credentials_are_refused_under_any_pepper(fixture: &Fixture) {
    for peppers in [None, Some(one()), Some(two())] {
        let store = (fixture.open)(peppers);
        for (kind, id, secret) in issue(&store).await {
            let owner = match kind {
                Kind::OrgKey => Owner::of(kind, "org_test"),
                Kind::PersonalToken => Owner::of(kind, "user_test"),
            };
            store.delete(&owner, &id).await.unwrap();
            for (name, store) in fixture.stores().await {
                assert_eq!(
                    status(&store, &secret).await,
                    401,
                    "a deleted {kind:?}, read by {name}"
                );
            }
        }
    }
}

/// A digest computed with two peppers would match no token.
async fn a_record_that_is_already_peppered_is_refused(fixture: &Fixture) {
    let store = (fixture.open)(Some(one()));
    let [(_, id, _), ..] = issue(&store).await;
    let found = store
        .find(&Lookup::new(LookupKey::OrgKey { id: &id }, None))
        .await
        .unwrap()
        .unwrap();
    for (name, store) in fixture.stores().await {
        let refused = store.insert(Record::clone(&found)).await.unwrap_err();
        let WriteError::Store(StoreError::UnknownPepper(pepper)) = refused else {
            panic!("{name}: {refused}")
        };
        assert_eq!(&*pepper, "one", "{name}");
    }
}

/// Every invalid credential gets the same 401, whatever the peppers.
async fn invalid_credentials_are_refused_alike(fixture: &Fixture) {
    for (name, store) in fixture.stores().await {
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

/// Using a credential moves its digest to the current pepper, once, also behind a cache.
async fn a_use_moves_a_digest_to_the_current_pepper(fixture: &Fixture) {
    for (from, peppers) in [("plain", None), ("one", Some(one()))] {
        let before = (fixture.open)(peppers);
        let made = issue(&before).await;
        let cache: Store = Arc::new(Cached::new((fixture.open)(Some(two_and_one()))));
        let uses = LastUse::new();
        let auth = AuthLayer::new(Arc::clone(&cache)).with_last_use(uses.clone());
        let after = (fixture.open)(Some(two().without_plain_digests()));
        for (kind, id, secret) in &made {
            assert_ne!(
                status(&after, secret).await,
                200,
                "{kind:?} from {from}, unused"
            );
            let wrong = Digest::of(b"test");
            assert!(
                !cache.rehash(*kind, id, &wrong).await.unwrap(),
                "rehashed from another token"
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
                "{kind:?} from {from}: the old digest is gone"
            );
            let presented = Digest::of(secret.as_bytes());
            assert!(
                !cache.rehash(*kind, id, &presented).await.unwrap(),
                "{kind:?} was rehashed twice"
            );
        }
    }
}

/// A row damaged after its credential was used does not stop others from moving.
async fn a_damaged_row_does_not_block_other_moves(fixture: &Fixture) {
    let store = (fixture.open)(Some(two_and_one()));
    let uses = LastUse::new();
    let auth = AuthLayer::new(Arc::clone(&store)).with_last_use(uses.clone());
    let mut made = Vec::new();
    for _ in 0..4 {
        made.extend(issue(&(fixture.open)(Some(one()))).await);
    }
    for (.., secret) in &made {
        assert_eq!(status_of(&auth, secret).await, 200);
    }
    let ((_, _, good), damaged) = made.split_last().unwrap();
    for (_, id, _) in damaged {
        (fixture.sql)(format!(
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
        status(&(fixture.open)(Some(two().without_plain_digests())), good).await,
        200
    );
}

/// A token can be imported only once, whatever the pepper of its digest.
async fn a_token_digest_is_unique_under_any_pepper(fixture: &Fixture) {
    let digest = Digest::of(b"pat_test-of-another-system");
    let user = Actor::operator("test", Owner::User("user_test".into()));
    let import = |id: &str| Import::new(id, digest.clone(), "old");
    for (at, peppers) in [Some(one()), Some(two_and_one())].into_iter().enumerate() {
        let store = (fixture.open)(peppers);
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

async fn run_all(fixture: Fixture) {
    let fixture = fixture.seeded().await;
    digests_verify_only_under_known_peppers(&fixture).await;
    a_copied_digest_grants_nothing(&fixture).await;
    a_row_that_names_another_pepper_fails_alone(&fixture).await;
    deleted_credentials_are_refused_under_any_pepper(&fixture).await;
    a_record_that_is_already_peppered_is_refused(&fixture).await;
    invalid_credentials_are_refused_alike(&fixture).await;
    a_use_moves_a_digest_to_the_current_pepper(&fixture).await;
    a_damaged_row_does_not_block_other_moves(&fixture).await;
    a_token_digest_is_unique_under_any_pepper(&fixture).await;
}

/// Imports `count` digests of another system, uses each once under a new pepper, and asserts that
/// all have moved.
async fn rehearse_import(fixture: Fixture, count: usize) {
    let fixture = fixture.seeded().await;
    let token = |at: usize| format!("ak_old-{at}.test-secret-of-another-system");
    let organization = Actor::operator("test", Owner::Organization("org_test".into()));
    let importing = Manager::new((fixture.open)(None));
    for at in 0..count {
        // As the other system stored it.
        let text = hex::encode(Digest::of(token(at).as_bytes()).to_bytes());
        let key = Import::new(format!("old-{at}"), Digest::from_hex(&text).unwrap(), "old")
            .with_role("viewer");
        importing
            .import(&organization, Kind::OrgKey, key)
            .await
            .unwrap();
    }
    let store = (fixture.open)(Some(one()));
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
    let strict = (fixture.open)(Some(one().without_plain_digests()));
    let mut moved = 0;
    for at in 0..count {
        moved += usize::from(status(&strict, &token(at)).await == StatusCode::OK);
    }
    println!(
        "{count} foreign digests imported, {count} verified, {written} uses written, {moved} under \
         the pepper now"
    );
    assert_eq!((written, moved), (count, count));
}

/// How many digests the rehearsal moves; few by default, because each takes a transaction.
fn digests() -> usize {
    std::env::var("DIGESTS").map_or(500, |count| count.parse().expect("DIGESTS is a number"))
}

mod sqlite {
    use sqlx::{AssertSqlSafe, ConnectOptions};
    use tower_api_key::scope::Catalogue;
    use tower_api_key_sqlx::SqliteStore;

    use super::*;

    async fn fixture(directory: &tempfile::TempDir) -> Fixture {
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
        Fixture {
            open: Box::new(open),
            sql: Box::new(sql),
        }
    }

    #[tokio::test]
    async fn digests_follow_the_rules_for_peppers() {
        let directory = tempfile::tempdir().unwrap();
        run_all(fixture(&directory).await).await;
    }

    #[tokio::test]
    async fn imported_digests_move_to_the_pepper_on_use() {
        let directory = tempfile::tempdir().unwrap();
        rehearse_import(fixture(&directory).await, digests()).await;
    }
}

use crate::support::pg;

mod postgres {
    use super::*;

    async fn fixture(cluster: &'static pg::Cluster) -> Fixture {
        let schema = pg::fresh_schema();
        let store = cluster.unmigrated_store(&schema);
        store.migrate().await.unwrap();
        let open = move |peppers: Option<Peppers>| match peppers {
            Some(peppers) => Arc::new(store.clone().with_peppers(peppers)) as Store,
            None => Arc::new(store.clone()) as Store,
        };
        let sql = move |sql: String| {
            cluster.psql(&sql.replace("$credentials", &format!("{schema}.credentials")));
            Box::pin(ready(())) as Done
        };
        Fixture {
            open: Box::new(open),
            sql: Box::new(sql),
        }
    }

    #[tokio::test]
    async fn digests_follow_the_rules_for_peppers() {
        let Some(cluster) = pg::shared() else { return };
        run_all(fixture(cluster).await).await;
    }

    #[tokio::test]
    async fn imported_digests_move_to_the_pepper_on_use() {
        let Some(cluster) = pg::shared() else { return };
        rehearse_import(fixture(cluster).await, digests()).await;
    }
}
