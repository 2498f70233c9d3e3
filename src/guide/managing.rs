//! Managing credentials: who may, what it leaves behind, and how to move over from another system.
//!
//! A [`Manager`](crate::manage::Manager) over the same store as the layers, cache and all, is the one place that writes
//! credentials. What it does by itself need not be written again, and cannot be forgotten.
//!
//! # Who asks
//!
//! | [`Actor`](crate::manage::Actor) | reaches | hands out at most |
//! |---|---|---|
//! | `from_principal(&caller)`, the caller of a request | the keys of the organization that the request acts in, if the caller holds `organizations:manage`; with a personal token also its owner's tokens | what the presented credential holds, for as long as it lasts |
//! | `user(id)`, whom the service itself has authenticated, such as by a session | that person's tokens; with `acting_in` also that organization's keys, on the same condition | the scopes that were stated, and what they imply in the store's catalogue |
//! | `operator(name, owner)`, a command or a job | the credentials of that owner | everything |
//!
//! A request's body has no say in it: it can give a name, an expiry, scopes, and never an owner. Which scopes open the
//! keys of an organization is set with [`with_management_scopes`](crate::manage::Manager::with_management_scopes).
//!
//! The decision holds when the change is made: in its transaction the store reads the actor again. A caller whose
//! credential was deleted, disabled, rotated away or has expired meanwhile, who is no longer a member, whose role was
//! narrowed or who is disabled gets `not_allowed`, and nothing is written, however long the request took.
//!
//! # In code
//!
//! ```
//! use tower_api_key::{
//!     Principal, credential::Kind, manage::*, secret::Secret, store::ManageStore,
//! };
//!
//! async fn create_key(
//!     manager: &Manager<impl ManageStore>,
//!     caller: &Principal,
//! ) -> Result<Option<Secret>, ManageError> {
//!     let actor = Actor::from_principal(caller).with_origin("192.0.2.1");
//!     let new = NewKey::named("ci").with_scopes(["agents:read"]);
//!     let issued = manager.issue_key(&actor, new).await?;
//!     Ok(issued.into_secret()) // show it once
//! }
//!
//! async fn delete_key(
//!     manager: &Manager<impl ManageStore>,
//!     caller: &Principal,
//!     id: &str,
//! ) -> Result<(), ManageError> {
//!     // Refused from the next request on.
//!     manager.delete(&Actor::from_principal(caller), Kind::OrgKey, id).await?;
//!     Ok(())
//! }
//! ```
//!
//! # What may be given
//!
//! - **Names** have 1 to 100 characters that can be seen. Refused are Unicode's default-ignorable and bidi control characters,
//!   format characters that show nothing, control characters, line and paragraph separators, private-use characters,
//!   noncharacters, and names of blanks alone. Names of operators and origins lose these characters.
//! - **`expires_at`** is in milliseconds since 1970-01-01T00:00:00Z, in the future, and not after 2200-01-01: what is later was
//!   counted in microseconds or nanoseconds.
//! - **Ids** of organizations, users and credentials to create are 1 to 256 bytes of visible ASCII, which is what the
//!   organization header can carry; those of keys only what a token can. The functions beside
//!   [`check_organization_id`](crate::id::check_organization_id) are the rule, and every store applies them. What exists
//!   already under another id can still be read, disabled and deleted.
//!
//! # Roles, or scopes one by one
//!
//! A key with a role follows the catalogue: when a deployment narrows the role, the key can do less from the start of
//! the first node with the new catalogue. Scopes that were given one by one stay as they are when a role is narrowed; they
//! lose only what the catalogue no longer knows at all, and a rotation hands on only what it knows. Give keys the role of
//! their creator where the two should stay together, as the example does.
//!
//! # Endpoints
//!
//! The example `axum_api` has them: `POST /admin/organization-pats` (organizations/api-keys-and-tokens) answers with the
//! whole key once, in `pat_key`; lists show the truncated `key_id`. With the feature `axum` a
//! [`ManageError`](crate::manage::ManageError) is a response, `{"detail": "<text>"}` with its status:
//!
//! | status | errors |
//! |---|---|
//! | 403 | `not_allowed`, `scope_not_held`, `expiry_beyond_creator` |
//! | 404 | `unknown_credential`, `unknown_owner`: also for what belongs to somebody else |
//! | 409 | `deleted`, `disabled`, `already_rotated`, `idempotency_conflict`, `issued_inactive`, `cap_reached`, `taken`, `busy` |
//! | 422 | `invalid_name`, `invalid_id`, `expiry_in_past`, `expiry_too_far`, `expiry_beyond_policy`, `unknown_role`, `unknown_scope`, `stale_cursor`, `invalid_idempotency_key`, `overlap_too_long` |
//! | 503 | [`Unavailable`](crate::manage::ManageError::Unavailable): the store failed, or did not answer in time |
//!
//! A client that did not see the answer to a request asks again with the same idempotency key. The answer is what was
//! made, without its secret: that was in the answer that got lost. Delete the credential, or rotate it. When the credential is
//! disabled, expired or deleted by then, the answer is `issued_inactive`.
//!
//! # When the store fails
//!
//! A call takes at most five seconds as a whole ([`with_deadline`](crate::manage::Manager::with_deadline)). When the store
//! fails, panics or has not answered by then, the call returns `Unavailable` with the cause as its source, and as a rule
//! nothing was written. The exception is a connection that was lost, or a deadline that passed, while the store was
//! committing: the change was then made as a whole or not at all. Repeat the call. To disable, rename or enable twice does no
//! harm; a second `delete` is answered `deleted` (409), which then means success; to issue needs an idempotency key so that the second call makes no second credential.
//!
//! # Rotation
//!
//! [`rotate`](crate::manage::Manager::rotate) issues a credential in the place of another, with the same rights. Without an
//! overlap the old one ends at once. With one, both count until its moment, and not a request longer: the layer judges the
//! expiry on every request, whatever is cached. Where [last uses](#the-last-use) are
//! recorded, the first use of the old one after the rotation is an event, within a minute, so that whoever has not changed
//! over is found before the moment. Of one line two count at most, and both count against the
//! owner's [cap](crate::manage::Manager::with_max_credentials) while they are accepted.
//!
//! # When a secret has leaked
//!
//! [`revoke_presented`](crate::manage::Manager::revoke_presented) takes the leaked token itself, as secret scanners report
//! it, and ends it, on no other authority. [`revoke_all`](crate::manage::Manager::revoke_all) ends everything of an owner.
//!
//! Minted tokens are 55 bytes long and end in a checksum (CRC-32 in base62), as secret scanners expect. They match
//!
//! ```text
//! \b(?:ak_[0-9A-Za-z]{11}\.[0-9A-Za-z]{40}|pat_[0-9A-Za-z]{51})\b
//! ```
//!
//! which is [`scanner_regex`](crate::credential::TokenFormat::scanner_regex);
//! [`checksum_holds`](crate::credential::TokenFormat::checksum_holds) confirms a match without asking anyone.
//!
//! Ending does not depend on what the holder does: `delete`, `disable`, `revoke_presented` and `revoke_all` compare nothing
//! with what was read before and succeed at the first call, however often the holder renames, rotates or enables the
//! credential at the same time. What a revoked credential issues afterwards is refused.
//!
//! # The audit trail
//!
//! Each change is an [`AuditEvent`](crate::store::AuditEvent), written in the same transaction: who, what, which credential, when,
//! from where as the service has stated it. [`events`](crate::manage::Manager::events) reads them, the newest first, up to
//! 200 at a time below a number; and a
//! [hook](crate::manage::Manager::on_event) is called with each. A hook that panics does not undo the change or lose a
//! secret: the panic is counted and reported, and the next event is passed to it. Changes that are made to the store by other means, such as
//! [`StoreAdmin`](crate::store::StoreAdmin) or by hand, leave no event.
//!
//! # The last use
//!
//! Give one [`LastUse`](crate::LastUse) to the layers
//! ([`with_last_use`](crate::AuthLayer::with_last_use)) and run
//! [`run_usage_recorder`](crate::manage::Manager::run_usage_recorder) in a task. Requests note their use in memory; the task writes once a
//! minute, and of each credential what is at least a minute apart, whichever nodes saw it. A database that cannot be written costs
//! no request anything.
//!
//! # Moving over
//!
//! Nobody needs a new credential: [`import`](crate::manage::Manager::import) takes the SHA-256 digest of a whole token, as the
//! other system has stored it, in [hex](crate::secret::Digest::from_hex) or
//! [Base64](crate::secret::Digest::from_base64) say. Set the [prefixes](crate::credential::TokenFormat::with_prefixes) to those of
//! its tokens. A key's id is what stands between prefix and dot. If you have the tokens themselves, read
//! them with [`TokenFormat::parse`](crate::credential::TokenFormat::parse), which returns an error
//! for each that could never be accepted.
//!
//! ```
//! use tower_api_key::{credential::Kind, manage::*, secret::Digest, store::*};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let manager = Manager::new(MemoryStore::new());
//! manager.store().create_organization("org_1", None)?;
//! let operator = Actor::operator("move", Owner::Organization("org_1".into()));
//! # let kept = "9c5b0ab9c2e08c23c0f1ed8ca8ad6b8c7ee86d8d5e7dd4bd4ee0e8c9c11ba4b0";
//! let digest = Digest::from_hex(kept)?; // as the other system has kept it; or from_base64
//! let key = Import::new("old-id", digest, "billing export").with_role("viewer");
//! manager.import(&operator, Kind::OrgKey, key).await?;
//! # Ok(())
//! # }
//! ```
