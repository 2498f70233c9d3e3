//! The last two checks: the credential is still valid, and it may act in the organization that the
//! request names.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};

use super::{
    org_header::{self, OrgHeader},
    verify::Verified,
};
use crate::{
    clock::Clock,
    credential::Kind,
    rejection::{Cause, Denial},
    store::{Record, Status, StoreFault},
};

/// A credential whose secret was verified and that is still valid.
#[derive(Debug)]
pub(crate) struct Live(Arc<Record>);

/// A live credential that may act in its record's organization, or in none where none is required.
#[derive(Debug)]
pub(crate) struct Authorized(Arc<Record>);

impl Verified {
    /// Checks the status and expiry. The clock is read only for a credential that can expire.
    #[inline]
    pub(crate) fn live(self, clock: &dyn Clock) -> Result<Live, Denial> {
        let record = self.into_record();
        let cause = match record.status() {
            Status::Active if record.expires_at().is_some_and(|end| clock.now() >= end) => {
                Cause::Expired
            }
            Status::Active => return Ok(Live(record)),
            Status::Deleted => Cause::Deleted,
            Status::Disabled => Cause::Disabled,
            Status::OwnerGone => Cause::OwnerGone,
            Status::OrganizationGone => Cause::OrganizationGone,
        };
        Err(Denial::about(cause, record))
    }
}

impl Live {
    /// Returns the record, for checks that do not consume the proof.
    pub(crate) fn record(&self) -> &Arc<Record> {
        &self.0
    }

    /// Decides where the request acts. A key acts only in its own organization, whatever the header
    /// names. A token acts only in the organization that the header names, if the store found a
    /// membership there. Restrictions may take either away.
    #[inline]
    pub(crate) fn in_organization(
        self,
        headers: &HeaderMap,
        name: &HeaderName,
    ) -> Result<Authorized, Denial> {
        let record = self.0;
        let cause = match (record.kind(), record.organization()) {
            (Kind::OrgKey, Some(own)) if org_header::permits(headers, name, own.as_str()) => None,
            (Kind::OrgKey, Some(_)) => Some(Cause::OtherOrganization),
            (Kind::OrgKey, None) => Some(StoreFault::mismatched().into()),
            (Kind::PersonalToken, membership) => {
                match (org_header::read(headers, name), membership) {
                    (OrgHeader::Nothing, _) => Some(Cause::NoOrganization),
                    (OrgHeader::Repeated, _) => Some(Cause::SeveralOrganizations),
                    (OrgHeader::Malformed, _) => Some(Cause::MalformedOrganization),
                    (OrgHeader::One(_), None) => Some(Cause::NotAMember),
                    (OrgHeader::One(asked), Some(found)) if asked == found.as_str() => None,
                    (OrgHeader::One(_), Some(_)) => Some(StoreFault::mismatched().into()),
                }
            }
        };
        match cause {
            None if record.restrictions().is_some() => within_restrictions(record),
            None => Ok(Authorized(record)),
            Some(cause) => Err(Denial::about(cause, record)),
        }
    }

    /// Lets a person act outside any organization. A key has no person behind it. Rights belong to
    /// a membership, so a record with an organization, a role or scopes does not answer the
    /// question that was asked.
    pub(crate) fn into_person(self) -> Result<Authorized, Denial> {
        match self.0.kind() {
            Kind::PersonalToken if !self.0.has_grant() => Ok(Authorized(self.0)),
            Kind::PersonalToken => Err(Denial::about(StoreFault::mismatched().into(), self.0)),
            Kind::OrgKey => Err(Denial::about(Cause::KeyOnUserRoute, self.0)),
        }
    }
}

/// Checks that a restricted credential may act in its record's organization. Cold, to keep it off
/// the path of unrestricted credentials.
#[cold]
fn within_restrictions(record: Arc<Record>) -> Result<Authorized, Denial> {
    let organization = record.organization();
    match organization.is_some_and(|organization| record.may_act_in(organization)) {
        true => Ok(Authorized(record)),
        false => Err(Denial::about(Cause::OrganizationNotAllowed, record)),
    }
}

impl Authorized {
    /// Ends the chain of proofs. Only [`Principal::new`](crate::Principal) calls this.
    pub(crate) fn into_record(self) -> Arc<Record> {
        self.0
    }
}
