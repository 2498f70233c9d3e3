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
//! | no layer | 50.2 | 0.0 | 0.00 | 0 |
//! | **key** | 205.4 | 155.2 | 1.00 | 3 |
//! | key, extensions already in use | 193.6 | 143.5 | 0.92 | 1 |
//! | key that can expire: the clock is read | 237.6 | 187.5 | 1.21 | 3 |
//! | personal token | 228.8 | 178.7 | 1.15 | 3 |
//! | key, scopes required | 221.3 | 171.1 | 1.10 | 3 |
//! | key, hit of a cache in front of SQLite | 235.0 | 184.8 | 1.19 | 3 |
//! | key, store asked without `peek` | 423.6 | 373.4 | 2.41 | 9 |
//! | tower-http static bearer (`==` on one string) | 59.6 | 9.4 | 0.06 | 0 |
//! | tower-http `AsyncRequireAuthorization`, map and SHA-256 | 206.7 | 156.5 | 1.01 | 3 |
//! | `prefixed-api-key` behind a small layer | 356.4 | 306.2 | 1.97 | 9 |
//! | axum `from_fn`, the usual way | 512.0 | 461.9 | 2.98 | 13 |
//! | JWT HS256 (`jsonwebtoken` 11) | 1474.5 | 1424.3 | 9.18 | 14 |
//! | JWT EdDSA (`jsonwebtoken` 11) | 31207.1 | 31157.0 | 200.74 | 14 |
//!
//! # What dominates
//!
//! `cargo bench --bench parts` measures, each on its own, the parts that no implementation can
//! leave out: the insert into the request's extensions (33.1 ns empty, 18.1 ns in use), one block
//! of SHA-256 (51.5 ns), the map and a reference count (17.2 ns), two headers read (12.1 ns) and
//! one marked (5.3 ns), the token's grammar (10.8 ns), the comparison (4.9 ns).
//!
//! | extensions | sum of parts, ns | hit net, ns | net / sum |
//! |---|---:|---:|---:|
//! | empty | 134.8 | 138.9 | 1.03 |
//! | in use | 119.8 | 119.3 | 1.00 |
//!
//! `cargo bench -p tower-api-key-counted --bench counted` counts instructions. It counts a block of
//! SHA-256 as the 231 instructions that it takes with the processor's extensions, which callgrind
//! does not know. A hit takes 1.25 × its parts in empty extensions and 1.31 × in used ones. The rest is
//! moving the request, the response future around the inner one, and guarding against a store that
//! panics. The same command fails when a count grows by more than 3 % over
//! `crates/counted/counted.limits`, or when the position at which a secret is wrong changes the count
//! by a single instruction.
//!
//! An accepted request allocates only what `http::Extensions` needs to store one value. A refused
//! one allocates nothing before its response (`cargo test --test allocations`).
//!
//! # A refused request
//!
//! Most of a refusal's cost is its response: headers, body, the typed rejection in the extensions.
//! The figures are callgrind's instructions, software SHA-256 included, from
//! `cargo bench -p tower-api-key-counted --bench counted`:
//!
//! | | instructions |
//! |---|---:|
//! | no credential: nothing but the response | 3328 |
//! | malformed token | 3900 |
//! | unknown id | 7495 |
//! | wrong secret | 7603 |
//! | deleted | 7603 |
//! | expired: the clock is read | 7738 |
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
//! # Last uses
//!
//! `cargo run -p tower-api-key-proof --bin last_use_model` computes, by a model, how many rows a
//! database writes a second to keep when 10⁸ keys were last used: 600 nodes, 420 000 requests a
//! second, one key in a hundred used a hundred times as often as the others, keys that live for 90
//! days. The first row is a fixed [`Granularity`](crate::store::Granularity) of a minute, the
//! second the default.
//!
//! | granularity | every day | upgrade: first hour | rest of the day | busiest hour later |
//! |---|---:|---:|---:|---:|
//! | a minute | 200153 | 197431 | 199867 | 202847 |
//! | **adaptive** | 1521 | 171931 | 24130 | 21972 |
//!
//! The columns on the right are the days after an upgrade from a version that did not keep the
//! first use. All keys then seem to be new, and those in use are written in the same hour of the
//! next days.
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
