//! Files of the owner as they are found: the text of each, or the reason why there is none.

use std::io::{Read, Seek};

use fat::{Entry, EntryKind, Error, Volume};
use ipc::appliance::OwnerFile;

use crate::{FILE_LIMIT, HIDDEN_ENDING, named, text};

/// Reads the owner's files with these names from the volume at the beginning of the device. Whatever is wrong is a problem
/// in words; no file at all is none.
#[must_use]
pub fn read<const N: usize>(device: impl Read + Seek, names: [&str; N]) -> [OwnerFile; N] {
    let mut opened = Volume::open(device, 0).and_then(|mut volume| volume.root().map(|root| (volume, root)));
    names.map(|name| {
        let found = match &mut opened {
            Ok((volume, root)) => find(volume, root, name),
            Err(error) => Err(unreadable(name, error)),
        };
        found.unwrap_or_else(|problem| OwnerFile { text: None, problem: Some(problem) }).bounded()
    })
}

fn find<D: Read + Seek>(volume: &mut Volume<D>, root: &[Entry], name: &str) -> Result<OwnerFile, String> {
    if let Some(entry) = named(root, &format!("{name}{HIDDEN_ENDING}")) {
        // With both there, nobody knows which one its owner means.
        let also =
            if named(root, name).is_some() { ", and remove the other file with that name" } else { "" };
        return Err(format!(
            "{} is not read: rename it to {name}{also}. Windows shows the ending .txt, so that it can be removed, once \
             \"File name extensions\" is switched on in the Explorer's menu \"View\".",
            entry.name
        ));
    }
    let Some(file) = named(root, name) else { return Ok(OwnerFile::default()) };
    if file.kind == EntryKind::Directory {
        return Err(format!("{name} is a folder. Remove it, and write a file with this name."));
    }
    let bytes = volume.content(file, FILE_LIMIT).map_err(|error| match error {
        Error::TooLong { limit, .. } => format!("{name} is longer than {limit} bytes and was not read."),
        error => unreadable(name, &error),
    })?;
    let (text, _) = text::decode(&bytes, name)?;
    Ok(OwnerFile { text: Some(text.to_owned()), problem: None })
}

fn unreadable(name: &str, error: &Error) -> String {
    let reason = match error {
        Error::Read(source) => format!("{error}: {source}"),
        error => error.to_string(),
    };
    format!(
        "{name} cannot be read: {reason}. Let a computer check the card's partition HEARTH for errors; if that does not \
         help, write the card anew."
    )
}
