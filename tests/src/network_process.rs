//! A network process of the box (`hearth network`), as `hearth init` starts it: its messages and its rights.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

/// The kernel and servers on this machine answer within moments; a busy machine takes longer.
const LIMIT: Duration = Duration::from_secs(60);

/// A running network process; killed when dropped.
pub struct NetworkProcess {
    child: Child,
    messages: Receiver<Value>,
}

impl NetworkProcess {
    /// Starts it by this command.
    pub fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stdout.take().context("a pipe")?).lines();
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let message = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, messages })
    }

    /// The next message, if it is there.
    #[must_use]
    pub fn next_message(&self) -> Option<Value> {
        self.messages.try_recv().ok()
    }

    /// Waits for a message; others pass by.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<()> {
        let mut others = Vec::new();
        loop {
            match self.messages.recv_timeout(LIMIT) {
                Ok(message) if wanted(&message) => return Ok(()),
                Ok(message) => others.push(message),
                Err(error) => anyhow::bail!("waiting for {what}: {error}; messages so far: {others:?}"),
            }
        }
    }

    /// A field of `/proc/PID/status` (proc(5)).
    pub fn status(&self, field: &str) -> Result<String> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let value = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        Ok(value.with_context(|| format!("no {field} in {status}"))?.trim().to_owned())
    }

    /// Real, effective, saved and file system user; the same of groups; supplementary groups.
    pub fn identity(&self) -> Result<([u32; 4], [u32; 4], String)> {
        let four = |field| -> Result<[u32; 4]> {
            let text = self.status(field)?;
            let numbers: Vec<u32> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
            numbers.try_into().ok().with_context(|| format!("{field}: {text}"))
        };
        Ok((four("Uid")?, four("Gid")?, self.status("Groups")?))
    }

    /// The inheritable, permitted, effective and ambient sets.
    pub fn capabilities(&self) -> Result<[u64; 4]> {
        let set = |field| -> Result<u64> { Ok(u64::from_str_radix(&self.status(field)?, 16)?) };
        Ok([set("CapInh")?, set("CapPrm")?, set("CapEff")?, set("CapAmb")?])
    }
}

impl Drop for NetworkProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
