//! A store with its manager, and everything that happens there.

use std::{sync::Arc, time::Duration};

use tower_api_key::{
    AuthLayer, LastUse,
    condition::ClientAddress,
    credential::Kind,
    id::{CredentialId, OrgId},
    manage::{Actor, Edit, Import, ManageError, Manager, Rotation},
    secret::{Digest, Secret},
    store::{
        CredentialStore, Directory, ExpiryWatch, Lookup, LookupKey, MemoryStore, Owner, Record,
        Restrictions, Retention, Status,
    },
    testing::{ManualClock, principal},
};

use super::{
    ORGANIZATIONS, PLACES,
    case::{By, Call, Case, Meanwhile, Rights, Step},
    reach::{Reach, bits, places},
};
use crate::{
    manage_escalation::{CATALOGUE, NOW},
    support::{ORG_HEADER, ask, bearer, now, with},
};

pub(super) struct Known {
    pub(super) kind: Kind,
    pub(super) id: CredentialId,
    pub(super) token: String,
}

pub(super) struct World {
    pub(super) store: MemoryStore,
    pub(super) manager: Manager<MemoryStore>,
    pub(super) clock: ManualClock,
    pub(super) roles: [Option<&'static str>; 2],
    /// All credentials, first that of the actor, if it has one.
    pub(super) known: Vec<Known>,
}

/// Who manages the keys of the first organization, or the tokens of Alice.
pub(super) fn operator(kind: Kind) -> Actor {
    let owner = match kind {
        Kind::OrgKey => Owner::Organization("org_a".into()),
        Kind::PersonalToken => Owner::User("alice".into()),
    };
    Actor::operator("test", owner)
}

impl World {
    pub(super) fn new(roles: [Option<&'static str>; 2]) -> Self {
        let store = MemoryStore::with_catalogue(CATALOGUE.clone());
        now(store.create_user("alice")).unwrap();
        for (organization, role) in ORGANIZATIONS.into_iter().flatten().zip(roles) {
            now(store.create_organization(organization, None)).unwrap();
            if let Some(role) = role {
                now(store.set_member("alice", organization, role)).unwrap();
            }
        }
        let clock = ManualClock::at(NOW);
        Self {
            manager: Manager::new(store.clone()).with_clock(clock.clone()),
            store,
            clock,
            roles,
            known: Vec::new(),
        }
    }

    /// Issues a credential for an operator.
    pub(super) fn add(&mut self, kind: Kind, rights: &Rights) {
        let issued = match kind {
            Kind::OrgKey => now(self.manager.issue_key(&operator(kind), rights.key())),
            Kind::PersonalToken => now(self.manager.issue_token(&operator(kind), rights.token())),
        };
        let (info, secret) = issued.unwrap().into_parts();
        self.learn(kind, info.id, secret.as_ref().map(Secret::expose_secret));
    }

    pub(super) fn learn(&mut self, kind: Kind, id: CredentialId, token: Option<&str>) {
        let new = token.map(str::to_owned);
        self.known
            .extend(new.map(|token| Known { kind, id, token }));
    }

    pub(super) fn find(&self, one: &Known, organization: Option<&str>) -> Option<Arc<Record>> {
        let digest = Digest::of(one.token.as_bytes());
        let key = match one.kind {
            Kind::OrgKey => LookupKey::OrgKey {
                id: one.id.as_str(),
            },
            Kind::PersonalToken => LookupKey::PersonalToken { digest: &digest },
        };
        let found = now(self.store.find(&Lookup::new(key, organization))).unwrap();
        let found = found.filter(|record| record.status() == Status::Active)?;
        let own = found.organization().map(OrgId::as_str);
        let listed = found.restrictions().and_then(Restrictions::organizations);
        let acts = match (one.kind, organization) {
            (Kind::PersonalToken, None) => true,
            (_, None) => false,
            (_, Some(id)) => {
                own == Some(id) && listed.is_none_or(|listed| listed.contains(&id.into()))
            }
        };
        acts.then_some(found)
    }

    pub(super) fn reach(&self, one: &Known) -> Reach {
        let mut reach = Reach::default();
        for (organization, scopes) in ORGANIZATIONS.into_iter().zip(&mut reach.scopes) {
            if let Some(record) = self.find(one, organization) {
                let attributes = record.attributes().cloned().unwrap_or_default();
                *scopes = bits(record.scopes());
                reach.places = places(&attributes.conditions);
                reach.end = record.expires_at();
            }
        }
        reach
    }

    /// Returns where credentials of a kind may be accepted that the actor grants.
    pub(super) fn grantable(&self, case: &Case, kind: Kind) -> Reach {
        let of_role = |role| bits(&CATALOGUE.scopes_of(role).unwrap());
        let [a, b] = self.roles.map(|role| role.map_or(0, of_role));
        let alice = [a, b, 1];
        match (case.by, kind) {
            (By::Key, Kind::PersonalToken) => Reach::default(),
            (By::Key, Kind::OrgKey) | (By::Token(_), Kind::PersonalToken) => {
                self.reach(self.known.first().unwrap())
            }
            (By::Token(at), Kind::OrgKey) => self.reach(self.known.first().unwrap()).only_in(at),
            (By::Session(_), Kind::PersonalToken) => Reach::everywhere(alice),
            (By::Session(at), Kind::OrgKey) => {
                let shown = bits(&case.rights.grant.scopes());
                let has_them = alice[at] & shown == shown;
                Reach::everywhere([if has_them { shown } else { 0 }; 3]).only_in(at)
            }
        }
    }

    /// Returns the actor. What is taken from it later it does not know of.
    pub(super) fn actor(&self, case: &Case) -> Actor {
        let scopes = case.rights.grant.scopes();
        let organization = match case.by {
            By::Key => Some("org_a"),
            By::Token(at) => ORGANIZATIONS[at],
            By::Session(at) => {
                let alice = Actor::user("alice");
                return match ORGANIZATIONS[at] {
                    Some(organization) => alice.acting_in(organization, scopes),
                    None => alice,
                };
            }
        };
        let own = self.known.first().unwrap();
        // Where it may not act, it makes no request.
        let record = self
            .find(own, organization)
            .or_else(|| self.find(own, None));
        Actor::from_principal(&principal(Record::clone(&record.unwrap())))
    }

    /// Makes a call, under an idempotency key where it can have one.
    pub(super) fn call(
        &mut self,
        actor: &Actor,
        step: &Step,
        once: &str,
    ) -> Result<(), ManageError> {
        let (manager, kind, rights) = (self.manager.clone(), step.kind, &step.rights);
        let mut targets = self.known.iter().filter(|one| one.kind == kind).cycle();
        let target = targets.nth(step.target).unwrap();
        let (id, token) = (target.id.clone(), target.token.clone());
        let (id, at_once) = (id.as_str(), Duration::ZERO);
        let issued = match (step.call, kind) {
            (Call::Issue, Kind::OrgKey) => {
                now(manager.issue_key(actor, rights.key().with_idempotency_key(once)))?
            }
            (Call::Issue, Kind::PersonalToken) => {
                now(manager.issue_token(actor, rights.token().with_idempotency_key(once)))?
            }
            (Call::Rotate, _) => {
                let overlap = Duration::from_millis(3 * (step.target as u64 % 2));
                let rotation = Rotation::default().with_overlap(overlap);
                let rotation = rotation.expiring_at(rights.end).with_idempotency_key(once);
                now(manager.rotate(actor, kind, id, rotation))?
            }
            (Call::Import, _) => {
                let (token, role) = match kind {
                    Kind::OrgKey => ("ak_import.test-import", Some("admin")),
                    Kind::PersonalToken => ("pat_test-import", None),
                };
                let import = Import::new("import", Digest::of(token.as_bytes()), "import");
                let import = role.map_or(import.clone(), |role| import.with_role(role));
                let info = now(manager.import(actor, kind, import))?;
                self.learn(kind, info.id, Some(token));
                return Ok(());
            }
            (Call::Enable, _) => return now(manager.enable(actor, kind, id)).map(drop),
            (Call::Edit, _) => {
                let edit = Edit::default().with_conditions(rights.conditions.clone());
                return now(manager.edit(actor, kind, id, edit)).map(drop);
            }
            (Call::Rename, _) => return now(manager.rename(actor, kind, id, "new")).map(drop),
            (Call::Disable, _) => return now(manager.disable(actor, kind, id)).map(drop),
            (Call::Delete, _) => return now(manager.delete(actor, kind, id)).map(drop),
            (Call::RevokeAll, _) => return now(manager.revoke_all(actor, kind)).map(drop),
            (Call::RevokePresented, _) => {
                return now(manager.revoke_presented(&token, None)).map(drop);
            }
            (Call::ExpireUnused, _) => {
                return now(manager.expire_unused(kind, at_once)).map(drop);
            }
            (Call::WatchExpiry, _) => {
                return now(manager.watch_expiry(&ExpiryWatch::default())).map(drop);
            }
            (Call::RecordUses, _) => return now(manager.record_uses(&LastUse::new())).map(drop),
            (Call::Sweep, _) => {
                let old = Retention::forever()
                    .with_deleted(at_once)
                    .with_expired(at_once);
                return now(manager.sweep(&old.with_idempotency_keys(at_once))).map(drop);
            }
        };
        let (info, secret) = issued.into_parts();
        self.learn(kind, info.id, secret.as_ref().map(Secret::expose_secret));
        Ok(())
    }

    /// Lets something happen before a call. An operator's call may be refused too.
    pub(super) fn pass(&mut self, step: &Step, once: &str) {
        let own = self.known.first().unwrap();
        let (kind, id) = (own.kind, own.id.clone());
        match step.meanwhile {
            Meanwhile::Nothing => {}
            Meanwhile::Wait(millis) => self.clock.advance_millis(millis),
            Meanwhile::Role(role) => {
                self.roles[0] = role;
                match role {
                    Some(role) => now(self.store.set_member("alice", "org_a", role)).unwrap(),
                    None => now(self.store.remove_member("alice", "org_a")).unwrap(),
                }
            }
            Meanwhile::Edit => {
                let edit = Edit::default().with_conditions(step.rights.conditions.clone());
                drop(now(self.manager.edit(
                    &operator(kind),
                    kind,
                    id.as_str(),
                    edit,
                )));
            }
            Meanwhile::Disable => {
                drop(now(self.manager.disable(
                    &operator(kind),
                    kind,
                    id.as_str(),
                )));
            }
            Meanwhile::Same => drop(self.call(&operator(step.kind), step, once)),
        }
    }

    /// Asks a layer whether it accepts a credential now.
    pub(super) fn is_accepted(&self, one: &Known, organization: usize, place: usize) -> bool {
        let (address, environment) = PLACES[place];
        let peer = ClientAddress::of_peer(move |_| Some(address));
        let mut auth = AuthLayer::new(self.store.clone()).with_client_address(peer);
        if let Some(environment) = environment {
            auth = auth.with_environment(environment).unwrap();
        }
        let auth = auth.with_clock(self.clock.clone());
        let answer = match ORGANIZATIONS[organization] {
            Some(id) => now(ask(&auth, with(bearer(&one.token), ORG_HEADER, id))),
            None => now(ask(&auth.user_scoped(), bearer(&one.token))),
        };
        answer.status == 200
    }
}
