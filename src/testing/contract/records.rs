//! The records that a store without writers is filled with, and the claim that they can be stored.

use super::{
    Contract,
    fixture::{Fixture, ORG, Outcome, digest},
};
use crate::{
    scope::ScopeSet,
    secret::Digest,
    store::{Directory, ManageStore, Record},
};

const IDS: [&str; 6] = ["Case", "case-a", "CASE-A", "0", "00", "~+/_-"];

const EXPIRIES: [(&str, i64); 5] = [
    ("expires-last", i64::MAX),
    ("expired-first", i64::MIN),
    ("expired-before-1970", -1),
    ("expired-at-0", 0),
    ("expires-in-2026", 1_767_225_600_000),
];

pub(super) async fn every_valid_id_can_be_stored<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    fixture.store_records().await
}

pub(super) fn records(contract: &Contract) -> Vec<Record> {
    let plain = |id: &str| Record::org_key(id, digest(id), ORG);
    let viewer = |record| contract.granting(record, "viewer");
    let with_digest = |id, byte| Record::org_key(id, Digest::from_bytes([byte; 32]), ORG);
    let ids = IDS.into_iter().map(|id| viewer(plain(id)));
    let expiries = EXPIRIES.map(|(id, at)| viewer(plain(id)).expiring_at(contract.fit(at)));
    let others = [
        viewer(plain(&"long".repeat(64))),
        viewer(with_digest("digest-zeros", 0)),
        viewer(with_digest("digest-ones", 0xff)),
        plain("grants-nothing"),
        plain("explicit").with_scopes(ScopeSet::from_iter([
            "agents:read",
            "unknown:to-the-catalogue",
        ])),
        contract.granting(plain("admin"), "admin"),
    ];
    ids.chain(expiries).chain(others).collect()
}
