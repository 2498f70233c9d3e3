//! Three nodes, one database: a key revoked on one node is refused by the others.
//!
//! ```text
//! cargo run --release --features axum --example postgres_cluster [-- OPTIONS [URL]]
//!   --measure 1000     revokes 1000 keys and prints how long the other nodes took to refuse them
//!   --listener-loss    kills the listeners' connections repeatedly while 1000 keys are revoked
//! ```
//!
//! Each node is a separate process of this program: an axum server behind a cache with an infinite
//! TTL, so that only the database's feed can end an answer. Without a URL, it starts a throw-away
//! cluster from the installed binaries.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "an example that prints what it does, and its cluster"
)]

#[path = "../crates/sqlx/tests/it/support/pg.rs"]
mod pg;

use std::{
    collections::{HashMap, HashSet},
    error::Error,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tower_api_key::store::Owner;

use axum::{Router, routing::get};
use clap::Parser;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use sqlx::PgPool;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};
use tower_api_key::{
    AuthLayer, Principal,
    credential::{Kind, TokenFormat},
    scope::Catalogue,
    store::{Cached, CredentialStore, Directory, Lookup, LookupKey, ManageStore, Peek, Record},
};
use tower_api_key_sqlx::PostgresStore;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const NODES: usize = 3;
const SCHEMA: &str = "tower_api_key_example";

/// How long a node serves cached answers after it has noticed that its feed is lost. It notices a
/// silent server within 4 s, so a revoked key is accepted for at most 9 s.
const AFTER_LOSS: Duration = Duration::from_secs(5);
const BOUND: Duration = Duration::from_secs(9);

#[derive(Parser)]
struct Options {
    url: Option<String>,
    #[arg(long)]
    measure: Option<usize>,
    #[arg(long)]
    listener_loss: bool,
    #[arg(long, hide = true)]
    node: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    if let (true, Some(url)) = (options.node, &options.url) {
        return node(url).await;
    }
    let cluster = if options.url.is_none() {
        pg::Cluster::start()
    } else {
        None
    };
    let Some(url) = options
        .url
        .or_else(|| cluster.as_ref().map(pg::Cluster::url))
    else {
        return Ok(());
    };
    let pool = PgPool::connect(&url).await?;
    let store = PostgresStore::new(pool.clone(), Catalogue::anyreach()).with_schema(SCHEMA)?;
    store.migrate().await?;
    let organization = format!("org_{}", TokenFormat::default().mint(Kind::OrgKey)?.id);
    store.create_organization(&organization, None).await?;
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        nodes.push(Node::start(&url).await?);
    }
    let admin = Admin {
        pool,
        store,
        organization,
    };
    match (options.measure, options.listener_loss) {
        (Some(count), _) => measure(&admin, &mut nodes, count).await,
        (None, true) => listener_loss(&admin, &mut nodes).await,
        (None, false) => show(&admin, &mut nodes).await,
    }
}

/// Runs a node: serves, and executes commands from its standard input until that ends.
async fn node(url: &str) -> Result<()> {
    let store = PostgresStore::new(PgPool::connect(url).await?, Catalogue::anyreach())
        .with_schema(SCHEMA)?;
    let feed = store.feed().await?;
    let cache = Cached::new(store)
        .with_ttl(Duration::MAX)
        .with_max_staleness_after_disconnect(AFTER_LOSS);
    tokio::spawn(cache.follow(feed));

    let whoami =
        |caller: Principal| async move { caller.organization().unwrap_or_default().to_owned() };
    let router = Router::new()
        .route("/", get(whoami))
        .layer(AuthLayer::new(cache.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });

    let mut commands = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = commands.next_line().await? {
        match line.split_once(' ') {
            Some(("revoke", named)) => {
                let (organization, id) =
                    named.split_once(' ').ok_or("an organization and a key")?;
                let owner = Owner::Organization(organization.into());
                cache.delete(&owner, id).await?;
                println!("revoked");
            }
            Some(("look", id)) => match cache.peek(&Lookup::new(LookupKey::OrgKey { id }, None)) {
                Peek::Found(_) => println!("cached"),
                _ => println!("not cached"),
            },
            _ => return Err("an unknown command".into()),
        }
    }
    Ok(())
}

/// A running node, as its parent process sees it.
struct Node {
    _process: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    asker: Asker,
}

#[derive(Clone)]
struct Asker {
    client: Client<HttpConnector, Empty<bytes::Bytes>>,
    address: String,
}

impl Node {
    async fn start(url: &str) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["--node", url])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (commands, output) = (
            process.stdin.take().ok_or("piped")?,
            process.stdout.take().ok_or("piped")?,
        );
        let mut answers = BufReader::new(output).lines();
        let address = answers.next_line().await?.ok_or("the node did not start")?;
        let asker = Asker {
            client: Client::builder(TokioExecutor::new()).build_http(),
            address,
        };
        Ok(Self {
            _process: process,
            commands,
            answers,
            asker,
        })
    }

    /// Sends a command and waits for the answer.
    async fn tell(&mut self, command: &str, id: &str) -> Result<String> {
        self.commands
            .write_all(format!("{command} {id}\n").as_bytes())
            .await?;
        Ok(self.answers.next_line().await?.ok_or("the node ended")?)
    }

    /// Repeats a request with the key until the node answers it from its cache. The event that the
    /// key was created may arrive after the first request, and ends the cached answer.
    async fn warm(&mut self, key: &Key) -> Result<()> {
        loop {
            if self.asker.ask(&key.token).await? != StatusCode::OK {
                return Err("a good key was refused".into());
            }
            if self.tell("look", &key.id).await? == "cached" {
                return Ok(());
            }
        }
    }
}

impl Asker {
    async fn ask(&self, token: &str) -> Result<StatusCode> {
        let request = Request::get(format!("http://{}/", self.address))
            .header("authorization", format!("Bearer {token}"));
        Ok(self
            .client
            .request(request.body(Empty::new())?)
            .await?
            .status())
    }

    /// Repeats a request until the key is refused, and returns when the refusal arrived.
    async fn refused_after(&self, token: &str, revoked_at: Instant) -> Result<Duration> {
        loop {
            match self.ask(token).await? {
                StatusCode::OK => {}
                StatusCode::UNAUTHORIZED => return Ok(revoked_at.elapsed()),
                other => return Err(other.to_string().into()),
            }
        }
    }
}

struct Admin {
    pool: PgPool,
    store: PostgresStore,
    organization: String,
}

struct Key {
    id: String,
    token: String,
}

impl Admin {
    fn owner(&self) -> Owner {
        Owner::Organization(self.organization.as_str().into())
    }

    async fn mint(&self) -> Result<Key> {
        let minted = TokenFormat::default().mint(Kind::OrgKey)?;
        let record = Record::org_key(&minted.id, minted.digest, &*self.organization);
        self.store
            .insert(record.with_role("viewer", self.store.catalogue())?)
            .await?;
        Ok(Key {
            id: minted.id.as_str().to_owned(),
            token: minted.secret.expose_secret().to_owned(),
        })
    }
}

async fn show(admin: &Admin, nodes: &mut [Node]) -> Result<()> {
    let key = admin.mint().await?;
    for (number, node) in nodes.iter_mut().enumerate() {
        node.warm(&key).await?;
        println!(
            "node {number}: the key is accepted, from the cache, whose time to live is infinite"
        );
    }
    let (first, others) = nodes.split_first_mut().ok_or("nodes")?;
    first
        .tell("revoke", &format!("{} {}", admin.organization, key.id))
        .await?;
    let revoked_at = Instant::now();
    println!(
        "node 0: the key is revoked; there it is now {}",
        first.asker.ask(&key.token).await?
    );
    for (number, node) in others.iter().enumerate() {
        let after = node.asker.refused_after(&key.token, revoked_at).await?;
        println!(
            "node {}: refused, {after:.1?} after the revocation was acknowledged",
            number + 1
        );
    }
    Ok(())
}

/// Revokes keys on each node in turn, and measures when every other node refuses them.
async fn measure(admin: &Admin, nodes: &mut [Node], count: usize) -> Result<()> {
    let mut times = Vec::new();
    for round in 0..count {
        let key = admin.mint().await?;
        for node in nodes.iter_mut() {
            node.warm(&key).await?;
        }
        let askers: Vec<_> = nodes.iter().map(|node| node.asker.clone()).collect();
        let by = round % NODES;
        nodes
            .get_mut(by)
            .ok_or("a node")?
            .tell("revoke", &format!("{} {}", admin.organization, key.id))
            .await?;
        let revoked_at = Instant::now();
        let key = Arc::new(key);
        let watching = askers
            .into_iter()
            .enumerate()
            .filter(|(number, _)| *number != by)
            .map(|(_, asker)| {
                let key = Arc::clone(&key);
                tokio::spawn(async move { asker.refused_after(&key.token, revoked_at).await })
            });
        for watch in watching.collect::<Vec<_>>() {
            times.push(watch.await??);
        }
    }
    times.sort();
    let at = |share: f64| {
        times
            .get(((times.len() - 1) as f64 * share) as usize)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "{count} keys revoked on one of {NODES} nodes, time to live infinite; until every other node refused:"
    );
    println!(
        "p50 {:.2?}, p99 {:.2?}, max {:.2?} ({} refusals timed)",
        at(0.5),
        at(0.99),
        at(1.0),
        times.len()
    );
    Ok(())
}

/// Revokes keys while the listeners' connections are killed, and looks for accepts of revoked keys.
async fn listener_loss(admin: &Admin, nodes: &mut [Node]) -> Result<()> {
    let mut keys = Vec::new();
    for _ in 0..1000 {
        keys.push(admin.mint().await?);
    }
    for node in nodes.iter_mut() {
        for key in &keys {
            node.warm(key).await?;
        }
    }
    let revoked = Arc::new(Revoked::default());
    let watches: Vec<_> = nodes
        .iter()
        .map(|node| tokio::spawn(watch(node.asker.clone(), Arc::clone(&revoked))))
        .collect();
    let end =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1";
    let mut ended = 0;
    for (number, key) in keys.iter().enumerate() {
        if number % 5 == 0 {
            let query = sqlx::query_scalar::<_, i64>(end).bind(format!("{SCHEMA}_changes"));
            ended += query.fetch_one(&admin.pool).await?;
        }
        admin.store.delete(&admin.owner(), &key.id).await?;
        revoked.add(key);
    }
    revoked.complete.store(true, SeqCst);
    let mut longest = Duration::ZERO;
    for watch in watches {
        longest = longest.max(watch.await??);
    }
    let mut stale = 0;
    for node in nodes.iter() {
        for key in &keys {
            stale += usize::from(node.asker.ask(&key.token).await? != StatusCode::UNAUTHORIZED);
        }
    }
    println!(
        "1000 keys revoked, {ended} listening connections ended meanwhile, time to live infinite:"
    );
    println!(
        "longest accept of a revoked key {longest:.2?}, the bound is {BOUND:?}; accepts after the reconnect: {stale}"
    );
    if stale == 0 && longest <= BOUND {
        Ok(())
    } else {
        Err("a revoked key was accepted for too long".into())
    }
}

/// The keys revoked so far, each with the time at which its revocation was acknowledged.
#[derive(Default)]
struct Revoked {
    keys: Mutex<HashMap<String, Instant>>,
    complete: AtomicBool,
}

impl Revoked {
    fn add(&self, key: &Key) {
        self.keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key.token.clone(), Instant::now());
    }

    fn all(&self) -> HashMap<String, Instant> {
        self.keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Requests with every revoked key until it is refused once, and returns the longest time after
/// which one was still accepted.
async fn watch(asker: Asker, revoked: Arc<Revoked>) -> Result<Duration> {
    let (mut refused, mut longest) = (HashSet::new(), Duration::ZERO);
    loop {
        let complete = revoked.complete.load(SeqCst);
        let open: Vec<_> = revoked
            .all()
            .into_iter()
            .filter(|(token, _)| !refused.contains(token))
            .collect();
        if complete && open.is_empty() {
            return Ok(longest);
        }
        for (token, revoked_at) in open {
            let age = revoked_at.elapsed(); // before the request: an accept was stale at least this long
            match asker.ask(&token).await? {
                StatusCode::OK => longest = longest.max(age),
                _ => drop(refused.insert(token)),
            }
        }
        tokio::task::yield_now().await;
    }
}
