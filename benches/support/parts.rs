//! The parts of a hit that no implementation can omit, each on its own.

use std::{hint::black_box, sync::Arc};

use http::{Extensions, HeaderMap, header};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{
    fixtures::{ORGANIZATION_HEADER, bearing, key, key_id},
    slices::Arm,
};

/// The arms, in the order of a call. The first applies only to empty extensions, the second only to
/// warm ones.
pub(crate) fn arms() -> Vec<Arm> {
    vec![
        Arm::new("insert one word into empty extensions", insert_into_empty()),
        Arm::new("insert one word into warm extensions", insert_into_warm()),
        Arm::new(
            "header map: get authorization, miss the organization",
            headers(),
        ),
        Arm::new("header map: mark authorization sensitive", mark()),
        Arm::new("scheme, prefix, alphabet, dot", parse()),
        Arm::new("SHA-256 of 55 bytes", hash()),
        Arm::new("read the map, clone the record's Arc", read()),
        Arm::new("compare digests", compare()),
    ]
}

/// As large as the `Arc` in a principal, without its count, which belongs to the map's part.
#[derive(Clone)]
struct Word(#[expect(dead_code, reason = "only its size matters")] usize);

fn insert_into_empty() -> impl FnMut(u32) {
    |times| {
        for _ in 0..times {
            let mut extensions = Extensions::new();
            extensions.insert(Word(black_box(1)));
            drop(black_box(extensions));
        }
    }
}

fn insert_into_warm() -> impl FnMut(u32) {
    let mut extensions = Extensions::new();
    move |times| {
        for _ in 0..times {
            extensions.insert(Word(black_box(1)));
            black_box(&mut extensions).clear();
        }
    }
}

fn headers() -> impl FnMut(u32) {
    let request = bearing::<()>(&key("live"));
    move |times| {
        for _ in 0..times {
            let headers: &HeaderMap = black_box(request.headers());
            black_box(headers.get(header::AUTHORIZATION));
            black_box(headers.get(&ORGANIZATION_HEADER));
        }
    }
}

/// An implementation that reads through the same reference does not avoid this cost: other headers
/// are read in between.
fn mark() -> impl FnMut(u32) {
    let mut request = bearing::<()>(&key("live"));
    move |times| {
        for _ in 0..times {
            if let Some(value) = black_box(request.headers_mut()).get_mut(header::AUTHORIZATION) {
                value.set_sensitive(true);
            }
        }
    }
}

fn parse() -> impl FnMut(u32) {
    let value = format!("Bearer {}", key("live"));
    let legal: [bool; 256] = std::array::from_fn(|byte| {
        let byte = byte as u8;
        byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte)
    });
    move |times| {
        for _ in 0..times {
            let value = black_box(value.as_bytes());
            let scheme = value
                .get(..6)
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"Bearer"));
            let token = value
                .get(7..)
                .and_then(|token| token.strip_prefix(b"ak_"))
                .unwrap();
            let plain = token
                .iter()
                .fold(true, |so_far, byte| so_far & legal[usize::from(*byte)]);
            black_box((scheme, plain, token.iter().position(|byte| *byte == b'.')));
        }
    }
}

fn hash() -> impl FnMut(u32) {
    let token = key("live");
    move |times| {
        for _ in 0..times {
            black_box(Sha256::digest(black_box(token.as_bytes())));
        }
    }
}

fn read() -> impl FnMut(u32) {
    let map = papaya::HashMap::<Arc<str>, Arc<[u8; 160]>, foldhash::fast::RandomState>::default();
    let id = key_id("live");
    map.pin().insert(id.as_str().into(), Arc::new([0; 160]));
    move |times| {
        for _ in 0..times {
            black_box(map.pin().get(black_box(id.as_str())).map(Arc::clone));
        }
    }
}

fn compare() -> impl FnMut(u32) {
    let (left, right) = ([1_u64, 2, 3, 4], [1_u64, 2, 3, 4]);
    move |times| {
        for _ in 0..times {
            black_box(bool::from(black_box(&left).ct_eq(black_box(&right))));
        }
    }
}
