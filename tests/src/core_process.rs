//! One `deltachat-rpc-server` process, spoken to by JSON-RPC over its standard input and output; it may hold many
//! accounts. Events are kept per account, in order.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::python::program;

/// The program, from PyPI; `scripts/test` installs it into the project's cache and puts it into the path.
const PROGRAM: &str = "deltachat-rpc-server";
/// The longest wait for an answer; configuring an account talks to the server several times.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(180);

/// A core process, ended and erased when the last account's person is gone.
pub struct CoreProcess {
    process: Mutex<Child>,
    requests: Arc<Mutex<Requests>>,
    log: Arc<Log>,
    _directory: TempDir,
}

struct Requests {
    input: ChildStdin,
    next: u64,
}

/// The core's output so far: answers by number, and events by account.
#[derive(Default)]
struct Log {
    answers: Mutex<HashMap<u64, Sender<Value>>>,
    events: Mutex<HashMap<u64, Vec<Value>>>,
    changed: Condvar,
}

impl CoreProcess {
    /// Starts a process without accounts.
    pub fn start() -> Result<Arc<Self>> {
        Self::start_as(Command::new(program(PROGRAM)))
    }

    /// The same with another program that speaks as it does.
    pub(crate) fn start_as(mut program: Command) -> Result<Arc<Self>> {
        let directory = TempDir::new()?;
        let mut process = program
            .env("DC_ACCOUNTS_PATH", directory.path().join("accounts"))
            .env("RUST_LOG", "error")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {program:?}; scripts/test installs it"))?;
        let input = process.stdin.take().context("the core's standard input")?;
        let output = process.stdout.take().context("the core's standard output")?;
        let log = Arc::new(Log::default());
        let listener = Arc::clone(&log);
        std::thread::spawn(move || listener.listen(BufReader::new(output)));
        let requests = Arc::new(Mutex::new(Requests { input, next: 1 }));
        let core = Arc::new(Self { process: Mutex::new(process), requests, log, _directory: directory });
        core.call("get_system_info", &json!([]))?;
        core.collect_events();
        Ok(core)
    }

    /// Calls a method and waits for its answer.
    pub(crate) fn call(&self, method: &str, parameters: &Value) -> Result<Value> {
        let answer = lock(&self.requests).send(&self.log, method, parameters)?;
        match answer.recv_timeout(ANSWER_LIMIT) {
            Ok(answer) if answer.get("error").is_some() => {
                Err(anyhow!("{method}: {}", answer["error"]["message"]))
            }
            Ok(answer) => Ok(answer["result"].clone()),
            Err(RecvTimeoutError::Timeout) => bail!("{method}: no answer"),
            Err(RecvTimeoutError::Disconnected) => bail!("{method}: the core has ended"),
        }
    }

    /// The events of an account, oldest first.
    pub(crate) fn events(&self, account: u64) -> Vec<Value> {
        lock(&self.log.events).get(&account).cloned().unwrap_or_default()
    }

    /// Waits until an account has more than `seen` events, but not longer than `limit`.
    pub(crate) fn wait_for_more(&self, account: u64, seen: usize, limit: Duration) {
        let few = |events: &mut HashMap<u64, Vec<Value>>| events.get(&account).map_or(0, Vec::len) <= seen;
        let _ = self.log.changed.wait_timeout_while(lock(&self.log.events), limit, few);
    }

    /// Keeps one question for the next event open all the time, on a thread that ends with the core.
    fn collect_events(&self) {
        let (requests, log) = (Arc::clone(&self.requests), Arc::clone(&self.log));
        std::thread::spawn(move || {
            loop {
                let asked = lock(&requests).send(&log, "get_next_event", &json!([]));
                let Some(answer) = asked.ok().and_then(|answer| answer.recv().ok()) else { return };
                let event = &answer["result"];
                let account = event["contextId"].as_u64().unwrap_or_default();
                lock(&log.events).entry(account).or_default().push(event["event"].clone());
                log.changed.notify_all();
            }
        });
    }
}

impl Drop for CoreProcess {
    fn drop(&mut self) {
        let mut process = lock(&self.process);
        let _ = process.kill();
        let _ = process.wait();
    }
}

impl Requests {
    fn send(&mut self, log: &Log, method: &str, parameters: &Value) -> std::io::Result<Receiver<Value>> {
        let (sender, receiver) = channel();
        let id = self.next;
        self.next += 1;
        lock(&log.answers).insert(id, sender);
        let line = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": parameters });
        writeln!(self.input, "{line}")?;
        self.input.flush()?;
        Ok(receiver)
    }
}

impl Log {
    fn listen(&self, output: impl BufRead) {
        for line in output.lines() {
            let Ok(message) =
                line.map_err(anyhow::Error::from).and_then(|line| Ok(serde_json::from_str::<Value>(&line)?))
            else {
                continue;
            };
            let waiting = message["id"].as_u64().and_then(|id| lock(&self.answers).remove(&id));
            if let Some(waiting) = waiting {
                let _ = waiting.send(message);
            }
        }
        // Whoever still waits learns that nothing will come.
        lock(&self.answers).clear();
        self.changed.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
