//! A document as a browser reads it: elements, forms, and what a form would send.

/// An element's start, and the text up to the next one.
#[derive(Clone, Debug)]
pub(crate) struct Element {
    pub(crate) tag: String,
    attributes: Vec<(String, String)>,
    pub(crate) text: String,
}

impl Element {
    /// Returns an attribute; an empty one has no value.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(one, _)| one == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Returns the names of its attributes.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.attributes.iter().map(|(name, _)| name.as_str())
    }
}

/// A document, as a list of its elements; `tag` of an end is `/tag`.
#[derive(Clone, Debug)]
pub(crate) struct Document(pub(crate) Vec<Element>);

fn unescaped(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">");
    text.replace("&quot;", "\"").replace("&amp;", "&")
}

/// Splits a tag's inside into its name and its attributes.
fn element(inside: &str, text: &str) -> Element {
    let (tag, mut rest) = inside.split_once(' ').unwrap_or((inside, ""));
    let mut attributes = Vec::new();
    while !rest.trim_start().is_empty() {
        rest = rest.trim_start();
        let end = rest.find([' ', '=']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let (value, after) = match after.strip_prefix("=\"") {
            Some(after) => after.split_once('"').expect("an attribute is closed"),
            None => ("", after),
        };
        attributes.push((name.to_owned(), unescaped(value)));
        rest = after;
    }
    Element {
        tag: tag.to_owned(),
        attributes,
        text: unescaped(text),
    }
}

impl Document {
    pub(crate) fn parse(html: &str) -> Self {
        let parts = html.split('<').skip(1);
        let elements = parts.map(|part| {
            // `>` is escaped in attributes.
            let (inside, text) = part.split_once('>').expect("a tag is closed");
            element(inside, text)
        });
        Self(elements.collect())
    }

    /// Returns every element with this tag.
    pub(crate) fn all(&self, tag: &str) -> Vec<&Element> {
        self.0.iter().filter(|one| one.tag == tag).collect()
    }

    /// Returns the element with this id.
    pub(crate) fn by_id(&self, id: &str) -> Option<&Element> {
        self.0.iter().find(|one| one.get("id") == Some(id))
    }

    /// Returns the text of the element with this id, with what is inside it.
    pub(crate) fn text_of(&self, id: &str) -> String {
        let at = self.0.iter().position(|one| one.get("id") == Some(id));
        let at = at.unwrap_or_else(|| panic!("no element {id:?}"));
        let (mut depth, mut text) = (0, String::new());
        for one in &self.0[at..] {
            match one.tag.strip_prefix('/') {
                Some(_) => depth -= 1,
                None if is_void(&one.tag) => {}
                None => depth += 1,
            }
            if depth == 0 {
                break;
            }
            text.push_str(&one.text);
        }
        text
    }

    /// Returns all text.
    pub(crate) fn text(&self) -> String {
        self.0.iter().map(|one| one.text.as_str()).collect()
    }

    /// Returns the element with the focus after loading.
    pub(crate) fn focused(&self) -> Option<&Element> {
        self.0.iter().find(|one| one.has("autofocus"))
    }

    /// Returns the form that is sent to a path beginning so, with what it would send.
    pub(crate) fn form(&self, action: &str) -> Form {
        let starts = |one: &&Element| {
            let to = one.get("action").unwrap_or_default();
            one.tag == "form" && to.split(['?', '#']).next() == Some(action)
        };
        let form = self.0.iter().find(starts);
        let form = form.unwrap_or_else(|| panic!("no form to {action}"));
        let from = self
            .0
            .iter()
            .position(|one| std::ptr::eq(one, form))
            .unwrap();
        let inside = self.0[from..].iter().take_while(|one| one.tag != "/form");
        Form::of(form.get("action").unwrap(), &inside.collect::<Vec<_>>())
    }

    /// Returns whether there is a form to this path.
    pub(crate) fn has_form(&self, action: &str) -> bool {
        let forms = self.all("form");
        forms.iter().any(|one| one.get("action") == Some(action))
    }
}

fn is_void(tag: &str) -> bool {
    matches!(tag, "!DOCTYPE" | "meta" | "link" | "input" | "br")
}

/// A form, and the fields that it would send.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) action: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Form {
    fn of(action: &str, inside: &[&Element]) -> Self {
        let mut fields = Vec::new();
        let mut select = None;
        for one in inside {
            let name = one.get("name").unwrap_or_default().to_owned();
            let value = one.get("value").unwrap_or_default().to_owned();
            match (one.tag.as_str(), one.get("type").unwrap_or_default()) {
                ("input", "checkbox" | "radio") if !one.has("checked") => {}
                ("input", "checkbox") if value.is_empty() => fields.push((name, "on".into())),
                ("input", _) => fields.push((name, value)),
                ("textarea", _) => {
                    let text = one.text.strip_prefix('\n').unwrap_or(&one.text);
                    fields.push((name, text.to_owned()));
                }
                ("select", _) => select = Some((name, None::<String>)),
                ("option", _) => {
                    let (_, chosen) = select.as_mut().unwrap();
                    if chosen.is_none() || one.has("selected") {
                        *chosen = Some(value);
                    }
                }
                ("/select", _) => {
                    let (name, chosen) = select.take().unwrap();
                    fields.push((name, chosen.unwrap()));
                }
                _ => {}
            }
        }
        let action = action.to_owned();
        Self { action, fields }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(one, _)| one == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Fills in a field, of which there is one.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(one, _)| one != name);
        self.add(name, value)
    }

    /// Ticks one more box.
    pub(crate) fn add(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Returns the body that a browser sends.
    pub(crate) fn body(&self) -> String {
        let pairs = self.fields.iter();
        let pairs = pairs.map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
        pairs.collect::<Vec<_>>().join("&")
    }
}

/// Percent-encodes everything but letters and digits.
pub(crate) fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}
