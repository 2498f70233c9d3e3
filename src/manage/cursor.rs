//! Cursors: where the next page of a list begins, as text that is valid for that list only.

use std::{fmt, str::FromStr};

use super::ManageError;
use crate::{
    clock::UnixMillis,
    id::CredentialId,
    secret::Digest,
    store::{CredentialInfo, Filter, Owner, backend::Position},
};

/// The position after a page of a list. Send it to clients as text, and parse it back with
/// [`FromStr`].
///
/// It contains nothing that the previous page did not show, and gives access to nothing but its
/// owner's list: it is not a secret and needs no protection. It stays valid when credentials are
/// created or deleted.
///
/// ```
/// use tower_api_key::manage::{PageCursor, ManageError};
///
/// /// `GET /keys?cursor=…`; a text that is not a cursor is a 422.
/// fn cursor(query: Option<&str>) -> Result<Option<PageCursor>, ManageError> {
///     query.map(str::parse).transpose()
/// }
/// assert_eq!(cursor(Some("no cursor")).unwrap_err().code(), "stale_cursor");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PageCursor {
    created_at: UnixMillis,
    id: CredentialId,
    list: [u8; 8],
}

impl PageCursor {
    /// Creates the cursor after `last`, the last item of a page.
    pub(super) fn behind(last: &CredentialInfo, filter: &Filter) -> Self {
        Self {
            created_at: last.created_at,
            id: last.id.clone(),
            list: list(&last.owner, filter),
        }
    }

    /// Returns the position, if the cursor belongs to this list.
    pub(super) fn place(&self, owner: &Owner, filter: &Filter) -> Result<Position, ManageError> {
        if self.list == list(owner, filter) {
            Ok(Position::new(self.created_at, self.id.clone()))
        } else {
            Err(ManageError::StaleCursor)
        }
    }
}

/// Returns a fingerprint that distinguishes one list from another.
fn list(owner: &Owner, filter: &Filter) -> [u8; 8] {
    let text = format!("{}\0{}\0{filter:?}", owner.kind().as_str(), owner.id());
    let [a, b, c, d, e, f, g, h, ..] = Digest::of(text.as_bytes()).to_bytes();
    [a, b, c, d, e, f, g, h]
}

impl fmt::Display for PageCursor {
    /// Writes only letters, digits, `-` and `.`, so it needs no escaping in a query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:016x}.{}.",
            u64::from_be_bytes(self.list),
            self.created_at.0
        )?;
        self.id
            .as_str()
            .bytes()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for PageCursor {
    type Err = ManageError;

    fn from_str(text: &str) -> Result<Self, ManageError> {
        let parsed = || {
            let (list, rest) = text.split_once('.')?;
            let (created_at, id) = rest.split_once('.')?;
            let (pairs, _) = id.as_bytes().as_chunks::<2>();
            let bytes = pairs
                .iter()
                .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
            let id = String::from_utf8(bytes.collect::<Option<_>>()?).ok()?;
            Some(Self {
                created_at: UnixMillis(created_at.parse().ok()?),
                id: id.into(),
                list: u64::from_str_radix(list, 16).ok()?.to_be_bytes(),
            })
        };
        // Digits have other spellings too, such as `F` and `+5`: a cursor has one text.
        let only = |cursor: &Self| cursor.to_string() == text;
        parsed().filter(only).ok_or(ManageError::StaleCursor)
    }
}

impl fmt::Debug for PageCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageCursor({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_has_one_text() {
        let good = "0000000000000001.5.0f";
        assert_eq!(good.parse::<PageCursor>().unwrap().to_string(), good);
        for text in [
            "0000000000000001.5.+f",
            "+000000000000001.5.0f",
            "0000000000000001.+5.0f",
            "0000000000000001.5.0F",
            "000000000000000A.5.0f",
            "1.5.0f",
            "00000000000000001.5.0f",
            "0000000000000001.05.0f",
            "0000000000000001.-0.0f",
            ".5.0f",
        ] {
            assert!(text.parse::<PageCursor>().is_err(), "{text}");
        }
    }
}
