//! What people fill in, and what of it cannot be done.

mod draft;
mod edit;
mod expiry;
mod rights;
mod rotation;
mod stamp;

use http::StatusCode;
use tower_api_key::{manage::ManageError, store::InvalidAttributes};

pub(super) use draft::{Draft, NewCredential};
pub(super) use edit::EditDraft;
pub(super) use expiry::{ENDS_AT, ExpiryDraft, PRESETS};
pub(super) use rights::{Offer, RightsDraft};
pub(super) use rotation::{OVERLAPS, RotationDraft};
pub(super) use stamp::{STAMP, Stamp};

use super::{fault::Fault, texts::Texts};

/// Returns a text of several lines as the manager takes it: a form sends each line end as `\r\n`.
fn lines(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// A part of a form that a message belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Name,
    Description,
    Rights,
    Organizations,
    Expiry,
    Date,
    Overlap,
    /// The form as a whole.
    Form,
}

/// What is wrong with what somebody filled in, before the manager is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InputError {
    NoRights,
    ForeignRight,
    NoOrganizations,
    ForeignOrganization,
    InvalidExpiry,
    InvalidDate,
    PastDate,
    InvalidOverlap,
    Outdated,
    OtherOrganization,
}

/// Why a form is shown again.
#[derive(Debug)]
pub(super) enum FormError {
    Input(InputError),
    Manage(Field, ManageError),
}

impl FormError {
    /// Returns where the message belongs.
    pub(super) fn field(&self) -> Field {
        match self {
            Self::Manage(field, _) => *field,
            Self::Input(input) => match input {
                InputError::NoRights | InputError::ForeignRight => Field::Rights,
                InputError::NoOrganizations | InputError::ForeignOrganization => {
                    Field::Organizations
                }
                InputError::InvalidExpiry => Field::Expiry,
                InputError::InvalidDate | InputError::PastDate => Field::Date,
                InputError::InvalidOverlap => Field::Overlap,
                InputError::Outdated | InputError::OtherOrganization => Field::Form,
            },
        }
    }

    /// Returns the message.
    pub(super) fn text(&self, texts: &Texts) -> String {
        let form = &texts.form;
        let text = match self {
            Self::Manage(_, error) => return (texts.refusal)(error).into_owned(),
            Self::Input(input) => match input {
                InputError::NoRights => &form.no_rights,
                InputError::ForeignRight => &form.foreign_right,
                InputError::NoOrganizations => &form.no_organizations,
                InputError::ForeignOrganization => &form.foreign_organization,
                InputError::InvalidExpiry => &form.invalid_expiry,
                InputError::InvalidDate => &form.invalid_date,
                InputError::PastDate => &form.past_date,
                InputError::InvalidOverlap => &form.invalid_overlap,
                InputError::Outdated => &form.outdated,
                InputError::OtherOrganization => &form.other_organization,
            },
        };
        text.to_string()
    }

    /// Returns the status of the answer with the form.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Input(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Manage(_, error) => error.status(),
        }
    }
}

impl From<InputError> for FormError {
    fn from(error: InputError) -> Self {
        Self::Input(error)
    }
}

/// Why a form did not lead to a change: because of what was filled in, or for another reason.
#[derive(Debug)]
pub(super) enum Refusal {
    Form(FormError),
    Fault(Fault),
}

impl From<InputError> for Refusal {
    fn from(error: InputError) -> Self {
        Self::Form(FormError::Input(error))
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<ManageError> for Refusal {
    fn from(error: ManageError) -> Self {
        match field_of(&error) {
            Some(field) => Self::Form(FormError::Manage(field, error)),
            None => Self::Fault(error.into()),
        }
    }
}

/// Returns where the message of an error belongs, if what was filled in, or another try, can mend
/// it.
fn field_of(error: &ManageError) -> Option<Field> {
    Some(match error {
        ManageError::InvalidName => Field::Name,
        ManageError::InvalidAttributes(InvalidAttributes::Description)
        | ManageError::AttributesUnsupported => Field::Description,
        ManageError::UnknownRole(_)
        | ManageError::UnknownScope(_)
        | ManageError::ScopeNotHeld(_)
        | ManageError::RestrictionsUnsupported => Field::Rights,
        ManageError::TooManyOrganizations(_) => Field::Organizations,
        ManageError::ExpiryInPast(_)
        | ManageError::ExpiryTooFar(_)
        | ManageError::ExpiryBeyondPolicy(_) => Field::Expiry,
        ManageError::OverlapTooLong(_) => Field::Overlap,
        ManageError::CapReached(_)
        | ManageError::IdempotencyConflict
        | ManageError::IssuedInactive(_)
        | ManageError::Busy => Field::Form,
        _ => return None,
    })
}
