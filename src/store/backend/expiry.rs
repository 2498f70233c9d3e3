//! Which credentials are reported before they expire, or once an overlap window has ended, and when.

use std::time::Duration;

use crate::{
    clock::UnixMillis,
    error::ConfigError,
    id::CredentialId,
    store::{AuditAction, AuditActor, AuditEvent, CredentialInfo, Owner, Status},
};

/// The name of the operator in audit events that no actor caused.
pub(crate) const OPERATOR: &str = "tower-api-key";

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The longest time before an expiry that can be chosen: ten years.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How long after the end of an overlap it is reported, so that a node whose clock is behind cannot
/// rotate a credential with an overlap that has already been searched.
const SETTLED: i64 = 60_000;

/// How long after the end of an overlap it is no longer reported: a week.
const FORGOTTEN: i64 = 7 * 24 * 3_600_000;

/// How long before its expiry a credential is reported. See
/// [`Manager::watch_expiry`](crate::manage::Manager::watch_expiry).
///
/// 30 days, 7 days and a day by default.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct ExpiryWatch {
    /// In milliseconds, ascending, without 0.
    thresholds: Vec<i64>,
}

/// The credentials that a store searches for one threshold, in the order of expiry, kind and id,
/// after the place that it has reached before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExpiryWindow {
    /// How long before the expiry, in milliseconds; 0 for the end of an overlap.
    pub threshold: i64,
    /// Those that expire at or before this moment are left out, even if the place that was reached
    /// is earlier: a shorter threshold has them, or it is too late.
    pub after: UnixMillis,
    /// The last moment of expiry.
    pub through: UnixMillis,
}

impl Default for ExpiryWatch {
    fn default() -> Self {
        let mut thresholds = Vec::from([1, 7, 30].map(|days| millis(days * DAY)));
        thresholds.sort_unstable();
        Self { thresholds }
    }
}

impl ExpiryWatch {
    /// Creates one with other thresholds, in any order. Without any, only the ends of overlaps are
    /// reported.
    ///
    /// # Errors
    /// [`ConfigError::InvalidThreshold`] for one below a millisecond or above ten years.
    pub fn before(thresholds: impl IntoIterator<Item = Duration>) -> Result<Self, ConfigError> {
        let valid = |threshold: Duration| match threshold {
            threshold if millis(threshold) == 0 || threshold > LONGEST => {
                Err(ConfigError::InvalidThreshold(threshold))
            }
            threshold => Ok(millis(threshold)),
        };
        let mut thresholds = thresholds
            .into_iter()
            .map(valid)
            .collect::<Result<Vec<_>, _>>()?;
        thresholds.sort_unstable();
        thresholds.dedup();
        Ok(Self { thresholds })
    }

    /// Returns what to search at `now`: first the ends of overlaps, then each threshold from
    /// the shortest to the longest.
    pub fn windows(&self, now: UnixMillis) -> impl Iterator<Item = ExpiryWindow> {
        let later = move |by: i64| UnixMillis(now.0.saturating_add(by));
        let overlaps = ExpiryWindow {
            threshold: 0,
            after: later(-FORGOTTEN),
            through: UnixMillis(now.0.saturating_sub(SETTLED)),
        };
        let shorter = [0].into_iter().chain(self.thresholds.iter().copied());
        let soon = shorter
            .zip(&self.thresholds)
            .map(move |(shorter, own)| ExpiryWindow {
                threshold: *own,
                after: later(shorter),
                through: later(*own),
            });
        [overlaps].into_iter().chain(soon)
    }
}

impl ExpiryWindow {
    /// Returns the audit event that reports a credential at `now`.
    #[must_use]
    pub fn event(
        &self,
        now: UnixMillis,
        owner: Owner,
        id: impl Into<CredentialId>,
        expires_at: UnixMillis,
        successor: Option<CredentialId>,
    ) -> AuditEvent {
        let (action, related) = match self.threshold {
            0 => (AuditAction::OverlapEnded, successor),
            _ => (AuditAction::ExpiresSoon, None),
        };
        AuditEvent {
            related,
            expires_at: Some(expires_at),
            ..AuditEvent::new(
                now,
                action,
                owner,
                id,
                AuditActor::Operator(OPERATOR.into()),
            )
        }
    }

    /// Returns whether to report `credential`, whose owner is still there. For stores that do not
    /// select in a query.
    ///
    /// A credential whose whole lifetime is shorter than the threshold is not reported, and of a
    /// rotated one only the end of its overlap.
    #[must_use]
    pub fn includes(&self, credential: &CredentialInfo) -> bool {
        let Some(expires_at) = credential.expires_at else {
            return false;
        };
        let since = |begin: UnixMillis| expires_at.0.saturating_sub(begin.0);
        self.after < expires_at
            && expires_at <= self.through
            && credential.status == Status::Active
            && match (self.threshold, credential.rotated_at) {
                (0, rotated_at) => rotated_at.is_some_and(|begin| since(begin) > 0),
                (_, Some(_)) => false,
                (threshold, None) => since(credential.created_at) >= threshold,
            }
    }
}

fn millis(time: Duration) -> i64 {
    time.as_millis().try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn bounds(watch: &ExpiryWatch) -> Vec<(i64, i64, i64)> {
        let relative = |moment: UnixMillis| moment.0.saturating_sub(NOW.0);
        watch
            .windows(NOW)
            .map(|window| {
                (
                    window.threshold,
                    relative(window.after),
                    relative(window.through),
                )
            })
            .skip(1)
            .collect()
    }

    #[test]
    fn each_expiry_is_in_the_window_of_one_threshold() {
        let day = 86_400_000;
        assert_eq!(
            bounds(&ExpiryWatch::default()),
            [
                (day, 0, day),
                (7 * day, day, 7 * day),
                (30 * day, 7 * day, 30 * day)
            ]
        );
        let seconds = [5, 1, 5].map(Duration::from_secs);
        let watch = ExpiryWatch::before(seconds).unwrap();
        assert_eq!(bounds(&watch), [(1000, 0, 1000), (5000, 1000, 5000)]);
        let overlaps = watch.windows(NOW).next().unwrap();
        assert_eq!(overlaps.after.0, NOW.0 - 7 * day);
        assert_eq!(
            (overlaps.threshold, overlaps.through.0),
            (0, NOW.0 - 60_000)
        );
        assert_eq!(bounds(&ExpiryWatch::before([]).unwrap()), []);
    }

    #[test]
    fn a_threshold_is_between_a_millisecond_and_ten_years() {
        let millisecond = Duration::from_millis(1);
        for valid in [millisecond, LONGEST] {
            assert!(ExpiryWatch::before([valid]).is_ok());
        }
        for wrong in [millisecond - Duration::from_nanos(1), LONGEST + millisecond] {
            let refused = ExpiryWatch::before([DAY, wrong]);
            assert_eq!(refused, Err(ConfigError::InvalidThreshold(wrong)));
        }
    }

    #[test]
    fn a_lifetime_below_the_threshold_is_not_reported() {
        let watch = ExpiryWatch::before([Duration::from_millis(100)]).unwrap();
        let soon = watch.windows(NOW).last().unwrap();
        let key = |lives: i64| CredentialInfo {
            expires_at: Some(UnixMillis(NOW.0 + 50)),
            ..CredentialInfo::new(
                "k",
                Owner::Organization("o".into()),
                UnixMillis(NOW.0 + 50 - lives),
            )
        };
        assert!(soon.includes(&key(100)));
        assert!(!soon.includes(&key(99)));
        let mut disabled = key(100);
        disabled.status = Status::Disabled;
        let mut rotated = key(100);
        rotated.rotated_at = Some(NOW);
        let mut lasting = key(100);
        lasting.expires_at = None;
        let mut later = key(100);
        later.expires_at = Some(UnixMillis(NOW.0 + 101));
        for other in [disabled, rotated, lasting, later] {
            assert!(!soon.includes(&other), "{other:?}");
        }
    }

    #[test]
    fn the_end_of_an_overlap_is_reported_once_it_is_over() {
        let overlaps = ExpiryWatch::default().windows(NOW).next().unwrap();
        let mut old = CredentialInfo::new("k", Owner::Organization("o".into()), UnixMillis(0));
        let end = UnixMillis(NOW.0 - 60_000);
        (old.rotated_at, old.expires_at) = (Some(UnixMillis(end.0 - 1)), Some(end));
        assert!(overlaps.includes(&old));
        let long_ago = UnixMillis(NOW.0 - FORGOTTEN);
        for (rotated_at, expires_at) in [
            (None, end),
            (Some(UnixMillis(long_ago.0 - 1)), long_ago),
            (Some(end), end), // had expired before
            (Some(UnixMillis(0)), UnixMillis(end.0 + 1)),
        ] {
            (old.rotated_at, old.expires_at) = (rotated_at, Some(expires_at));
            assert!(!overlaps.includes(&old), "{old:?}");
        }
    }
}
