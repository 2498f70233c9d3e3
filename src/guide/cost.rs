//! What it costs, measured against its parts and against what one would use instead.
//!
//! Every figure is from the command above it, on one virtual machine with two cores of an AMD EPYC with SHA extensions, Linux
//! 6.18, Rust 1.95, other work going on beside. Absolute times drift from machine to machine and from hour to hour: the
//! ratios within a table are what to hold against. All services stand around the same trivial one, in one process,
//! measured in turn in slices of a quarter of a millisecond; a figure is the median over 501 slices.
//!
//! # An accepted request
//!
//! `cargo bench --features axum --bench peers`; the last column is from `cargo bench --features axum --bench allocations`.
//! *Net* is what a layer adds to the service alone, *ratio* compares the nets with that of a key.
//!
//! | | ns | net ns | ratio | allocations |
//! |---|---:|---:|---:|---:|
//! | no layer | 43.5 | 0.0 | 0.00 | 0 |
//! | **key** | 180.0 | 136.6 | 1.00 | 3 |
//! | key, extensions already in use | 165.5 | 122.0 | 0.89 | 1 |
//! | key that can expire: the clock is read | 208.1 | 164.6 | 1.21 | 3 |
//! | personal token | 212.7 | 169.2 | 1.24 | 3 |
//! | key, scopes demanded | 192.5 | 149.0 | 1.09 | 3 |
//! | key, store asked without `peek` | 406.2 | 362.7 | 2.66 | 11 |
//! | tower-http static bearer (`==` on one string) | 56.9 | 13.4 | 0.10 | 0 |
//! | tower-http `AsyncRequireAuthorization`, map and SHA-256 | 188.6 | 145.2 | 1.06 | 3 |
//! | `prefixed-api-key` behind a small layer | 351.6 | 308.2 | 2.26 | 9 |
//! | axum `from_fn`, the usual way | 468.6 | 425.2 | 3.11 | 13 |
//! | JWT HS256 (`jsonwebtoken` 11) | 1378.1 | 1334.7 | 9.77 | 14 |
//! | JWT EdDSA (`jsonwebtoken` 11) | 29527.2 | 29483.7 | 215.90 | 14 |
//!
//! # What dominates
//!
//! `cargo bench --bench parts` measures what no implementation can leave out, each on its own: the insert into the request's
//! extensions (34.6 ns empty, 18.8 ns in use), one block of SHA-256 (48.3 ns), the map and a reference count (17.0 ns), two
//! headers read (14.9 ns) and one marked (5.3 ns), the token's grammar (10.7 ns), the comparison (4.9 ns).
//!
//! | extensions | sum of parts, ns | hit net, ns | net / sum |
//! |---|---:|---:|---:|
//! | empty | 135.6 | 138.2 | 1.02 |
//! | in use | 119.7 | 122.9 | 1.03 |
//!
//! By instructions (`cargo bench --features axum --bench counted`, with a block of SHA-256 at the 231 instructions that it
//! takes with the processor's extensions, which callgrind does not know) a hit takes 1.19 × its parts in empty extensions and 1.22 ×
//! in used ones: the rest is moving the request, the response future around the inner one, and guarding against a store
//! that panics. The same command fails when a count grows by more than 3 % over `benches/counted.limits`, or when the
//! position at which a secret is wrong makes a difference of a single instruction.
//!
//! An accepted request allocates what `http::Extensions` needs to take in one value, and nothing else; a refused one
//! allocates nothing before its response (`cargo test --test allocations`).
//!
//! # A refused request
//!
//! Most of a refusal is its response: headers, body, the typed rejection in the extensions. In callgrind's instructions,
//! software SHA-256 included, from `cargo bench --features axum --bench counted`:
//!
//! | | instructions |
//! |---|---:|
//! | no credential: nothing but the response | 3448 |
//! | malformed token | 3982 |
//! | unknown id | 7555 |
//! | wrong secret | 7595 |
//! | deleted | 7608 |
//! | expired: the clock is read | 7735 |
//!
//! # Memory and scale
//!
//! `cargo bench --bench scale`: keys in a [`MemoryStore`](crate::store::MemoryStore), a thousand to an organization, beside
//! the 11 bytes of their ids. *Asked* is what was asked of the allocator, *resident* what the process grew by. *Hot* is a
//! look-up among 64 keys, *cold* one among all, which differ by the processor's caches alone.
//!
//! | credentials | loaded in, s | bytes each, asked | resident | hot, ns | cold, ns |
//! |---:|---:|---:|---:|---:|---:|
//! | 1 000 | 0.00 | 172 | 497 | 29 | 35 |
//! | 100 000 | 0.04 | 120 | 171 | 30 | 78 |
//! | 1 000 000 | 0.64 | 134 | 171 | 31 | 369 |
//! | 5 000 000 | 5.53 | 126 | 147 | 33 | 491 |
//!
//! Two threads against one, in requests through the layer: 1.79 × on one and the same key, whose reference count they fight
//! over, 1.94 × on 64 keys (the second table of the same command).
//!
//! # End to end
//!
//! `cargo bench --features axum --bench e2e`: axum over loopback, one-second slices in turn, with a second server without a
//! layer as control. What is within the control's spread is not resolved.
//!
//! | | requests/s | ratio | 10 % … 90 % of the slices | p50, µs | p99, µs | |
//! |---|---:|---:|---:|---:|---:|---|
//! | no layer | 71118 | 1.000 | 1.000 … 1.000 | 53 | 111 | |
//! | no layer, again | 72814 | 1.019 | 0.953 … 1.052 | 52 | 110 | not resolved |
//! | **this crate, key** | 70657 | 0.999 | 0.911 … 1.075 | 53 | 112 | not resolved |
//! | tower-http static bearer | 71796 | 1.010 | 0.952 … 1.090 | 51 | 108 | not resolved |
//! | axum `from_fn`, the usual way | 67545 | 0.937 | 0.736 … 0.979 | 58 | 121 | |
//! | JWT HS256 (`jsonwebtoken`) | 63466 | 0.892 | 0.787 … 0.945 | 65 | 127 | |
