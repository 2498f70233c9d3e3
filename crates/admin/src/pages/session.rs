//! Who is signed in: what the pages ask the service.

use std::fmt;

use tower_api_key::{
    async_trait,
    clock::UnixMillis,
    condition::RequestHead,
    id::{OrgId, UserId},
    scope::{Catalogue, ScopeSet},
    secret::Digest,
    store::StoreError,
};

/// Reads who is signed in. The service implements it over its own sessions.
///
/// ```
/// use tower_api_key::{clock::UnixMillis, condition::RequestHead, store::StoreError};
/// use tower_api_key_admin::pages::{Membership, Session, SessionReader};
///
/// # #[derive(Clone)]
/// # struct SignedIn { user: String, name: String, session_id: String, at: i64 }
/// /// Over a middleware that puts the sign-in into the request's extensions.
/// struct Sessions;
///
/// #[tower_api_key::async_trait]
/// impl SessionReader for Sessions {
///     async fn session(&self, request: &RequestHead<'_>) -> Result<Option<Session>, StoreError> {
///         let Some(signed_in) = request.extensions.get::<SignedIn>() else {
///             return Ok(None);
///         };
///         let at = UnixMillis(signed_in.at);
///         let session = Session::new(signed_in.user.clone(), &signed_in.session_id, at)
///             .with_user_name(&signed_in.name)
///             .with_membership(Membership::in_role("org_1", "Example Ltd", "admin"))
///             .acting_in("org_1");
///         Ok(Some(session))
///     }
///
///     fn sign_in_url(&self) -> &str {
///         "/sign-in"
///     }
/// }
/// ```
#[async_trait]
pub trait SessionReader: Send + Sync + 'static {
    /// Returns the session of a request; `None` if nobody is signed in. For a form it is called after
    /// the body has come, which a client can hold back: return what holds then, not what a
    /// middleware has read from the head of the request.
    ///
    /// # Errors
    /// [`StoreError`] if the sessions could not be read, which is answered with 503:
    /// [`StoreError::unavailable`] takes any error.
    async fn session(&self, request: &RequestHead<'_>) -> Result<Option<Session>, StoreError>;

    /// Returns the URL where people sign in, a path of this site or an absolute URL. The parameter
    /// `return_to` is added: the path and query to come back to afterwards. Check it with
    /// [`is_local_path`] before you send a browser there, since others can
    /// write such a link too.
    ///
    /// Where the pages are nested makes no difference to this URL.
    fn sign_in_url(&self) -> &str;

    /// Returns the URL where people who are signed in prove it again; by default that of signing
    /// in. The parameter `return_to` is added likewise. Afterwards
    /// [`signed_in_at`](Session::new) has to be later, or they are asked again.
    fn reauthentication_url(&self) -> &str {
        self.sign_in_url()
    }
}

/// A person's session.
///
/// ```
/// use tower_api_key::clock::UnixMillis;
/// use tower_api_key_admin::pages::{Membership, Session};
///
/// # let (session_id, signed_in_at) = ("0123456789abcdef", UnixMillis(0));
/// let session = Session::new("user_1", session_id, signed_in_at)
///     .with_user_name("Example person")
///     .with_membership(Membership::in_role("org_1", "Example Ltd", "admin"))
///     .acting_in("org_1");
/// assert_eq!(session.organization().unwrap().name(), "Example Ltd");
/// ```
#[derive(Clone)]
#[must_use]
pub struct Session {
    user: UserId,
    user_name: Box<str>,
    id: Box<str>,
    signed_in_at: UnixMillis,
    memberships: Vec<Membership>,
    organization: Option<OrgId>,
    impersonator: Option<Box<str>>,
}

/// Minimum length of a session's id, in bytes: 128 bits in hexadecimal have twice as many.
const MIN_ID: usize = 16;

impl Session {
    /// Creates the session of `user`, who is a member of no organization.
    ///
    /// `id` is a secret that no other session has and that stays the same from page to page, such
    /// as the session's id, with at least 128 bits of randomness. Each form carries a digest of it,
    /// by which a form of another site is refused; the id itself is in no page. One of fewer than
    /// 16 bytes is an error, and every request is answered with 503.
    ///
    /// `signed_in_at` is when the user last proved who they are, not when they last came by.
    pub fn new(user: impl Into<UserId>, id: &str, signed_in_at: UnixMillis) -> Self {
        let user = user.into();
        Self {
            user_name: user.as_str().into(),
            user,
            id: id.into(),
            signed_in_at,
            memberships: Vec::new(),
            organization: None,
            impersonator: None,
        }
    }

    /// Sets the name to show; by default the user's id.
    pub fn with_user_name(self, name: &str) -> Self {
        Self {
            user_name: name.into(),
            ..self
        }
    }

    /// Adds an organization of which the user is a member.
    pub fn with_membership(mut self, membership: Membership) -> Self {
        self.memberships.push(membership);
        self
    }

    /// Sets the organization whose keys are shown, one of the
    /// [memberships](Self::with_membership). Without one there are no keys to show.
    pub fn acting_in(self, organization: impl Into<OrgId>) -> Self {
        Self {
            organization: Some(organization.into()),
            ..self
        }
    }

    /// States that somebody else, of this name, has taken the session over, for example to help.
    /// The pages then change nothing: a change would be recorded as the user's, and a new secret
    /// would be in the hands of another person.
    pub fn impersonated_by(self, name: &str) -> Self {
        Self {
            impersonator: Some(name.into()),
            ..self
        }
    }

    /// Returns the user's id.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// Returns the user's name.
    #[must_use]
    pub fn user_name(&self) -> &str {
        &self.user_name
    }

    /// Returns the organizations of which the user is a member.
    pub fn memberships(&self) -> &[Membership] {
        &self.memberships
    }

    /// Returns the current organization; `None` if there is none, or the user is not a member.
    #[must_use]
    pub fn organization(&self) -> Option<&Membership> {
        self.organization
            .as_ref()
            .and_then(|id| self.membership(id.as_str()))
    }

    /// Returns the name of who has taken the session over.
    #[must_use]
    pub fn impersonator(&self) -> Option<&str> {
        self.impersonator.as_deref()
    }

    /// Returns the membership in an organization.
    pub(super) fn membership(&self, organization: &str) -> Option<&Membership> {
        self.memberships
            .iter()
            .find(|one| one.id.as_str() == organization)
    }

    pub(super) fn signed_in_at(&self) -> UnixMillis {
        self.signed_in_at
    }

    /// Returns whether the id is long enough that nobody guesses it.
    pub(super) fn has_good_id(&self) -> bool {
        self.id.len() >= MIN_ID
    }

    /// Returns what each form of the session carries. It does not lead back to the id.
    pub(super) fn form_token(&self) -> String {
        let text = format!("tower-api-key-admin form\0{}", self.id);
        Digest::of(text.as_bytes()).to_hex()
    }
}

// Written by hand: the id is a secret.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("user", &self.user)
            .field("signed_in_at", &self.signed_in_at)
            .field("organization", &self.organization)
            .field("impersonator", &self.impersonator)
            .finish_non_exhaustive()
    }
}

/// A user's membership in an organization: what it is called, and what they may do there.
///
/// It decides what the pages list and offer. A change needs more: the store refuses it unless the
/// user is a member, in a role that holds as much.
///
/// ```
/// use tower_api_key_admin::pages::Membership;
///
/// let membership = Membership::in_role("org_1", "Example Ltd", "viewer");
/// assert_eq!((membership.id().as_str(), membership.role()), ("org_1", Some("viewer")));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Membership {
    id: OrgId,
    name: Box<str>,
    rights: Rights,
}

/// What a member may do.
#[derive(Clone, Debug)]
enum Rights {
    Role(Box<str>),
    Scopes(ScopeSet),
}

impl Membership {
    /// Creates the membership of a user in a role of the store's catalogue. A role that the
    /// catalogue does not have grants nothing.
    pub fn in_role(organization: impl Into<OrgId>, name: &str, role: &str) -> Self {
        Self::new(organization.into(), name, Rights::Role(role.into()))
    }

    /// Creates the membership of a user whose rights do not come from one role, or who uses only
    /// some of their role's rights.
    pub fn with_scopes(organization: impl Into<OrgId>, name: &str, scopes: ScopeSet) -> Self {
        Self::new(organization.into(), name, Rights::Scopes(scopes))
    }

    fn new(id: OrgId, name: &str, rights: Rights) -> Self {
        let name = name.into();
        Self { id, name, rights }
    }

    /// Returns the organization's id.
    #[must_use]
    pub fn id(&self) -> &OrgId {
        &self.id
    }

    /// Returns the organization's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the role, if the rights come from one.
    #[must_use]
    pub fn role(&self) -> Option<&str> {
        match &self.rights {
            Rights::Role(role) => Some(role),
            Rights::Scopes(_) => None,
        }
    }

    /// Returns what the user may do, with what that implies.
    pub(super) fn scopes(&self, catalogue: &Catalogue) -> ScopeSet {
        match &self.rights {
            Rights::Role(role) => catalogue.scopes_of(role).unwrap_or_else(ScopeSet::empty),
            Rights::Scopes(scopes) => catalogue.expand(scopes.iter()),
        }
    }
}

/// Returns whether a text, such as the parameter `return_to` of a sign-in, is a path of this site. A
/// browser reads `\` as `/`, leaves out tabs and line breaks, and takes what begins with two slashes
/// for the address of another site (URL, "URL parsing").
///
/// ```
/// use tower_api_key_admin::pages::is_local_path;
///
/// assert!(is_local_path("/api-keys?q=ci"));
/// assert!(!is_local_path("//other.example") && !is_local_path("https://other.example"));
/// ```
#[must_use]
pub fn is_local_path(text: &str) -> bool {
    let is_read_otherwise = |c: char| c == '\\' || c.is_control();
    text.starts_with('/') && !text.starts_with("//") && !text.contains(is_read_otherwise)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_another_site_is_not_local() {
        for (text, is_local) in [
            ("/", true),
            ("/account/tokens?q=a//b#c", true),
            ("", false),
            ("api-keys", false),
            ("//other.example", false),
            ("/\\other.example", false),
            ("\\\\other.example", false),
            ("/\t/other.example", false),
            ("/\n/other.example", false),
            ("/a\r\nb", false),
            ("https://other.example", false),
            ("javascript:alert(1)", false),
        ] {
            assert_eq!(is_local_path(text), is_local, "{text:?}");
        }
    }

    fn session(id: &str) -> Session {
        Session::new("user_1", id, UnixMillis(0))
    }

    #[test]
    fn a_form_token_belongs_to_one_session_and_hides_its_id() {
        let one = session("0123456789abcdef");
        assert_eq!(one.form_token(), session("0123456789abcdef").form_token());
        assert_ne!(one.form_token(), session("0123456789abcdee").form_token());
        assert!(!one.form_token().contains("0123456789abcdef"));
        assert!(!format!("{one:?}").contains("0123456789abcdef"));
        assert!(one.has_good_id() && !session("0123456789abcde").has_good_id());
    }

    #[test]
    fn the_current_organization_is_one_of_the_memberships() {
        let member = Membership::in_role("org_1", "One", "admin");
        let member = session("0123456789abcdef").with_membership(member);
        assert!(member.organization().is_none());
        assert!(member.clone().acting_in("org_2").organization().is_none());
        let acting = member.acting_in("org_1");
        assert_eq!(acting.organization().unwrap().name(), "One");
    }
}
