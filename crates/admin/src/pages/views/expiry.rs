//! The part of a form that says when a credential expires.

use maud::{Markup, html};
use tower_api_key::{
    clock::UnixMillis,
    store::{CredentialInfo, EffectiveStatus},
};

use super::field::{described_by, error_text, invalid, message};
use crate::pages::{
    forms::{ENDS_AT, ExpiryDraft, Field, FormError, PRESETS},
    moment::{Date, text},
    sentence::fill,
    site::Frame,
    texts::FormTexts,
};

/// The choice of a lifetime, and the day for a custom one. In a rotation of `old` the expiry can
/// also stay as it is, unless it is over.
pub(super) fn expiry(
    frame: &Frame,
    draft: &ExpiryDraft,
    old: Option<&CredentialInfo>,
    now: UnixMillis,
    error: Option<&FormError>,
) -> Markup {
    let form = &frame.texts.form;
    let message = message(error, Field::Expiry, &frame.texts);
    let message = message.as_ref();
    let same = old.filter(|old| old.effective_status(now) != EffectiveStatus::Expired);
    let option = |value: &str, text: &str| {
        html! { option value=(value) selected[draft.choice == value] { (text) } }
    };
    html! {
        div.credentials-field data-expiry="" {
            label for="expiry" { (form.expiry) }
            select id="expiry" name="expiry" aria-describedby=(described_by("expiry", message))
                aria-invalid=[invalid(message)] autofocus[message.is_some()] {
                @if let Some(old) = same { (option("same", &same_as(form, old))) }
                @for days in PRESETS { (option(&days.to_string(), lifetime(form, days))) }
                (option("never", &form.never))
                (option("custom", &form.custom))
            }
            p.credentials-hint.credentials-never id="expiry-hint" { (frame.words().never_note) }
            (error_text("expiry", message))
            (date(frame, draft, now, error))
        }
    }
}

/// Returns the text of an expiry that stays.
fn same_as(form: &FormTexts, old: &CredentialInfo) -> String {
    match old.expires_at {
        Some(end) => fill(&form.same, &[("time", &text(end))]),
        None => form.same_never.to_string(),
    }
}

fn lifetime(form: &FormTexts, days: i64) -> &str {
    match days {
        1 => &form.days_1,
        7 => &form.days_7,
        30 => &form.days_30,
        90 => &form.days_90,
        _ => &form.days_365,
    }
}

/// The day. The script puts into the hidden field when it ends in the local time zone, and says so
/// instead of the hint.
fn date(frame: &Frame, draft: &ExpiryDraft, now: UnixMillis, error: Option<&FormError>) -> Markup {
    let form = &frame.texts.form;
    let message = message(error, Field::Date, &frame.texts);
    let message = message.as_ref();
    html! {
        div.credentials-date {
            label for="date" { (form.date) }
            input type="date" id="date" name="date" value=(draft.date)
                min=(Date::of(now).next().text()) aria-describedby=(described_by("date", message))
                aria-invalid=[invalid(message)] autofocus[message.is_some()];
            input type="hidden" name=(ENDS_AT) value=(draft.ends_at);
            p.credentials-hint id="date-hint" aria-live="polite" data-zone=(form.date_zone)
                data-moment=(form.date_moment) { (form.date_utc) }
            (error_text("date", message))
        }
    }
}
