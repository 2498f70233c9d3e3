//! [`Pages`]: what the pages need, and their settings.

use std::{fmt, sync::Arc, time::Duration};

use http::HeaderName;
use maud::Markup;
use tower_api_key::{
    ConfigError, condition::RequestHead, credential::Kind, manage::Manager, store::ManageStore,
};

use super::{
    assets::Assets,
    layout::{self, Page},
    session::SessionReader,
    site::{Frame, Layout, Site},
    texts::Texts,
};
use crate::settings::{InvalidPath, Origin, Paths};

/// Makes the routers of the pages. See the [module](super).
///
/// Give the manager the store of the layers, including its cache, so that a revocation takes effect
/// at once.
///
/// ```
/// use tower_api_key::{manage::Manager, store::MemoryStore};
/// use tower_api_key_admin::pages::{Pages, SessionReader};
///
/// fn console(sessions: impl SessionReader) -> axum::Router {
///     let pages = Pages::new(Manager::new(MemoryStore::new()), sessions)
///         .with_example_url("https://api.example.com/v1/members/me");
///     pages.organization_routes().merge(pages.personal_routes())
/// }
/// ```
#[must_use]
pub struct Pages<S> {
    manager: Arc<Manager<S>>,
    /// The same, under the scopes for reading.
    reader: Arc<Manager<S>>,
    sessions: Arc<dyn SessionReader>,
    origin: Arc<Origin>,
    texts: Arc<Texts>,
    layout: Arc<Layout>,
    paths: Paths,
    example_url: Option<Box<str>>,
    organization_header: HeaderName,
    shows_uses: bool,
    max_sign_in_age: Duration,
    revocation_bound: Duration,
    allowed_origins: Arc<[Box<str>]>,
}

impl<S> Pages<S> {
    /// Creates the pages of what `manager` manages, for those whom `sessions` knows.
    ///
    /// Defaults: the paths `/api-keys` and `/account/tokens` (organizations/api-keys-and-tokens),
    /// English texts, a plain layout, no origin in the audit trail, no example, and a sign-in of at
    /// most ten minutes ago for whatever grants something.
    pub fn new(manager: Manager<S>, sessions: impl SessionReader) -> Self {
        let manager = Arc::new(manager);
        Self {
            reader: Arc::clone(&manager),
            manager,
            sessions: Arc::new(sessions),
            origin: Arc::new(|_| None),
            texts: Arc::default(),
            layout: Arc::new(layout::plain),
            paths: Paths::new("/api-keys", "/account/tokens"),
            example_url: None,
            organization_header: HeaderName::from_static("x-anyreach-org"),
            shows_uses: true,
            max_sign_in_age: Duration::from_secs(600),
            revocation_bound: Duration::ZERO,
            allowed_origins: Arc::default(),
        }
    }

    /// Sets the scopes of which any one is required to look at an organization's keys. By default
    /// they are the manager's
    /// [management scopes](Manager::with_management_scopes), which changes require in any case.
    /// Include those, or whoever may change keys cannot list them. Who may only look sees no
    /// buttons.
    ///
    /// # Errors
    /// [`ConfigError::NoScopes`], [`ConfigError::InvalidScope`].
    pub fn with_read_scopes<T: Into<Box<str>>>(
        self,
        scopes: impl IntoIterator<Item = T>,
    ) -> Result<Self, ConfigError>
    where
        S: Clone,
    {
        let reader = Manager::clone(&self.manager).with_management_scopes(scopes)?;
        let reader = Arc::new(reader);
        Ok(Self { reader, ..self })
    }

    /// Sets the path of the list of credentials of `kind`, below the path where the router is
    /// nested. The other pages are below it.
    ///
    /// # Errors
    /// [`InvalidPath`] if it is not one or more segments of letters, digits and `-._~`, each after
    /// a `/`, or begins with `/members`.
    pub fn with_path(mut self, kind: Kind, path: &str) -> Result<Self, InvalidPath> {
        self.paths.set(kind, path)?;
        Ok(self)
    }

    /// Sets the texts, to translate or to reword them.
    pub fn with_texts(self, texts: Texts) -> Self {
        let texts = Arc::new(texts);
        Self { texts, ..self }
    }

    /// Sets what makes the document around each page: head, navigation, footer. It gets a
    /// [`Page`]. What it adds is subject to the policy of the answers: files of this site, and
    /// neither scripts nor styles in the document.
    pub fn with_layout(self, layout: impl Fn(&Page<'_>) -> Markup + Send + Sync + 'static) -> Self {
        let layout = Arc::new(layout);
        Self { layout, ..self }
    }

    /// Sets what the example beside a new secret calls: an absolute URL of your API that answers
    /// GET requests of every credential. The example is a `curl` line with the secret in it;
    /// without a URL there is none.
    pub fn with_example_url(self, url: &str) -> Self {
        Self {
            example_url: Some(url.into()),
            ..self
        }
    }

    /// Sets the name of the organization header in the example, `x-anyreach-org` by default. Give
    /// it the layer's.
    pub fn with_organization_header(self, name: HeaderName) -> Self {
        Self {
            organization_header: name,
            ..self
        }
    }

    /// Sets how the [origin](tower_api_key::manage::Actor::with_origin) of a change is read from
    /// the head of its request, as for [`Admin::with_origin`](crate::Admin::with_origin).
    pub fn with_origin(
        self,
        origin: impl Fn(&RequestHead<'_>) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let origin = Arc::new(origin);
        Self { origin, ..self }
    }

    /// Adds an origin under which browsers know the site, such as `https://console.example.com`. A
    /// form is accepted from there and from the host that the request names; you need it only
    /// behind a proxy that changes the host.
    pub fn with_allowed_origin(self, origin: &str) -> Self {
        let others = self.allowed_origins.iter().cloned();
        Self {
            allowed_origins: others.chain([origin.into()]).collect(),
            ..self
        }
    }

    /// Sets how long ago the user may have signed in to create, rotate, edit or enable something,
    /// ten minutes by default. Ending something never requires a recent sign-in.
    pub fn with_max_sign_in_age(self, age: Duration) -> Self {
        Self {
            max_sign_in_age: age,
            ..self
        }
    }

    /// Returns the path of the style sheet, below the path where the router of `kind` is nested: for
    /// pages of your own around these, such as the one to sign in. Their elements have to be within
    /// one of the class `credentials`. The name changes with the content.
    #[must_use]
    pub fn style_sheet_path(&self, kind: Kind) -> String {
        format!("{}/{}", self.paths.of(kind), Assets::new().style)
    }

    /// Sets how long another server of yours may go on accepting a credential after its end, as you
    /// have set them up ([many machines](tower_api_key::guide::many_machines)). The pages say it
    /// before a credential is deleted and afterwards, in whole seconds. By default they say that it
    /// is refused from the next request on, which holds for one server, and for several without a
    /// cache.
    pub fn with_revocation_bound(self, bound: Duration) -> Self {
        Self {
            revocation_bound: bound,
            ..self
        }
    }

    /// Leaves out the last use, for a service that does not
    /// [record uses](tower_api_key::LastUse): there nothing would ever look used.
    pub fn without_last_use(self) -> Self {
        Self {
            shows_uses: false,
            ..self
        }
    }
}

impl<S: ManageStore> Pages<S> {
    /// Returns what the handlers of one kind share.
    pub(super) fn site(&self, kind: Kind) -> Site<S> {
        let store = self.manager.store();
        let age = self.max_sign_in_age.as_millis();
        let bound = self.revocation_bound.as_millis().div_ceil(1_000);
        let frame = Frame {
            kind,
            path: self.paths.of(kind).into(),
            texts: Arc::clone(&self.texts),
            layout: Arc::clone(&self.layout),
            assets: Assets::new(),
            key_prefix: self.manager.token_format().org_key_prefix().into(),
            example_url: self.example_url.clone(),
            organization_header: self.organization_header.clone(),
            shows_uses: self.shows_uses,
            max_sign_in_age: i64::try_from(age).unwrap_or(i64::MAX),
            revocation_bound: u64::try_from(bound).unwrap_or(u64::MAX),
            allowed_origins: Arc::clone(&self.allowed_origins),
            has_descriptions: store.supports_attributes(),
            has_restrictions: kind == Kind::OrgKey || store.supports_restrictions(),
        };
        Site {
            manager: Arc::clone(&self.manager),
            reader: Arc::clone(&self.reader),
            sessions: Arc::clone(&self.sessions),
            origin: Arc::clone(&self.origin),
            frame,
        }
    }
}

// Written by hand: a derived impl would require `S: Clone`.
impl<S> Clone for Pages<S> {
    fn clone(&self) -> Self {
        Self {
            manager: Arc::clone(&self.manager),
            reader: Arc::clone(&self.reader),
            sessions: Arc::clone(&self.sessions),
            origin: Arc::clone(&self.origin),
            texts: Arc::clone(&self.texts),
            layout: Arc::clone(&self.layout),
            paths: self.paths.clone(),
            example_url: self.example_url.clone(),
            organization_header: self.organization_header.clone(),
            shows_uses: self.shows_uses,
            max_sign_in_age: self.max_sign_in_age,
            revocation_bound: self.revocation_bound,
            allowed_origins: Arc::clone(&self.allowed_origins),
        }
    }
}

impl<S> fmt::Debug for Pages<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages")
            .field("paths", &self.paths)
            .finish_non_exhaustive()
    }
}
