//! Reads the host of an origin as browsers do, with the crate `url`.

use url::Host;

use super::OriginFault;

/// The longest domain name, in characters, without the dot of the root: 255 bytes in a message of
/// DNS, with a byte for the length of each label (RFC 1035, section 2.3.4).
const MAX_LENGTH: usize = 253;

/// Returns the host as browsers write it (URL, "host parsing" and "host serializing"): in lower
/// case, in Punycode (UTS 46), an address in its usual form.
pub(super) fn host_of(text: &str) -> Result<String, OriginFault> {
    if text.is_empty() {
        return Err(OriginFault::EmptyHost);
    }
    match Host::parse(text) {
        Ok(Host::Domain(name)) => check_name(&name).map(|()| name),
        Ok(address) => Ok(address.to_string()),
        Err(_) => Err(OriginFault::Host),
    }
}

/// Checks what the URL standard leaves to DNS. The dot of the root may stand at the end: with it, a
/// name is another host.
fn check_name(name: &str) -> Result<(), OriginFault> {
    let labels = name.strip_suffix('.').unwrap_or(name);
    match labels.len() {
        _ if name.contains('*') => Err(OriginFault::Wildcard), // was written in another form
        _ if !labels.split('.').all(is_label) => Err(OriginFault::Host),
        length if length > MAX_LENGTH => Err(OriginFault::TooLong),
        _ => Ok(()),
    }
}

/// Returns whether a label has the characters of host names (RFC 1123, section 2.1), or `_`, which
/// occurs. The standard allows more, such as `,` and `;`: mistakes in a list, and separators where
/// an origin is written into another header.
fn is_label(label: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !label.is_empty() && label.bytes().all(allowed)
}
