//! The owner's files on the card's boot partition: read at the start of the box, and answered on the card when the server has
//! said what became of its own.
//!
//! | process | user | standard input | does |
//! |---|---|---|---|
//! | `hearth owner-file read` | 1004 | the partition, read-only | prints a JSON line for each file |
//! | `hearth owner-file tunnel` | 1004 | the line of `wireguard.conf`, and the text kept of it | prints a JSON line |
//! | `hearth owner-file finish` | 1004 | the partition | masks secrets, writes the report |
//!
//! All are this binary, have no capabilities and `no_new_privs`, can start nothing, and end soon or are killed. What the
//! first one prints goes to the server's file, and to the second process (`tunnel_file.rs`), without being looked into: no
//! file system and no text is parsed here.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ipc::appliance::OwnerFileResult;
use ipc::network::Tunnel;
use ipc::owner::TunnelVerdict;
use rustix::process::{Pid, Signal, WaitStatus};
use rustix::thread::CapabilitySet;
use serde::de::IgnoredAny;

use super::child::Child;
use super::disk::data::SERVER_ID;
use super::disk::find::boot_device;
use super::log::{Log, LogSource};
use super::owner_process::{OWNER_FILE_ID, command, lines_of};
use super::parameters::PartitionIdentity;
use super::persistent_state::PersistentState;
use super::restriction::restrict;
use super::tunnel_file::TunnelFile;

/// The owner's `hearth.toml` for the server, as [`ipc::appliance::OwnerFile`].
pub(super) const FOR_SERVER: &str = "/run/hearth/owner.json";
/// The longest time for reading. The server waits for it; a healthy card takes some milliseconds.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest time for masking and answering, in which the whole partition may be read.
const FINISH_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest line that the finishing process may print; it prints none.
const NO_LINE: usize = 64;

/// The boot partition, and the process that works on it after the server's answer.
#[derive(Debug)]
pub(super) struct OwnerFile {
    device: Option<PathBuf>,
    tunnel: TunnelFile,
    answer: Answer,
    work: Option<Work>,
}

/// The answer of the server that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Awaited,
    Taken,
}

/// A running process.
#[derive(Debug)]
struct Work {
    child: Child,
    ends: Duration,
}

impl OwnerFile {
    /// Finds the boot partition, has the owner's settings read for the server, and takes over the owner's tunnel. Without
    /// them the box starts as well.
    pub(super) fn find(boot: Option<PartitionIdentity>, state: Option<&PersistentState>, log: &Log) -> Self {
        let device = boot.and_then(boot_device);
        let lines = match &device {
            None => Err(io::Error::other("the boot partition was not found")),
            Some(device) => read(device, log),
        };
        let mut found = TunnelFile::default();
        let kept = lines.and_then(|[settings, tunnel]| {
            // Settings that cannot be kept for the server are no reason to leave the tunnel.
            found = TunnelFile::take_over(&tunnel, state, log);
            keep_for_server(Path::new(FOR_SERVER), &settings)
        });
        if let Err(error) = kept {
            log.say(format!("the owner's file is not read: {error}"));
        }
        Self { device, tunnel: found, answer: Answer::Awaited, work: None }
    }

    /// The owner's tunnel, before anything is known of its other end.
    pub(super) fn tunnel(&self) -> Option<Tunnel> {
        self.tunnel.tunnel()
    }

    /// Whether the owner's `wireguard.conf` has errors.
    pub(super) fn is_tunnel_refused(&self) -> bool {
        self.tunnel.verdict == TunnelVerdict::Refused
    }

    /// A new server runs, which may answer once.
    pub(super) fn server_started(&mut self) {
        self.answer = Answer::Awaited;
    }

    /// Has the server's answer carried out on the card.
    pub(super) fn finish(&mut self, result: &OwnerFileResult, now: Duration, log: &Log) {
        let Some(device) = &self.device else { return };
        if self.answer == Answer::Taken || self.work.is_some() {
            log.say_for(LogSource::Server, "a second answer to the owner's file is dropped");
            return;
        }
        self.answer = Answer::Taken;
        let device = OpenOptions::new().read(true).write(true).open(device);
        let started =
            device.and_then(|device| start_finishing(command("finish"), device, result, &self.tunnel, log));
        match started {
            Ok(child) => self.work = Some(Work { child, ends: now + FINISH_TIMEOUT }),
            Err(error) => log.say(format!(
                "the owner's file cannot be answered on the card: {error}; is the card's lock switch on?"
            )),
        }
    }

    /// True for the ID of the process that runs.
    pub(super) fn is(&self, pid: Pid) -> bool {
        self.work.as_ref().is_some_and(|work| work.child.pid() == pid)
    }

    /// The process has ended and was reaped.
    pub(super) fn ended(&mut self, status: WaitStatus, log: &Log) {
        let Some(work) = self.work.take() else { return };
        if status.exit_status() != Some(0) {
            log.say("the owner's file was not answered on the card:");
            work.child.stderr_tail().iter().for_each(|line| log.say(format!("  {line}")));
        }
    }

    /// Kills a process that takes too long.
    pub(super) fn tick(&mut self, now: Duration, log: &Log) {
        if let Some(work) = self.work.as_mut().filter(|work| work.ends <= now) {
            log.say_for(LogSource::OwnerFile, "the card takes too long for the owner's file");
            work.child.signal(Signal::KILL);
            work.ends = now + FINISH_TIMEOUT;
        }
    }

    /// The time of the next [`Self::tick`].
    pub(super) fn wake_at(&self) -> Option<Duration> {
        self.work.as_ref().map(|work| work.ends)
    }
}

/// Takes all rights from the calling process, which must be one of these, and most resources. It can make no file longer
/// than `file_size` bytes; devices have no such limit.
///
/// # Errors
///
/// When the kernel does not take them.
pub fn restrict_owner_file(file_size: u64) -> anyhow::Result<()> {
    restrict(OWNER_FILE_ID, CapabilitySet::empty(), file_size)
}

/// The lines of `hearth.toml` and of `wireguard.conf`.
fn read(device: &Path, log: &Log) -> io::Result<[Vec<u8>; 2]> {
    let mut command = command("read");
    command.stdin(File::open(device)?);
    lines_of(command, READ_TIMEOUT, log)
}

/// Writes the line where only the server can read it.
fn keep_for_server(path: &Path, line: &[u8]) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o400).open(path)?;
    file.write_all(line)?;
    file.write_all(b"\n")?;
    chown(path, Some(SERVER_ID), Some(SERVER_ID))
}

fn start_finishing(
    mut command: Command,
    device: File,
    result: &OwnerFileResult,
    tunnel: &TunnelFile,
    log: &Log,
) -> io::Result<Child> {
    if result.imported {
        command.arg("--imported");
    }
    if tunnel.verdict == TunnelVerdict::Taken {
        command.arg("--tunnel-imported");
    }
    let reports = [&*result.report, &*tunnel.report];
    let report = reports.into_iter().filter(|report| !report.is_empty()).collect::<Vec<_>>().join("\n\n");
    command.arg(format!("--report={report}")).env_clear().stdin(device);
    let ignore = |_, _: IgnoredAny| true;
    Child::start(&mut command, LogSource::OwnerFile, NO_LINE, log, ignore).map(|(child, _)| child)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;
    use std::process::Command;
    use std::time::Duration;

    use ipc::appliance::OwnerFileResult;
    use ipc::owner::TunnelVerdict;
    use rustix::process::{WaitOptions, WaitStatus, geteuid, waitpid};

    use super::{Answer, OwnerFile, TunnelFile, Work, keep_for_server, start_finishing};
    use crate::console::Consoles;
    use crate::log::Log;

    /// A stand-in for the processes: a shell.
    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, "sh"]);
        command
    }

    fn log() -> Log {
        Log::new(Consoles::none(), None)
    }

    /// A finishing process that must end by the ninth second.
    fn working(script: &str, device: &Path, result: &OwnerFileResult, tunnel: TunnelFile) -> OwnerFile {
        let device = File::open(device).unwrap();
        let child = start_finishing(shell(script), device, result, &tunnel, &log()).unwrap();
        let work = Some(Work { child, ends: Duration::from_secs(9) });
        OwnerFile { device: None, tunnel, answer: Answer::Taken, work }
    }

    fn reap(owner_file: &mut OwnerFile) -> WaitStatus {
        let pid = owner_file.work.as_ref().unwrap().child.pid();
        assert!(owner_file.is(pid));
        let (_, status) = waitpid(Some(pid), WaitOptions::empty()).unwrap().unwrap();
        owner_file.ended(status, &log());
        assert!(!owner_file.is(pid) && owner_file.wake_at().is_none());
        status
    }

    #[test]
    fn the_servers_copy_is_for_nobody_else_and_made_once() {
        if !geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hearth/owner.json");
        keep_for_server(&path, b"{}").unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!((metadata.mode() & 0o777, metadata.uid(), metadata.gid()), (0o400, 1000, 1000));
        assert_eq!(fs::read(&path).unwrap(), b"{}\n");
        assert!(keep_for_server(&path, b"other").is_err());
    }

    #[test]
    fn the_answer_and_the_device_reach_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let (device, out) = (folder.path().join("device"), folder.path().join("out"));
        fs::write(&device, "the device").unwrap();
        let script = r#"[ "$(/bin/cat)" = "the device" ] && printf '%s|' "$@" > "#;
        let script = format!("{script}{}", out.display());
        let tunnel = |verdict, report: &str| TunnelFile {
            verdict,
            report: report.to_owned(),
            ..TunnelFile::default()
        };
        for (imported, tunnel, expected) in [
            (true, TunnelFile::default(), "--imported|--report=-- a\nb|"),
            (false, tunnel(TunnelVerdict::Refused, "c"), "--report=-- a\nb\n\nc|"),
            (true, tunnel(TunnelVerdict::Taken, "c"), "--imported|--tunnel-imported|--report=-- a\nb\n\nc|"),
        ] {
            let result = OwnerFileResult { imported, report: "-- a\nb".to_owned() };
            let mut owner_file = working(&script, &device, &result, tunnel);
            assert_eq!(reap(&mut owner_file).exit_status(), Some(0));
            assert_eq!(fs::read_to_string(&out).unwrap(), expected);
        }
    }

    #[test]
    fn a_finishing_process_that_takes_too_long_is_killed() {
        let device = tempfile::NamedTempFile::new().unwrap();
        let mut owner_file =
            working("kill -STOP $$", device.path(), &OwnerFileResult::default(), TunnelFile::default());
        owner_file.tick(Duration::from_secs(8), &log());
        assert_eq!(owner_file.wake_at(), Some(Duration::from_secs(9)));
        owner_file.tick(Duration::from_secs(9), &log());
        assert_eq!(reap(&mut owner_file).terminating_signal(), Some(9));
    }
}
