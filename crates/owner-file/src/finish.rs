//! The end of an import: secrets masked, report written. Each step can be repeated, and none needs more than what is on the
//! card.

use std::io::{self, Read, SeekFrom};
use std::ops::Range;

use fat::{Entry, EntryKind, Volume};

use crate::device::{Device, length, overwrite, sectors};
use crate::report::filled;
use crate::secrets::{MASK, is_searched, mask_copies, values};
use crate::{FILE_LIMIT, REPORT, REPORT_LIMIT, named, text};

/// Bytes of the free clusters that are read at once: whole sectors.
const CHUNK: u64 = 64 << 10;

/// A file whose secrets are kept elsewhere, so that they are to be masked.
#[derive(Clone, Copy)]
pub struct Kept<'a> {
    /// Its name on the card.
    pub name: &'static str,
    /// Replaces each byte of a secret in the text by `*`, and changes nothing else.
    pub mask: &'a dyn Fn(&str) -> String,
}

/// The outcome of [`finish`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// The number of secrets that were masked in the owner's files.
    pub masked: usize,
    /// The number of sectors in which copies of them were masked.
    pub copies: usize,
    /// The fate of the report.
    pub report: Report,
}

/// The fate of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// It was written.
    Written,
    /// The file said the same already.
    Unchanged,
    /// There is no file for it, or an empty one.
    NoFile,
}

/// An error of [`finish`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The volume, or a file of it, cannot be read.
    #[error("reading the owner's files from the card")]
    Volume(#[from] fat::Error),
    /// A file is no text any more.
    #[error("the owner's file is not what was imported: {0}")]
    Text(String),
    /// A text came back with another length, or with other changes than masks.
    #[error("the masked text is not a masked copy of the text")]
    Mask,
    /// The card does not take bytes.
    #[error("{name} cannot be written to the card; is its lock switch on?")]
    Write {
        /// The file.
        name: &'static str,
        /// The operating system's error.
        source: io::Error,
    },
    /// The card took bytes, and has others.
    #[error("{0} reads back otherwise than it was written: the card is worn out")]
    ReadBack(&'static str),
}

/// Masks the secrets of these files, and writes the report. The volume is at the beginning of the device.
///
/// # Errors
///
/// The first error. One in the text of a file spares the others, one while copies are masked leaves all of them to the next
/// run. None of them keeps the report from being written.
pub fn finish<D: Device>(device: &mut D, kept: &[Kept<'_>], report: &str) -> Result<Finished, Error> {
    let mut volume = Volume::open(device, 0)?;
    let root = volume.root()?;
    let masked = mask_files(&mut volume, &root, kept);
    let report = match named(&root, REPORT) {
        Some(file) if matches!(file.kind, EntryKind::File { size: 1.. }) => {
            check_sole(&volume, file, &root, REPORT_LIMIT)
                .and_then(|()| write_report(&mut volume, file, report))
        }
        _ => Ok(Report::NoFile),
    };
    let (masked, copies) = masked?;
    Ok(Finished { masked, copies, report: report? })
}

/// Refuses a file whose clusters are those of something else too.
fn check_sole<D: Device>(
    volume: &Volume<&mut D>,
    file: &Entry,
    root: &[Entry],
    limit: u64,
) -> Result<(), Error> {
    match volume.is_shared(file, root, limit)? {
        true => Err(fat::Error::Damaged("two files share a cluster").into()),
        false => Ok(()),
    }
}

/// A file in which there is something to mask.
struct Unmasked<'a> {
    name: &'static str,
    entry: &'a Entry,
    bytes: Vec<u8>,
    masked: Vec<u8>,
    /// The places of the secrets in `bytes`.
    values: Vec<Range<usize>>,
}

impl<'a> Unmasked<'a> {
    /// Reads the file; none if it is not there, or has no secret.
    fn read<D: Device>(
        volume: &mut Volume<&mut D>,
        root: &'a [Entry],
        kept: &Kept<'_>,
    ) -> Result<Option<Self>, Error> {
        let Some(entry) = named(root, kept.name) else { return Ok(None) };
        check_sole(volume, entry, root, FILE_LIMIT)?;
        let bytes = volume.content(entry, FILE_LIMIT)?;
        let masked = masked(&bytes, kept)?;
        let values = values(&bytes, &masked);
        Ok((!values.is_empty()).then_some(Self { name: kept.name, entry, bytes, masked, values }))
    }

    fn secrets(&self) -> impl Iterator<Item = &[u8]> {
        self.values.iter().filter_map(|place| self.bytes.get(place.clone()))
    }
}

/// Steps 1 and 2 of the picture in `lib.rs`. Gives the numbers of secrets and of sectors with copies.
fn mask_files<D: Device>(
    volume: &mut Volume<&mut D>,
    root: &[Entry],
    kept: &[Kept<'_>],
) -> Result<(usize, usize), Error> {
    let read: Vec<_> = kept.iter().map(|kept| Unmasked::read(volume, root, kept)).collect();
    let (mut files, mut first) = (Vec::new(), Ok(()));
    for file in read {
        match file {
            Ok(file) => files.extend(file),
            Err(error) => first = first.and(Err(error)),
        }
    }
    let copies = match mask_all_copies(volume, &files) {
        Ok(copies) => copies,
        Err(error) => return first.and(Err(error)),
    };
    for file in &files {
        let replaced = replace(volume, file.entry, FILE_LIMIT, file.name, &file.bytes, &file.masked);
        first = first.and(replaced);
    }
    first?;
    Ok((files.iter().map(|file| file.values.len()).sum(), copies))
}

/// The bytes of the file with masked secrets.
fn masked(bytes: &[u8], kept: &Kept<'_>) -> Result<Vec<u8>, Error> {
    let (text, skipped) = text::decode(bytes, kept.name).map_err(Error::Text)?;
    let mut masked = bytes.iter().copied().take(skipped).collect::<Vec<u8>>();
    masked.extend((kept.mask)(text).into_bytes());
    let is_mask = |(before, after): (&u8, &u8)| before == after || *after == MASK;
    if masked.len() != bytes.len() || !bytes.iter().zip(&masked).all(is_mask) {
        return Err(Error::Mask);
    }
    Ok(masked)
}

/// Masks what earlier versions of the files have left: in free clusters, and behind their own ends.
fn mask_all_copies<D: Device>(volume: &mut Volume<&mut D>, files: &[Unmasked<'_>]) -> Result<usize, Error> {
    let secrets = files.iter().flat_map(Unmasked::secrets);
    let secrets: Vec<&[u8]> = secrets.filter(|value| is_searched(value)).collect();
    let (Some(first), false) = (files.first(), secrets.is_empty()) else { return Ok(0) };
    let mut places = volume.free();
    for file in files {
        places.extend(volume.slack(file.entry, FILE_LIMIT)?);
    }
    let device = volume.device();
    let mut found = 0;
    for place in places {
        found += mask_copies_in(*device, place, &secrets, first.name)?;
    }
    if found > 0 {
        device.sync().map_err(|source| Error::Write { name: first.name, source })?;
    }
    Ok(found)
}

/// Errors name a file to which the secrets belong.
fn mask_copies_in<D: Device>(
    device: &mut D,
    place: Range<u64>,
    secrets: &[&[u8]],
    name: &'static str,
) -> Result<usize, Error> {
    let mut found = 0;
    let mut start = place.start;
    while start < place.end {
        let end = (start + CHUNK).min(place.end);
        let mut chunk = Vec::new();
        device.seek(SeekFrom::Start(start)).map_err(fat::Error::from)?;
        Read::by_ref(device).take(end - start).read_to_end(&mut chunk).map_err(fat::Error::from)?;
        let mut rest = chunk.as_mut_slice();
        for piece in sectors(start..end) {
            // An image file may end before its last free clusters.
            let Some((sector, behind)) = rest.split_at_mut_checked(length(&piece)) else { return Ok(found) };
            if mask_copies(sector, secrets) {
                let written =
                    device.seek(SeekFrom::Start(piece.start)).and_then(|_| device.write_all(sector));
                written.map_err(|source| Error::Write { name, source })?;
                found += 1;
            }
            rest = behind;
        }
        start = end;
    }
    Ok(found)
}

/// Step 3 of the picture in `lib.rs`.
fn write_report<D: Device>(volume: &mut Volume<&mut D>, file: &Entry, report: &str) -> Result<Report, Error> {
    let old = volume.content(file, REPORT_LIMIT)?;
    let new = filled(report, old.len());
    if new == old {
        return Ok(Report::Unchanged);
    }
    replace(volume, file, REPORT_LIMIT, REPORT, &old, &new)?;
    Ok(Report::Written)
}

/// Replaces the content of a file by one that is as long, and reads it back.
fn replace<D: Device>(
    volume: &mut Volume<&mut D>,
    file: &Entry,
    limit: u64,
    name: &'static str,
    old: &[u8],
    new: &[u8],
) -> Result<(), Error> {
    let places = volume.places(file, limit)?;
    let device = volume.device();
    let written = overwrite(*device, &places, old, new).and_then(|_| device.sync());
    written.map_err(|source| Error::Write { name, source })?;
    if volume.content(file, limit)? == new { Ok(()) } else { Err(Error::ReadBack(name)) }
}
