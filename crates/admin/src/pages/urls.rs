//! Where the pages are, as the browser sees it.

use axum::extract::OriginalUri;
use http::{Extensions, Uri};

use super::{
    fields::{Query, encode},
    place::Place,
};

/// The URLs of the pages of one kind, below the path where the service has put them.
#[derive(Clone, Debug)]
pub(super) struct Urls(String);

impl Urls {
    /// Finds where the router is, from a request whose path ends in one of the router's. `path` is
    /// that of the list.
    ///
    /// Returns `None` for a path that a browser takes for the address of another site: one that
    /// begins with `//`, or that has a `\`, which browsers read as `/`.
    pub(super) fn of(extensions: &Extensions, uri: &Uri, path: &str) -> Option<Self> {
        let original = original(extensions, uri).path();
        let prefix = original.strip_suffix(uri.path()).unwrap_or_default();
        let is_address = original.starts_with("//") || original.contains('\\');
        (!is_address).then(|| Self(format!("{prefix}{path}")))
    }

    /// Returns the URL of the list, without a filter.
    pub(super) fn list(&self) -> &str {
        &self.0
    }

    /// Returns that of the list at a place.
    pub(super) fn list_at(&self, place: &Place) -> String {
        format!("{}{}", self.0, place.query().as_str())
    }

    /// Returns that of the list at a place, where it says how a credential has changed and the
    /// focus is on its row.
    pub(super) fn changed(&self, place: &Place, id: &str) -> String {
        let query = place.query().with("changed", id);
        format!("{}{}#{}", self.0, query.as_str(), encode(&row_id(id)))
    }

    /// Returns that of the row of a credential in the list.
    pub(super) fn row(&self, place: &Place, id: &str) -> String {
        format!("{}#{}", self.list_at(place), encode(&row_id(id)))
    }

    /// Returns that of the form for a new credential, with what is filled in.
    pub(super) fn new_form(&self, filled: &Query) -> String {
        format!("{}/new{}", self.0, filled.as_str())
    }

    /// Returns that of a page about one credential.
    pub(super) fn of_one(&self, id: &str, page: &str, query: &Query) -> String {
        format!("{}/{}/{page}{}", self.0, encode(id), query.as_str())
    }

    /// Returns that of a static file.
    pub(super) fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.0)
    }
}

/// Returns the URI as the browser sent it: a router has removed the prefix of a nested service.
pub(super) fn original<'r>(extensions: &'r Extensions, uri: &'r Uri) -> &'r Uri {
    let original = extensions.get::<OriginalUri>();
    original.map_or(uri, |OriginalUri(uri)| uri)
}

/// Returns the id of a credential's row in the document.
pub(super) fn row_id(id: &str) -> String {
    format!("row-{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(original: &str, inner: &str) -> Option<Urls> {
        let mut extensions = Extensions::new();
        extensions.insert(OriginalUri(original.parse().unwrap()));
        Urls::of(&extensions, &inner.parse().unwrap(), "/keys")
    }

    #[test]
    fn the_prefix_is_what_the_service_has_put_before() {
        for (original, inner, list) in [
            ("/keys", "/keys", "/keys"),
            ("/a/b/keys/new?x=1", "/keys/new?x=1", "/a/b/keys"),
            ("/a%2Fb/keys/i%2Fd/edit", "/keys/i%2Fd/edit", "/a%2Fb/keys"),
            ("/elsewhere", "/keys", "/keys"),
        ] {
            assert_eq!(urls(original, inner).unwrap().list(), list);
        }
        let alone = Urls::of(&Extensions::new(), &"/keys/new".parse().unwrap(), "/keys");
        assert_eq!(alone.unwrap().list(), "/keys");
    }

    #[test]
    fn an_address_of_another_site_is_none_of_ours() {
        assert!(urls("//other.example/keys", "/keys").is_none());
        assert!(urls("/\\other.example/keys", "/keys").is_none());
    }

    #[test]
    fn ids_are_encoded() {
        let urls = urls("/x/keys", "/keys").unwrap();
        let place = Place {
            name: "ci".into(),
            ..Place::default()
        };
        let edit = urls.of_one("a/b?", "edit", &place.query());
        assert_eq!(edit, "/x/keys/a%2Fb%3F/edit?q=ci");
        assert_eq!(urls.row(&place, "a#"), "/x/keys?q=ci#row-a%23");
        assert_eq!(urls.changed(&place, "a"), "/x/keys?q=ci&changed=a#row-a");
        assert_eq!(urls.file("a.css"), "/x/keys/a.css");
    }
}
