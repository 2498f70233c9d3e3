//! A database, its two nodes, and the traffic to them.

use std::{
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use tower_api_key::{
    credential::{Kind, TokenFormat},
    scope::Catalogue,
    store::{Directory, ManageStore, Record},
};
use tower_api_key_proof::rig::{Node, Report, millis};
use tower_api_key_sqlx::SqliteStore;

use crate::{
    keys::Keys,
    pg,
    samples::Samples,
    tally::{Counts, KILLED, Tally},
    traffic::{Traffic, callers},
};

const TASKS: u64 = 6;

const POSTGRES: &str = "PostgreSQL";

/// The least number of accepts in a second, far below what a busy machine does.
const ACCEPTS: u64 = 10;

/// The parts of a run in which the second node is killed once, and the server once in two.
const KILLS: u32 = 10;

/// The parts of a run after which a sample is taken.
const SAMPLES: u32 = 60;

pub(crate) struct Scene {
    name: &'static str,
    place: String,
    schema: Option<String>,
    admin: String,
    cluster: Option<pg::Cluster>,
    /// Holds the file.
    _directory: Option<tempfile::TempDir>,
}

/// What a run has shown.
pub(crate) struct Outcome {
    name: &'static str,
    counts: Counts,
    samples: Samples,
    kills: (u32, u32),
    misses: String,
    time: Duration,
}

impl Scene {
    pub(crate) async fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.db");
        let store = SqliteStore::open(&path, Catalogue::anyreach())
            .await
            .unwrap();
        let admin = administrator(&store).await;
        store.close().await;
        Self {
            name: "SQLite",
            place: path.to_str().unwrap().to_owned(),
            schema: None,
            admin,
            cluster: None,
            _directory: Some(directory),
        }
    }

    /// Returns `None`, with a message, without PostgreSQL's binaries.
    pub(crate) async fn postgres() -> Option<Self> {
        let cluster = pg::Cluster::start()?;
        let schema = pg::fresh_schema();
        let store = cluster.unmigrated_store(&schema);
        store.migrate().await.unwrap();
        Some(Self {
            name: POSTGRES,
            place: cluster.url(),
            schema: Some(schema),
            admin: administrator(&store).await,
            cluster: Some(cluster),
            _directory: None,
        })
    }

    async fn node(&self) -> Node {
        let mut arguments = vec!["--node", &*self.place];
        if let Some(schema) = &self.schema {
            arguments.extend(["--schema", schema]);
        }
        Node::start(&arguments).await
    }

    pub(crate) async fn run(mut self, time: Duration) -> Outcome {
        let (mut first, mut second) = (self.node().await, self.node().await);
        let nodes = [&first, &second].map(|node| callers(node.address()));
        let traffic = Arc::new(Traffic {
            callers: RwLock::new(nodes.to_vec()),
            keys: Keys::default(),
            tally: Tally::default(),
            over: AtomicBool::new(false),
            admin: self.admin.clone(),
        });
        let tasks: Vec<_> = (0..TASKS)
            .map(|seed| tokio::spawn(Arc::clone(&traffic).send(seed)))
            .collect();
        let (began, mut samples, mut kills) = (Instant::now(), Samples::default(), (0, 0));
        let mut misses = String::new();
        for step in 1..=SAMPLES {
            tokio::time::sleep_until((began + time * step / SAMPLES).into()).await;
            misses = first.tell("misses").await;
            samples.take(self.name, first.pid(), began.elapsed(), &misses);
            if step % (SAMPLES / KILLS) == SAMPLES / KILLS / 2 {
                second = self.restart_node(second, &traffic).await;
                kills.0 += 1;
            }
            if step % (2 * SAMPLES / KILLS) == 0 && step < SAMPLES {
                kills.1 += self.restart_server(&traffic);
            }
        }
        traffic.over.store(true, SeqCst);
        for task in tasks {
            task.await.unwrap();
        }
        drop(second);
        Outcome {
            name: self.name,
            counts: traffic.tally.take(),
            samples,
            kills,
            misses,
            time,
        }
    }

    /// Kills the second node while requests are under way, and starts it again.
    async fn restart_node(&self, node: Node, traffic: &Traffic) -> Node {
        traffic.tally.node.begin();
        node.kill().await;
        let node = self.node().await;
        traffic.callers.write().unwrap()[KILLED] = callers(node.address());
        traffic.tally.node.end();
        node
    }

    /// Kills the server, if there is one, and starts it again. Returns the number of kills.
    fn restart_server(&mut self, traffic: &Traffic) -> u32 {
        let Some(cluster) = &mut self.cluster else {
            return 0;
        };
        traffic.tally.server.begin();
        tokio::task::block_in_place(|| {
            cluster.kill();
            cluster.restart();
        });
        traffic.tally.server.end();
        1
    }
}

/// Creates an organization and a key that may manage its keys; returns the token.
async fn administrator(store: &(impl ManageStore + Directory)) -> String {
    store.create_organization("org_test", None).await.unwrap();
    let minted = TokenFormat::default().mint(Kind::OrgKey).unwrap();
    let record = Record::org_key(&minted.id, minted.digest, "org_test");
    let record = record.with_role("admin", store.catalogue()).unwrap();
    store.insert(record).await.unwrap();
    minted.secret.expose_secret().to_owned()
}

impl Outcome {
    pub(crate) fn report(self, report: &mut Report) {
        let name = self.name;
        report.note(&format!("{name}: answers"), &self.counts);
        let row = format!("{name}: lookups that waited for the store, first node");
        report.note(&row, &self.misses);
        for wrong in self.counts.wrong.iter().take(10) {
            report.note(&format!("{name}: wrong"), wrong);
        }
        let wrong = self.counts.wrong.len();
        report.row(&format!("{name}: wrong decisions"), wrong, "0", wrong == 0);
        self.report_volume(report);
        let Counts {
            stale, elsewhere, ..
        } = self.counts;
        let row = format!("{name}: longest accept by a node that was not told");
        let figure = format!("{} in {elsewhere} answers", millis(stale));
        let held = stale <= Duration::from_secs(10) && elsewhere > 0;
        report.row(&row, figure, "≤ 10 s, of some answers", held);
        self.samples.report(report, name, SAMPLES as usize);
    }

    /// What was not tried has shown nothing.
    fn report_volume(&self, report: &mut Report) {
        let seconds = self.time.as_secs();
        for (kind, least) in [
            ("200", ACCEPTS * seconds),
            ("401 for a bad credential", seconds),
            ("401 for a revoked key", seconds / 5),
            ("revoked", seconds / 20),
            ("rotated", seconds / 20),
        ] {
            let count = self.counts.of(kind);
            let row = format!("{}: {kind}", self.name);
            report.row(&row, count, &format!("≥ {least}"), count >= least.max(1));
        }
        let servers = if self.name == POSTGRES {
            KILLS / 2 - 1
        } else {
            0
        };
        let row = format!("{}: kills of a node, of the server", self.name);
        let (figure, target) = (
            format!("{:?}", self.kills),
            format!("{:?}", (KILLS, servers)),
        );
        report.row(&row, figure, &target, self.kills == (KILLS, servers));
    }
}
