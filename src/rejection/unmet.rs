//! What a condition of the service returns to refuse a request.

/// Why a [`Condition`](crate::condition::Condition) refuses a request: a name for the operator, and
/// what the client sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmet {
    name: &'static str,
    unauthorized: bool,
}

impl Unmet {
    /// Refuses with the uniform 403, `Token does not grant access to this organization`.
    #[must_use]
    pub fn forbidden(name: &'static str) -> Self {
        Self {
            name,
            unauthorized: false,
        }
    }

    /// Refuses with the uniform 401, `Invalid or expired token`, as an unknown credential is.
    ///
    /// Conditions are asked last. A caller with a good credential can still find out that it is
    /// one, by a request that is refused before: for another organization, or without one.
    #[must_use]
    pub fn unauthorized(name: &'static str) -> Self {
        Self {
            name,
            unauthorized: true,
        }
    }

    /// Returns the name of the condition, for the operator.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns whether the client sees a 401.
    pub(super) fn is_unauthorized(&self) -> bool {
        self.unauthorized
    }
}
