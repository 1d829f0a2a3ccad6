//! The offsets of all partitions and boot state copies on a card: [`Layout::new`] is the one place that computes an offset. No bytes are made here.
//!
//! All numbers are bytes from the start of the card, multiples of 1 MiB, so that no partition shares an SD card's erase
//! block with another.

use crate::{BLOCK_SIZE, Error, Extent, Slot, mbr};

/// The layout of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// The two copies of the boot state; copy 1 is read first, copy 2 is written first.
    pub boot_state: [Extent; 2],
    /// Partition 1, FAT32: Pi firmware, U-Boot, the owner's settings file.
    pub boot: Extent,
    /// Partition 2, FAT16.
    pub slot_a: Extent,
    /// Partition 3, FAT16.
    pub slot_b: Extent,
    /// Offset of partition 4, ext4, which reaches to the card's end.
    pub data_start: u64,
}

impl Layout {
    /// The layout of every Hearth card.
    #[must_use]
    pub const fn new() -> Self {
        let block = BLOCK_SIZE as u64;
        let boot = Extent { start: 16 * MIB, length: 40 * MIB };
        let slot_a = Extent { start: boot.end(), length: 64 * MIB };
        let slot_b = Extent { start: slot_a.end(), length: slot_a.length };
        Self {
            boot_state: [Extent { start: 8 * MIB, length: block }, Extent { start: 9 * MIB, length: block }],
            boot,
            slot_a,
            slot_b,
            data_start: slot_b.end(),
        }
    }

    /// The partition of a slot.
    #[must_use]
    pub const fn slot(&self, slot: Slot) -> Extent {
        match slot {
            Slot::A => self.slot_a,
            Slot::B => self.slot_b,
        }
    }

    /// Partition 4 on a card of `card_size` bytes: to the end, rounded down to whole erase blocks of 4 MiB.
    ///
    /// # Errors
    ///
    /// [`Error::CardTooSmall`] when less than [`SMALLEST_DATA`] would be left for it.
    pub fn data(&self, card_size: u64) -> Result<Extent, Error> {
        let needed = self.data_start + SMALLEST_DATA;
        if card_size < needed {
            return Err(Error::CardTooSmall { size: card_size, needed });
        }
        // The partition table counts sectors in 32 bits: the rest of a card beyond 2 TiB stays unused.
        let end = card_size.min(mbr::LARGEST_CARD);
        let length = (end - self.data_start) / ERASE_BLOCK * ERASE_BLOCK;
        Ok(Extent { start: self.data_start, length })
    }

    /// The partition number of a slot.
    #[must_use]
    pub const fn partition_number(slot: Slot) -> usize {
        match slot {
            Slot::A => 2,
            Slot::B => 3,
        }
    }
}

impl Default for Layout {
    fn default() -> Self {
        Self::new()
    }
}

/// Number of the boot partition.
pub const BOOT_PARTITION: usize = 1;
/// Number of the data partition.
pub const DATA_PARTITION: usize = 4;
/// Bytes of a mebibyte, the unit of alignment of the layout.
pub const MIB: u64 = 1024 * 1024;
/// Bytes of the smallest data partition: the pre-made file system of 16 MiB, and as much again for mail.
pub const SMALLEST_DATA: u64 = 32 * MIB;
/// Bytes of an erase block of common cards: the data partition ends at the end of one.
const ERASE_BLOCK: u64 = 4 * MIB;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_is_the_documented_one() {
        let layout = Layout::new();
        assert_eq!(layout.boot_state.map(|copy| copy.start), [8 * MIB, 9 * MIB]);
        assert_eq!(layout.boot, Extent { start: 16 * MIB, length: 40 * MIB });
        assert_eq!(layout.slot(Slot::A), Extent { start: 56 * MIB, length: 64 * MIB });
        assert_eq!(layout.slot(Slot::B), Extent { start: 120 * MIB, length: 64 * MIB });
        assert_eq!(layout.data_start, 184 * MIB);
    }

    #[test]
    fn data_takes_the_rest_in_whole_erase_blocks() {
        let layout = Layout::new();
        assert_eq!(layout.data(512 * MIB + 777).unwrap(), Extent { start: 184 * MIB, length: 328 * MIB });
        assert_eq!(layout.data(4 << 40).unwrap().end(), mbr::LARGEST_CARD / ERASE_BLOCK * ERASE_BLOCK);
    }

    #[test]
    fn a_card_without_room_for_data_is_refused() {
        assert_eq!(
            Layout::new().data(215 * MIB),
            Err(Error::CardTooSmall { size: 215 * MIB, needed: 216 * MIB })
        );
    }
}
