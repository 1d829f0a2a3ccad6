//! A card in memory, whose power can be cut after a number of writes.

use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};

use fat::Volume;
use ipc::appliance::OwnerFile;
use owner_file::Device;

/// Reads one of the owner's files.
pub(crate) fn read(device: impl Read + Seek, name: &str) -> OwnerFile {
    let [found] = owner_file::read(device, [name]);
    found
}

/// Bytes of a volume, and the writes to it.
pub(crate) struct Card {
    bytes: Cursor<Vec<u8>>,
    /// Writes so far; each is within one sector.
    pub(crate) writes: usize,
    /// Writes until the power goes.
    left: Option<usize>,
}

impl Card {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes: Cursor::new(bytes), writes: 0, left: None }
    }

    /// A card whose power is cut after so many writes.
    pub(crate) fn with_cut(bytes: Vec<u8>, after: usize) -> Self {
        Self { left: Some(after), ..Self::new(bytes) }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get_ref()
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes.into_inner()
    }

    /// A device that only reads.
    pub(crate) fn reader(&self) -> Cursor<&[u8]> {
        Cursor::new(self.bytes())
    }

    pub(crate) fn content(&self, name: &str) -> Vec<u8> {
        let mut volume = Volume::open(self.reader(), 0).unwrap();
        let file = volume.root().unwrap().into_iter().find(|entry| entry.name == name).unwrap();
        volume.content(&file, 1 << 20).unwrap()
    }

    pub(crate) fn count(&self, part: &[u8]) -> usize {
        memchr::memmem::find_iter(self.bytes(), part).count()
    }

    pub(crate) fn contains(&self, part: &[u8]) -> bool {
        self.count(part) > 0
    }

    /// Nothing has changed but the content of the named files.
    pub(crate) fn assert_only_these_differ(&self, before: &[u8], names: &[&str]) {
        let mut volume = Volume::open(self.reader(), 0).unwrap();
        let (mut before, mut after) = (before.to_vec(), self.bytes().to_vec());
        for file in volume.root().unwrap().iter().filter(|entry| names.contains(&entry.name.as_str())) {
            for place in volume.places(file, 1 << 20).unwrap() {
                let place = usize::try_from(place.start).unwrap()..usize::try_from(place.end).unwrap();
                before[place.clone()].fill(0);
                after[place].fill(0);
            }
        }
        assert!(before == after, "other bytes than those of {names:?} changed");
    }
}

impl Read for Card {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(buffer)
    }
}

impl Seek for Card {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

impl Write for Card {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let start = self.bytes.position();
        let end = start + buffer.len() as u64;
        assert!(end <= self.bytes.get_ref().len() as u64, "the volume does not grow");
        assert_eq!(start / 512, (end - 1) / 512, "a write within one sector");
        match &mut self.left {
            Some(0) => return Err(io::Error::other("the power is gone")),
            Some(left) => *left -= 1,
            None => {}
        }
        self.writes += 1;
        self.bytes.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Device for Card {
    fn sync(&mut self) -> io::Result<()> {
        if self.left == Some(0) { Err(io::Error::other("the power is gone")) } else { Ok(()) }
    }
}
