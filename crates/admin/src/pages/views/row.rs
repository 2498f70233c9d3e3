//! A row of the list.

use std::collections::HashSet;

use maud::{Markup, html};
use tower_api_key::{
    credential::Kind,
    id::{CredentialId, OrgId, UserId},
    store::{AuditActor, CredentialInfo, EffectiveStatus},
};

use super::{foreign, label, post_form, state::state, time, unseen};
use crate::pages::{
    sentence::{fill, fill_with, shown},
    site::Frame,
    urls::row_id,
    visit::Visit,
};

/// What the rows of a page share.
pub(super) struct Rows<'r> {
    pub(super) frame: &'r Frame,
    pub(super) visit: &'r Visit,
    pub(super) may_change: bool,
    /// The ids on the page, to which a row may link.
    pub(super) ids: HashSet<&'r str>,
}

impl Rows<'_> {
    /// A row. It has a label in each cell, which the style sheet shows where the table becomes
    /// blocks, and roles, which a browser forgets then.
    pub(super) fn row(&self, info: &CredentialInfo) -> Markup {
        let texts = &self.frame.texts;
        let list = &texts.list;
        let cell = |name: &str, content: &Markup| {
            html! { td role="cell" data-label=(name) { div { (content) } } }
        };
        html! {
            tr id=(row_id(info.id.as_str())) tabindex="-1" role="row" {
                th scope="row" role="rowheader" { (self.name(info)) }
                (cell(&self.frame.words().id, &html! { div.credentials-key { (self.id(info)) } }))
                (cell(&list.rights, &self.rights(info)))
                (cell(&list.state, &state(&texts.states, info, self.visit.now)))
                (cell(&list.created, &self.created(info)))
                (cell(&list.expires, &self.expires(info)))
                @if self.frame.shows_uses {
                    (cell(&list.last_used, &self.last_used(info)))
                }
                @if self.may_change {
                    td.credentials-last role="cell" data-label=(list.actions) {
                        (self.actions(info))
                    }
                }
            }
        }
    }

    fn name(&self, info: &CredentialInfo) -> Markup {
        html! {
            bdi { (label(self.frame, info)) }
            @if let Some(description) = &info.attributes.description {
                p.credentials-hint { (foreign(description)) }
            }
        }
    }

    /// The id, and those of the credentials before and after it.
    fn id(&self, info: &CredentialInfo) -> Markup {
        let list = &self.frame.texts.list;
        let link = |text: &str, id: &CredentialId| {
            let code = html! { code { (self.frame.key_id(id)) } };
            let place = &self.visit.place;
            let link = match self.ids.contains(id.as_str()) {
                true => html! { a href=(self.visit.urls.row(place, id.as_str())) { (code) } },
                false => code,
            };
            html! { p.credentials-hint { (fill_with(text, &[("id", &link)])) } }
        };
        html! {
            code { (self.frame.key_id(&info.id)) }
            @if let Some(old) = &info.rotated_from { (link(&list.replaces, old)) }
            @if let Some(new) = &info.rotated_to { (link(&list.replaced_by, new)) }
        }
    }

    fn rights(&self, info: &CredentialInfo) -> Markup {
        let list = &self.frame.texts.list;
        html! {
            @match (&info.scopes, &info.role) {
                (Some(scopes), _) if scopes.is_empty() => { (list.no_rights) }
                (Some(scopes), _) => {
                    ul.credentials-scopes {
                        @for scope in scopes { li { code { (scope) } } }
                    }
                }
                (None, Some(role)) => { (fill(&list.role, &[("role", role)])) }
                (None, None) if self.frame.kind == Kind::OrgKey => { (list.no_rights) }
                (None, None) => { (list.all_rights) }
            }
            @if let Some(organizations) = &info.organizations {
                p.credentials-hint { (self.only_in(organizations)) }
            }
        }
    }

    /// The organizations to which a token is limited, by name where the user is a member.
    fn only_in(&self, organizations: &[OrgId]) -> String {
        let name = |id: &OrgId| {
            let membership = self.visit.session.membership(id.as_str());
            shown(membership.map_or(id.as_str(), |one| one.name()))
        };
        let names: Vec<String> = organizations.iter().map(name).collect();
        let text = &self.frame.texts.list.only_in;
        fill(text, &[("organizations", &names.join(", "))])
    }

    fn created(&self, info: &CredentialInfo) -> Markup {
        let text = &self.frame.texts.list.created_by;
        html! {
            (time(info.created_at))
            @if let Some(by) = &info.created_by {
                " "
                span.credentials-by { (fill_with(text, &[("who", &self.who(by))])) }
            }
        }
    }

    fn who(&self, actor: &AuditActor) -> Markup {
        let list = &self.frame.texts.list;
        match actor {
            AuditActor::User(user) | AuditActor::Token { user, .. } => self.person(user),
            AuditActor::Key(id) => {
                html! { code { (self.frame.key_prefix) (id.as_str()) } }
            }
            AuditActor::Operator(name) => foreign(name),
            AuditActor::Bearer => html! { (list.by_bearer) },
            _ => html! { (list.by_unknown) },
        }
    }

    fn person(&self, user: &UserId) -> Markup {
        match user == self.visit.session.user() {
            true => html! { (self.frame.texts.list.by_you) },
            false => foreign(user.as_str()),
        }
    }

    fn expires(&self, info: &CredentialInfo) -> Markup {
        match info.expires_at {
            Some(end) => time(end),
            None => html! { strong { (self.frame.texts.list.never) } },
        }
    }

    fn last_used(&self, info: &CredentialInfo) -> Markup {
        match info.last_used_at {
            Some(moment) => time(moment),
            None => html! { (self.frame.texts.list.no_use) },
        }
    }

    /// What can be done now: not what the manager would refuse anyway.
    fn actions(&self, info: &CredentialInfo) -> Markup {
        let list = &self.frame.texts.list;
        let status = info.effective_status(self.visit.now);
        let can_change = !info.damaged;
        let can_rotate = can_change
            && info.rotated_to.is_none()
            && matches!(status, EffectiveStatus::Active | EffectiveStatus::Expired);
        html! {
            @if status != EffectiveStatus::Deleted {
                details.credentials-menu name="actions" {
                    summary {
                        span.credentials-unseen {
                            (list.actions) " " (label(self.frame, info))
                        }
                    }
                    div.credentials-actions {
                        @if can_change { (self.link(info, "edit", &list.edit)) }
                        @if can_rotate { (self.link(info, "rotate", &list.rotate)) }
                        @match status {
                            EffectiveStatus::Disabled if can_change => {
                                (self.button(info, "enable", &list.enable))
                            }
                            EffectiveStatus::Active => {
                                (self.button(info, "disable", &list.disable))
                            }
                            _ => {}
                        }
                        hr;
                        (self.link(info, "delete", &list.delete))
                    }
                }
            }
        }
    }

    fn link(&self, info: &CredentialInfo, page: &str, text: &str) -> Markup {
        let url = self.url(info, page);
        html! { a href=(url) { (text) (unseen(&label(self.frame, info))) } }
    }

    fn button(&self, info: &CredentialInfo, page: &str, text: &str) -> Markup {
        let button = html! {
            button type="submit" { (text) (unseen(&label(self.frame, info))) }
        };
        post_form(self.visit, &self.url(info, page), &button)
    }

    fn url(&self, info: &CredentialInfo, page: &str) -> String {
        let query = self.visit.place.query();
        self.visit.urls.of_one(info.id.as_str(), page, &query)
    }
}
