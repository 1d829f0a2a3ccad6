//! The device that holds the volume, and bytes overwritten in their places.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use fat::SECTOR;
use rustix::fs::{Advice, fadvise};

/// A device or an image file.
pub trait Device: Read + Write + Seek {
    /// Waits until everything that was written is on the device; what is read afterwards comes from it.
    ///
    /// # Errors
    ///
    /// Those of the device; what was written may be there or not.
    fn sync(&mut self) -> io::Result<()>;
}

impl Device for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()?;
        Ok(fadvise(&*self, 0, None, Advice::DontNeed)?)
    }
}

/// Overwrites `old` by `new`, which is as long, in those sectors in which they differ. Gives the number of these sectors.
pub(crate) fn overwrite<D: Device>(
    device: &mut D,
    places: &[Range<u64>],
    old: &[u8],
    new: &[u8],
) -> io::Result<usize> {
    let (mut old, mut new, mut written) = (old, new, 0);
    for piece in places.iter().cloned().flat_map(sectors) {
        let length = length(&piece);
        let (Some((before, old_rest)), Some((after, new_rest))) =
            (old.split_at_checked(length), new.split_at_checked(length))
        else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        (old, new) = (old_rest, new_rest);
        if before != after {
            device.seek(SeekFrom::Start(piece.start))?;
            device.write_all(after)?;
            written += 1;
        }
    }
    Ok(written)
}

/// The parts of a place that lie in one sector each.
pub(crate) fn sectors(place: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let mut start = place.start;
    std::iter::from_fn(move || {
        let end = (start + 1).next_multiple_of(SECTOR).min(place.end);
        let piece = start..end;
        start = end;
        (!piece.is_empty()).then_some(piece)
    })
}

/// The number of bytes of a place.
pub(crate) fn length(place: &Range<u64>) -> usize {
    usize::try_from(place.end.saturating_sub(place.start)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::sectors;

    #[test]
    fn a_place_is_divided_where_sectors_begin() {
        let pieces = |place| sectors(place).collect::<Vec<_>>();
        assert_eq!(pieces(512..1536), [512..1024, 1024..1536]);
        assert_eq!(pieces(700..1030), [700..1024, 1024..1030]);
        assert!(pieces(512..512).is_empty());
    }
}
