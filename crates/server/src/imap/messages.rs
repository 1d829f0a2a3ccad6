//! Questions about messages: reading them piece by piece, flags, removing, copying.

use std::io::{self, Read, Seek, SeekFrom};

use imap::{Answer, CommandFailure, MailboxName};
use mail_types::{ModSeq, Uid};
use relay_policy::Load;
use store::BodyReader;

use crate::imap::backend::ImapBackend;
use crate::imap::convert;
use crate::mailboxes::quota;
use crate::runtime::blocking;

impl ImapBackend {
    pub(crate) async fn open_message(
        &mut self,
        mailbox: &MailboxName,
        uid: Uid,
        head: u32,
    ) -> Result<Answer, CommandFailure> {
        self.message = None;
        let id = self.mailbox(mailbox)?;
        let head = u64::from(head.min(imap::HEAD_LIMIT));
        let open = move |mut reader: BodyReader| read_at(&mut reader, 0, head).map(|bytes| (reader, bytes));
        let opened = match self.look(|store, _| store.body_at_hand(id, uid))? {
            Some(reader) => open(reader),
            None => self.ask(move |store, _| Ok(open(store.body(id, uid)?))).await?,
        };
        match opened {
            Ok((reader, head)) => {
                let size = reader.size();
                self.message = Some(reader);
                Ok(Answer::Message { size, head })
            }
            Err(error) => {
                tracing::error!(%error, "a message could not be read");
                Err(CommandFailure::Unavailable)
            }
        }
    }

    /// Reads all of `length` bytes of the open message; fewer only at its end.
    pub(crate) async fn read(&mut self, from: u64, length: u64) -> io::Result<Vec<u8>> {
        let none = || io::Error::other("no message is open");
        let mut reader = self.message.take().ok_or_else(none)?;
        let work = move || read_at(&mut reader, from, length).map(|bytes| (reader, bytes));
        let (reader, bytes) = blocking::run(work).await.map_err(io::Error::other)??;
        self.message = Some(reader);
        Ok(bytes)
    }

    pub(crate) async fn store_flags(
        &self,
        mailbox: &MailboxName,
        uids: Vec<Uid>,
        change: imap::FlagChange,
        unchanged_since: Option<ModSeq>,
    ) -> Result<Answer, CommandFailure> {
        let id = self.mailbox(mailbox)?;
        let change = convert::flag_change(change, unchanged_since);
        let changed = self.change(|store| store.start_flag_change(id, &uids, &change)).await?;
        Ok(Answer::Stored {
            keywords: changed.keywords,
            messages: changed.messages.iter().map(convert::message_flags).collect(),
            modified: changed.refused,
        })
    }

    pub(crate) async fn expunge(
        &self,
        mailbox: &MailboxName,
        uids: Vec<Uid>,
    ) -> Result<Answer, CommandFailure> {
        let id = self.mailbox(mailbox)?;
        let uids = self.change(|store| store.start_expunge_deleted(id, &uids)).await?;
        let highest_modseq = self.snapshot(id).await?.highest_modseq;
        Ok(Answer::Expunged { uids, highest_modseq })
    }

    pub(crate) async fn copy(
        &self,
        mailbox: &MailboxName,
        uids: Vec<Uid>,
        to: MailboxName,
    ) -> Result<Answer, CommandFailure> {
        let (from, to) = (self.mailbox(mailbox)?, self.mailbox(&to)?);
        let quota = self.services.quota;
        let copy = move |store: &store::Store, account: &mail_types::Address| {
            let snapshot = store.snapshot(from)?;
            let there = uids.iter().filter_map(|&uid| snapshot.messages.get(uid));
            let more = there.fold(Load { bytes: 0, messages: 0 }, |more, message| Load {
                bytes: more.bytes.saturating_add(quota::message(message.size).bytes),
                messages: more.messages + 1,
            });
            if !quota.admits(quota::load(store, account)?, more) {
                return Ok(None);
            }
            store.copy(from, &uids, to).map(Some)
        };
        self.ask(copy).await?.map(copied).ok_or(CommandFailure::OverQuota)
    }

    pub(crate) async fn move_messages(
        &self,
        mailbox: &MailboxName,
        uids: Vec<Uid>,
        to: MailboxName,
    ) -> Result<Answer, CommandFailure> {
        let (from, to) = (self.mailbox(mailbox)?, self.mailbox(&to)?);
        self.ask(move |store, _| store.move_messages(from, &uids, to)).await.map(copied)
    }
}

fn copied(moved: store::Moved) -> Answer {
    Answer::Copied { uid_validity: moved.uid_validity, uids: moved.uids }
}

fn read_at(reader: &mut BodyReader, from: u64, length: u64) -> io::Result<Vec<u8>> {
    let length = length.min(reader.size().saturating_sub(from));
    reader.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).map_err(io::Error::other)?);
    reader.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}
