//! Reading text in hexadecimal and Base64 (RFC 4648), whole or not at all, and writing the latter.

use super::SecretBytes;

/// Decodes 64 hexadecimal digits, in either case.
pub(super) fn from_hex(text: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let pairs: &[[u8; 2]; 32] = pairs.try_into().ok().filter(|_| rest.is_empty())?;
    let mut bytes = [0; 32];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = 16 * hex_digit(*high)? + hex_digit(*low)?;
    }
    Some(bytes)
}

/// Returns the value of a hexadecimal digit.
fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Decodes 43 digits of Base64, all in the standard or all in the URL-safe alphabet, with or
/// without the padding after them.
pub(super) fn from_base64(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_suffix('=').unwrap_or(text).as_bytes();
    decode_digest(digits, *b"+/").or_else(|| decode_digest(digits, *b"-_"))
}

fn decode_digest(digits: &[u8], last_two: [u8; 2]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    decode_base64(digits, last_two, &mut bytes)?;
    Some(bytes)
}

/// Decodes a secret in the standard alphabet of Base64, with its padding (RFC 4648, section 4).
pub(super) fn secret_from_base64(text: &[u8]) -> Option<SecretBytes> {
    let digits = text.strip_suffix(b"=").unwrap_or(text);
    let digits = digits.strip_suffix(b"=").unwrap_or(digits);
    let mut secret = SecretBytes::zeros(digits.len() * 6 / 8);
    let padded = text.len().is_multiple_of(4);
    decode_base64(digits, *b"+/", secret.as_mut()).filter(|()| padded)?;
    Some(secret)
}

/// Decodes Base64 in the URL-safe alphabet, without padding (RFC 4648, section 5).
pub(crate) fn from_base64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0; text.len() * 6 / 8];
    let whole = text.len() % 4 != 1; // one digit is no byte
    decode_base64(text.as_bytes(), *b"-_", &mut bytes).filter(|()| whole)?;
    Some(bytes)
}

/// Encodes bytes in that form.
pub(crate) fn to_base64url(bytes: &[u8]) -> String {
    let digits = |bytes: &[u8]| {
        let value = bytes.iter().zip([16, 8, 0]);
        let value: u32 = value.map(|(byte, shift)| u32::from(*byte) << shift).sum();
        let shifts = [18, 12, 6, 0].into_iter().take(bytes.len() + 1);
        shifts.filter_map(move |shift| URL_SAFE.get((value >> shift & 63) as usize))
    };
    let digits = bytes.chunks(3).flat_map(digits);
    digits.map(|digit| char::from(*digit)).collect()
}

/// The URL-safe alphabet of Base64.
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Decodes Base64 whose alphabet ends in `last_two`, to exactly as many bytes as `bytes` has. The
/// bits that the last digit has to spare must be zero, so that one value has one text (RFC 4648,
/// section 3.5).
fn decode_base64(digits: &[u8], last_two: [u8; 2], bytes: &mut [u8]) -> Option<()> {
    let mut unfilled = bytes.iter_mut();
    let (mut bits, mut count) = (0_u16, 0);
    for digit in digits {
        bits = 64 * bits + u16::from(base64_digit(*digit, last_two)?);
        count += 6;
        if count >= 8 {
            count -= 8;
            let [_, byte] = (bits >> count).to_be_bytes();
            *unfilled.next()? = byte;
            bits &= (1 << count) - 1;
        }
    }
    (unfilled.next().is_none() && bits == 0).then_some(())
}

/// Returns the value of a Base64 digit, given the two characters that differ between alphabets.
fn base64_digit(digit: u8, [plus, slash]: [u8; 2]) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        _ if digit == plus => Some(62),
        _ if digit == slash => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64, Base64Unpadded, Base64UrlUnpadded, Encoding};
    use proptest::prelude::*;

    use super::*;

    fn hex_of(text: &str) -> Option<[u8; 32]> {
        hex::decode(text).ok()?.try_into().ok()
    }

    fn base64_of(text: &str) -> Option<[u8; 32]> {
        let digits = text.strip_suffix('=').unwrap_or(text);
        let read = Base64Unpadded::decode_vec(digits);
        let read = read.or_else(|_| Base64UrlUnpadded::decode_vec(digits));
        read.ok()?.try_into().ok()
    }

    #[test]
    fn every_character_is_judged_as_the_crates_judge_it() {
        for character in '\0'..='\u{ff}' {
            for hex in [
                format!("{character}{}", "0".repeat(63)),
                format!("{}{character}", "0".repeat(63)),
            ] {
                assert_eq!(from_hex(&hex), hex_of(&hex), "{hex:?}");
            }
            for base64 in [
                format!("{character}{}", "A".repeat(42)),
                format!("{}{character}", "A".repeat(42)),
            ] {
                assert_eq!(from_base64(&base64), base64_of(&base64), "{base64:?}");
            }
        }
    }

    #[test]
    fn a_secret_has_one_text() {
        for length in 0..40 {
            let bytes: Vec<u8> = (0..length)
                .map(|at: u8| at.wrapping_mul(37).wrapping_add(250))
                .collect();
            let text = Base64::encode_string(&bytes);
            let read = |text: &str| secret_from_base64(text.as_bytes());
            assert_eq!(&*read(&text).unwrap(), &bytes[..], "{text}");
            let unpadded = text.trim_end_matches('=');
            for other in [
                format!("{text}="),
                format!("{text}=="),
                format!("{text}===="),
                format!("{text}A"),
                format!(" {text}"),
                format!("{text}\n"),
            ] {
                assert!(read(&other).is_none(), "{other:?}");
            }
            assert_eq!(read(unpadded).is_some(), text == unpadded, "{unpadded}");
        }
        for text in ["AB==", "AAB=", "A===", "=", "====", "-_-_", "AA=A"] {
            assert!(secret_from_base64(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn one_digit_more_than_whole_bytes_is_refused() {
        for text in ["A", "AAAAA", "AAAAAAAAA"] {
            assert_eq!(from_base64url(text), None, "{text}");
        }
    }

    #[test]
    fn spare_bits_must_be_zero() {
        let zeros = "A".repeat(42);
        for (last, read) in [
            ("A", true),
            ("B", false),
            ("C", false),
            ("D", false),
            ("E", true),
        ] {
            let text = format!("{zeros}{last}");
            assert_eq!(from_base64(&text).is_some(), read, "{last}");
        }
    }

    #[test]
    fn two_alphabets_are_not_mixed() {
        let zeros = "A".repeat(41);
        for first in ["+", "/", "-", "_"] {
            for second in ["+", "/", "-", "_"] {
                let text = format!("{first}{second}{zeros}");
                let alike = "+/".contains(first) == "+/".contains(second);
                assert_eq!(from_base64(&text).is_some(), alike, "{text}");
            }
        }
    }

    proptest! {
        #[test]
        fn base64url_is_written_and_read_as_the_crate_base64ct_does(
            bytes in prop::collection::vec(any::<u8>(), 0..50),
            text in "[0-9A-Za-z_=+-]{0,12}"
        ) {
            let written = to_base64url(&bytes);
            prop_assert_eq!(&written, &Base64UrlUnpadded::encode_string(&bytes));
            prop_assert_eq!(from_base64url(&written), Some(bytes));
            prop_assert_eq!(from_base64url(&text), Base64UrlUnpadded::decode_vec(&text).ok());
        }

        #[test]
        fn every_digest_is_read_back(bytes: [u8; 32]) {
            prop_assert_eq!(from_hex(&hex::encode(bytes)), Some(bytes));
            prop_assert_eq!(from_hex(&hex::encode_upper(bytes)), Some(bytes));
            for text in [Base64Unpadded::encode_string(&bytes), Base64UrlUnpadded::encode_string(&bytes)] {
                prop_assert_eq!(from_base64(&text), Some(bytes));
                prop_assert_eq!(from_base64(&format!("{text}=")), Some(bytes));
            }
        }

        #[test]
        fn hex_is_read_as_the_crate_hex_reads_it(text in "[0-9a-fA-F]{62,66}|[0-9a-gA-G@`/: é]{60,64}") {
            prop_assert_eq!(from_hex(&text), hex_of(&text));
        }

        #[test]
        fn base64_is_read_as_the_crate_base64ct_reads_it(
            text in "[0-9A-Za-z+/]{42,44}={0,2}|[0-9A-Za-z_-]{42,44}={0,2}|[AEQ+/_=-]{43}|[0-9A-Za-z@\\[`{.,: é]{40,44}"
        ) {
            prop_assert_eq!(from_base64(&text), base64_of(&text));
        }
    }
}
