//! The classification of the data partition by its first bytes: unfinished, an ext4 in some condition, or damaged. Bytes
//! in, decision out.
//!
//! A partition on which the template is being written carries [`UNFINISHED`] in its first sector from before the
//! partition table names it until everything else is on disk. So "never finished" and "was good once" are told apart
//! by a mark that we wrote, never by guessing from damage; only the former is ever written over.

/// Bytes at the start of the partition that decide: the boot sectors and the superblock behind them.
pub(crate) const HEAD: usize = 4096;
/// Bytes of the first sector, whose writing is one atomic step.
pub(crate) const FIRST_SECTOR: usize = 512;
/// The mark of a partition whose template is not complete; ext4 leaves these bytes alone.
const UNFINISHED: &[u8] = b"HEARTH: this file system is not complete; it may be written over\n";

const SUPERBLOCK: usize = 1024;
const MAGIC: u16 = 0xef53;
const STATE_VALID: u16 = 1;
const STATE_ERRORS: u16 = 2;
/// `INCOMPAT_64BIT`: block numbers have upper halves.
const INCOMPAT_64BIT: u32 = 0x80;
/// The exponent of the largest block, 64 KiB: `2^6` KiB.
const LOG_BLOCK_LIMIT: u32 = 6;

/// The content of the data partition, by its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// The template has to be written, from its beginning.
    Unfinished,
    /// An ext4.
    Ext4(Ext4),
    /// No ext4 and not ours to overwrite.
    Damaged,
}

/// An ext4, by its superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ext4 {
    /// Its size, in blocks.
    pub(crate) blocks: u64,
    /// Bytes of a block.
    pub(crate) block_size: u64,
    /// The need for a run of e2fsck before the mount.
    pub(crate) check: Check,
}

/// The need for a run of e2fsck. Replaying the journal needs none: the kernel does it when mounting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    NotNeeded,
    Needed,
}

impl Ext4 {
    /// The number of blocks that fills `bytes`, if that is more than it has.
    pub(crate) fn grown_to(&self, bytes: u64) -> Option<u64> {
        let blocks = bytes / self.block_size;
        (blocks > self.blocks).then_some(blocks)
    }
}

/// The first sector of a partition whose template is not complete.
pub(crate) fn unfinished_sector() -> [u8; FIRST_SECTOR] {
    let mut sector = [0; FIRST_SECTOR];
    for (to, from) in sector.iter_mut().zip(UNFINISHED) {
        *to = *from;
    }
    sector
}

/// Judges the start of the partition.
pub(crate) fn examine(head: &[u8; HEAD]) -> Content {
    if head.starts_with(UNFINISHED) {
        return Content::Unfinished;
    }
    superblock(head.get(SUPERBLOCK..).unwrap_or_default()).map_or(Content::Damaged, Content::Ext4)
}

/// `struct ext4_super_block` of the kernel, as far as it matters here.
fn superblock(bytes: &[u8]) -> Option<Ext4> {
    let word = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    let half = |at: usize| bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes);
    let (blocks_low, log_block_size) = (word(0x04)?, word(0x18)?);
    let (mounts, mounts_limit) = (half(0x34)?, half(0x36)?);
    let (magic, state, incompatible) = (half(0x38)?, half(0x3a)?, word(0x60)?);
    let (blocks_high, errors) = (word(0x150)?, word(0x194)?);
    if magic != MAGIC || log_block_size > LOG_BLOCK_LIMIT {
        return None;
    }
    let high = if incompatible & INCOMPAT_64BIT == 0 { 0 } else { u64::from(blocks_high) };
    // A limit of 0 or -1 means "never".
    let due = (1..0x8000).contains(&mounts_limit) && mounts >= mounts_limit;
    let broken = state & STATE_VALID == 0 || state & STATE_ERRORS != 0 || errors != 0;
    Some(Ext4 {
        blocks: high << 32 | u64::from(blocks_low),
        block_size: 1024 << log_block_size,
        check: if due || broken { Check::Needed } else { Check::NotNeeded },
    })
}

#[cfg(test)]
mod tests {
    use super::{Check, Content, Ext4, HEAD, examine, unfinished_sector};

    fn head(change: impl FnOnce(&mut [u8])) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        let superblock = &mut head[1024..2048];
        superblock[0x04..0x08].copy_from_slice(&4096_u32.to_le_bytes());
        superblock[0x18..0x1c].copy_from_slice(&2_u32.to_le_bytes());
        superblock[0x36..0x38].copy_from_slice(&0xffff_u16.to_le_bytes());
        superblock[0x38..0x3a].copy_from_slice(&0xef53_u16.to_le_bytes());
        superblock[0x3a] = 1;
        change(superblock);
        head
    }

    fn ext4(check: Check) -> Content {
        Content::Ext4(Ext4 { blocks: 4096, block_size: 4096, check })
    }

    #[test]
    fn the_superblock_tells_size_and_health() {
        let rows: [(&str, [u8; HEAD], Content); 8] = [
            ("good", head(|_| {}), ext4(Check::NotNeeded)),
            ("journal to replay", head(|s| s[0x60] = 4), ext4(Check::NotNeeded)),
            ("errors seen", head(|s| s[0x3a] = 3), ext4(Check::Needed)),
            ("not clean", head(|s| s[0x3a] = 0), ext4(Check::Needed)),
            ("error counter", head(|s| s[0x194] = 1), ext4(Check::Needed)),
            (
                "mount count reached",
                head(|s| s[0x34..0x38].copy_from_slice(&[20, 0, 20, 0])),
                ext4(Check::Needed),
            ),
            ("no magic", head(|s| s[0x38] = 0), Content::Damaged),
            ("impossible block size", head(|s| s[0x18] = 60), Content::Damaged),
        ];
        for (name, head, expected) in rows {
            assert_eq!(examine(&head), expected, "{name}");
        }
    }

    #[test]
    fn only_our_own_mark_makes_a_partition_writable_from_scratch() {
        assert_eq!(examine(&[0; HEAD]), Content::Damaged);
        assert_eq!(examine(&[0xff; HEAD]), Content::Damaged);
        let mut marked = head(|_| {});
        marked[..512].copy_from_slice(&unfinished_sector());
        assert_eq!(examine(&marked), Content::Unfinished, "even with a complete superblock behind it");
    }

    #[test]
    fn sizes_beyond_32_bits_count_when_the_feature_says_so() {
        let big = head(|s| {
            s[0x60] = 0x80;
            s[0x150] = 1;
        });
        let Content::Ext4(found) = examine(&big) else { panic!("no ext4") };
        assert_eq!(found.blocks, (1 << 32) + 4096);
    }

    #[test]
    fn a_file_system_grows_only_into_whole_blocks_it_does_not_have() {
        let found = Ext4 { blocks: 4096, block_size: 4096, check: Check::NotNeeded };
        assert_eq!(found.grown_to(16 << 20), None);
        assert_eq!(found.grown_to((16 << 20) + 4095), None);
        assert_eq!(found.grown_to(32 << 20), Some(8192));
        assert_eq!(found.grown_to(8 << 20), None);
    }
}
