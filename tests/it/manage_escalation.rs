//! Management never grants more than its caller holds: random creators request random credentials.

mod calls;

use crate::support::now;

use std::{
    net::IpAddr,
    sync::{Arc, LazyLock},
};
use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    manage::{Actor, Edit, Import, ManageError, Manager, NewKey, NewToken, Rotation},
    scope::{Catalogue, ScopeSet},
    secret::Digest,
    store::{
        Attributes, Conditions, CredentialStore, Directory, Lookup, LookupKey, ManageStore,
        MemoryStore, Network, Owner, Record, Restrictions,
    },
    testing::{ManualClock, principal},
};

use proptest::{
    prelude::*,
    test_runner::{FileFailurePersistence, RngAlgorithm},
};

const NOW: UnixMillis = UnixMillis(1_000_000);

/// Shared by the stores of all cases: to build one takes longer than a case.
static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::anyreach);

/// What a creator holds or requests.
#[derive(Clone, Debug)]
enum Grant {
    Role(&'static str),
    Scopes(Vec<String>),
}

impl Grant {
    fn scopes(&self) -> ScopeSet {
        match self {
            Self::Role(role) => CATALOGUE.scopes_of(role).unwrap(),
            Self::Scopes(scopes) => CATALOGUE.expand(scopes.iter().map(String::as_str)),
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
    let every = CATALOGUE.scopes_of("admin").unwrap();
    every.iter().map(str::to_owned).collect()
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
    let store = MemoryStore::with_catalogue(CATALOGUE.clone());
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

/// The lists of a restricted token; `None` does not restrict.
type Lists = (Option<Vec<String>>, Option<Vec<&'static str>>);

const ORGANIZATIONS: [&str; 3] = ["org_a", "org_b", "org_c"];

const MANAGES: &str = "organizations:manage";

fn lists() -> impl Strategy<Value = Lists> {
    let scopes = proptest::sample::subsequence(every_scope(), 0..=6);
    // Most of them may manage, otherwise almost nothing would be granted.
    let scopes = (scopes, proptest::bool::weighted(0.8)).prop_map(|(mut scopes, manages)| {
        if manages && !scopes.iter().any(|one| one == MANAGES) {
            scopes.insert(0, MANAGES.to_owned());
        }
        scopes
    });
    let organizations = proptest::sample::subsequence(ORGANIZATIONS.to_vec(), 0..=3);
    (
        proptest::option::weighted(0.7, scopes),
        proptest::option::weighted(0.6, organizations),
    )
}

/// Often a part of what the creator has, otherwise almost nothing would be granted.
fn lists_of_both() -> impl Strategy<Value = (Lists, Lists)> {
    (lists(), lists(), any::<bool>(), any::<u8>()).prop_map(|(creator, other, part, kept)| {
        let child = match part {
            true => (
                creator
                    .0
                    .as_ref()
                    .map(|all| all[..all.len().min(kept.into())].to_vec()),
                creator
                    .1
                    .as_ref()
                    .map(|all| all[..all.len().min(usize::from(kept) / 64)].to_vec()),
            ),
            false => other,
        };
        (creator, child)
    })
}

fn new_token((scopes, organizations): &Lists) -> NewToken {
    let mut new = NewToken::named("child");
    if let Some(scopes) = scopes {
        new = new.with_scopes(scopes.iter().map(String::as_str));
    }
    if let Some(organizations) = organizations {
        new = new.with_organizations(organizations.iter().copied());
    }
    new
}

#[derive(Clone, Copy, Debug)]
enum TokenRequest {
    Issue,
    Rotate,
    Enable,
}

/// A store with Alice, who is a member of all organizations, in some as an admin.
async fn alice(admin: [bool; 3]) -> Manager<MemoryStore> {
    let store = MemoryStore::with_catalogue(CATALOGUE.clone());
    store.create_user("alice").await.unwrap();
    for (organization, admin) in ORGANIZATIONS.into_iter().zip(admin) {
        store.create_organization(organization, None).await.unwrap();
        let role = if admin { "admin" } else { "viewer" };
        store.set_member("alice", organization, role).await.unwrap();
    }
    Manager::new(store).with_clock(ManualClock::at(NOW))
}

/// Returns what a token may do in each organization; `None` where it is refused.
async fn reach(store: &MemoryStore, token: &str) -> [Option<ScopeSet>; 3] {
    let digest = Digest::of(token.as_bytes());
    let key = LookupKey::PersonalToken { digest: &digest };
    let mut reach = [None, None, None];
    for (organization, there) in ORGANIZATIONS.into_iter().zip(&mut reach) {
        let found = store.find(&Lookup::new(key, Some(organization))).await;
        let found = found.unwrap().unwrap();
        let only = found.restrictions().and_then(Restrictions::organizations);
        let listed = only.is_none_or(|listed| listed.contains(&organization.into()));
        *there = listed.then(|| found.scopes().clone());
    }
    reach
}

/// Runs one request by a restricted token of Alice. Returns what it and the granted token reach.
async fn run_token(
    admin: [bool; 3],
    (own, asked): &(Lists, Lists),
    request: TokenRequest,
    acting: Option<usize>,
) -> (
    [Option<ScopeSet>; 3],
    Result<[Option<ScopeSet>; 3], ManageError>,
) {
    let manager = alice(admin).await;
    let operator = Actor::operator("test", Owner::User("alice".into()));
    let issue = async |lists: &Lists| {
        let issued = manager.issue_token(&operator, new_token(lists)).await;
        let (info, secret) = issued.unwrap().into_parts();
        (info.id, secret.unwrap().expose_secret().to_owned())
    };
    let (_, creator) = issue(own).await;
    let acting = acting.and_then(|at| ORGANIZATIONS.get(at)).copied();
    let digest = Digest::of(creator.as_bytes());
    let key = LookupKey::PersonalToken { digest: &digest };
    let record = manager.store().find(&Lookup::new(key, acting)).await;
    let actor = Actor::from_principal(&principal(Record::clone(&record.unwrap().unwrap())));
    let kind = Kind::PersonalToken;
    let child = match request {
        TokenRequest::Issue => manager
            .issue_token(&actor, new_token(asked))
            .await
            .map(|issued| issued.into_secret().unwrap().expose_secret().to_owned()),
        TokenRequest::Rotate => {
            let (id, _) = issue(asked).await;
            let rotated = manager
                .rotate(&actor, kind, id.as_str(), Rotation::default())
                .await;
            rotated.map(|issued| issued.into_secret().unwrap().expose_secret().to_owned())
        }
        TokenRequest::Enable => {
            let (id, token) = issue(asked).await;
            manager.disable(&operator, kind, id.as_str()).await.unwrap();
            manager
                .enable(&actor, kind, id.as_str())
                .await
                .map(|_| token)
        }
    };
    let own = reach(manager.store(), &creator).await;
    match child {
        Ok(token) => (own, Ok(reach(manager.store(), &token).await)),
        Err(error) => (own, Err(error)),
    }
}

/// The places from which requests come, and environments of services.
const ADDRESSES: [[u8; 4]; 4] = [[10, 0, 0, 0], [10, 0, 0, 1], [10, 0, 1, 0], [192, 0, 2, 1]];
const ENVIRONMENTS: [Option<&str>; 3] = [None, Some("test"), Some("live")];

fn conditions() -> impl Strategy<Value = Conditions> {
    let networks = [
        "0.0.0.0/0",
        "10.0.0.0/8",
        "10.0.0.0/24",
        "10.0.0.1",
        "192.0.2.1",
        "::/0",
    ];
    let networks = networks.map(|network| network.parse::<Network>().unwrap());
    let networks = proptest::sample::subsequence(networks.to_vec(), 0..=3);
    let environment = proptest::option::of(proptest::sample::select(&["test", "live"][..]));
    (proptest::option::of(networks), environment).prop_map(|(networks, environment)| {
        let mut conditions = Conditions::default();
        if let Some(networks) = networks {
            conditions = conditions.with_networks(networks);
        }
        if let Some(environment) = environment {
            conditions = conditions.with_environment(environment);
        }
        conditions
    })
}

/// Where a credential is accepted.
fn accepted(conditions: &Conditions) -> Vec<([u8; 4], Option<&'static str>)> {
    let holds = |(address, environment): &([u8; 4], Option<&str>)| {
        let address = IpAddr::from(*address);
        let from = |networks: &[Network]| networks.iter().any(|one| one.contains(address));
        conditions.networks().is_none_or(from)
            && conditions
                .environment()
                .is_none_or(|own| Some(own) == *environment)
    };
    let places = ADDRESSES.into_iter();
    let places = places.flat_map(|address| ENVIRONMENTS.map(|environment| (address, environment)));
    places.filter(holds).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConditionRequest {
    Issue,
    Rotate,
    Enable,
    Edit,
}

/// Runs one request by a key with conditions for a key with others. An edit is of a key that is
/// accepted nowhere. Returns the conditions of the granted key.
async fn run_conditional(
    own: &Conditions,
    asked: &Conditions,
    request: ConditionRequest,
) -> Result<Conditions, ManageError> {
    let store = MemoryStore::with_catalogue(CATALOGUE.clone());
    store.create_organization("org_own", None).await.unwrap();
    let manager = Manager::new(store.clone()).with_clock(ManualClock::at(NOW));
    let under = |conditions: &Conditions| Attributes::default().with_conditions(conditions.clone());
    let caller = Record::org_key("caller", Digest::of(b"test"), "org_own")
        .with_scopes(Grant::Role("admin").scopes())
        .with_attributes(under(own));
    store.insert(caller.clone()).await.unwrap();
    let actor = Actor::from_principal(&principal(caller));
    let operator = Actor::operator("test", Owner::Organization("org_own".into()));
    let there = |conditions: &Conditions| NewKey::named("there").with_attributes(under(conditions));
    let nowhere = Conditions::default().with_networks([]);
    let before = if request == ConditionRequest::Edit {
        &nowhere
    } else {
        asked
    };
    let issued = manager.issue_key(&operator, there(before)).await.unwrap();
    let (kind, id) = (Kind::OrgKey, issued.info().id.as_str());
    let granted = match request {
        ConditionRequest::Issue => manager
            .issue_key(&actor, there(asked))
            .await?
            .info()
            .clone(),
        ConditionRequest::Rotate => {
            let rotated = manager
                .rotate(&actor, kind, id, Rotation::default())
                .await?;
            rotated.info().clone()
        }
        ConditionRequest::Enable => {
            manager.disable(&operator, kind, id).await.unwrap();
            manager.enable(&actor, kind, id).await?
        }
        ConditionRequest::Edit => {
            let edit = Edit::default().with_conditions(asked.clone());
            manager.edit(&actor, kind, id, edit).await?
        }
    };
    Ok(granted.attributes.conditions)
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        rng_algorithm: RngAlgorithm::XorShift, // the default takes a quarter of the time
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(100_000))]

    /// Everything that is granted is within what the creator holds, and everything within it is
    /// granted.
    #[test]
    fn a_child_never_holds_more_than_its_creator(
        held in creator(), own_end in expiry(), request in request(), end in expiry(),
    ) {
        let outcome = now(run(&held, own_end, &request, end));
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

    /// A token reaches no organization and no scope that the restricted token that granted it does
    /// not reach, and what is restricted as much is granted.
    #[test]
    fn a_restricted_token_grants_no_wider_token(
        admin in any::<[bool; 3]>(),
        both in lists_of_both(),
        request in prop_oneof![
            2 => Just(TokenRequest::Issue),
            1 => Just(TokenRequest::Rotate),
            1 => Just(TokenRequest::Enable),
        ],
        acting in proptest::option::of(0..3_usize),
    ) {
        // Where it may not act it makes no request, so there it is no actor.
        let listed = |at: usize| both.0.1.as_ref().is_none_or(|all| all.contains(&ORGANIZATIONS[at]));
        let acting = acting.filter(|at| listed(*at));
        let (own, granted) = now(run_token(admin, &both, request, acting));
        let (creator, child) = &both;
        let expand = |scopes: &Vec<String>| Grant::Scopes(scopes.clone()).scopes();
        let scopes = creator.0.as_ref().is_none_or(|most| {
            child.0.as_ref().is_some_and(|asked| within(&expand(asked), &expand(most)))
        });
        let organizations = creator.1.as_ref().is_none_or(|most| {
            child.1.as_ref().is_some_and(|asked| asked.iter().all(|one| most.contains(one)))
        });
        let manages = creator.0.as_ref().is_none_or(|own| own.iter().any(|one| one == MANAGES));
        let allowed = manages && scopes && organizations;
        prop_assert_eq!(granted.is_ok(), allowed, "{:?}", granted.as_ref().err());
        for (own, reached) in own.iter().zip(granted.iter().flatten()) {
            let inside = match (reached, own) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(reached), Some(own)) => within(reached, own),
            };
            prop_assert!(inside, "{reached:?} from {own:?}");
        }
    }

    /// A key is accepted nowhere that the key which granted it is not; and what its creator covers
    /// is granted.
    #[test]
    fn a_key_is_accepted_nowhere_that_its_creator_is_not(
        own in conditions(),
        asked in conditions(),
        request in proptest::sample::select(vec![
            ConditionRequest::Issue,
            ConditionRequest::Rotate,
            ConditionRequest::Enable,
            ConditionRequest::Edit,
        ]),
    ) {
        let granted = now(run_conditional(&own, &asked, request));
        let nowhere = Conditions::default().with_networks([]);
        let narrows = request == ConditionRequest::Edit && nowhere.cover(&asked);
        prop_assert_eq!(granted.is_ok(), own.cover(&asked) || narrows, "{:?}", granted.as_ref().err());
        if let Ok(granted) = granted {
            prop_assert_eq!(&granted, &asked);
            let creator = accepted(&own);
            prop_assert!(accepted(&granted).iter().all(|place| creator.contains(place)));
        }
    }
}
