//! The records of a list are those of a `MemoryStore` with the same credentials.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::*;
use tower_api_key::{
    clock::UnixMillis,
    store::{Directory, ManageStore, MemoryStore, Restrictions},
};

const ROLES: [&str; 2] = ["viewer", "admin"];
const ORGANIZATIONS: [&str; 3] = ["org_a", "org_b", "org_c"];
const SCOPES: [&str; 3] = [
    "agents:read",
    "members:manage",
    "conversations:read_sensitive",
];

#[derive(Clone, Debug)]
struct Key {
    organization: &'static str,
    rights: Result<&'static str, Vec<&'static str>>,
    validity: Validity,
}

#[derive(Clone, Debug)]
struct Token {
    memberships: Vec<Option<&'static str>>,
    scopes: Option<Vec<&'static str>>,
    organizations: Option<Vec<&'static str>>,
    validity: Validity,
}

#[derive(Clone, Debug)]
struct Validity {
    expires_at: Option<i64>,
    disabled: Option<bool>,
}

impl Validity {
    fn of(&self, record: Record) -> Record {
        let record = record.expiring_at(self.expires_at.map(UnixMillis));
        match self.disabled {
            Some(true) => record.with_status(Status::Disabled),
            _ => record,
        }
    }
}

fn validity() -> impl Strategy<Value = Validity> {
    (any::<Option<i64>>(), any::<Option<bool>>()).prop_map(|(expires_at, disabled)| Validity {
        expires_at,
        disabled,
    })
}

fn keys() -> impl Strategy<Value = Vec<Key>> {
    let rights = prop_oneof![
        select(&ROLES[..]).prop_map(Ok),
        vec(select(&SCOPES[..]), 0..4).prop_map(Err)
    ];
    let key = (select(&ORGANIZATIONS[..]), rights, validity());
    vec(
        key.prop_map(|(organization, rights, validity)| Key {
            organization,
            rights,
            validity,
        }),
        0..4,
    )
}

fn tokens() -> impl Strategy<Value = Vec<Token>> {
    let token = (
        vec(option::of(select(&ROLES[..])), ORGANIZATIONS.len()),
        option::of(vec(select(&SCOPES[..]), 0..3)),
        option::of(vec(select(&ORGANIZATIONS[..]), 0..3)),
        validity(),
    );
    let token = token.prop_map(|(memberships, scopes, organizations, validity)| Token {
        memberships,
        scopes,
        organizations,
        validity,
    });
    vec(token, 0..4)
}

/// Without an expiry, the field is absent in one half of the lists and `null` in the other.
fn listed(keys: &[Key], tokens: &[Token], nulls: bool) -> Value {
    let without_nulls = |mut entry: Value| {
        let fields = entry.as_object_mut().unwrap();
        fields.retain(|name, value| nulls && name == "expires_at" || !value.is_null());
        entry
    };
    let key = |(n, it): (usize, &Key)| {
        let id = format!("k{n}");
        without_nulls(json!({
            "id": id, "digest": digest(&key(&id)), "organization": it.organization,
            "role": it.rights.as_ref().ok(), "scopes": it.rights.as_ref().err(),
            "expires_at": it.validity.expires_at, "disabled": it.validity.disabled,
        }))
    };
    let token = |(n, it): (usize, &Token)| {
        let id = format!("t{n}");
        let memberships = ORGANIZATIONS.iter().zip(&it.memberships);
        let memberships = memberships.filter_map(|(organization, role)| {
            role.map(|role| json!({ "organization": organization, "role": role }))
        });
        without_nulls(json!({
            "id": id, "digest": digest(&pat(&id)), "user": format!("user_{n}"),
            "memberships": memberships.collect::<Vec<_>>(),
            "scopes": it.scopes, "organizations": it.organizations,
            "expires_at": it.validity.expires_at, "disabled": it.validity.disabled,
        }))
    };
    json!({
        "keys": keys.iter().enumerate().map(key).collect::<Vec<_>>(),
        "tokens": tokens.iter().enumerate().map(token).collect::<Vec<_>>(),
    })
}

fn inserted(keys: &[Key], tokens: &[Token]) -> MemoryStore {
    let store = MemoryStore::new();
    let catalogue = store.catalogue().clone();
    for organization in ORGANIZATIONS {
        now(store.create_organization(organization, None)).unwrap();
    }
    for (n, it) in keys.iter().enumerate() {
        let record = crate::support::key_record(&format!("k{n}"), it.organization);
        let record = match &it.rights {
            Ok(role) => record.with_role(role, &catalogue).unwrap(),
            Err(scopes) => record.with_scopes(catalogue.expand(scopes.iter().copied())),
        };
        now(store.insert(it.validity.of(record))).unwrap();
    }
    for (n, it) in tokens.iter().enumerate() {
        let user = format!("user_{n}");
        now(store.create_user(&user)).unwrap();
        for (organization, role) in ORGANIZATIONS.iter().zip(&it.memberships) {
            if let Some(role) = role {
                now(store.set_member(&user, organization, role)).unwrap();
            }
        }
        let mut only = Restrictions::default();
        if let Some(scopes) = &it.scopes {
            only = only.with_scopes(catalogue.expand(scopes.iter().copied()));
        }
        if let Some(organizations) = &it.organizations {
            only = only.with_organizations(organizations.iter().copied());
        }
        let record = crate::support::pat_record(&format!("t{n}"), &user).restricted_to(only);
        now(store.insert(it.validity.of(record))).unwrap();
    }
    store
}

/// Everything that a record says.
fn facts(record: Arc<Record>) -> impl PartialEq + std::fmt::Debug {
    (
        (record.kind(), record.id().to_owned(), record.status()),
        (record.digest().to_hex(), record.expires_at()),
        (record.organization().cloned(), record.user().cloned()),
        (record.role().map(str::to_owned), record.scopes().clone()),
        record.restrictions().cloned(),
    )
}

proptest! {
    #[test]
    fn a_list_is_answered_from_as_a_memory_store_with_the_same_credentials(
        keys in keys(), tokens in tokens(), nulls: bool,
    ) {
        let listed = store(listed(&keys, &tokens, nulls)).unwrap();
        let inserted = inserted(&keys, &tokens);
        let find = |store: &dyn CredentialStore, lookup: &Lookup<'_>| -> Result<_, StoreError> {
            Ok(now(store.find(lookup))?.map(facts))
        };
        for n in 0..4 {
            let (id, digest) = (format!("k{n}"), Digest::of(pat(&format!("t{n}")).as_bytes()));
            let key = Lookup::new(LookupKey::OrgKey { id: &id }, None);
            prop_assert_eq!(find(&listed, &key).unwrap(), find(&inserted, &key).unwrap());
            let organizations = ORGANIZATIONS.into_iter().chain(["org_unknown"]).map(Some);
            for organization in organizations.chain([None]) {
                let key = LookupKey::PersonalToken { digest: &digest };
                let token = Lookup::new(key, organization);
                prop_assert_eq!(find(&listed, &token).unwrap(), find(&inserted, &token).unwrap());
            }
        }
    }
}
