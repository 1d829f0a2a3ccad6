//! A real Delta Chat core as a test's client: one `deltachat-rpc-server` process, spoken to by JSON-RPC over its
//! standard input and output. Nothing here imitates the client; it only presses its buttons.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::python::program;

/// The program, from PyPI; `scripts/test` installs it into the project's cache and puts it into the path.
const PROGRAM: &str = "deltachat-rpc-server";
/// How long an answer may take; configuring an account talks to the server several times.
const ANSWER_LIMIT: Duration = Duration::from_secs(180);

/// A person with a phone: one core process with one account, ended and erased when dropped.
pub struct Person {
    name: String,
    process: Child,
    requests: Arc<Mutex<Requests>>,
    log: Arc<Log>,
    account: u64,
    _directory: TempDir,
}

struct Requests {
    input: ChildStdin,
    next: u64,
}

/// What the core has said so far: answers by number, and events in order.
#[derive(Default)]
struct Log {
    answers: Mutex<HashMap<u64, Sender<Value>>>,
    events: Mutex<Vec<Value>>,
    changed: Condvar,
}

/// A message as the core tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The core's number for it.
    pub id: u64,
    /// The chat it is in.
    pub chat: u64,
    /// Its text.
    pub text: String,
    /// Bytes of its attachment; zero without one.
    pub file_bytes: u64,
    /// Whether all of it is here.
    pub complete: bool,
    /// Whether the padlock shows.
    pub encrypted: bool,
}

impl Person {
    /// Starts a core, creates an account and lets it join by the link that the box shows.
    pub fn pair(name: &str, link: &str) -> Result<Self> {
        Self::start(name, Command::new(program(PROGRAM)))?.join_the_box(link)
    }

    /// The same with a core of an app that was given a token for push notifications.
    pub fn pair_with_push(name: &str, link: &str, token: &str) -> Result<Self> {
        let mut app = Command::new(program("python3"));
        app.args([concat!(env!("CARGO_MANIFEST_DIR"), "/phone.py"), token]);
        Self::start(name, app)?.join_the_box(link)
    }

    fn join_the_box(self, link: &str) -> Result<Self> {
        self.call("batch_set_config", json!([self.account, { "displayname": self.name, "bcc_self": "0" }]))?;
        self.call("add_transport_from_qr", json!([self.account, link])).context("joining by the link")?;
        self.call("start_io", json!([self.account]))?;
        // A new profile reads nothing that came before it first looked into its mailbox (protocol note 2.3).
        self.wait_for(ANSWER_LIMIT, "ImapInboxIdle", |_| Some(()))
            .context("the first look into the mailbox")?;
        Ok(self)
    }

    fn start(name: &str, mut program: Command) -> Result<Self> {
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
        let mut person =
            Self { name: name.to_owned(), process, requests, log, account: 0, _directory: directory };
        person.call("get_system_info", json!([]))?;
        person.account = person.call("add_account", json!([]))?.as_u64().context("an account number")?;
        person.collect_events();
        Ok(person)
    }

    /// This account's address.
    pub fn address(&self) -> Result<String> {
        let address = self.call("get_config", json!([self.account, "configured_addr"]))?;
        Ok(address.as_str().context("an address")?.to_owned())
    }

    /// The invite link that makes contact with this person.
    pub fn invite(&self) -> Result<String> {
        let link = self.call("get_chat_securejoin_qr_code", json!([self.account, null]))?;
        Ok(link.as_str().context("an invite link")?.to_owned())
    }

    /// Makes contact by somebody's invite link, until both sides are sure; gives the chat.
    pub fn join(&self, invite: &str, limit: Duration) -> Result<u64> {
        let chat = self.call("secure_join", json!([self.account, invite]))?.as_u64().context("a chat")?;
        self.wait_for(limit, "SecurejoinJoinerProgress", |event| (event["progress"] == 1000).then_some(()))?;
        Ok(chat)
    }

    /// Puts the phone to sleep: nothing is read or sent any more.
    pub fn sleep(&self) -> Result<()> {
        self.call("stop_io", json!([self.account])).map(|_| ())
    }

    /// Sends a text.
    pub fn send(&self, chat: u64, text: &str) -> Result<u64> {
        let sent = self.call("misc_send_text_message", json!([self.account, chat, text]))?;
        sent.as_u64().context("a message number")
    }

    /// Sends a file.
    pub fn send_file(&self, chat: u64, file: &std::path::Path) -> Result<u64> {
        let data = json!({ "file": file, "viewtype": "File" });
        self.call("send_msg", json!([self.account, chat, data]))?.as_u64().context("a message number")
    }

    /// Waits until the server has taken the message.
    pub fn wait_until_sent(&self, message: u64, limit: Duration) -> Result<()> {
        self.wait_until(limit, "the message is sent", |person| {
            let state = person.call("get_message", json!([person.account, message]))?["state"].clone();
            match state.as_u64() {
                Some(26 | 28) => Ok(Some(())),
                Some(24) => bail!("{}: sending failed: {}", person.name, person.last_errors()),
                _ => Ok(None),
            }
        })
    }

    /// Waits for a message that satisfies `wanted`, looking again whenever the core says something changed.
    pub fn wait_for_message(&self, limit: Duration, wanted: impl Fn(&Message) -> bool) -> Result<Message> {
        self.wait_until(limit, "the message has arrived", |person| {
            for event in person.log.events() {
                let kind = event["event"]["kind"].as_str().unwrap_or_default();
                let id = event["event"]["msgId"].as_u64().filter(|id| *id > 0);
                if let ("IncomingMsg" | "MsgsChanged", Some(id)) = (kind, id) {
                    let message = person.message(id)?;
                    if message.as_ref().is_some_and(&wanted) {
                        return Ok(message);
                    }
                }
            }
            Ok(None)
        })
    }

    /// The message with this number, unless it is gone by now.
    pub fn message(&self, id: u64) -> Result<Option<Message>> {
        let Ok(told) = self.call("get_message", json!([self.account, id])) else { return Ok(None) };
        Ok(Some(Message {
            id,
            chat: told["chatId"].as_u64().context("a chat")?,
            text: told["text"].as_str().unwrap_or_default().to_owned(),
            file_bytes: told["fileBytes"].as_u64().unwrap_or(0),
            complete: told["downloadState"] == "Done",
            encrypted: told["showPadlock"] == true,
        }))
    }

    /// Waits for an event of this kind for which `found` gives something.
    pub fn wait_for<T>(&self, limit: Duration, kind: &str, found: impl Fn(&Value) -> Option<T>) -> Result<T> {
        self.wait_until(limit, kind, |person| {
            let events = person.log.events();
            Ok(events
                .iter()
                .map(|event| &event["event"])
                .filter(|event| event["kind"] == kind)
                .find_map(&found))
        })
    }

    fn wait_until<T>(
        &self,
        limit: Duration,
        what: &str,
        check: impl Fn(&Self) -> Result<Option<T>>,
    ) -> Result<T> {
        let end = now() + limit;
        loop {
            let seen = self.log.events().len();
            if let Some(found) = check(self)? {
                return Ok(found);
            }
            let Some(left) = end.checked_duration_since(now()) else {
                bail!("{}: {what}: not within {} s; {}", self.name, limit.as_secs(), self.last_errors());
            };
            self.log.wait_for_more(seen, left.min(Duration::from_secs(2)));
        }
    }

    /// What the core complained about, and its last events, for a failing test's message.
    #[must_use]
    pub fn last_errors(&self) -> String {
        let events = self.log.events();
        let told = events.iter().map(|event| &event["event"]);
        let complaints: Vec<String> = told
            .filter(|event| ["Error", "Warning", "MsgFailed"].iter().any(|kind| event["kind"] == *kind))
            .map(ToString::to_string)
            .collect();
        let last = events.iter().rev().take(25).rev().map(|event| event["event"].to_string());
        format!("complaints: {complaints:#?}; last events: {:#?}", last.collect::<Vec<_>>())
    }

    /// Calls a method and waits for its answer.
    pub fn call(&self, method: &str, parameters: Value) -> Result<Value> {
        let answer = self.request(method, parameters)?;
        match answer.recv_timeout(ANSWER_LIMIT) {
            Ok(answer) if answer.get("error").is_some() => Err(anyhow!(
                "{}: {method}: {}; {}",
                self.name,
                answer["error"]["message"],
                self.last_errors()
            )),
            Ok(answer) => Ok(answer["result"].clone()),
            Err(RecvTimeoutError::Timeout) => {
                bail!("{}: {method}: no answer; {}", self.name, self.last_errors())
            }
            Err(RecvTimeoutError::Disconnected) => bail!("{}: {method}: the core has ended", self.name),
        }
    }

    fn request(&self, method: &str, parameters: Value) -> Result<Receiver<Value>> {
        Ok(self.requests.lock().unwrap_or_else(PoisonError::into_inner).send(
            &self.log,
            method,
            &parameters,
        )?)
    }

    /// Keeps one question for the next event open all the time, on a thread that ends with the core.
    fn collect_events(&self) {
        let (requests, log) = (Arc::clone(&self.requests), Arc::clone(&self.log));
        std::thread::spawn(move || {
            loop {
                let asked = requests.lock().unwrap_or_else(PoisonError::into_inner).send(
                    &log,
                    "get_next_event",
                    &json!([]),
                );
                let Some(event) = asked.ok().and_then(|answer| answer.recv().ok()) else { return };
                log.events.lock().unwrap_or_else(PoisonError::into_inner).push(event["result"].clone());
                log.changed.notify_all();
            }
        });
    }
}

impl Requests {
    fn send(&mut self, log: &Log, method: &str, parameters: &Value) -> std::io::Result<Receiver<Value>> {
        let (sender, receiver) = channel();
        let id = self.next;
        self.next += 1;
        log.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
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
            let waiting = message["id"]
                .as_u64()
                .and_then(|id| self.answers.lock().unwrap_or_else(PoisonError::into_inner).remove(&id));
            if let Some(waiting) = waiting {
                let _ = waiting.send(message);
            }
        }
        // Whoever still waits learns that nothing will come.
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.changed.notify_all();
    }

    fn events(&self) -> Vec<Value> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn wait_for_more(&self, seen: usize, limit: Duration) {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.changed.wait_timeout_while(events, limit, |events| events.len() <= seen);
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "an end-to-end test waits for other programs in real time")]
fn now() -> Instant {
    Instant::now()
}
