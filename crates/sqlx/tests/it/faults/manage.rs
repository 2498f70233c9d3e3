//! The change that each row asks for.

use tower_api_key::{
    credential::Kind,
    manage::{Actor, ManageError, Manager, Rotation},
    store::ManageStore,
};

use super::scene::owner;

pub(super) fn operator() -> Actor {
    Actor::operator("test", owner())
}

/// Rotates a key of the [owner].
pub(super) async fn rotate<S: ManageStore>(
    manager: &Manager<S>,
    id: &str,
) -> Result<(), ManageError> {
    let (by, rotation) = (operator(), Rotation::default());
    let rotated = manager.rotate(&by, Kind::OrgKey, id, rotation).await;
    rotated.map(drop)
}
