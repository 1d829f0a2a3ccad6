//! The backend of one IMAP connection: which question goes where, and the state between questions.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use imap::{Answer, CommandFailure, MailboxName, Question};
use mail_types::{Address, Flags, Secret, UnixTime};
use store::{BodyReader, ListHold, MailboxId, Pending, Snapshot, Store};
use tokio::sync::watch;

use crate::connections::driver::Backend;
use crate::connections::places::Place;
use crate::imap::convert::failure;
use crate::mail_services::MailServices;
use crate::mailboxes::memory::Reservation;
use crate::mailboxes::spool_buffer::SpoolBuffer;
use crate::runtime::blocking;
use crate::runtime::counters::Login;

/// The bytes of a message in memory at once while it is sent.
const PIECE_BYTES: u64 = 32 * 1024;

/// The backend of one IMAP connection.
pub(crate) struct ImapBackend {
    pub(super) services: Arc<MailServices>,
    place: Arc<Place>,
    pub(super) account: Option<Address>,
    pub(super) opened: Option<Opened>,
    pub(super) message: Option<BodyReader>,
    pub(super) appending: Option<Appending>,
    pub(super) incoming: SpoolBuffer,
}

/// The selected mailbox.
pub(crate) struct Opened {
    pub(super) name: MailboxName,
    pub(super) id: MailboxId,
    pub(super) changes: watch::Receiver<()>,
    /// Memory for the list of messages that the session keeps.
    pub(super) memory: Reservation,
    /// The store's own list of the messages, which so is at hand at every change.
    pub(super) _list: ListHold,
}

/// A message being appended.
pub(super) struct Appending {
    pub(super) mailbox: MailboxId,
    pub(super) flags: Flags,
    pub(super) date: Option<UnixTime>,
}

impl ImapBackend {
    /// A backend before login.
    pub(crate) fn new(services: &Arc<MailServices>, place: &Arc<Place>) -> Self {
        Self {
            services: Arc::clone(services),
            place: Arc::clone(place),
            account: None,
            opened: None,
            message: None,
            appending: None,
            incoming: SpoolBuffer::Empty,
        }
    }

    async fn reply(&mut self, question: Question) -> Result<Answer, CommandFailure> {
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
                    CommandFailure::Unavailable
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

    async fn authenticate(&mut self, user: &str, password: &Secret) -> Result<Answer, CommandFailure> {
        let address: Address = user.parse().map_err(|_| CommandFailure::WrongPassword)?;
        match self.services.accounts.login(&address, password, &self.place).await {
            Login::Accepted => {
                self.account = Some(address);
                Ok(Answer::Authenticated)
            }
            Login::Wrong => Err(CommandFailure::WrongPassword),
            Login::Foreign => Err(CommandFailure::ForeignName),
            Login::NoRoom => Err(CommandFailure::NoRoomForAccounts),
            Login::Crowded => Err(CommandFailure::TooManyConnections),
            Login::Throttled | Login::Busy | Login::Trouble => Err(CommandFailure::Unavailable),
        }
    }

    /// Asks the store something about the account that it holds in memory.
    pub(super) fn look<T>(
        &self,
        read: impl FnOnce(&Store, &Address) -> store::Result<T>,
    ) -> Result<T, CommandFailure> {
        let account = self.account.as_ref().ok_or(CommandFailure::NotPermitted)?;
        read(&self.services.store, account).map_err(|error| failure(&error))
    }

    /// Asks the store something about the account, where it may block.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store, &Address) -> store::Result<T> + Send + 'static,
    ) -> Result<T, CommandFailure> {
        let account = self.account.clone().ok_or(CommandFailure::NotPermitted)?;
        let store = self.services.store.clone();
        let outcome = blocking::run(move || work(&store, &account)).await;
        match outcome {
            Ok(outcome) => outcome.map_err(|error| failure(&error)),
            Err(blocking::Unfinished) => Err(CommandFailure::Unavailable),
        }
    }

    /// The mailbox's messages; from a thread that may block only where the disk must be asked.
    pub(super) async fn snapshot(&self, mailbox: MailboxId) -> Result<Snapshot, CommandFailure> {
        match self.look(|store, _| store.snapshot_at_hand(mailbox))? {
            Some(snapshot) => Ok(snapshot),
            None => self.ask(move |store, _| store.snapshot(mailbox)).await,
        }
    }

    /// Has the store change something of the account, and waits until it is durable.
    pub(super) async fn change<T>(
        &self,
        start: impl FnOnce(&Store) -> Pending<T>,
    ) -> Result<T, CommandFailure> {
        start(&self.services.store).await.map_err(|error| failure(&error))
    }

    /// The mailbox of that name; the one opened last keeps its identity even when it is renamed.
    pub(super) fn mailbox(&self, name: &MailboxName) -> Result<MailboxId, CommandFailure> {
        match &self.opened {
            Some(opened) if opened.name == *name => Ok(opened.id),
            _ => self.find(name).map(|found| found.id),
        }
    }

    pub(super) fn find(&self, name: &MailboxName) -> Result<store::MailboxInfo, CommandFailure> {
        let found = self.look(|store, account| store.mailbox(account, name.as_str()))?;
        found.ok_or(CommandFailure::NoSuchMailbox)
    }
}

impl Backend<imap::Session> for ImapBackend {
    async fn answer(&mut self, question: Question) -> Answer {
        self.reply(question).await.unwrap_or_else(Answer::Failed)
    }

    async fn spool(&mut self, bytes: Vec<u8>) {
        let limit = self.services.limits.message_size;
        if let Some(buffer) = self.incoming.buffer(&self.services.store, limit) {
            buffer.extend_from_slice(&bytes);
        }
        // A trip to the disk may take a while, and there may be many of these.
        drop(bytes);
        self.incoming.flush_if_full().await;
    }

    async fn discard_spool(&mut self) {
        self.incoming.discard();
        self.appending = None;
    }

    async fn read_message(&mut self, range: Range<u64>) -> io::Result<Vec<u8>> {
        self.read(range.start, range.end.saturating_sub(range.start).min(PIECE_BYTES)).await
    }

    async fn changed(&mut self) {
        // A connection that waits is reading nothing: idle sessions hold no messages in memory.
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
