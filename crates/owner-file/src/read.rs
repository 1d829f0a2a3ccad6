//! A file of the owner as it is found: its text, or the reason why there is none.

use std::io::{Read, Seek};

use fat::{EntryKind, Error, Volume};
use ipc::appliance::OwnerFile;

use crate::{FILE_LIMIT, HIDDEN_ENDING, named, text};

/// Reads the owner's file with this name from the volume at the beginning of the device. Whatever is wrong is a problem in
/// words; no file at all is none.
#[must_use]
pub fn read(device: impl Read + Seek, name: &str) -> OwnerFile {
    let found = find(device, name).unwrap_or_else(|problem| OwnerFile { text: None, problem: Some(problem) });
    found.bounded()
}

fn find(device: impl Read + Seek, name: &str) -> Result<OwnerFile, String> {
    let unreadable = |error| unreadable(name, error);
    let mut volume = Volume::open(device, 0).map_err(unreadable)?;
    let root = volume.root().map_err(unreadable)?;
    if let Some(entry) = named(&root, &format!("{name}{HIDDEN_ENDING}")) {
        // With both there, nobody knows which one its owner means.
        let also =
            if named(&root, name).is_some() { ", and remove the other file with that name" } else { "" };
        return Err(format!(
            "{} is not read: rename it to {name}{also}. Windows shows the ending .txt, so that it can be removed, once \
             \"File name extensions\" is switched on in the Explorer's menu \"View\".",
            entry.name
        ));
    }
    let Some(file) = named(&root, name) else { return Ok(OwnerFile::default()) };
    if file.kind == EntryKind::Directory {
        return Err(format!("{name} is a folder. Remove it, and write a file with this name."));
    }
    let bytes = volume.content(file, FILE_LIMIT).map_err(|error| match error {
        Error::TooLong { limit, .. } => format!("{name} is longer than {limit} bytes and was not read."),
        error => unreadable(error),
    })?;
    let (text, _) = text::decode(&bytes, name)?;
    Ok(OwnerFile { text: Some(text.to_owned()), problem: None })
}

fn unreadable(name: &str, error: Error) -> String {
    let reason = match &error {
        Error::Read(source) => format!("{error}: {source}"),
        error => error.to_string(),
    };
    format!(
        "{name} cannot be read: {reason}. Let a computer check the card's partition HEARTH for errors; if that does not \
         help, write the card anew."
    )
}
