//! Key presses from the event devices in `/dev/input`, present and future.
//!
//! One thread looks for devices, and one for each device reads it; a device that is gone ends its thread. Keys that were
//! down at that moment are reported as released, or a press held for ten seconds would be measured without a finger on it.
//! So are the keys of a device whose events the kernel has dropped (`SYN_DROPPED`): a release may be among these.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::Error;

/// `KEY_POWER` of `<linux/input-event-codes.h>`.
pub const KEY_POWER: u16 = 116;
/// `KEY_RESTART`: the usual code of a button on the Pi's header (`gpio-key` overlay).
pub const KEY_RESTART: u16 = 408;

/// Bytes of `struct input_event` on a 64-bit kernel: time (2 × 8), type (2), code (2), value (4).
pub const RECORD: usize = 24;

/// The interval at which new devices are looked for.
const RESCAN_INTERVAL: Duration = Duration::from_secs(1);
/// The number of devices read at once; each costs a thread.
const DEVICES_LIMIT: usize = 32;

/// A key that was pressed or released. Autorepeat is not reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyEvent {
    /// The key's number in `<linux/input-event-codes.h>`.
    pub code: u16,
    /// The direction.
    pub motion: Motion,
}

/// The direction of a key's movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// The key was pressed.
    Down,
    /// The key was released.
    Up,
}

impl KeyEvent {
    /// Parses one `struct input_event`. `None` for an event of another type, autorepeat, and the buttons of mice, pads and
    /// touch screens (`BTN_*`).
    #[must_use]
    pub fn parse(record: &[u8; RECORD]) -> Option<Self> {
        const EV_KEY: u16 = 1;
        const POINTER_BUTTONS: std::ops::Range<u16> = 0x100..0x160;
        let (kind, code) = kind_and_code(record);
        if kind != EV_KEY || POINTER_BUTTONS.contains(&code) {
            return None;
        }
        let [.., value0, value1, value2, value3] = *record;
        let motion = match i32::from_ne_bytes([value0, value1, value2, value3]) {
            0 => Motion::Up,
            1 => Motion::Down,
            _ => return None,
        };
        Some(Self { code, motion })
    }
}

/// The type and the code of a `struct input_event`.
fn kind_and_code(record: &[u8; RECORD]) -> (u16, u16) {
    let [.., type0, type1, code0, code1, _, _, _, _] = *record;
    (u16::from_ne_bytes([type0, type1]), u16::from_ne_bytes([code0, code1]))
}

/// The key events of all devices, an endless iterator that blocks. Dropping it ends the search for devices.
#[derive(Debug)]
pub struct Keys {
    events: Receiver<KeyEvent>,
    _alive: Sender<()>,
}

impl Iterator for Keys {
    type Item = KeyEvent;

    fn next(&mut self) -> Option<KeyEvent> {
        self.events.recv().ok()
    }
}

/// Reports the key presses of every `event*` device in `directory` (`/dev/input`).
///
/// A key that is down when its device vanishes, or when the kernel drops events of its device, is reported as released.
/// A device that cannot be opened is tried again
/// every second.
///
/// # Errors
///
/// When no thread can be started.
pub fn watch(directory: &Path) -> Result<Keys, Error> {
    let (events, receiver) = channel();
    let (alive, ended) = channel();
    let directory = directory.to_owned();
    thread::Builder::new()
        .name("keys".to_owned())
        .spawn(move || scan(&directory, &events, &ended))
        .map_err(|source| Error::Thread { purpose: "look for keys", source })?;
    Ok(Keys { events: receiver, _alive: alive })
}

/// The paths of the devices that have a reader. A poisoned lock is taken all the same: an insertion or removal is
/// complete or has not begun.
#[derive(Clone, Debug, Default)]
struct OpenDevices(Arc<Mutex<BTreeSet<PathBuf>>>);

impl OpenDevices {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn scan(directory: &Path, events: &Sender<KeyEvent>, ended: &Receiver<()>) {
    let open = OpenDevices::default();
    loop {
        let found = new_devices(directory, &open.lock());
        for path in found {
            start_reader(path, &open, events);
        }
        if ended.recv_timeout(RESCAN_INTERVAL) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

fn new_devices(directory: &Path, open: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"event"))
        .map(|entry| entry.path())
        .filter(|path| !open.contains(path))
        .collect();
    found.sort();
    found.truncate(DEVICES_LIMIT.saturating_sub(open.len()));
    found
}

fn start_reader(path: PathBuf, open: &OpenDevices, events: &Sender<KeyEvent>) {
    let Ok(device) = File::open(&path) else { return };
    // Inserted before the thread starts: a device that is gone at once must not be inserted after its removal.
    open.lock().insert(path.clone());
    let (events, readers_open, readers_path) = (events.clone(), open.clone(), path.clone());
    let reader = move || {
        report(device, &events);
        readers_open.lock().remove(&readers_path);
    };
    if thread::Builder::new().name("key device".to_owned()).spawn(reader).is_err() {
        open.lock().remove(&path);
    }
}

/// Whether the events of a device are complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Completeness {
    Complete,
    /// After `SYN_DROPPED`: the events up to the next `SYN_REPORT` belong to a report with gaps, and are ignored
    /// (`Documentation/input/event-codes.rst`).
    Dropped,
}

/// Reports a device's keys until the device, or the receiver, is gone.
fn report(mut device: impl Read, events: &Sender<KeyEvent>) {
    const EV_SYN: u16 = 0;
    const SYN_REPORT: u16 = 0;
    const SYN_DROPPED: u16 = 3;
    let mut held = BTreeSet::new();
    let mut completeness = Completeness::Complete;
    let mut record = [0; RECORD];
    while device.read_exact(&mut record).is_ok() {
        match kind_and_code(&record) {
            (EV_SYN, SYN_DROPPED) => {
                completeness = Completeness::Dropped;
                // The kernel's documentation recommends to ask for the keys' state next. A key that is still down is
                // left out instead: it ends its press early, and so can only prevent a reset.
                release(&mut held, events);
            }
            (EV_SYN, SYN_REPORT) => completeness = Completeness::Complete,
            _ => {}
        }
        if completeness == Completeness::Dropped {
            continue;
        }
        let Some(event) = KeyEvent::parse(&record) else { continue };
        match event.motion {
            Motion::Down => held.insert(event.code),
            Motion::Up => held.remove(&event.code),
        };
        if events.send(event).is_err() {
            return;
        }
    }
    release(&mut held, events);
}

/// Reports all keys as released.
fn release(held: &mut BTreeSet<u16>, events: &Sender<KeyEvent>) {
    for code in std::mem::take(held) {
        // A receiver that is gone is found by the next event.
        let _ = events.send(KeyEvent { code, motion: Motion::Up });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::sync::mpsc::channel;

    use super::{KEY_RESTART, KeyEvent, Motion, RECORD, new_devices, report, watch};

    fn record(kind: u16, code: u16, value: i32) -> [u8; RECORD] {
        let mut record = [7; RECORD];
        record[16..18].copy_from_slice(&kind.to_ne_bytes());
        record[18..20].copy_from_slice(&code.to_ne_bytes());
        record[20..24].copy_from_slice(&value.to_ne_bytes());
        record
    }

    fn key(code: u16, motion: Motion) -> KeyEvent {
        KeyEvent { code, motion }
    }

    #[test]
    fn only_keys_going_down_or_up_are_reported() {
        let rows = [
            (record(1, KEY_RESTART, 1), Some(key(KEY_RESTART, Motion::Down))),
            (record(1, KEY_RESTART, 0), Some(key(KEY_RESTART, Motion::Up))),
            (record(1, 59, 1), Some(key(59, Motion::Down))),
            (record(1, 59, 2), None),
            (record(1, 59, -1), None),
            (record(0, 0, 0), None),
            (record(4, 4, 1), None),
            (record(1, 0x110, 1), None),
            (record(1, 0x14a, 1), None),
        ];
        for (bytes, expected) in rows {
            assert_eq!(KeyEvent::parse(&bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_device_that_vanishes_lets_go_of_its_keys() {
        let (events, seen) = channel();
        let mut bytes = record(1, 30, 1).to_vec();
        bytes.extend(record(1, 31, 1));
        bytes.extend(record(1, 31, 0));
        bytes.extend([1, 2, 3]);
        report(&bytes[..], &events);
        drop(events);
        let all: Vec<_> = seen.iter().collect();
        assert_eq!(
            all,
            [key(30, Motion::Down), key(31, Motion::Down), key(31, Motion::Up), key(30, Motion::Up)]
        );
    }

    #[test]
    fn dropped_events_let_go_of_the_keys_and_the_broken_report_is_ignored() {
        let (events, seen) = channel();
        let records = [
            record(1, 30, 1),
            record(0, 0, 0),
            record(0, 3, 0),
            record(1, 31, 1),
            record(0, 0, 0),
            record(1, 32, 1),
            record(0, 0, 0),
            record(1, 30, 0),
            record(1, 32, 0),
        ];
        report(&records.concat()[..], &events);
        drop(events);
        let all: Vec<_> = seen.iter().collect();
        assert_eq!(
            all,
            [
                key(30, Motion::Down),
                key(30, Motion::Up),
                key(32, Motion::Down),
                key(30, Motion::Up),
                key(32, Motion::Up),
            ]
        );
    }

    #[test]
    fn only_event_devices_that_are_not_open_yet_are_new() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["event0", "event1", "mouse0", "by-path"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let open = BTreeSet::from([directory.path().join("event0")]);
        assert_eq!(new_devices(directory.path(), &open), [directory.path().join("event1")]);
        assert!(new_devices(&directory.path().join("missing"), &open).is_empty());
    }

    #[test]
    fn a_device_plugged_in_after_the_start_is_heard() {
        let directory = tempfile::tempdir().unwrap();
        let mut keys = watch(directory.path()).unwrap();
        let file = directory.path().join("event3");
        fs::write(directory.path().join("new"), record(1, KEY_RESTART, 1)).unwrap();
        fs::rename(directory.path().join("new"), file).unwrap();
        assert_eq!(keys.next().unwrap(), key(KEY_RESTART, Motion::Down));
        assert_eq!(keys.next().unwrap(), key(KEY_RESTART, Motion::Up));
    }
}
