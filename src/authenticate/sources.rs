//! Reads exactly one credential from any of the places where a layer looks for one.

use std::sync::Arc;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION},
};

use super::{
    Presented,
    basic::BasicCredentials,
    bearer,
    source::{CredentialSource, Half, Place},
};
use crate::{
    credential::{Token, TokenFormat},
    error::ConfigError,
    rejection::Cause,
};

/// The sources of a layer besides `Authorization: Bearer`; none by default.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources(Option<Arc<Further>>);

/// At least one further source.
#[derive(Clone, Debug, Default)]
struct Further {
    headers: Vec<HeaderName>,
    /// The half of HTTP Basic that is the token.
    basic: Option<Half>,
}

/// The one field of a request that may have its credential.
enum Field<'h> {
    Authorization(&'h HeaderValue),
    /// A header whose whole value is the token.
    Whole(&'h HeaderValue),
}

impl Sources {
    /// Adds a source. `organization_header` cannot be one.
    pub(crate) fn with(
        mut self,
        source: CredentialSource,
        organization_header: &HeaderName,
    ) -> Result<Self, ConfigError> {
        let further = Arc::make_mut(self.0.get_or_insert_default());
        match source.0 {
            Place::Header(name) => {
                let taken = [
                    &AUTHORIZATION,
                    &PROXY_AUTHORIZATION,
                    &COOKIE,
                    organization_header,
                ];
                if taken.contains(&&name) {
                    return Err(ConfigError::InvalidSource(name.as_str().into()));
                }
                if further.headers.contains(&name) {
                    return Err(ConfigError::DuplicateSource(name.as_str().into()));
                }
                further.headers.push(name);
            }
            Place::Basic(half) => {
                if further.basic.replace(half).is_some() {
                    return Err(ConfigError::DuplicateSource("Basic".into()));
                }
            }
        }
        Ok(self)
    }

    /// Removes the source that is the header `name`, if there is one.
    pub(crate) fn without(mut self, name: &HeaderName) -> Self {
        if let Some(further) = &mut self.0 {
            Arc::make_mut(further)
                .headers
                .retain(|header| header != name);
        }
        self
    }

    /// Returns whether there is no source besides `Authorization: Bearer`.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the headers besides `Authorization`.
    pub(crate) fn headers(&self) -> &[HeaderName] {
        self.0.as_deref().map_or(&[], |further| &further.headers)
    }

    /// Returns whether a header may have a credential.
    pub(crate) fn include(&self, name: &HeaderName) -> bool {
        *name == AUTHORIZATION || self.headers().contains(name)
    }

    /// Returns whether the request has one of the headers, with whatever value.
    pub(crate) fn are_used(&self, headers: &HeaderMap) -> bool {
        let further = || self.headers().iter().any(|name| headers.contains_key(name));
        headers.contains_key(AUTHORIZATION) || further()
    }

    /// Reads the credential.
    #[inline]
    pub(crate) fn read<'h>(
        &self,
        headers: &'h HeaderMap,
        format: &TokenFormat,
    ) -> Result<Presented<'h>, Cause> {
        match &self.0 {
            None => presented(bearer::token(headers)?, format),
            Some(further) => further.read(headers, format),
        }
    }

    /// Passes the token that was [read](Self::read) to `f`, in plain text. Nothing else needs that,
    /// so it is looked up again where it is, in the request, and not kept.
    #[cold]
    pub(crate) fn with_token<T>(
        &self,
        headers: &HeaderMap,
        format: &TokenFormat,
        f: impl FnOnce(&Token<'_>) -> T,
    ) -> Result<T, Cause> {
        match &self.0 {
            None => Ok(f(&format.classify(bearer::token(headers)?)?)),
            Some(further) => further.with_token(headers, format, f),
        }
    }

    /// Returns whether the request's only credential is not of this format.
    pub(crate) fn present_other(&self, headers: &HeaderMap, format: &TokenFormat) -> bool {
        match &self.0 {
            None => bearer::other_credential(headers).is_some_and(|value| !format.occurs_in(value)),
            Some(further) => further.present_other(headers, format),
        }
    }
}

impl Further {
    /// Returns the only field that may have a credential. Two are refused even when they are equal,
    /// or one is empty: a service further in may read the other one.
    fn only_field<'h>(&self, headers: &'h HeaderMap) -> Result<Field<'h>, Cause> {
        let whole = self.headers.iter().flat_map(|name| headers.get_all(name));
        let authorization = headers.get_all(AUTHORIZATION).iter();
        let mut fields = authorization
            .map(Field::Authorization)
            .chain(whole.map(Field::Whole));
        let field = fields.next().ok_or(Cause::NoCredential)?;
        match fields.next() {
            None => Ok(field),
            Some(_) => Err(Cause::SeveralCredentials),
        }
    }

    #[cold]
    fn read<'h>(
        &self,
        headers: &'h HeaderMap,
        format: &TokenFormat,
    ) -> Result<Presented<'h>, Cause> {
        match self.only_field(headers)? {
            Field::Whole(value) if bearer::is_blank(value.as_bytes()) => Err(Cause::EmptyBearer),
            Field::Whole(value) => presented(value.as_bytes(), format),
            Field::Authorization(value) => match self.basic(value, format) {
                Some((credentials, half)) => {
                    let credentials = credentials?;
                    let token = credentials.token(half, |part| format.begins(part))?;
                    presented(token, format).map(Presented::into_owned)
                }
                None => presented(bearer::token_of(value)?, format),
            },
        }
    }

    fn with_token<T>(
        &self,
        headers: &HeaderMap,
        format: &TokenFormat,
        f: impl FnOnce(&Token<'_>) -> T,
    ) -> Result<T, Cause> {
        let token = match self.only_field(headers)? {
            Field::Whole(value) => value.as_bytes(),
            Field::Authorization(value) => match self.basic(value, format) {
                Some((credentials, half)) => {
                    let credentials = credentials?;
                    let token = credentials.token(half, |part| format.begins(part))?;
                    return Ok(f(&format.classify(token)?));
                }
                None => bearer::token_of(value)?,
            },
        };
        Ok(f(&format.classify(token)?))
    }

    #[cold]
    fn present_other(&self, headers: &HeaderMap, format: &TokenFormat) -> bool {
        let (value, is_credential) = match self.only_field(headers) {
            Err(_) => return false,
            Ok(Field::Whole(value)) => (value, !bearer::is_blank(value.as_bytes())),
            Ok(Field::Authorization(value)) => match self.basic(value, format) {
                Some((credentials, half)) => (value, is_other_basic(credentials, half, format)),
                None => (value, bearer::is_credential(value)),
            },
        };
        is_credential && !format.occurs_in(value.as_bytes())
    }

    /// Decodes the value if it is HTTP Basic and that is a source.
    fn basic(
        &self,
        value: &HeaderValue,
        format: &TokenFormat,
    ) -> Option<(Result<BasicCredentials, Cause>, Half)> {
        let half = self.basic?;
        let credentials = BasicCredentials::of(value, format.max_len())?;
        Some((credentials, half))
    }
}

/// Returns whether credentials of HTTP Basic are of another kind. What cannot be decoded may be one
/// of ours that was damaged.
fn is_other_basic(
    credentials: Result<BasicCredentials, Cause>,
    half: Half,
    format: &TokenFormat,
) -> bool {
    credentials.is_ok_and(|credentials| {
        credentials.token(half, |_| false).is_ok() && !format.occurs_in(credentials.whole())
    })
}

#[inline]
fn presented<'h>(token: &'h [u8], format: &TokenFormat) -> Result<Presented<'h>, Cause> {
    Ok(Presented::new(&format.classify(token)?))
}
