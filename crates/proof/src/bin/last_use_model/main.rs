//! How many rows a database writes a second to keep the last uses of 100 million keys, by a model.
//!
//! ```sh
//! cargo run -p tower-api-key-proof --bin last_use_model
//! ```
//!
//! 600 nodes get 420 000 requests a second. One key in a hundred is hot: it is used a hundred times
//! as often as a cold one, so about half of the requests have a hot key. Each request goes to any
//! node. Each node writes what it has collected once a minute, at a moment of its own. A key lives
//! for 90 days and is then replaced, so that all ages are equally frequent.
//!
//! A sample of the keys is simulated request by request, and the crate itself decides what is
//! written. For the figures of every day the second of two simulated days counts. An upgrade to a
//! version that keeps the first use makes each key as old as its last use; three days of it are
//! simulated. The random numbers are the same in each run, and so is the output.

#![allow(clippy::print_stdout, reason = "a program prints its figures")]

mod key;
mod traffic;

use std::time::Duration;

use key::{Key, Rule};
use tower_api_key::store::Granularity;
use tower_api_key_proof::rig::Random;
use traffic::Traffic;

/// How many keys there are.
const KEYS: f64 = 1e8;
/// How many of them are simulated; one in a hundred is hot.
const SAMPLE: u32 = 2_000;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const LIFE: i64 = 90 * DAY;

/// When a simulation begins.
const START: i64 = 2 * LIFE;

fn main() {
    let minute = Granularity::every(Duration::from_secs(60)).unwrap_or_default();
    println!("row writes a second with 1e8 keys, of which {SAMPLE} are simulated");
    println!(
        "| granularity | every day | upgrade: first hour | rest of the day | busiest hour later |"
    );
    println!("|---|---:|---:|---:|---:|");
    for (name, granularity) in [("a minute", minute), ("adaptive", Granularity::adaptive())] {
        let rule = Rule::new(granularity);
        let (daily, after) = (every_day(&rule), after_upgrade(&rule));
        let figures = [
            per_second(daily.written(START + DAY, DAY), DAY),
            per_second(after.written(START, HOUR), HOUR),
            per_second(after.written(START + HOUR, DAY - HOUR), DAY - HOUR),
            per_second(after.busiest_hour(START + DAY, 2 * DAY), HOUR),
        ];
        let figures = figures.map(|figure| format!("{figure:.0}"));
        println!("| {name} | {} |", figures.join(" | "));
    }
}

/// What the whole database does a second, if the sample does `count` in `time`.
#[allow(clippy::cast_precision_loss, reason = "a figure of a model")]
fn per_second(count: usize, time: i64) -> f64 {
    count as f64 * KEYS / f64::from(SAMPLE) / (time as f64 / 1000.0)
}

/// Two days on which keys of all ages are used, and replaced at the end of their lives.
fn every_day(rule: &Rule) -> Traffic {
    let (mut traffic, end) = (Traffic::default(), START + 2 * DAY);
    for number in 0..SAMPLE {
        let mut random = Random::seeded(number.into());
        let born = end - within(&mut random, LIFE);
        let replaced = born.max(START);
        let before = Key::in_use(number, born - LIFE, &mut random);
        let of_now = if born < START {
            Key::in_use(number, born, &mut random)
        } else {
            before.uses(START..born, rule, &mut random, &mut traffic);
            Key::fresh(number)
        };
        of_now.uses(replaced..end, rule, &mut random, &mut traffic);
    }
    traffic
}

/// Three days after all keys, which were used within the last minutes, lost their first use.
fn after_upgrade(rule: &Rule) -> Traffic {
    let mut traffic = Traffic::default();
    for number in 0..SAMPLE {
        let mut random = Random::seeded(number.into());
        let key = Key::upgraded(number, &mut random);
        key.uses(START..START + 3 * DAY, rule, &mut random, &mut traffic);
    }
    traffic
}

/// Returns a random time below `bound`.
fn within(random: &mut Random, bound: i64) -> i64 {
    let bound = usize::try_from(bound).unwrap_or(1);
    i64::try_from(random.below(bound)).unwrap_or_default()
}
