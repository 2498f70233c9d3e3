//! Fields of forms, with their hints and messages.

use maud::{Markup, html};

use crate::pages::{
    forms::{Field, FormError},
    texts::Texts,
};

/// A text field.
pub(super) struct TextField<'f> {
    /// Its name, from which its ids follow.
    pub(super) name: &'static str,
    pub(super) label: &'f str,
    pub(super) hint: &'f str,
    pub(super) value: &'f str,
    pub(super) required: bool,
    pub(super) message: Option<String>,
}

/// Returns the message that belongs to a field.
pub(super) fn message(error: Option<&FormError>, field: Field, texts: &Texts) -> Option<String> {
    let error = error.filter(|error| error.field() == field);
    error.map(|error| error.text(texts))
}

/// Returns the ids of what describes a field: its hint, and its message if there is one.
pub(super) fn described_by(name: &str, message: Option<&String>) -> String {
    match message {
        Some(_) => format!("{name}-hint {name}-error"),
        None => format!("{name}-hint"),
    }
}

/// Returns the value of `aria-invalid`.
pub(super) fn invalid(message: Option<&String>) -> Option<&'static str> {
    message.map(|_| "true")
}

/// A message, with the id by which its field names it.
pub(super) fn error_text(name: &str, message: Option<&String>) -> Markup {
    html! {
        @if let Some(message) = message {
            p.credentials-error id={ (name) "-error" } { (message) }
        }
    }
}

/// The message about a form as a whole, before its fields.
pub(super) fn form_message(error: Option<&FormError>, texts: &Texts) -> Markup {
    html! {
        @if let Some(message) = message(error, Field::Form, texts) {
            p.credentials-error role="alert" tabindex="-1" autofocus { (message) }
        }
    }
}

impl TextField<'_> {
    /// The field in one line.
    pub(super) fn line(&self) -> Markup {
        let message = self.message.as_ref();
        self.around(html! {
            input type="text" id=(self.name) name=(self.name) value=(self.value)
                required[self.required] aria-describedby=(described_by(self.name, message))
                aria-invalid=[invalid(message)] autofocus[message.is_some()];
        })
    }

    /// The field in several lines.
    pub(super) fn lines(&self) -> Markup {
        let message = self.message.as_ref();
        // The parser drops one line feed at the beginning, which may be the text's own.
        self.around(html! {
            textarea id=(self.name) name=(self.name) rows="3"
                aria-describedby=(described_by(self.name, message))
                aria-invalid=[invalid(message)] autofocus[message.is_some()] {
                "\n" (self.value)
            }
        })
    }

    fn around(&self, control: Markup) -> Markup {
        html! {
            div.credentials-field {
                label for=(self.name) { (self.label) }
                (control)
                p.credentials-hint id={ (self.name) "-hint" } { (self.hint) }
                (error_text(self.name, self.message.as_ref()))
            }
        }
    }
}
