//! The processes of `hearth owner-file` that print lines and end: started as their user, awaited, and killed if they take too
//! long. Their table is in `owner_file.rs`.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use host::clock::{poll_timeout, uptime};
use ipc::owner::LINE_LIMIT;
use rustix::event::{PollFd, PollFlags, poll};

use super::child::HEARTH;
use super::log::{Log, LogSource};

/// The user and group of the processes.
pub(super) const OWNER_FILE_ID: u32 = 1004;
/// The longest log of a process that prints lines, in bytes.
const STDERR_LIMIT: u64 = 4096;

/// One of the processes.
pub(super) fn command(task: &str) -> Command {
    let mut command = Command::new(HEARTH);
    command.args(["owner-file", task]).uid(OWNER_FILE_ID).gid(OWNER_FILE_ID);
    command
}

/// Runs a process and gives the lines that it prints, without their ends. Whatever it does, it has ended afterwards.
pub(super) fn lines_of<const N: usize>(
    mut command: Command,
    limit: Duration,
    log: &Log,
) -> io::Result<[Vec<u8>; N]> {
    command.env_clear().current_dir("/").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let output = child.stdout.take().ok_or_else(|| io::Error::other("it has no output"));
    let lines = output.and_then(|output| read_lines(output, uptime() + limit));
    // It has closed its output, or must not go on: what it has printed tells whether it was successful.
    let ended = child.kill().and_then(|()| child.wait());
    let mut words = Vec::new();
    if let (Ok(_), Some(stderr)) = (ended, child.stderr.take()) {
        // The pipe has no other writer, so this ends.
        let _ = stderr.take(STDERR_LIMIT).read_to_end(&mut words);
    }
    String::from_utf8_lossy(&words).lines().for_each(|line| log.pass_on(LogSource::OwnerFile, line));
    lines
}

/// Reads to the end of the stream, until `end` at the latest.
fn read_lines<const N: usize>(mut output: ChildStdout, end: Duration) -> io::Result<[Vec<u8>; N]> {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let left = end.saturating_sub(uptime());
        match poll(&mut [PollFd::new(&output, PollFlags::IN)], Some(&poll_timeout(left))) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::TimedOut, "the card takes too long")),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let count = output.read(&mut buffer)?;
        text.extend(buffer.iter().take(count));
        if text.len() > N * LINE_LIMIT {
            return Err(io::Error::other("what was read is longer than its limit"));
        }
        if count == 0 {
            break;
        }
    }
    let failed = || io::Error::other("the reading process failed");
    let text = text.strip_suffix(b"\n").ok_or_else(failed)?;
    let lines: Vec<Vec<u8>> = text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    lines.try_into().map_err(|_| failed())
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::process::Command;
    use std::time::Duration;

    use ipc::owner::LINE_LIMIT;

    use super::lines_of;
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

    #[test]
    fn the_lines_are_taken_as_they_are_and_anything_else_is_an_error() {
        let lines = |script: &str| lines_of::<2>(shell(script), Duration::from_secs(60), &log());
        assert_eq!(
            lines("echo 'not even JSON'; echo; echo words >&2").unwrap(),
            [&b"not even JSON"[..], b""]
        );
        for script in [
            "exit 1",
            "echo failed >&2; exit 1",
            "printf half",
            "echo 1; printf half",
            "echo 1",
            "echo 1; echo 2; echo 3",
        ] {
            assert_eq!(lines(script).unwrap_err().to_string(), "the reading process failed", "{script}");
        }
        let endless = "while :; do echo 0123456789012345678901234567890123456789; done";
        assert!(lines(endless).unwrap_err().to_string().contains("longer"));
        let longest = format!("head -c {} /dev/zero; echo", LINE_LIMIT - 1);
        let found = lines(&format!("{longest}; {longest}")).unwrap();
        assert_eq!(found.map(|line| line.len()), [LINE_LIMIT - 1; 2]);
    }

    #[test]
    fn a_reading_process_that_does_not_end_is_killed() {
        let stopped = lines_of::<1>(shell("kill -STOP $$"), Duration::from_millis(1), &log());
        assert_eq!(stopped.unwrap_err().kind(), ErrorKind::TimedOut);
    }
}
