//! Dates and durations as people write them: `2027-01-01`, `2027-01-01T09:00:00+01:00`, `30d`.

use std::time::Duration;

use jiff::{Span, Timestamp, ZonedDateTime, civil, tz::TimeZone};
use tower_api_key::clock::UnixMillis;

/// A text that is neither a date nor a duration, or one that is out of range.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidMoment {
    #[error(
        "use a date such as 2027-01-01 (00:00 UTC) or 2027-01-01T09:00:00+01:00, or a duration \
         such as 30d or 12h"
    )]
    NotMoment,
    #[error("use a duration such as 30d, 12h or 1y6mo")]
    NotDuration,
    #[error("it is out of range")]
    OutOfRange,
}

/// When something ends: at a moment, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expiry(pub(crate) Option<UnixMillis>);

/// How long something is kept; `None` is forever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept(pub(crate) Option<Duration>);

/// Parses an expiry: `never`, a date, or a duration from now on.
pub(crate) fn expiry(text: &str) -> Result<Expiry, InvalidMoment> {
    match text {
        "never" => Ok(Expiry(None)),
        text => Ok(Expiry(Some(ahead(text)?))),
    }
}

/// Parses how long something is kept: `forever`, or a duration.
pub(crate) fn kept(text: &str) -> Result<Kept, InvalidMoment> {
    match text {
        "forever" => Ok(Kept(None)),
        text => Ok(Kept(Some(duration(text)?))),
    }
}

/// Parses a date, or a duration from now on.
pub(crate) fn ahead(text: &str) -> Result<UnixMillis, InvalidMoment> {
    date(text).map_or_else(|| after(&now(), span(text)?), Ok)
}

/// Parses a date, or a duration before now.
pub(crate) fn ago(text: &str) -> Result<UnixMillis, InvalidMoment> {
    date(text).map_or_else(|| after(&now(), span(text)?.negate()), Ok)
}

/// Parses a duration. Months and years are counted from now on.
pub(crate) fn duration(text: &str) -> Result<Duration, InvalidMoment> {
    let (now, span) = (now(), span(text).map_err(|_| InvalidMoment::NotDuration)?);
    let end = now
        .checked_add(span)
        .map_err(|_| InvalidMoment::OutOfRange)?;
    let length = end.duration_since(&now);
    length.try_into().map_err(|_| InvalidMoment::NotDuration)
}

/// Parses a date with a time, or a day at 00:00 UTC.
pub(crate) fn date(text: &str) -> Option<UnixMillis> {
    let timestamp = text.parse::<Timestamp>().ok().or_else(|| {
        let day = text.parse::<civil::Date>().ok()?;
        Some(day.to_zoned_datetime(TimeZone::UTC).ok()?.timestamp())
    });
    timestamp.map(|at| UnixMillis(at.as_millisecond()))
}

/// Returns a moment as RFC 3339 writes it, in UTC.
pub(crate) fn show(at: UnixMillis) -> String {
    Timestamp::from_millisecond(at.0).map_or_else(|_| at.to_string(), |at| at.to_string())
}

/// Returns a moment to the second, for tables.
pub(crate) fn show_short(at: UnixMillis) -> String {
    show(UnixMillis(at.0.div_euclid(1000).saturating_mul(1000)))
}

fn now() -> ZonedDateTime {
    Timestamp::now().to_zoned_datetime(TimeZone::UTC)
}

fn span(text: &str) -> Result<Span, InvalidMoment> {
    let span = text.parse::<Span>().map_err(|_| InvalidMoment::NotMoment)?;
    match span.is_negative() {
        true => Err(InvalidMoment::NotMoment),
        false => Ok(span),
    }
}

fn after(now: &ZonedDateTime, span: Span) -> Result<UnixMillis, InvalidMoment> {
    let end = now
        .checked_add(span)
        .map_err(|_| InvalidMoment::OutOfRange)?;
    Ok(UnixMillis(end.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_a_day_in_utc_or_names_its_offset() {
        for (text, millis) in [
            ("2026-01-01", 1_767_225_600_000),
            ("2026-01-01T00:00:00Z", 1_767_225_600_000),
            ("2026-01-01T01:00:00+01:00", 1_767_225_600_000),
            ("2026-01-01T00:00:00.5Z", 1_767_225_600_500),
        ] {
            assert_eq!(date(text), Some(UnixMillis(millis)), "{text}");
        }
    }

    #[test]
    fn a_duration_is_counted_from_now() {
        let day = 24 * 3600;
        for (text, seconds) in [
            ("30d", 30 * day),
            ("1w", 7 * day),
            ("90m", 5400),
            ("36h", 36 * 3600),
        ] {
            assert_eq!(
                duration(text).unwrap(),
                Duration::from_secs(seconds),
                "{text}"
            );
        }
        let (before, end) = (now(), ahead("1d").unwrap());
        let begun = before.timestamp().as_millisecond() + 24 * 3600 * 1000;
        assert!(end.0 >= begun && ago("1d").unwrap().0 < before.timestamp().as_millisecond());
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "soon",
            "-3d",
            "2026-13-01",
            "1767225600000",
            "10000000y",
        ] {
            assert!(ahead(text).is_err() && duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn never_and_forever_are_words() {
        assert_eq!(expiry("never").unwrap(), Expiry(None));
        assert_eq!(kept("forever").unwrap(), Kept(None));
        assert!(expiry("forever").is_err() && kept("never").is_err());
    }

    #[test]
    fn a_moment_is_shown_in_utc() {
        assert_eq!(
            show(UnixMillis(1_767_225_600_500)),
            "2026-01-01T00:00:00.5Z"
        );
        assert_eq!(
            show_short(UnixMillis(1_767_225_600_500)),
            "2026-01-01T00:00:00Z"
        );
        assert_eq!(show(UnixMillis(i64::MAX)), "9223372036854775807 ms");
    }
}
