//! Answers an IMAP session's questions from the store: here the words of the protocol meet the words of the disk.

mod append;
mod convert;
mod mailboxes;
mod messages;
mod metadata;

use std::io;
use std::ops::Range;
use std::sync::Arc;

use imap::{Answer, MailboxName, Question, Refusal};
use mail_types::{Address, Secret};
use store::{BodyReader, MailboxId, Pending, Snapshot, Store};
use tokio::sync::watch;

use crate::accounts::Login;
use crate::connections::driver::Desk;
use crate::mailboxes::memory::Taken;
use crate::mailboxes::quota;
use crate::mailboxes::spool_buffer::Incoming;
use crate::runtime::blocking;
use crate::web_backend::Server;
use convert::refusal;

/// The questions' side of one IMAP connection.
pub(crate) struct ImapDesk {
    server: Arc<Server>,
    account: Option<Address>,
    opened: Option<Opened>,
    message: Option<BodyReader>,
    appending: Option<append::Appending>,
    incoming: Incoming,
}

/// The mailbox opened last.
struct Opened {
    name: MailboxName,
    id: MailboxId,
    changes: watch::Receiver<()>,
    /// For the list that the session keeps.
    room: Taken,
}

impl ImapDesk {
    /// Nobody is logged in yet.
    pub(crate) fn new(server: &Arc<Server>) -> Self {
        Self {
            server: Arc::clone(server),
            account: None,
            opened: None,
            message: None,
            appending: None,
            incoming: Incoming::Nothing,
        }
    }

    async fn reply(&mut self, question: Question) -> Result<Answer, Refusal> {
        match question {
            Question::Authenticate { user, password } => self.authenticate(&user, &password).await,
            Question::ListMailboxes => self.list().await,
            Question::CreateMailbox { mailbox, special_use } => self.create(mailbox, special_use).await,
            Question::DeleteMailbox(mailbox) => self.delete(mailbox).await,
            Question::RenameMailbox { from, to } => self.rename(from, to).await,
            Question::Subscribe { mailbox, subscription } => self.subscribe(mailbox, subscription).await,
            Question::Status(mailbox) => self.status(mailbox).await,
            Question::OpenMailbox { mailbox, access } => self.open(mailbox, access).await,
            Question::LeaveMailbox => {
                self.opened = None;
                self.message = None;
                Ok(Answer::Done)
            }
            Question::Changes { mailbox, access, since } => self.changes(&mailbox, access, since).await,
            Question::OpenMessage { mailbox, uid, head } => self.open_message(&mailbox, uid, head).await,
            Question::ReadMessage(range) => {
                let (from, length) =
                    (range.start, range.end.saturating_sub(range.start).min(imap::READ_LIMIT));
                self.read(from, length).await.map(Answer::Bytes).map_err(|error| {
                    tracing::error!(%error, "a message could not be read");
                    Refusal::Unavailable
                })
            }
            Question::AppendBegin { mailbox, flags, date, size } => {
                self.append_begin(mailbox, flags, date, size).await
            }
            Question::AppendCommit => self.append_commit().await,
            Question::StoreFlags { mailbox, uids, change, unchanged_since } => {
                self.store_flags(&mailbox, uids, change, unchanged_since).await
            }
            Question::Expunge { mailbox, uids } => self.expunge(&mailbox, uids).await,
            Question::Copy { mailbox, uids, to } => self.copy(&mailbox, uids, to).await,
            Question::Move { mailbox, uids, to } => self.move_messages(&mailbox, uids, to).await,
            Question::Quota => self.quota().await,
            Question::ReadMetadata { of, entries, depth } => self.read_metadata(of, entries, depth).await,
            Question::WriteMetadata { of, entries } => self.write_metadata(of, entries).await,
        }
    }

    async fn authenticate(&mut self, user: &str, password: &Secret) -> Result<Answer, Refusal> {
        let address: Address = user.parse().map_err(|_| Refusal::WrongPassword)?;
        match self.server.accounts.login(&address, password).await {
            Login::Welcome => {
                self.account = Some(address);
                Ok(Answer::Authenticated)
            }
            Login::Wrong => Err(Refusal::WrongPassword),
            Login::Foreign => Err(Refusal::ForeignName),
            Login::Throttled | Login::Trouble => Err(Refusal::Unavailable),
        }
    }

    /// Asks the store something about the account that it holds in memory.
    fn look<T>(&self, read: impl FnOnce(&Store, &Address) -> store::Result<T>) -> Result<T, Refusal> {
        let account = self.account.as_ref().ok_or(Refusal::NotPermitted)?;
        read(&self.server.store, account).map_err(|error| refusal(&error))
    }

    /// Asks the store something about the account, where it may block.
    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store, &Address) -> store::Result<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let account = self.account.clone().ok_or(Refusal::NotPermitted)?;
        let store = self.server.store.clone();
        let outcome = blocking::run(move || work(&store, &account)).await;
        match outcome {
            Ok(outcome) => outcome.map_err(|error| refusal(&error)),
            Err(blocking::Unfinished) => Err(Refusal::Unavailable),
        }
    }

    /// The mailbox's messages; from a thread that may block only where the disk must be asked.
    async fn snapshot(&self, mailbox: MailboxId) -> Result<Snapshot, Refusal> {
        match self.look(|store, _| store.snapshot_at_hand(mailbox))? {
            Some(snapshot) => Ok(snapshot),
            None => self.ask(move |store, _| store.snapshot(mailbox)).await,
        }
    }

    /// Has the store change something of the account, and waits until it is durable.
    async fn change<T>(&self, start: impl FnOnce(&Store) -> Pending<T>) -> Result<T, Refusal> {
        start(&self.server.store).await.map_err(|error| refusal(&error))
    }

    /// The mailbox of that name; the one opened last keeps its identity even when it is renamed.
    fn mailbox(&self, name: &MailboxName) -> Result<MailboxId, Refusal> {
        match &self.opened {
            Some(opened) if opened.name == *name => Ok(opened.id),
            _ => self.find(name).map(|found| found.id),
        }
    }

    fn find(&self, name: &MailboxName) -> Result<store::MailboxInfo, Refusal> {
        let found = self.look(|store, account| store.mailbox(account, name.as_str()))?;
        found.ok_or(Refusal::NoSuchMailbox)
    }
}

impl Desk<imap::Session> for ImapDesk {
    async fn answer(&mut self, question: Question) -> Answer {
        self.reply(question).await.unwrap_or_else(Answer::Refused)
    }

    async fn spool(&mut self, bytes: Vec<u8>) {
        let limit = self.server.config.limits.message_size;
        if let Some(buffer) = self.incoming.buffer(&self.server.store, limit) {
            buffer.extend_from_slice(&bytes);
        }
        // A trip to the disk may take a while, and there may be many of these.
        drop(bytes);
        self.incoming.relieve().await;
    }

    async fn drop_spool(&mut self) {
        self.incoming.forget();
        self.appending = None;
    }

    async fn read_message(&mut self, range: Range<u64>) -> io::Result<Vec<u8>> {
        self.read(range.start, range.end.saturating_sub(range.start).min(messages::PIECE)).await
    }

    async fn changed(&mut self) {
        // A connection that waits is reading nothing: a house full of idle phones holds no messages in memory.
        self.message = None;
        let gone = match &mut self.opened {
            Some(opened) => opened.changes.changed().await.is_err(),
            None => true,
        };
        if gone {
            std::future::pending().await
        }
    }
}
