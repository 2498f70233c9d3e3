//! Management never grants more than its caller holds: random creators request random credentials.

use std::sync::Arc;
use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    manage::{Actor, Import, ManageError, Manager, NewKey, Rotation},
    scope::{Catalogue, ScopeSet},
    secret::Digest,
    store::{
        CredentialStore, Directory, Lookup, LookupKey, ManageStore, MemoryStore, Owner, Record,
    },
    testing::{ManualClock, principal},
};

use proptest::{prelude::*, test_runner::FileFailurePersistence};

const NOW: UnixMillis = UnixMillis(1_000_000);

/// What a creator holds or requests.
#[derive(Clone, Debug)]
enum Grant {
    Role(&'static str),
    Scopes(Vec<String>),
}

impl Grant {
    fn scopes(&self) -> ScopeSet {
        let catalogue = Catalogue::anyreach();
        match self {
            Self::Role(role) => catalogue.scopes_of(role).unwrap().clone(),
            Self::Scopes(scopes) => catalogue.expand(scopes.iter().map(String::as_str)),
        }
    }
}

#[derive(Clone, Debug)]
enum IssueRequest {
    Issue(Grant),
    /// A key issued by another creator.
    Rotate(Grant),
    Enable(Grant),
}

/// The scopes of an administrator, which are all scopes.
fn every_scope() -> Vec<String> {
    let catalogue = Catalogue::anyreach();
    let every = catalogue.scopes_of("admin").unwrap().iter();
    every.map(str::to_owned).collect()
}

fn grant() -> impl Strategy<Value = Grant> {
    let every = every_scope();
    let most = every.len();
    let some = move |most| proptest::sample::subsequence(every.clone(), 0..=most);
    prop_oneof![
        1 => Just(Grant::Role("viewer")),
        1 => Just(Grant::Role("admin")),
        4 => some(4).prop_map(Grant::Scopes),
        2 => some(most).prop_map(Grant::Scopes),
    ]
}

/// Most creators may manage, otherwise almost nothing would be created.
fn creator() -> impl Strategy<Value = Grant> {
    (grant(), proptest::bool::weighted(0.9)).prop_map(|(held, manages)| match held {
        Grant::Scopes(mut scopes) if manages => {
            scopes.push("organizations:manage".to_owned());
            Grant::Scopes(scopes)
        }
        other => other,
    })
}

fn expiry() -> impl Strategy<Value = Option<UnixMillis>> {
    prop_oneof![
        Just(None),
        (NOW.0 + 1..NOW.0 + 10).prop_map(|at| Some(UnixMillis(at)))
    ]
}

fn request() -> impl Strategy<Value = IssueRequest> {
    prop_oneof![
        3 => grant().prop_map(IssueRequest::Issue),
        1 => grant().prop_map(IssueRequest::Rotate),
        1 => grant().prop_map(IssueRequest::Enable),
    ]
}

fn within(inner: &ScopeSet, outer: &ScopeSet) -> bool {
    inner.iter().all(|scope| outer.contains(scope))
}

/// Runs one request; returns the record of the issued credential.
async fn run(
    held: &Grant,
    own_end: Option<UnixMillis>,
    request: &IssueRequest,
    end: Option<UnixMillis>,
) -> Result<Arc<Record>, ManageError> {
    let store = MemoryStore::new();
    store.create_organization("org_own", None).await.unwrap();
    store.create_organization("org_other", None).await.unwrap();
    let manager = Manager::new(store.clone()).with_clock(ManualClock::at(NOW));
    let caller = Record::org_key("caller", Digest::of(b"test"), "org_own");
    let caller = caller.with_scopes(held.scopes()).expiring_at(own_end);
    store.insert(caller.clone()).await.unwrap();
    let actor = Actor::from_principal(&principal(caller));
    let id = match request {
        IssueRequest::Issue(grant) => {
            let key = NewKey::named("child").expiring_at(end);
            let key = match grant {
                Grant::Role(role) => key.with_role(role),
                Grant::Scopes(scopes) => key.with_scopes(scopes.iter().map(String::as_str)),
            };
            manager.issue_key(&actor, key).await?.info().id.clone()
        }
        IssueRequest::Rotate(grant) | IssueRequest::Enable(grant) => {
            let operator = Actor::operator("test", Owner::Organization("org_own".into()));
            let there = Import::new("there", Digest::of(b"test there"), "there");
            let there = match grant {
                Grant::Role(role) => there.with_role(role),
                Grant::Scopes(scopes) => there.with_scopes(scopes.iter().map(String::as_str)),
            };
            manager
                .import(&operator, Kind::OrgKey, there)
                .await
                .unwrap();
            if let IssueRequest::Rotate(_) = request {
                let rotation = Rotation::default().expiring_at(end);
                manager
                    .rotate(&actor, Kind::OrgKey, "there", rotation)
                    .await?
                    .info()
                    .id
                    .clone()
            } else {
                manager
                    .disable(&operator, Kind::OrgKey, "there")
                    .await
                    .unwrap();
                manager.enable(&actor, Kind::OrgKey, "there").await?.id
            }
        }
    };
    Ok(store
        .find(&Lookup::new(LookupKey::OrgKey { id: id.as_str() }, None))
        .await
        .unwrap()
        .unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 100_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    })]

    /// Everything that is granted is within what the creator holds, and everything within it is
    /// granted.
    #[test]
    fn a_child_never_holds_more_than_its_creator(
        held in creator(), own_end in expiry(), request in request(), end in expiry(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let outcome = runtime.block_on(run(&held, own_end, &request, end));
        let creator = held.scopes();
        let lasts = |end: Option<UnixMillis>| {
            own_end.is_none_or(|own| end.is_some_and(|end| end <= own))
        };
        let (IssueRequest::Issue(asked)
        | IssueRequest::Rotate(asked)
        | IssueRequest::Enable(asked)) = &request;
        let allowed = creator.contains("organizations:manage")
            && within(&asked.scopes(), &creator)
            && lasts(if matches!(request, IssueRequest::Enable(_)) { None } else { end });
        prop_assert_eq!(outcome.is_ok(), allowed, "{:?}", outcome.as_ref().err());
        if let Ok(child) = outcome {
            prop_assert!(
                within(child.scopes(), &creator),
                "{:?} from {:?}",
                child.scopes(),
                creator
            );
            prop_assert_eq!(child.scopes(), &asked.scopes());
            prop_assert_eq!(child.organization().unwrap().as_str(), "org_own");
            prop_assert!(lasts(child.expires_at()));
            prop_assert!(!asked.scopes().is_empty() || child.scopes().is_empty());
        }
    }
}
