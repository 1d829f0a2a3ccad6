//! A child process and its supervision, together: commands carried out, ends logged. The same for the server and for the
//! network's processes.

use std::io;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitStatus};

use super::child::Process;
use super::log::Log;
use super::supervision::{Command, Health, Supervision};

/// A child process, running or about to be started again.
#[derive(Debug)]
pub(super) struct Service<P> {
    name: &'static str,
    supervision: Supervision,
    process: Option<P>,
}

/// The outcome of [`Service::execute`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Executed {
    /// The process is a new one.
    Started,
    /// The process is the same as before, or there is none.
    Unchanged,
}

impl<P: Process> Service<P> {
    /// A service that is to be started. `name` is for the log: "the server".
    pub(super) fn new(name: &'static str, supervision: Supervision) -> Self {
        Self { name, supervision, process: None }
    }

    /// The process, while it runs.
    pub(super) fn process(&self) -> Option<&P> {
        self.process.as_ref()
    }

    /// True for the ID of the process that runs. A message that a former process sent before its end does not count.
    pub(super) fn is(&self, pid: Pid) -> bool {
        self.process.as_ref().is_some_and(|process| process.child().pid() == pid)
    }

    /// Carries out the commands of the supervision; `start` starts a process.
    pub(super) fn execute(
        &mut self,
        now: Duration,
        log: &Log,
        mut start: impl FnMut() -> io::Result<P>,
    ) -> Executed {
        let mut executed = Executed::Unchanged;
        while let Some(command) = self.supervision.poll(now) {
            match (command, &self.process) {
                (Command::Start, _) => match start() {
                    Ok(process) => {
                        self.process = Some(process);
                        executed = Executed::Started;
                    }
                    Err(error) => {
                        log.say(format!("{} cannot be started: {error}", self.name));
                        self.supervision.ended(now);
                    }
                },
                (Command::AskToStop, Some(process)) => process.ask_to_stop(),
                (Command::Terminate, Some(process)) => {
                    log.say(format!("{} does not answer and is asked by signal", self.name));
                    process.child().signal(Signal::TERM);
                }
                (Command::Kill, Some(process)) => {
                    log.say(format!("{} does not answer and is killed", self.name));
                    process.child().signal(Signal::KILL);
                }
                (Command::Discard, Some(process)) => process.child().signal(Signal::KILL),
                (Command::AskToStop | Command::Terminate | Command::Kill | Command::Discard, None) => {}
            }
        }
        executed
    }

    /// The process is well.
    pub(super) fn heartbeat(&mut self, now: Duration) {
        self.supervision.heartbeat(now);
    }

    /// The process has ended and was reaped. Returns the reason and the last lines of its log, which are logged too;
    /// nothing when it was to end.
    pub(super) fn ended(&mut self, now: Duration, status: WaitStatus, log: &Log) -> Vec<String> {
        let Some(process) = self.process.take() else { return Vec::new() };
        self.supervision.ended(now);
        if self.supervision.is_stopped() {
            log.say(format!("{} has ended", self.name));
            return Vec::new();
        }
        let mut report = vec![reason(self.name, process.child().pid(), status)];
        report.extend(process.child().stderr_tail().iter().map(|line| format!("  {line}")));
        report.iter().for_each(|line| log.say(line));
        report
    }

    /// The box is going down: the process shall end, and stay ended.
    pub(super) fn stop(&mut self, now: Duration) {
        self.supervision.stop(now);
    }

    /// The process shall be killed at once.
    pub(super) fn discard(&mut self) {
        self.supervision.discard();
    }

    /// True when there is nothing left to wait for after [`Service::stop`] or [`Service::discard`].
    pub(super) fn is_over(&self, now: Duration) -> bool {
        self.supervision.is_over(now)
    }

    /// The health of the process, over its restarts.
    pub(super) fn health(&self) -> Health {
        self.supervision.health()
    }

    /// The time of the next [`Service::execute`], if nothing happens before.
    pub(super) fn wake_at(&self) -> Option<Duration> {
        self.supervision.wake_at()
    }
}

fn reason(name: &str, pid: Pid, status: WaitStatus) -> String {
    let pid = pid.as_raw_nonzero();
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("{name} (process {pid}) ended with status {code}"),
        (None, Some(signal)) => format!("{name} (process {pid}) was ended by signal {signal}"),
        (None, None) => format!("{name} ended"),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use rustix::process::{Signal, WaitOptions, WaitStatus, waitpid};

    use super::{Executed, Service};
    use crate::child::Child;
    use crate::console::Consoles;
    use crate::log::{Log, LogSource};
    use crate::supervision::{Health, Liveness, Supervision};

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Executes at a time, with a shell as the process.
    fn execute(service: &mut Service<Child>, seconds: u64, log: &Log) -> Executed {
        service.execute(at(seconds), log, || {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", "echo begun >&2; kill -STOP $$; echo over >&2; exit 3"]);
            Child::start(&mut command, LogSource::Server, 100, log, |_, _: String| true)
                .map(|(child, _)| child)
        })
    }

    /// Waits until the shell has stopped itself.
    fn wait_for_stop(service: &Service<Child>) {
        let (_, status) =
            waitpid(Some(service.process().unwrap().pid()), WaitOptions::UNTRACED).unwrap().unwrap();
        assert!(status.stopped());
    }

    fn end_by(service: &Service<Child>, signal: Signal) -> WaitStatus {
        let child = service.process().unwrap();
        child.signal(signal);
        waitpid(Some(child.pid()), WaitOptions::empty()).unwrap().unwrap().1
    }

    #[test]
    fn a_process_that_is_killed_or_fails_is_explained_and_started_again() {
        let log = Log::new(Consoles::none(), None);
        let mut service = Service::new("the shell", Supervision::new(at(0), Liveness::Unproven));
        assert_eq!(execute(&mut service, 0, &log), Executed::Started);
        let first = service.process().unwrap().pid();
        assert_eq!(execute(&mut service, 5, &log), Executed::Unchanged);

        wait_for_stop(&service);
        let status = end_by(&service, Signal::KILL);
        let report = service.ended(at(5), status, &log);
        assert_eq!(
            report,
            [format!("the shell (process {first}) was ended by signal 9"), "  begun".to_owned()]
        );
        assert!(!service.is(first));
        assert_eq!(execute(&mut service, 5, &log), Executed::Unchanged, "the pause is a second");

        assert_eq!(execute(&mut service, 6, &log), Executed::Started);
        let second = service.process().unwrap().pid();
        assert!(second != first && service.is(second));
        wait_for_stop(&service);
        let status = end_by(&service, Signal::CONT);
        let report = service.ended(at(6), status, &log);
        assert_eq!(
            report,
            [&*format!("the shell (process {second}) ended with status 3"), "  begun", "  over"]
        );
        assert_eq!(service.health(), Health::Healthy, "twice is not yet often");
    }

    #[test]
    fn a_process_that_is_to_stop_is_not_started_again() {
        let log = Log::new(Consoles::none(), None);
        let mut service = Service::new("the shell", Supervision::new(at(0), Liveness::Unproven));
        assert_eq!(execute(&mut service, 0, &log), Executed::Started);
        wait_for_stop(&service);
        service.stop(at(1));
        assert_eq!(execute(&mut service, 1, &log), Executed::Unchanged);
        let status = end_by(&service, Signal::CONT);
        assert_eq!(status.terminating_signal(), Some(Signal::TERM.as_raw()));
        assert!(service.ended(at(1), status, &log).is_empty());
        assert!(service.is_over(at(1)));
        assert_eq!(execute(&mut service, 100, &log), Executed::Unchanged);
    }
    #[test]
    fn a_discarded_process_is_killed_even_where_it_cannot_be_asked() {
        let log = Log::new(Consoles::none(), None);
        let mut service = Service::new("the shell", Supervision::new(at(0), Liveness::Unproven));
        assert_eq!(execute(&mut service, 0, &log), Executed::Started);
        wait_for_stop(&service);
        service.discard();
        assert_eq!(execute(&mut service, 1, &log), Executed::Unchanged);
        let pid = service.process().unwrap().pid();
        let (_, status) = waitpid(Some(pid), WaitOptions::empty()).unwrap().unwrap();
        assert_eq!(status.terminating_signal(), Some(Signal::KILL.as_raw()));
        assert!(service.ended(at(1), status, &log).is_empty());
        assert!(service.is_over(at(1)));
    }
}
