//! The background tasks.

use super::{Changed, Checked, Run, Site};
use crate::{
    history::attributes::thresholds,
    model::{Kind, Millis, Owner},
};

const HOUR: Millis = 3_600_000;

impl<S: Site> Run<'_, S> {
    /// The thresholds of another node, or of this one before, may have been others.
    pub(super) async fn watch_expiry(&mut self, at: usize, thresholds: u8) -> Checked {
        let thresholds = self::thresholds(thresholds);
        let got = self.node(at)?.watch_expiry(&thresholds).await;
        let expected = self.world.watch_expiry(self.now(at), &thresholds);
        self.agree("reported", at, expected, got).await
    }

    pub(super) async fn expire_unused(&mut self, at: usize, kind: Kind, days: u8) -> Checked {
        let unused_for = Millis::from(days) * 24 * HOUR;
        let got = self.node(at)?.expire_unused(kind, unused_for).await;
        let expected = self.world.expire_unused(self.now(at), kind, unused_for);
        self.changed(at, &Changed::Anything);
        self.agree("expired", at, expected, got).await
    }

    /// A removed credential was refused before, but for another reason.
    pub(super) async fn sweep(&mut self, at: usize, hours: u8) -> Checked {
        let age = Millis::from(hours) * HOUR;
        let got = self.node(at)?.sweep(age).await;
        let expected = self.world.sweep(self.now(at), age);
        self.changed(at, &Changed::Anything);
        self.agree("removed", at, expected, got).await
    }

    /// Compares how many there were, and everything about every owner afterwards.
    async fn agree(
        &mut self,
        what: &str,
        at: usize,
        expected: usize,
        got: Option<usize>,
    ) -> Checked {
        if got != Some(expected) {
            return Err(format!("{what}\nmodel: {expected}\nstore: {got:?}"));
        }
        let owners: Vec<Owner> = self.world.owners().collect();
        let mut world = self.world.clone();
        self.compare(at, &mut world, &owners).await
    }
}
