//! APPEND: a message that a client puts into a mailbox itself.

use host::clock;
use imap::{Answer, CommandFailure, MailboxName};
use mail_types::{Address, Flags, UnixTime};
use store::{Announce, Delivered, Store, Target};

use crate::imap::backend::{Appending, ImapBackend};
use crate::mailboxes::quota;

impl ImapBackend {
    pub(crate) async fn append_begin(
        &mut self,
        mailbox: MailboxName,
        flags: Flags,
        date: Option<UnixTime>,
        size: u64,
    ) -> Result<Answer, CommandFailure> {
        self.incoming.discard();
        let limits = &self.services.limits;
        if size > limits.message_size {
            return Err(CommandFailure::Limit);
        }
        let used = self.look(quota::load)?;
        if !self.services.quota.admits(used, quota::message(size)) {
            return Err(CommandFailure::OverQuota);
        }
        let mailbox = self.find(&mailbox)?.id;
        // Before the message is sent; what others add meanwhile is found at the end.
        self.look(|store, _| store.require_keywords(mailbox, &flags))?;
        self.appending = Some(Appending { mailbox, flags, date });
        Ok(Answer::Done)
    }

    pub(crate) async fn append_commit(&mut self) -> Result<Answer, CommandFailure> {
        let appending = self.appending.take().ok_or(CommandFailure::Unavailable)?;
        let message = self.incoming.take().map_err(|error| failed(&error))?;
        let Appending { mailbox, flags, date } = appending;
        // A message that is old elsewhere is new here, and stays as long as one that was delivered.
        let arrived = clock::wall();
        let internal_date = date.unwrap_or(arrived);
        let target = Target { mailbox, flags, internal_date, arrived, announce: Announce::ToNobody };
        let deliver = move |store: &Store, _: &Address| match message.finish() {
            Ok(spool) => store.deliver(spool, &[target]).map(Ok),
            Err(error) => Ok(Err(error)),
        };
        let delivered = self.ask(deliver).await?.map_err(|error| failed(&error))?;
        match delivered.first() {
            Some(&Delivered::Stored { uid_validity, uid }) => Ok(Answer::Appended { uid_validity, uid }),
            Some(Delivered::NoSuchMailbox) | None => Err(CommandFailure::NoSuchMailbox),
        }
    }
}

fn failed(error: &std::io::Error) -> CommandFailure {
    tracing::error!(%error, "a message being appended could not be kept");
    CommandFailure::Unavailable
}
