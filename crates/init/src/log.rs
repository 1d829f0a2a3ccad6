//! Init's log: to the kernel's ring buffer, to the consoles, and to a capped file on the data partition.
//!
//! A line on a console looks like the kernel's own: `[   3.214] hearth: data partition created`. The file on the
//! data partition is for the next start: [`Log::keep_trouble`] writes it through, everything else may lose its last
//! seconds in a power cut.
//!
//! The lines that a child process causes are limited in number, for each child by itself (`log_rate.rs`).

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::console::Consoles;
use super::log_rate::{Admission, LogRate};
use host::clock::uptime;

/// Lines kept in memory until the data partition is there.
const EARLY_LINES: usize = 200;
/// Bytes of a log file before it becomes the old one.
const FILE_LIMIT: u64 = 256 * 1024;
/// Bytes of a line; the kernel's ring buffer takes less than 1 KiB.
const LINE_LIMIT: usize = 900;
/// Lines of the last trouble shown at the next start.
const TROUBLE_SHOWN: usize = 12;

/// A handle to the log. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Log {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    consoles: Consoles,
    kernel: Option<File>,
    kept: Mutex<Kept>,
    rates: Mutex<BTreeMap<LogSource, LogRate>>,
}

#[derive(Debug)]
enum Kept {
    Early(VecDeque<String>),
    File { log: RotatingFile, directory: PathBuf },
    Closed,
}

/// The origin of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LogSource {
    /// Init itself: shown on the consoles too.
    Init,
    /// The mail server's own log: not for the consoles.
    Server,
    /// The log of the network's configuration process: not for the consoles.
    Configuration,
    /// The log of the responder: not for the consoles.
    Responder,
    /// The log of the time client: not for the consoles.
    Time,
    /// The log of the processes that read and answer the owner's file: not for the consoles.
    OwnerFile,
}

impl Log {
    /// A log to these consoles and to the kernel's ring buffer `kernel` (`/dev/kmsg`).
    pub(super) fn new(consoles: Consoles, kernel: Option<File>) -> Self {
        let kept = Mutex::new(Kept::Early(VecDeque::new()));
        Self { inner: Arc::new(Inner { consoles, kernel, kept, rates: Mutex::default() }) }
    }

    /// Logs one line.
    pub(super) fn say(&self, message: impl AsRef<str>) {
        self.write(LogSource::Init, message.as_ref());
    }

    /// Logs a line of a child's own log, unless there are too many.
    pub(super) fn pass_on(&self, source: LogSource, line: &str) {
        if self.admits(source) {
            self.write(source, line);
        }
    }

    /// Logs one line of init's own about a message of a child, unless there are too many; they count as the child's.
    pub(super) fn say_for(&self, source: LogSource, message: impl AsRef<str>) {
        if self.admits(source) {
            self.say(message);
        }
    }

    /// Decides about a line that a child has caused, by the child's rate.
    fn admits(&self, source: LogSource) -> bool {
        let now = uptime();
        let admission = self.rates().entry(source).or_insert_with(|| LogRate::new(now)).admit(now);
        if let Admission::PassAfter(dropped) = admission {
            self.say_dropped(source, dropped);
        }
        admission != Admission::Drop
    }

    /// The child's log has ended: no later line tells how many were dropped.
    pub(super) fn end_of(&self, source: LogSource) {
        let dropped = self.rates().get_mut(&source).map_or(0, LogRate::take_dropped);
        if dropped != 0 {
            self.say_dropped(source, dropped);
        }
    }

    fn say_dropped(&self, source: LogSource, dropped: u64) {
        self.write(source, &format!("{dropped} lines were dropped"));
    }

    fn rates(&self) -> MutexGuard<'_, BTreeMap<LogSource, LogRate>> {
        self.inner.rates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The consoles, for screens.
    pub(super) fn consoles(&self) -> &Consoles {
        &self.inner.consoles
    }

    /// From now on the log is also kept in `directory`, with what was said so far. Returns the last lines of what the
    /// start before this one left there about trouble.
    pub(super) fn keep_in(&self, directory: &Path) -> io::Result<Vec<String>> {
        fs::create_dir_all(directory)?;
        let mut log = RotatingFile::open(directory.join("hearth.log"), FILE_LIMIT)?;
        let mut kept = self.kept();
        if let Kept::Early(lines) = &*kept {
            log.line("---- start ----");
            lines.iter().for_each(|line| log.line(line));
        }
        *kept = Kept::File { log, directory: directory.to_owned() };
        drop(kept);
        Ok(take_trouble(directory))
    }

    /// Writes down, through to the disk, what went wrong, so that the next start can show it.
    pub(super) fn keep_trouble(&self, lines: &[String]) {
        let Kept::File { directory, .. } = &*self.kept() else { return };
        let written = RotatingFile::open(directory.join(TROUBLE_FILE), FILE_LIMIT).and_then(|mut file| {
            lines.iter().for_each(|line| file.line(line));
            file.file.sync_data()
        });
        if let Err(error) = written {
            self.inner.to_kernel(LogSource::Init, &format!("the trouble file cannot be written: {error}"));
        }
    }

    /// Ends the file on the data partition, which is about to be unmounted.
    pub(super) fn close_file(&self) {
        *self.kept() = Kept::Closed;
    }

    fn write(&self, source: LogSource, message: &str) {
        let message: String = printable(message);
        self.inner.to_kernel(source, &message);
        let since = uptime();
        let name = source.name();
        let line = format!("[{:5}.{:03}] {name}: {message}", since.as_secs(), since.subsec_millis());
        match &mut *self.kept() {
            Kept::Early(lines) => {
                if lines.len() == EARLY_LINES {
                    lines.pop_front();
                }
                lines.push_back(line.clone());
            }
            Kept::File { log, .. } => log.line(&line),
            Kept::Closed => {}
        }
        if source == LogSource::Init {
            self.inner.consoles.line(line);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.inner.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the consoles have shown everything.
    pub(super) fn flush(&self) {
        self.inner.consoles.flush(Duration::from_secs(3));
    }
}

impl Inner {
    fn to_kernel(&self, source: LogSource, message: &str) {
        // Facility "daemon", level "notice": kept by the kernel, and not printed by it, since we do that ourselves.
        let line = format!("<29>{}: {message}\n", source.name());
        if let Some(mut kernel) = self.kernel.as_ref() {
            let _ = kernel.write_all(line.as_bytes());
        }
    }
}

impl LogSource {
    /// The name in front of its lines.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Init => "hearth",
            Self::Server => "hearth-serve",
            Self::Configuration | Self::Responder | Self::Time => "hearth-network",
            Self::OwnerFile => "hearth-owner-file",
        }
    }
}

const TROUBLE_FILE: &str = "trouble.log";

/// Moves the trouble of earlier starts out of the way and returns its end.
fn take_trouble(directory: &Path) -> Vec<String> {
    let path = directory.join(TROUBLE_FILE);
    let Ok(text) = fs::read(&path) else { return Vec::new() };
    // If this fails the same trouble is shown again at the next start, which does no harm.
    let _ = fs::rename(&path, directory.join("trouble.shown.log"));
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(TROUBLE_SHOWN)).map(|line| (*line).to_owned()).collect()
}

/// One line, of bounded length, without control characters that could confuse a terminal.
fn printable(message: &str) -> String {
    message.trim_end().chars().take(LINE_LIMIT).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A log file of bounded size: a full one is renamed to `NAME.1`, over the one before.
#[derive(Debug)]
struct RotatingFile {
    path: PathBuf,
    file: File,
    size: u64,
    limit: u64,
}

impl RotatingFile {
    fn open(path: PathBuf, limit: u64) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        let size = file.metadata()?.len();
        Ok(Self { path, file, size, limit })
    }

    /// Appends a line. A disk that is full or broken costs the line: a log must not stop what it tells about.
    fn line(&mut self, line: &str) {
        if self.size >= self.limit {
            self.rotate();
        }
        if self.file.write_all(format!("{line}\n").as_bytes()).is_ok() {
            self.size = self.size.saturating_add(line.len() as u64 + 1);
        }
    }

    fn rotate(&mut self) {
        let mut old = self.path.clone().into_os_string();
        old.push(".1");
        let fresh = fs::rename(&self.path, old).and_then(|()| Self::open(self.path.clone(), self.limit));
        match fresh {
            Ok(fresh) => *self = fresh,
            // Not growing is more important than the old lines.
            Err(_) => self.size = self.file.set_len(0).map_or(self.size, |()| 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Log, LogSource, RotatingFile, printable};
    use crate::console::Consoles;

    #[test]
    fn the_file_holds_what_was_said_before_it_was_there() {
        let directory = tempfile::tempdir().unwrap();
        let log = Log::new(Consoles::none(), None);
        log.say("early");
        assert!(log.keep_in(directory.path()).unwrap().is_empty());
        log.say("late");
        log.pass_on(LogSource::Server, "mail");
        log.close_file();
        log.say("too late");
        let text = fs::read_to_string(directory.path().join("hearth.log")).unwrap();
        let said: Vec<_> =
            text.lines().filter_map(|line| line.split_once("] ")).map(|(_, said)| said).collect();
        assert_eq!(said, ["hearth: early", "hearth: late", "hearth-serve: mail"]);
    }

    #[test]
    fn a_flood_of_one_child_is_cut_and_no_other_line_is() {
        let directory = tempfile::tempdir().unwrap();
        let log = Log::new(Consoles::none(), None);
        log.keep_in(directory.path()).unwrap();
        for _ in 0..1000 {
            log.pass_on(LogSource::Responder, "flood");
            log.say_for(LogSource::Responder, "name: flood");
        }
        log.end_of(LogSource::Responder);
        log.end_of(LogSource::Configuration);
        log.pass_on(LogSource::Configuration, "bound");
        log.say("init");
        let text = fs::read_to_string(directory.path().join("hearth.log")).unwrap();
        let flood = text.lines().filter(|line| line.ends_with("flood")).count();
        // The bucket fills while the test runs.
        assert!((100..1000).contains(&flood), "{flood} lines");
        assert!(text.contains(" lines were dropped\n"));
        assert!(text.contains("hearth-network: bound\n") && text.contains("hearth: init\n"));
    }

    #[test]
    fn trouble_is_shown_once_at_the_next_start() {
        let directory = tempfile::tempdir().unwrap();
        let log = Log::new(Consoles::none(), None);
        log.keep_in(directory.path()).unwrap();
        log.keep_trouble(&["server ended by signal 11".to_owned(), "its last words".to_owned()]);
        let next = || Log::new(Consoles::none(), None).keep_in(directory.path()).unwrap();
        assert_eq!(next(), ["server ended by signal 11", "its last words"]);
        assert!(next().is_empty());
    }

    #[test]
    fn a_full_file_becomes_the_old_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut file = RotatingFile::open(path.clone(), 10).unwrap();
        for line in ["aaaa", "bbbb", "cccc", "dddd", "eeee"] {
            file.line(line);
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "eeee\n");
        assert_eq!(fs::read_to_string(directory.path().join("log.1")).unwrap(), "cccc\ndddd\n");
    }

    #[test]
    fn a_line_is_one_line_and_bounded() {
        assert_eq!(printable("a\x1b[2Jb\r\nc\n"), "a [2Jb  c");
        assert_eq!(printable(&"é".repeat(5000)).chars().count(), 900);
    }
}
