//! What the handlers of one kind of credential share.

use std::{borrow::Cow, sync::Arc};

use http::HeaderName;
use maud::Markup;
use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    id::CredentialId,
    manage::{Actor, Issued, ManageError, Manager, Page as ListPage, PageCursor},
    store::{CredentialInfo, Filter, ManageStore, Status},
};

use super::{
    assets::Assets,
    fault::{Fault, Problem},
    forms::{NewCredential, Stamp},
    layout::Page,
    sentence::fill,
    session::SessionReader,
    texts::{KindTexts, Texts},
};
use crate::settings::Origin;

/// How many credentials are on a page of the list.
const PAGE: u32 = 50;

/// Makes the document around a page.
pub(super) type Layout = dyn Fn(&Page<'_>) -> Markup + Send + Sync;

/// What does not depend on the store.
pub(super) struct Frame {
    pub(super) kind: Kind,
    /// The path of the list.
    pub(super) path: Box<str>,
    pub(super) texts: Arc<Texts>,
    pub(super) layout: Arc<Layout>,
    pub(super) assets: Assets,
    /// The prefix of keys.
    pub(super) key_prefix: Box<str>,
    /// What the example on the page with a secret calls.
    pub(super) example_url: Option<Box<str>>,
    pub(super) organization_header: HeaderName,
    pub(super) shows_uses: bool,
    /// In milliseconds.
    pub(super) max_sign_in_age: i64,
    /// In seconds, rounded up.
    pub(super) revocation_bound: u64,
    pub(super) allowed_origins: Arc<[Box<str>]>,
    /// Whether the store keeps descriptions.
    pub(super) has_descriptions: bool,
    /// Whether what a credential may do can be limited.
    pub(super) has_restrictions: bool,
}

impl Frame {
    /// Returns the texts about this kind.
    pub(super) fn words(&self) -> &KindTexts {
        self.texts.of(self.kind)
    }

    /// Says by when a credential that was ended is refused.
    pub(super) fn end_note(&self) -> Cow<'_, str> {
        let words = self.words();
        match self.revocation_bound {
            0 => Cow::Borrowed(&words.refused),
            seconds => {
                let seconds = seconds.to_string();
                fill(&words.refused_within, &[("seconds", &seconds)]).into()
            }
        }
    }

    /// Returns the whole public id as logs show it: of a key as the key begins, of a token the id,
    /// which is not part of it.
    pub(super) fn key_id(&self, id: &CredentialId) -> String {
        match self.kind {
            Kind::OrgKey => format!("{}{id}", self.key_prefix),
            Kind::PersonalToken => id.to_string(),
        }
    }
}

/// What the handlers share.
pub(super) struct Site<S> {
    pub(super) manager: Arc<Manager<S>>,
    /// The manager that decides who may look.
    pub(super) reader: Arc<Manager<S>>,
    pub(super) sessions: Arc<dyn SessionReader>,
    pub(super) origin: Arc<Origin>,
    pub(super) frame: Frame,
}

/// The state of the routers.
pub(super) type Shared<S> = Arc<Site<S>>;

/// A page of the list, and whether the user may change what is on it.
pub(super) struct Listing {
    pub(super) page: ListPage<CredentialInfo>,
    pub(super) may_change: bool,
}

impl<S: ManageStore> Site<S> {
    /// Lists credentials, also for those who may only look. A cursor that no longer fits leads to
    /// the first page.
    pub(super) async fn list(
        &self,
        actor: &Actor,
        filter: &Filter,
        cursor: Option<&PageCursor>,
    ) -> Result<Listing, ManageError> {
        match self.list_from(actor, filter, cursor).await {
            Err(ManageError::StaleCursor) => self.list_from(actor, filter, None).await,
            listed => listed,
        }
    }

    async fn list_from(
        &self,
        actor: &Actor,
        filter: &Filter,
        cursor: Option<&PageCursor>,
    ) -> Result<Listing, ManageError> {
        let kind = self.frame.kind;
        let listed = self.manager.list(actor, kind, filter, cursor, PAGE).await;
        let may_change = !matches!(listed, Err(ManageError::NotAllowed));
        let page = match may_change {
            true => listed?,
            false => self.reader.list(actor, kind, filter, cursor, PAGE).await?,
        };
        Ok(Listing { page, may_change })
    }

    /// Returns whether anything matches.
    pub(super) async fn has_any(
        &self,
        actor: &Actor,
        filter: &Filter,
    ) -> Result<bool, ManageError> {
        let listed = self.reader.list(actor, self.frame.kind, filter, None, 1);
        Ok(!listed.await?.items.is_empty())
    }

    /// Refuses those who may not manage such credentials, before they fill in a form.
    pub(super) async fn require_manager(&self, actor: &Actor) -> Result<(), ManageError> {
        let (kind, all) = (self.frame.kind, Filter::default());
        self.manager
            .list(actor, kind, &all, None, 1)
            .await
            .map(drop)
    }

    /// Returns a credential that can be changed.
    pub(super) async fn find(
        &self,
        actor: &Actor,
        id: &str,
    ) -> Result<CredentialInfo, ManageError> {
        let info = self.manager.get(actor, self.frame.kind, id).await?;
        match info.status {
            Status::Deleted => Err(ManageError::Deleted),
            _ => Ok(info),
        }
    }

    pub(super) async fn issue(
        &self,
        actor: &Actor,
        new: NewCredential,
    ) -> Result<Issued, ManageError> {
        match new {
            NewCredential::Key(new) => self.manager.issue_key(actor, new).await,
            NewCredential::Token(new) => self.manager.issue_token(actor, new).await,
        }
    }

    /// Returns the stamp of a form that is opened now.
    pub(super) fn stamp(&self, now: UnixMillis) -> Result<Stamp, Fault> {
        Stamp::new(now).ok_or_else(|| Problem::Unavailable.into())
    }
}
