//! The card's fixed layout and the choice between its two slots: offsets, the slot that boots next, and the order of
//! writes. Shared by the builder (which makes cards), `hearth init` (which runs on them) and the lab.
//!
//! Pure: bytes and facts in, bytes and decisions out. Nothing here opens a disk, reads a clock or draws random numbers.
//!
//! ```text
//! LBA 0     partition table            mbr.rs
//! 8 MiB     boot state, copy 1         environment.rs (bytes), state.rs (rules)
//! 9 MiB     boot state, copy 2
//! 16 MiB    p1 boot partition          layout.rs knows every offset
//! 56 MiB    p2 slot A
//! 120 MiB   p3 slot B
//! 184 MiB   p4 data, to the card's end
//! ```
#![forbid(unsafe_code)]

mod environment;
mod extent;
pub mod layout;
pub mod mbr;
mod state;

pub use environment::{BLOCK_SIZE, Environment};
pub use extent::Extent;
pub use state::{BootState, Choice, Slot, Standing, TRIES, Trial, choose};

/// An error in the bytes of a card, or in a request to write them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A boot state block is not [`BLOCK_SIZE`] bytes long.
    #[error("a boot state block has {found} bytes, it must have {BLOCK_SIZE}")]
    BlockSize {
        /// Bytes given.
        found: usize,
    },
    /// A block's checksum does not fit its content: a torn write, bit rot, or a block that was never written.
    #[error("a boot state block is damaged: its checksum is {stored:08x}, its content says {computed:08x}")]
    Checksum {
        /// The checksum in the block.
        stored: u32,
        /// The checksum of the block's content.
        computed: u32,
    },
    /// The checksum is right, but the content is not a list of `KEY=VALUE`.
    #[error("a boot state block holds something that is not KEY=VALUE")]
    NotKeyValue,
    /// Keys and values need more room than a block has.
    #[error("{needed} bytes of keys and values do not fit into a block of {BLOCK_SIZE} bytes")]
    TooLarge {
        /// Bytes needed.
        needed: usize,
    },
    /// A key or a value contains a character that the format cannot hold.
    #[error(
        "{0:?} cannot be stored: keys hold no '=', and neither keys nor values hold a zero byte or a line break"
    )]
    Unstorable(String),
    /// The text names no slot.
    #[error("{0:?} is not a slot: say A or B")]
    NotASlot(String),
    /// The first sector is not a partition table.
    #[error("the first sector does not end in 55 aa: this is not a partitioned card")]
    NoPartitionTable,
    /// A partition number outside 1 to 4.
    #[error("partition {0} does not exist: a card has partitions 1 to 4")]
    PartitionNumber(usize),
    /// A partition that starts or ends beyond what the table can express, or is not made of whole sectors.
    #[error("a partition at byte {start} of {length} bytes cannot be written into the table")]
    PartitionRange {
        /// First byte.
        start: u64,
        /// Length in bytes.
        length: u64,
    },
    /// The card is smaller than the layout needs.
    #[error("the card has {size} bytes, Hearth needs at least {needed}")]
    CardTooSmall {
        /// The card's size in bytes.
        size: u64,
        /// The smallest size that works.
        needed: u64,
    },
}
