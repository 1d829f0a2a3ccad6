//! The index: a copy of the message records as of the last export, so that they need not all be in memory.
//! The only file that names sled.
//!
//! The index is never trusted. sled 0.34 can lose flushed data, refuse to open, or return single pages
//! as they were before; so the index carries the journal position up to which it is complete, every mailbox that is
//! read from it is compared with its counters (see `state`), and after any error it is rebuilt from the export.
//! Changes since the export are not here but in memory, as they are in the journal anyway: most messages are
//! deleted before they ever get here, and the card is spared.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use host::locks::{Mutex, RwLock};

use crate::error::Result;
use crate::keys::{Edits, Key};
use crate::{export, files};

/// The key of the journal position up to which the index is complete. No record's key begins with a zero.
const POSITION: &[u8] = b"\0position";
/// Bytes of sled's page cache; sled takes this as a hint.
const CACHE_BYTES: u64 = 4 << 20;
/// Bytes of records that go from the export into a new index at once.
const FILL_BYTES: usize = 1 << 20;
/// Records in one atomic batch.
const BATCH: usize = 1000;
/// The time limit of a call of sled, which takes seconds on a slow card.
const CALL_TIMEOUT: Duration = Duration::from_secs(40);

/// The index. Each of its methods repairs it by itself.
#[derive(Debug)]
pub(crate) struct Index {
    home: Arc<Home>,
    base: RwLock<Base>,
}

#[derive(Debug)]
struct Base {
    records: Records,
    /// The position of the export from which it can be rebuilt.
    export: Option<u64>,
    /// The position up to which the records are complete.
    complete: AtomicU64,
}

#[derive(Debug)]
enum Records {
    Sled(sled::Db),
    /// When sled fails: everything as before, but more memory.
    Memory(BTreeMap<Key, Vec<u8>>),
}

/// The condition in which the index was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Usable as it was.
    Complete,
    /// Missing, behind, ahead or damaged, and rebuilt from the export.
    Rebuilt,
    /// It could not be rebuilt; the records are in memory.
    InMemory,
}

/// Whether these records are read for the first time since the start: sled may fail on damaged pages then, so such a read
/// is marked for the next start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    First,
    Repeated,
}

impl Index {
    /// Opens the index, which must be complete up to the export at least and must not be ahead of the journal.
    pub(crate) fn open(directory: &Path, export: Option<u64>, journal_end: u64) -> Result<(Self, Found)> {
        let home = Arc::new(Home { directory: directory.join("index"), calls: Mutex::new(0) });
        files::create_directory(&home.directory)?;
        let wanted = export.unwrap_or(0)..=journal_end;
        let left_busy = home.directory.join(BUSY).exists();
        let sound = if left_busy {
            None
        } else {
            existing(&home).filter(|db| position(db).is_some_and(|at| wanted.contains(&at)))
        };
        let (records, found) = match sound {
            Some(db) => (Records::Sled(db), Found::Complete),
            None => build(&home, export)?,
        };
        let complete = AtomicU64::new(export.unwrap_or(0));
        Ok((Self { home, base: RwLock::new(Base { records, export, complete }) }, found))
    }

    /// A record's value.
    pub(crate) fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.read(Reading::Repeated, |base| match &base.records {
            Records::Memory(records) => Some(records.get(key).cloned()),
            Records::Sled(db) => db.get(key).ok().map(|value| value.map(|value| value.to_vec())),
        })
    }

    /// The first records, at most `limit`, whose keys are `from` or higher and begin with the prefix.
    pub(crate) fn piece(
        &self,
        prefix: &[u8],
        from: &[u8],
        limit: usize,
        reading: Reading,
    ) -> Result<Vec<(Key, Vec<u8>)>> {
        self.read(reading, |base| match &base.records {
            Records::Memory(records) => {
                let found = records.range(from.to_vec()..).take_while(|(key, _)| key.starts_with(prefix));
                Some(found.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
            }
            Records::Sled(db) => db
                .range(from..)
                .take_while(|record| record.as_ref().map_or(true, |(key, _)| key.starts_with(prefix)))
                .take(limit)
                .map(|record| record.ok().map(|(key, value)| (key.to_vec(), value.to_vec())))
                .collect(),
        })
    }

    /// Brings the index up to a position; the edits stay with the caller until the next export is durable, and are what
    /// readers see meanwhile.
    pub(crate) fn apply(&self, edits: &Arc<Edits>, position: u64) -> Result<()> {
        // Under the lock for reading: a slow card must not keep readers waiting. Nobody else writes.
        {
            let base = self.base.read();
            if let Records::Sled(db) = &base.records {
                let (db, edits) = (db.clone(), Arc::clone(edits));
                if guarded(&self.home, move || apply(&db, &edits, position)).is_some() {
                    base.complete.store(position, Ordering::Relaxed);
                    return Ok(());
                }
            }
        }
        let mut base = self.base.write();
        if let Records::Sled(_) = base.records {
            // Whatever ails sled or the disk, it is not tried again before the next start.
            let records = Records::Memory(from_export(&self.home, base.export)?);
            discard(std::mem::replace(&mut base.records, records));
        }
        if let Records::Memory(records) = &mut base.records {
            for (key, value) in edits.iter() {
                match value {
                    Some(value) => records.insert(key.clone(), value.clone()),
                    None => records.remove(key),
                };
            }
        }
        base.complete = AtomicU64::new(position);
        Ok(())
    }

    /// The position up to which the index is complete.
    pub(crate) fn complete_to(&self) -> u64 {
        self.base.read().complete.load(Ordering::Relaxed)
    }

    /// Sets the export from which the index is rebuilt.
    pub(crate) fn set_export(&self, export: u64) {
        self.base.write().export = Some(export);
    }

    /// Makes the index again from the export.
    pub(crate) fn rebuild(&self) -> Result<Found> {
        let mut base = self.base.write();
        let (records, found) = build(&self.home, base.export)?;
        base.records = records;
        base.complete = AtomicU64::new(base.export.unwrap_or(0));
        Ok(found)
    }

    fn read<T>(&self, reading: Reading, read: impl Fn(&Base) -> Option<T>) -> Result<T> {
        let attempt = |base: &Base| match (&base.records, reading) {
            (Records::Sled(_), Reading::First) => self.home.marked(|| read(base)),
            _ => catch_unwind(AssertUnwindSafe(|| read(base))).ok().flatten(),
        };
        if let Some(value) = attempt(&self.base.read()) {
            return Ok(value);
        }
        self.rebuild()?;
        if let Some(value) = attempt(&self.base.read()) {
            return Ok(value);
        }
        let mut base = self.base.write();
        base.records = Records::Memory(from_export(&self.home, base.export)?);
        base.complete = AtomicU64::new(base.export.unwrap_or(0));
        read(&base).ok_or(crate::error::Error::Bug("records in memory cannot be read"))
    }
}

/// Present while sled is being called. A release build ends at a panic; finding this file at the next start tells
/// that the index did it, so that it is not tried a second time.
const BUSY: &str = "busy";

/// The index's directory, with the mark in it.
#[derive(Debug)]
struct Home {
    directory: PathBuf,
    /// The calls of sled that the mark stands for.
    calls: Mutex<usize>,
}

impl Home {
    /// The directory of the store.
    fn store(&self) -> &Path {
        self.directory.parent().unwrap_or(&self.directory)
    }

    /// Calls sled, with the mark set meanwhile; an error and a panic both return `None`.
    fn marked<T>(&self, call: impl FnOnce() -> Option<T>) -> Option<T> {
        let busy = self.directory.join(BUSY);
        {
            let mut calls = self.calls.lock();
            *calls += 1;
            if *calls == 1 {
                // A missing mark is no reason not to call: on a full disk it cannot be made.
                let _ = fs::write(&busy, []);
            }
        }
        let result = catch_unwind(AssertUnwindSafe(call)).ok().flatten();
        let mut calls = self.calls.lock();
        *calls -= 1;
        if *calls == 0 {
            let _ = fs::remove_file(&busy);
        }
        result
    }
}

/// Calls sled for something that writes, in a thread of its own: after an error of the disk, sled 0.34 may wait for
/// ever for a write that failed. An error, a panic and a timeout all return `None`; a thread that hangs is left
/// behind, with its mark.
fn guarded<T: Send + 'static>(
    home: &Arc<Home>,
    call: impl FnOnce() -> Option<T> + Send + 'static,
) -> Option<T> {
    let (tell, told) = sync_channel(1);
    let home = Arc::clone(home);
    let work = move || {
        // The caller may have given up.
        let _ = tell.send(home.marked(call));
    };
    std::thread::Builder::new().name("store-index".to_owned()).spawn(work).ok()?;
    told.recv_timeout(CALL_TIMEOUT).ok().flatten()
}

/// Closes a database, which writes, with the time limit.
fn discard(records: Records) {
    let (tell, told) = sync_channel::<()>(1);
    let work = move || {
        drop(records);
        drop(tell);
    };
    if std::thread::Builder::new().name("store-index".to_owned()).spawn(work).is_ok() {
        // The wait ends when the sender is dropped. What sled may lose after a timeout can be rebuilt.
        let _ = told.recv_timeout(CALL_TIMEOUT);
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        let base = self.base.get_mut();
        discard(std::mem::replace(&mut base.records, Records::Memory(BTreeMap::new())));
    }
}

/// The existing database, if there is exactly one and sled can open it.
fn existing(home: &Arc<Home>) -> Option<sled::Db> {
    let names = files::names(&home.directory).ok()?;
    let [name] = names.as_slice() else { return None };
    open_sled(home, home.directory.join(name))
}

fn open_sled(home: &Arc<Home>, path: PathBuf) -> Option<sled::Db> {
    guarded(home, move || {
        if path.is_dir() {
            for name in files::names(&path).ok()? {
                // A snapshot that a crash left half-written keeps sled from opening for ever.
                if name.ends_with(".generating") {
                    files::remove(&path.join(name)).ok()?;
                }
            }
        }
        let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES);
        config.flush_every_ms(Some(500)).use_compression(false).open().ok()
    })
}

fn position(db: &sled::Db) -> Option<u64> {
    let value = db.get(POSITION).ok()??;
    value.as_ref().as_array().map(|bytes| u64::from_le_bytes(*bytes))
}

fn apply(db: &sled::Db, edits: &Edits, position: u64) -> Option<()> {
    let mut batch = sled::Batch::default();
    for (count, (key, value)) in edits.iter().enumerate() {
        match value {
            Some(value) => batch.insert(key.as_slice(), value.as_slice()),
            None => batch.remove(key.as_slice()),
        }
        if count % BATCH == BATCH - 1 {
            db.apply_batch(std::mem::take(&mut batch)).ok()?;
        }
    }
    batch.insert(POSITION, &position.to_le_bytes());
    db.apply_batch(batch).ok()?;
    db.flush().ok().map(|_| ())
}

/// A new data base from the export, in a directory of its own: the old one may still be open somewhere in sled.
fn build(home: &Arc<Home>, export: Option<u64>) -> Result<(Records, Found)> {
    let directory = &home.directory;
    let old = files::names(directory)?;
    let next = old.iter().filter_map(|name| name.parse::<u64>().ok()).max().map_or(0, |last| last + 1);
    // The mark goes with the last call that it stands for.
    for name in old.iter().filter(|name| *name != BUSY) {
        // What cannot be removed makes the next start build again, which is no harm.
        let _ = fs::remove_dir_all(directory.join(name));
        let _ = fs::remove_file(directory.join(name));
    }
    let Some(db) = open_sled(home, directory.join(next.to_string())) else {
        return Ok((Records::Memory(from_export(home, export)?), Found::InMemory));
    };
    let fill = |edits: Edits, position| {
        let db = db.clone();
        guarded(home, move || apply(&db, &edits, position)).is_some()
    };
    let (mut edits, mut bytes) = (Edits::new(), 0);
    let mut sound = true;
    if let Some(export) = export {
        export::read_messages(home.store(), export, |key, value| {
            bytes += key.len() + value.len();
            edits.insert(key.to_vec(), Some(value.to_vec()));
            if bytes >= FILL_BYTES && sound {
                bytes = 0;
                sound = fill(std::mem::take(&mut edits), 0);
            }
        })?;
    }
    if sound && fill(edits, export.unwrap_or(0)) {
        return Ok((Records::Sled(db), Found::Rebuilt));
    }
    discard(Records::Sled(db));
    Ok((Records::Memory(from_export(home, export)?), Found::InMemory))
}

fn from_export(home: &Home, export: Option<u64>) -> Result<BTreeMap<Key, Vec<u8>>> {
    let mut records = BTreeMap::new();
    if let Some(export) = export {
        export::read_messages(home.store(), export, |key, value| {
            records.insert(key.to_vec(), value.to_vec());
        })?;
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::{BUSY, Home};

    #[test]
    fn the_mark_stays_until_the_last_call_ends() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home { directory: directory.path().to_owned(), calls: host::locks::Mutex::new(0) };
        let is_marked = || directory.path().join(BUSY).exists();
        let inner = || home.marked(|| is_marked().then_some(())).is_some();
        assert_eq!(home.marked(|| Some((inner(), is_marked()))), Some((true, true)));
        assert!(!is_marked());
        assert_eq!(home.marked::<()>(|| panic!("sled")), None);
        assert!(!is_marked());
    }
}
