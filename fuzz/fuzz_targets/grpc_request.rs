//! A whole request to a service that speaks gRPC: only a call is refused in the form of gRPC, and
//! with the caller's content-type, never with a text of the caller's.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_api_key_fuzz::{
    oracle::Mode,
    request::{assert_decided, mode_of, parse},
};

fuzz_target!(|data: &[u8]| {
    if let [bits, request @ ..] = data {
        let mode = Mode {
            grpc: true,
            ..mode_of(*bits)
        };
        assert_decided(mode, &parse(request));
    }
});
