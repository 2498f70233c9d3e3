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
//! are: to change them, issue another. Its expiry can be changed by a rotation. A change of its
//! owner's role takes effect with the next lookup, and so does a change of what a role may do
//! ([`Catalogue::replace`](crate::scope::Catalogue::replace)).
//!
//! # It is replaced
//!
//! [`rotate`](crate::manage::Manager::rotate) issues a successor with the same rights and
//! attributes; each of the two names the other (`rotated_to`, `rotated_from`). During an overlap
//! both are valid. Where last uses are recorded, the first use of the old one after the rotation is
//! an event, so you find the client that has not switched before the overlap ends. The client
//! itself learns of it from a response header, if the layer has
//! [`with_rotation_header`](crate::AuthLayer::with_rotation_header).
//!
//! [`rotation_state`](crate::manage::Manager::rotation_state) returns when it is
//! [safe to end](crate::manage::RotationState::SafeToEnd) the old one before that. An edit reaches
//! one of the two alone: to narrow their conditions, edit both, or delete the old one.
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
//! Expired credentials can be found with
//! [`EffectiveStatus::Expired`](crate::store::EffectiveStatus::Expired), and those that soon will
//! be with [`EffectiveStatus::Active`](crate::store::EffectiveStatus::Active) and
//! [`Filter::with_expiring_before`](crate::store::Filter::with_expiring_before). With
//! [`with_expiry_header`](crate::AuthLayer::with_expiry_header) the layer tells their bearers.
//!
//! # What is left
//!
//! A deleted credential keeps its row: its id stays taken, lists show it on request, and the audit
//! trail says who did what to it. No call makes it valid again.
//!
//! When a person is deleted ([`delete_user`](crate::store::Directory::delete_user)), their tokens
//! are removed, with when, from where and with what these were last used. What they did stays in
//! the trail under a pseudonym, without the origins of their requests and without the attributes of
//! their tokens.
