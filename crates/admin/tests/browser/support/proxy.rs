//! A connection that breaks.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Stands between a browser and a console. While it is told to, it cuts the connection when the
/// console answers a POST request: the request has arrived, and its answer does not. Or it keeps
/// the answers back, as a slow network does.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    console: SocketAddr,
    cuts: Arc<AtomicBool>,
    holds: watch::Sender<bool>,
    /// How many POST requests have arrived.
    posts: Arc<AtomicU32>,
    /// The number of POST requests at which no answer is kept back any more.
    released_by: Arc<AtomicU32>,
    /// How many answers were cut.
    cut: Arc<AtomicU32>,
}

impl Proxy {
    pub(crate) async fn start(console: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            console,
            cuts: Arc::default(),
            holds: watch::Sender::new(false),
            posts: Arc::default(),
            released_by: Arc::new(u32::MAX.into()),
            cut: Arc::default(),
        };
        let shared = proxy.clone();
        tokio::spawn(async move {
            while let Ok((browser, _)) = listener.accept().await {
                let proxy = shared.clone();
                tokio::spawn(async move { proxy.carry(browser).await });
            }
        });
        proxy
    }

    /// Begins or ends to cut answers.
    pub(crate) fn set_cuts(&self, cuts: bool) {
        self.cuts.store(cuts, Ordering::SeqCst);
    }

    /// Keeps answers to POST requests back until the page asks for `/release`.
    pub(crate) fn hold(&self) {
        self.holds.send_replace(true);
    }

    /// Keeps them back until so many POST requests have arrived.
    pub(crate) fn hold_until(&self, posts: u32) {
        self.released_by.store(posts, Ordering::SeqCst);
        self.hold();
    }

    /// Returns how many POST requests have arrived.
    pub(crate) fn posts(&self) -> u32 {
        self.posts.load(Ordering::SeqCst)
    }

    /// Returns how many answers were cut.
    pub(crate) fn cut(&self) -> u32 {
        self.cut.load(Ordering::SeqCst)
    }

    /// Carries the requests of one connection, and their answers, which come one after another.
    async fn carry(&self, mut browser: TcpStream) -> Option<()> {
        let mut console = TcpStream::connect(self.console).await.ok()?;
        let (mut request, mut answer) = (vec![0; 65_536], vec![0; 65_536]);
        let mut is_post = false;
        loop {
            tokio::select! {
                read = browser.read(&mut request) => {
                    let read = read.ok().filter(|read| *read > 0)?;
                    let head = &request[..read];
                    self.posts.fetch_add(head.starts_with(b"POST ").into(), Ordering::SeqCst);
                    let is_enough = self.posts() >= self.released_by.load(Ordering::SeqCst);
                    if is_enough || head.starts_with(b"GET /release ") {
                        self.holds.send_replace(false);
                    }
                    is_post = head.starts_with(b"POST ") || is_post && !head.starts_with(b"GET ");
                    console.write_all(head).await.ok()?;
                }
                read = console.read(&mut answer) => {
                    let read = read.ok().filter(|read| *read > 0)?;
                    if is_post && self.cuts.load(Ordering::SeqCst) {
                        self.cut.fetch_add(1, Ordering::SeqCst);
                        return None;
                    }
                    if is_post {
                        self.holds.subscribe().wait_for(|holds| !holds).await.ok()?;
                    }
                    browser.write_all(&answer[..read]).await.ok()?;
                }
            }
        }
    }
}
