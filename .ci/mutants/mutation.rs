//! Which mutant is switched on in this process: the one whose number is in `MUTANT`, or none.
//!
//! With `MUTANT_TRACE=file`, the number of each mutant that is reached is appended to that file,
//! once for each process.

use std::{
    env,
    fs::{File, OpenOptions},
    io::Write,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// One more than the highest number.
const NUMBERS: usize = 0; // set by `.ci/mutants`

static REACHED: [AtomicBool; NUMBERS] = [const { AtomicBool::new(false) }; NUMBERS];
static STATE: OnceLock<State> = OnceLock::new();

struct State {
    active: Option<u32>,
    trace: Option<Mutex<File>>,
}

impl State {
    fn read() -> Self {
        let active = env::var("MUTANT").ok();
        let trace = env::var_os("MUTANT_TRACE").map(|path| {
            let file = OpenOptions::new().create(true).append(true).open(path);
            Mutex::new(file.expect("the trace can be written"))
        });
        Self {
            active: active.map(|number| number.parse().expect("MUTANT is a number")),
            trace,
        }
    }
}

/// Returns whether this mutant is switched on. Allocates only in the first call of a process.
#[inline]
pub(crate) fn on(number: u32) -> bool {
    let state = STATE.get_or_init(State::read);
    if let Some(file) = &state.trace {
        reach(number, file);
    }
    state.active == Some(number)
}

#[cold]
fn reach(number: u32, file: &Mutex<File>) {
    let reached = &REACHED[number as usize];
    if reached.load(Ordering::Relaxed) || reached.swap(true, Ordering::Relaxed) {
        return;
    }
    // One write for a line, so that lines of several processes do not mix.
    let mut line = *b"0000000\n";
    let mut rest = number;
    for digit in line[..7].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    file.write_all(&line).expect("the trace can be written");
}

/// One of two iterators, for functions that return `impl Iterator`.
pub(crate) enum Either<A, B> {
    Left(A),
    Right(B),
}

impl<A: Iterator, B: Iterator<Item = A::Item>> Iterator for Either<A, B> {
    type Item = A::Item;

    fn next(&mut self) -> Option<A::Item> {
        match self {
            Self::Left(left) => left.next(),
            Self::Right(right) => right.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Left(left) => left.size_hint(),
            Self::Right(right) => right.size_hint(),
        }
    }
}

impl<A, B> ExactSizeIterator for Either<A, B>
where
    A: ExactSizeIterator,
    B: ExactSizeIterator<Item = A::Item>,
{
}
