//! Reading: lists of credentials, and the audit trail.

use super::{Actor, ManageError, Manager, PageCursor};
use crate::{
    credential::Kind,
    store::{AuditEvent, CredentialInfo, Filter, ManageStore, backend::ListQuery},
};

/// Maximum page size of [`Manager::list`] and [`Manager::events`].
pub const MAX_PAGE: u32 = 200;

/// One page of a list. Send `next` to the client as text, and pass it back for the page after.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items on this page.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last page.
    pub next: Option<PageCursor>,
}

impl<S: ManageStore> Manager<S> {
    /// Lists the actor's credentials of `kind`, newest first: those that match `filter`, after
    /// `cursor`, at most `limit` (clamped to 1 to [`MAX_PAGE`]).
    ///
    /// ```
    /// use tower_api_key::{credential::Kind, manage::*, store::{Filter, ManageStore}};
    ///
    /// /// Every key of the actor's organization, page by page.
    /// async fn names(
    ///     manager: &Manager<impl ManageStore>,
    ///     actor: &Actor,
    /// ) -> Result<Vec<Box<str>>, ManageError> {
    ///     let (mut names, mut cursor) = (Vec::new(), None);
    ///     loop {
    ///         let filter = Filter::default();
    ///         let page = manager.list(actor, Kind::OrgKey, &filter, cursor.as_ref(), 200).await?;
    ///         names.extend(page.items.into_iter().map(|key| key.name));
    ///         match page.next {
    ///             Some(next) => cursor = Some(next),
    ///             None => return Ok(names),
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ManageError::NotAllowed`], [`ManageError::StaleCursor`], [`ManageError::Unavailable`].
    pub async fn list(
        &self,
        actor: &Actor,
        kind: Kind,
        filter: &Filter,
        cursor: Option<&PageCursor>,
        limit: u32,
    ) -> Result<Page<CredentialInfo>, ManageError> {
        let owner = self.owner(actor, kind)?;
        let after = cursor
            .map(|cursor| cursor.place(&owner, filter))
            .transpose()?;
        let limit = limit.clamp(1, MAX_PAGE);
        let query = ListQuery {
            filter: filter.clone(),
            after,
            limit: limit + 1,
            now: self.clock.now(),
        };
        let mut items = self
            .within_deadline(async { Ok(self.store.credentials(&owner, &query).await?) })
            .await?;
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let next = items
            .last()
            .filter(|_| more)
            .map(|last| PageCursor::behind(last, filter));
        Ok(Page { items, next })
    }

    /// Lists audit events of the actor's credentials of `kind`, newest first: at most `limit` (clamped
    /// to 1 to [`MAX_PAGE`]) events with a number below `before`, such as that of the previous page's last event.
    ///
    /// ```
    /// # use tower_api_key::{credential::Kind, manage::*, store::ManageStore};
    /// # async fn show(
    /// #     manager: &Manager<impl ManageStore>,
    /// #     actor: &Actor,
    /// # ) -> Result<(), ManageError> {
    /// let newest = manager.events(actor, Kind::OrgKey, None, 50).await?;
    /// let before = newest.last().and_then(|event| event.number);
    /// let older = manager.events(actor, Kind::OrgKey, before, 50).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ManageError::NotAllowed`], [`ManageError::Unavailable`].
    pub async fn events(
        &self,
        actor: &Actor,
        kind: Kind,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, ManageError> {
        let owner = self.owner(actor, kind)?;
        let limit = limit.clamp(1, MAX_PAGE);
        self.within_deadline(async { Ok(self.store.events(&owner, before, limit).await?) })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        secret::Digest,
        store::{Directory, MemoryStore, Owner, Record},
    };

    #[tokio::test]
    async fn the_last_page_has_no_cursor_even_if_it_is_full() {
        let store = MemoryStore::new();
        store.create_organization("org_1", None).await.unwrap();
        for id in ["a", "b", "c"] {
            let key = Record::org_key(id, Digest::of(id.as_bytes()), "org_1");
            store.insert(key).await.unwrap();
        }
        let actor = Actor::operator("test", Owner::Organization("org_1".into()));
        let (manager, all) = (Manager::new(store), Filter::default());
        for (limit, items, goes_on) in [(1, 1, true), (2, 2, true), (3, 3, false), (4, 3, false)] {
            let page = manager.list(&actor, Kind::OrgKey, &all, None, limit).await;
            let page = page.unwrap();
            assert_eq!((page.items.len(), page.next.is_some()), (items, goes_on));
        }
    }
}
