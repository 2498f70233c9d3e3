//! The browser guard: refuses and reports credentials that a browser sends, since they are already
//! exposed.

use std::{fmt, sync::Arc};

use http::{HeaderMap, header::ORIGIN};

use crate::{
    credential::Kind,
    panics::catch,
    rejection::{Cause, Denial},
    store::Record,
};

/// A good credential that came from a browser: anyone who can read the page has it.
///
/// The closure of [`AuthLayer::with_browser_guard`](crate::AuthLayer::with_browser_guard) receives
/// it. Hand it to a task that revokes the credential or tells its owner:
///
/// ```
/// use tokio::sync::mpsc;
/// use tower_api_key::{AuthLayer, ExposedCredential, store::MemoryStore};
///
/// let (exposed, mut reports) = mpsc::channel::<ExposedCredential>(16);
/// let auth = AuthLayer::new(MemoryStore::new()).with_browser_guard(move |credential| {
///     let _ = exposed.try_send(credential); // never wait during a request
/// });
/// # async fn work(mut reports: mpsc::Receiver<ExposedCredential>) {
/// while let Some(credential) = reports.recv().await {
///     println!("revoke {}", credential.credential_id);
/// }
/// # }
/// # let _ = (auth, &mut reports);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExposedCredential {
    /// The kind of credential.
    pub kind: Kind,
    /// The credential's public id, for revoking it.
    pub credential_id: String,
    /// The `Origin` that the browser sent (RFC 6454), if it is text. The page chooses it, so escape
    /// it.
    pub origin: Option<String>,
}

/// Refuses credentials that come with a browser's headers, and reports them.
#[derive(Clone)]
pub(crate) struct BrowserGuard(Arc<dyn Fn(ExposedCredential) + Send + Sync>);

impl BrowserGuard {
    /// Creates a guard that calls `report` with each exposed credential.
    pub(crate) fn new(report: impl Fn(ExposedCredential) + Send + Sync + 'static) -> Self {
        Self(Arc::new(report))
    }

    /// Looks for an `Origin` or a `Sec-Fetch-Mode` header, which page scripts can neither set nor
    /// suppress (Fetch, "forbidden request-header"). Call it only for live credentials, so that a
    /// client cannot report a credential that it does not hold.
    pub(crate) fn check(&self, headers: &HeaderMap, record: &Arc<Record>) -> Result<(), Denial> {
        if !headers.contains_key(ORIGIN) && !headers.contains_key("sec-fetch-mode") {
            return Ok(());
        }
        let exposed = ExposedCredential {
            kind: record.kind(),
            credential_id: record.id().to_owned(),
            origin: headers
                .get(ORIGIN)
                .and_then(|origin| origin.to_str().ok())
                .map(str::to_owned),
        };
        // A report that panics must not end the connection; the request is still refused and
        // logged.
        let _ = catch(|| (self.0)(exposed));
        Err(Denial::about(Cause::SentByBrowser, Arc::clone(record)))
    }
}

impl fmt::Debug for BrowserGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BrowserGuard(..)")
    }
}
