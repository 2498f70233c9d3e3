//! [`AllowedOrigins`]: the list.

use std::{collections::BTreeSet, fmt, sync::Arc};

use http::{HeaderMap, HeaderValue, header::ORIGIN};

use super::{InvalidOrigin, entry::normalized};
use crate::rejection::Cause;

/// The origins whose pages may call a route. An empty list allows every request.
///
/// Two lists are equal if they have the same normalized origins and the same setting. Displayed,
/// the origins are separated by spaces, and the empty list is `*`, as in a source list of a Content
/// Security Policy (CSP, "source lists"). A clone is cheap and shares the list.
///
/// ```
/// use tower_api_key::origins::AllowedOrigins;
///
/// let typed = ["Example.COM", "http://localhost:3000/", "https://bücher.example"];
/// let sites = AllowedOrigins::new(typed)?;
/// let origins: Vec<_> = sites.iter().collect();
/// assert_eq!(
///     origins,
///     ["http://localhost:3000", "https://example.com", "https://xn--bcher-kva.example"]
/// );
/// assert_eq!(AllowedOrigins::new(origins)?, sites); // these can be stored and read again
/// # Ok::<(), tower_api_key::origins::InvalidOrigin>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct AllowedOrigins {
    /// Serialized, sorted, each once.
    origins: Arc<[Box<str>]>,
    allows_missing: bool,
}

impl AllowedOrigins {
    /// Creates the list from the texts that a person typed.
    ///
    /// An entry is `https://example.com`, `http://example.com:8080` or `example.com`, which stands
    /// for https. Upper case, a default port and `/` at the end make no difference; names may be
    /// written in Unicode or in Punycode. `www.example.com` and `example.com.`, with the dot of the
    /// root, are other origins than `example.com`, as they are for browsers. There are no
    /// wildcards.
    ///
    /// The host is read as browsers read it (URL, "host parsing"). What browsers repair or skip,
    /// such as a tab inside a name, is an error here. One mistaken entry is an error of the whole
    /// list: if mistakes were left out, a list of them would become the empty one, which allows
    /// every request. For the same reason, do not take the empty list where your database did not
    /// answer.
    ///
    /// Normalized, an entry has up to 268 bytes. How many entries a customer may have is for you to
    /// limit.
    ///
    /// # Errors
    /// [`InvalidOrigin`] for the first entry that is not an origin, with what is wrong: a path, a
    /// query, a fragment, user information, a wildcard, another scheme, no host or a malformed one,
    /// a port out of range, white space, `null`, a text that is too long or empty.
    pub fn new<T: AsRef<str>>(entries: impl IntoIterator<Item = T>) -> Result<Self, InvalidOrigin> {
        let read = |entry: T| {
            let entry = entry.as_ref();
            normalized(entry).map_err(|fault| InvalidOrigin::new(entry, fault))
        };
        let origins: BTreeSet<_> = entries.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self {
            origins: origins.into_iter().collect(),
            allows_missing: false,
        })
    }

    /// Creates the empty list, which allows every request.
    pub fn any() -> Self {
        Self::default()
    }

    /// Allows requests without an `Origin` header too.
    ///
    /// Programs that are not browsers need not send one. Browsers send none with GET and HEAD
    /// requests that are not subject to CORS: those of a page to its own origin, and those for
    /// images, scripts, links and frames of any site (Fetch, "append a request `Origin` header").
    /// So call this only for routes where GET and HEAD have no effect (RFC 9110, section 9.2.1).
    ///
    /// ```
    /// use http::HeaderMap;
    /// use tower_api_key::origins::AllowedOrigins;
    ///
    /// let sites = AllowedOrigins::new(["example.com"])?;
    /// assert!(sites.verify(&HeaderMap::new()).is_err());
    /// assert!(sites.with_missing_origin_allowed().verify(&HeaderMap::new()).is_ok());
    /// # Ok::<(), tower_api_key::origins::InvalidOrigin>(())
    /// ```
    pub fn with_missing_origin_allowed(mut self) -> Self {
        self.allows_missing = true;
        self
    }

    /// Returns whether pages of an origin are allowed, by the value of an `Origin` header. For CORS
    /// layers, which have the value; to decide about a request, use [`verify`](Self::verify).
    #[must_use]
    pub fn allows(&self, origin: &HeaderValue) -> bool {
        let sent = origin.as_bytes();
        let found = self
            .origins
            .binary_search_by(|listed| listed.as_bytes().cmp(sent));
        self.is_empty() || found.is_ok()
    }

    /// Checks the `Origin` header of a request, and does not report a refusal. The
    /// [layer](super::AllowedOriginsLayer) and the [check](super::OriginCheck) for handlers call
    /// this; call it yourself where you answer in a form of your own.
    ///
    /// # Errors
    /// [`Cause::NoOrigin`], [`Cause::SeveralOrigins`], [`Cause::NullOrigin`] or
    /// [`Cause::OriginNotListed`], unless the list is empty.
    pub fn verify(&self, headers: &HeaderMap) -> Result<(), Cause> {
        let mut sent = headers.get_all(ORIGIN).iter();
        match (sent.next(), sent.next()) {
            _ if self.is_empty() => Ok(()),
            (None, _) if self.allows_missing => Ok(()),
            (None, _) => Err(Cause::NoOrigin),
            (Some(_), Some(_)) => Err(Cause::SeveralOrigins),
            (Some(origin), None) if self.allows(origin) => Ok(()),
            (Some(origin), None) if origin == "null" => Err(Cause::NullOrigin),
            (Some(_), None) => Err(Cause::OriginNotListed),
        }
    }

    /// Returns whether the list has no entries, and so allows every request.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// Yields the origins as browsers write them, sorted and each once.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.origins.iter().map(|origin| &**origin)
    }
}

impl fmt::Display for AllowedOrigins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_empty() {
            true => f.write_str("*"),
            false => f.write_str(&self.origins.join(" ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::{Origin, Url};

    use super::*;
    use crate::origins::OriginFault;

    fn of(entries: &[&str]) -> AllowedOrigins {
        AllowedOrigins::new(entries).unwrap()
    }

    /// What a browser sends as the `Origin` of a page.
    fn sent_by(page: &Url) -> HeaderValue {
        page.origin().ascii_serialization().parse().unwrap()
    }

    /// What a customer may type for a site, in each way to write a host, and the URL of a page of
    /// it.
    fn page() -> impl Strategy<Value = (String, Url)> {
        let host = prop_oneof![
            "[aA][.。][ab][.]?", // often the same
            r"([a-zA-Z0-9_éßñ例え]{1,3}[.。．]){0,2}[a-cñ]{1,2}[.]?",
            any::<std::net::Ipv4Addr>().prop_map(|it| it.to_string()),
            any::<u32>().prop_map(|it| format!("0x{it:x}")),
            any::<std::net::Ipv6Addr>().prop_map(|it| format!("[{it}]")),
        ];
        let port = prop_oneof![
            "(:80|:443|:1)?", // often the same
            (1..100u16).prop_map(|it| format!(":{it}")),
        ];
        let url = ("https?", host, port, "(/[a-z]{0,3}([?#][a-z]{1,3})?)?");
        url.prop_filter_map("no URL", |(scheme, host, port, path)| {
            let typed = format!("{scheme}://{host}{port}");
            let page = Url::parse(&format!("{typed}{path}")).ok()?;
            Some((typed, page))
        })
    }

    #[test]
    fn a_list_is_sorted_without_duplicates_and_read_again() {
        let list = of(&[
            "b.example",
            "https://A.example:443",
            "a.example/",
            "http://b.example",
        ]);
        let origins = ["http://b.example", "https://a.example", "https://b.example"];
        assert_eq!(list.iter().collect::<Vec<_>>(), origins);
        assert_eq!(list.to_string(), origins.join(" "));
        assert_eq!(of(&origins), list);
        assert_ne!(of(&origins[1..]), list);
        assert_ne!(list.clone().with_missing_origin_allowed(), list);
        assert!(!list.is_empty());
        assert!(format!("{list:?}").contains("\"https://a.example\""));
    }

    #[test]
    fn the_empty_list_allows_every_value() {
        let any = AllowedOrigins::any();
        assert_eq!(any, of(&[]));
        assert_eq!(any, AllowedOrigins::default());
        assert!(any.is_empty());
        assert_eq!(any.to_string(), "*");
        for value in ["https://a.example", "null", ""] {
            assert!(any.allows(&HeaderValue::from_static(value)), "{value}");
        }
    }

    #[test]
    fn one_mistake_is_an_error_of_the_whole_list() {
        let mistaken: [&[&str]; 3] = [&[""], &["a.example", ""], &["*", "a.example"]];
        for entries in mistaken {
            assert!(AllowedOrigins::new(entries).is_err(), "{entries:?}");
        }
        let error = AllowedOrigins::new(["a.example", "b.example/x", "*"]).unwrap_err();
        assert_eq!(
            (error.entry(), error.fault()),
            ("b.example/x", OriginFault::Path)
        );
        let long = "é".repeat(5000);
        let error = AllowedOrigins::new([&long]).unwrap_err();
        assert_eq!(
            (error.entry(), error.fault()),
            (&long[..600], OriginFault::TooLong)
        );
    }

    #[test]
    fn only_the_serialization_of_a_listed_origin_is_allowed() {
        let list = of(&[
            "example.com",
            "http://127.0.0.1:8080",
            "bücher.example",
            "[::1]",
        ]);
        for sent in list.iter() {
            assert!(list.allows(&sent.parse().unwrap()), "{sent}");
        }
        for sent in [
            "",
            "null",
            "NULL",
            "*",
            "example.com",
            "http://example.com",
            "https://www.example.com",
            "https://example.com.",
            "https://example.com/",
            "https://example.com:443",
            "http://example.com:443",
            "https://example.com:8443",
            "HTTPS://example.com",
            "https://EXAMPLE.com",
            " https://example.com",
            "https://example.com ",
            "https://example.com\t",
            "https://exam\tple.com",
            "https://example.com https://a.example",
            "https://a.example https://example.com",
            "https://example.com, https://example.com",
            "https://good.example@example.com",
            "https://example.com@evil.example",
            "https://example.com.evil.example",
            "https://evil.example#example.com",
            "https://evil.example/https://example.com",
            "https://evilexample.com",
            "https://example.co",
            "https://xn--bcher-kva.example.evil.example",
            "https://XN--BCHER-KVA.example",
            "http://127.0.0.1",
            "http://127.1:8080",
            "http://0x7f.0.0.1:8080",
            "http://2130706433:8080",
            "https://[0:0:0:0:0:0:0:1]",
            "https://[::1]:443",
            "https://::1",
            "file://",
            "file:///",
            "ftp://example.com",
        ] {
            assert!(!list.allows(&HeaderValue::from_static(sent)), "{sent:?}");
        }
        for sent in [
            "https://bücher.example",
            "https://example．com",
            "https://example.com\u{0}",
        ] {
            let value = HeaderValue::from_bytes(sent.as_bytes());
            assert!(!value.is_ok_and(|value| list.allows(&value)), "{sent:?}");
        }
        let long = format!("https://example.com{}", "a".repeat(1 << 20));
        assert!(!list.allows(&long.parse().unwrap()));
    }

    #[test]
    fn a_request_has_one_listed_origin_or_a_cause() {
        let list = of(&["a.example", "b.example"]);
        let lenient = list.clone().with_missing_origin_allowed();
        let unlisted = Some("origin_not_listed");
        let several = Some("several_origins");
        let cases: [(&[&str], _, _); 9] = [
            (&["https://a.example"], None, None),
            (&["https://b.example"], None, None),
            (&[], Some("no_origin"), None),
            (&["null"], Some("null_origin"), Some("null_origin")),
            (&[""], unlisted, unlisted),
            (&["https://c.example"], unlisted, unlisted),
            (
                &["https://a.example", "https://a.example"],
                several,
                several,
            ),
            (
                &["https://a.example", "https://c.example"],
                several,
                several,
            ),
            (&["null", "https://a.example"], several, several),
        ];
        for (sent, cause, cause_if_lenient) in cases {
            let mut headers = HeaderMap::new();
            for value in sent {
                headers.append(ORIGIN, HeaderValue::from_static(value));
            }
            let code = |list: &AllowedOrigins| list.verify(&headers).err().map(|it| it.code());
            assert_eq!(code(&list), cause, "{sent:?}");
            assert_eq!(code(&lenient), cause_if_lenient, "{sent:?}");
            assert_eq!(code(&AllowedOrigins::any()), None, "{sent:?}");
        }
    }

    proptest! {
        #[test]
        fn what_a_browser_sends_from_a_listed_page_is_allowed((typed, page) in page()) {
            for typed in [&typed, &format!("{typed}/"), &typed.to_ascii_uppercase()] {
                let list = AllowedOrigins::new([typed])?;
                prop_assert!(list.allows(&sent_by(&page)), "{list} {page}");
            }
        }

        #[test]
        fn two_origins_do_not_match_each_other((typed, page) in page(), (_, other) in page()) {
            let list = AllowedOrigins::new([typed])?;
            let is_same = page.origin() == other.origin();
            prop_assert_eq!(list.allows(&sent_by(&other)), is_same, "{} {}", list, other);
        }

        #[test]
        fn a_changed_byte_makes_another_origin(
            (typed, _) in page(),
            at in 0..30usize,
            by in 1..=255u8,
        ) {
            let list = AllowedOrigins::new([typed])?;
            let mut sent = list.to_string().into_bytes();
            let at = at % sent.len();
            sent[at] ^= by;
            let sent = HeaderValue::from_bytes(&sent);
            prop_assert!(!sent.is_ok_and(|sent| list.allows(&sent)));
        }
    }

    #[test]
    fn pages_without_an_origin_match_no_list() {
        for page in [
            "file:///a.html",
            "data:text/html,a",
            "blob:null/a",
            "about:blank",
        ] {
            let page = Url::parse(page).unwrap();
            assert!(matches!(page.origin(), Origin::Opaque(_)));
            assert!(!of(&["a.example"]).allows(&sent_by(&page)), "{page}");
        }
    }
}
