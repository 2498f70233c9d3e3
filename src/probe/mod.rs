//! What the module `testing::routes` sends through a service to find out which layers are on a
//! route. Without the feature `testing`, a probe cannot exist and nothing here leaves a trace in
//! the program.
//!
//! A probe is an extension of a request, which no client can send. Each layer of this crate that
//! receives one adds a note of itself and then neither decides nor refuses: it passes the request
//! on if another layer of this crate is further in, and otherwise holds it, so that its response
//! never comes. That is why no handler behind a layer runs. An `EveryRouteDecidesLayer`, and
//! an `AllowedOriginsLayer` with an empty list, holds a probe in the same way, and adds no note.
//!
//! Whether another layer is further in shows when the inner service is cloned, because the clones
//! of this crate's services are counted ([`Tag`]). The count is only a hint where to stop. What is
//! on the route is read from the notes alone, and a note is added only by a layer that was reached.

#[cfg(not(feature = "testing"))]
mod disabled;
#[cfg(feature = "testing")]
mod enabled;

#[cfg(not(feature = "testing"))]
pub(crate) use disabled::{Held, Probe, Tag};
#[cfg(feature = "testing")]
pub(crate) use enabled::{Held, Note, Probe, Tag};
