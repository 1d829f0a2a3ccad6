//! Real Delta Chat cores as a test's clients. Nothing here imitates the client; it only presses its buttons.

use std::cell::Cell;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::core_process::{ANSWER_LIMIT, CoreProcess};
use crate::mail;
use crate::python::program;
use crate::waiting::now;

/// The core's number for oneself as a contact.
const SELF: u64 = 1;

/// A person with a phone: one account in a core process.
pub struct Person {
    name: String,
    core: Arc<CoreProcess>,
    account: u64,
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
        Self::pair_in(&CoreProcess::start()?, name, link)
    }

    /// The same with a core of an app that was given a token for push notifications.
    pub fn pair_with_push(name: &str, link: &str, token: &str) -> Result<Self> {
        let mut app = Command::new(program("python3"));
        app.args([concat!(env!("CARGO_MANIFEST_DIR"), "/phone.py"), token]);
        Self::pair_in(&CoreProcess::start_as(app)?, name, link)
    }

    /// Puts the phone to sleep: nothing is read or sent any more.
    pub fn sleep(&self) -> Result<()> {
        self.call("stop_io", []).map(drop)
    }

    /// The same in a core that runs already, with other people's accounts in it.
    pub fn pair_in(core: &Arc<CoreProcess>, name: &str, link: &str) -> Result<Self> {
        let person = Self::unpaired(core, name)?;
        person.call("add_transport_from_qr", [json!(link)]).context("joining by the link")?;
        person.go_online()?;
        Ok(person)
    }

    /// A person whose account nobody has configured yet.
    pub fn unpaired(core: &Arc<CoreProcess>, name: &str) -> Result<Self> {
        let account = core.call("add_account", &json!([]))?.as_u64().context("an account number")?;
        let person = Self { name: name.to_owned(), core: Arc::clone(core), account };
        person.call("batch_set_config", [json!({ "displayname": name, "bcc_self": "0" })])?;
        // The core would add relays of its own choice otherwise; cores that cannot do that do not know the setting.
        let _ = person.call("set_config", [json!("autorelay"), json!("0")]);
        Ok(person)
    }

    /// Connects, and waits for the first look into the mailbox of a core that has never had one: a new profile reads
    /// nothing that came before it (chatmail/core, `src/imap/select_folder.rs`).
    pub fn go_online(&self) -> Result<()> {
        self.call("start_io", [])?;
        self.wait_for(ANSWER_LIMIT, "ImapInboxIdle", |_| Some(())).context("the first look into the mailbox")
    }

    /// This account's address.
    pub fn address(&self) -> Result<String> {
        let address = self.call("get_config", [json!("configured_addr")])?;
        Ok(address.as_str().context("an address")?.to_owned())
    }

    /// The invite link that makes contact with this person.
    pub fn invite(&self) -> Result<String> {
        let link = self.call("get_chat_securejoin_qr_code", [json!(null)])?;
        Ok(link.as_str().context("an invite link")?.to_owned())
    }

    /// Makes contact by somebody's invite link, until both sides are sure; gives the chat.
    pub fn join(&self, invite: &str, limit: Duration) -> Result<u64> {
        let chat = self.call("secure_join", [json!(invite)])?.as_u64().context("a chat")?;
        self.wait_for(limit, "SecurejoinJoinerProgress", |event| (event["progress"] == 1000).then_some(()))?;
        Ok(chat)
    }

    /// The chat with somebody whose key comes by a file and not by a scan.
    pub fn chat_with(&self, other: &Self) -> Result<u64> {
        let contact = self.contact(other)?;
        self.call("create_chat_by_contact_id", [json!(contact)])?.as_u64().context("a chat")
    }

    /// Makes a group with these members, known by their files; gives its chat.
    pub fn create_group(&self, title: &str, members: &[Self]) -> Result<u64> {
        let chat =
            self.call("create_group_chat", [json!(title), json!(false)])?.as_u64().context("a chat")?;
        for member in members {
            let contact = self.contact(member)?;
            self.call("add_contact_to_chat", [json!(chat), json!(contact)])?;
        }
        Ok(chat)
    }

    fn contact(&self, other: &Self) -> Result<u64> {
        let card = other.call("make_vcard", [json!([SELF])])?;
        let contacts = self.call("import_vcard_contents", [card])?;
        contacts[0].as_u64().context("a contact")
    }

    /// Takes up a chat that somebody else began.
    pub fn accept(&self, chat: u64) -> Result<()> {
        self.call("accept_chat", [json!(chat)]).map(drop)
    }

    /// Reads a message, of which its sender may learn.
    pub fn read(&self, message: u64) -> Result<()> {
        self.call("markseen_msgs", [json!([message])]).map(drop)
    }

    /// Deletes a message here and on the server.
    pub fn delete(&self, message: u64) -> Result<()> {
        self.call("delete_messages", [json!([message])]).map(drop)
    }

    /// Deletes one's own message for everybody.
    pub fn delete_for_all(&self, message: u64) -> Result<()> {
        self.call("delete_messages_for_all", [json!([message])]).map(drop)
    }

    /// Writes a backup and sets up a second device from it, in a core of its own.
    pub fn second_device(&self, name: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        self.call("stop_io", [])?;
        self.call("export_backup", [json!(folder.path()), Value::Null])?;
        let file = folder.path().read_dir()?.next().context("a backup file")??.path();
        let core = CoreProcess::start()?;
        let account = core.call("add_account", &json!([]))?.as_u64().context("an account number")?;
        let second = Self { name: name.to_owned(), core, account };
        second.call("import_backup", [json!(file), Value::Null])?;
        // This account has looked into its mailbox before, so there is no first look to wait for, as below.
        self.call("start_io", [])?;
        second.go_online()?;
        Ok(second)
    }

    /// The servers that the core found out by itself, with ports and kinds of security, as it shows them to experts.
    pub fn settings_in_use(&self) -> Result<String> {
        let information = self.call("get_info", [])?;
        Ok(information["used_transport_settings"].as_str().context("settings in use")?.to_owned())
    }

    /// The credentials with which an ordinary mail client looks into this person's mailbox, at the standard ports.
    pub fn credentials(&self) -> Result<mail::Account> {
        let transports = self.call("list_transports", [])?;
        let text =
            |key: &str| transports[0][key].as_str().map(str::to_owned).context("a transport's setting");
        ensure!(transports.as_array().is_some_and(|all| all.len() == 1), "{}: {transports}", self.name);
        let (address, password) = (text("addr")?, text("password")?);
        Ok(mail::Account::at(Ipv4Addr::LOCALHOST, &address, &password))
    }

    /// Sends a text.
    pub fn send(&self, chat: u64, text: &str) -> Result<u64> {
        let sent = self.call("misc_send_text_message", [json!(chat), json!(text)])?;
        sent.as_u64().context("a message number")
    }

    /// Sends a file.
    pub fn send_file(&self, chat: u64, file: &Path) -> Result<u64> {
        let data = json!({ "file": file, "viewtype": "File" });
        self.call("send_msg", [json!(chat), json!(data)])?.as_u64().context("a message number")
    }

    /// Waits until the server has taken the message.
    pub fn wait_until_sent(&self, message: u64, limit: Duration) -> Result<()> {
        self.wait_until(limit, "the message is sent", |person| {
            let state = person.call("get_message", [json!(message)])?["state"].clone();
            match state.as_u64() {
                Some(26 | 28) => Ok(Some(())),
                Some(24) => bail!("{}: sending failed: {}", person.name, person.last_errors()),
                _ => Ok(None),
            }
        })
    }

    /// Waits until the app marks the message as failed, and gives the reason that it shows.
    pub fn wait_until_failed(&self, message: u64, limit: Duration) -> Result<String> {
        self.wait_until(limit, "the message has failed", |person| {
            let message = person.call("get_message", [json!(message)])?;
            let failed = message["state"] == 24;
            Ok(failed.then(|| message["error"].as_str().unwrap_or_default().to_owned()))
        })
    }

    /// Waits for a message that satisfies `wanted`, looking again whenever the core says something changed.
    pub fn wait_for_message(&self, limit: Duration, wanted: impl Fn(&Message) -> bool) -> Result<Message> {
        // The core says something whenever a message changes: each saying needs one look only.
        let looked = Cell::new(0);
        self.wait_until(limit, "the message has arrived", |person| {
            let events = person.events();
            for event in events.iter().skip(looked.replace(events.len())) {
                let kind = event["kind"].as_str().unwrap_or_default();
                let id = event["msgId"].as_u64().filter(|id| *id > 0);
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
        let Ok(told) = self.call("get_message", [json!(id)]) else { return Ok(None) };
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
            let events = person.events();
            Ok(events.iter().filter(|event| event["kind"] == kind).find_map(&found))
        })
    }

    fn events(&self) -> Vec<Value> {
        self.core.events(self.account)
    }

    fn wait_until<T>(
        &self,
        limit: Duration,
        what: &str,
        check: impl Fn(&Self) -> Result<Option<T>>,
    ) -> Result<T> {
        let end = now() + limit;
        loop {
            let seen = self.events().len();
            if let Some(found) = check(self)? {
                return Ok(found);
            }
            let Some(left) = end.checked_duration_since(now()) else {
                bail!("{}: {what}: not within {} s; {}", self.name, limit.as_secs(), self.last_errors());
            };
            self.core.wait_for_more(self.account, seen, left.min(Duration::from_secs(2)));
        }
    }

    /// The core's complaints and its last events, for a failing test's message.
    #[must_use]
    pub fn last_errors(&self) -> String {
        let events = self.events();
        let complaints: Vec<String> = events
            .iter()
            .filter(|event| ["Error", "Warning", "MsgFailed"].iter().any(|kind| event["kind"] == *kind))
            .map(ToString::to_string)
            .collect();
        let last = events.iter().rev().take(25).rev().map(ToString::to_string);
        format!("complaints: {complaints:#?}; last events: {:#?}", last.collect::<Vec<_>>())
    }

    /// Calls a method about this account and waits for its answer.
    pub fn call<const N: usize>(&self, method: &str, parameters: [Value; N]) -> Result<Value> {
        let mut all = vec![json!(self.account)];
        all.extend(parameters);
        let answer = self.core.call(method, &Value::Array(all));
        answer.with_context(|| format!("{}; {}", self.name, self.last_errors()))
    }
}
