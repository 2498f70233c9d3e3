//! Reads the methods of a service from an encoded `FileDescriptorSet` (protobuf,
//! `google/protobuf/descriptor.proto`), as `protoc` and `tonic-prost-build` write it.
//!
//! Only the names are needed, so no more of the wire format (protobuf, "Encoding") is read than
//! the fields that lead to them.

use std::collections::BTreeSet;

/// The bytes are not an encoded message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

// Fields of `FileDescriptorSet`, `FileDescriptorProto`, and the descriptors of services and
// methods.
const FILE: u64 = 1;
const PACKAGE: u64 = 2;
const SERVICE: u64 = 6;
const METHOD: u64 = 2;
const NAME: u64 = 1;

/// Returns the names of the methods of `service`, which is named with its package; `None` if the
/// set has no such service.
pub(super) fn methods_of(
    service: &str,
    set: &[u8],
) -> Result<Option<BTreeSet<Box<str>>>, Malformed> {
    let mut found = None;
    for file in all(set, FILE)? {
        let package = text(file, PACKAGE)?;
        for descriptor in all(file, SERVICE)? {
            let name = text(descriptor, NAME)?;
            let is_wanted = match package {
                "" => name == service,
                package => {
                    service
                        .strip_prefix(package)
                        .and_then(|s| s.strip_prefix('.'))
                        == Some(name)
                }
            };
            if is_wanted {
                let methods: &mut BTreeSet<Box<str>> = found.get_or_insert_default();
                for method in all(descriptor, METHOD)? {
                    methods.insert(text(method, NAME)?.into());
                }
            }
        }
    }
    Ok(found)
}

/// Returns the text in a field of a message; the last one, as the wire format requires, or an empty
/// one.
fn text(message: &[u8], field: u64) -> Result<&str, Malformed> {
    let last = all(message, field)?.pop().unwrap_or_default();
    std::str::from_utf8(last).map_err(|_| Malformed)
}

/// Returns the messages or texts in a repeated field of a message.
fn all(mut message: &[u8], field: u64) -> Result<Vec<&[u8]>, Malformed> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let (number, wire_type) = (tag >> 3, tag & 7);
        let length = match wire_type {
            0 => {
                varint(&mut message)?;
                0
            }
            1 => 8,
            2 => varint(&mut message)?,
            5 => 4,
            _ => return Err(Malformed), // groups, which descriptors do not have
        };
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        let (value, rest) = message.split_at_checked(length).ok_or(Malformed)?;
        message = rest;
        if number == field && wire_type == 2 {
            found.push(value);
        }
    }
    Ok(found)
}

/// Takes a number of seven bits a byte, the lowest first.
fn varint(message: &mut &[u8]) -> Result<u64, Malformed> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first().ok_or(Malformed)?;
        *message = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Encodes a field with a message or a text.
    fn field(number: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
        let value = value.as_ref();
        let mut length = value.len();
        let mut bytes = vec![number << 3 | 2];
        while length >= 0x80 {
            bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        bytes.push(u8::try_from(length).unwrap());
        [&bytes, value].concat()
    }

    fn service(name: &str, methods: &[&str]) -> Vec<u8> {
        let methods = methods.iter().map(|method| field(2, field(1, method)));
        field(6, [field(1, name), methods.flatten().collect()].concat())
    }

    /// Two fields of eight and of four bytes, which a later version may add.
    const OF_OTHER_TYPES: [&[u8]; 2] = [&[0x59, 1, 2, 3, 4, 5, 6, 7, 8], &[0x65, 1, 2, 3, 4]];

    fn set() -> Vec<u8> {
        let first = [
            field(1, "a.proto"),
            field(2, "test.v1"),
            service("A", &["Get", "List"]),
        ];
        let second = [
            service("B", &["Put"]),
            service("Empty", &[]),
            vec![0x50, 0x96, 0x01],
            OF_OTHER_TYPES.concat(),
        ];
        [field(1, first.concat()), field(1, second.concat())].concat()
    }

    fn names(service: &str) -> Option<Vec<String>> {
        let found = methods_of(service, &set()).unwrap()?;
        Some(found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn methods_are_found_by_the_full_name_of_their_service() {
        assert_eq!(names("test.v1.A").unwrap(), ["Get", "List"]);
        assert_eq!(names("B").unwrap(), ["Put"]);
        assert_eq!(names("Empty").unwrap(), [""; 0]);
        for unknown in [
            "A",
            "test.v1.B",
            "test.v1A",
            "test.v1.",
            "test.v1",
            ".B",
            "",
        ] {
            assert_eq!(names(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn what_the_protobuf_compiler_writes_can_be_read() {
        let set = tonic_health::pb::FILE_DESCRIPTOR_SET;
        let methods = methods_of("grpc.health.v1.Health", set).unwrap().unwrap();
        assert!(
            methods.contains("Check") && methods.contains("Watch"),
            "{methods:?}"
        );
    }

    #[test]
    fn a_set_that_was_cut_off_is_malformed_or_has_whole_files_only() {
        let whole = set();
        let first = whole.len() - {
            let second = [
                service("B", &["Put"]),
                service("Empty", &[]),
                vec![0x50, 0x96, 0x01],
                OF_OTHER_TYPES.concat(),
            ];
            field(1, second.concat()).len()
        };
        for end in 1..whole.len() {
            let cut = methods_of("test.v1.A", &whole[..end]);
            assert_eq!(cut.is_ok(), end == first, "{end}");
        }
        assert_eq!(methods_of("B", &[0xff; 11]), Err(Malformed));
        assert_eq!(methods_of("B", &field(1, field(2, [0xff]))), Err(Malformed));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, within: Vec<u8>) {
            let _ = methods_of("A", &bytes);
            let _ = methods_of("A", &field(1, [field(6, within), bytes].concat()));
        }
    }
}
