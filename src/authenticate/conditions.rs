//! Conditions: whether a request may be made with a credential that is otherwise accepted.

use std::{fmt, net::IpAddr, sync::Arc};

use crate::{
    condition::{ClientAddress, Condition, RequestHead},
    panics::catch,
    principal::Principal,
    rejection::{Cause, Denial},
    store::Conditions,
};

/// What a layer can check.
#[derive(Clone, Default)]
pub(crate) struct Checks {
    pub(crate) client_address: Option<ClientAddress>,
    pub(crate) environment: Option<Arc<str>>,
    pub(crate) own: Vec<Arc<dyn Condition>>,
}

impl Checks {
    /// Checks the conditions that are kept with the credential, and those of the service.
    #[inline]
    pub(crate) fn check(
        &self,
        caller: &Principal,
        request: &RequestHead<'_>,
    ) -> Result<(), Denial> {
        let kept = caller.record().conditions();
        match kept.is_none() && self.own.is_empty() {
            true => Ok(()),
            false => self.check_all(kept, caller, request),
        }
    }

    #[cold]
    fn check_all(
        &self,
        kept: Option<&Conditions>,
        caller: &Principal,
        request: &RequestHead<'_>,
    ) -> Result<(), Denial> {
        let own = || {
            self.own
                .iter()
                .try_for_each(|one| checked(&**one, caller, request))
        };
        kept.map_or(Ok(()), |kept| self.check_kept(kept, request))
            .and_then(|()| own())
            .map_err(|cause| Denial::about(cause, Arc::clone(caller.record())))
    }

    /// Returns the address of the client, if the layer can find it.
    pub(crate) fn address(&self, request: &RequestHead<'_>) -> Option<IpAddr> {
        let from = self.client_address.as_ref()?;
        catch(|| from.find(request)).flatten()
    }

    /// A condition that this layer cannot check does not hold.
    fn check_kept(&self, kept: &Conditions, request: &RequestHead<'_>) -> Result<(), Cause> {
        if kept.networks().is_some() {
            let from = self
                .client_address
                .as_ref()
                .ok_or(Cause::ConditionUnchecked)?;
            let address = catch(|| from.find(request)).ok_or(Cause::ConditionPanicked)?;
            match address {
                Some(address) if kept.accept_from(address) => {}
                Some(_) => return Err(Cause::AddressNotAllowed),
                None => return Err(Cause::AddressUnknown),
            }
        }
        match (kept.environment(), &self.environment) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(Cause::ConditionUnchecked),
            (Some(kept), Some(own)) if *kept == **own => Ok(()),
            (Some(_), Some(_)) => Err(Cause::OtherEnvironment),
        }
    }
}

fn checked(
    condition: &dyn Condition,
    caller: &Principal,
    request: &RequestHead<'_>,
) -> Result<(), Cause> {
    match catch(|| condition.check(caller, request)) {
        Some(outcome) => outcome.map_err(Cause::ConditionNotMet),
        None => Err(Cause::ConditionPanicked),
    }
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checks")
            .field("client_address", &self.client_address)
            .field("environment", &self.environment)
            .field("own", &self.own.len())
            .finish()
    }
}
