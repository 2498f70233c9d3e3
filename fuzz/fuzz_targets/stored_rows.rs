//! Rows of a database with anything in their columns, through the readers that every SQL store
//! uses, and through the layer: damage is an error or a mark, never a guess, and never an accept.

#![no_main]

use std::{convert::Infallible, net::IpAddr, sync::Arc};

use arbitrary::Arbitrary;
use http::{Request, Response};
use libfuzzer_sys::fuzz_target;
use tower::{Layer, ServiceExt, service_fn};
use tower_api_key::{
    AuthLayer, async_trait,
    clock::UnixMillis,
    condition::ClientAddress,
    scope::Catalogue,
    secret::{Peppers, SaltedDigests, SaltedSha256},
    store::{
        Attributes, AuditAction, AuditActor, CredentialStore, Lookup, LookupKey, Owner, Record,
        Status, StoreError,
        backend::{DigestPolicy, RecordReader, audit_event, credential_info},
    },
    testing::ManualClock,
};
use tower_api_key_fuzz::{
    grammar::sha256,
    rows::{Cell, KEY, PEPPER, PEPPER_SECRET, Row, TOKEN, catalogue, peppered, salt},
    runtime::wait,
    world::NOW,
};

#[derive(Arbitrary, Debug)]
struct Input {
    row: Row,
    peppers: Kept,
    salted: bool,
    personal: bool,
    organization: bool,
    peer: Peer,
}

/// Where the request comes from.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    Unknown,
    Inside,
    V6,
    Outside,
}

impl Peer {
    fn address(self) -> Option<IpAddr> {
        let text = match self {
            Self::Unknown => return None,
            Self::Inside => "10.1.2.3",
            Self::V6 => "2001:db8::1",
            Self::Outside => "192.0.2.1",
        };
        text.parse().ok()
    }
}

/// How the store keeps digests.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Plain,
    Peppered,
    OnlyPeppered,
}

fuzz_target!(|input: Input| {
    let wanted = if input.personal {
        token(&input)
    } else {
        key(&input)
    };
    let status = answered(&input);
    assert_eq!(status, wanted, "{input:?}");
    assert_info(&input.row);
    assert_event(&input.row);
    assert_user(&input.row);
});

impl Kept {
    fn peppers(self) -> Option<Peppers> {
        let peppers = || Peppers::new(PEPPER, &PEPPER_SECRET).expect("a pepper");
        match self {
            Self::Plain => None,
            Self::Peppered => Some(peppers()),
            Self::OnlyPeppered => Some(peppers().without_plain_digests()),
        }
    }

    /// Returns the digest that a row with this pepper must have for a token, if the store accepts
    /// such rows.
    fn digest(self, row: &Row, token: &str) -> Option<[u8; 32]> {
        match (row.cell("pepper"), self) {
            (Cell::Null, Self::Plain | Self::Peppered) => Some(sha256(token.as_bytes())),
            (Cell::Text(name), Self::Peppered | Self::OnlyPeppered) if name == PEPPER => {
                Some(peppered(token))
            }
            _ => None,
        }
    }
}

/// Returns the digest that a row must have for the key, if the store accepts it.
fn key_digest(input: &Input) -> Option<[u8; 32]> {
    match input.row.word("pepper") {
        Some(column) if column.starts_with('.') => {
            let accepted = input.salted && input.peppers != Kept::OnlyPeppered;
            let salt = salt(column).filter(|_| accepted)?;
            Some(sha256(&[&salt, KEY.as_bytes()].concat()))
        }
        _ => input.peppers.digest(&input.row, KEY),
    }
}

/// The status of the answer to the key's request, from the meaning of the columns.
fn key(input: &Input) -> u16 {
    let row = &input.row;
    let readable = row.has_status()
        && row.has_flags(&["deleted", "rotated"])
        && row.digest().is_some()
        && row.word("organization_id").is_some()
        && row.has_texts(&["pepper", "role"])
        && row.has_numbers(&["expires_at"])
        && row.has_attributes();
    let expected = key_digest(input);
    let deleted = row.word("status") == Some("deleted");
    if !readable || (expected.is_none() && !deleted) {
        return 503;
    }
    let live = row.word("status") == Some("active")
        && row.cell("deleted") == &Cell::Number(0)
        && row.lasts_beyond(NOW);
    let proved = live && expected == row.digest();
    if !row.has_role() {
        return if proved { 503 } else { 401 };
    }
    if !row.has_list("scopes") {
        return 503;
    }
    match (proved, row.accepts(input.peer.address())) {
        (true, true) => 200,
        (true, false) => 403,
        (false, _) => 401,
    }
}

/// The same for the personal token.
fn token(input: &Input) -> u16 {
    let row = &input.row;
    let member = input.organization && row.word("role").is_some();
    let readable = row.has_status()
        && row.has_flags(&["enabled", "rotated"])
        && row.word("id").is_some()
        && row.word("user_id").is_some()
        && row.has_texts(&["pepper", "role"])
        && row.has_numbers(&["expires_at"])
        && row.has_list("own_scopes")
        && row.has_list("own_organizations")
        && row.has_attributes();
    let expected = input.peppers.digest(row, TOKEN);
    if !readable || expected.is_none() || expected != row.digest() {
        return 503; // found by a digest that the row does not have
    }
    let live = row.word("status") == Some("active")
        && row.cell("enabled") == &Cell::Number(1)
        && row.lasts_beyond(NOW);
    if member && !row.has_role() {
        return if live { 503 } else { 401 };
    }
    let listed = row.words("own_organizations");
    let listed = listed.is_none_or(|listed| listed.iter().any(|one| one == "org_a"));
    match (live, input.organization, member && listed) {
        (false, ..) | (true, false, _) => 401,
        (true, true, false) => 403,
        (true, true, true) if !row.accepts(input.peer.address()) => 403,
        (true, true, true) => 200,
    }
}

/// A store with one row.
struct OneRow(Row, Option<Peppers>, Option<SaltedDigests>, Catalogue);

#[async_trait]
impl CredentialStore for OneRow {
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        let digests = DigestPolicy::new(self.1.as_ref()).with_salted_digests(self.2.as_ref());
        let reader = RecordReader::new(digests, &self.3);
        let record = match lookup.key() {
            LookupKey::OrgKey { id } => reader.key(&self.0, id),
            LookupKey::PersonalToken { digest } => {
                reader.token(&self.0, digest, lookup.organization())
            }
        };
        Ok(Some(Arc::new(record?)))
    }

    fn salted_digests(&self) -> Option<&SaltedDigests> {
        self.2.as_ref()
    }
}

/// Sends the request of the row's credential, and returns the status of the answer.
fn answered(input: &Input) -> u16 {
    let salted = || SaltedDigests::new(SaltedSha256::SaltFirst).expect("a name");
    let salted = input.salted.then(salted);
    let store = OneRow(
        input.row.clone(),
        input.peppers.peppers(),
        salted,
        catalogue(),
    );
    let peer = input.peer.address();
    let auth = AuthLayer::new(store)
        .with_clock(ManualClock::at(UnixMillis(NOW)))
        .with_client_address(ClientAddress::of_peer(move |_| peer))
        .with_environment("live")
        .expect("an environment");
    let service = auth.layer(service_fn(async |_: Request<String>| {
        Ok::<_, Infallible>(Response::new(String::new()))
    }));
    let token = if input.personal { TOKEN } else { KEY };
    let mut request = Request::builder().header("authorization", format!("Bearer {token}"));
    if input.personal && input.organization {
        request = request.header("x-anyreach-org", "org_a");
    }
    let request = request.body(String::new()).expect("a request");
    let Ok(response) = wait(service.oneshot(request));
    response.status().as_u16()
}

/// What cannot be read is left out and marked, and such a credential never looks usable.
fn assert_info(row: &Row) {
    let owner = Owner::Organization("org_a".into());
    let info = credential_info(row, "k1".into(), &owner);
    let texts = [
        "name",
        "role",
        "last_user_agent",
        "rotated_from",
        "rotated_to",
    ];
    let address = row.word("last_address").map(str::parse::<std::net::IpAddr>);
    let moments = [
        "created_at",
        "expires_at",
        "first_used_at",
        "last_used_at",
        "rotated_at",
        "deleted_at",
    ];
    let sound = row.has_status()
        && row.has_list("scopes")
        && row.has_list("own_organizations")
        && row.has_attributes()
        && row.has_texts(&texts)
        && row.has_texts(&["last_address"])
        && address.is_none_or(|address| address.is_ok())
        && row.has_numbers(&moments);
    assert_eq!(info.damaged, !sound, "{row:?}");
    assert_eq!(
        info.status == Status::Active,
        row.word("status") == Some("active")
    );
    if !row.has_list("scopes") {
        assert_eq!(info.scopes.as_deref(), Some(&[][..]), "{row:?}");
    }
    assert_attributes(row, &info.attributes);
    let unknown = matches!(row.cell("created_by_kind"), Cell::Null);
    assert_eq!(info.created_by.is_none(), unknown, "{row:?}");
    assert_eq!(&*info.name, row.word("name").unwrap_or_default());
    assert_eq!(info.role.as_deref(), row.word("role"));
    assert_eq!((info.owner, info.id.as_str()), (owner, "k1"));
}

/// Conditions that cannot be read allow nothing.
fn assert_attributes(row: &Row, attributes: &Attributes) {
    let Attributes {
        description,
        conditions,
        ..
    } = attributes;
    assert_eq!(description.as_deref(), row.word("description"), "{row:?}");
    if !row.has_conditions() {
        assert_eq!(conditions.networks(), Some(&[][..]), "{row:?}");
        return;
    }
    assert_eq!(conditions.environment(), row.word("environment"), "{row:?}");
    let networks = conditions.networks().map(|networks| {
        let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
        networks.join(" ")
    });
    assert_eq!(networks.as_deref(), row.word("allowed_networks"), "{row:?}");
}

/// An event is read whatever its actor and action are, and is made up of nothing else.
fn assert_event(row: &Row) {
    let owner = Owner::User("alice".into());
    let texts = [
        "action",
        "credential_id",
        "related_id",
        "actor_kind",
        "actor_id",
        "actor_user_id",
        "origin",
    ];
    let readable = row.has_texts(&texts)
        && row.has_numbers(&["number", "at", "expires_at"])
        && row.word("credential_id").is_some();
    let event = match audit_event(row, &owner) {
        Ok(event) => event,
        Err(StoreError::Corrupt(_)) => return assert!(!readable, "{row:?}"),
        Err(other) => panic!("{other:?}"),
    };
    assert!(readable, "{row:?}");
    assert_eq!(Some(event.credential.as_str()), row.word("credential_id"));
    assert_attributes(row, &event.attributes);
    if event.action != AuditAction::Unknown {
        assert_eq!(Some(event.action.as_str()), row.word("action"));
    }
    if event.by != AuditActor::Unknown {
        let columns = event.by.columns();
        assert_eq!(Some(columns.kind), row.word("actor_kind"));
        assert_eq!(columns.id, row.word("actor_id"));
        assert_eq!(columns.user, row.word("actor_user_id"));
    }
}

/// A user whose state cannot be read is an error.
fn assert_user(row: &Row) {
    let catalogue = catalogue();
    let reader = RecordReader::new(DigestPolicy::new(None), &catalogue);
    let readable = row.has_texts(&["role"]) && row.has_flags(&["enabled"]);
    let user = reader.user(row, Some("org_a"));
    assert_eq!(user.is_ok(), readable, "{row:?}");
}
