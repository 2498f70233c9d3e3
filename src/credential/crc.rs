//! CRC-32, the checksum of minted tokens, as in HDLC (ISO/IEC 13239), zip and PNG: the polynomial
//! 0x04C11DB7 with the lowest bit first.

/// How many bytes are divided at a time.
const STRIDE: usize = 8;

/// The remainder of each byte with 0, 1, … 7 zero bytes after it.
#[expect(
    clippy::indexing_slicing,
    reason = "an index out of bounds would not compile"
)]
static TABLES: [[u32; 256]; STRIDE] = {
    let mut tables = [[0; 256]; STRIDE];
    let mut byte = 0;
    while byte < 256 {
        let mut rest = byte as u32;
        let mut zeros = 0;
        while zeros < STRIDE {
            rest = divide_byte(rest);
            tables[zeros][byte] = rest;
            zeros += 1;
        }
        byte += 1;
    }
    tables
};

/// Divides by the polynomial until the lowest byte is gone.
const fn divide_byte(mut rest: u32) -> u32 {
    const POLYNOMIAL: u32 = 0xEDB8_8320;
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
    let (chunks, rest) = bytes.as_chunks::<STRIDE>();
    let crc = chunks.iter().fold(!0, add_chunk);
    !rest.iter().fold(crc, add_byte)
}

/// Continues the division with eight bytes at once.
fn add_chunk(crc: u32, chunk: &[u8; STRIDE]) -> u32 {
    let sum = u64::from_le_bytes(*chunk) ^ u64::from(crc);
    let remainders = sum.to_le_bytes().into_iter().zip(TABLES.iter().rev());
    remainders.fold(0, |crc, (byte, table)| crc ^ remainder(table, byte))
}

/// Continues the division with one byte.
fn add_byte(crc: u32, byte: &u8) -> u32 {
    let [low, ..] = crc.to_le_bytes();
    let [table, ..] = &TABLES;
    (crc >> 8) ^ remainder(table, low ^ byte)
}

/// Looks a byte up in a table.
fn remainder(table: &[u32; 256], byte: u8) -> u32 {
    table.get(usize::from(byte)).copied().unwrap_or_default()
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
