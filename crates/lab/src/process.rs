//! One QEMU process: started, watched, and ended by its own id, whatever becomes of the lab.
//!
//! QEMU is started through `setpriv --pdeathsig KILL`, so that the kernel ends it when the thread that started it
//! dies, even if the whole lab is killed. That thread, the supervisor, therefore runs exactly as long as QEMU does.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::error::{Error, Result};

/// Bytes of QEMU's standard error that are kept, the last ones.
const MAX_STDERR: usize = 64 * 1024;

/// A running or ended QEMU.
#[derive(Debug)]
pub(crate) struct Qemu {
    shared: Arc<Shared>,
    id: u32,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    child: Option<Child>,
    stderr: Vec<u8>,
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Qemu {
    /// Starts `program` with `arguments`.
    pub(crate) fn start(program: &str, arguments: &[String]) -> Result<Self> {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", program]).args(arguments);
        // In a group of its own: Ctrl-C at the terminal is for the lab, which then switches the guest off.
        command.process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let shared = Arc::new(Shared::default());
        let (report, started) = mpsc::channel();
        let supervisor_shared = Arc::clone(&shared);
        thread::spawn(move || supervise(command, &supervisor_shared, &report));
        match started.recv() {
            Ok(Ok(id)) => Ok(Self { shared, id }),
            Ok(Err(source)) => Err(Error::ToolMissing { tool: "setpriv".into(), source }),
            Err(gone) => {
                Err(Error::ToolMissing { tool: "setpriv".into(), source: std::io::Error::other(gone) })
            }
        }
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Whether QEMU has ended.
    pub(crate) fn ended(&self) -> bool {
        self.shared.lock().ended
    }

    /// Waits until QEMU has ended by itself; false if it still runs after `limit`.
    pub(crate) fn wait(&self, limit: Duration) -> bool {
        let state = self.shared.lock();
        let waited = self.shared.changed.wait_timeout_while(state, limit, |state| !state.ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }

    /// The time that QEMU's threads have spent on the host's run queues, waiting for a processor: the second number of
    /// `/proc/PID/task/TID/schedstat` (`Documentation/scheduler/sched-stats.rst`), in nanoseconds; zero on kernels
    /// without it.
    pub(crate) fn run_queue_wait(&self) -> Duration {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.id)).into_iter().flatten().flatten();
        let waited = threads.filter_map(|thread| {
            let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split(' ').nth(1)?.parse::<u64>().ok()
        });
        Duration::from_nanos(waited.sum())
    }

    /// Ends QEMU at once (SIGKILL) and waits until it is gone.
    pub(crate) fn kill(&self) {
        let mut state = self.shared.lock();
        if !state.ended
            && let Some(child) = &mut state.child
        {
            // Fails only if the process has just ended by itself.
            let _ = child.kill();
        }
        drop(self.shared.changed.wait_while(state, |state| !state.ended));
    }

    /// The last of QEMU's standard error.
    pub(crate) fn stderr_tail(&self) -> String {
        let stderr = String::from_utf8_lossy(&self.shared.lock().stderr).trim().to_owned();
        if stderr.is_empty() { "it said nothing".into() } else { stderr }
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts the process, reads its standard error until it closes, which is QEMU's end, and reaps it.
fn supervise(mut command: Command, shared: &Shared, report: &mpsc::Sender<std::io::Result<u32>>) {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let _ = report.send(Err(error));
            return;
        }
    };
    let errors = child.stderr.take();
    let id = child.id();
    shared.lock().child = Some(child);
    let _ = report.send(Ok(id));
    if let Some(errors) = errors {
        listen(errors, shared);
    }
    let child = shared.lock().child.take();
    if let Some(mut child) = child {
        // A process that closed its standard error without ending would block here for ever: end it.
        let _ = child.kill();
        let _ = child.wait();
    }
    shared.lock().ended = true;
    shared.changed.notify_all();
}

fn listen(mut errors: impl Read, shared: &Shared) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = errors.read(&mut buffer) {
        let mut state = shared.lock();
        state.stderr.extend_from_slice(buffer.get(..length).unwrap_or_default());
        let excess = state.stderr.len().saturating_sub(MAX_STDERR);
        state.stderr.drain(..excess);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Qemu {
        Qemu::start("sh", &["-c".into(), script.into()]).unwrap()
    }

    #[test]
    fn a_process_is_ended_by_its_id_and_is_gone_when_kill_returns() {
        let process = shell("exec sleep 1000");
        assert!(!process.ended());
        process.kill();
        assert!(process.ended());
        assert!(!std::path::Path::new(&format!("/proc/{}", process.id())).exists());
        process.kill();
    }

    #[test]
    fn its_own_end_is_noticed_and_its_last_words_are_kept() {
        let process = shell("echo no such machine >&2; exit 1");
        assert!(process.wait(LIMIT));
        assert_eq!(process.stderr_tail(), "no such machine");
    }

    #[test]
    fn a_program_that_is_not_there_is_said_to_be_missing() {
        let process = Qemu::start("no-such-program-of-ours", &[]).unwrap();
        assert!(process.wait(LIMIT));
        assert!(process.stderr_tail().contains("no-such-program-of-ours"), "{}", process.stderr_tail());
    }
}
