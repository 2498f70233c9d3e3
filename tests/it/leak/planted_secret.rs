//! A secret that is searched for in every form in which it could leak.

use tower_api_key::secret::Digest;

/// A token, and the forms of it that must not appear anywhere.
pub(crate) struct PlantedSecret {
    pub(crate) token: String,
    forms: Vec<(&'static str, String)>,
}

impl PlantedSecret {
    /// Prepares the forms of a token `<prefix>[<id>.]<secret>`.
    pub(crate) fn new(token: &str) -> Self {
        let secret = token
            .split_once('.')
            .map_or_else(|| token.trim_start_matches("pat_"), |(_, secret)| secret);
        let digest = Digest::of(token.as_bytes());
        let bytes = digest.to_bytes();
        let words = bytes.as_chunks::<8>().0.iter();
        let mut forms = vec![
            ("the secret", secret.to_owned()),
            ("a part of it", secret[4..20].to_owned()),
        ];
        for (name, bytes) in [
            ("secret", secret.as_bytes()),
            ("token", token.as_bytes()),
            ("digest", &bytes),
        ] {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            forms.extend([(name, hex.to_uppercase()), (name, hex)]);
            for alphabet in ["+/", "-_"] {
                forms.push((name, base64(bytes, alphabet)));
            }
            forms.push((name, format!("{bytes:?}")));
        }
        // As the numbers in which a digest is stored, in either byte order.
        for word in words {
            forms.push((
                "a word of the digest",
                u64::from_le_bytes(*word).to_string(),
            ));
            forms.push((
                "a word of the digest",
                u64::from_be_bytes(*word).to_string(),
            ));
        }
        Self {
            token: token.to_owned(),
            forms,
        }
    }

    /// Fails if a line of `text` contains any of the forms.
    pub(crate) fn assert_absent_from(&self, text: &str, place: &str) {
        self.assert_forms_absent_from(text, place, |_| true);
    }

    /// Fails if a line of `text` contains the token or its secret in any form; the digest is
    /// allowed, as in the log of a database in which it is stored.
    #[allow(dead_code, reason = "not every test binary reads a database's log")]
    pub(crate) fn assert_absent_but_for_digest(&self, text: &str, place: &str) {
        self.assert_forms_absent_from(text, place, |name| !name.ends_with("digest"));
    }

    fn assert_forms_absent_from(&self, text: &str, place: &str, searched: impl Fn(&str) -> bool) {
        for (name, form) in self.forms.iter().filter(|(name, _)| searched(name)) {
            let line = text.lines().find(|line| line.contains(form.as_str()));
            assert_eq!(line, None, "{place}: {name} as {form:?}");
        }
    }
}

/// Encodes base64 without padding (RFC 4648), so that padded text starts with it; `last` holds the
/// last two digits of the alphabet.
fn base64(bytes: &[u8], last: &str) -> String {
    let digits: Vec<char> = ('A'..='Z')
        .chain('a'..='z')
        .chain('0'..='9')
        .chain(last.chars())
        .collect();
    let group = |chunk: &[u8]| {
        let bits = (0..3).fold(0_u32, |bits, at| {
            bits << 8 | u32::from(chunk.get(at).copied().unwrap_or(0))
        });
        let digit = |at: usize| digits[(bits >> (18 - 6 * at) & 63) as usize];
        (0..=chunk.len()).map(digit).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

#[test]
fn the_search_finds_every_form_of_a_secret() {
    assert_eq!(base64(b"any carnal pleas", "+/"), "YW55IGNhcm5hbCBwbGVhcw");
    let planted_secret = PlantedSecret::new("ak_id.test-secret-of-a-canary");
    let digest = Digest::of(b"ak_id.test-secret-of-a-canary").to_bytes();
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    for leak in [
        "test-secret-of-a-canary".to_owned(),
        hex(b"test-secret-of-a-canary"),
        hex(&digest),
        format!("{digest:?}"),
        base64(&digest, "-_"),
        u64::from_le_bytes(*digest.first_chunk().unwrap()).to_string(),
    ] {
        let found = std::panic::catch_unwind(|| {
            planted_secret.assert_absent_from(&format!("before {leak} after"), "here")
        });
        assert!(found.is_err(), "{leak}");
    }
    planted_secret.assert_absent_from("ak_id and other public data", "here");
}
