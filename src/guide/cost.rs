//! What the crate costs, measured against its parts and against the alternatives.
//!
//! Each figure comes from the command above it, on one virtual machine with two cores of an AMD
//! EPYC with SHA extensions, Linux 6.18, Rust 1.95, with other work running beside it. Absolute
//! times drift between machines and from hour to hour, so compare the ratios within a table. All
//! services wrap the same trivial one, in one process, and are measured in turn in slices of a
//! quarter of a millisecond. A figure is the median over 501 slices.
//!
//! # An accepted request
//!
//! Run `cargo bench --features axum --bench peers`; the last column is from
//! `cargo bench --features axum --bench allocations`. *Net* is what a layer adds to the
//! service alone; *ratio* compares its net with that of a key.
//!
//! | | ns | net ns | ratio | allocations |
//! |---|---:|---:|---:|---:|
//! | no layer | 46.1 | 0.0 | 0.00 | 0 |
//! | **key** | 189.1 | 143.0 | 1.00 | 3 |
//! | key, extensions already in use | 173.9 | 127.8 | 0.89 | 1 |
//! | key that can expire: the clock is read | 219.7 | 173.6 | 1.21 | 3 |
//! | personal token | 223.1 | 177.0 | 1.24 | 3 |
//! | key, scopes demanded | 198.6 | 152.5 | 1.07 | 3 |
//! | key, hit of a cache in front of SQLite | 216.1 | 170.0 | 1.19 | 3 |
//! | key, store asked without `peek` | 419.4 | 373.3 | 2.61 | 11 |
//! | tower-http static bearer (`==` on one string) | 57.7 | 11.6 | 0.08 | 0 |
//! | tower-http `AsyncRequireAuthorization`, map and SHA-256 | 195.9 | 149.8 | 1.05 | 3 |
//! | `prefixed-api-key` behind a small layer | 353.0 | 306.9 | 2.15 | 9 |
//! | axum `from_fn`, the usual way | 494.1 | 448.0 | 3.13 | 13 |
//! | JWT HS256 (`jsonwebtoken` 11) | 1423.0 | 1376.9 | 9.63 | 14 |
//! | JWT EdDSA (`jsonwebtoken` 11) | 30780.9 | 30734.8 | 214.90 | 14 |
//!
//! # What dominates
//!
//! `cargo bench --bench parts` measures, each on its own, the parts that no implementation can
//! leave out: the insert into the request's extensions (36.9 ns empty, 21.2 ns in use), one block
//! of SHA-256 (49.9 ns), the map and a reference count (17.9 ns), two headers read (12.6 ns) and
//! one marked (5.5 ns), the token's grammar (11.4 ns), the comparison (5.1 ns).
//!
//! | extensions | sum of parts, ns | hit net, ns | net / sum |
//! |---|---:|---:|---:|
//! | empty | 139.4 | 144.5 | 1.04 |
//! | in use | 123.6 | 128.0 | 1.04 |
//!
//! `cargo bench --features axum --bench counted` counts instructions. It counts a block of SHA-256
//! as the 231 instructions that it takes with the processor's extensions, which callgrind does not
//! know. A hit takes 1.19 × its parts in empty extensions and 1.22 × in used ones. The rest is
//! moving the request, the response future around the inner one, and guarding against a store that
//! panics. The same command fails when a count grows by more than 3 % over
//! `benches/counted.limits`, or when the position at which a secret is wrong changes the count
//! by a single instruction.
//!
//! An accepted request allocates only what `http::Extensions` needs to store one value. A refused
//! one allocates nothing before its response (`cargo test --test allocations`).
//!
//! # A refused request
//!
//! Most of a refusal's cost is its response: headers, body, the typed rejection in the extensions.
//! The figures are callgrind's instructions, software SHA-256 included, from
//! `cargo bench --features axum --bench counted`:
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
//! `cargo bench --bench scale` loads keys into a [`MemoryStore`](crate::store::MemoryStore), a
//! thousand to an organization. The figures exclude the 11 bytes of each id. *Asked* is what was
//! requested of the allocator, *resident* what the process grew by. *Hot* is a lookup among 64
//! keys, *cold* one among all of them; only the processor's caches make them differ.
//!
//! | credentials | loaded in, s | bytes each, asked | resident | hot, ns | cold, ns |
//! |---:|---:|---:|---:|---:|---:|
//! | 1 000 | 0.00 | 172 | 485 | 30 | 36 |
//! | 100 000 | 0.05 | 120 | 171 | 32 | 178 |
//! | 1 000 000 | 0.70 | 134 | 171 | 33 | 420 |
//! | 5 000 000 | 5.69 | 126 | 147 | 32 | 577 |
//!
//! The second table of the same command compares two threads with one, in requests through the
//! layer. In two runs it printed 1.63 × and 1.79 × on a single key, whose reference count the
//! threads contend for, and 1.89 × and 1.87 × on 64 keys.
//!
//! # End to end
//!
//! `cargo bench --features axum --bench e2e` runs axum over loopback, in one-second slices
//! in turn, with a second server without a layer as control. A difference within the control's
//! spread is not resolved.
//!
//! | | requests/s | ratio | 10 % … 90 % of the slices | p50, µs | p99, µs | |
//! |---|---:|---:|---:|---:|---:|---|
//! | no layer | 94946 | 1.000 | 1.000 … 1.000 | 41 | 93 | |
//! | no layer, again | 95355 | 1.017 | 0.961 … 1.050 | 40 | 92 | not resolved |
//! | **this crate, key** | 93732 | 0.985 | 0.924 … 1.024 | 41 | 89 | not resolved |
//! | tower-http static bearer | 95305 | 0.990 | 0.964 … 1.047 | 41 | 91 | not resolved |
//! | axum `from_fn`, the usual way | 89832 | 0.944 | 0.895 … 1.023 | 45 | 92 | |
//! | JWT HS256 (`jsonwebtoken`) | 85180 | 0.900 | 0.827 … 0.929 | 47 | 95 | |
//!
//! A second run printed 0.956 for this crate's key, and 0.980 for the service without a layer
//! against itself.
