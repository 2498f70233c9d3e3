//! Every call of a manager, by actors of each kind: after none of them is a credential accepted
//! where neither it was before nor the actor is.

mod case;
mod reach;
mod world;

use std::{cell::RefCell, collections::BTreeMap, net::IpAddr, sync::LazyLock};

use case::{By, Call, Case, case};
use proptest::{prelude::*, test_runner::TestRunner};
use reach::Reach;
use tower_api_key::{clock::Clock, credential::Kind};
use world::{World, operator};

use super::config;
use crate::support::now;

/// Where requests act: in an organization, or on a route of a person.
const ORGANIZATIONS: [Option<&str>; 3] = [Some("org_a"), Some("org_b"), None];
const ADDRESSES: [&str; 4] = ["10.0.0.0", "10.0.1.0", "::ffff:192.0.2.1", "2001:db8::1"];
const ENVIRONMENTS: [Option<&str>; 3] = [None, Some("test"), Some("live")];

/// Each pair of an address and an environment.
static PLACES: LazyLock<Vec<(IpAddr, Option<&str>)>> = LazyLock::new(|| {
    let addresses = ADDRESSES.map(|text| text.parse().unwrap());
    let both = |address| ENVIRONMENTS.map(|environment| (address, environment));
    addresses.into_iter().flat_map(both).collect()
});

/// How many calls were made, and how many of each sort were not refused.
#[derive(Default)]
struct Made {
    calls: u32,
    done: BTreeMap<(&'static str, Call), u32>,
}

fn run(case: &Case, made: &mut Made) -> Result<(), TestCaseError> {
    let mut world = World::new(case.roles);
    match case.by {
        By::Key => world.add(Kind::OrgKey, &case.rights),
        By::Token(_) => world.add(Kind::PersonalToken, &case.rights),
        By::Session(_) => {}
    }
    for (kind, rights) in [Kind::OrgKey, Kind::PersonalToken]
        .into_iter()
        .zip(&case.others)
    {
        world.add(kind, rights);
        let added = world.known.last().unwrap().id.clone();
        if rights.end.is_some_and(|end| end.0 % 2 == 0) {
            now(world.manager.disable(&operator(kind), kind, added.as_str())).unwrap();
        }
    }
    let actor = world.actor(case);
    for (number, step) in case.steps.iter().enumerate() {
        let once = format!("once-{number}");
        world.pass(step, &once);
        let before: Vec<Reach> = world.known.iter().map(|one| world.reach(one)).collect();
        let of_kind = |kind| world.grantable(case, kind);
        let grantable = [of_kind(Kind::OrgKey), of_kind(Kind::PersonalToken)];
        let outcome = world.call(&actor, step, &once);
        made.calls += 1;
        for (number, one) in world.known.iter().enumerate() {
            let (after, new) = (world.reach(one), Reach::default());
            let before = before.get(number).unwrap_or(&new);
            let actor = &grantable[usize::from(one.kind == Kind::PersonalToken)];
            let beyond = after.first_beyond([before, actor], world.clock.now());
            prop_assert_eq!(
                beyond,
                None,
                "{:?} {:?}: {:?}\nafter: {:?}\nbefore: {:?}\nactor: {:?}",
                step,
                one.id,
                outcome.as_ref().err(),
                after,
                before,
                actor
            );
        }
        if outcome.is_ok() {
            let by = match case.by {
                By::Key => "key",
                By::Token(_) => "token",
                By::Session(_) => "session",
            };
            *made.done.entry((by, step.call)).or_default() += 1;
        }
    }
    let (organization, place) = case.asked;
    for one in &world.known {
        let held = world
            .reach(one)
            .held(organization, place, world.clock.now());
        let accepted = world.is_accepted(one, organization, place);
        prop_assert_eq!(accepted, held != 0, "{:?} in {:?}", one.id, case.asked);
    }
    Ok(())
}

#[test]
fn no_call_makes_a_credential_accepted_where_its_actor_is_not() {
    let made = RefCell::new(Made::default());
    let mut runner = TestRunner::new(config(51_000));
    let outcome = runner.run(&case(), |case| run(&case, &mut made.borrow_mut()));
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    let made = made.into_inner();
    assert!(made.calls >= 100_000, "{}", made.calls);
    for by in ["key", "token", "session"] {
        for call in [Call::Issue, Call::Rotate, Call::Enable, Call::Edit] {
            let done = made.done.get(&(by, call)).copied().unwrap_or(0);
            println!("{by} {call:?}: {done}");
            assert!(done > 500, "{by} {call:?}: {done}");
        }
    }
}
