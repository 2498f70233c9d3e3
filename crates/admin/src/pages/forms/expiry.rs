//! When a credential expires, as a form has it: a number of days, never, or a day.

use tower_api_key::clock::UnixMillis;

use super::InputError;
use crate::pages::{
    fields::{Fields, Query},
    moment::{DAY, Date, HOUR},
};

/// The lifetimes that can be chosen, in days.
pub(in crate::pages) const PRESETS: [i64; 5] = [1, 7, 30, 90, 365];

/// The lifetime that is selected when a form is opened.
const DEFAULT: &str = "30";

/// The name of the field in which the script puts when the chosen day ends. It is not taken from a
/// URL: without the script the page would say another moment.
pub(in crate::pages) const ENDS_AT: &str = "ends_at";

/// What is filled in about the expiry.
#[derive(Clone, Debug)]
pub(in crate::pages) struct ExpiryDraft {
    /// A number of days, `never`, `custom`, or `same` in a rotation.
    pub(in crate::pages) choice: String,
    /// The day that `custom` means, as `YYYY-MM-DD`.
    pub(in crate::pages) date: String,
    /// When that day ends in the browser's time zone, in milliseconds since 1970. The script fills
    /// it in; without one it is empty, and the day ends in UTC.
    pub(in crate::pages) ends_at: String,
}

/// When a credential is to expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    /// When its predecessor would have.
    Same,
    /// Then; `None`: never.
    At(Option<UnixMillis>),
}

impl ExpiryDraft {
    /// Reads what is filled in. What is absent is as in a form that was just opened, where
    /// `otherwise` is selected.
    pub(super) fn read(fields: &Fields, otherwise: &str) -> Self {
        Self {
            choice: fields.get("expiry").unwrap_or(otherwise).to_owned(),
            date: fields.text("date"),
            ends_at: fields.text(ENDS_AT),
        }
    }

    /// The same in a form where 30 days are selected.
    pub(super) fn read_new(fields: &Fields) -> Self {
        Self::read(fields, DEFAULT)
    }

    /// Adds it to a query that fills in a form.
    pub(super) fn add_to(&self, query: Query) -> Query {
        query
            .with_text("expiry", &self.choice)
            .with_text("date", &self.date)
    }

    /// Returns when the credential is to expire. A number of days counts from `opened_at`.
    pub(super) fn expiry(
        &self,
        opened_at: UnixMillis,
        now: UnixMillis,
    ) -> Result<Expiry, InputError> {
        match self.choice.as_str() {
            "same" => Ok(Expiry::Same),
            "never" => Ok(Expiry::At(None)),
            "custom" => Ok(Expiry::At(Some(self.day(now)?))),
            days => {
                let preset = |one: &i64| one.to_string() == days;
                let days = PRESETS.into_iter().find(preset);
                let days = days.ok_or(InputError::InvalidExpiry)?;
                let end = opened_at.0.saturating_add(days * DAY);
                Ok(Expiry::At(Some(UnixMillis(end))))
            }
        }
    }

    /// Returns the last minute of the chosen day: where the browser is, as the script has it, or in
    /// UTC. The day must be after today, there.
    fn day(&self, now: UnixMillis) -> Result<UnixMillis, InputError> {
        let date = Date::parse(&self.date).ok_or(InputError::InvalidDate)?;
        let in_utc = date.last_minute();
        let end = match self.ends_at.as_str() {
            "" => in_utc,
            millis => UnixMillis(millis.parse().map_err(|_| InputError::InvalidDate)?),
        };
        let ahead_of_utc = in_utc.0.saturating_sub(end.0);
        if !(-12 * HOUR..=14 * HOUR).contains(&ahead_of_utc) {
            return Err(InputError::InvalidDate); // no zone is further away
        }
        let today = Date::of(UnixMillis(now.0.saturating_add(ahead_of_utc)));
        match date > today {
            true => Ok(end),
            false => Err(InputError::PastDate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2023-11-14T22:13:20Z.
    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    fn draft(choice: &str, date: &str, ends_at: &str) -> ExpiryDraft {
        let [choice, date, ends_at] = [choice, date, ends_at].map(str::to_owned);
        ExpiryDraft {
            choice,
            date,
            ends_at,
        }
    }

    #[test]
    fn a_lifetime_counts_from_when_the_form_was_opened() {
        for (choice, expiry) in [
            ("1", Ok(Expiry::At(Some(UnixMillis(NOW.0 + DAY))))),
            ("365", Ok(Expiry::At(Some(UnixMillis(NOW.0 + 365 * DAY))))),
            ("never", Ok(Expiry::At(None))),
            ("same", Ok(Expiry::Same)),
            ("2", Err(InputError::InvalidExpiry)),
            ("", Err(InputError::InvalidExpiry)),
            ("+1", Err(InputError::InvalidExpiry)),
            ("custom", Err(InputError::InvalidDate)),
        ] {
            let later = UnixMillis(NOW.0 + 3_600_000);
            assert_eq!(draft(choice, "", "").expiry(NOW, later), expiry, "{choice}");
        }
        assert_eq!(ExpiryDraft::read_new(&Fields::default()).choice, "30");
    }

    #[test]
    fn a_day_ends_where_the_browser_is() {
        let day = |date: &str| Date::parse(date).unwrap().last_minute().0;
        for (date, ahead, end) in [
            ("2023-11-15", None, Ok(0)), // UTC
            ("2023-11-14", None, Err(InputError::PastDate)),
            // Pacific/Auckland, where it is 11:13 on the 15th.
            ("2023-11-15", Some(13), Err(InputError::PastDate)),
            ("2023-11-16", Some(13), Ok(13)),
            // America/Los_Angeles, where it is 14:13 on the 14th.
            ("2023-11-14", Some(-8), Err(InputError::PastDate)),
            ("2023-11-15", Some(-8), Ok(-8)),
            ("2023-11-16", Some(15), Err(InputError::InvalidDate)),
            ("2023-11-16", Some(-13), Err(InputError::InvalidDate)),
        ] {
            let ends_at = ahead.map(|hours| (day(date) - hours * HOUR).to_string());
            let draft = draft("custom", date, &ends_at.unwrap_or_default());
            let wanted = end.map(|hours| UnixMillis(day(date) - hours * HOUR));
            assert_eq!(draft.day(NOW), wanted, "{date} {ahead:?}");
        }
        for ends_at in ["x", "1.5", &i64::MIN.to_string(), &i64::MAX.to_string()] {
            let draft = draft("custom", "2023-11-16", ends_at);
            assert_eq!(draft.day(NOW), Err(InputError::InvalidDate), "{ends_at}");
        }
    }
}
