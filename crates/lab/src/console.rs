//! The guest's serial console: kept in a file, split into lines, waited on.
//!
//! One `Console` outlives power cuts: every boot adds to the same log, and waits look only at the newest boot.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::clock::{self, Deadline};
use crate::error::{Result, file};

/// Lines of the console in an error's text.
const TAIL_LINES: usize = 40;
/// In bytes; a longer line is split.
const MAX_LINE_LENGTH: usize = 64 * 1024;
/// The beginning of Linux's message at a panic.
const PANIC_MESSAGE: &str = "Kernel panic - not syncing";

/// One line of the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Time from QEMU's start to the line's end.
    pub at: Duration,
    /// The text without control characters and escape sequences.
    pub text: String,
}

/// A position between two lines of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(usize);

/// The console of one guest over all its boots.
#[derive(Clone, Debug)]
pub(crate) struct Console {
    shared: Arc<Shared>,
    log: PathBuf,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    lines: Vec<Line>,
    partial: Vec<u8>,
    boot: Mark,
    connected: bool,
    log: File,
    listener: Option<JoinHandle<()>>,
}

/// The outcome of a wait on the console.
pub(crate) enum WaitOutcome {
    Found(Line),
    TimedOut,
    Panicked,
    Closed,
}

impl Console {
    pub(crate) fn new(log: &Path) -> Result<Self> {
        let opened = File::options().create(true).append(true).open(log);
        let state = State {
            lines: Vec::new(),
            partial: Vec::new(),
            boot: Mark(0),
            connected: false,
            listener: None,
            log: opened.map_err(file("creating the console log", log))?,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        Ok(Self { shared, log: log.into() })
    }

    /// Reads the serial port of a QEMU that was started at `began`; from now on, waits concern this boot only.
    pub(crate) fn attach(&self, port: UnixStream, began: Instant) {
        // The QEMU before has ended, so its listener is about to as well; its last lines belong to the boot before.
        let before = self.lock().listener.take();
        before.map(JoinHandle::join);
        let mut state = self.lock();
        state.boot = Mark(state.lines.len());
        state.partial.clear();
        state.connected = true;
        let shared = Arc::clone(&self.shared);
        state.listener = Some(thread::spawn(move || {
            listen(port, &shared, began);
            shared.lock().connected = false;
            shared.changed.notify_all();
        }));
    }

    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark(self.lock().lines.len())
    }

    pub(crate) fn boot_mark(&self) -> Mark {
        self.lock().boot
    }

    /// Removes the lines after `mark`, as a restored snapshot demands; the log file keeps them.
    pub(crate) fn forget_after(&self, mark: Mark) {
        let mut state = self.lock();
        state.lines.truncate(mark.0);
        state.partial.clear();
    }

    /// The complete lines of the newest boot.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let state = self.lock();
        state.lines.get(state.boot.0..).unwrap_or_default().to_vec()
    }

    /// The complete lines after `mark`, and the mark behind them.
    pub(crate) fn after(&self, mark: Mark) -> (Vec<Line>, Mark) {
        let state = self.lock();
        (state.lines.get(mark.0..).unwrap_or_default().to_vec(), Mark(state.lines.len()))
    }

    /// The newest line of this boot that satisfies `wanted`.
    pub(crate) fn newest(&self, wanted: impl Fn(&str) -> bool) -> Option<Line> {
        let state = self.lock();
        let boot = state.lines.get(state.boot.0..).unwrap_or_default();
        boot.iter().rev().find(|line| wanted(&line.text)).cloned()
    }

    /// The last lines, for an error's text.
    pub(crate) fn tail(&self) -> String {
        let state = self.lock();
        let start = state.lines.len().saturating_sub(TAIL_LINES);
        let mut text = format!("the console's last lines (all of it: {}):\n", self.log.display());
        for line in state.lines.get(start..).unwrap_or_default() {
            text.push_str(&format!("  [{:8.3}] {}\n", line.at.as_secs_f64(), line.text));
        }
        text.push_str(&format!("  > {}", plain(&state.partial)));
        text
    }

    /// Waits for a complete line that satisfies `wanted`, after `since` or in this boot.
    pub(crate) fn wait_for(
        &self,
        wanted: impl Fn(&str) -> bool,
        since: Option<Mark>,
        limit: Duration,
    ) -> WaitOutcome {
        let deadline = Deadline::after(limit);
        let mut state = self.lock();
        let mut next = since.map_or(state.boot, |since| since.max(state.boot)).0;
        loop {
            let fresh = state.lines.get(next..).unwrap_or_default();
            if let Some(line) = fresh.iter().find(|line| wanted(&line.text)) {
                return WaitOutcome::Found(line.clone());
            }
            if fresh.iter().any(|line| line.text.contains(PANIC_MESSAGE)) {
                return WaitOutcome::Panicked;
            }
            next = state.lines.len().max(next);
            if !state.connected {
                return WaitOutcome::Closed;
            }
            let Some(left) = deadline.left() else { return WaitOutcome::TimedOut };
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn listen(mut port: UnixStream, shared: &Shared, began: Instant) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = port.read(&mut buffer) {
        let mut state = shared.lock();
        for &byte in buffer.get(..length).unwrap_or_default() {
            if byte == b'\n' || state.partial.len() >= MAX_LINE_LENGTH {
                let line = Line { at: clock::now() - began, text: plain(&state.partial) };
                // A full disk must not stop the guest: the lines stay in memory, and that is what waits look at.
                let _ = writeln!(state.log, "[{:9.3}] {}", line.at.as_secs_f64(), line.text);
                state.lines.push(line);
                state.partial.clear();
            }
            if byte != b'\n' {
                state.partial.push(byte);
            }
        }
        drop(state);
        shared.changed.notify_all();
    }
}

/// A line's text without control characters and escape sequences; a tabulator becomes a blank.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => skip_sequence(&mut characters),
            '\t' => out.push(' '),
            control if control.is_control() => {}
            printed => out.push(printed),
        }
    }
    out
}

/// ECMA-48: `ESC [` parameters and a final byte, `ESC ]` text up to BEL, or `ESC` and one character.
fn skip_sequence(characters: &mut std::str::Chars<'_>) {
    match characters.next() {
        Some('[') => while characters.next().is_some_and(|next| !('\u{40}'..='\u{7e}').contains(&next)) {},
        Some(']') => while characters.next().is_some_and(|next| next != '\u{7}') {},
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attached() -> (Console, UnixStream, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let console = Console::new(&folder.path().join("console.log")).unwrap();
        let (guest, lab) = UnixStream::pair().unwrap();
        console.attach(lab, clock::now());
        (console, guest, folder)
    }

    fn found(waited: WaitOutcome) -> String {
        match waited {
            WaitOutcome::Found(line) => line.text,
            WaitOutcome::TimedOut => "timed out".into(),
            WaitOutcome::Panicked => "panicked".into(),
            WaitOutcome::Closed => "closed".into(),
        }
    }

    fn with(text: &str) -> impl Fn(&str) -> bool + '_ {
        move |line| line.contains(text)
    }

    const LIMIT: Duration = Duration::from_secs(60);

    #[test]
    fn escape_sequences_and_carriage_returns_are_not_text() {
        assert_eq!(plain(b"\x1b[2J\x1b[1;1Hhearth: \x1b[1mready\x1b[0m\r"), "hearth: ready");
        assert_eq!(plain("█▀ ▄█".as_bytes()), "█▀ ▄█");
    }

    #[test]
    fn a_line_is_found_whether_it_came_before_or_after_the_wait_began() {
        let (console, mut guest, _folder) = attached();
        guest.write_all(b"first\r\nsecond 2\r\n").unwrap();
        assert_eq!(found(console.wait_for(with("second"), None, LIMIT)), "second 2");
        assert_eq!(found(console.wait_for(with("first"), None, LIMIT)), "first");
        let mark = console.mark();
        assert_eq!(
            found(console.wait_for(with("first"), Some(mark), Duration::from_millis(10))),
            "timed out"
        );
        guest.write_all(b"first again\n").unwrap();
        assert_eq!(found(console.wait_for(with("first"), Some(mark), LIMIT)), "first again");
    }

    #[test]
    fn a_panic_or_a_closed_console_ends_the_wait_early() {
        let (console, mut guest, _folder) = attached();
        guest.write_all(b"Kernel panic - not syncing: VFS\n").unwrap();
        assert_eq!(found(console.wait_for(with("hearth: ready"), None, LIMIT)), "panicked");
        drop(guest);
        assert_eq!(found(console.wait_for(with("never"), Some(console.mark()), LIMIT)), "closed");
    }

    #[test]
    fn a_new_boot_hides_the_lines_of_the_one_before_but_the_log_keeps_both() {
        let (console, mut guest, folder) = attached();
        guest.write_all(b"hearth: ready\n").unwrap();
        assert_eq!(found(console.wait_for(with("ready"), None, LIMIT)), "hearth: ready");
        drop(guest);
        let (mut guest, lab) = UnixStream::pair().unwrap();
        console.attach(lab, clock::now());
        guest.write_all(b"booting\n").unwrap();
        assert_eq!(found(console.wait_for(with("booting"), None, LIMIT)), "booting");
        assert!(console.newest(with("ready")).is_none());
        let log = std::fs::read_to_string(folder.path().join("console.log")).unwrap();
        assert!(log.contains("hearth: ready") && log.contains("booting"), "{log}");
    }
}
