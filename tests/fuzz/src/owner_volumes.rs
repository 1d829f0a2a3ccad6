//! The owner's file on a damaged card: read within limits, and finished without a change to anything but content.

use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};

use fat::{Entry, Volume};
use network::wireguard;
use owner_file::{Device, Kept, SETTINGS, TUNNEL, finish, read};

/// More than any file of a volume that is an input.
const LIMIT: u64 = 1 << 20;

/// Bytes of a volume.
pub(crate) fn owner_file(data: &[u8]) {
    for found in read(Cursor::new(data), [SETTINGS, TUNNEL]) {
        assert_eq!(found.clone().bounded(), found);
    }
    let kept = [
        Kept { name: SETTINGS, mask: &config::owner::mask_secrets },
        Kept { name: TUNNEL, mask: &wireguard::mask_secrets },
    ];
    let before = everything(data);
    let mut card = Card(Cursor::new(data.to_vec()));
    let finished = finish(&mut card, &kept, "smith.dedyn.io is set up.\n");
    let after = everything(card.0.get_ref());
    assert_eq!(before, after, "the file system has changed");
    assert_eq!(card.0.get_ref().len(), data.len());
    if finished.is_ok() {
        let first = card.0.get_ref().clone();
        let again = finish(&mut card, &kept, "smith.dedyn.io is set up.\n");
        assert!(again.is_ok() && *card.0.get_ref() == first, "a second run changes something");
    }
}

/// The file system without contents: the places of the files of the root directory, and the free ones.
fn everything(data: &[u8]) -> Option<(Vec<Entry>, Vec<String>)> {
    let mut volume = Volume::open(Cursor::new(data), 0).ok()?;
    let root = volume.root().ok()?;
    let mut places: Vec<String> =
        root.iter().map(|entry| format!("{:?}", volume.places(entry, LIMIT))).collect();
    places.push(format!("{:?}", volume.free()));
    Some((root, places))
}

struct Card(Cursor<Vec<u8>>);

impl Read for Card {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Card {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let end = self.0.position() + buffer.len() as u64;
        assert!(end <= self.0.get_ref().len() as u64, "a write behind the end of the card");
        self.0.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Card {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

impl Device for Card {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}
