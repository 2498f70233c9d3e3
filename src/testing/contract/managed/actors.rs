//! Actors of all kinds, what they do, and how they lose the right to do it.

use super::{Feature, Fixture};
use crate::{
    credential::Kind,
    store::{Directory, ManageStore},
};

/// Who acts, and what they manage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A key, its organization's keys.
    Key,
    /// A personal token in an organization, that organization's keys.
    Token,
    /// A personal token in an organization, its owner's tokens.
    TokenForTokens,
    /// A personal token in no organization, its owner's tokens.
    TokenAlone,
    /// A user in an organization, that organization's keys.
    User,
    /// A user, their own tokens.
    UserAlone,
}

const ROLES: [Role; 6] = [
    Role::Key,
    Role::Token,
    Role::TokenForTokens,
    Role::TokenAlone,
    Role::User,
    Role::UserAlone,
];

impl Role {
    /// Returns the roles that the store supports.
    pub(super) fn all<S: ManageStore + Directory>(fixture: &Fixture<S>) -> Vec<Self> {
        let tokens = fixture.supports(Feature::PersonalTokens);
        let members = fixture.supports(Feature::Memberships);
        let exists = |role: &Self| {
            let uses_tokens = role.is_token() || role.manages() == Kind::PersonalToken;
            (tokens || !uses_tokens) && (members || !role.is_member())
        };
        ROLES.into_iter().filter(exists).collect()
    }

    pub(super) fn manages(self) -> Kind {
        match self {
            Self::Key | Self::Token | Self::User => Kind::OrgKey,
            Self::TokenForTokens | Self::TokenAlone | Self::UserAlone => Kind::PersonalToken,
        }
    }

    pub(super) fn is_token(self) -> bool {
        matches!(self, Self::Token | Self::TokenForTokens | Self::TokenAlone)
    }

    pub(super) fn is_member(self) -> bool {
        matches!(self, Self::Token | Self::TokenForTokens | Self::User)
    }
}

/// How an actor loses what the decision relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    Deleted,
    Disabled,
    Rotated,
    RotatedWithOverlap,
    AllRevoked,
    Presented,
    ConditionsNarrowed,
    MembershipEnded,
    RoleNarrowed,
    CatalogueNarrowed,
    UserDisabled,
    UserDeleted,
    OrganizationDeleted,
}

const LOSSES: [Loss; 13] = [
    Loss::Deleted,
    Loss::Disabled,
    Loss::Rotated,
    Loss::RotatedWithOverlap,
    Loss::AllRevoked,
    Loss::Presented,
    Loss::ConditionsNarrowed,
    Loss::MembershipEnded,
    Loss::RoleNarrowed,
    Loss::CatalogueNarrowed,
    Loss::UserDisabled,
    Loss::UserDeleted,
    Loss::OrganizationDeleted,
];

impl Loss {
    /// Returns the losses that concern `role`, and that the store supports.
    pub(super) fn of<S: ManageStore + Directory>(role: Role, fixture: &Fixture<S>) -> Vec<Self> {
        let possible = |loss: &Self| match loss {
            Self::Rotated | Self::RotatedWithOverlap => fixture.supports(Feature::Rotation),
            Self::ConditionsNarrowed => fixture.supports(Feature::Attributes),
            Self::UserDisabled => fixture.supports(Feature::UserDisabling),
            Self::UserDeleted => fixture.supports(Feature::UserErasure),
            Self::OrganizationDeleted => fixture.supports(Feature::OrganizationDeletion),
            _ => true,
        };
        let concerns = |loss: &Self| match loss {
            Self::MembershipEnded | Self::RoleNarrowed => role.is_member(),
            Self::CatalogueNarrowed => {
                role.is_member() || role == Role::Key && fixture.supports(Feature::Roles)
            }
            Self::UserDisabled | Self::UserDeleted => role != Role::Key,
            Self::OrganizationDeleted => role == Role::Key || role.is_member(),
            _ => role == Role::Key || role.is_token(),
        };
        let losses = LOSSES.into_iter();
        losses.filter(concerns).filter(possible).collect()
    }
}

/// What an actor does.
const CALLS: [&str; 10] = [
    "issue",
    "rename",
    "rename to the same",
    "edit",
    "disable",
    "enable",
    "rotate",
    "rotate with an overlap",
    "delete",
    "revoke all",
];

/// Returns the calls that the store supports.
pub(super) fn calls<S: ManageStore + Directory>(fixture: &Fixture<S>) -> Vec<&'static str> {
    let rotates = fixture.supports(Feature::Rotation);
    let edits = fixture.supports(Feature::Attributes);
    let possible = |call: &&str| match *call {
        "edit" => edits,
        call => rotates || !call.starts_with("rotate"),
    };
    CALLS.into_iter().filter(possible).collect()
}
