//! A byte range of a card: the one unit in which partitions and copies of the boot state are measured.

/// A contiguous range of a card, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Offset of the first byte from the start of the card.
    pub start: u64,
    /// Number of bytes.
    pub length: u64,
}

impl Extent {
    /// Offset of the first byte behind the range.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.start + self.length
    }
}
