//! Lengths of bytes in memory as the protocol counts them.

/// The number of bytes, in the type of message sizes and offsets.
pub(crate) fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
