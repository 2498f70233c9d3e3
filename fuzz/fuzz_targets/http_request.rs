//! A whole HTTP request through the layers of every mode: decided as the protocol says, and refused
//! with the documented status, headers and body, to the last byte.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_api_key_fuzz::request::{assert_decided, mode_of, parse};

fuzz_target!(|data: &[u8]| {
    if let [bits, request @ ..] = data {
        assert_decided(mode_of(*bits), &parse(request));
    }
});
