//! Writing the empty file system onto the data partition so that a power cut at any instant is recognised.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use super::superblock::{Content, FIRST_SECTOR, HEAD, examine, unfinished_sector};

/// Bytes moved at once.
const CHUNK: usize = 256 * 1024;

/// A partition that can be written: a file, and in tests a recorder.
pub(super) trait Device {
    /// Writes at a position, all or an error.
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()>;
    /// Returns when everything written is safe.
    fn sync(&self) -> io::Result<()>;
}

impl Device for File {
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.write_all_at(bytes, position)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_all()
    }
}

/// Marks the partition that starts at `position` as unfinished: what it holds is given up.
pub(super) fn mark_unfinished(device: &impl Device, position: u64) -> io::Result<()> {
    device.write_at(&unfinished_sector(), position)?;
    device.sync()
}

/// Writes the template onto a partition of `size` bytes that carries the mark, which it takes away in its last step.
pub(super) fn write_template(device: &impl Device, mut template: impl Read, size: u64) -> io::Result<()> {
    let mut head = [0; HEAD];
    template.read_exact(&mut head)?;
    if !matches!(examine(&head), Content::Ext4(_)) {
        return Err(io::Error::other("the template in this image is no ext4 file system"));
    }
    let mut position = HEAD as u64;
    let mut chunk = vec![0; CHUNK];
    loop {
        let filled = fill(&mut template, &mut chunk)?;
        let bytes = chunk.get(..filled).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        if position + bytes.len() as u64 > size {
            return Err(io::Error::other("the template in this image is larger than the data partition"));
        }
        device.write_at(bytes, position)?;
        position += bytes.len() as u64;
    }
    device.sync()?;
    let (first, rest) = head.split_at(FIRST_SECTOR);
    device.write_at(rest, FIRST_SECTOR as u64)?;
    device.sync()?;
    device.write_at(first, 0)?;
    device.sync()
}

fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match source.read(room) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io;

    use super::super::superblock::{Content, HEAD, examine};
    use super::{CHUNK, Device, mark_unfinished, write_template};

    #[derive(Clone)]
    enum Step {
        Write(Vec<u8>, u64),
        Sync,
    }

    /// A disk that remembers what it was told, to be replayed with power cuts.
    #[derive(Default)]
    struct Recorder(RefCell<Vec<Step>>);

    impl Device for Recorder {
        fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
            self.0.borrow_mut().push(Step::Write(bytes.to_vec(), position));
            Ok(())
        }

        fn sync(&self) -> io::Result<()> {
            self.0.borrow_mut().push(Step::Sync);
            Ok(())
        }
    }

    const SIZE: usize = CHUNK * 2 + 5 * 4096;

    fn template() -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..SIZE).map(|at| (at % 251) as u8).collect();
        bytes[..1024].fill(0);
        bytes[1024..2048].fill(0);
        bytes[1024 + 0x18] = 2;
        bytes[1024 + 0x38..1024 + 0x3a].copy_from_slice(&[0x53, 0xef]);
        bytes[1024 + 0x3a] = 1;
        bytes
    }

    /// A disk that was used before: another file system, or one of an earlier flash, at the same place.
    fn used() -> Vec<u8> {
        let mut bytes = template();
        bytes[HEAD..].fill(0xee);
        bytes
    }

    /// The disk after the first `steps`, when those writes after the last sync that `lost` names did not arrive, and
    /// of the others only whole sectors.
    fn after(recorded: &[Step], lost: impl Fn(usize) -> bool) -> Vec<u8> {
        let mut disk = used();
        let synced = recorded.iter().rposition(|step| matches!(step, Step::Sync)).unwrap_or(0);
        for (number, step) in recorded.iter().enumerate() {
            let Step::Write(bytes, position) = step else { continue };
            for (sector, part) in bytes.chunks(512).enumerate() {
                if number > synced && lost(number * 31 + sector) {
                    continue;
                }
                let at = *position as usize + sector * 512;
                disk[at..at + part.len()].copy_from_slice(part);
            }
        }
        disk
    }

    #[test]
    fn power_may_go_at_any_instant() {
        let recorder = Recorder::default();
        mark_unfinished(&recorder, 0).unwrap();
        write_template(&recorder, &template()[..], SIZE as u64).unwrap();
        let recorded = recorder.0.into_inner();
        let marked = recorded.iter().position(|step| matches!(step, Step::Sync)).unwrap() + 1;
        let mut complete = 0;
        for end in marked..=recorded.len() {
            for pattern in 0..16 {
                let disk = after(&recorded[..end], |sector| ((sector * 2_654_435_761) >> 7) % 16 < pattern);
                match examine(disk[..HEAD].try_into().unwrap()) {
                    Content::Unfinished => {}
                    Content::Ext4(_) => {
                        assert!(disk == template(), "it looks complete and is not: {end} steps, {pattern}");
                        complete += 1;
                    }
                    Content::Damaged => panic!("neither unfinished nor complete: {end} steps, {pattern}"),
                }
            }
        }
        assert!(complete >= 16, "the whole sequence ends in a complete file system");
    }

    #[test]
    fn a_template_that_is_none_or_does_not_fit_is_refused_and_the_mark_stays() {
        for (bytes, size) in
            [(vec![0; SIZE], SIZE), (template(), SIZE - 1), (template()[..100].to_vec(), SIZE)]
        {
            let recorder = Recorder::default();
            assert!(write_template(&recorder, &bytes[..], size as u64).is_err());
            let touched = recorder.0.into_inner().iter().any(|step| matches!(step, Step::Write(_, 0..4096)));
            assert!(!touched);
        }
    }
}
