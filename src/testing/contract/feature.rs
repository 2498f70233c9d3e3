//! What a store may leave out.

/// Something that a store may leave out. Declare it with
/// [`Contract::without`](super::Contract::without).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Feature {
    /// The writers of its [`Directory`](crate::store::Directory) follow their documentation.
    /// Without it, they only serve the test, which calls them with valid ids and no parents.
    Directory,
    /// Keys have roles. Without it, keys have scopes only.
    Roles,
    /// There are personal tokens. Without it, no token is ever found.
    PersonalTokens,
    /// Tokens can be restricted to scopes and organizations of their own.
    TokenRestrictions,
    /// Credentials can have a description, metadata and conditions.
    Attributes,
    /// Users are members of organizations, with a role. Without it, no user acts in an
    /// organization.
    Memberships,
    /// Organizations can be deleted, which ends their keys and memberships.
    OrganizationDeletion,
    /// Users can be disabled and enabled.
    UserDisabling,
    /// Users can be deleted with everything that is stored about them.
    UserErasure,
    /// A credential can be replaced by a successor.
    Rotation,
    /// A credential can be issued under an idempotency key.
    Idempotency,
    /// Audit events are stored with the changes. Without it,
    /// [`events`](crate::store::ManageStore::events) returns none, and only the manager's
    /// [hook](crate::manage::Manager::on_event) sees them.
    AuditTrail,
    /// The store keeps who created a credential.
    Creator,
    /// The last use of credentials is recorded.
    LastUse,
    /// Credentials that expire soon are reported in the audit trail.
    ExpiryWatch,
    /// The store finds credentials that are no longer used. Needs [`LastUse`](Self::LastUse).
    UnusedCredentials,
    /// Old rows are removed, and the ids of removed credentials stay taken.
    Retention,
}
