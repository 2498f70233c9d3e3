//! The guide: a short book, to be read in order, with tested examples.
//!
//! The [front page](crate) gets a first request through. The chapters take it from there.
//!
//! **Protecting routes**
//!
//! 1. [`first_service`]: what a complete service has, step by step.
//! 2. [`placement`]: which layer goes outside of which, and how to make a route public.
//! 3. [`widgets`]: public routes for the pages of some sites.
//! 4. [`organizations`]: the two kinds of credential, and what roles and scopes allow.
//! 5. [`refusals`]: what a client sees when it is refused, and how to change it.
//! 6. [`recipes`]: JWTs beside keys, tokens of WebSockets, a limit per key, two majors of axum.
//! 7. [`testing_services`]: testing routes, expiry and outages.
//!
//! **Running a service**
//!
//! 8. [`managing`]: issuing, rotating, revoking and importing credentials, and the audit trail.
//! 9. [`moving`]: moving here from another system, without new keys for its users.
//! 10. [`life`]: the life of a credential, from its issue to what is left of it.
//! 11. [`stores`]: how to write a store over your own tables.
//! 12. [`sqlite`]: one machine: operating the SQLite store.
//! 13. [`many_machines`]: one database for many nodes, and how soon a revocation takes effect.
//! 14. [`peppers`]: digests that are useless without a key kept elsewhere.
//! 15. [`deploying`]: what to set up around the crate, and what to do when a key leaks.
//!
//! **Judging the crate**
//!
//! 16. [`promises`]: what holds whatever a client sends, and what does not.
//! 17. [`auditing`]: where each promise is kept in the source, and answers to scanners.
//! 18. [`cost`]: what a request costs, and what dominates.
//! 19. [`comparison`]: what other crates do.

pub mod auditing;
pub mod comparison;
pub mod cost;
pub mod deploying;
pub mod first_service;
pub mod life;
pub mod managing;
pub mod many_machines;
pub mod moving;
pub mod organizations;
pub mod peppers;
pub mod placement;
pub mod promises;
pub mod recipes;
pub mod refusals;
pub mod sqlite;
pub mod stores;
pub mod testing_services;
pub mod widgets;
