//! The end of an import: secrets masked, report written. Each step can be repeated, and none needs more than what is on the
//! card.

use std::io::{self, Read, SeekFrom};
use std::ops::Range;

use fat::{Entry, EntryKind, Volume};

use crate::device::{Device, length, overwrite, sectors};
use crate::report::filled;
use crate::secrets::{MASK, is_searched, mask_copies, values};
use crate::{REPORT, REPORT_LIMIT, SETTINGS, SETTINGS_LIMIT, named, text};

/// Bytes of the free clusters that are read at once: whole sectors.
const CHUNK: u64 = 64 << 10;

/// The treatment of the secrets of the owner's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// They are kept elsewhere: masked.
    Mask,
    /// They are needed: left alone.
    Leave,
}

/// The outcome of [`finish`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// The number of secrets that were masked in the owner's file.
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
    #[error("reading the owner's file from the card")]
    Volume(#[from] fat::Error),
    /// The owner's file is no text any more.
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

/// Masks the secrets of the owner's file, which `mask` finds, if they are to be masked, and writes the report. The volume
/// is at the beginning of the device. `mask` replaces each byte of a secret by `*` and changes nothing else.
///
/// # Errors
///
/// The first error. The report is written also if the masking fails.
pub fn finish<D: Device>(
    device: &mut D,
    mask: impl Fn(&str) -> String,
    secrets: Secrets,
    report: &str,
) -> Result<Finished, Error> {
    let mut volume = Volume::open(device, 0)?;
    let root = volume.root()?;
    let masked = match (secrets, named(&root, SETTINGS)) {
        (Secrets::Mask, Some(file)) => check_sole(&volume, file, &root, SETTINGS_LIMIT)
            .and_then(|()| mask_secrets(&mut volume, file, mask)),
        _ => Ok((0, 0)),
    };
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

/// Steps 1 and 2 of the picture in `lib.rs`. Gives the numbers of secrets and of sectors with copies.
fn mask_secrets<D: Device>(
    volume: &mut Volume<&mut D>,
    file: &Entry,
    mask: impl Fn(&str) -> String,
) -> Result<(usize, usize), Error> {
    let bytes = volume.content(file, SETTINGS_LIMIT)?;
    let masked = masked(&bytes, mask)?;
    let values = values(&bytes, &masked);
    if values.is_empty() {
        return Ok((0, 0));
    }
    let secrets = values.iter().filter_map(|place| bytes.get(place.clone()));
    let secrets: Vec<&[u8]> = secrets.filter(|value| is_searched(value)).collect();
    let copies = mask_all_copies(volume, file, &secrets)?;
    replace(volume, file, SETTINGS_LIMIT, SETTINGS, &bytes, &masked)?;
    Ok((values.len(), copies))
}

/// The bytes of the file with masked secrets.
fn masked(bytes: &[u8], mask: impl Fn(&str) -> String) -> Result<Vec<u8>, Error> {
    let (text, skipped) = text::decode(bytes).map_err(Error::Text)?;
    let mut masked = bytes.iter().copied().take(skipped).collect::<Vec<u8>>();
    masked.extend(mask(text).into_bytes());
    let is_mask = |(before, after): (&u8, &u8)| before == after || *after == MASK;
    if masked.len() != bytes.len() || !bytes.iter().zip(&masked).all(is_mask) {
        return Err(Error::Mask);
    }
    Ok(masked)
}

/// Masks what earlier versions of the file have left: in free clusters, and behind its own end.
fn mask_all_copies<D: Device>(
    volume: &mut Volume<&mut D>,
    file: &Entry,
    secrets: &[&[u8]],
) -> Result<usize, Error> {
    if secrets.is_empty() {
        return Ok(0);
    }
    let mut places = volume.free();
    places.extend(volume.slack(file, SETTINGS_LIMIT)?);
    let device = volume.device();
    let mut found = 0;
    for place in places {
        found += mask_copies_in(*device, place, secrets)?;
    }
    if found > 0 {
        device.sync().map_err(|source| Error::Write { name: SETTINGS, source })?;
    }
    Ok(found)
}

fn mask_copies_in<D: Device>(device: &mut D, place: Range<u64>, secrets: &[&[u8]]) -> Result<usize, Error> {
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
                written.map_err(|source| Error::Write { name: SETTINGS, source })?;
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
