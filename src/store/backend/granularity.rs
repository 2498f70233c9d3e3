//! How far apart the recorded uses of a credential are.

use std::time::Duration;

use crate::{clock::UnixMillis, error::ConfigError};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The shortest time between two recorded uses that can be chosen.
const LEAST: Duration = Duration::from_secs(1);

/// How far apart the recorded uses of one credential are.
///
/// The first use of a credential is recorded in any case, and so is what each round writes of one
/// that was rotated, so that you see whether it is still in use. Any other later one is recorded if it comes late
/// enough after the recorded one, so [`last_used_at`](crate::store::CredentialInfo::last_used_at)
/// is that much behind at most.
///
/// [Adaptive](Self::adaptive) by default: someone who waits for the first use of a new key sees it
/// to the minute, and a key that is used all the time costs one write a day.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use tower_api_key::{ConfigError, manage::Manager, store::{Granularity, MemoryStore}};
///
/// let hourly = Granularity::every(Duration::from_secs(3600))?;
/// let manager = Manager::new(MemoryStore::new()).with_use_granularity(hourly);
/// # Ok::<(), ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[must_use]
pub struct Granularity(Option<i64>);

impl Granularity {
    /// Creates one that grows with the time since the first use: a minute within the first hour,
    /// an hour within the first day, and a day after that.
    pub const fn adaptive() -> Self {
        Self(None)
    }

    /// Creates one that is always `time`, rounded down to a millisecond. The shorter it is, the
    /// more rows the recorder writes.
    ///
    /// # Errors
    /// [`ConfigError::GranularityTooFine`] below a second.
    pub fn every(time: Duration) -> Result<Self, ConfigError> {
        match time < LEAST {
            true => Err(ConfigError::GranularityTooFine(time)),
            false => Ok(Self(Some(time.as_millis().try_into().unwrap_or(i64::MAX)))),
        }
    }

    /// Returns the fixed time in milliseconds; `None` if it is [adaptive](Self::adaptive). For
    /// stores that decide in a statement of their own.
    #[must_use]
    pub const fn fixed_millis(self) -> Option<i64> {
        self.0
    }

    /// Returns the time in milliseconds after which a use at `now` is recorded again, of a
    /// credential that was first used at `first`.
    #[must_use]
    pub fn millis_at(self, now: UnixMillis, first: UnixMillis) -> i64 {
        let age = now.0.saturating_sub(first.0);
        self.0.unwrap_or(match age {
            DAY.. => DAY,
            HOUR.. => HOUR,
            _ => MINUTE,
        })
    }

    /// Returns how often the collected uses are written: every minute, or as often as it says if
    /// that is shorter.
    pub(crate) fn round(self) -> Duration {
        Duration::from_millis(self.0.unwrap_or(MINUTE).min(MINUTE).unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adaptive_granularity_grows_with_the_time_since_the_first_use() {
        let first = UnixMillis(1_000_000);
        for (age, expected) in [
            (i64::MIN, MINUTE),
            (-1, MINUTE),
            (0, MINUTE),
            (HOUR - 1, MINUTE),
            (HOUR, HOUR),
            (DAY - 1, HOUR),
            (DAY, DAY),
            (i64::MAX, DAY),
        ] {
            let now = UnixMillis(first.0.saturating_add(age));
            assert_eq!(
                Granularity::adaptive().millis_at(now, first),
                expected,
                "{age}"
            );
        }
    }

    #[test]
    fn a_fixed_granularity_is_the_same_at_any_age_and_a_second_at_least() {
        for (time, millis, round) in [
            (Duration::from_secs(1), 1_000, 1_000),
            (Duration::from_secs(60), 60_000, 60_000),
            (Duration::from_secs(3600), HOUR, 60_000),
            (Duration::MAX, i64::MAX, 60_000),
        ] {
            let fixed = Granularity::every(time).unwrap();
            assert_eq!(fixed.fixed_millis(), Some(millis));
            for now in [0, HOUR, DAY] {
                assert_eq!(fixed.millis_at(UnixMillis(now), UnixMillis(0)), millis);
            }
            assert_eq!(fixed.round(), Duration::from_millis(round));
        }
        let finer = Duration::from_millis(999);
        let refused = Granularity::every(finer).unwrap_err();
        assert_eq!(refused, ConfigError::GranularityTooFine(finer));
    }
}
