//! What the fuzz targets share: a small world of credentials, an independent decision about a
//! request, and the checks of a refusal.
//!
//! Nothing here uses the code under test to say what that code should do. The rules are written
//! from the protocol, slowly and plainly, so that a mistake in one is not repeated in the other.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod counting;
pub mod grammar;
pub mod management;
pub mod networks;
pub mod oracle;
pub mod refusal;
pub mod request;
pub mod rows;
pub mod runtime;
pub mod sqlite;
pub mod unicode;
pub mod world;
