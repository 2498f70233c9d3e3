//! Salted digests of another system, in rows of both stores.

use std::{convert::Infallible, future::ready, pin::Pin, sync::Arc};

use http::{Request, Response};
use sqlx::{PgPool, postgres::PgConnectOptions};
use tower::{Layer, ServiceExt, service_fn};
use tower_api_key::{
    AuthLayer, LastUse,
    credential::Kind,
    manage::{Actor, Import, ManageError, Manager},
    scope::Catalogue,
    secret::{Digest, Peppers, SaltedDigests, SaltedSha256},
    store::{Cached, CredentialStore, Directory, ManageStore, Owner, StoreError},
};
use tower_api_key_sqlx::{PostgresStore, SqliteStore};

/// All traits that a store of this crate implements.
trait FullStore: ManageStore + Directory {}

impl<S: ManageStore + Directory> FullStore for S {}

type Store = Arc<dyn FullStore>;
type Done = Pin<Box<dyn Future<Output = ()>>>;

/// One database, opened with different settings or edited by hand.
struct Fixture {
    open: Box<dyn Fn(Option<Peppers>, Option<SaltedDigests>) -> Store>,
    /// Runs a statement in which `$credentials` stands for the table.
    sql: Box<dyn Fn(String) -> Done>,
}

/// As many bytes as a salt may have.
const SALT: &[u8] = b"0190b5a2-3c4d-7e5f-8a9b-0c1d2e3f4a5b";
const COLUMN: &str = ".sha256-prefix.MDE5MGI1YTItM2M0ZC03ZTVmLThhOWItMGMxZDJlM2Y0YTVi";

fn salted() -> SaltedDigests {
    SaltedDigests::new(SaltedSha256::SaltFirst).unwrap()
}

fn peppers() -> Peppers {
    Peppers::new("now", &[b'a'; 32]).unwrap()
}

fn token(id: &str) -> String {
    format!("ak_{id}.test-secret-of-another-system")
}

fn operator() -> Actor {
    Actor::operator("move", Owner::Organization("org_test".into()))
}

async fn import(store: &Store, id: &str) -> Result<(), ManageError> {
    let salt = salted().salt("sha256-prefix", SALT).unwrap();
    let digest = Digest::of(&[SALT, token(id).as_bytes()].concat());
    let import = Import::new(id, digest, "moved").with_role("viewer");
    let (manager, import) = (Manager::new(Arc::clone(store)), import.with_salt(salt));
    manager
        .import(&operator(), Kind::OrgKey, import)
        .await
        .map(drop)
}

async fn status(store: impl CredentialStore, token: &str) -> u16 {
    status_of(&AuthLayer::new(store), token).await
}

async fn status_of<S: CredentialStore>(auth: &AuthLayer<S>, token: &str) -> u16 {
    let inner =
        service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(String::new()))));
    let request = Request::builder().header("authorization", format!("Bearer {token}"));
    let answer = auth.layer(inner).oneshot(request.body(()).unwrap()).await;
    answer.unwrap().status().as_u16()
}

/// Without them, an unknown id would take less time than a known one.
#[tokio::test]
async fn every_store_says_with_what_it_verifies() {
    let pool = PgPool::connect_lazy_with(PgConnectOptions::new_without_pgpass());
    let postgres = PostgresStore::new(pool, Catalogue::anyreach())
        .with_peppers(peppers())
        .with_salted_digests(salted())
        .with_schema("another")
        .unwrap();
    let sqlite = SqliteStore::in_memory(Catalogue::anyreach()).await.unwrap();
    let sqlite = sqlite.with_peppers(peppers()).with_salted_digests(salted());
    for store in [Arc::new(postgres) as Store, Arc::new(sqlite)] {
        assert!(store.decoy_pepper().is_some() && store.salted_digests().is_some());
    }
}

/// The digest is stored as it was imported, whatever the peppers; uses change nothing.
async fn a_salted_digest_stays_as_it_was_imported(fixture: &Fixture) {
    for (at, peppers) in [None, Some(peppers())].into_iter().enumerate() {
        let store = (fixture.open)(peppers, Some(salted()));
        let id = format!("kept-{at}");
        import(&store, &id).await.unwrap();
        let cached = Cached::new(Arc::clone(&store));
        let uses = LastUse::new();
        let auth = AuthLayer::new(cached.clone()).with_last_use(uses.clone());
        for _ in 0..2 {
            assert_eq!(status_of(&auth, &token(&id)).await, 200);
            assert_eq!(status(cached.clone(), &format!("ak_{id}.wrong")).await, 401);
            Manager::new(cached.clone())
                .record_uses(&uses)
                .await
                .unwrap();
        }
        for (name, peppers) in [("no", None), ("a", Some(self::peppers()))] {
            let store = (fixture.open)(peppers, Some(salted()));
            assert_eq!(status(store, &token(&id)).await, 200, "with {name} pepper");
        }
        let sql = format!(
            "UPDATE $credentials SET name = 'it has this text' \
             WHERE id = '{id}' AND pepper = '{COLUMN}'"
        );
        (fixture.sql)(sql).await;
        let manager = Manager::new(store);
        let info = manager.get(&operator(), Kind::OrgKey, &id).await.unwrap();
        assert_eq!(&*info.name, "it has this text");
    }
}

/// A node of an earlier version answers as one without salted digests does: an unknown pepper.
async fn without_its_salted_digest_a_key_is_an_outage_until_it_is_deleted(fixture: &Fixture) {
    let store = (fixture.open)(None, Some(salted()));
    import(&store, "gone").await.unwrap();
    let other = SaltedDigests::new(SaltedSha256::SaltLast).unwrap();
    let strict = peppers().without_plain_digests();
    let without = [
        ("none", (fixture.open)(None, None)),
        ("peppers alone", (fixture.open)(Some(peppers()), None)),
        ("another", (fixture.open)(None, Some(other))),
        ("strict", (fixture.open)(Some(strict), Some(salted()))),
    ];
    for (name, store) in &without {
        assert_eq!(
            status(Arc::clone(store), &token("gone")).await,
            503,
            "{name}"
        );
        assert_eq!(
            status(Arc::clone(store), "ak_nobody.test").await,
            401,
            "{name}"
        );
        let refused = import(store, "new").await.unwrap_err();
        let code = match *name {
            "strict" => "salt_without_pepper",
            _ => "unknown_salted_digest",
        };
        assert_eq!(refused.code(), code, "{name}");
    }
    Manager::new(store)
        .delete(&operator(), Kind::OrgKey, "gone")
        .await
        .unwrap();
    for (name, store) in without {
        assert_eq!(status(store, &token("gone")).await, 401, "{name}, deleted");
    }
}

/// Who can write to the database gains nothing by a salt that is damaged, renamed or moved.
async fn a_changed_salt_accepts_nothing_and_fails_alone(fixture: &Fixture) {
    let store = (fixture.open)(Some(peppers()), Some(salted()));
    import(&store, "changed").await.unwrap();
    import(&store, "good").await.unwrap();
    for (column, wanted) in [
        ("'.sha256-prefix.'", 503),
        ("'.sha256-prefix'", 503),
        ("'.sha256-prefix.A'", 503),
        ("'.sha256-gone.AAAA'", 503),
        ("'.'", 503),
        ("'sha256-prefix'", 503),
        ("'.sha256-prefix.AAAA'", 401),
        ("'now'", 401),
        ("NULL", 401),
    ] {
        let sql = format!("UPDATE $credentials SET pepper = {column} WHERE id = 'changed'");
        (fixture.sql)(sql).await;
        let found = status(Arc::clone(&store), &token("changed")).await;
        assert_eq!(found, wanted, "{column}");
        let good = status(Arc::clone(&store), &token("good")).await;
        assert_eq!(good, 200, "beside {column}");
    }
    let sql = format!(
        "UPDATE $credentials SET pepper = '{COLUMN}', \
         digest = (SELECT digest FROM $credentials WHERE id = 'good') WHERE id = 'changed'"
    );
    (fixture.sql)(sql).await;
    let copied = status(Arc::clone(&store), &token("changed")).await;
    assert_eq!(copied, 401, "a copied digest is one of the whole token");
    let mixed = token("good").replace("good", "changed");
    assert_eq!(status(store, &mixed).await, 401);
}

/// A personal token's row with a salt, which no store writes, is damage.
async fn a_salt_on_a_token_is_damage(fixture: &Fixture) {
    let store = (fixture.open)(None, Some(salted()));
    let owner = Actor::operator("move", Owner::User("user_test".into()));
    let import = Import::new("t1", Digest::of(b"pat_test"), "moved");
    let manager = Manager::new(Arc::clone(&store));
    manager
        .import(&owner, Kind::PersonalToken, import)
        .await
        .unwrap();
    let sql = format!("UPDATE $credentials SET pepper = '{COLUMN}' WHERE id = 't1'");
    (fixture.sql)(sql).await;
    assert_eq!(status(Arc::clone(&store), "pat_test").await, 503);
    let found = manager.find_presented("pat_test").await.unwrap_err();
    assert!(matches!(
        found,
        ManageError::Unavailable(StoreError::Corrupt(_))
    ));
}

async fn run_all(fixture: Fixture) {
    let store = (fixture.open)(None, None);
    store.create_organization("org_test", None).await.unwrap();
    store.create_user("user_test").await.unwrap();
    a_salted_digest_stays_as_it_was_imported(&fixture).await;
    without_its_salted_digest_a_key_is_an_outage_until_it_is_deleted(&fixture).await;
    a_changed_salt_accepts_nothing_and_fails_alone(&fixture).await;
    a_salt_on_a_token_is_damage(&fixture).await;
}

/// Sets what a store is opened with.
macro_rules! opened {
    ($store:ident) => {
        move |peppers: Option<Peppers>, salted: Option<SaltedDigests>| {
            let mut store = $store.clone();
            if let Some(peppers) = peppers {
                store = store.with_peppers(peppers);
            }
            if let Some(salted) = salted {
                store = store.with_salted_digests(salted);
            }
            Arc::new(store) as Store
        }
    };
}

mod sqlite {
    use sqlx::{AssertSqlSafe, ConnectOptions};

    use super::*;

    #[tokio::test]
    async fn salted_keys_follow_the_rules() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("test.db");
        let store = SqliteStore::open(&path, Catalogue::anyreach()).await;
        let store = store.unwrap();
        let sql = move |sql: String| {
            let options = SqliteStore::options(&path);
            Box::pin(async move {
                let sql = AssertSqlSafe(sql.replace("$credentials", "tower_api_key_credentials"));
                let mut connection = options.connect().await.unwrap();
                sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            }) as Done
        };
        run_all(Fixture {
            open: Box::new(opened!(store)),
            sql: Box::new(sql),
        })
        .await;
    }
}

use crate::support::pg;

mod postgres {
    use super::*;

    #[tokio::test]
    async fn salted_keys_follow_the_rules() {
        let Some(cluster) = pg::shared() else { return };
        let schema = pg::fresh_schema();
        let store = cluster.unmigrated_store(&schema);
        store.migrate().await.unwrap();
        let sql = move |sql: String| {
            cluster.psql(&sql.replace("$credentials", &format!("{schema}.credentials")));
            Box::pin(ready(())) as Done
        };
        run_all(Fixture {
            open: Box::new(opened!(store)),
            sql: Box::new(sql),
        })
        .await;
    }
}
