//! Claims about who is below whom.

use std::sync::Arc;

use super::{Claim, claim};
use crate::store::{Directory, ManageStore};

/// `top` above `middle` and `aside`; `low` below `middle`, `lowest` below that; `apart` alone.
async fn furnish<S: ManageStore + Directory>(store: &Arc<S>) -> Claim {
    let tree = [
        ("top", None),
        ("middle", Some("top")),
        ("aside", Some("top")),
        ("low", Some("middle")),
    ];
    for (id, parent) in tree
        .into_iter()
        .chain([("lowest", Some("low")), ("apart", None)])
    {
        store.create_organization(id, parent).await?;
    }
    Ok(())
}

async fn is_below<S: Directory>(
    store: &Arc<S>,
    organization: &str,
    ancestor: &str,
    wanted: bool,
) -> Claim {
    let below = store.is_descendant_of(organization, ancestor).await?;
    claim(
        below == wanted,
        format!("that {organization:?} is below {ancestor:?} is said to be {below}"),
    )
}

pub(super) async fn an_organization_is_below_those_above_it_and_no_others<S>(
    store: &Arc<S>,
) -> Claim
where
    S: ManageStore + Directory,
{
    furnish(store).await?;
    for (organization, ancestor) in [
        ("middle", "top"),
        ("low", "top"),
        ("low", "middle"),
        ("lowest", "top"),
    ] {
        is_below(store, organization, ancestor, true).await?;
        is_below(store, ancestor, organization, false).await?;
    }
    for (organization, ancestor) in [
        ("top", "top"),
        ("low", "low"),
        ("low", "aside"),
        ("aside", "middle"),
    ] {
        is_below(store, organization, ancestor, false).await?;
    }
    for nowhere in [
        "apart", "unknown", "TOP", "to", "top ", "", "%", "_op", "top\0",
    ] {
        is_below(store, "low", nowhere, false).await?;
        is_below(store, nowhere, "top", false).await?;
    }
    Ok(())
}

pub(super) async fn nothing_is_reached_through_a_deleted_organization<S>(store: &Arc<S>) -> Claim
where
    S: ManageStore + Directory,
{
    furnish(store).await?;
    store.delete_organization("middle").await?;
    for (organization, ancestor) in [("middle", "top"), ("low", "top"), ("lowest", "top")] {
        is_below(store, organization, ancestor, false).await?;
    }
    is_below(store, "low", "middle", false).await?;
    is_below(store, "lowest", "low", true).await?;
    is_below(store, "aside", "top", true).await?;
    store.delete_organization("top").await?;
    is_below(store, "aside", "top", false).await
}
