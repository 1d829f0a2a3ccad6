//! Recovery: from the files of a directory to the state as of the last durable transaction. Damage is repaired where other
//! files allow it, and always reported.
//!
//! ```text
//! newest sound export ─▶ journals beyond it ─▶ body files without a record go ─▶ index ─▶ after damage: recount
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::bodies::BodyFiles;
use crate::checkpoint;
use crate::error::{Error, Result};
use crate::export;
use crate::expunged::ExpungedUids;
use crate::files;
use crate::frame::{Frame, Operation};
use crate::index::{Found, Index};
use crate::journal::Journal;
use crate::keys::{self, Edits};
use crate::log::{Kind, VERSION};
use crate::places::{ContainerId, Place};
use crate::records::{OutboundRecord, from_json};
use crate::state::{State, decode};
use crate::transaction;
use crate::types::{MailboxId, OpenReport};

/// The result of a recovery.
pub(crate) struct Recovery {
    pub(crate) state: State,
    pub(crate) journal: Journal,
    /// The position of the export that the state began with; zero is the empty store.
    pub(crate) export: u64,
    pub(crate) report: OpenReport,
    /// The oldest format of the files.
    pub(crate) version: u32,
    /// Whether something was repaired that a checkpoint must make permanent at once.
    pub(crate) repaired: bool,
}

/// Brings the state up to the last durable transaction.
pub(crate) fn recover(directory: &Path, bodies: &BodyFiles, list_bytes: usize) -> Result<Recovery> {
    // Files get their final names complete and synced; what still has the other name was never in use.
    for kind in [Kind::Journal, Kind::Export, Kind::Pack] {
        files::remove(&directory.join(kind.unfinished()))?;
    }
    let mut report = OpenReport::default();
    let mut state = State::new(list_bytes);
    let mut version = VERSION;
    let exports = Kind::Export.positions(directory)?;
    let journals = Kind::Journal.positions(directory)?;
    // Opening this as an empty store would remove every message as one without a record.
    if exports.is_empty() && journals.is_empty() && !is_new(directory)? {
        let what = "there are messages, but no journal".to_owned();
        return Err(Error::Damaged { path: directory.to_owned(), what });
    }
    let mut lost = BTreeSet::new();
    let export =
        load_export(directory, &mut state, &exports, &journals, &mut report, &mut lost, &mut version)?;
    let newest = exports.last().max(journals.last()).copied().unwrap_or(0);
    // `lost` are bodies whose pack or journal is missing: the export is sound, and what it names is not there.
    let fallback = exports.last().is_some_and(|newest| *newest != export) || !lost.is_empty();
    if fallback {
        rescue_places(directory, &mut state, &mut lost)?;
    } else if export == newest {
        remove_unknown_packs(directory, &state)?;
    }
    let mut freed = Vec::new();
    let journal =
        replay_journals(directory, &mut state, export, &journals, &mut report, &mut freed, &mut version)?;
    // A crash may have come between a record's removal and its file's, and between a file's name and its record. Ids
    // are sequences, so each body from the next sequence on is without a record.
    for body in freed {
        bodies.remove(body)?;
    }
    bodies.remove_from(transaction::first_id(state.position + 1))?;
    let position = Some(export).filter(|export| *export > 0);
    let (index, found) = Index::open(directory, position, state.position)?;
    state.set_index(index);
    // Lost changes leave records and counters that disagree: a mailbox's counters may be in the part that was lost.
    let repaired = fallback || !report.damage.is_empty();
    if repaired {
        let edits = checkpoint::recount(&mut state)?;
        if !edits.is_empty() {
            report.damage.push(format!("{} mailboxes were counted anew", edits.len()));
        }
        state.apply(edits);
        settle_places(&mut state, &lost, &mut report)?;
    }
    match found {
        Found::Complete => {}
        Found::Rebuilt => report.index_rebuilt = export > 0,
        Found::InMemory => {
            report.damage.push("the index cannot be written; the store needs more memory".to_owned())
        }
    }
    forget_stray_dictionaries(&mut state);
    // What went before the start was not remembered.
    state.expunged = ExpungedUids::default();
    report.position = state.position;
    Ok(Recovery { state, journal, export, report, version, repaired })
}

/// Removes the keywords of mailboxes that are gone: a release of format 1, which deleted them, does not know of any.
fn forget_stray_dictionaries(state: &mut State) {
    let keys = state.scan(&[keys::DICTIONARIES]).map(|(key, _)| key);
    let is_stray = |key: &&keys::Key| {
        keys::second_number_of(key).is_none_or(|id| state.counters(MailboxId(id)).is_err())
    };
    let stray: Edits = keys.filter(is_stray).map(|key| (key.clone(), None)).collect();
    state.apply(stray);
}

/// Writes every journal anew, after a failed sync: the kernel may then count pages as written that never reached the disk,
/// so that syncing the same file again proves nothing. Other files get their names only after their sync has succeeded.
pub(crate) fn rewrite_journals(directory: &Path) -> Result<()> {
    let unfinished = directory.join(Kind::Journal.unfinished());
    for position in Kind::Journal.positions(directory)? {
        let path = directory.join(Kind::Journal.name(position));
        let mut from = fs::File::open(&path).map_err(Error::io("open", &path))?;
        let mut to = files::create(&unfinished)?;
        std::io::copy(&mut from, &mut to).map_err(Error::io("write", &unfinished))?;
        files::sync(&to, &unfinished)?;
        files::publish(&unfinished, &path)?;
    }
    Ok(())
}

/// Whether nothing was ever stored here.
fn is_new(directory: &Path) -> Result<bool> {
    Ok(files::names(&directory.join("messages"))?.is_empty() && Kind::Pack.positions(directory)?.is_empty())
}

/// Loads the newest export that is sound and from which journals lead on.
fn load_export(
    directory: &Path,
    state: &mut State,
    exports: &[u64],
    journals: &[u64],
    report: &mut OpenReport,
    lost: &mut BTreeSet<u64>,
    version: &mut u32,
) -> Result<u64> {
    let mut first_trouble = None;
    for position in exports.iter().rev() {
        match export::read_head(directory, *position) {
            Ok(head) => {
                state.position = *position;
                *version = head.version.min(*version);
                state.apply(head.records);
                for (body, place) in head.places {
                    add_place(directory, state, body, place, lost)?;
                }
                return Ok(*position);
            }
            Err(trouble @ Error::Damaged { .. }) => {
                report.damage.push(trouble.to_string());
                first_trouble.get_or_insert(trouble);
            }
            Err(trouble) => return Err(trouble),
        }
    }
    // Without a sound export only a journal from position 0 is complete.
    match first_trouble {
        Some(trouble) if journals.first() != Some(&0) => Err(trouble),
        None if journals.first().is_some_and(|first| *first != 0) => {
            let path = directory.join(Kind::Export.name(journals.first().copied().unwrap_or(0)));
            Err(Error::Damaged { path, what: "it is missing".to_owned() })
        }
        _ => Ok(0),
    }
}

/// Records a small body's place; one whose file is missing becomes `lost` for now.
fn add_place(
    directory: &Path,
    state: &mut State,
    body: u64,
    place: Place,
    lost: &mut BTreeSet<u64>,
) -> Result<()> {
    match checkpoint::add_container(directory, state, place.container) {
        Ok(()) => state.places.insert(body, place),
        Err(Error::Io { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound => {
            lost.insert(body);
            Ok(())
        }
        Err(trouble) => Err(trouble),
    }
}

/// A pack without an export that knows it is left from a checkpoint that a crash interrupted.
fn remove_unknown_packs(directory: &Path, state: &State) -> Result<()> {
    for position in Kind::Pack.positions(directory)? {
        if !state.places.has_container(ContainerId { kind: Kind::Pack, position }) {
            files::remove(&directory.join(Kind::Pack.name(position)))?;
        }
    }
    Ok(())
}

/// Finds the bodies in all packs, after a fallback to an older export: they may have moved since.
fn rescue_places(directory: &Path, state: &mut State, lost: &mut BTreeSet<u64>) -> Result<()> {
    let mut found = Vec::new();
    checkpoint::scan_packs(directory, |body, place| found.push((body, place)))?;
    for (body, place) in found {
        lost.remove(&body);
        add_place(directory, state, body, place, lost)?;
    }
    Ok(())
}

/// Replays every journal that reaches beyond the export, and returns the last one for appending.
fn replay_journals(
    directory: &Path,
    state: &mut State,
    export: u64,
    journals: &[u64],
    report: &mut OpenReport,
    freed: &mut Vec<u64>,
    version: &mut u32,
) -> Result<Journal> {
    // The journal of the export's position was created before the export: an older one is found here only if that one
    // is missing, which is reported.
    let begin = journals.iter().rev().find(|position| **position <= export).copied();
    if !journals.contains(&export) && export > 0 {
        report.damage.push(format!("{} is missing, and what it held is lost", Kind::Journal.name(export)));
    }
    let wanted: Vec<u64> = journals.iter().filter(|position| Some(**position) >= begin).copied().collect();
    let mut last = None;
    for (count, position) in wanted.iter().enumerate() {
        let is_last = count + 1 == wanted.len();
        let container = ContainerId { kind: Kind::Journal, position: *position };
        // A gap between two journals: the end of the one before is gone. Going on from here loses that part; refusing
        // would lose the rest as well.
        if *position > state.position {
            let lost = *position - state.position;
            report.damage.push(format!("{lost} changes before {} are lost", Kind::Journal.name(*position)));
            state.position = *position;
        }
        let opened = Journal::recover(directory, *position, |frame, offset, file| {
            // In the export already, which may have moved the bodies since.
            if frame.sequence <= export {
                return Ok(());
            }
            report.replayed += 1;
            let path = directory.join(Kind::Journal.name(*position));
            state.places.add_container(container, Arc::clone(file), path);
            replay(state, frame, offset, container, freed)
        });
        let (journal, recovered) = match opened {
            // The header is written and synced before the journal gets its name, so this is damage. What the file
            // held after it cannot be told from what it held before it was used.
            Err(trouble @ Error::Damaged { .. }) if is_last => {
                report.damage.push(trouble.to_string());
                let path = directory.join(Kind::Journal.name(*position));
                fs::rename(&path, directory.join("damaged-journal")).map_err(Error::io("rename", &path))?;
                break;
            }
            opened => opened?,
        };
        *version = recovered.version.min(*version);
        // A torn tail is a power cut in the last journal, and damage in one before, which was complete when the next began.
        if recovered.damaged > 0 || (recovered.torn > 0 && !is_last) {
            let bytes = recovered.damaged + if is_last { 0 } else { recovered.torn };
            let name = Kind::Journal.name(*position);
            report.damage.push(format!("{bytes} bytes of {name} are unreadable; what they held is lost"));
        }
        if is_last {
            report.torn_bytes = recovered.torn;
            last = Some(journal);
        }
    }
    let journal = match last {
        Some(journal) => journal,
        None => {
            if export > 0 && begin.is_none() {
                report
                    .damage
                    .push(format!("{} is missing, and what it held is lost", Kind::Journal.name(export)));
            }
            Journal::create(directory, state.position)?
        }
    };
    let container = ContainerId { kind: Kind::Journal, position: journal.position() };
    state.places.add_container(container, Arc::clone(journal.file()), journal.path().to_owned());
    Ok(journal)
}

fn replay(
    state: &mut State,
    frame: &Frame<'_>,
    start: u64,
    container: ContainerId,
    freed: &mut Vec<u64>,
) -> Result<()> {
    let mut edits = Edits::new();
    for operation in frame.operations() {
        match operation.ok_or(Error::Bug("a journal frame has an unknown shape"))? {
            Operation::Put { key, value } => {
                edits.insert(key.to_vec(), Some(value.to_vec()));
            }
            Operation::Delete { key } => {
                edits.insert(key.to_vec(), None);
            }
            Operation::Body { body, offset, length } => {
                let length = u32::try_from(length).map_err(|_| Error::Bug("a small body is large"))?;
                state.places.insert(body, Place { container, offset: start + offset as u64, length })?;
            }
            Operation::Free { body } => {
                // Not a small one: its file may still be there, if the crash came before its removal.
                if !state.places.remove(body) {
                    freed.push(body);
                }
            }
        }
    }
    state.apply(edits);
    state.position = frame.sequence;
    Ok(())
}

/// Removes the places of small bodies without a record, after a repair, and reports the bodies that are missing.
fn settle_places(state: &mut State, lost: &BTreeSet<u64>, report: &mut OpenReport) -> Result<()> {
    let mut wanted = BTreeSet::new();
    for mailbox in checkpoint::mailboxes(state)? {
        state.visit_messages(mailbox, |_, value| {
            wanted.insert(decode(value)?.body.body);
            Ok(())
        })?;
    }
    for (_, value) in state.scan(keys::OUTBOUND) {
        wanted.insert(from_json::<OutboundRecord>(value)?.body.body);
    }
    let unwanted: Vec<u64> =
        state.places.iter().map(|(body, _)| body).filter(|body| !wanted.contains(body)).collect();
    for body in unwanted {
        state.places.remove(body);
    }
    let missing =
        lost.iter().filter(|body| wanted.contains(body) && state.places.find(**body).is_none()).count();
    if missing > 0 {
        report.damage.push(format!("the text of {missing} messages is missing"));
    }
    Ok(())
}
