//! Numbers in the bytes of a volume, which are little-endian.

/// The number of `length` bytes at `offset`; bytes behind the end count as zeros.
pub(crate) fn number(bytes: &[u8], offset: usize, length: usize) -> u32 {
    bytes.iter().skip(offset).take(length).rev().fold(0, |value, &byte| value << 8 | u32::from(byte))
}
