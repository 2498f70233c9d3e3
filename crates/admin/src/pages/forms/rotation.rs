//! A rotation as somebody fills it in.

use std::time::Duration;

use tower_api_key::{
    clock::UnixMillis,
    manage::Rotation,
    store::{CredentialInfo, EffectiveStatus},
};

use super::{ExpiryDraft, InputError, Stamp, expiry::Expiry};
use crate::pages::fields::{Fields, Query};

/// How long the old credential can stay valid, in seconds.
pub(in crate::pages) const OVERLAPS: [u64; 4] = [0, 3_600, 24 * 3_600, 7 * 24 * 3_600];

/// The overlap that is selected when the form is opened: programs can be changed within a day.
const DEFAULT: &str = "86400";

/// What is filled in for a rotation.
#[derive(Clone, Debug)]
pub(in crate::pages) struct RotationDraft {
    /// How long the old credential stays valid, in seconds.
    pub(in crate::pages) overlap: String,
    pub(in crate::pages) expiry: ExpiryDraft,
}

impl RotationDraft {
    /// Reads what is filled in; without fields, the form for `old` as it is when it is opened. The
    /// successor then expires as the old one would, unless that is over.
    pub(in crate::pages) fn read(fields: &Fields, old: &CredentialInfo, now: UnixMillis) -> Self {
        let expiry = match old.effective_status(now) {
            EffectiveStatus::Expired => ExpiryDraft::read_new(fields),
            _ => ExpiryDraft::read(fields, "same"),
        };
        let overlap = fields.get("overlap").unwrap_or(DEFAULT).to_owned();
        Self { overlap, expiry }
    }

    /// Adds it to a query: the form at that URL is filled in.
    pub(in crate::pages) fn add_to(&self, query: Query) -> Query {
        self.expiry
            .add_to(query.with_text("overlap", &self.overlap))
    }

    /// Returns the overlap.
    pub(in crate::pages) fn overlap(&self) -> Result<Duration, InputError> {
        let chosen = |one: &u64| one.to_string() == self.overlap;
        let chosen = OVERLAPS.into_iter().find(chosen);
        chosen
            .map(Duration::from_secs)
            .ok_or(InputError::InvalidOverlap)
    }

    /// Returns what the manager is asked for.
    ///
    /// # Errors
    /// [`InputError`] if that does not follow from what is filled in.
    pub(in crate::pages) fn request(
        &self,
        stamp: &Stamp,
        now: UnixMillis,
    ) -> Result<Rotation, InputError> {
        let rotation = Rotation::default()
            .with_overlap(self.overlap()?)
            .with_idempotency_key(stamp.as_str());
        Ok(match self.expiry.expiry(stamp.opened_at(), now)? {
            Expiry::Same => rotation,
            Expiry::At(end) => rotation.expiring_at(end),
        })
    }
}
