//! Headers of responses that tell callers when their credential ends, under names that the service
//! chooses.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use crate::{
    clock::{Clock, UnixMillis},
    store::Record,
};

/// Header fields to set in a response.
pub(crate) type Fields = Vec<(HeaderName, HeaderValue)>;

/// The headers, and which callers get them. By default there are none.
#[derive(Clone, Debug, Default)]
pub(crate) struct EndNotices {
    /// For credentials that expire within this time.
    pub(crate) expiry: Option<(HeaderName, Duration)>,
    /// For credentials that were rotated.
    pub(crate) rotation: Option<HeaderName>,
}

impl EndNotices {
    /// Returns whether there are none.
    #[inline]
    pub(crate) fn are_off(&self) -> bool {
        self.expiry.is_none() && self.rotation.is_none()
    }

    /// Returns the fields for the bearer of an accepted credential.
    pub(crate) fn fields(&self, record: &Record, clock: &dyn Clock) -> Fields {
        let Some(end) = record.expires_at() else {
            return Fields::new();
        };
        let is_soon = |within: &Duration| {
            let left = end.0.saturating_sub(clock.now().0);
            u128::try_from(left).unwrap_or_default() <= within.as_millis()
        };
        let expiry = self.expiry.as_ref().filter(|(_, within)| is_soon(within));
        let rotation = self.rotation.as_ref().filter(|_| record.is_rotated());
        let names = expiry.map(|(name, _)| name).into_iter().chain(rotation);
        names
            .filter_map(|name| Some((name.clone(), date(end)?)))
            .collect()
    }
}

/// Returns the second in which a moment lies, as a Date of Structured Fields (RFC 9651, section
/// 3.3.7).
fn date(moment: UnixMillis) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("@{}", moment.0.div_euclid(1000))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Digest;

    struct At(i64);

    impl Clock for At {
        fn now(&self) -> UnixMillis {
            UnixMillis(self.0)
        }
    }

    const NAMES: [HeaderName; 2] = [
        HeaderName::from_static("key-expires"),
        HeaderName::from_static("key-replaced"),
    ];

    fn fields_at(end: Option<i64>, rotated: bool, now: i64) -> Vec<(String, String)> {
        let [expiry, rotation] = NAMES;
        let notices = EndNotices {
            expiry: Some((expiry, Duration::from_millis(1000))),
            rotation: Some(rotation),
        };
        let record = Record::org_key("id", Digest::of(b""), "org_1").with_rotated(rotated);
        let record = match end {
            Some(end) => record.expiring_at(UnixMillis(end)),
            None => record,
        };
        let text = |(name, value): (HeaderName, HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        let fields = notices.fields(&record, &At(now));
        fields.into_iter().map(text).collect()
    }

    #[test]
    fn the_fields_are_set_within_the_time_and_not_before() {
        const END: i64 = 1_767_225_600_000;
        let [expiry, rotation] = NAMES.map(|name| (name.to_string(), "@1767225600".to_owned()));
        for (rotated, now, wanted) in [
            (false, END - 1001, vec![]),
            (false, END - 1000, vec![expiry.clone()]),
            (false, END - 1, vec![expiry.clone()]),
            (false, END + 1, vec![expiry.clone()]), // it expired while the store was asked
            (true, END - 1001, vec![rotation.clone()]),
            (true, END - 1000, vec![expiry, rotation]),
        ] {
            assert_eq!(
                fields_at(Some(END), rotated, now),
                wanted,
                "{rotated} {now}"
            );
        }
        assert_eq!(fields_at(None, true, END), []);
    }

    #[test]
    fn a_date_has_the_second_in_which_the_moment_lies() {
        for (moment, value) in [(999, "@0"), (1_000, "@1"), (0, "@0"), (-1, "@-1")] {
            assert_eq!(date(UnixMillis(moment)).unwrap(), value);
        }
    }
}
