//! Checkpoints: an export of all records, and a pack of the small bodies that would go with an old journal.
//!
//! ```text
//! export = frames of records: every table but the messages' ... places of small bodies ... mark ... messages ... end
//! pack   = frames of one body each
//! ```
//!
//! The last two exports and the journals behind them are kept: when the newest export is damaged, the one before and
//! two journals give the same state.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::codec;
use crate::error::{Error, Result};
use crate::export::{END, MARK};
use crate::files;
use crate::frame::{self, FrameBuilder, Operation};
use crate::index::Reading;
use crate::keys::{self, Edits};
use crate::log::{Kind, Reader, Writer};
use crate::places::{ContainerId, Place};
use crate::state::State;
use crate::types::MailboxId;

/// Bytes of records in one frame, about.
const BLOCK: usize = 64 << 10;

/// Writes an export of the state. `places` are where small bodies will lie once it counts.
pub(crate) fn write_export(directory: &Path, state: &State, moved: &BTreeMap<u64, Place>) -> Result<()> {
    let mut export = Exporter::create(directory, state.position)?;
    for (key, value) in state.scan(&[]) {
        export.put(key, value)?;
    }
    for (body, place) in state.places.iter() {
        let place = moved.get(&body).copied().unwrap_or(place);
        export.put(&keys::place(body), &place.encode())?;
    }
    export.flush()?;
    export.put(MARK, &[])?;
    export.flush()?;
    for mailbox in mailboxes(state)? {
        state.visit_messages(mailbox, |key, value| export.put(key, value))?;
    }
    let count = export.count;
    export.put(END, &count.to_le_bytes())?;
    export.flush()?;
    export.writer.finish().map(|_| ())
}

/// All mailboxes that have counters.
pub(crate) fn mailboxes(state: &State) -> Result<Vec<MailboxId>> {
    let ids = state.scan(keys::COUNTERS).map(|(key, _)| keys::number_of(key).map(MailboxId));
    ids.collect::<Option<_>>().ok_or(Error::Bug("a mailbox's key is too short"))
}

/// Copies the bodies in the `leaving` files to a new pack, and returns their new places.
pub(crate) fn write_pack(
    directory: &Path,
    state: &State,
    leaving: impl Fn(ContainerId) -> bool,
) -> Result<BTreeMap<u64, Place>> {
    let mut moved = BTreeMap::new();
    let mut pack = None;
    let position = state.position;
    let container = ContainerId { kind: Kind::Pack, position };
    for (body, place) in state.places.iter().filter(|(_, place)| leaving(place.container)) {
        let Some((_, file)) = state.places.find(body) else { continue };
        let length = usize::try_from(place.length).unwrap_or(usize::MAX).min(frame::LIMIT);
        let bytes = files::read_at(&file.file, &file.path, place.offset, length)?;
        let writer = match &mut pack {
            Some(writer) => writer,
            None => pack.insert(Writer::create(Kind::Pack, directory, position)?),
        };
        let mut frame = FrameBuilder::default();
        frame.body(body, &bytes);
        let start = writer.append(frame)?;
        let offset = start + frame::BODY_OFFSET as u64;
        moved.insert(body, Place { container, offset, length: place.length });
    }
    match pack {
        Some(writer) => writer.finish().map(|_| moved),
        None => Ok(moved),
    }
}

/// Finds all small bodies in all packs there are: needed only when the newest export is damaged.
pub(crate) fn scan_packs(directory: &Path, mut visit: impl FnMut(u64, Place)) -> Result<()> {
    for position in Kind::Pack.positions(directory)? {
        let container = ContainerId { kind: Kind::Pack, position };
        let mut reader = Reader::open(Kind::Pack, directory, position)?;
        // Of a damaged pack, the bodies before the damage are used.
        while let Ok(Some((start, frame))) = reader.next() {
            for operation in frame.operations().flatten() {
                if let Operation::Body { body, offset, length } = operation {
                    let length = u32::try_from(length).unwrap_or(u32::MAX);
                    visit(body, Place { container, offset: start + offset as u64, length });
                }
            }
        }
    }
    Ok(())
}

/// Makes a journal or pack known to the state, if it is there.
pub(crate) fn add_container(directory: &Path, state: &mut State, container: ContainerId) -> Result<()> {
    if !state.places.has_container(container) {
        let path = directory.join(container.kind.name(container.position));
        let file = Arc::new(files::open(&path)?);
        state.places.add_container(container, file, path);
    }
    Ok(())
}

struct Exporter {
    writer: Writer,
    frame: FrameBuilder,
    count: u64,
}

impl Exporter {
    fn create(directory: &Path, position: u64) -> Result<Self> {
        let writer = Writer::create(Kind::Export, directory, position)?;
        Ok(Self { writer, frame: FrameBuilder::default(), count: 0 })
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.frame.put(key, value);
        self.count += 1;
        if self.frame.length() >= BLOCK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if self.frame.length() > 0 {
            self.writer.append(std::mem::take(&mut self.frame))?;
        }
        Ok(())
    }
}

/// New counters for the mailboxes whose records do not agree with theirs.
///
/// Needed only after a part of the journal was lost. UIDNEXT and modification sequences only grow.
pub(crate) fn recount(state: &mut State) -> Result<Edits> {
    let mut edits = Edits::new();
    for mailbox in mailboxes(state)? {
        let mut counters = state.counters(mailbox)?;
        let before = counters;
        counters.messages = 0;
        counters.bytes = 0;
        counters.hash = 0;
        state.visit_unverified(mailbox, Reading::First, |key, value| {
            let record = crate::state::decode(value)?;
            counters.messages += 1;
            counters.bytes += record.body.size;
            counters.hash ^= codec::hash(&[key, value]);
            counters.modseq = counters.modseq.max(record.modseq);
            let next = keys::parse_message(key).and_then(|(_, uid)| uid.next());
            counters.uid_next = counters.uid_next.max(next.unwrap_or(counters.uid_next));
            Ok(())
        })?;
        if counters != before {
            edits.insert(keys::counters(mailbox), Some(counters.encode()));
        }
    }
    Ok(edits)
}
