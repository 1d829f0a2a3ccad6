//! A child process: its messages arrive on its standard output, one JSON object a line, and its log on its standard
//! error. When it is started and stopped is decided in `supervision.rs`.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::process::{self, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use ipc::lines::{Line, Lines};
use rustix::fs::OFlags;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;

use super::log::{Log, LogSource};

/// The one binary of the box: init, server and network processes.
pub(super) const HEARTH: &str = "/sbin/hearth";
/// The longest line of a child's log, in bytes; a longer one is dropped.
const LOG_LINE_LIMIT: usize = 4096;
/// The last lines of a child's log that are kept to explain its end.
const STDERR_TAIL_LINES: usize = 10;
/// The longest wait for these lines to arrive after the child has ended.
const STDERR_TAIL_TIMEOUT: Duration = Duration::from_millis(500);

/// Bytes that a pipe holds if nothing else is asked for (`pipe(7)`).
const PIPE_SIZE: usize = 64 * 1024;

/// A running child process.
#[derive(Debug)]
pub(super) struct Child {
    pid: Pid,
    stderr_tail: Arc<Mutex<VecDeque<String>>>,
    stderr_end: Receiver<()>,
}

impl Child {
    /// Starts `command` with an empty environment but for what it sets itself. `deliver` is called with each message, in
    /// a thread of its own, until it returns false. The child's standard input is returned if `command` asks for a pipe.
    /// After an error no child is left.
    pub(super) fn start<M: DeserializeOwned>(
        command: &mut Command,
        source: LogSource,
        line_limit: usize,
        log: &Log,
        deliver: impl FnMut(Pid, M) -> bool + Send + 'static,
    ) -> io::Result<(Self, Option<ChildStdin>)> {
        let mut process: process::Child =
            command.current_dir("/").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        // Init reaps all its children itself (`event_loop.rs`); this handle is only good for its pipes.
        let pid = Pid::from_child(&process);
        let stderr_tail = Arc::new(Mutex::new(VecDeque::new()));
        let name = source.name();
        if let Some(pipe) = process.stdout.take() {
            let log = log.clone();
            spawn(pid, format!("{name} out"), move || {
                read_messages(pipe, pid, line_limit, source, &log, deliver);
            })?;
        }
        let (stderr_ended, stderr_end) = sync_channel::<()>(0);
        if let Some(pipe) = process.stderr.take() {
            let (tail, log) = (Arc::clone(&stderr_tail), log.clone());
            spawn(pid, format!("{name} log"), move || {
                read_log(pipe, source, &tail, &log);
                drop(stderr_ended);
            })?;
        }
        Ok((Self { pid, stderr_tail, stderr_end }, process.stdin.take()))
    }

    /// Its process ID.
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends it a signal.
    pub(super) fn signal(&self, signal: Signal) {
        // It may be gone already; SIGCHLD is on its way then.
        let _ = kill_process(self.pid, signal);
    }

    /// The last lines of its log, once it has ended.
    pub(super) fn stderr_tail(&self) -> Vec<String> {
        // The last lines may still be on their way through the pipe.
        let _ = self.stderr_end.recv_timeout(STDERR_TAIL_TIMEOUT);
        self.stderr_tail.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// A running child process of some kind.
pub(super) trait Process {
    /// The child.
    fn child(&self) -> &Child;
    /// Asks it to end by itself.
    fn ask_to_stop(&self);
}

impl Process for Child {
    fn child(&self) -> &Child {
        self
    }

    fn ask_to_stop(&self) {
        self.signal(Signal::TERM);
    }
}

/// Starts a thread that serves a pipe of the child `pid`. A child without it is of no use, and nothing supervises it: it
/// is killed.
pub(super) fn spawn(pid: Pid, name: String, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    keep_if(pid, thread::Builder::new().name(name).spawn(work).map(drop))
}

/// Kills the child `pid` after an error. The event loop reaps it with the orphans.
fn keep_if(pid: Pid, result: io::Result<()>) -> io::Result<()> {
    result.inspect_err(|_| {
        let _ = kill_process(pid, Signal::KILL);
    })
}

/// A pipe that holds the bytes already, for a child's standard input, and has no writer any more.
pub(super) fn filled_pipe(bytes: &[u8]) -> io::Result<Stdio> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    if bytes.len() > PIPE_SIZE {
        fcntl_setpipe_size(&writer, bytes.len())?;
    }
    if rustix::io::write(&writer, bytes)? < bytes.len() {
        return Err(io::ErrorKind::WriteZero.into());
    }
    rustix::fs::fcntl_setfl(&reader, OFlags::empty())?;
    Ok(reader.into())
}

fn read_messages<M: DeserializeOwned>(
    pipe: impl Read,
    pid: Pid,
    line_limit: usize,
    source: LogSource,
    log: &Log,
    mut deliver: impl FnMut(Pid, M) -> bool,
) {
    for line in Lines::new(pipe, line_limit) {
        match line.decode() {
            Ok(message) => {
                if !deliver(pid, message) {
                    return;
                }
            }
            Err(error) => {
                log.say_for(source, format!("a message of {} is dropped: {error}", source.name()));
            }
        }
    }
}

fn read_log(pipe: impl Read, source: LogSource, tail: &Mutex<VecDeque<String>>, log: &Log) {
    for line in Lines::new(pipe, LOG_LINE_LIMIT) {
        let Line::Whole(bytes) = line else { continue };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        log.pass_on(source, &text);
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        if tail.len() == STDERR_TAIL_LINES {
            tail.pop_front();
        }
        tail.push_back(text);
    }
    log.end_of(source);
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use rustix::process::{Pid, Signal};

    use super::keep_if;

    #[test]
    fn a_child_whose_thread_cannot_be_started_is_killed() {
        let mut sleeper = Command::new("/bin/sleep").arg("1000").spawn().unwrap();
        let pid = Pid::from_child(&sleeper);
        keep_if(pid, Ok(())).unwrap();
        assert!(sleeper.try_wait().unwrap().is_none(), "it runs");
        assert!(keep_if(pid, Err(io::ErrorKind::WouldBlock.into())).is_err());
        assert_eq!(sleeper.wait().unwrap().signal(), Some(Signal::KILL.as_raw()));
    }
}
