//! Reading an export: its records and places, then its messages. Writing one is `checkpoint.rs`.

use std::path::Path;

use crate::error::{Error, Result};
use crate::frame::{Frame, Operation};
use crate::keys::{self, Edits};
use crate::log::{Kind, Reader};
use crate::places::Place;

/// The key of the record between head and messages.
pub(crate) const MARK: &[u8] = b"\0messages";
/// The key of the last record; its value is the number of all records before it.
pub(crate) const END: &[u8] = b"\0end";
/// The part of an export before the messages.
pub(crate) struct Head {
    /// The format of the file.
    pub(crate) version: u32,
    pub(crate) records: Edits,
    pub(crate) places: Vec<(u64, Place)>,
}

/// Reads an export up to the messages.
pub(crate) fn read_head(directory: &Path, position: u64) -> Result<Head> {
    let mut reader = Reader::open(Kind::Export, directory, position)?;
    let mut head = Head { version: reader.version, records: Edits::new(), places: Vec::new() };
    while let Some((_, frame)) = reader.next()? {
        for (key, value) in records(&frame)? {
            if key == MARK {
                return Ok(head);
            }
            match key.strip_prefix(&[keys::PLACES]).and_then(|body| body.as_array()) {
                Some(body) => {
                    let place = Place::decode(value).ok_or(Error::Bug("a place has an unknown shape"))?;
                    head.places.push((u64::from_be_bytes(*body), place));
                }
                None => {
                    head.records.insert(key.to_vec(), Some(value.to_vec()));
                }
            }
        }
    }
    Err(incomplete(directory, position))
}

/// Reads an export's messages, and checks that it is whole.
pub(crate) fn read_messages(
    directory: &Path,
    position: u64,
    mut visit: impl FnMut(&[u8], &[u8]),
) -> Result<()> {
    let mut reader = Reader::open(Kind::Export, directory, position)?;
    let mut count = 0_u64;
    let mut behind_mark = false;
    while let Some((_, frame)) = reader.next()? {
        for (key, value) in records(&frame)? {
            if key == END && value == count.to_le_bytes() {
                return Ok(());
            }
            count += 1;
            if behind_mark {
                visit(key, value);
            }
            behind_mark |= key == MARK;
        }
    }
    Err(incomplete(directory, position))
}

/// The records of an export's frame.
fn records<'a>(frame: &Frame<'a>) -> Result<Vec<(&'a [u8], &'a [u8])>> {
    let mut records = Vec::new();
    for operation in frame.operations() {
        if let Operation::Put { key, value } =
            operation.ok_or(Error::Bug("an export has an unknown shape"))?
        {
            records.push((key, value));
        }
    }
    Ok(records)
}

fn incomplete(directory: &Path, position: u64) -> Error {
    Error::Damaged {
        path: directory.join(Kind::Export.name(position)),
        what: "its end is missing".to_owned(),
    }
}
