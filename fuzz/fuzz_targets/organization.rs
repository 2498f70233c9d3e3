//! Organization headers, one for each line of the input but the first, which chooses the
//! credential: a key acts in its own organization alone, a token in the one that is named.

#![no_main]

use http::Request;
use libfuzzer_sys::fuzz_target;
use tower_api_key_fuzz::{
    oracle::Mode,
    request::{append, assert_decided},
    world::World,
};

fuzz_target!(|data: &[u8]| {
    let mut lines = data.split(|byte| *byte == b'\n');
    let choice = lines.next().and_then(|line| line.first()).copied();
    let choice = usize::from(choice.unwrap_or_default());
    let credentials = World::usual().credentials;
    let token = credentials[choice % credentials.len()].token;
    let mut request = Request::new(());
    append(
        &mut request,
        b"authorization",
        format!("Bearer {token}").as_bytes(),
    );
    for line in lines {
        append(&mut request, b"x-anyreach-org", line);
    }
    let mode = Mode {
        user_scoped: choice & 128 != 0,
        ..Mode::default()
    };
    assert_decided(mode, &request.into_parts().0);
});
