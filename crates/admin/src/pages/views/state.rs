//! The state of a credential in words.

use maud::{Markup, html};
use tower_api_key::{
    clock::UnixMillis,
    store::{CredentialInfo, EffectiveStatus},
};

use super::time;
use crate::pages::{
    moment::DAY,
    sentence::{fill, fill_with},
    texts::StateTexts,
};

/// From how many days before its end on a credential is said to expire.
const SOON: i64 = 7;

/// Returns the words, and the class that colours them.
fn words(texts: &StateTexts, info: &CredentialInfo, now: UnixMillis) -> (&'static str, Markup) {
    let plain = |text: &str| html! { (text) };
    if info.damaged && info.effective_status(now) != EffectiveStatus::Deleted {
        return ("ended", plain(&texts.damaged));
    }
    match (info.effective_status(now), info.expires_at) {
        (EffectiveStatus::Deleted, _) => ("ended", plain(&texts.deleted)),
        (EffectiveStatus::Disabled, _) => ("ended", plain(&texts.disabled)),
        (EffectiveStatus::Expired, _) => ("ended", plain(&texts.expired)),
        (EffectiveStatus::Active, Some(end)) if info.rotated_to.is_some() => {
            ("ending", fill_with(&texts.ends, &[("time", &time(end))]))
        }
        (EffectiveStatus::Active, Some(end)) => match days_left(end, now) {
            ..=1 => ("ending", plain(&texts.expires_today)),
            days @ 2..=SOON => {
                let days = days.to_string();
                (
                    "ending",
                    plain(&fill(&texts.expires_in_days, &[("days", &days)])),
                )
            }
            _ => ("active", plain(&texts.active)),
        },
        (EffectiveStatus::Active, None) => ("active", plain(&texts.active)),
    }
}

/// Returns how many days are left, counting one that has begun.
fn days_left(end: UnixMillis, now: UnixMillis) -> i64 {
    let left = end.0.saturating_sub(now.0);
    left.div_euclid(DAY) + i64::from(left.rem_euclid(DAY) > 0)
}

/// The state as an element.
pub(super) fn state(texts: &StateTexts, info: &CredentialInfo, now: UnixMillis) -> Markup {
    let (class, words) = words(texts, info, now);
    html! { span.credentials-state data-state=(class) { (words) } }
}

#[cfg(test)]
mod tests {
    use tower_api_key::store::{Owner, Status};

    use super::*;

    #[test]
    fn each_state_has_words() {
        let key = |change: fn(&mut CredentialInfo)| {
            let owner = Owner::Organization("org_1".into());
            let mut info = CredentialInfo::new("k1", owner, UnixMillis(0));
            change(&mut info);
            let (class, words) = words(&StateTexts::default(), &info, UnixMillis(DAY));
            (class, words.into_string())
        };
        let cases: [(fn(&mut CredentialInfo), _); 11] = [
            (|_| {}, ("active", "Active")),
            (
                |key| key.expires_at = Some(UnixMillis(9 * DAY)),
                ("active", "Active"),
            ),
            (
                |key| key.expires_at = Some(UnixMillis(8 * DAY)),
                ("ending", "Expires in 7 days"),
            ),
            (
                |key| key.expires_at = Some(UnixMillis(2 * DAY + 1)),
                ("ending", "Expires in 2 days"),
            ),
            (
                |key| key.expires_at = Some(UnixMillis(2 * DAY)),
                ("ending", "Expires within a day"),
            ),
            (
                |key| key.expires_at = Some(UnixMillis(DAY)),
                ("ended", "Expired"),
            ),
            (|key| key.status = Status::Disabled, ("ended", "Disabled")),
            (|key| key.status = Status::Deleted, ("ended", "Deleted")),
            (
                |key| key.damaged = true,
                ("ended", "Damaged: delete it and create another"),
            ),
            (
                |key| {
                    key.damaged = true;
                    key.status = Status::Deleted;
                },
                ("ended", "Deleted"),
            ),
            (
                |key| {
                    key.rotated_to = Some("k2".into());
                    key.expires_at = Some(UnixMillis(9 * DAY));
                },
                (
                    "ending",
                    "Ends <time datetime=\"1970-01-10T00:00:00Z\">1970-01-10 00:00 UTC</time> \
                     (rotated)",
                ),
            ),
        ];
        for (change, (class, words)) in cases {
            assert_eq!(key(change), (class, words.to_owned()));
        }
    }
}
