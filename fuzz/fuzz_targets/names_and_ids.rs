//! Names, ids, operators and origins: what is accepted can be seen and sent, what is kept has
//! nothing hidden in it.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tower_api_key::{
    clock::UnixMillis,
    credential::{Kind, check_credential_id},
    id::{check_organization_id, check_user_id},
    manage::{Actor, ManageError, Manager, NewKey},
    store::{AuditActor, CredentialInfo, Directory, MemoryStore, Owner},
};
use tower_api_key_fuzz::{
    grammar::{is_id, is_key_id},
    management::Case,
    runtime::wait,
    unicode::{assert_name, is_hidden, is_plain_name},
};

#[derive(Arbitrary, Debug)]
struct Input {
    name: Text,
    other: Text,
    operator: Text,
    origin: Text,
    id: String,
}

/// A text of characters from everywhere: `String` alone has hardly any that are rare.
#[derive(Arbitrary, Debug)]
struct Text(Vec<Piece>);

#[derive(Arbitrary, Debug)]
enum Piece {
    Text(String),
    Code(u32),
    /// A code point in the blocks with format characters.
    Format(u16),
    /// The same character many times.
    Many(u8, u8),
}

impl Text {
    fn build(&self) -> String {
        let code = |code: u32| char::from_u32(code % 0x11_0000).unwrap_or('x').to_string();
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Code(at) => code(*at),
            Piece::Format(at) => code(u32::from(*at)),
            Piece::Many(c, times) => char::from(*c).to_string().repeat(usize::from(*times)),
        };
        self.0.iter().map(piece).collect()
    }
}

fuzz_target!(|input: Input| {
    assert_ids(&input.id);
    let (name, other) = (input.name.build(), input.other.build());
    wait(assert_names(&input, &name, &other));
});

/// An id is accepted exactly if a header or a token can carry it.
fn assert_ids(id: &str) {
    let bytes = id.as_bytes();
    assert_eq!(check_organization_id(id).is_ok(), is_id(bytes), "{id:?}");
    assert_eq!(check_user_id(id).is_ok(), is_id(bytes), "{id:?}");
    let (key, token) = (Kind::OrgKey, Kind::PersonalToken);
    assert_eq!(
        check_credential_id(key, id).is_ok(),
        is_key_id(bytes),
        "{id:?}"
    );
    assert_eq!(
        check_credential_id(token, id).is_ok(),
        is_id(bytes),
        "{id:?}"
    );
    for owner in [Owner::Organization("o".into()), Owner::User("u".into())] {
        let prefix = if owner.kind() == key { "ak_" } else { "" };
        let shown = CredentialInfo::new(id, owner, UnixMillis(0)).key_id("ak_");
        let kept = shown
            .trim_end_matches('…')
            .strip_prefix(prefix)
            .expect("the prefix");
        assert!(id.starts_with(kept) || id.contains('…'), "{shown}");
        assert!(shown.chars().count() <= prefix.len() + 13, "{shown}");
    }
}

/// A name is refused or seen, whichever way it comes in, and the audit trail has no hidden text.
async fn assert_names(input: &Input, name: &str, other: &str) {
    let store = MemoryStore::new();
    let created = store.create_organization("org_a", None).await;
    created.expect("a new organization");
    let manager = Manager::new(store);
    let owner = Owner::Organization("org_a".into());
    let (operator, origin) = (input.operator.build(), input.origin.build());
    let actor = Actor::operator(&operator, owner).with_origin(&origin);
    let new = NewKey::named(name).with_role("viewer");
    let issued = manager.issue_key(&actor, new).await;
    assert_judged(name, issued.as_ref().map(|issued| &*issued.info().name));
    let Ok(issued) = issued else { return };
    let id = issued.info().id.as_str();
    let renamed = manager.rename(&actor, Kind::OrgKey, id, other).await;
    let case = Case::of(&manager, &actor).await;
    assert_judged(other, renamed.as_ref().map(|_| &*case.only().name));
    for event in &case.events {
        let AuditActor::Operator(by) = &event.by else {
            panic!("{event:?}")
        };
        for (kept, given) in [
            (by, &operator),
            (event.origin.as_ref().expect("one"), &origin),
        ] {
            assert!(!kept.chars().any(is_hidden), "{kept:?}");
            let wanted = given.chars().filter(|c| !is_hidden(*c)).take(200);
            assert_eq!(**kept, *wanted.collect::<String>());
        }
    }
}

/// Asserts that a name was judged as it must be, and kept as it was given.
fn assert_judged(name: &str, kept: Result<&str, &ManageError>) {
    match kept {
        Ok(kept) => {
            assert_name(name);
            assert_eq!(kept, name);
        }
        Err(ManageError::InvalidName) => assert!(!is_plain_name(name), "{name:?} is refused"),
        Err(error) => panic!("{name:?}: {error:?}"),
    }
}
