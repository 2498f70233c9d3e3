//! For auditors: why a fast hash is right here, where each promise is kept, and what else is
//! compiled in.
//!
//! # Why SHA-256, and not a password hash
//!
//! Slow, salted hashes (bcrypt, scrypt, Argon2, PBKDF2) exist because people choose passwords. A
//! stolen hash of one can be found by trying likely passwords, and each try should cost the
//! attacker something. A minted secret is not chosen. It is drawn from the operating system's
//! random generator, character by character, each of 62 equally likely:
//!
//! | | random characters | bits |
//! |---|---:|---:|
//! | organization key | 34 | 34 × log₂ 62 = 202.4 |
//! | personal token | 45 | 45 × log₂ 62 = 267.9 |
//!
//! Finding one key by trial takes 2²⁰¹ tries on average. At 10¹² tries a second that is
//! 2²⁰¹ ÷ 10¹² ÷ 3.16·10⁷ ≈ 10⁴¹ years. Making each try a million times slower adds nothing to
//! that, but makes *every request* a million times slower, and hands anyone who can send requests a
//! way to use up the processor. A salt keeps equal secrets from having equal hashes, and keeps
//! tables from being computed in advance; random secrets of 200 bits are not equal, and no table
//! holds them.
//!
//! What the standards say:
//!
//! - NIST SP 800-63B (revision 3), section 5.1.2.2, on look-up secrets, the random secrets that a
//!   verifier issues itself: those of at least 112 bits of entropy are hashed with an approved
//!   one-way function, and only weaker ones are salted and hashed with a key derivation function.
//!   Look-up secrets are used once, and these tokens many times, so this is an analogy: what it
//!   rests on, whether a stolen hash can be guessed, does not depend on how often a secret is used.
//! - FIPS 180-4 approves SHA-256; FIPS 198-1 approves HMAC, which [`peppers`](super::peppers) use.
//! - RFC 6750, section 5, is about bearer tokens: they have to be protected where they are stored
//!   and transported. The digest is the protection in the store; the transport is
//!   [yours](super::deploying#tls).
//!
//! This holds for secrets that this crate mints. A token that you
//! [import](super::managing#migrating-from-another-system) is as strong as the system that issued
//! it. If that let people choose tokens, or drew fewer than 112 bits, have them rotated, and use a
//! pepper until they are.
//!
//! # To answer a scanner
//!
//! A scanner that sees a value named "token" or "secret" go into SHA-256 may report a weak hash
//! (CWE-328, CWE-916; `rust/weak-sensitive-data-hashing` in CodeQL). An answer for the report:
//!
//! > Not applicable. The hashed value is not a password. It is an API credential that the service
//! > generates with the operating system's random generator, with at least 200 bits of entropy;
//! > users cannot choose it. CWE-916 is about hashes of passwords, which can be guessed; searching
//! > 2²⁰⁰ values is infeasible for any hash without a preimage attack, and none is known for SHA-256. NIST SP
//! > 800-63B asks for an approved one-way function, without a key derivation function, for random
//! > secrets of at least 112 bits (section 5.1.2.2). A deliberately slow hash on each request would
//! > add a way to exhaust the service. Digests are compared in constant time, and can be keyed with
//! > HMAC-SHA-256 under a key outside of the database.
//!
//! Check before you send it: all credentials were minted (no row was imported from a system with
//! weaker tokens), and the finding is in this crate and not in code that hashes passwords.
//!
//! # Where each promise is kept
//!
//! | promise | read |
//! |---|---|
//! | the decision and its order | `src/authenticate/mod.rs`, one page |
//! | one `Authorization` header, and nothing else | `src/authenticate/{bearer,sources}.rs`, `src/credential/format.rs` |
//! | the comparison in constant time, with a decoy | `src/authenticate/verify.rs` |
//! | a principal only after every check | `src/authenticate/{verify,live}.rs`, `src/principal.rs` |
//! | same bytes for different causes | `src/rejection/{cause,messages}.rs` |
//! | an outage is a 503, a panic is caught | `src/store/guard.rs`, `src/panics.rs` |
//! | no permit while the store is asked | `src/service/mod.rs`, `src/future/mod.rs` |
//! | gRPC refusals for gRPC calls alone | `src/rejection/{style,grpc}.rs` |
//! | random secrets, wiped when dropped | `src/credential/mint.rs`, `src/secret/mod.rs` |
//! | a revocation beats the cache | `src/store/cached/core.rs`, explored by `tests/loom/cache.rs` |
//! | a caller grants at most what they hold | `src/manage/rules.rs` |
//! | the actor is checked in the transaction | `src/store/backend/authority.rs`; in the companion `managed/authority.rs` of each store |
//! | ending does not depend on the holder | `managed/end.rs` of each store |
//! | every change is logged | the triggers in the companion's `migrations/` |
//! | what a database role may do | `src/postgres/rights.sql` of the companion |
//!
//! `SECURITY.md` lists the properties with the tests that try to break them, and `tests/claims.md`
//! in the repository the sentences of this documentation. There is no `unsafe` code in the crates:
//! the manifest forbids it (`unsafe_code = "forbid"`).
//!
//! # Dependencies
//!
//! What every user of `tower-api-key` compiles. The repositories are those that the crates' own
//! metadata names:
//!
//! ```sh
//! cargo metadata --format-version 1 | jq -r '.packages[] | [.name, .repository] | @tsv'
//! ```
//!
//! | crate | used for | maintained at |
//! |---|---|---|
//! | `async-trait` | stores behind `dyn` | github.com/dtolnay (David Tolnay) |
//! | `foldhash` | hash of the maps that requests read, keyed at random | github.com/orlp (Orson Peters) |
//! | `getrandom` | the operating system's randomness | github.com/rust-random (the Rand project) |
//! | `http` | requests, responses, headers | github.com/hyperium |
//! | `ipnet` | networks from which a credential is accepted | github.com/krisprice (Kris Price) |
//! | `papaya` | maps that are read without a lock | github.com/ibraheemdev (Ibraheem Ahmed) |
//! | `pin-project-lite` | futures without `unsafe` | github.com/taiki-e |
//! | `sha2` | digests | github.com/RustCrypto |
//! | `subtle` | comparison in constant time | github.com/dalek-cryptography |
//! | `thiserror` | error texts | github.com/dtolnay (David Tolnay) |
//! | `tokio` | deadlines, shared lookups | github.com/tokio-rs |
//! | `tower-layer`, `tower-service` | the traits `Layer` and `Service` | github.com/tower-rs |
//! | `rustix` (Linux, Android, Apple) | a clock that counts a machine's sleep | github.com/bytecodealliance |
//!
//! The features add `axum-core` and `tracing` (github.com/tokio-rs), `bytes` (tokio-rs),
//! `http-body-util` (hyperium), `hmac` (RustCrypto), `metrics` (metrics-rs), `tonic`
//! (github.com/grpc), `url` (github.com/servo), which brings Unicode's tables for domain names
//! (github.com/unicode-org), and `utoipa` (github.com/juhaku). The companion adds `sqlx`
//! (github.com/launchbadge), which brings SQLite's source with its feature `sqlite`, and
//! `serde_json` (github.com/serde-rs). The endpoints add `axum` (github.com/tokio-rs), their pages
//! `maud` (github.com/lambda-fairy) and `jiff` (github.com/BurntSushi), and the sign-in
//! `axum-login`, which brings tower-sessions (both github.com/maxcountryman).
//!
//! `deny.toml` states which licences and registries are accepted, and `.ci/run` checks it, together
//! with unused dependencies (`cargo machete`) and the lowest versions that the manifests allow. For
//! known vulnerabilities run `cargo deny check advisories` or `cargo audit` over *your* lock file:
//! a library's users choose the versions.
//!
//! # What is published, and building without a network
//!
//! `cargo package --list -p tower-api-key` lists the package: sources, examples, licences and
//! the Markdown files, and no binary file. `.ci/package` fails when anything else is in it.
//!
//! `.ci/vendored` copies all sources with `cargo vendor` and checks both crates from that directory
//! alone, with an empty Cargo home and, where the system allows it, without a network. To do the
//! same in your project, run `cargo vendor`, put the lines that it prints into
//! `.cargo/config.toml`, and build with `--offline`.
