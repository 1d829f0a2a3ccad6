//! A stopped store, looked at and handled as a whole: what `hearth store` does.
//!
//! Opening a store repairs all damage that can be repaired, here as in the server, and reports it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::export;
use crate::files;
use crate::keys;
use crate::log::{Kind, Reader};
use crate::records::{BodyRef, OutboundRecord, from_json};
use crate::state::decode;
use crate::store::Store;
use crate::types::{OpenReport, OutboundId};

/// The result of a check. An empty list of findings is a sound store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Damage and repairs, a sentence each.
    pub findings: Vec<String>,
    /// Accounts checked.
    pub accounts: u64,
    /// Mailboxes compared with their counters.
    pub mailboxes: u64,
    /// Messages whose every byte was read and compared with its checksum.
    pub messages: u64,
    /// Body files without a record; they were removed.
    pub stray_files: u64,
}

/// Counts and sizes of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// The sequence of the last change.
    pub position: u64,
    /// Accounts in use.
    pub accounts: u64,
    /// Mailboxes of all accounts.
    pub mailboxes: u64,
    /// Messages in all mailboxes.
    pub messages: u64,
    /// The sum of their sizes; a message in several mailboxes counts in each.
    pub message_bytes: u64,
    /// Entries of the outbound queue.
    pub outbound: u64,
    /// Notifications that are still to be sent.
    pub pending_pushes: u64,
    /// Changes that the next start has to replay.
    pub changes_since_checkpoint: u64,
    /// Bytes on disk: journals.
    pub journal_bytes: u64,
    /// Bytes on disk: exports.
    pub export_bytes: u64,
    /// Bytes on disk: packs of small messages.
    pub pack_bytes: u64,
    /// Bytes on disk: large messages.
    pub message_file_bytes: u64,
    /// Bytes on disk: the index.
    pub index_bytes: u64,
}

/// Checks a whole store: every file, every record, every byte of every message.
///
/// # Errors
///
/// [`Error::NoStore`], [`Error::Locked`], and those of [`Store::open`]. Damage is a finding, not an error.
pub fn check(directory: &Path) -> Result<Check> {
    let mut check = Check { findings: damaged_files(directory)?, ..Check::default() };
    let (store, report) = open(directory)?;
    check.findings.extend(report.damage);
    let mut references = BTreeMap::new();
    check_messages(&store, &mut check, &mut references)?;
    check_outbound(&store, &mut check, &mut references)?;
    check_references(&store, &mut check, &references);
    check.stray_files = store.bodies().remove_unless(|body| references.contains_key(&body))?;
    Ok(check)
}

/// Counts what is in a store.
///
/// # Errors
///
/// [`Error::NoStore`], [`Error::Locked`], and those of [`Store::open`].
pub fn stats(directory: &Path) -> Result<Stats> {
    let (store, report) = open(directory)?;
    let mut stats =
        Stats { position: report.position, changes_since_checkpoint: report.replayed, ..Stats::default() };
    for account in store.accounts()? {
        stats.accounts += 1;
        for mailbox in store.mailboxes(&account.address)? {
            stats.mailboxes += 1;
            stats.messages += u64::from(mailbox.messages);
            stats.message_bytes += mailbox.bytes;
        }
    }
    stats.outbound = store.outbound()?.len() as u64;
    stats.pending_pushes = store.pending_pushes()?.len() as u64;
    drop(store);
    for name in files::names(directory)? {
        let path = directory.join(&name);
        let bytes = bytes_below(&path)?;
        let is = |kind: Kind| kind.position_of(&name).is_some();
        match name.as_str() {
            "messages" => stats.message_file_bytes += bytes,
            "index" => stats.index_bytes += bytes,
            _ if is(Kind::Journal) => stats.journal_bytes += bytes,
            _ if is(Kind::Export) => stats.export_bytes += bytes,
            _ if is(Kind::Pack) => stats.pack_bytes += bytes,
            _ => {}
        }
    }
    Ok(stats)
}

/// Copies a store to a new directory, which can be opened as a store: the newest export, read back and compared, with
/// everything that it needs.
///
/// # Errors
///
/// [`Error::NotEmpty`], [`Error::NoStore`], [`Error::Locked`], and those of [`Store::open`].
pub fn export(directory: &Path, target: &Path) -> Result<Check> {
    if target.exists() && !files::names(target)?.is_empty() {
        return Err(Error::NotEmpty(target.to_owned()));
    }
    let (store, _) = open(directory)?;
    store.checkpoint()?;
    files::create_directory(target)?;
    let newest = |kind: Kind| kind.positions(directory).map(|positions| positions.last().copied());
    for name in files::names(directory)? {
        let export = Kind::Export.position_of(&name);
        // Without the older export nothing can fall back to it, so it is no use there; journals hold small messages.
        let old = export.is_some() && export != newest(Kind::Export)?;
        let wanted = export.or(Kind::Journal.position_of(&name)).or(Kind::Pack.position_of(&name)).is_some();
        if wanted && !old {
            copy(&directory.join(&name), &target.join(&name))?;
        }
    }
    let (messages, copies) = (directory.join("messages"), target.join("messages"));
    files::create_directory(&copies)?;
    for shard in files::names(&messages)? {
        files::create_directory(&copies.join(&shard))?;
        for name in files::names(&messages.join(&shard))? {
            copy(&messages.join(&shard).join(&name), &copies.join(&shard).join(&name))?;
        }
        files::sync_directory(&copies.join(&shard))?;
    }
    files::sync_directory(target)?;
    drop(store);
    check(target)
}

/// Throws the index away and makes it again.
///
/// # Errors
///
/// [`Error::NoStore`], [`Error::Locked`], and those of [`Store::open`].
pub fn rebuild_index(directory: &Path) -> Result<()> {
    // Opened and closed once to be sure that no other process has it and that it is sound before the index goes.
    let index = directory.join("index");
    let (store, _) = open(directory)?;
    drop(store);
    fs::remove_dir_all(&index).map_err(Error::io("remove", &index))?;
    let (store, _) = open(directory)?;
    for account in store.accounts()? {
        for mailbox in store.mailboxes(&account.address)? {
            store.snapshot(mailbox.id)?;
        }
    }
    Ok(())
}

/// A look at a directory without a store must not make one there.
fn open(directory: &Path) -> Result<(Store, OpenReport)> {
    let is_store = directory.is_dir()
        && (!Kind::Journal.positions(directory)?.is_empty()
            || !Kind::Export.positions(directory)?.is_empty());
    if is_store { Store::open(directory) } else { Err(Error::NoStore(directory.to_owned())) }
}

/// Reads exports and packs to their ends. Journals are read when the store is opened.
fn damaged_files(directory: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    if !directory.is_dir() {
        return Err(Error::NoStore(directory.to_owned()));
    }
    for position in Kind::Export.positions(directory)? {
        let whole = export::read_head(directory, position)
            .and_then(|_| export::read_messages(directory, position, |_, _| ()));
        if let Err(trouble) = whole {
            findings.push(trouble.to_string());
        }
    }
    for position in Kind::Pack.positions(directory)? {
        if let Err(trouble) = read_through(directory, position) {
            findings.push(trouble.to_string());
        }
    }
    Ok(findings)
}

fn read_through(directory: &Path, position: u64) -> Result<()> {
    let mut reader = Reader::open(Kind::Pack, directory, position)?;
    while reader.next()?.is_some() {}
    Ok(())
}

fn check_messages(store: &Store, check: &mut Check, references: &mut BTreeMap<u64, u32>) -> Result<()> {
    for account in store.accounts()? {
        check.accounts += 1;
        for mailbox in store.mailboxes(&account.address)? {
            check.mailboxes += 1;
            let of = format!("mailbox {} of {}", mailbox.name, account.address);
            let mut messages = Vec::new();
            let listed = store.read().visit_messages(mailbox.id, |key, value| {
                let uid = keys::parse_message(key).map_or(0, |(_, uid)| uid.get());
                messages.push((uid, decode(value)?.body));
                Ok(())
            });
            if let Err(trouble) = listed {
                check.findings.push(format!("{of}: {trouble}"));
                continue;
            }
            for (uid, body) in messages {
                check.messages += 1;
                *references.entry(body.body).or_insert(0) += 1;
                if let Err(trouble) = read_body(store, body) {
                    check.findings.push(format!("{of}: message {uid}: {trouble}"));
                }
            }
        }
    }
    Ok(())
}

fn check_outbound(store: &Store, check: &mut Check, references: &mut BTreeMap<u64, u32>) -> Result<()> {
    let queue: Vec<(Option<u64>, BodyRef)> = {
        let state = store.read();
        let record = |value: &[u8]| from_json::<OutboundRecord>(value).map(|record| record.body);
        let queue = state.scan(keys::OUTBOUND).map(|(key, value)| Ok((keys::number_of(key), record(value)?)));
        queue.collect::<Result<_>>()?
    };
    for (id, body) in queue {
        *references.entry(body.body).or_insert(0) += 1;
        if let Err(trouble) = read_body(store, body) {
            let id = OutboundId(id.unwrap_or_default());
            check.findings.push(format!("outbound message {id}: {trouble}"));
        }
    }
    Ok(())
}

/// The references that were counted against those that are written down.
fn check_references(store: &Store, check: &mut Check, references: &BTreeMap<u64, u32>) {
    let state = store.read();
    let mut shared: BTreeSet<u64> =
        state.scan(keys::SHARED).filter_map(|(key, _)| keys::number_of(key)).collect();
    for (body, count) in references {
        let written = state.value(&keys::shared_body(*body)).and_then(|value| value.as_array());
        let written = written.map_or(1, |bytes| u32::from_le_bytes(*bytes));
        shared.remove(body);
        if written != *count {
            check
                .findings
                .push(format!("body {body:x} has {count} references, but {written} are written down"));
        }
    }
    for body in shared {
        check.findings.push(format!("body {body:x} has no reference, but some are written down"));
    }
}

fn read_body(store: &Store, body: BodyRef) -> Result<()> {
    let mut reader = store.open_body(|_| Ok(body))?;
    let mut buffer = vec![0; 64 << 10];
    let path = store.bodies().path(body.body);
    while reader.read(&mut buffer).map_err(Error::io("read", &path))? > 0 {}
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map_err(Error::io("copy", from))?;
    files::sync(&files::open(to)?, to)
}

fn bytes_below(path: &Path) -> Result<u64> {
    let found = fs::symlink_metadata(path).map_err(Error::io("measure", path))?;
    if !found.is_dir() {
        return Ok(found.len());
    }
    let below: Vec<PathBuf> = files::names(path)?.iter().map(|name| path.join(name)).collect();
    below.iter().map(|path| bytes_below(path)).sum()
}
