//! The card: found by its identity, its data partition made, checked, mounted and grown. What the bytes mean is
//! decided in `mbr.rs` and `superblock.rs`.
//!
//! Power may go at any instant. The order that makes it harmless on a fresh card:
//!
//! ```text
//! 1  the mark "unfinished" at the place of the partition        fsync
//! 2  the partition table, one sector                            fsync
//! 3  everything of the template but its first 4 KiB             fsync
//! 4  the superblock                                             fsync
//! 5  the first sector, which takes the mark away, one sector    fsync
//! ```
//!
//! Until 2 the card is fresh; from 2 to 5 the mark says that the template has to be written again; after 5 it is an
//! ext4 for ever. The file system grows afterwards, by its own journal.

pub(super) mod data;
pub(super) mod find;
mod mbr;
mod superblock;
mod template;
