//! The fields of a form or a query, and texts in a URL.

/// The fields that a browser sent. Those that a page does not know are ignored.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(pub(super) Vec<(String, String)>);

impl Fields {
    /// Returns the first value of a field, if it is there.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Returns the value of a text field, which is empty if it is absent.
    pub(super) fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    /// Returns the same without a field.
    pub(super) fn without(&self, name: &str) -> Self {
        let others = self.0.iter().filter(|(field, _)| field != name);
        Self(others.cloned().collect())
    }

    /// Returns every value of a field, such as those of ticked boxes.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.0.iter().filter(move |(field, _)| field == name);
        named.map(|(_, value)| value.as_str())
    }

    /// Returns every value of a field as text of its own.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        self.all(name).map(str::to_owned).collect()
    }
}

/// The longest text that somebody typed in a URL, in bytes, encoded. The URL is encoded once more in
/// that of the sign-in, and nginx takes 4 KiB for the head of an answer by default.
const MAX_TYPED: usize = 900;

/// A query, in the order in which its parameters are added.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(String);

impl Query {
    /// Adds a parameter.
    #[must_use]
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.push(if self.0.is_empty() { '?' } else { '&' });
        self.0.push_str(&encode(name));
        self.0.push('=');
        self.0.push_str(&encode(value));
        self
    }

    /// Adds a parameter unless its value is empty.
    #[must_use]
    pub(super) fn with_text(self, name: &str, value: &str) -> Self {
        match value {
            "" => self,
            _ => self.with(name, value),
        }
    }

    /// Adds what somebody typed, unless the URL would become too long for a proxy.
    #[must_use]
    pub(super) fn with_typed(self, name: &str, value: &str) -> Self {
        match encode(value).len() {
            ..=MAX_TYPED => self.with(name, value),
            _ => self,
        }
    }

    /// Adds a parameter once for each value.
    #[must_use]
    pub(super) fn with_all(self, name: &str, values: &[String]) -> Self {
        values
            .iter()
            .fold(self, |query, value| query.with(name, value))
    }

    /// Returns the text: nothing, or with a `?` before it.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Percent-encodes everything but the characters that need it nowhere (RFC 3986, section 2.3).
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// Returns `url` with another parameter, behind those that it has, and before its fragment.
pub(super) fn with_parameter(url: &str, name: &str, value: &str) -> String {
    let (address, fragment) = match url.split_once('#') {
        Some((address, fragment)) => (address, format!("#{fragment}")),
        None => (url, String::new()),
    };
    let separator = if address.contains('?') { '&' } else { '?' };
    format!("{address}{separator}{name}={}{fragment}", encode(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_its_parameters_encoded_and_in_order() {
        assert_eq!(Query::default().as_str(), "");
        let query = Query::default()
            .with("a", "")
            .with_text("b", "")
            .with_text("c", "x y&z=\u{e9}")
            .with_all("d", &["1".into(), "2".into()]);
        assert_eq!(query.as_str(), "?a=&c=x%20y%26z%3D%C3%A9&d=1&d=2");
    }

    #[test]
    fn a_parameter_is_added_to_any_url() {
        for (url, wanted) in [
            ("/sign-in", "/sign-in?to=%2Fa%3Fb"),
            ("/sign-in?x=1", "/sign-in?x=1&to=%2Fa%3Fb"),
            (
                "https://id.example/#top",
                "https://id.example/?to=%2Fa%3Fb#top",
            ),
        ] {
            assert_eq!(with_parameter(url, "to", "/a?b"), wanted);
        }
    }

    #[test]
    fn fields_are_found_by_name() {
        let pairs = [("a", "1"), ("b", "2"), ("a", "3")];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let fields = Fields(pairs.to_vec());
        assert_eq!((fields.get("a"), fields.get("c")), (Some("1"), None));
        assert_eq!(
            (fields.text("b"), fields.text("c")),
            ("2".into(), String::new())
        );
        assert_eq!(fields.texts("a"), ["1", "3"]);
    }
}
