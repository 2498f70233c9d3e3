//! Standard input, from which tokens and imports are read.

use std::io::{self, BufRead, IsTerminal, Read};

use crate::{failure::Failure, output};

/// The most that is read of a token; no store accepts one as long.
const MAX_TOKEN: u64 = 64 * 1024;

/// Returns the token in the first line.
pub(crate) fn token() -> Result<String, Failure> {
    let input = io::stdin().lock();
    if input.is_terminal() {
        output::remark("reading the token from the terminal, which shows it; end it with Enter");
    }
    let mut line = Vec::new();
    let read = input.take(MAX_TOKEN).read_until(b'\n', &mut line);
    read.map_err(Failure::Input)?;
    match line.trim_ascii() {
        [] => Err(Failure::NoToken),
        token => Ok(String::from_utf8_lossy(token).into_owned()),
    }
}

/// Returns how long standard input is, if it is a file.
pub(crate) fn length() -> Option<u64> {
    #[cfg(unix)]
    {
        use std::{fs::File, os::fd::AsFd};
        let input = io::stdin().as_fd().try_clone_to_owned().ok()?;
        let file = File::from(input).metadata().ok()?;
        Some(file.len()).filter(|_| file.is_file())
    }
    #[cfg(not(unix))]
    None
}
