//! Claims about which organizations are below which.

use super::fixture::{Fixture, Outcome, ensure};
use crate::store::{Directory, ManageStore};

/// `top` is above `middle` and `aside`, `middle` above `low`, `low` above `lowest`; `apart` is
/// alone.
async fn seed_tree(store: &impl Directory) -> Outcome {
    for (id, parent) in [
        ("top", None),
        ("middle", Some("top")),
        ("aside", Some("top")),
        ("low", Some("middle")),
        ("lowest", Some("low")),
        ("apart", None),
    ] {
        store.create_organization(id, parent).await?;
    }
    Ok(())
}

async fn ensure_below(
    store: &impl Directory,
    organization: &str,
    ancestor: &str,
    wanted: bool,
) -> Outcome {
    let below = store.is_descendant_of(organization, ancestor).await?;
    ensure(
        below == wanted,
        format!("whether {organization:?} is below {ancestor:?} is answered with {below}"),
    )
}

pub(super) async fn an_organization_descends_from_its_ancestors_only<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let store = &fixture.store;
    seed_tree(store).await?;
    for (organization, ancestor) in [
        ("middle", "top"),
        ("low", "top"),
        ("low", "middle"),
        ("lowest", "top"),
    ] {
        ensure_below(store, organization, ancestor, true).await?;
        ensure_below(store, ancestor, organization, false).await?;
    }
    for (organization, ancestor) in [
        ("top", "top"),
        ("low", "low"),
        ("low", "aside"),
        ("aside", "middle"),
    ] {
        ensure_below(store, organization, ancestor, false).await?;
    }
    for other in [
        "apart", "unknown", "TOP", "to", "top ", "", "%", "_op", "top\0",
    ] {
        ensure_below(store, "low", other, false).await?;
        ensure_below(store, other, "top", false).await?;
    }
    Ok(())
}

pub(super) async fn a_deleted_organization_cuts_off_its_descendants<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let store = &fixture.store;
    seed_tree(store).await?;
    store.delete_organization("middle").await?;
    for organization in ["middle", "low", "lowest"] {
        ensure_below(store, organization, "top", false).await?;
    }
    ensure_below(store, "low", "middle", false).await?;
    ensure_below(store, "lowest", "low", true).await?;
    ensure_below(store, "aside", "top", true).await?;
    store.delete_organization("top").await?;
    ensure_below(store, "aside", "top", false).await
}
