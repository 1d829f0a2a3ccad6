//! The mail server as a child process: started without rights, heard and spoken to over its two pipes. When it is
//! started and stopped is decided in `supervision.rs`.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use ipc::appliance::{LINE_LIMIT, ToServe};
use ipc::lines::{self, Line, Lines};
use rustix::process::{Pid, Signal, kill_process};

use super::disk::data::SERVER_ID;
use super::event::Event;
use super::log::Log;

/// The one binary.
const HEARTH: &str = "/sbin/hearth";
/// The configuration that init writes for it.
pub(super) const CONFIGURATION: &str = "/run/hearth/hearth.toml";
/// All that the server's environment holds. glibc keeps what was freed for itself, ever more after the first large
/// block; with a fixed threshold larger blocks go back to Linux, so that one huge mailbox does not cost memory for ever.
const ENVIRONMENT: [(&str, &str); 1] = [("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=524288")];
/// Messages to a server that does not read; further ones are dropped.
const QUEUE_LENGTH: usize = 64;
/// A line of the server's own log.
const LOG_LINE_LIMIT: usize = 4096;
/// The server's last words, kept for the trouble file.
const STDERR_TAIL_LINES: usize = 10;
/// How long they may take to arrive.
const STDERR_TAIL_TIMEOUT: Duration = Duration::from_millis(500);

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    pid: Pid,
    messages: SyncSender<ToServe>,
    stderr_tail: Arc<Mutex<VecDeque<String>>>,
    log_end: Receiver<()>,
}

impl Server {
    /// Starts the server; what it says comes as events.
    pub(super) fn start(events: &Sender<Event>, log: &Log) -> io::Result<Self> {
        let mut command = Command::new(HEARTH);
        command.args(["serve", "--config", CONFIGURATION, "--appliance"]);
        Self::start_command(command, Some(SERVER_ID), events, log)
    }

    fn start_command(
        mut command: Command,
        user: Option<u32>,
        events: &Sender<Event>,
        log: &Log,
    ) -> io::Result<Self> {
        // A changed user loses every capability and every supplementary group; no_new_privs is inherited from init.
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        let mut child = command
            .env_clear()
            .envs(ENVIRONMENT)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        // Init reaps all its children itself; this handle is only good for its pipes.
        let pid = Pid::from_child(&child);
        let (messages, queue) = sync_channel(QUEUE_LENGTH);
        let stderr_tail = Arc::new(Mutex::new(VecDeque::new()));
        if let Some(pipe) = child.stdin.take() {
            spawn("to server", move || write_messages(pipe, &queue))?;
        }
        if let Some(pipe) = child.stdout.take() {
            let (events, log) = (events.clone(), log.clone());
            spawn("from server", move || read_messages(pipe, pid, &events, &log))?;
        }
        let (log_ended, log_end) = sync_channel::<()>(0);
        if let Some(pipe) = child.stderr.take() {
            let (tail, log) = (Arc::clone(&stderr_tail), log.clone());
            spawn("server log", move || {
                read_log(pipe, &tail, &log);
                drop(log_ended);
            })?;
        }
        Ok(Self { pid, messages, stderr_tail, log_end })
    }

    /// Its process.
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Tells it something. A server that does not listen misses it.
    pub(super) fn tell(&self, message: ToServe) {
        let _ = self.messages.try_send(message);
    }

    /// Sends it a signal.
    pub(super) fn signal(&self, signal: Signal) {
        // It may be gone already; its end is on its way as an event.
        let _ = kill_process(self.pid, signal);
    }

    /// The end of its log, after it has ended.
    pub(super) fn stderr_tail(&self) -> Vec<String> {
        // What it wrote last may still be on its way through the pipe.
        let _ = self.log_end.recv_timeout(STDERR_TAIL_TIMEOUT);
        self.stderr_tail.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

fn write_messages(mut pipe: ChildStdin, queue: &Receiver<ToServe>) {
    for message in queue {
        let Ok(line) = lines::encode(&message) else { continue };
        if pipe.write_all(&line).is_err() {
            return;
        }
    }
}

fn read_messages(pipe: impl Read, pid: Pid, events: &Sender<Event>, log: &Log) {
    for line in Lines::new(pipe, LINE_LIMIT) {
        match line.decode() {
            Ok(message) => {
                if events.send(Event::Server(pid, message)).is_err() {
                    return;
                }
            }
            Err(error) => log.say(format!("a message from the server is dropped: {error}")),
        }
    }
}

fn read_log(pipe: impl Read, stderr_tail: &Mutex<VecDeque<String>>, log: &Log) {
    for line in Lines::new(pipe, LOG_LINE_LIMIT) {
        let Line::Whole(bytes) = line else { continue };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        log.server_says(&text);
        let mut tail = stderr_tail.lock().unwrap_or_else(PoisonError::into_inner);
        if tail.len() == STDERR_TAIL_LINES {
            tail.pop_front();
        }
        tail.push_back(text);
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::mpsc::channel;

    use ipc::appliance::{ToInit, ToServe};
    use pairing::LedState;

    use super::Server;
    use crate::console::Consoles;
    use crate::event::Event;
    use crate::log::Log;

    /// A stand-in for the server: a shell that speaks the same language.
    #[test]
    fn messages_pass_in_both_directions_and_nonsense_is_dropped() {
        let script = r#"
            echo '"ready"'; echo 'nonsense'; echo '{"led":"ready"}'; echo 'last word' >&2
            read answer
            case "$GLIBC_TUNABLES" in *mmap_threshold*) ;; *) exit ;; esac
            [ "$answer" = '"stop"' ] && printf '{"screen":"bye"}\n'
        "#;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        let (events, received) = channel();
        let log = Log::new(Consoles::none(), None);
        let server = Server::start_command(command, None, &events, &log).unwrap();
        drop(events);
        let next = || match received.recv().unwrap() {
            Event::Server(pid, message) => {
                assert_eq!(pid, server.pid());
                message
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(next(), ToInit::Ready);
        assert_eq!(next(), ToInit::Led(LedState::Ready));
        server.tell(ToServe::Stop);
        assert_eq!(next(), ToInit::Screen("bye".to_owned()));
        assert!(received.recv().is_err(), "the pipe ends with the server");
        let _ = rustix::process::waitpid(Some(server.pid()), rustix::process::WaitOptions::empty());
    }
}
