//! The mail server as a child process: started without rights, with a second pipe for init's messages to it.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use ipc::appliance::{LINE_LIMIT, ToServe};
use ipc::lines;

use super::child::{Child, HEARTH, Process, spawn};
use super::disk::data::SERVER_ID;
use super::event::Event;
use super::log::{Log, LogSource};
use super::owner_file::FOR_SERVER;

/// The configuration that init writes for it.
pub(super) const CONFIGURATION: &str = "/run/hearth/hearth.toml";
/// The server's environment. glibc keeps what was freed for itself, ever more after the first large block; with a fixed
/// threshold larger blocks go back to Linux, so that one huge mailbox does not cost memory for ever.
const ENVIRONMENT: [(&str, &str); 1] = [("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=524288")];
/// Messages that wait for a server that does not read; further ones are dropped.
const QUEUE_LENGTH: usize = 64;

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    messages: SyncSender<ToServe>,
}

impl Server {
    /// Starts the server; its messages arrive as events.
    pub(super) fn start(events: &SyncSender<Event>, log: &Log) -> io::Result<Self> {
        let mut command = Command::new(HEARTH);
        command.args(["serve", "--config", CONFIGURATION, "--appliance"]);
        if Path::new(FOR_SERVER).exists() {
            command.args(["--owner-file", FOR_SERVER]);
        }
        // A changed user loses every capability and every supplementary group; no_new_privs is inherited from init.
        command.uid(SERVER_ID).gid(SERVER_ID);
        Self::start_command(command, events, log)
    }

    fn start_command(mut command: Command, events: &SyncSender<Event>, log: &Log) -> io::Result<Self> {
        let events = events.clone();
        let deliver = move |pid, message| events.send(Event::Server(pid, message)).is_ok();
        command.env_clear().envs(ENVIRONMENT).stdin(Stdio::piped());
        let (child, stdin) = Child::start(&mut command, LogSource::Server, LINE_LIMIT, log, deliver)?;
        let (messages, queue) = sync_channel(QUEUE_LENGTH);
        if let Some(pipe) = stdin {
            spawn(child.pid(), "to server".to_owned(), move || write_messages(pipe, &queue))?;
        }
        Ok(Self { child, messages })
    }

    /// Sends it a message. A server that does not read misses it.
    pub(super) fn tell(&self, message: ToServe) {
        let _ = self.messages.try_send(message);
    }
}

impl Process for Server {
    fn child(&self) -> &Child {
        &self.child
    }

    fn ask_to_stop(&self) {
        self.tell(ToServe::Stop);
    }
}

fn write_messages(mut pipe: ChildStdin, queue: &Receiver<ToServe>) {
    for message in queue {
        let Ok(line) = lines::encode(&message) else { continue };
        if pipe.write_all(&line).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::mpsc::sync_channel;

    use ipc::appliance::{ToInit, ToServe};
    use pairing::{DisplayStatus, LedState};
    use rustix::process::{WaitOptions, waitpid};

    use super::{Process, Server};
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
            [ "$answer" = '"stop"' ] && echo 'SCREEN'
        "#;
        let status = DisplayStatus {
            name: "hearth-1a2b.local".to_owned(),
            addresses: Vec::new(),
            led: LedState::Ready,
            accounts: 1,
            version: "0.1.0".to_owned(),
            troubles: Vec::new(),
            code: None,
        };
        let screen = ToInit::Screen(Box::new(status));
        let script = script.replace("SCREEN", &serde_json::to_string(&screen).unwrap());
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &script]);
        let (events, received) = sync_channel(1);
        let log = Log::new(Consoles::none(), None);
        let server = Server::start_command(command, &events, &log).unwrap();
        drop(events);
        let next = || match received.recv().unwrap() {
            Event::Server(pid, message) => {
                assert_eq!(pid, server.child().pid());
                message
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(next(), ToInit::Ready);
        assert_eq!(next(), ToInit::Led(LedState::Ready));
        server.tell(ToServe::Stop);
        assert_eq!(next(), screen);
        assert!(received.recv().is_err(), "the pipe ends with the server");
        let _ = waitpid(Some(server.child().pid()), WaitOptions::empty());
        assert_eq!(server.child().stderr_tail(), ["last word"]);
    }
}
