//! Where a credential is accepted.

use std::{net::IpAddr, sync::LazyLock};

use tower_api_key::{
    clock::UnixMillis,
    scope::ScopeSet,
    store::{Conditions, Network},
};

use super::{ORGANIZATIONS, PLACES};
use crate::manage_escalation::every_scope;

/// Where a credential is accepted, and with which scopes.
#[derive(Clone, Debug, Default)]
pub(super) struct Reach {
    /// In each of the organizations a bit for each scope, and one for being accepted at all.
    pub(super) scopes: [u32; 3],
    /// A bit for each of the places.
    pub(super) places: u32,
    /// `None` means for ever.
    pub(super) end: Option<UnixMillis>,
}

impl Reach {
    pub(super) fn everywhere(scopes: [u32; 3]) -> Self {
        let places = u32::MAX;
        Self {
            scopes,
            places,
            end: None,
        }
    }

    /// Returns the same in one of the organizations alone.
    pub(super) fn only_in(mut self, organization: usize) -> Self {
        let there = self.scopes[organization];
        self.scopes = [0; 3];
        self.scopes[organization] = there;
        self
    }

    pub(super) fn held(&self, organization: usize, place: usize, at: UnixMillis) -> u32 {
        let lasts = self.end.is_none_or(|end| at < end);
        match lasts && self.places >> place & 1 == 1 {
            true => self.scopes[organization],
            false => 0,
        }
    }

    /// Returns an organization and a place in which more is accepted at some time from `now` on
    /// than by the two others.
    pub(super) fn first_beyond(
        &self,
        others: [&Self; 2],
        now: UnixMillis,
    ) -> Option<(usize, usize)> {
        // All end once, so what they leave open is largest just before the end of this one.
        let last = UnixMillis(self.end.map_or(i64::MAX, |end| end.0) - 1);
        let places =
            (0..ORGANIZATIONS.len()).flat_map(|at| (0..PLACES.len()).map(move |place| (at, place)));
        places
            .filter(|_| last >= now)
            .find(|(organization, place)| {
                let held = |one: &Self| one.held(*organization, *place, last);
                held(self) & !others.map(held).into_iter().fold(0, |all, one| all | one) != 0
            })
    }
}

pub(super) fn bits(scopes: &ScopeSet) -> u32 {
    static EVERY: LazyLock<Vec<String>> = LazyLock::new(every_scope);
    let bit = |scope| 2 << EVERY.iter().position(|one| one == scope).unwrap();
    scopes.iter().fold(1, |bits, scope| bits | bit(scope))
}

pub(super) fn places(conditions: &Conditions) -> u32 {
    let holds = |(address, environment): &(IpAddr, Option<&str>)| {
        let from = |networks: &[Network]| networks.iter().any(|one| one.contains(*address));
        let in_environment = |own| Some(own) == *environment;
        conditions.networks().is_none_or(from)
            && conditions.environment().is_none_or(in_environment)
    };
    let numbered = PLACES.iter().enumerate().filter(|(_, place)| holds(place));
    numbered.fold(0, |bits, (number, _)| bits | 1 << number)
}
