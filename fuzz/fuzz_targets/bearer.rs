//! `Authorization` lines, one for each line of the input: the request is accepted only if there is
//! exactly one, and it is `Bearer <a good token>` in one of the permitted forms.

#![no_main]

use http::{HeaderValue, Request, header::AUTHORIZATION};
use libfuzzer_sys::fuzz_target;
use tower_api_key_fuzz::{oracle::Mode, request::assert_decided};

fuzz_target!(|data: &[u8]| {
    let mut request = Request::new(());
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            request.headers_mut().append(AUTHORIZATION, value);
        }
    }
    assert_decided(Mode::default(), &request.into_parts().0);
});
