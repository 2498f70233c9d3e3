//! The calls of management.

use std::time::Duration;

use tower_api_key::{
    clock::UnixMillis,
    manage::{Actor as RealActor, Issued, ManageError, NewKey, NewToken, Rotation},
    store::CredentialInfo,
};

use super::{
    Node, Store,
    attributes::{real_attributes, real_edit},
    convert::{credential, event, import, issued, real_filter, real_kind},
};
use crate::model::{Call, Filter, Grant, Issue, Kind, Minted, Outcome, Rotate};

impl<S: Store> Node<S> {
    pub(super) async fn try_call(
        &self,
        actor: &RealActor,
        call: &Call,
    ) -> Result<(Outcome, Option<Minted>), ManageError> {
        let manager = &self.manager;
        let info = |info: CredentialInfo| (Outcome::Info(credential(&info)), None);
        Ok(match call {
            Call::Issue(issue, repeat) => {
                issued(self.issue(actor, issue, repeat.as_deref()).await?)
            }
            Call::Rotate(rotate, repeat) => {
                let ((kind, id), rotation) = (&rotate.target, rotation(rotate, repeat.as_deref()));
                let rotated = manager.rotate(actor, real_kind(*kind), id, rotation);
                issued(rotated.await?)
            }
            Call::Rename(kind, id, name) => {
                info(manager.rename(actor, real_kind(*kind), id, name).await?)
            }
            Call::Edit(kind, id, edit) => {
                let edit = real_edit(edit);
                info(manager.edit(actor, real_kind(*kind), id, edit).await?)
            }
            Call::Disable(kind, id) => info(manager.disable(actor, real_kind(*kind), id).await?),
            Call::Enable(kind, id) => info(manager.enable(actor, real_kind(*kind), id).await?),
            Call::Delete(kind, id) => info(manager.delete(actor, real_kind(*kind), id).await?),
            Call::Get(kind, id) => info(manager.get(actor, real_kind(*kind), id).await?),
            Call::RevokePresented(token) => info(manager.revoke_presented(token, None).await?),
            Call::RevokeAll(kind) => {
                let ended = manager.revoke_all(actor, real_kind(*kind)).await?;
                let ids = ended.iter().map(|id| id.as_str().to_owned()).collect();
                (Outcome::Ended(ids), None)
            }
            Call::Import(issue, minted, at) => {
                let import = import(issue, minted, *at);
                info(manager.import(actor, real_kind(issue.kind), import).await?)
            }
            Call::List(kind, filter) => (self.list(actor, *kind, filter).await?, None),
            Call::Events(kind) => (self.events(actor, *kind).await?, None),
        })
    }

    async fn issue(
        &self,
        actor: &RealActor,
        issue: &Issue,
        repeat: Option<&str>,
    ) -> Result<Issued, ManageError> {
        match issue.kind {
            Kind::Key => {
                let new =
                    NewKey::named(&issue.name).with_attributes(real_attributes(&issue.attributes));
                let new = match &issue.grant {
                    Grant::Role(role) => new.with_role(role),
                    Grant::Scopes(scopes) => new.with_scopes(scopes.iter().map(String::as_str)),
                    Grant::Nothing => new,
                };
                let new = new.expiring_at(issue.expires_at.map(UnixMillis));
                let new = match repeat {
                    Some(key) => new.with_idempotency_key(key),
                    None => new,
                };
                self.manager.issue_key(actor, new).await
            }
            Kind::Token => {
                let new = NewToken::named(&issue.name)
                    .with_attributes(real_attributes(&issue.attributes));
                let new = match &issue.grant {
                    Grant::Scopes(scopes) => new.with_scopes(scopes.iter().map(String::as_str)),
                    _ => new,
                };
                let new = match &issue.organizations {
                    Some(listed) => new.with_organizations(listed.iter().map(String::as_str)),
                    None => new,
                };
                let new = new.expiring_at(issue.expires_at.map(UnixMillis));
                let new = match repeat {
                    Some(key) => new.with_idempotency_key(key),
                    None => new,
                };
                self.manager.issue_token(actor, new).await
            }
        }
    }

    /// Reads the whole list. A cursor of one list must not fit another.
    async fn list(
        &self,
        actor: &RealActor,
        kind: Kind,
        filter: &Filter,
    ) -> Result<Outcome, ManageError> {
        let (kind, filter) = (real_kind(kind), real_filter(filter));
        let (mut listed, mut cursor) = (Vec::new(), None);
        for size in page_sizes(2) {
            let page = self
                .manager
                .list(actor, kind, &filter, cursor.as_ref(), size)
                .await?;
            listed.extend(page.items.iter().map(credential));
            let Some(next) = page.next else {
                return Ok(Outcome::Listed(listed));
            };
            let other = filter.clone().with_expiring_before(UnixMillis(17));
            let misused = self.manager.list(actor, kind, &other, Some(&next), 2).await;
            if !matches!(misused, Err(ManageError::StaleCursor)) {
                return Ok(Outcome::Rejected("a cursor was taken for another list"));
            }
            cursor = Some(next.to_string().parse()?); // as a client sends it
        }
        Ok(Outcome::Rejected("the list has no end"))
    }

    /// Reads the whole audit trail.
    async fn events(&self, actor: &RealActor, kind: Kind) -> Result<Outcome, ManageError> {
        let (mut trail, mut before) = (Vec::new(), None);
        for size in page_sizes(7) {
            let page = self
                .manager
                .events(actor, real_kind(kind), before, size)
                .await?;
            let Some(last) = page.last() else {
                return Ok(Outcome::Trail(trail));
            };
            before = last.number;
            trail.extend(page.iter().map(event));
        }
        Ok(Outcome::Rejected("the trail has no end"))
    }
}

fn rotation(rotate: &Rotate, repeat: Option<&str>) -> Rotation {
    let overlap = Duration::from_millis(rotate.overlap.unsigned_abs());
    let mut rotation = Rotation::default().with_overlap(overlap);
    if let Some(end) = rotate.expires_at {
        rotation = rotation.expiring_at(end.map(UnixMillis));
    }
    match repeat {
        Some(key) => rotation.with_idempotency_key(key),
        None => rotation,
    }
}

/// A few small pages, so that reading continues several times, and the rest in large ones.
fn page_sizes(small: u32) -> impl Iterator<Item = u32> {
    [small; 3].into_iter().chain([100; 1_000])
}
