//! A server program in the foreground, with its output in a file; ended when dropped.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::tail;
use crate::waiting::poll;

/// The longest wait for a server to begin or to end.
const LIMIT: Duration = Duration::from_secs(30);

/// A running program.
#[derive(Debug)]
pub struct Service {
    name: String,
    process: Child,
    log: PathBuf,
}

impl Service {
    /// Starts a program, whose output is appended to a file.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let output = std::fs::File::options().create(true).append(true).open(log)?;
        let path = std::env::var("PATH").unwrap_or_default();
        let process = command
            .env("PATH", format!("{path}:/usr/sbin:/sbin"))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("starting {name}; scripts/prepare test installs it"))?;
        Ok(Self { name: name.to_owned(), process, log: log.to_owned() })
    }

    /// Waits until it accepts connections here.
    pub fn wait_for(&mut self, address: SocketAddr) -> Result<()> {
        self.wait_until(&format!("it listens on {address}"), || TcpStream::connect(address).is_ok())
    }

    /// Waits until this is so, while it runs.
    pub fn wait_until(&mut self, what: &str, so: impl Fn() -> bool) -> Result<()> {
        let waited = poll(LIMIT, what, || match self.process.try_wait()? {
            Some(status) => bail!("it ended with {status}"),
            None => Ok(so().then_some(())),
        });
        waited.with_context(|| format!("{}: its output: {}", self.name, tail(&self.log())))
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(&mut self) -> Result<()> {
        self.signal(Signal::TERM);
        let process = &mut self.process;
        poll(LIMIT, "it ends", || Ok(process.try_wait()?)).with_context(|| self.name.clone())?;
        Ok(())
    }

    /// Ends it and its group of processes as a power cut would.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.process.wait();
    }

    /// All of its output.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// To its group if it leads one, as Postfix's master does, else to it alone; to nobody once it has ended.
    fn signal(&mut self, signal: Signal) {
        if !matches!(self.process.try_wait(), Ok(None)) {
            return;
        }
        if let Some(id) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw)
            && kill_process_group(id, signal).is_err()
        {
            let _ = kill_process(id, signal);
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}
