//! Reads an origin as a person types it, and writes it as browsers do.
//!
//! The parser of the URL standard repairs what it reads: it drops tabs, takes `\` for `/` and skips
//! user information. Here, all of that is an error.

use super::{OriginFault, host::host_of};

/// The longest entry that is read, in bytes.
const MAX_LENGTH: usize = 1024;

/// The schemes whose pages can have an entry.
#[derive(Clone, Copy)]
enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Returns the port that an origin leaves out (URL, "default port").
    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Returns the serialization of the origin that `entry` names (HTML, "serialization of an origin";
/// RFC 6454, section 6.2).
pub(super) fn normalized(entry: &str) -> Result<Box<str>, OriginFault> {
    check_text(entry)?;
    let (scheme, rest) = scheme_of(entry)?;
    let (host, port) = split_port(authority_of(rest)?);
    let (host, port) = (host_of(host)?, port.map(port_of).transpose()?);
    let port = port.filter(|port| *port != scheme.default_port());
    let scheme = scheme.as_str();
    let origin = match port {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    };
    Ok(origin.into())
}

/// Refuses what is wrong wherever it stands.
fn check_text(entry: &str) -> Result<(), OriginFault> {
    let is_blank = |letter: char| letter.is_whitespace() || letter.is_control();
    match entry.len() {
        length if length > MAX_LENGTH => Err(OriginFault::TooLong),
        _ if entry.contains(is_blank) => Err(OriginFault::Whitespace),
        _ if entry.contains('*') => Err(OriginFault::Wildcard),
        _ if entry.eq_ignore_ascii_case("null") => Err(OriginFault::Null),
        _ => Ok(()),
    }
}

/// Splits the scheme off. Without one, it is https.
fn scheme_of(entry: &str) -> Result<(Scheme, &str), OriginFault> {
    match entry.split_once("://") {
        // A later `://` belongs to a query, for example.
        Some((scheme, _)) if scheme.contains(ends_authority) => Ok((Scheme::Https, entry)),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => Ok((Scheme::Https, rest)),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => Ok((Scheme::Http, rest)),
        Some(_) => Err(OriginFault::Scheme),
        None => Ok((Scheme::Https, entry)),
    }
}

/// Returns the host and the port, behind which `/` alone may stand: it is how an address bar shows
/// the empty path.
fn authority_of(rest: &str) -> Result<&str, OriginFault> {
    let end = rest.find(ends_authority).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let mut tail = tail.chars();
    match (tail.next(), tail.next()) {
        _ if authority.is_empty() => Err(OriginFault::EmptyHost),
        (Some('?'), _) => Err(OriginFault::Query),
        (Some('#'), _) => Err(OriginFault::Fragment),
        (Some('\\'), _) | (Some(_), Some(_)) => Err(OriginFault::Path),
        _ if authority.contains('@') => Err(OriginFault::UserInfo),
        _ => Ok(authority),
    }
}

/// Returns whether a character ends the host and the port. Browsers take `\` for `/` (URL,
/// "authority state").
fn ends_authority(letter: char) -> bool {
    matches!(letter, '/' | '\\' | '?' | '#')
}

/// Splits the port off, behind the brackets of an IPv6 address.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    let behind_brackets = authority.rfind(']').unwrap_or_default();
    let mut colons = authority.match_indices(':').map(|(at, _)| at);
    let colon = colons.find(|at| *at >= behind_brackets);
    match colon.map(|at| authority.split_at(at)) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => (authority, None),
    }
}

/// Reads a port, of digits alone: the standard library reads a sign, too.
fn port_of(text: &str) -> Result<u16, OriginFault> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port @ 1..) if is_number => Ok(port),
        _ => Err(OriginFault::Port),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    #[test]
    fn an_entry_is_written_as_browsers_write_its_origin() {
        for (typed, origin) in [
            ("example.com", "https://example.com"),
            ("https://example.com", "https://example.com"),
            ("http://example.com", "http://example.com"),
            ("https://example.com/", "https://example.com"),
            ("example.com/", "https://example.com"),
            ("www.example.com", "https://www.example.com"),
            ("HTTPS://EXAMPLE.COM", "https://example.com"),
            ("localhost:3000", "https://localhost:3000"),
            ("a_b.example", "https://a_b.example"),
            // Ports.
            ("https://example.com:443", "https://example.com"),
            ("http://example.com:80", "http://example.com"),
            ("http://example.com:443", "http://example.com:443"),
            ("https://example.com:80", "https://example.com:80"),
            ("example.com:80", "https://example.com:80"),
            ("example.com:0443/", "https://example.com"),
            ("example.com:1", "https://example.com:1"),
            ("example.com:65535", "https://example.com:65535"),
            // Unicode and Punycode (UTS 46).
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("https://BÜCHER.example", "https://xn--bcher-kva.example"),
            ("XN--BCHER-KVA.example", "https://xn--bcher-kva.example"),
            ("faß.example", "https://xn--fa-hia.example"),
            ("例え.テスト", "https://xn--r8jz45g.xn--zckzah"),
            ("ｅｘａｍｐｌｅ.com", "https://example.com"),
            ("example。com", "https://example.com"),
            ("example．com", "https://example.com"),
            ("example｡com", "https://example.com"),
            ("ex%61mple.com", "https://example.com"),
            // The dot of the root makes another host.
            ("example.com.", "https://example.com."),
            ("https://example.com.:443/", "https://example.com."),
            // Addresses.
            ("127.0.0.1", "https://127.0.0.1"),
            ("http://127.1", "http://127.0.0.1"),
            ("http://0x7f.1", "http://127.0.0.1"),
            ("http://0177.0.0.1:80", "http://127.0.0.1"),
            ("http://2130706433", "http://127.0.0.1"),
            ("http://127.0.0.1.", "http://127.0.0.1"),
            ("http://１２７.0.0.1", "http://127.0.0.1"),
            ("[::1]", "https://[::1]"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("http://[0:0:0:0:0:0:0:1]:80/", "http://[::1]"),
            ("[2001:DB8::0:1]", "https://[2001:db8::1]"),
            ("[::ffff:192.0.2.1]", "https://[::ffff:c000:201]"),
        ] {
            assert_eq!(normalized(typed).as_deref(), Ok(origin), "{typed}");
            assert_eq!(normalized(origin).as_deref(), Ok(origin), "{typed}");
        }
    }

    #[test]
    fn what_is_not_an_origin_is_refused_with_what_is_wrong() {
        use OriginFault::*;
        for (typed, fault) in [
            ("", EmptyHost),
            ("https://", EmptyHost),
            ("https:///", EmptyHost),
            ("https:///example.com", EmptyHost),
            ("//example.com", EmptyHost),
            ("/", EmptyHost),
            (":443", EmptyHost),
            ("https://:443", EmptyHost),
            ("https://?example.com", EmptyHost),
            (" ", Whitespace),
            (" example.com", Whitespace),
            ("example.com\n", Whitespace),
            ("exam\tple.com", Whitespace),
            ("exam\r\nple.com", Whitespace),
            ("https://exam ple.com", Whitespace),
            ("https://example.com\u{3000}", Whitespace),
            ("https://example.com\u{a0}", Whitespace),
            ("https://example.com\0", Whitespace),
            ("https://example.com, https://a.example", Whitespace),
            ("*", Wildcard),
            ("*.example.com", Wildcard),
            ("https://*.example.com", Wildcard),
            ("https://example.com:*", Wildcard),
            ("*://example.com", Wildcard),
            ("example.com/*", Wildcard),
            ("https://%2A.example.com", Wildcard),
            ("https://＊.example.com", Wildcard),
            ("null", Null),
            ("NULL", Null),
            ("file://", Scheme),
            ("file:///etc/passwd", Scheme),
            ("ftp://example.com", Scheme),
            ("ws://example.com", Scheme),
            ("chrome-extension://abcdef", Scheme),
            ("://example.com", Scheme),
            ("https://https://example.com", Path),
            ("javascript:alert(1)", Port),
            ("data:text/html", Path),
            ("https:example.com", Port),
            ("https:/example.com", Path),
            (r"https:\\example.com", Path),
            ("https://user@example.com", UserInfo),
            ("https://user:test@example.com", UserInfo),
            ("https://@example.com", UserInfo),
            ("https://good.example@evil.example", UserInfo),
            ("https://good.example:443@evil.example", UserInfo),
            (r"https://good.example\@evil.example", Path),
            ("https://good.example%40evil.example", Host),
            ("https://good.example＠evil.example", Host),
            ("https://example.com/shop", Path),
            ("https://example.com//", Path),
            ("https://example.com/.", Path),
            (r"https://example.com\", Path),
            ("example.com/?u=https://a.example", Path),
            ("https://example.com?", Query),
            ("https://evil.example?good.example", Query),
            ("https://example.com#", Fragment),
            ("https://evil.example#good.example", Fragment),
            ("https://example.com:", Port),
            ("https://example.com:0", Port),
            ("https://example.com:65536", Port),
            ("https://example.com:99999999999999999999", Port),
            ("https://example.com:-1", Port),
            ("https://example.com:+443", Port),
            ("https://example.com:４４３", Port),
            ("https://example.com:https", Port),
            ("https://example.com:443:443", Port),
            ("https://[::1", Host),
            ("https://::1]", Host),
            ("https://[::1]x", Host),
            ("https://[::1]x:80", Host),
            ("https://[fe80::1%25eth0]", Host),
            ("https://[1.2.3.4]", Host),
            ("https://[]", Host),
            ("https://1.2.3.4.5", Host),
            ("https://256.0.0.1", Host),
            ("https://0x100000000", Host),
            ("https://example.1", Host),
            ("https://.", Host),
            ("https://.example.com", Host),
            ("https://example..com", Host),
            ("https://example.com..", Host),
            ("https://example。。com", Host),
            ("https://example.com／shop", Host),
            ("https://example.com％", Host),
            ("https://example.com%", Host),
            ("https://example.com%2Fshop", Host),
            ("https://xn--a", Host),
            ("https://xn--example-.com", Host),
            ("a.example,b.example", Host),
            ("example.com;script-src", Host),
            ("\"example.com\"", Host),
            ("'self'", Host),
            ("<example.com>", Host),
            ("exam^ple.com", Host),
            ("example.com|", Host),
        ] {
            assert_eq!(normalized(typed), Err(fault), "{typed:?}");
        }
    }

    #[test]
    fn an_entry_has_a_greatest_length() {
        let name = |length: usize| "a.".repeat(length / 2) + &"a".repeat(length % 2);
        assert_eq!(name(253).len(), 253);
        let longest = format!("https://{}.:65535", name(253));
        assert_eq!(normalized(&longest).unwrap().len(), 268);
        assert_eq!(normalized(&name(255)), Err(OriginFault::TooLong));
        for length in [1024, 1025, 1 << 20] {
            let typed = "a".repeat(length);
            assert_eq!(normalized(&typed), Err(OriginFault::TooLong), "{length}");
        }
        let blanks = |length| normalized(&" ".repeat(length));
        assert_eq!(blanks(1024), Err(OriginFault::Whitespace));
        assert_eq!(blanks(1025), Err(OriginFault::TooLong));
        // Longer in Punycode than in Unicode.
        let unicode = "é.".repeat(100) + "example";
        assert_eq!(normalized(&unicode), Err(OriginFault::TooLong));
    }

    /// What the parser of the URL standard takes `typed` for, with https if it has no scheme.
    fn standard(typed: &str) -> Option<String> {
        let url = match typed.contains("://") {
            true => Url::parse(typed),
            false => Url::parse(&format!("https://{typed}")),
        };
        Some(url.ok()?.origin().ascii_serialization())
    }

    proptest! {
        #[test]
        fn an_accepted_entry_is_the_origin_of_the_url_standard(
            scheme in "(https?://|HTTPS://|ftp://)?",
            rest in r"[a-cA-C0-9.:/@%?#_*\\\[\] éß。．-]{0,16}(:[0-9]{1,5})?/?",
        ) {
            let typed = scheme + &rest;
            if let Ok(origin) = normalized(&typed) {
                let taken_for = standard(&typed);
                prop_assert_eq!(taken_for.as_deref(), Some(&*origin));
            }
        }

        #[test]
        fn normalizing_is_idempotent(
            scheme in "(https?://)?",
            labels in "([a-zA-Zéßñ例え0-9]{1,12}[.。．]){0,3}",
            rest in "[a-zéñ]{1,8}[.]?(:[0-9]{1,5})?/?",
        ) {
            if let Ok(origin) = normalized(&(scheme + &labels + &rest)) {
                prop_assert_eq!(normalized(&origin), Ok(origin));
            }
        }

        #[test]
        fn any_text_is_an_origin_or_an_error(typed in any::<String>()) {
            if let Ok(origin) = normalized(&typed) {
                let taken_for = standard(&typed);
                prop_assert_eq!(taken_for.as_deref(), Some(&*origin));
                prop_assert_eq!(normalized(&origin), Ok(origin));
            }
        }
    }
}
