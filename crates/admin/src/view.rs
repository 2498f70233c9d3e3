//! What answers show. Nothing here has a secret but [`IssuedView`].

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use tower_api_key::{
    clock::{Clock, UnixMillis},
    credential::Kind,
    id::{CredentialId, OrgId},
    manage::{Manager, Page},
    secret::Secret,
    store::{Attributes, AuditAction, AuditActor, AuditEvent, CredentialInfo, EffectiveStatus},
};
use utoipa::{
    ToSchema,
    openapi::{ObjectBuilder, Type},
};

use crate::query::STATES;

/// A credential, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = Credential)]
pub(crate) struct CredentialView {
    /// The id, by which it is managed.
    id: String,
    /// The id as logs show it: of a key, with its prefix.
    key_id: String,
    /// The name.
    name: String,
    /// Its state.
    #[schema(schema_with = states)]
    status: &'static str,
    /// The role of a key; `null` if it has scopes of its own. Absent for a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    role: Option<Option<String>>,
    /// The scopes of a key; `null` if they come from its role. Of a token the only scopes that it
    /// may have; `null` if all that its owner has.
    #[schema(required = true)]
    scopes: Option<Vec<String>>,
    /// The only organizations in which a token may act; `null` if all of its owner's. Absent for a
    /// key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    organizations: Option<Option<Vec<String>>>,
    #[serde(flatten)]
    attributes: AttributesView,
    /// Who created it; `null` if that is not known.
    #[schema(required = true)]
    created_by: Option<ActorView>,
    /// When it was created, in milliseconds since 1970-01-01T00:00:00Z.
    created_at: i64,
    /// When it expires, in milliseconds since 1970-01-01T00:00:00Z; `null`: never.
    #[schema(required = true)]
    expires_at: Option<i64>,
    /// The first recorded use, in milliseconds since 1970-01-01T00:00:00Z.
    #[schema(required = true)]
    first_used_at: Option<i64>,
    /// The last recorded use, in milliseconds since 1970-01-01T00:00:00Z. It may be behind.
    #[schema(required = true)]
    last_used_at: Option<i64>,
    /// The client's address at that use, if the service keeps it.
    #[schema(required = true)]
    last_address: Option<String>,
    /// The client's user agent at that use, if the service keeps it: any text that the client sent.
    #[schema(required = true)]
    last_user_agent: Option<String>,
    /// The id of the credential that this one replaced.
    #[schema(required = true)]
    rotated_from: Option<String>,
    /// The id of the credential that replaced this one.
    #[schema(required = true)]
    rotated_to: Option<String>,
    /// When it was rotated, in milliseconds since 1970-01-01T00:00:00Z.
    #[schema(required = true)]
    rotated_at: Option<i64>,
    /// When it was deleted, in milliseconds since 1970-01-01T00:00:00Z.
    #[schema(required = true)]
    deleted_at: Option<i64>,
    /// Whether part of the stored credential cannot be read. That part is empty or 0 here.
    damaged: bool,
}

/// Returns the schema of one of some words.
pub(crate) fn word(words: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words))
}

fn states() -> ObjectBuilder {
    word(STATES.map(EffectiveStatus::as_str))
}

fn actions() -> ObjectBuilder {
    word(AuditAction::ALL.iter().map(|action| action.as_str()))
}

/// Description, metadata and conditions.
#[derive(Serialize, ToSchema)]
#[schema(as = CredentialAttributes)]
struct AttributesView {
    /// What the credential is for.
    #[schema(required = true)]
    description: Option<String>,
    /// Pairs of the owner's own.
    metadata: BTreeMap<String, String>,
    /// The only networks (CIDR) from which it is accepted; `null`: from all.
    #[schema(required = true)]
    allowed_networks: Option<Vec<String>>,
    /// The only environment in which it is accepted; `null`: in all.
    #[schema(required = true)]
    environment: Option<String>,
}

/// Who did something.
#[derive(Serialize, ToSchema)]
#[schema(as = CredentialActor)]
struct ActorView {
    /// `org_key`, `pat`, `user`, `operator`, `bearer` or `unknown`.
    kind: &'static str,
    /// The credential's id, or the operator's name.
    #[schema(required = true)]
    id: Option<String>,
    /// The user's id.
    #[schema(required = true)]
    user: Option<String>,
}

/// A new credential with its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = IssuedCredential)]
pub(crate) struct IssuedView {
    #[serde(flatten)]
    credential: CredentialView,
    /// The whole secret, which is shown here and never again; `null` in the answer to a repeated
    /// request.
    #[schema(value_type = Option<String>, required = true)]
    pat_key: Option<Plaintext>,
}

/// The text of a secret on its way into an answer. It has no `Debug`, so that it is not logged.
#[derive(Serialize)]
#[serde(transparent)]
struct Plaintext(String);

/// A page of credentials, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = CredentialPage)]
pub(crate) struct PageView {
    /// The credentials.
    items: Vec<CredentialView>,
    /// The `cursor` of the next page; `null` on the last.
    #[schema(required = true)]
    next: Option<String>,
}

/// Something that happened to a credential.
#[derive(Serialize, ToSchema)]
#[schema(as = CredentialEvent)]
pub(crate) struct EventView {
    /// The number of the event, increasing per owner.
    #[schema(required = true)]
    number: Option<i64>,
    /// When it happened, in milliseconds since 1970-01-01T00:00:00Z.
    at: i64,
    /// What happened.
    #[schema(schema_with = actions)]
    action: &'static str,
    /// The credential's id.
    credential_id: String,
    /// The credential's id as logs show it.
    key_id: String,
    /// The id of the predecessor or the successor.
    #[schema(required = true)]
    related: Option<String>,
    /// Who did it.
    by: ActorView,
    /// Where the request came from, if the service records it.
    #[schema(required = true)]
    origin: Option<String>,
    /// Of an end: when, in milliseconds since 1970-01-01T00:00:00Z.
    #[schema(required = true)]
    expires_at: Option<i64>,
    #[serde(flatten)]
    attributes: AttributesView,
}

/// A page of events, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = CredentialEventPage)]
pub(crate) struct EventPageView {
    /// The events.
    items: Vec<EventView>,
    /// The `before` of the next page, which may be empty; `null` on the last.
    #[schema(required = true)]
    next: Option<i64>,
}

/// Who a caller is: what [`CallerInfo::to_json`](tower_api_key::CallerInfo::to_json) writes.
#[derive(ToSchema)]
#[schema(as = CredentialCaller)]
#[expect(dead_code, reason = "for the schema alone")]
pub(crate) struct CallerView {
    /// The kind of the credential.
    #[schema(schema_with = caller_kinds)]
    kind: &'static str,
    /// The credential's id.
    credential_id: String,
    /// The organization that the request acts in.
    #[schema(required = true)]
    organization: Option<String>,
    /// The id of the user who owns a token.
    #[schema(required = true)]
    user: Option<String>,
    /// The role, if the scopes come from it alone.
    #[schema(required = true)]
    role: Option<String>,
    /// The scopes that the caller holds.
    scopes: Vec<String>,
    /// When the credential expires, in milliseconds since 1970-01-01T00:00:00Z; `null`: never.
    #[schema(required = true)]
    expires_at: Option<i64>,
    /// What the credential may do at most.
    #[schema(required = true)]
    restrictions: Option<RestrictionsView>,
    /// Where the credential is accepted at most.
    #[schema(required = true)]
    conditions: Option<ConditionsView>,
}

/// What a token may do at most.
#[derive(ToSchema)]
#[schema(as = CredentialRestrictions)]
#[expect(dead_code, reason = "for the schema alone")]
struct RestrictionsView {
    #[schema(required = true)]
    scopes: Option<Vec<String>>,
    #[schema(required = true)]
    organizations: Option<Vec<String>>,
}

/// Where a credential is accepted at most.
#[derive(ToSchema)]
#[schema(as = CredentialConditions)]
#[expect(dead_code, reason = "for the schema alone")]
struct ConditionsView {
    #[schema(required = true)]
    networks: Option<Vec<String>>,
    #[schema(required = true)]
    environment: Option<String>,
}

fn caller_kinds() -> ObjectBuilder {
    word(["organization_api_key", "personal_access_token"])
}

/// Makes views, with what the core's types do not know by themselves.
pub(crate) struct Views {
    key_prefix: Box<str>,
    clock: Arc<dyn Clock>,
}

impl Views {
    pub(crate) fn new<S>(manager: &Manager<S>) -> Self {
        Self {
            key_prefix: manager.token_format().org_key_prefix().into(),
            clock: Arc::clone(manager.clock()),
        }
    }

    pub(crate) fn credential(&self, info: &CredentialInfo) -> CredentialView {
        let kind = info.kind();
        let is_key = kind == Kind::OrgKey;
        let organizations = info
            .organizations
            .as_ref()
            .map(|ids| texts(ids, OrgId::as_str));
        CredentialView {
            id: info.id.to_string(),
            key_id: self.key_id(kind, &info.id),
            name: info.name.to_string(),
            status: info.effective_status(self.clock.now()).as_str(),
            role: is_key.then(|| owned(info.role.as_deref())),
            scopes: info.scopes.as_ref().map(|all| texts(all, |one| one)),
            organizations: (!is_key).then_some(organizations),
            attributes: AttributesView::of(&info.attributes),
            created_by: info.created_by.as_ref().map(ActorView::of),
            created_at: info.created_at.0,
            expires_at: millis(info.expires_at),
            first_used_at: millis(info.first_used_at),
            last_used_at: millis(info.last_used_at),
            last_address: info.last_address.map(|address| address.to_string()),
            last_user_agent: owned(info.last_user_agent.as_deref()),
            rotated_from: id(info.rotated_from.as_ref()),
            rotated_to: id(info.rotated_to.as_ref()),
            rotated_at: millis(info.rotated_at),
            deleted_at: millis(info.deleted_at),
            damaged: info.damaged,
        }
    }

    pub(crate) fn issued(&self, info: &CredentialInfo, secret: Option<&Secret>) -> IssuedView {
        IssuedView {
            credential: self.credential(info),
            pat_key: secret.map(|secret| Plaintext(secret.expose_secret().to_owned())),
        }
    }

    pub(crate) fn page(&self, page: &Page<CredentialInfo>) -> PageView {
        PageView {
            items: page
                .items
                .iter()
                .map(|info| self.credential(info))
                .collect(),
            next: page.next.as_ref().map(ToString::to_string),
        }
    }

    /// Returns a page of the events that a manager returned for `limit`.
    pub(crate) fn events(&self, events: &[AuditEvent], limit: u32) -> EventPageView {
        let is_full = events.len() >= limit as usize;
        let last = events.last().filter(|_| is_full);
        EventPageView {
            items: events.iter().map(|event| self.event(event)).collect(),
            next: last.and_then(|event| event.number),
        }
    }

    fn event(&self, event: &AuditEvent) -> EventView {
        EventView {
            number: event.number,
            at: event.at.0,
            action: event.action.as_str(),
            credential_id: event.credential.to_string(),
            key_id: self.key_id(event.owner.kind(), &event.credential),
            related: id(event.related.as_ref()),
            by: ActorView::of(&event.by),
            origin: owned(event.origin.as_deref()),
            expires_at: millis(event.expires_at),
            attributes: AttributesView::of(&event.attributes),
        }
    }

    /// Returns the whole public id, for a key with the prefix with which the key begins. The id of
    /// a token is not part of it.
    fn key_id(&self, kind: Kind, id: &CredentialId) -> String {
        match kind {
            Kind::OrgKey => format!("{}{id}", self.key_prefix),
            Kind::PersonalToken => id.to_string(),
        }
    }
}

impl AttributesView {
    fn of(attributes: &Attributes) -> Self {
        let pairs = attributes.metadata.iter();
        let networks = attributes.conditions.networks();
        Self {
            description: owned(attributes.description.as_deref()),
            metadata: pairs
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
            allowed_networks: networks.map(|all| all.iter().map(ToString::to_string).collect()),
            environment: owned(attributes.conditions.environment()),
        }
    }
}

impl ActorView {
    fn of(actor: &AuditActor) -> Self {
        let columns = actor.columns();
        Self {
            kind: columns.kind,
            id: owned(columns.id),
            user: owned(columns.user),
        }
    }
}

fn millis(moment: Option<UnixMillis>) -> Option<i64> {
    moment.map(|moment| moment.0)
}

fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

fn id(id: Option<&CredentialId>) -> Option<String> {
    id.map(CredentialId::to_string)
}

fn texts<T>(all: &[T], text: impl Fn(&T) -> &str) -> Vec<String> {
    all.iter().map(|one| text(one).to_owned()).collect()
}
