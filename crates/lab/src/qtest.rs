//! A client of QEMU's qtest protocol: text lines that access device registers, and drive and intercept GPIO lines.
//!
//! A response begins with `OK` or `FAIL`; lines `IRQ raise N` and `IRQ lower N` come at any time for an intercepted device.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::clock;
use crate::error::{Error, Result};
use crate::led::{Edge, Level};

const RESPONSE_TIMEOUT: Duration = Duration::from_secs(120);

/// A connection that records the edges of one output line.
#[derive(Debug)]
pub(crate) struct Qtest {
    port: Mutex<Port>,
    seen: Arc<EdgeRecord>,
}

#[derive(Debug, Default)]
struct EdgeRecord {
    edges: Mutex<Vec<Edge>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Port {
    writer: UnixStream,
    answers: Receiver<String>,
}

impl Qtest {
    /// Starts to read; the edges of output `line` are recorded with their time since `began`.
    pub(crate) fn new(stream: UnixStream, line: u32, began: Instant) -> Result<Self> {
        let reader = stream.try_clone().map_err(broken)?;
        let (sender, answers) = mpsc::channel();
        let seen = Arc::new(EdgeRecord::default());
        let recorded = Arc::clone(&seen);
        thread::spawn(move || {
            for text in BufReader::new(reader).lines().map_while(std::result::Result::ok) {
                match interrupt(&text) {
                    Some((number, level)) if number == line => {
                        let edge = Edge { at: clock::now() - began, level };
                        recorded.push(edge);
                    }
                    Some(_) => {}
                    None if sender.send(text).is_err() => return,
                    None => {}
                }
            }
        });
        Ok(Self { port: Mutex::new(Port { writer: stream, answers }), seen })
    }

    /// The edges seen so far.
    pub(crate) fn edges(&self) -> Vec<Edge> {
        self.seen.lock().clone()
    }

    /// The level of the line as far as its edges tell; before the first one it is low.
    pub(crate) fn level(&self) -> Level {
        self.seen.lock().last().map_or(Level::Low, |edge| edge.level)
    }

    /// Records a level that a restored snapshot has set without an edge.
    pub(crate) fn set_level(&self, at: Duration, level: Level) {
        self.seen.push(Edge { at, level });
    }

    /// Waits for the next edge, at most for `limit`, and gives all edges so far.
    pub(crate) fn edges_after_change(&self, limit: Duration) -> Vec<Edge> {
        let edges = self.seen.lock();
        self.seen.changed.wait_timeout(edges, limit).unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Intercepts the output lines of the device at `path`, a path in QEMU's object tree.
    pub(crate) fn intercept(&self, path: &str) -> Result<()> {
        self.command(&format!("irq_intercept_out {path}")).map(drop)
    }

    /// Sets input `line` of the device at `path`.
    pub(crate) fn drive(&self, path: &str, line: u32, level: Level) -> Result<()> {
        let level = i32::from(level == Level::High);
        self.command(&format!("set_irq_in {path} unnamed-gpio-in {line} {level}")).map(drop)
    }

    /// Writes a 32-bit register at a physical address.
    pub(crate) fn write(&self, address: u64, value: u32) -> Result<()> {
        self.command(&format!("writel {address:#x} {value:#x}")).map(drop)
    }

    fn command(&self, command: &str) -> Result<String> {
        let mut port = self.port.lock().unwrap_or_else(PoisonError::into_inner);
        port.writer.write_all(format!("{command}\n").as_bytes()).map_err(broken)?;
        let answer = port
            .answers
            .recv_timeout(RESPONSE_TIMEOUT)
            .map_err(|error| broken(std::io::Error::other(error)))?;
        match answer.strip_prefix("OK") {
            Some(value) => Ok(value.trim().to_owned()),
            None => Err(Error::Refused { command: command.into(), answer }),
        }
    }
}

impl EdgeRecord {
    fn lock(&self) -> MutexGuard<'_, Vec<Edge>> {
        self.edges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, edge: Edge) {
        self.lock().push(edge);
        self.changed.notify_all();
    }
}

/// `IRQ raise N` or `IRQ lower N`.
fn interrupt(text: &str) -> Option<(u32, Level)> {
    let (edge, line) = text.strip_prefix("IRQ ")?.split_once(' ')?;
    let level = match edge {
        "raise" => Level::High,
        "lower" => Level::Low,
        _ => return None,
    };
    Some((line.trim().parse().ok()?, level))
}

fn broken(source: std::io::Error) -> Error {
    Error::Port { port: "test", source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupts_are_told_from_answers() {
        assert_eq!(interrupt("IRQ raise 17"), Some((17, Level::High)));
        assert_eq!(interrupt("IRQ lower 5"), Some((5, Level::Low)));
        assert_eq!(interrupt("OK 0x0000000000000000"), None);
        assert_eq!(interrupt("IRQ sideways 5"), None);
    }
}
