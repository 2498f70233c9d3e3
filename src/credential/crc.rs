//! CRC-32, the checksum of minted tokens, as in HDLC (ISO/IEC 13239), zip and PNG: the polynomial
//! 0x04C11DB7 with the lowest bit first.

/// The remainder of each byte.
#[expect(
    clippy::indexing_slicing,
    reason = "an index out of bounds would not compile"
)]
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = remainder(byte as u32);
        byte += 1;
    }
    table
};

/// Divides one byte by the polynomial, lowest bit first.
const fn remainder(byte: u32) -> u32 {
    const POLYNOMIAL: u32 = 0xEDB8_8320;
    let mut rest = byte;
    let mut bit = 0;
    while bit < 8 {
        let shifted = rest >> 1;
        rest = match rest & 1 {
            0 => shifted,
            _ => shifted ^ POLYNOMIAL,
        };
        bit += 1;
    }
    rest
}

/// Returns the CRC-32 of `bytes`.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        let [low, ..] = crc.to_le_bytes();
        let remainder = TABLE.get(usize::from(low ^ byte)).copied();
        (crc >> 8) ^ remainder.unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_check_value_is_that_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_summed_as_the_crate_crc32fast_sums_them(bytes: Vec<u8>) {
            prop_assert_eq!(crc32(&bytes), crc32fast::hash(&bytes));
        }
    }
}
