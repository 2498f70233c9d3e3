//! Claims about the audit events of both credentials of a rotation.

use std::time::Duration;

use super::{Fixture, Managed, Outcome, ensure, into_pair};
use crate::{
    manage::Rotation,
    store::{AuditAction, AuditActor, Directory, ManageStore, Usage},
};

const SECOND: i64 = 1000;

/// Uses of one credential, in milliseconds since its rotation, and the events that each of them is.
type Reported<'a> = &'a [(i64, &'a [AuditAction])];

const OVERLAP: i64 = 1000 * SECOND;

pub(super) async fn uses_in_an_overlap_are_reported_at_its_half_and_nine_tenths<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    use AuditAction::{UsedAfterRotation, UsedAtHalfOfOverlap, UsedAtNineTenthsOfOverlap};
    let (half, late) = (OVERLAP / 2, OVERLAP / 10 * 9);
    let in_order: Reported<'_> = &[
        (-1, &[]),
        (0, &[UsedAfterRotation]),
        (half - 1, &[]),
        (half, &[UsedAtHalfOfOverlap]),
        (half + 1, &[]),
        (late - 1, &[]),
        (late, &[UsedAtNineTenthsOfOverlap]),
        (OVERLAP - 1, &[]),
    ];
    let late_at_first: Reported<'_> = &[
        (late, &[UsedAfterRotation, UsedAtNineTenthsOfOverlap]),
        (half, &[]), // of another node, written later
        (late + 1, &[]),
    ];
    for reported in [in_order, late_at_first] {
        for managed in fixture.one_of_each().await? {
            ensure_reported(fixture, &managed, reported).await?;
        }
    }
    Ok(())
}

async fn ensure_reported<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    managed: &Managed,
    reported: Reported<'_>,
) -> Outcome {
    let Managed {
        actor, kind, info, ..
    } = managed;
    let overlap = Rotation::default().with_overlap(Duration::from_millis(OVERLAP.unsigned_abs()));
    let rotated = fixture
        .manager
        .rotate(actor, *kind, info.id.as_str(), overlap);
    let (new, _) = into_pair(rotated.await?)?;
    let successor_used: Reported<'_> = &[(1, &[AuditAction::SuccessorUsed]), (OVERLAP, &[])];
    let mut expected = Vec::new();
    for (used, other, uses) in [(info, &new, reported), (&new, info, successor_used)] {
        for (after, actions) in uses {
            let at = fixture.later(*after);
            let usage = Usage::new(*kind, used.id.clone(), at);
            let events = fixture.store.record_uses(&[usage]).await?;
            let found = events.iter().map(|event| event.action);
            let found: Vec<_> = found.collect();
            ensure(
                found == *actions,
                format!("{} ms after the rotation: {found:?}", *after),
            )?;
            for event in &events {
                let good =
                    (&event.credential, event.related.as_ref()) == (&used.id, Some(&other.id));
                let good = good && event.at == at && event.by == AuditActor::Bearer;
                ensure(good && event.owner == info.owner, format!("{event:?}"))?;
            }
            expected.extend(events);
        }
    }
    let mut trail = fixture.manager.events(actor, *kind, None, 200).await?;
    trail.retain(|event| expected.iter().any(|one| one.number == event.number));
    trail.reverse();
    ensure(trail == expected, format!("the trail has {trail:?}"))
}
