//! The life of a credential, from its issue to what is left of it.
//!
//! # It is issued
//!
//! [`issue_key`](crate::manage::Manager::issue_key) and
//! [`issue_token`](crate::manage::Manager::issue_token) mint it: a random secret and a checksum,
//! and for a key its id before them, 55 bytes together. The store gets the id and a digest; the
//! token itself is in [`Issued`](crate::manage::Issued), once. Show it, let the user copy it, and
//! do not store it. A client that may have to repeat the request sends an idempotency key; the
//! repetition returns the same credential without its secret.
//!
//! Whatever is set at this point can only take away from what the owner may do:
//!
//! | what | of a key | of a token |
//! |---|---|---|
//! | what it may do | a role or a list of scopes | its owner's role in each organization, and a list of scopes if it has one |
//! | where it acts | in its organization | where its owner is a member, and on its list of organizations if it has one |
//! | until when | `expires_at` | the same |
//! | from where | its [networks](crate::store::Conditions::networks) | the same |
//! | in which environment | its [environment](crate::store::Conditions::environment) | the same |
//!
//! None of it can be wider than what the creator has: see [`managing`](super::managing#who-asks).
//!
//! # It is used
//!
//! Every request is checked on its own: the secret, the status, the expiry, the owner, the
//! organization and the conditions. [`LastUse`](crate::LastUse) collects uses in memory and a task
//! writes the first one, and later ones the less often the older the first one is
//! ([`Granularity`](crate::store::Granularity)), so that a list can show which credentials are idle
//! ([`Filter::with_unused_since`](crate::store::Filter::with_unused_since)).
//!
//! # It is changed
//!
//! [`edit`](crate::manage::Manager::edit) changes its name, its description, its metadata and its
//! conditions; [`disable`](crate::manage::Manager::disable) and
//! [`enable`](crate::manage::Manager::enable) suspend it. Its scopes and organizations stay as they
//! are: to change them, issue another. Its expiry can be changed by a rotation, which keeps it unless
//! you set another ([`Rotation::expiring_at`](crate::manage::Rotation::expiring_at)). A change of its
//! owner's role takes effect with the next lookup, and so does a change of what a role may do
//! ([`Catalogue::replace`](crate::scope::Catalogue::replace)).
//!
//! # It is replaced
//!
//! [`rotate`](crate::manage::Manager::rotate) issues a successor with the same rights and
//! attributes; each of the two names the other (`rotated_to`, `rotated_from`). During an overlap
//! both are valid. Where last uses are recorded, the audit trail and the
//! [hook](crate::manage::Manager::on_event) show how far clients have switched:
//!
//! | event | when |
//! |---|---|
//! | [`SuccessorUsed`](crate::store::AuditAction::SuccessorUsed) | the new one is used for the first time |
//! | [`UsedAfterRotation`](crate::store::AuditAction::UsedAfterRotation) | the old one is used for the first time since the rotation |
//! | [`UsedAtHalfOfOverlap`](crate::store::AuditAction::UsedAtHalfOfOverlap) | the old one is used when half of the overlap has passed |
//! | [`UsedAtNineTenthsOfOverlap`](crate::store::AuditAction::UsedAtNineTenthsOfOverlap) | the old one is used when nine tenths have passed |
//! | [`OverlapEnded`](crate::store::AuditAction::OverlapEnded) | the overlap is over; needs [`run_expiry_watch`](crate::manage::Manager::run_expiry_watch) |
//!
//! The client itself learns of it from a response header, if the layer has
//! [`with_rotation_header`](crate::AuthLayer::with_rotation_header).
//!
//! [`rotation_state`](crate::manage::Manager::rotation_state) tells whether the old one is still
//! used: [`SafeToEnd`](crate::manage::RotationState::SafeToEnd) if it was not used after the first
//! use of the new one. Ask once your slowest client must have called. An edit reaches one of the two
//! alone: to narrow their conditions, edit both, or delete the old one.
//!
//! # It ends
//!
//! It expires at `expires_at`, by the clock of each node. It is deleted by its owner
//! ([`delete`](crate::manage::Manager::delete),
//! [`revoke_all`](crate::manage::Manager::revoke_all)), or revoked by whoever presents it
//! ([`revoke_presented`](crate::manage::Manager::revoke_presented)). It is refused, though not
//! deleted, while its owner is disabled or no longer a member, and once its organization is
//! deleted. If the secret has leaked, [`deploying`](super::deploying#when-a-key-leaks) has the
//! steps.
//!
//! Before it expires, a task of the service
//! ([`run_expiry_watch`](crate::manage::Manager::run_expiry_watch)) stores the audit event
//! [`ExpiresSoon`](crate::store::AuditAction::ExpiresSoon): thirty days, seven days and a day
//! before, or at the thresholds of its [`ExpiryWatch`](crate::store::ExpiryWatch). Run the task on every node: each event
//! comes once. It sends no messages: send yours from
//! [`expiry_events`](crate::manage::Manager::expiry_events), which lists these events of all owners,
//! and the ends of overlaps, in an order in which none is left out.
//!
//! [`expire_unused`](crate::manage::Manager::expire_unused) lets credentials expire that were not
//! used for as long as you say, such as 90 days. Call it once a day, on one node. It needs recorded
//! uses: where none is recorded, no credential expires by it.
//!
//! Expired credentials can be found with
//! [`EffectiveStatus::Expired`](crate::store::EffectiveStatus::Expired), and those that soon will
//! be with [`EffectiveStatus::Active`](crate::store::EffectiveStatus::Active) and
//! [`Filter::with_expiring_before`](crate::store::Filter::with_expiring_before). With
//! [`with_expiry_header`](crate::AuthLayer::with_expiry_header) the layer tells their bearers.
//!
//! # What is left
//!
//! A deleted credential keeps its row: its id stays taken, lists show it on request, and the audit
//! trail says who did what to it. No call makes it valid again, with one exception: when its user was
//! deleted, with everything about them, and created anew, the digest of a token can be imported again.
//! So remove it from what you import, too.
//!
//! [`run_retention`](crate::manage::Manager::run_retention) removes what is over after a time that
//! its [`Retention`](crate::store::Retention) sets: deleted and long-expired credentials, audit
//! events, idempotency keys, old uses and the rows of the change log. Of a credential a tombstone is
//! left: its kind and id, and of a token its digest, so that neither is taken again. Its
//! owner then sees it as an unknown id. A message about a key that leaked a year ago still finds its events, which are kept for
//! longer than the credential.
//!
//! When a person is deleted ([`delete_user`](crate::store::Directory::delete_user)), their tokens
//! are removed, with when, from where and with what these were last used. What they did stays in
//! the trail under a pseudonym, without the origins of their requests and without the attributes of
//! their tokens, and so do the keys that they issued
//! ([`created_by`](crate::store::CredentialInfo::created_by)).
