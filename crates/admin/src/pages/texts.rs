//! Every text of the pages, in one table.

use std::borrow::Cow;

use tower_api_key::{credential::Kind, manage::ManageError, store::InvalidAttributes};

macro_rules! table {
    ($(#[doc = $doc:literal])+ $table:ident { $($name:ident = $text:literal;)+ }) => {
        $(#[doc = $doc])+
        ///
        /// The documentation of each field is its default.
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub struct $table {
            $(#[doc = concat!("`", $text, "`")] pub $name: Cow<'static, str>,)+
        }

        impl Default for $table {
            fn default() -> Self {
                Self { $($name: Cow::Borrowed($text),)+ }
            }
        }
    };
    ($(#[doc = $doc:literal])+ $table:ident {
        $($name:ident = $of_keys:literal, $of_tokens:literal;)+
    }) => {
        $(#[doc = $doc])+
        ///
        /// The documentation of each field is its default for keys, then that for tokens.
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub struct $table {
            $(
                #[doc = concat!("`", $of_keys, "`, `", $of_tokens, "`")]
                pub $name: Cow<'static, str>,
            )+
        }

        impl $table {
            fn of_keys() -> Self {
                Self { $($name: Cow::Borrowed($of_keys),)+ }
            }

            fn of_tokens() -> Self {
                Self { $($name: Cow::Borrowed($of_tokens),)+ }
            }
        }
    };
}

/// Every text of the pages: set the fields that you translate. A name in braces, such as `{days}`,
/// is replaced by a value; leave it out where your language does not need it.
///
/// ```
/// use tower_api_key_admin::pages::Texts;
///
/// let mut texts = Texts::default();
/// texts.language = "fr".into();
/// texts.keys.title = "Cl\u{e9}s d\u{2019}API".into();
/// texts.states.expires_in_days = "Expire dans {days} jours".into();
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Texts {
    /// The language of the texts (BCP 47), `en` by default. The script writes dates in it.
    pub language: Cow<'static, str>,
    /// Texts about keys of an organization.
    pub keys: KindTexts,
    /// Texts about a person's tokens.
    pub tokens: KindTexts,
    /// Texts of the list.
    pub list: ListTexts,
    /// The states in the list.
    pub states: StateTexts,
    /// Texts of forms.
    pub form: FormTexts,
    /// Texts of the page that shows a secret.
    pub secret: SecretTexts,
    /// Texts of what ends a credential.
    pub ending: EndingTexts,
    /// Why something did not work.
    pub problems: ProblemTexts,
    /// Writes why the manager refused something. The default says it in English, with a capital and
    /// a full stop.
    pub refusal: fn(&ManageError) -> Cow<'static, str>,
}

impl Default for Texts {
    fn default() -> Self {
        Self {
            language: Cow::Borrowed("en"),
            keys: KindTexts::of_keys(),
            tokens: KindTexts::of_tokens(),
            list: ListTexts::default(),
            states: StateTexts::default(),
            form: FormTexts::default(),
            secret: SecretTexts::default(),
            ending: EndingTexts::default(),
            problems: ProblemTexts::default(),
            refusal,
        }
    }
}

impl Texts {
    /// Returns the texts about credentials of `kind`.
    pub(super) fn of(&self, kind: Kind) -> &KindTexts {
        match kind {
            Kind::OrgKey => &self.keys,
            Kind::PersonalToken => &self.tokens,
        }
    }
}

table! {
    /// Texts that differ between keys and tokens.
    KindTexts {
        title = "API keys", "Personal access tokens";
        caption = "API keys of {owner}", "Personal access tokens of {owner}";
        id = "Key ID", "Token ID";
        new = "New API key", "New token";
        new_for = "For {owner}.", "For {owner}.";
        create = "Create API key", "Create token";
        purpose =
            "An API key lets a program call the API for the whole organization. It keeps working \
             when the person who created it leaves.",
            "A personal access token lets a program call the API as you, in the organizations \
             that you are a member of.";
        none_yet = "No API keys yet.", "No tokens yet.";
        none = "No API keys.", "No tokens.";
        none_found = "No API key matches the filter.", "No token matches the filter.";
        all_rights =
            "Everything that you may do in this organization now",
            "Everything that you may do, wherever you are a member";
        never_note =
            "“Never” means that the key works until it is deleted.",
            "“Never” means that the token works until it is deleted.";
        created = "API key created", "Token created";
        rotated = "API key rotated", "Token rotated";
        shown_once =
            "This is the only time that the key is shown. Copy it now, and keep it where you keep \
             secrets, such as a secret manager.",
            "This is the only time that the token is shown. Copy it now, and keep it where you \
             keep secrets, such as a secret manager.";
        secret = "The key {name}", "The token {name}";
        question =
            "You have not copied the key. It cannot be shown again.",
            "You have not copied the token. It cannot be shown again.";
        repeated = "This API key has already been created", "This token has already been created";
        repeated_note =
            "The same form was sent before, and created one key, {name}. It was shown then and \
             cannot be shown again. If you do not have it, rotate the key or delete it.",
            "The same form was sent before, and created one token, {name}. It was shown then and \
             cannot be shown again. If you do not have it, rotate the token or delete it.";
        rotate_note =
            "Rotation creates a new key with the same name and the same rights. The old key ends \
             as you choose here:",
            "Rotation creates a new token with the same name and the same rights. The old token \
             ends as you choose here:";
        rotate = "Rotate API key", "Rotate token";
        old_ended = "The old key has ended.", "The old token has ended.";
        old_ends = "The old key works until {time}.", "The old token works until {time}.";
        delete_note =
            "A deleted key cannot be restored.",
            "A deleted token cannot be restored.";
        refused =
            "Programs that use this key are refused from the next request on.",
            "Programs that use this token are refused from the next request on.";
        refused_within =
            "Programs that use this key are refused within {seconds} s on every server.",
            "Programs that use this token are refused within {seconds} s on every server.";
        delete_recent =
            "A program used this key in the last 7 days and will probably stop working. If you \
             are not sure, disable the key instead: you can enable it again.",
            "A program used this token in the last 7 days and will probably stop working. If you \
             are not sure, disable the token instead: you can enable it again.";
        not_found = "There is no such API key.", "There is no such token.";
        back = "Back to the API keys", "Back to the tokens";
    }
}

table! {
    /// Texts of the list.
    ListTexts {
        name = "Name";
        rights = "Rights";
        state = "State";
        created = "Created";
        created_by = "by {who}";
        by_you = "you";
        by_bearer = "who presented it";
        by_unknown = "unknown";
        expires = "Expires";
        never = "Never: works until it is deleted";
        last_used = "Last used";
        no_use = "No use recorded";
        use_delay = "A use may be recorded up to a day late.";
        actions = "Actions";
        role = "Role {role}";
        no_rights = "None";
        all_rights = "Everything that you may do";
        only_in = "only in {organizations}";
        replaces = "Replaces {id}";
        replaced_by = "Replaced by {id}";
        edit = "Edit";
        rotate = "Rotate";
        disable = "Disable";
        enable = "Enable";
        delete = "Delete";
        filters = "Filter";
        filter_name = "Name contains";
        filter_state = "State";
        any_state = "Any but deleted";
        filter_expiring = "Expires within 30 days";
        filter_unused = "Unused for 90 days";
        apply = "Apply filter";
        clear = "Clear filter";
        pages = "Pages";
        first_page = "First page";
        next_page = "Next page";
        now = "{name} is now: {state}";
        impersonated =
            "{impersonator} acts as {user}. Nothing can be created or changed meanwhile.";
        can_look = "You can look at these, and not change them.";
    }
}

table! {
    /// The states in the list.
    StateTexts {
        active = "Active";
        expires_today = "Expires within a day";
        expires_in_days = "Expires in {days} days";
        ends = "Ends {time} (rotated)";
        expired = "Expired";
        disabled = "Disabled";
        deleted = "Deleted";
        damaged = "Damaged: delete it and create another";
    }
}

table! {
    /// Texts of forms.
    FormTexts {
        edit_title = "Edit {name}";
        rotate_title = "Rotate {name}";
        name = "Name";
        name_hint = "1 to 100 characters. Say which program uses it.";
        description = "Description (optional)";
        description_hint = "Up to 500 characters.";
        rights = "Rights";
        role_rights = "Everything that the role {role} may do, also when the role changes";
        rights_held = "That is, today:";
        rights_held_in = "{organization}:";
        some_rights = "Only these:";
        implies = "includes {scopes}";
        held_in = "in {organizations}";
        organizations = "Organizations";
        all_organizations = "All that you are a member of, now or later";
        some_organizations = "Only these:";
        expiry = "Expires";
        days_1 = "1 day";
        days_7 = "7 days";
        days_30 = "30 days";
        days_90 = "90 days";
        days_365 = "365 days";
        never = "Never";
        custom = "Custom date";
        same = "As before: {time}";
        same_never = "As before: never";
        date = "Last day";
        date_utc = "It works until 23:59 UTC on that day.";
        date_zone = "It works until 23:59 on that day in your time zone, {zone}.";
        date_moment = "It works until {time}.";
        overlap = "The old one ends";
        overlap_none = "At once";
        overlap_1h = "In 1 hour";
        overlap_24h = "In 24 hours";
        overlap_7d = "In 7 days";
        overlap_hint =
            "Until then both work, so that you can change your programs one after another.";
        save = "Save";
        cancel = "Cancel";
        no_rights = "Tick at least one right.";
        foreign_right = "You do not hold one of the ticked rights any more. Tick others.";
        no_organizations = "Tick at least one organization.";
        foreign_organization =
            "You are not a member of one of the ticked organizations any more. Tick others.";
        invalid_expiry = "Choose when it expires.";
        invalid_date = "Choose a day.";
        past_date = "Choose a day after today.";
        invalid_overlap = "Choose when the old one ends.";
        outdated = "The form was too old. It has been renewed: check it, and send it again.";
        other_organization =
            "You have changed the organization since you opened the form. Check it: the key is now \
             for the organization named above.";
    }
}

table! {
    /// Texts of the page that shows a secret.
    SecretTexts {
        copy = "Copy";
        copied = "Copied.";
        not_copied = "Copying did not work: select it, and copy it yourself.";
        example = "Try it:";
        done = "Done";
        stay = "Keep it open";
        leave = "Close anyway";
    }
}

table! {
    /// Texts of what ends a credential.
    EndingTexts {
        title = "Delete {name}?";
        last_used = "Last used: {time}.";
        never_used = "No use of it is recorded yet. A use may be recorded up to a day late.";
        cancel = "Cancel";
        delete = "Delete";
        disable = "Disable instead";
    }
}

table! {
    /// Why something did not work.
    ProblemTexts {
        title = "That did not work";
        no_page = "There is no such page.";
        no_method = "This page cannot be used like that.";
        cross_site = "The request came from another site and was refused.";
        outdated = "The form belongs to an earlier session. Open it again.";
        unreadable = "The form could not be read.";
        no_organization = "Choose an organization of which you are a member first.";
        impersonated = "Nothing can be created or changed while somebody else acts as you.";
        not_allowed = "You may not manage these. Ask an administrator of your organization.";
        unavailable = "This does not work at the moment. Try again in a few seconds.";
        sign_in_title = "Sign in to go on";
        sign_in_note = "What you typed is kept, and you come back to it.";
        sign_in = "Sign in";
    }
}

/// Says in English why the manager refused something.
fn refusal(error: &ManageError) -> Cow<'static, str> {
    let fixed = match error {
        ManageError::InvalidName => {
            "Use 1 to 100 characters that can be seen, and no blanks at the beginning or the end."
        }
        ManageError::InvalidAttributes(InvalidAttributes::Description) => {
            "Use at most 500 characters, not only blanks, and only ones that can be seen."
        }
        ManageError::ExpiryInPast(_) => "Choose a moment in the future.",
        ManageError::ExpiryTooFar(_) => "Choose a day before the year 2200.",
        ManageError::IdempotencyConflict => {
            "This form has already been sent with other values. It has been renewed: check the \
             list, and send it again if you need another one."
        }
        ManageError::IssuedInactive(_) => {
            "This form has already been sent, and what it created has ended since. It has been \
             renewed: send it again if you need another one."
        }
        ManageError::ExpiryBeyondPolicy(life) => {
            let days = life.as_secs() / (24 * 3600);
            return format!("The longest that is allowed is {days} days.").into();
        }
        ManageError::OverlapTooLong(overlap) => {
            let hours = overlap.as_secs() / 3600;
            return format!("The longest that is allowed is {hours} hours.").into();
        }
        other => return sentence(&other.to_string()).into(),
    };
    Cow::Borrowed(fixed)
}

/// Returns an error's text with a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|c| c.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), characters.as_str())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_refusal_is_a_sentence() {
        for (error, text) in [
            (
                ManageError::CapReached(3),
                "Limit of 3 credentials reached; delete one first.",
            ),
            (
                ManageError::ExpiryBeyondPolicy(Duration::from_secs(90 * 24 * 3600)),
                "The longest that is allowed is 90 days.",
            ),
            (
                ManageError::AlreadyRotated,
                "The credential has already been rotated; rotate its successor.",
            ),
        ] {
            assert_eq!((Texts::default().refusal)(&error), text);
        }
    }
}
