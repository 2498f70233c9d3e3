//! The list.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};
use tower_api_key::{
    manage::PageCursor,
    store::{CredentialInfo, EffectiveStatus},
};

use super::{answer, foreign, label, owner, row::Rows, state::state};
use crate::pages::{
    place::Place,
    sentence::{fill, fill_with},
    site::Frame,
    visit::Visit,
};

/// What a page of the list shows.
pub(in crate::pages) struct Shown {
    pub(in crate::pages) items: Vec<CredentialInfo>,
    /// Where the next page begins.
    pub(in crate::pages) next: Option<PageCursor>,
    /// Whether there are buttons.
    pub(in crate::pages) may_change: bool,
    /// The credential that was just changed.
    pub(in crate::pages) changed: Option<CredentialInfo>,
    /// Whether there were some before, if there are none.
    pub(in crate::pages) had_some: bool,
}

impl Shown {
    /// Adds a row for what was just changed where it was, if the filter leaves it out now: the
    /// focus is there.
    pub(in crate::pages) fn with_changed_row(mut self) -> Self {
        let Some(changed) = &self.changed else {
            return self;
        };
        let is_newer = |item: &CredentialInfo| item.created_at > changed.created_at;
        let at = self.items.partition_point(is_newer);
        let is_there = self.items.iter().any(|item| item.id == changed.id);
        let is_later = at == self.items.len() && self.next.is_some();
        if !is_there && !is_later && !self.items.is_empty() {
            self.items.insert(at, changed.clone());
        }
        self
    }
}

/// Returns the answer with a page of the list.
pub(in crate::pages) fn page(frame: &Frame, visit: &Visit, shown: &Shown) -> Response {
    let words = frame.words();
    let body = html! {
        div.credentials-bar {
            h1 { (words.title) }
            @if shown.may_change { (new_button(frame, visit)) }
        }
        (notes(frame, visit, shown))
        @if !(shown.items.is_empty() && visit.place.is_unfiltered()) { (filters(frame, visit)) }
        @if shown.items.is_empty() {
            (empty(frame, visit, shown))
        } @else {
            (table(frame, visit, shown))
        }
        (pages(frame, visit, shown))
    };
    let title = words.title.to_string();
    answer(frame, visit, StatusCode::OK, title, body)
}

fn new_button(frame: &Frame, visit: &Visit) -> Markup {
    let url = visit.urls.new_form(&visit.place.query());
    html! { a.credentials-button href=(url) { (frame.words().new) } }
}

/// Whose credentials these are, what was just changed, and why nothing can be changed.
fn notes(frame: &Frame, visit: &Visit, shown: &Shown) -> Markup {
    let list = &frame.texts.list;
    html! {
        @if let Some(changed) = &shown.changed {
            @let name = html! { bdi { (label(frame, changed)) } };
            @let state = state(&frame.texts.states, changed, visit.now);
            p.credentials-notice role="status" {
                (fill_with(&list.now, &[("name", &name), ("state", &state)]))
                @if changed.effective_status(visit.now) != EffectiveStatus::Active {
                    " " (frame.end_note())
                }
            }
        }
        @if let Some(impersonator) = visit.session.impersonator() {
            @let user = foreign(visit.session.user_name());
            p.credentials-notice {
                (fill_with(&list.impersonated, &[
                    ("impersonator", &foreign(impersonator)),
                    ("user", &user),
                ]))
            }
        } @else if !shown.may_change {
            p.credentials-notice { (list.can_look) }
        }
    }
}

fn filters(frame: &Frame, visit: &Visit) -> Markup {
    let (list, place) = (&frame.texts.list, &visit.place);
    let option = |state: EffectiveStatus, text: &str| {
        let selected = place.state == Some(state);
        html! { option value=(state.as_str()) selected[selected] { (text) } }
    };
    let states = &frame.texts.states;
    html! {
        form.credentials-filter method="get" action=(visit.urls.list()) role="search"
            aria-label=(list.filters) {
            label { (list.filter_name) input type="search" name="q" value=(place.name); }
            label {
                (list.filter_state)
                select name="state" {
                    option value="" { (list.any_state) }
                    (option(EffectiveStatus::Active, &states.active))
                    (option(EffectiveStatus::Disabled, &states.disabled))
                    (option(EffectiveStatus::Expired, &states.expired))
                    (option(EffectiveStatus::Deleted, &states.deleted))
                }
            }
            label.credentials-tick {
                input type="checkbox" name="expiring" checked[place.expiring];
                (list.filter_expiring)
            }
            @if frame.shows_uses {
                label.credentials-tick {
                    input type="checkbox" name="unused" checked[place.unused];
                    (list.filter_unused)
                }
            }
            button type="submit" { (list.apply) }
            @if !place.is_unfiltered() { a href=(visit.urls.list()) { (list.clear) } }
        }
    }
}

/// What is said instead of an empty table.
fn empty(frame: &Frame, visit: &Visit, shown: &Shown) -> Markup {
    let words = frame.words();
    let text = match (visit.place.is_unfiltered(), shown.had_some) {
        (false, _) => &words.none_found,
        (true, true) => &words.none,
        (true, false) => &words.none_yet,
    };
    html! {
        div.credentials-empty {
            p { (text) }
            @if visit.place.is_unfiltered() { p { (words.purpose) } }
        }
    }
}

fn table(frame: &Frame, visit: &Visit, shown: &Shown) -> Markup {
    let list = &frame.texts.list;
    let rows = Rows {
        frame,
        visit,
        may_change: shown.may_change,
        ids: shown.items.iter().map(|item| item.id.as_str()).collect(),
    };
    let column = |text: &str| html! { th scope="col" role="columnheader" { (text) } };
    html! {
        table.credentials-table role="table" {
            caption { (caption(frame, visit)) }
            thead role="rowgroup" {
                tr role="row" {
                    (column(&list.name))
                    (column(&frame.words().id))
                    (column(&list.rights))
                    (column(&list.state))
                    (column(&list.created))
                    (column(&list.expires))
                    @if frame.shows_uses { (column(&list.last_used)) }
                    @if shown.may_change { (column(&list.actions)) }
                }
            }
            tbody role="rowgroup" {
                @for item in &shown.items { (rows.row(item)) }
            }
        }
        @if frame.shows_uses { p.credentials-hint { (list.use_delay) } }
    }
}

fn caption(frame: &Frame, visit: &Visit) -> String {
    let owner = super::shown(owner(frame, visit));
    fill(&frame.words().caption, &[("owner", &owner)])
}

fn pages(frame: &Frame, visit: &Visit, shown: &Shown) -> Markup {
    let (list, place) = (&frame.texts.list, &visit.place);
    let url = |place: &Place| visit.urls.list_at(place);
    html! {
        @if place.cursor.is_some() || shown.next.is_some() {
            nav.credentials-pages aria-label=(list.pages) {
                @if place.cursor.is_some() {
                    a href=(url(&place.at(None))) { (list.first_page) }
                }
                @if let Some(next) = &shown.next {
                    a rel="next" href=(url(&place.at(Some(next)))) { (list.next_page) }
                }
            }
        }
    }
}
