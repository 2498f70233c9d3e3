//! Managing credentials: who may do what, the audit trail, and migrating from another system.
//!
//! Put a [`Manager`](crate::manage::Manager) over the store that the layers use, including its
//! cache. Let it be the one place that writes credentials, so you neither reimplement its checks
//! nor forget one.
//!
//! # Who asks
//!
//! | [`Actor`](crate::manage::Actor) | reaches | can grant at most |
//! |---|---|---|
//! | `from_principal(&caller)`, the caller of a request | the keys of the organization that the request acts in, if the caller holds `organizations:manage`; with a personal token also its owner's tokens | what the presented credential holds, for as long as it lasts, where it is accepted; if it is [restricted](super::organizations#restricted-tokens), tokens that are too |
//! | `user(id)`, a user whom the service itself has authenticated, such as by a session | that user's tokens; with `acting_in` also that organization's keys, on the same condition | the stated scopes, and what they imply in the store's catalogue |
//! | `operator(name, owner)`, a command or a job | the credentials of that owner | everything |
//!
//! A request's body has no influence on this: it can set a name, an expiry and scopes, but never an
//! owner. Set the scopes that give access to an organization's keys with
//! [`with_management_scopes`](crate::manage::Manager::with_management_scopes).
//!
//! The actor is checked when the change is made: the store reads it again in the same transaction.
//! A caller gets `not_allowed`, and nothing is written, if in the meantime its credential was
//! deleted, disabled, rotated away or has expired, its conditions were narrowed, its membership
//! ended, its role was narrowed, or the user was disabled. This holds however long the request
//! took.
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
//! # Limits
//!
//! - **Names** have 1 to 100 visible characters. Refused are Unicode's default-ignorable and bidi
//!   control characters, format characters that show nothing, control characters, line and
//!   paragraph separators, private-use characters, noncharacters, and blank names. The same
//!   characters are removed from operators' names and from origins.
//! - **`expires_at`** is in milliseconds since 1970-01-01T00:00:00Z, in the future, and not after
//!   2200-01-01. A later value is probably in microseconds or nanoseconds.
//! - **Ids** of new organizations, users and credentials are 1 to 256 bytes of visible ASCII, which
//!   is what the organization header can carry. Ids of keys are limited to what a token can carry.
//!   The functions beside [`check_organization_id`](crate::id::check_organization_id) define the
//!   rule, and the stores of this project apply them. An entry that already exists under another id
//!   can still be read, disabled and deleted.
//! - **Descriptions** have 1 to 500 characters, not all of them blank, and the same are refused as
//!   in names, except line feeds (send `\n` for the `\r\n` of an HTML form).
//! - **Metadata** has up to 16 pairs, 1024 bytes together. A key has ASCII letters, digits and
//!   `-./:_`; a value has no control characters. Escape both when you show them, like
//!   everything that a caller chose.
//! - **Networks** are up to 100 addresses or networks in CIDR notation with no host bits set.
//!   **Environments** have 1 to 64 ASCII letters, digits and `-._`.
//!
//! # Description, metadata and conditions
//!
//! [`with_attributes`](crate::manage::NewKey::with_attributes) sets them when a credential is
//! issued, [`edit`](crate::manage::Manager::edit) changes them later, with the name if you like, in
//! one change. A list filters by a pair of the metadata
//! ([`Filter::with_metadata`](crate::store::Filter::with_metadata)), and handlers read it without
//! another lookup ([`Principal::metadata`](crate::Principal::metadata)). A list with such a filter
//! reads the owner's credentials until its page is full.
//!
//! [Conditions](crate::condition) limit where a credential is accepted. Everybody who may manage it
//! may narrow them; to widen them is to grant the credential again, so the actor must hold what it
//! may do and be accepted there too. A caller whose own credential has networks or an environment
//! issues, rotates and enables nothing that is accepted elsewhere, and widens no conditions to
//! elsewhere. An edit changes the networks and the environment each by itself. Metadata can be
//! changed by everyone who may manage the credential.
//!
//! ```
//! use tower_api_key::{Principal, credential::Kind, manage::*, store::*};
//!
//! /// A key that works from the office only, until it is edited.
//! async fn office_key(
//!     manager: &Manager<impl ManageStore>,
//!     caller: &Principal,
//! ) -> Result<Issued, Box<dyn std::error::Error>> {
//!     let attributes = Attributes::default()
//!         .with_description("Opens the door.")
//!         .with_metadata(Metadata::new([("building", "7")])?)
//!         .with_conditions(Conditions::default().with_networks(["192.0.2.0/24".parse()?]));
//!     let new = NewKey::named("door").with_scopes(["agents:read"]).with_attributes(attributes);
//!     Ok(manager.issue_key(&Actor::from_principal(caller), new).await?)
//! }
//! ```
//!
//! # Roles, or scopes one by one
//!
//! A key with a role follows the catalogue: when a deployment narrows the role, or
//! [`Catalogue::replace`](crate::scope::Catalogue::replace) does, the key loses rights on each node
//! that has the new catalogue ([order](super::many_machines#roles)). An actor is checked with the
//! catalogue in force, when a change is decided and when it is committed. Scopes that were granted
//! one by one stay as they are when a role is narrowed. They lose only scopes that the catalogue no
//! longer contains at all, and a rotation passes on only scopes that it contains. Give keys the
//! role of their creator where the two should stay in step, as the example does.
//!
//! # Endpoints
//!
//! [`tower-api-key-admin`](https://docs.rs/tower-api-key-admin) has them as routers of axum, with
//! their OpenAPI document: `POST /admin/organization-pats` returns the whole key once, in `pat_key`;
//! lists show the `key_id`. The platform in `examples/platform` has them, and the pages. With the feature
//! `axum` a [`ManageError`](crate::manage::ManageError) is a response, `{"detail": "<text>"}` with
//! its status. The layer's `with_body_key` does not apply to it.
//!
//! | status | errors |
//! |---|---|
//! | 403 | `not_allowed`, `scope_not_held`, `expiry_beyond_creator`, `restrictions_beyond_creator`, `conditions_beyond_creator` |
//! | 404 | `unknown_credential`, `unknown_owner`: also for what belongs to another owner |
//! | 409 | `deleted`, `disabled`, `already_rotated`, `idempotency_conflict`, `issued_inactive`, `cap_reached`, `taken`, `busy`, `damaged` |
//! | 422 | `invalid_name`, `invalid_id`, `expiry_in_past`, `expiry_too_far`, `expiry_beyond_policy`, `unknown_role`, `unknown_scope`, `stale_cursor`, `invalid_idempotency_key`, `overlap_too_long`, `too_many_organizations`, `restrictions_unsupported`, `invalid_attributes`, `attributes_unsupported`, `salt_needs_id`, `salt_without_pepper`, `unknown_salted_digest` |
//! | 503 | [`Unavailable`](crate::manage::ManageError::Unavailable): the store failed, or did not answer in time |
//!
//! A client that did not receive the response repeats the request with the same idempotency key.
//! The response then describes the credential that was issued, without its secret, which was only
//! in the lost response. Delete the credential, or rotate it. If the credential is disabled,
//! expired or deleted by then, the response is `issued_inactive`.
//!
//! # When the store fails
//!
//! A call waits at most five seconds in total for the store
//! ([`with_deadline`](crate::manage::Manager::with_deadline)). If the store fails, panics or has
//! not answered by then, the call returns `Unavailable` with the cause as its source. As a rule
//! nothing was written. The exception is a connection that was lost, or a deadline that passed,
//! while the store was committing: the change was then made completely or not at all.
//!
//! Repeat the call. Disabling, editing or enabling twice does no harm. A second `delete` returns
//! `deleted` (409), which then means success. Issuing needs an idempotency key: with the same key,
//! the second call creates no second credential. With the same key, a second rotation returns the
//! successor of the first; without one, it returns `already_rotated` or `deleted` (409).
//!
//! # Rotation
//!
//! [`rotate`](crate::manage::Manager::rotate) replaces a credential with a new one that has the
//! same rights, and the same expiry unless you set another. Without an overlap window the old one ends at once. With one, both are valid until
//! the window ends, and not a request longer: the layer checks the expiry on every request,
//! whatever is cached.
//!
//! By a node's own clock, that is: nodes whose clocks differ end the window at different moments.
//!
//! Where [last uses](#the-last-use) are recorded, the first use of the old credential after the
//! rotation emits an audit event within a minute, so you can find clients that have not switched
//! before the window ends. At most two credentials of a rotation chain are valid at once, and both
//! count against the owner's [cap](crate::manage::Manager::with_max_credentials) while they are
//! accepted. Where clocks differ, the one before them may be valid too, for as long as they differ.
//!
//! # When a secret has leaked
//!
//! [`revoke_presented`](crate::manage::Manager::revoke_presented) takes the leaked token itself, as
//! secret scanners report it, and revokes it; it needs no other authority.
//! [`revoke_all`](crate::manage::Manager::revoke_all) revokes all credentials of an owner.
//!
//! Generated tokens are 55 bytes long and end in a checksum (CRC-32 in base62), as secret scanners
//! expect. They match
//!
//! ```text
//! \b(?:ak_[0-9A-Za-z]{11}\.[0-9A-Za-z]{40}|pat_[0-9A-Za-z]{51})\b
//! ```
//!
//! which is [`scanner_regex`](crate::credential::TokenFormat::scanner_regex);
//! [`checksum_holds`](crate::credential::TokenFormat::checksum_holds) confirms a match offline.
//!
//! Revocation does not depend on what the holder does: `delete`, `disable`, `revoke_presented` and
//! `revoke_all` do not compare with an earlier read. As long as the store answers they succeed at
//! the first call, however often the holder renames, rotates or enables the credential at the same
//! time. [`deploying`](super::deploying#when-a-key-leaks) has the steps in order. A revoked
//! credential cannot issue others: its attempts are refused.
//!
//! # The audit trail
//!
//! Each change is stored as an [`AuditEvent`](crate::store::AuditEvent) in the same transaction:
//! who, what, which credential, when, and the origin that the service stated.
//! [`events`](crate::manage::Manager::events) returns them newest first, up to 200 at a time below
//! a given number. A [hook](crate::manage::Manager::on_event) is called with each one that the call
//! knows to be stored. A hook that panics does not undo the change or lose a secret: the panic is
//! counted and reported, and the hook is called with the next event. Changes made to the store by
//! other means, such as [`insert`](crate::store::ManageStore::insert), a
//! [`Directory`](crate::store::Directory) or by hand, leave no event.
//!
//! # The last use
//!
//! Give one [`LastUse`](crate::LastUse) to the layers
//! ([`with_last_use`](crate::AuthLayer::with_last_use)) and run
//! [`run_usage_recorder`](crate::manage::Manager::run_usage_recorder) in a task. Requests record
//! their use in memory, and the task writes once a minute. A database that cannot be written to
//! does not affect requests.
//!
//! The first use of a credential is written by the next round, and so is every round's of one that
//! was rotated. Other writes per credential are at least a minute apart within the first hour after
//! the first use, an hour within the first day, and a day after that, whichever nodes saw it. So
//! someone who puts a new key into service sees it at work within a minute, and a key that is used
//! all day costs the database one write a day. Set another
//! [`Granularity`](crate::store::Granularity) with
//! [`with_use_granularity`](crate::manage::Manager::with_use_granularity). A list that shows when a
//! credential was last used should say how far behind that may be.
//!
//! [`LastUse::with_client_address`](crate::LastUse::with_client_address) and
//! [`with_user_agent`](crate::LastUse::with_user_agent) also keep where the last recorded use came
//! from, which helps an owner to find a forgotten client. The address is the one that the layer
//! knows by [`with_client_address`](crate::AuthLayer::with_client_address). Both are off by default: they are
//! personal data if persons use the credentials. A later use replaces them, and deleting the user
//! removes those of the user's tokens.
//!
//! To write uses elsewhere, such as to a table of your own or to a queue, run
//! [`LastUse::run`](crate::LastUse::run) instead, which passes them to a closure once a minute.
//! What it could not write is passed again by the next round. With several nodes, keep the later of
//! two times. [`unwritten`](crate::LastUse::unwritten) and
//! [`mark_written`](crate::LastUse::mark_written) are the parts that it consists of.
//!
//! On shutdown, one more call writes what is left:
//! [`record_uses`](crate::manage::Manager::record_uses) of the manager, or
//! [`LastUse::flush`](crate::LastUse::flush).
//!
//! # Migrating from another system
//!
//! Clients keep their credentials: [`import`](crate::manage::Manager::import) takes the SHA-256
//! digest of a whole token, as the other system stores it, for example in
//! [hex](crate::secret::Digest::from_hex) or [Base64](crate::secret::Digest::from_base64). Add the
//! prefixes of its tokens, which may be without an id: see [`moving`](super::moving), also for
//! [salted digests](super::moving#salted-digests). A key's id is the part between prefix and dot. If you have the tokens themselves, parse them with
//! [`TokenFormat::parse`](crate::credential::TokenFormat::parse), which returns an error for each
//! that could never be accepted.
//!
//! ```
//! use tower_api_key::{credential::Kind, manage::*, secret::Digest, store::*};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let manager = Manager::new(MemoryStore::new());
//! manager.store().create_organization("org_1", None).await?;
//! let operator = Actor::operator("move", Owner::Organization("org_1".into()));
//! # let kept = "9c5b0ab9c2e08c23c0f1ed8ca8ad6b8c7ee86d8d5e7dd4bd4ee0e8c9c11ba4b0";
//! let digest = Digest::from_hex(kept)?; // as the other system stores it; or from_base64
//! let key = Import::new("old-id", digest, "billing export").with_role("viewer");
//! manager.import(&operator, Kind::OrgKey, key).await?;
//! # Ok(())
//! # }
//! ```
