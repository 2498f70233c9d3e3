//! The address of a client: that of its connection, or the one that a trusted proxy reports.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use http::{Extensions, HeaderMap, HeaderName, header::FORWARDED};

use super::RequestHead;
use crate::store::Network;

/// Where the address of a client is found.
///
/// Without a proxy it is the peer of the connection, which your server puts into the request's
/// extensions. How it does is between it and you, so you pass a function; for axum's
/// `into_make_service_with_connect_info`:
///
/// ```
/// use std::net::SocketAddr;
///
/// use axum::extract::ConnectInfo;
/// use tower_api_key::{AuthLayer, condition::{ClientAddress, ProxyHeader}, store::MemoryStore};
///
/// let address = ClientAddress::of_peer(|extensions| {
///     extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip())
/// });
/// // Behind load balancers in this network only:
/// let address = address.behind(ProxyHeader::XForwardedFor, ["10.0.0.0/8".parse()?]);
/// let auth = AuthLayer::new(MemoryStore::new()).with_client_address(address);
/// # Ok::<(), tower_api_key::store::InvalidNetwork>(())
/// ```
///
/// For tonic's own server, use `TcpConnectInfo::remote_addr`.
///
/// A header counts only if the peer is one of the proxies that you name, and only as far as proxies
/// wrote it: the client is the last hop that is not one of them. What a client writes into the
/// header itself stands before that and is ignored.
#[derive(Clone)]
#[must_use]
pub struct ClientAddress {
    peer: Arc<FindPeer>,
    proxies: Arc<[Network]>,
    header: ProxyHeader,
}

type FindPeer = dyn Fn(&Extensions) -> Option<IpAddr> + Send + Sync;

/// The header in which proxies write whom they act for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyHeader {
    /// `X-Forwarded-For`: addresses with commas between them, the nearest last.
    XForwardedFor,
    /// `Forwarded` (RFC 7239): elements with commas between them, the nearest last, of which the
    /// parameter `for` counts.
    Forwarded,
}

impl ClientAddress {
    /// Takes the address of the peer from the request's extensions. If there is none, credentials
    /// with networks are refused.
    pub fn of_peer(peer: impl Fn(&Extensions) -> Option<IpAddr> + Send + Sync + 'static) -> Self {
        Self {
            peer: Arc::new(peer),
            proxies: Arc::default(),
            header: ProxyHeader::XForwardedFor,
        }
    }

    /// Sets the proxies that may say whom they act for, and the header in which they do. Each must
    /// append to the header whom it acts for, or replace it.
    ///
    /// The proxy has to write the header itself, from what it knows: one that copies a part of the
    /// request into it, such as an unescaped `Host`, lets clients choose.
    ///
    /// Name the proxies alone: a client whose own address lies in one of these networks is taken
    /// for a proxy, and could say that it acts for another.
    pub fn behind(self, header: ProxyHeader, proxies: impl IntoIterator<Item = Network>) -> Self {
        Self {
            header,
            proxies: proxies.into_iter().collect(),
            ..self
        }
    }

    /// Returns the address of the client; `None` if it is not known. It is not known of a request
    /// that a proxy passes on without the header: the proxy may write another one, or a client may
    /// have made it drop the field.
    #[must_use]
    pub fn find(&self, request: &RequestHead<'_>) -> Option<IpAddr> {
        let mut nearest = (self.peer)(request.extensions)?;
        if self.is_proxy(nearest) && !request.headers.contains_key(self.header.name()) {
            return None;
        }
        let mut hops = self.header.hops(request.headers);
        while self.is_proxy(nearest) {
            let Some(hop) = hops.next() else {
                break; // a proxy that acts for itself
            };
            nearest = address(hop)?;
        }
        Some(nearest.to_canonical())
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|proxy| proxy.contains(address))
    }
}

impl ProxyHeader {
    fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            Self::Forwarded => FORWARDED,
        }
    }

    /// Returns the hops, the nearest first. Several fields are one list (RFC 9110, section 5.3).
    ///
    /// It is split at every comma, also at one between quotes: a quote that a client opens must not
    /// swallow what a proxy appends.
    fn hops(self, headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
        let fields = headers.get_all(self.name()).iter().rev();
        fields
            .flat_map(|field| field.as_bytes().rsplit(|byte| *byte == b','))
            .map(move |hop| match self {
                Self::XForwardedFor => hop,
                Self::Forwarded => parameter_for(hop),
            })
    }
}

/// Returns the value of `for` in an element such as `for="[2001:db8::1]:4711";proto=https`, without
/// its quotes; nothing if there is none, or more than one, or if any part of the element is not a
/// parameter. The rest of a quoted text that contains a comma, such as the host that a client asked
/// for, is none.
fn parameter_for(element: &[u8]) -> &[u8] {
    let mut found = None;
    for pair in element.split(|byte| *byte == b';') {
        let Some((name, value)) = parameter(pair.trim_ascii()) else {
            return &[];
        };
        if name.eq_ignore_ascii_case(b"for") && found.replace(value).is_some() {
            return &[];
        }
    }
    found.unwrap_or_default()
}

/// Splits `name=value` or `name="value"` (RFC 7239, section 4). A value with a quote or a backslash
/// in it is none.
fn parameter(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (pair.get(..equals)?, pair.get(equals + 1..)?);
    let inner = value
        .strip_prefix(b"\"")
        .and_then(|inner| inner.strip_suffix(b"\""));
    let is_token = |text: &[u8]| !text.is_empty() && text.iter().all(|byte| is_tchar(*byte));
    let value = match inner {
        Some(inner) if !inner.iter().any(|byte| b"\"\\".contains(byte)) => inner,
        None if is_token(value) => value,
        _ => return None,
    };
    is_token(name).then_some((name, value))
}

/// Returns whether a byte can be in a token (RFC 9110, section 5.6.2).
fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Reads `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:4711`.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop.trim_ascii()).ok()?;
    let bracketed = || {
        text.strip_prefix('[')?
            .strip_suffix(']')?
            .parse()
            .ok()
            .map(IpAddr::V6)
    };
    let with_port = || text.parse().ok().map(|socket: SocketAddr| socket.ip());
    text.parse().ok().or_else(with_port).or_else(bracketed)
}

impl fmt::Debug for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAddress")
            .field("header", &self.header)
            .field("proxies", &self.proxies)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn found(header: ProxyHeader, peer: &str, values: &[&str]) -> Option<String> {
        let proxies = ["10.0.0.0/8", "2001:db8::/32"].map(|proxy| proxy.parse().unwrap());
        let peer: Option<IpAddr> = peer.parse().ok();
        let address = ClientAddress::of_peer(move |_| peer).behind(header, proxies);
        let mut request = Request::new(());
        for value in values {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            request.headers_mut().append(header.name(), value);
        }
        let address = address.find(&RequestHead::of(&request));
        address.map(|address| address.to_string())
    }

    #[test]
    fn the_client_is_the_last_hop_that_is_no_proxy() {
        use ProxyHeader::{Forwarded, XForwardedFor};
        #[rustfmt::skip]
        let cases: &[(ProxyHeader, &str, &[&str], Option<&str>)] = &[
            (XForwardedFor, "192.0.2.1", &[], Some("192.0.2.1")),
            (XForwardedFor, "192.0.2.1", &["198.51.100.1"], Some("192.0.2.1")), // a stranger sent it
            (XForwardedFor, "10.0.0.1", &["192.0.2.1"], Some("192.0.2.1")),
            (XForwardedFor, "::ffff:10.0.0.1", &["::ffff:192.0.2.1"], Some("192.0.2.1")),
            (XForwardedFor, "10.0.0.1", &["198.51.100.1, 192.0.2.1"], Some("192.0.2.1")),
            (XForwardedFor, "10.0.0.1", &["198.51.100.1", "192.0.2.1"], Some("192.0.2.1")),
            (XForwardedFor, "10.0.0.1", &["198.51.100.1, 192.0.2.1, 10.0.0.2"], Some("192.0.2.1")),
            (XForwardedFor, "10.0.0.1", &["192.0.2.1, 2001:db8::9", "10.0.0.2"], Some("192.0.2.1")),
            (XForwardedFor, "10.0.0.1", &["10.0.0.3, 10.0.0.2"], Some("10.0.0.3")),
            (XForwardedFor, "10.0.0.1", &[], None),
            (XForwardedFor, "10.0.0.1", &["192.0.2.1:4711"], Some("192.0.2.1")),
            (XForwardedFor, "10.0.0.1", &["[2001:db9::1]:4711"], Some("2001:db9::1")),
            (XForwardedFor, "10.0.0.1", &["[2001:db9::1]"], Some("2001:db9::1")),
            (XForwardedFor, "10.0.0.1", &["192.0.2.1, unknown"], None),
            (XForwardedFor, "10.0.0.1", &["192.0.2.1,"], None),
            (XForwardedFor, "10.0.0.1", &["192.0.2.1", ""], None),
            (XForwardedFor, "10.0.0.1", &["\u{e9}"], None),
            (XForwardedFor, "", &["192.0.2.1"], None),
            (Forwarded, "192.0.2.1", &["for=198.51.100.1"], Some("192.0.2.1")),
            (Forwarded, "10.0.0.1", &["for=192.0.2.1"], Some("192.0.2.1")),
            (Forwarded, "10.0.0.1", &["for=198.51.100.1, For=\"192.0.2.1:80\";proto=http"], Some("192.0.2.1")),
            // What a client asked for, in quotes of the proxy.
            (Forwarded, "10.0.0.1", &["for=192.0.2.1;host=\"a,for=198.51.100.1;x=\";proto=https"], None),
            (Forwarded, "10.0.0.1", &["for=192.0.2.1;host=\"a,for=198.51.100.1\""], None),
            (Forwarded, "10.0.0.1", &["for=192.0.2.1;host=\"a\\\",for=198.51.100.1;x=\\\"\""], None),
            (Forwarded, "10.0.0.1", &["for=192.0.2.1;host=\"a.example:80\""], Some("192.0.2.1")),
            (Forwarded, "10.0.0.1", &["for=192.0.2.1;host=\"a\"b\""], None),
            (Forwarded, "10.0.0.1", &["for=192.0.2.1;host=\"a\\b\""], None),
            (Forwarded, "10.0.0.1", &["by=10.0.0.1;for=\"[2001:db9::1]:4711\""], Some("2001:db9::1")),
            (Forwarded, "10.0.0.1", &["for=\"x, for=192.0.2.1"], Some("192.0.2.1")), // a quote left open
            (Forwarded, "10.0.0.1", &["for=192.0.2.1, for=_hidden"], None),
            (Forwarded, "10.0.0.1", &["for=192.0.2.1, proto=http"], None),
            (Forwarded, "10.0.0.1", &["for=192.0.2.1;for=198.51.100.1"], None),
        ];
        for (header, peer, values, expected) in cases {
            assert_eq!(
                found(*header, peer, values).as_deref(),
                *expected,
                "{peer} {values:?}"
            );
        }
    }

    proptest! {
        /// Whatever host a client asks for, the proxy's own parameter counts, or none.
        #[test]
        fn a_client_cannot_choose_its_address_by_its_host(host in "[!#-\\[\\]-~]{0,24}") {
            let asked = format!("for=192.0.2.1;host=\"{host}\";proto=https");
            let address = found(ProxyHeader::Forwarded, "10.0.0.1", &[&asked]);
            prop_assert!(address.is_none_or(|address| address == "192.0.2.1"), "{asked}");
        }

        /// Whatever a client writes before it, the hop that the nearest proxy appends counts.
        #[test]
        fn a_client_cannot_choose_its_address(
            written in vec("[ -~]{0,20}", 0..3),
            forwarded in any::<bool>(),
        ) {
            let (header, hop) = match forwarded {
                true => (ProxyHeader::Forwarded, "for=192.0.2.1"),
                false => (ProxyHeader::XForwardedFor, "192.0.2.1"),
            };
            let mut fields: Vec<&str> = written.iter().map(String::as_str).collect();
            let joined = format!("{}, {hop}", fields.pop().unwrap_or("10.0.0.9"));
            fields.push(&joined);
            let address = found(header, "10.0.0.1", &fields);
            prop_assert_eq!(address.as_deref(), Some("192.0.2.1"));
        }
    }
}
