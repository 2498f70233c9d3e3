//! Where in the list somebody is: filter and page. It is in the URL of the list and of every page
//! that leads back to it.

use tower_api_key::{
    clock::UnixMillis,
    manage::PageCursor,
    store::{EffectiveStatus, Filter},
};

use super::{
    fields::{Fields, Query},
    moment::DAY,
};
use crate::query::STATES;

/// How far ahead the list looks for what expires.
const EXPIRING_DAYS: i64 = 30;

/// For how long what is unused was not used.
const UNUSED_DAYS: i64 = 90;

/// A filter and a page of the list.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    pub(super) state: Option<EffectiveStatus>,
    /// A part of the name; empty for all.
    pub(super) name: String,
    pub(super) expiring: bool,
    pub(super) unused: bool,
    pub(super) cursor: Option<PageCursor>,
}

impl Place {
    /// Reads the parameters of a URL. What is none of them, or has no meaning, is left out, so that
    /// an old link still leads somewhere.
    pub(super) fn read(query: &Fields) -> Self {
        let state = query.get("state");
        Self {
            state: STATES.into_iter().find(|one| state == Some(one.as_str())),
            name: query.text("q"),
            expiring: query.get("expiring").is_some(),
            unused: query.get("unused").is_some(),
            cursor: query.get("cursor").and_then(|text| text.parse().ok()),
        }
    }

    /// Returns the same as a query.
    pub(super) fn query(&self) -> Query {
        let state = self.state.map_or("", EffectiveStatus::as_str);
        let tick = |ticked| if ticked { "on" } else { "" };
        let cursor = self.cursor.as_ref().map(ToString::to_string);
        Query::default()
            .with_text("q", &self.name)
            .with_text("state", state)
            .with_text("expiring", tick(self.expiring))
            .with_text("unused", tick(self.unused))
            .with_text("cursor", &cursor.unwrap_or_default())
    }

    /// Returns the page that begins at `cursor`.
    pub(super) fn at(&self, cursor: Option<&PageCursor>) -> Self {
        Self {
            cursor: cursor.cloned(),
            ..self.clone()
        }
    }

    /// Returns whether everything is listed that is not deleted.
    pub(super) fn is_unfiltered(&self) -> bool {
        self.state.is_none() && self.name.is_empty() && !self.expiring && !self.unused
    }

    /// Returns the store's filter. Its moments are whole days, so that all pages of a list have the
    /// same: a cursor belongs to one filter.
    pub(super) fn filter(&self, now: UnixMillis) -> Filter {
        let day = |days: i64| UnixMillis(now.0 - now.0.rem_euclid(DAY) + days * DAY);
        let mut filter = Filter::default();
        if self.expiring {
            // What has expired does not expire within some days.
            filter = filter
                .with_state(EffectiveStatus::Active)
                .with_expiring_before(day(EXPIRING_DAYS + 1));
        }
        if let Some(state) = self.state {
            filter = filter.with_state(state);
        }
        if self.unused {
            filter = filter.with_unused_since(day(-UNUSED_DAYS));
        }
        match self.name.as_str() {
            "" => filter,
            name => filter.with_name(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_from_its_query() {
        let place = Place {
            state: Some(EffectiveStatus::Expired),
            name: "a b&".into(),
            expiring: true,
            unused: true,
            cursor: "0000000000000001.5.0f".parse().ok(),
        };
        let query = place.query();
        let wanted = "?q=a%20b%26&state=expired&expiring=on&unused=on&cursor=0000000000000001.5.0f";
        assert_eq!(query.as_str(), wanted);
        assert_eq!(Place::default().query().as_str(), "");
        assert!(Place::default().is_unfiltered() && !place.is_unfiltered());
    }

    #[test]
    fn the_moments_of_a_filter_are_the_same_all_day() {
        let place = Place {
            expiring: true,
            unused: true,
            ..Place::default()
        };
        let filter = place.filter(UnixMillis(100 * DAY));
        assert_eq!(filter, place.filter(UnixMillis(101 * DAY - 1)));
        assert_eq!(filter.expiring_before, Some(UnixMillis(131 * DAY)));
        assert_eq!(filter.unused_since, Some(UnixMillis(10 * DAY)));
        assert_eq!(filter.state, Some(EffectiveStatus::Active));
    }
}
