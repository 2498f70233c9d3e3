//! The management calls of a memory store, forwarded through the faults of a test store.

/// Implements [`ManageStore`](tower_api_key::store::ManageStore) for a store around a
/// `MemoryStore`.
///
/// The store has the field `memory`, and the methods `read` and `write`, which run the future of a
/// call. It implements `end` itself, in `end_credentials`.
macro_rules! forward_manage_store {
    ($store:ty) => {
        #[tower_api_key::async_trait]
        impl tower_api_key::store::ManageStore for $store {
            fn catalogue(&self) -> &tower_api_key::scope::Catalogue {
                self.memory.catalogue()
            }

            fn supports_restrictions(&self) -> bool {
                self.memory.supports_restrictions()
            }

            fn supports_attributes(&self) -> bool {
                self.memory.supports_attributes()
            }

            async fn credential(
                &self,
                owner: &Owner,
                id: &str,
            ) -> Result<Option<CredentialInfo>, StoreError> {
                self.read(self.memory.credential(owner, id)).await
            }

            async fn issued_under(
                &self,
                owner: &Owner,
                key: &str,
            ) -> Result<Option<EarlierIssue>, StoreError> {
                self.read(self.memory.issued_under(owner, key)).await
            }

            async fn credentials(
                &self,
                owner: &Owner,
                query: &ListQuery,
            ) -> Result<Vec<CredentialInfo>, StoreError> {
                self.read(self.memory.credentials(owner, query)).await
            }

            async fn commit(&self, commit: &Commit) -> Result<(), WriteError> {
                self.write(self.memory.commit(commit)).await
            }

            async fn end(&self, ending: &Ending) -> Result<Vec<CredentialId>, WriteError> {
                self.end_credentials(ending).await
            }

            async fn events(
                &self,
                owner: &Owner,
                before: Option<i64>,
                limit: u32,
            ) -> Result<Vec<AuditEvent>, StoreError> {
                self.read(self.memory.events(owner, before, limit)).await
            }

            async fn record_uses(&self, uses: &[Usage]) -> Result<Vec<AuditEvent>, StoreError> {
                self.write(self.memory.record_uses(uses)).await
            }

            async fn watch_expiry(
                &self,
                watch: &tower_api_key::store::ExpiryWatch,
                now: tower_api_key::clock::UnixMillis,
                limit: u32,
            ) -> Result<Vec<AuditEvent>, StoreError> {
                self.write(self.memory.watch_expiry(watch, now, limit))
                    .await
            }

            async fn expiry_events(
                &self,
                after: Option<i64>,
                limit: u32,
            ) -> Result<Vec<AuditEvent>, StoreError> {
                self.read(self.memory.expiry_events(after, limit)).await
            }

            async fn unused(
                &self,
                query: &tower_api_key::store::backend::UnusedQuery,
            ) -> Result<tower_api_key::store::backend::UnusedPage, StoreError> {
                self.read(self.memory.unused(query)).await
            }

            async fn sweep(
                &self,
                sweep: &tower_api_key::store::backend::Sweep,
            ) -> Result<tower_api_key::store::backend::SweptBatch, StoreError> {
                self.write(self.memory.sweep(sweep)).await
            }

            async fn rehash(
                &self,
                kind: Kind,
                id: &str,
                presented: &Digest,
            ) -> Result<bool, StoreError> {
                self.write(self.memory.rehash(kind, id, presented)).await
            }
        }
    };
}

/// Implements the required methods of [`ManageStore`](tower_api_key::store::ManageStore), and those
/// in braces, for a store around the field `memory`. `without credential` leaves that method to the
/// braces.
macro_rules! forward_required {
    ($store:ty, without credential { $($own:tt)* }) => {
        #[tower_api_key::async_trait]
        impl tower_api_key::store::ManageStore for $store {
            fn catalogue(&self) -> &tower_api_key::scope::Catalogue {
                self.memory.catalogue()
            }

            async fn credentials(
                &self,
                owner: &tower_api_key::store::Owner,
                query: &tower_api_key::store::backend::ListQuery,
            ) -> Result<
                Vec<tower_api_key::store::CredentialInfo>,
                tower_api_key::store::StoreError,
            > {
                self.memory.credentials(owner, query).await
            }

            async fn commit(
                &self,
                commit: &tower_api_key::store::backend::Commit,
            ) -> Result<(), tower_api_key::store::WriteError> {
                self.memory.commit(commit).await
            }

            async fn end(
                &self,
                ending: &tower_api_key::store::backend::Ending,
            ) -> Result<Vec<tower_api_key::id::CredentialId>, tower_api_key::store::WriteError>
            {
                self.memory.end(ending).await
            }

            $($own)*
        }
    };
    ($store:ty { $($own:tt)* }) => {
        $crate::support::forward::forward_required!($store, without credential {
            async fn credential(
                &self,
                owner: &tower_api_key::store::Owner,
                id: &str,
            ) -> Result<
                Option<tower_api_key::store::CredentialInfo>,
                tower_api_key::store::StoreError,
            > {
                self.memory.credential(owner, id).await
            }

            $($own)*
        });
    };
}

/// Implements [`Directory`](tower_api_key::store::Directory) for such a store.
macro_rules! forward_directory {
    ($store:ty) => {
        #[tower_api_key::async_trait]
        impl tower_api_key::store::Directory for $store {
            async fn is_descendant_of(
                &self,
                organization: &str,
                ancestor: &str,
            ) -> Result<bool, StoreError> {
                self.read(self.memory.is_descendant_of(organization, ancestor))
                    .await
            }

            async fn create_organization(
                &self,
                id: &str,
                parent: Option<&str>,
            ) -> Result<(), WriteError> {
                self.write(self.memory.create_organization(id, parent))
                    .await
            }

            async fn delete_organization(&self, id: &str) -> Result<(), WriteError> {
                self.write(self.memory.delete_organization(id)).await
            }

            async fn create_user(&self, id: &str) -> Result<(), WriteError> {
                self.write(self.memory.create_user(id)).await
            }

            async fn set_user_enabled(&self, id: &str, enabled: bool) -> Result<(), WriteError> {
                self.write(self.memory.set_user_enabled(id, enabled)).await
            }

            async fn delete_user(&self, id: &str) -> Result<(), WriteError> {
                self.write(self.memory.delete_user(id)).await
            }

            async fn set_member(
                &self,
                user: &str,
                organization: &str,
                role: &str,
            ) -> Result<(), WriteError> {
                self.write(self.memory.set_member(user, organization, role))
                    .await
            }

            async fn remove_member(
                &self,
                user: &str,
                organization: &str,
            ) -> Result<(), WriteError> {
                self.write(self.memory.remove_member(user, organization))
                    .await
            }
        }
    };
}

pub(crate) use {forward_directory, forward_manage_store, forward_required};
