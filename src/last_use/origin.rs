//! Where a request with a credential came from, as far as that is kept.

use std::net::IpAddr;

use http::{HeaderMap, header::USER_AGENT};

/// What is kept of the requests of one [`LastUse`](super::LastUse), apart from their time.
#[derive(Clone, Copy, Default)]
pub(super) struct Keeps {
    pub(super) address: bool,
    pub(super) user_agent: bool,
}

/// Where a request came from.
#[derive(Default)]
pub(crate) struct Origin {
    pub(super) address: Option<IpAddr>,
    pub(super) user_agent: Option<Box<str>>,
}

/// Maximum length of a user agent that is kept, in characters.
const MAX_USER_AGENT: usize = 200;

impl Keeps {
    /// Returns whether more is kept of a use than its time.
    pub(super) fn origins(self) -> bool {
        self.address || self.user_agent
    }

    /// Returns what is kept of the origin of a request.
    pub(super) fn origin(
        self,
        headers: &HeaderMap,
        address: impl FnOnce() -> Option<IpAddr>,
    ) -> Origin {
        let agent = headers.get(USER_AGENT).filter(|_| self.user_agent);
        Origin {
            address: self.address.then(address).flatten(),
            user_agent: agent.and_then(|agent| shown(agent.as_bytes())),
        }
    }
}

/// Returns the beginning of a user agent without control characters; `None` if that is empty.
fn shown(agent: &[u8]) -> Option<Box<str>> {
    let chunks = agent.utf8_chunks();
    let text = chunks.flat_map(|chunk| {
        let replaced = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
        chunk.valid().chars().chain(replaced)
    });
    let shown: String = text
        .filter(|c| !c.is_control())
        .take(MAX_USER_AGENT)
        .collect();
    (!shown.is_empty()).then(|| shown.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_is_cut_after_200_characters_and_has_no_control_characters() {
        let long = "\u{e4}".repeat(201);
        for (sent, kept) in [
            (&b""[..], None),
            (b"\x01\x7f", None),
            (b"curl/8.5.0", Some("curl/8.5.0")),
            (b"a\x00\tb\x1b[2Jc", Some("ab[2Jc")),
            (b"a\xffb", Some("a\u{fffd}b")),
            (long.as_bytes(), Some(&long[..400])),
        ] {
            assert_eq!(shown(sent).as_deref(), kept);
        }
    }
}
