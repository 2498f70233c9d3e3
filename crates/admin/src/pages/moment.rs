//! Dates and times in UTC, for people and for the script, which shows them in the local time zone.

use jiff::{Timestamp, civil, tz::Offset};
use tower_api_key::clock::UnixMillis;

/// A day, in milliseconds.
pub(super) const DAY: i64 = 24 * HOUR;

/// An hour, in milliseconds.
pub(super) const HOUR: i64 = 60 * MINUTE;

/// A minute, in milliseconds.
pub(super) const MINUTE: i64 = 60_000;

/// A day of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Date(civil::Date);

impl Date {
    /// Returns the day of a moment in UTC.
    pub(super) fn of(moment: UnixMillis) -> Self {
        Self(Offset::UTC.to_datetime(timestamp(moment)).date())
    }

    /// Parses `YYYY-MM-DD`, as a date field sends it. A day that the month does not have is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let date = Self(civil::Date::strptime(FORMAT, text).ok()?);
        Some(date).filter(|date| date.text() == text) // "2023-4-1" is read, too
    }

    /// Returns when its last minute begins in UTC: 23:59.
    pub(super) fn last_minute(self) -> UnixMillis {
        let last = Offset::UTC.to_timestamp(self.0.at(23, 59, 0, 0));
        UnixMillis(last.unwrap_or(Timestamp::MAX).as_millisecond())
    }

    /// Returns the day after; the last one of the calendar has none.
    pub(super) fn next(self) -> Self {
        Self(self.0.tomorrow().unwrap_or(self.0))
    }

    /// Writes `YYYY-MM-DD`.
    pub(super) fn text(self) -> String {
        self.0.strftime(FORMAT).to_string()
    }
}

/// How a date field has a day (HTML, "valid date string").
const FORMAT: &str = "%Y-%m-%d";

/// Writes a moment for people: `2023-11-14 22:13 UTC`.
pub(super) fn text(moment: UnixMillis) -> String {
    timestamp(moment).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Writes a moment for programs (RFC 3339).
pub(super) fn machine_text(moment: UnixMillis) -> String {
    timestamp(moment).to_string()
}

/// Returns the moment, or the first or last one of the calendar if it lies outside.
fn timestamp(moment: UnixMillis) -> Timestamp {
    let outside = match moment.0 < 0 {
        true => Timestamp::MIN,
        false => Timestamp::MAX,
    };
    Timestamp::from_millisecond(moment.0).unwrap_or(outside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_the_calendar_has_them() {
        for (millis, people, programs) in [
            (0, "1970-01-01 00:00 UTC", "1970-01-01T00:00:00Z"),
            (
                1_700_000_000_123,
                "2023-11-14 22:13 UTC",
                "2023-11-14T22:13:20.123Z",
            ),
            (
                951_782_399_999,
                "2000-02-28 23:59 UTC",
                "2000-02-28T23:59:59.999Z",
            ),
            (
                951_782_400_000,
                "2000-02-29 00:00 UTC",
                "2000-02-29T00:00:00Z",
            ),
            (
                4_107_542_400_000,
                "2100-03-01 00:00 UTC",
                "2100-03-01T00:00:00Z",
            ),
            (-1, "1969-12-31 23:59 UTC", "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(text(UnixMillis(millis)), people);
            assert_eq!(machine_text(UnixMillis(millis)), programs);
        }
    }

    #[test]
    fn every_day_is_read_back_and_every_moment_has_a_text() {
        for day in 0..80_000 {
            let date = Date::of(UnixMillis(day * DAY));
            assert_eq!(Date::parse(&date.text()), Some(date));
            assert_eq!(date.last_minute(), UnixMillis((day + 1) * DAY - MINUTE));
            assert_eq!(date.next(), Date::of(UnixMillis((day + 1) * DAY)));
        }
        for extreme in [i64::MIN, i64::MAX].map(UnixMillis) {
            assert!(text(extreme).ends_with(" UTC"));
            assert!(machine_text(extreme).ends_with('Z'));
            let _ = Date::of(extreme).next().last_minute();
        }
    }

    #[test]
    fn what_is_not_a_day_is_refused() {
        for text in [
            "",
            "2023",
            "2023-11",
            "2023-11-14-01",
            "2023-11-14T00:00",
            "2023-13-01",
            "2023-00-10",
            "2023-02-29",
            "2023-04-31",
            "2023-4-01",
            "+023-04-01",
            "2023-04-00",
            "23-04-01",
            " 2023-04-01",
        ] {
            assert_eq!(Date::parse(text), None, "{text:?}");
        }
        assert!(Date::parse("2024-02-29").is_some());
    }
}
