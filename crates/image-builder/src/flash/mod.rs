//! Writes an image onto a card and reads it back. A disk that the computer needs must never be written to: a target is
//! checked first ([`drives`]) and opened exclusively. The first mebibyte, with the partition table, is written last, so that
//! an interrupted card does not look like a complete one.

pub mod drives;
mod error;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use boot_slot::mbr::PartitionTable;
use rustix::fs::{Advice, OFlags, fadvise};
use sha2::{Digest, Sha256};

use crate::digest::hex;
use crate::progress::Progress;
use drives::Target;

pub use error::{Error, UnsafeTarget};

/// The result of flashing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Flashed {
    /// Bytes written and read back.
    pub bytes: u64,
    /// Their SHA-256 in lower-case hexadecimal digits.
    pub sha256: String,
}

/// Writes `image` (`.img` or `.img.xz`) to a checked target and reads it back.
pub fn flash(image: &Path, target: &Target, progress: &dyn Progress) -> Result<Flashed, Error> {
    let mut source = Source::open(image)?;
    let first = source.first_block(image)?;
    let path = target.path();
    if let Some(capacity) = target.capacity()
        && source.length.is_some_and(|length| length > capacity)
    {
        let refusal = UnsafeTarget::TooSmall { capacity };
        return Err(Error::Refused { target: path.to_owned(), refusal });
    }
    let failed = |doing| move |source| Error::Target { target: path.to_owned(), doing, source };
    let mut card = open_target(target).map_err(failed("opening"))?;
    progress.begin(&format!("writing {}", path.display()), source.length);
    let written = write(&mut card, &mut source, &first, image, path, progress);
    progress.end();
    let (bytes, digest) = written?;
    // Pages of the page cache would be compared with themselves.
    fadvise(&card, 0, None, Advice::DontNeed).map_err(|error| failed("flushing")(error.into()))?;
    progress.begin(&format!("reading {} back", path.display()), Some(bytes));
    let found = read_back(&mut card, bytes, progress).map_err(failed("reading back"));
    progress.end();
    if found? != digest {
        return Err(Error::Verify { target: path.to_owned() });
    }
    Ok(Flashed { bytes, sha256: hex(&digest) })
}

fn write(
    card: &mut File,
    source: &mut Source,
    first: &[u8],
    image: &Path,
    target: &Path,
    progress: &dyn Progress,
) -> Result<(u64, Vec<u8>), Error> {
    let failed = |doing| move |source| Error::Target { target: target.to_owned(), doing, source };
    let mut digest = Sha256::new();
    digest.update(first);
    // Until the last write the target has no partition table, neither the old one nor the new one.
    card.write_all(&vec![0; first.len()]).and_then(|()| card.sync_all()).map_err(failed("writing to"))?;
    let mut bytes = first.len() as u64;
    let mut block = vec![0; BLOCK_SIZE];
    loop {
        let length = fill(&mut source.reader, &mut block)
            .map_err(|source| Error::Image { image: image.to_owned(), source })?;
        let Some(piece @ [_, ..]) = block.get(..length) else { break };
        digest.update(piece);
        card.write_all(piece).map_err(failed("writing to"))?;
        bytes += length as u64;
        progress.advance(length as u64);
    }
    card.sync_all().map_err(failed("flushing"))?;
    card.rewind().and_then(|()| card.write_all(first)).map_err(failed("writing to"))?;
    card.sync_all().map_err(failed("flushing"))?;
    progress.advance(first.len() as u64);
    Ok((bytes, digest.finalize().to_vec()))
}

fn read_back(card: &mut File, bytes: u64, progress: &dyn Progress) -> std::io::Result<Vec<u8>> {
    card.seek(SeekFrom::Start(0))?;
    let mut reader = card.take(bytes);
    let mut digest = Sha256::new();
    let mut block = vec![0; BLOCK_SIZE];
    loop {
        let length = fill(&mut reader, &mut block)?;
        let Some(piece @ [_, ..]) = block.get(..length) else { break };
        digest.update(piece);
        progress.advance(length as u64);
    }
    Ok(digest.finalize().to_vec())
}

/// Opens a target. A drive is opened with `O_EXCL`, which fails on a block device that is in use, such as one mounted since
/// the check (open(2)).
fn open_target(target: &Target) -> std::io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true);
    match target {
        Target::Drive(drive) => {
            let exclusive = i32::try_from(OFlags::EXCL.bits()).unwrap_or(0);
            options.custom_flags(exclusive).open(&drive.path)
        }
        Target::File(path) => options.create(true).truncate(true).open(path),
    }
}

/// An image that is open for reading, decompressed if necessary.
struct Source {
    reader: Box<dyn Read>,
    /// The decompressed size in bytes, if known.
    length: Option<u64>,
}

impl Source {
    fn open(image: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Image { image: image.to_owned(), source };
        let mut file = File::open(image).map_err(failed)?;
        let mut magic = [0; 6];
        let length = fill(&mut file, &mut magic).map_err(failed)?;
        file.rewind().map_err(failed)?;
        if magic.get(..length) == Some(XZ_MAGIC) {
            return Ok(Self { reader: Box::new(liblzma::read::XzDecoder::new(file)), length: None });
        }
        let length = file.metadata().map_err(failed)?.len();
        Ok(Self { reader: Box::new(file), length: Some(length) })
    }

    /// The first mebibyte, which must begin with a partition table.
    fn first_block(&mut self, image: &Path) -> Result<Vec<u8>, Error> {
        let mut first = vec![0; BLOCK_SIZE];
        let length = fill(&mut self.reader, &mut first)
            .map_err(|source| Error::Image { image: image.to_owned(), source })?;
        let not_an_image = |reason: String| Error::NotAnImage { image: image.to_owned(), reason };
        let sector = first.get(..length).and_then(<[u8]>::first_chunk::<512>);
        let sector = sector.ok_or_else(|| not_an_image("it is shorter than a sector".to_owned()))?;
        let table = PartitionTable::decode(sector).map_err(|error| not_an_image(error.to_string()))?;
        if table.iter().count() == 0 || length < BLOCK_SIZE {
            return Err(not_an_image("it has no partitions".to_owned()));
        }
        Ok(first)
    }
}

/// Reads until the block is full or the input ends.
fn fill(reader: &mut dyn Read, block: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(rest @ [_, ..]) = block.get_mut(filled..) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// In bytes.
const BLOCK_SIZE: usize = 1 << 20;
const XZ_MAGIC: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];
