//! Checkpoints: an export of all records, and a pack of the small bodies that would go with an old journal.
//!
//! ```text
//! export = frames of records: every table but the messages' ... places of small bodies ... mark ... messages ... end
//! pack   = frames of one body each
//! ```
//!
//! The last two exports and the journals behind them are kept: when the newest export is damaged, the one before and
//! two journals give the same state.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::codec;
use crate::error::{Error, Result};
use crate::export::{END, MARK};
use crate::files;
use crate::frame::{self, FrameBuilder, Operation};
use crate::index::{Index, Reading};
use crate::keys::{self, Edits};
use crate::layers::{self, Layers};
use crate::log::{HEADER, Kind, Reader, Writer};
use crate::places::{Container, ContainerId, Place};
use crate::records::Counters;
use crate::state::{RecordSum, State};
use crate::types::MailboxId;

/// Bytes of records in one frame, about.
const BLOCK: usize = 64 << 10;

/// A checkpoint that was begun. What is left of it goes on beside the writer: it reads the index, which nobody else writes,
/// and files that nobody changes.
pub(crate) struct Checkpoint {
    directory: PathBuf,
    /// The position of the state that is written.
    position: u64,
    index: Arc<Index>,
    /// The mailboxes at that position, with their counters, and whether their records were read before.
    mailboxes: Vec<(MailboxId, Counters, Reading)>,
    /// The small bodies that go into the pack, in the order in which they are there.
    moves: Arc<Vec<Move>>,
    /// The files that they are in.
    containers: BTreeMap<ContainerId, Container>,
    /// All but the messages is written.
    export: Exporter,
}

/// A small body that goes into the pack of a checkpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    pub(crate) body: u64,
    pub(crate) from: Place,
    pub(crate) to: Place,
}

impl Checkpoint {
    /// Begins a checkpoint of the state, which stands still meanwhile: writes what is in memory into the export, and gives
    /// out the places in the pack for all bodies in the `leaving` files.
    pub(crate) fn begin(directory: &Path, state: &State, leaving: &BTreeSet<ContainerId>) -> Result<Self> {
        let moves = plan_moves(state, leaving);
        let mut export = Exporter::create(directory, state.position)?;
        for (key, value) in state.scan(&[]) {
            export.put(key, value)?;
        }
        let mut moving = moves.iter().peekable();
        for (body, place) in state.places.iter() {
            let place = moving.next_if(|moving| moving.body == body).map_or(place, |moving| moving.to);
            export.put(&keys::place(body), &place.encode())?;
        }
        export.flush()?;
        export.put(MARK, &[])?;
        export.flush()?;
        let mailboxes = mailboxes(state)?.into_iter();
        let mailboxes = mailboxes.map(|mailbox| {
            let reading = if state.is_verified(mailbox) { Reading::Repeated } else { Reading::First };
            Ok((mailbox, state.counters(mailbox)?, reading))
        });
        let containers = state.places.containers().filter(|(id, _)| leaving.contains(id));
        Ok(Self {
            directory: directory.to_owned(),
            position: state.position,
            index: Arc::clone(state.index()?),
            mailboxes: mailboxes.collect::<Result<_>>()?,
            moves: Arc::new(moves),
            containers: containers.map(|(id, container)| (id, container.clone())).collect(),
            export,
        })
    }

    /// The small bodies that go into the pack.
    pub(crate) fn moves(&self) -> &Arc<Vec<Move>> {
        &self.moves
    }

    /// Brings the `edits`, which are all message records that changed since the last checkpoint, into the index, and writes
    /// the pack and the rest of the export. Both are durable under their names then.
    ///
    /// # Errors
    ///
    /// [`Error::MailboxDamaged`] when the index does not have what it should; it is made again then, and a second attempt is
    /// worth while.
    pub(crate) fn run(mut self, edits: &Arc<Edits>) -> Result<()> {
        // The index first: if the export then fails, an index ahead of it is sound, since it is complete up to a position
        // that the journals reach.
        self.index.apply(edits, self.position)?;
        // The pack before the export that names it; without that export the next start removes it.
        self.write_pack()?;
        let mailboxes = std::mem::take(&mut self.mailboxes);
        for (mailbox, counters, reading) in mailboxes {
            if !self.write_messages(mailbox, reading)?.agrees(&counters) {
                self.index.rebuild()?;
                return Err(Error::MailboxDamaged);
            }
        }
        self.export.finish()
    }

    /// Copies the bodies that leave their files to a new pack.
    fn write_pack(&self) -> Result<()> {
        if self.moves.is_empty() {
            return Ok(());
        }
        let mut pack = Writer::create(Kind::Pack, &self.directory, self.position)?;
        for Move { body, from, to } in self.moves.iter() {
            let file = self.containers.get(&from.container).ok_or(Error::Bug("a body's file is unknown"))?;
            let length = usize::try_from(from.length).unwrap_or(usize::MAX).min(frame::LIMIT);
            let bytes = files::read_at(&file.file, &file.path, from.offset, length)?;
            let mut frame = FrameBuilder::default();
            frame.body(*body, &bytes);
            if pack.append(frame)? + frame::BODY_OFFSET as u64 != to.offset {
                return Err(Error::Bug("a body is not where it should be"));
            }
        }
        pack.finish().map(|_| ())
    }

    fn write_messages(&mut self, mailbox: MailboxId, reading: Reading) -> Result<RecordSum> {
        let (mut sum, prefix) = (RecordSum::default(), keys::messages(mailbox));
        let layers = Layers::new(&prefix, &prefix, []);
        let export = &mut self.export;
        layers::visit(Some(&self.index), &prefix, reading, layers, |key, value| {
            sum.add(key, value);
            export.put(key, value)
        })?;
        Ok(sum)
    }
}

/// The bodies in the `leaving` files, with their places in a pack of this moment, by ascending id.
fn plan_moves(state: &State, leaving: &BTreeSet<ContainerId>) -> Vec<Move> {
    let container = ContainerId { kind: Kind::Pack, position: state.position };
    let mut end = HEADER as u64;
    let leaving = state.places.iter().filter(|(_, place)| leaving.contains(&place.container));
    let plan = leaving.map(|(body, from)| {
        let offset = end + frame::BODY_OFFSET as u64;
        end = offset + u64::from(from.length);
        Move { body, from, to: Place { container, offset, length: from.length } }
    });
    plan.collect()
}

/// All mailboxes that have counters.
pub(crate) fn mailboxes(state: &State) -> Result<Vec<MailboxId>> {
    let ids = state.scan(keys::COUNTERS).map(|(key, _)| keys::number_of(key).map(MailboxId));
    ids.collect::<Option<_>>().ok_or(Error::Bug("a mailbox's key is too short"))
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

    /// Writes the end, and publishes the export.
    fn finish(mut self) -> Result<()> {
        let count = self.count;
        self.put(END, &count.to_le_bytes())?;
        self.flush()?;
        self.writer.finish().map(|_| ())
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
