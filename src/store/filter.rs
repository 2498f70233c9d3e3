//! Filters: which credentials a list returns.

use super::{CredentialInfo, EffectiveStatus};
use crate::clock::UnixMillis;

/// Which credentials a list returns. The default is all that are not deleted.
///
/// ```
/// use tower_api_key::{clock::UnixMillis, store::Filter};
///
/// // Keys to ask their owners about: not used since the first of January.
/// let mut idle = Filter::default();
/// idle.unused_since = Some(UnixMillis(1_767_225_600_000));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[must_use]
pub struct Filter {
    /// Only those in this state.
    pub state: Option<EffectiveStatus>,
    /// Only those that expire before this time, including those already expired.
    pub expiring_before: Option<UnixMillis>,
    /// Only those not used since this time and created before it.
    pub unused_since: Option<UnixMillis>,
    /// Only those whose name contains this text. Letters of ASCII match in either case.
    pub name: Option<Box<str>>,
    /// Only those whose metadata has this pair.
    pub metadata: Option<(Box<str>, Box<str>)>,
}

impl Filter {
    /// Limits the list to credentials in this state.
    pub fn with_state(self, state: impl Into<Option<EffectiveStatus>>) -> Self {
        Self {
            state: state.into(),
            ..self
        }
    }

    /// Limits the list to credentials that expire before `moment`.
    pub fn with_expiring_before(self, moment: impl Into<Option<UnixMillis>>) -> Self {
        Self {
            expiring_before: moment.into(),
            ..self
        }
    }

    /// Limits the list to credentials that were created before `moment` and not used since.
    /// Recorded uses may be [behind](super::CredentialInfo::last_used_at), by default up to a day:
    /// name a moment longer ago.
    pub fn with_unused_since(self, moment: impl Into<Option<UnixMillis>>) -> Self {
        Self {
            unused_since: moment.into(),
            ..self
        }
    }

    /// Limits the list to credentials whose name contains `text`. Letters of ASCII match in either
    /// case, all others as they are.
    pub fn with_name(self, text: impl Into<Box<str>>) -> Self {
        Self {
            name: Some(text.into()),
            ..self
        }
    }

    /// Limits the list to credentials whose metadata has this value under this key.
    pub fn with_metadata(self, key: impl Into<Box<str>>, value: impl Into<Box<str>>) -> Self {
        Self {
            metadata: Some((key.into(), value.into())),
            ..self
        }
    }

    /// Returns whether `credential` matches at `now`. For stores that do not filter by themselves.
    #[must_use]
    pub fn shows(&self, credential: &CredentialInfo, now: UnixMillis) -> bool {
        let state = credential.effective_status(now);
        let created = credential.created_at;
        let used = credential
            .last_used_at
            .map_or(created, |used| used.max(created));
        self.state
            .map_or(state != EffectiveStatus::Deleted, |wanted| wanted == state)
            && self
                .expiring_before
                .is_none_or(|moment| credential.expires_at.is_some_and(|end| end < moment))
            && self.unused_since.is_none_or(|moment| used < moment)
            && self.name.as_ref().is_none_or(|text| {
                let name = credential.name.to_ascii_lowercase();
                name.contains(&text.to_ascii_lowercase())
            })
            && self.metadata.as_ref().is_none_or(|(key, value)| {
                credential.attributes.metadata.get(key) == Some(&**value)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Owner, Status};

    fn credential(
        status: Status,
        expires_at: Option<i64>,
        last_used_at: Option<i64>,
    ) -> CredentialInfo {
        CredentialInfo {
            status,
            created_at: UnixMillis(10),
            expires_at: expires_at.map(UnixMillis),
            last_used_at: last_used_at.map(UnixMillis),
            ..CredentialInfo::new("id", Owner::Organization("org_test".into()), UnixMillis(0))
        }
    }

    #[test]
    fn a_filter_by_state_shows_that_state_alone_and_keeps_the_other_conditions() {
        use Status::{Active, Deleted, Disabled};
        let credentials = [
            credential(Active, Some(20), None),
            credential(Disabled, Some(20), None),
            credential(Active, Some(5), None),
            credential(Deleted, Some(20), None),
        ];
        let now = UnixMillis(10);
        let shown = |filter: &Filter| credentials.each_ref().map(|one| filter.shows(one, now));
        let any = Filter::default();
        assert_eq!(shown(&any), [true, true, true, false]);
        assert_eq!(shown(&any.clone().with_state(None)), shown(&any));
        for (state, wanted) in [
            (EffectiveStatus::Active, [true, false, false, false]),
            (EffectiveStatus::Disabled, [false, true, false, false]),
            (EffectiveStatus::Expired, [false, false, true, false]),
            (EffectiveStatus::Deleted, [false, false, false, true]),
        ] {
            let stated = any.clone().with_state(state);
            assert_eq!(shown(&stated), wanted, "{state:?}");
            let soon = stated.with_expiring_before(UnixMillis(6));
            let expired = state == EffectiveStatus::Expired;
            assert_eq!(shown(&soon), [false, false, expired, false], "{state:?}");
        }
    }

    #[test]
    fn a_filter_by_name_shows_names_that_contain_the_text() {
        let mut named = credential(Status::Active, None, None);
        named.name = "CI d\u{c9}ploy_1".into();
        for (text, shown) in [
            ("", true),
            ("ci", true),
            ("I D", true),
            ("d\u{c9}PLOY", true),
            ("d\u{e9}ploy", false),
            ("_1", true),
            ("%", false),
            ("deploy", false),
        ] {
            let filter = Filter::default().with_name(text);
            assert_eq!(filter.shows(&named, UnixMillis(0)), shown, "{text}");
        }
    }

    #[test]
    fn a_filter_by_metadata_shows_what_has_the_pair() {
        let mut tagged = credential(Status::Active, None, None);
        let pairs = crate::store::Metadata::new([("team", "red"), ("stage", "blue")]);
        tagged.attributes.metadata = pairs.unwrap();
        for (key, value, shown) in [
            ("team", "red", true),
            ("team", "blue", false),
            ("stage", "blue", true),
            ("other", "red", false),
        ] {
            let filter = Filter::default().with_metadata(key, value);
            assert_eq!(filter.shows(&tagged, UnixMillis(0)), shown, "{key}={value}");
        }
    }

    #[test]
    fn a_filter_is_exact_to_the_millisecond() {
        let shows = |filter: &Filter, expires_at, used_at| {
            filter.shows(
                &credential(Status::Active, expires_at, used_at),
                UnixMillis(0),
            )
        };
        let expiring = Filter::default().with_expiring_before(UnixMillis(50));
        for (expires_at, shown) in [(None, false), (Some(49), true), (Some(50), false)] {
            assert_eq!(
                shows(&expiring, expires_at, None),
                shown,
                "expires at {expires_at:?}"
            );
        }
        let unused = |since| Filter::default().with_unused_since(UnixMillis(since));
        for (used_at, since, shown) in [
            (None, 10, false),
            (None, 11, true),
            (Some(20), 20, false),
            (Some(20), 21, true),
            (Some(20), 15, false),
        ] {
            assert_eq!(
                shows(&unused(since), None, used_at),
                shown,
                "used at {used_at:?}, since {since}"
            );
        }
    }
}
