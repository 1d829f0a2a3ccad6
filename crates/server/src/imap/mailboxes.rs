//! Questions about mailboxes as wholes.

use std::collections::BTreeMap;

use host::clock;
use imap::{Access, Answer, CommandFailure, Existence, Mailbox, MailboxName, MailboxStatus, Subscription};
use mail_types::{Address, ModSeq, SystemFlag};
use store::Store;

use crate::imap::backend::{ImapBackend, Opened};
use crate::imap::convert;
use crate::mailboxes::memory::{self, MemoryExhausted};

/// Mailboxes one account may have, and names it may subscribe to.
const MAILBOXES_LIMIT: usize = 1000;

impl ImapBackend {
    pub(crate) async fn list(&self) -> Result<Answer, CommandFailure> {
        let mailboxes = self.look(|store, account| store.mailboxes(account))?;
        let mut subscribed = self.look(|store, account| store.subscriptions(account))?;
        // Names came in as mailbox names; one that no longer is one cannot be shown.
        let shown = |mailbox: store::MailboxInfo| {
            let subscription = match subscribed.remove(&mailbox.name) {
                true => Subscription::Subscribed,
                false => Subscription::Unsubscribed,
            };
            let name = MailboxName::try_from(mailbox.name.as_str()).ok()?;
            let special_use = mailbox.special_use.map(convert::shown_special_use);
            Some(Mailbox { name, existence: Existence::Exists, subscription, special_use })
        };
        let mut list: Vec<Mailbox> = mailboxes.into_iter().filter_map(shown).collect();
        let only_names = subscribed.iter().filter_map(|name| MailboxName::try_from(name.as_str()).ok());
        list.extend(only_names.map(|name| Mailbox {
            name,
            existence: Existence::NameOnly,
            subscription: Subscription::Subscribed,
            special_use: None,
        }));
        Ok(Answer::Mailboxes(list))
    }

    pub(crate) async fn create(
        &self,
        mailbox: MailboxName,
        special_use: Option<imap::SpecialUse>,
    ) -> Result<Answer, CommandFailure> {
        let special_use = special_use.map(convert::special_use);
        let made = self.ask(move |store, account| {
            if store.mailboxes(account)?.len() >= MAILBOXES_LIMIT {
                return Ok(false);
            }
            store.create_mailbox(account, mailbox.as_str(), special_use, clock::wall()).map(|_| true)
        });
        if made.await? { Ok(Answer::Done) } else { Err(CommandFailure::Limit) }
    }

    pub(crate) async fn delete(&self, mailbox: MailboxName) -> Result<Answer, CommandFailure> {
        let id = self.find(&mailbox)?.id;
        self.ask(move |store, account| store.delete_mailbox(account, mailbox.as_str())).await?;
        self.services.recent.forget(id);
        Ok(Answer::Done)
    }

    /// RFC 3501 section 6.3.5: what lies below goes along, also where the name itself is no mailbox (`\Noselect`); of INBOX
    /// only the messages go.
    pub(crate) async fn rename(&self, from: MailboxName, to: MailboxName) -> Result<Answer, CommandFailure> {
        if to.is_below(&from) {
            return Err(CommandFailure::NotPossible);
        }
        if from.is_inbox() {
            // INBOX stays, so there is a mailbox more (RFC 3501 section 6.3.5).
            let now = clock::wall();
            let rename = move |store: &Store, account: &Address| {
                if store.mailboxes(account)?.len() >= MAILBOXES_LIMIT {
                    return Ok(false);
                }
                store.rename_mailbox(account, from.as_str(), to.as_str(), now).map(|()| true)
            };
            return if self.ask(rename).await? { Ok(Answer::Done) } else { Err(CommandFailure::Limit) };
        }
        let mailboxes = self.look(|store, account| store.mailboxes(account))?;
        if mailboxes.iter().any(|mailbox| mailbox.name == to.as_str()) {
            return Err(CommandFailure::MailboxExists);
        }
        let renamed = mailboxes.into_iter().filter_map(|mailbox| {
            let new = renamed(&mailbox.name, &from, &to)?;
            Some(new.map(|new| (mailbox.name, new)))
        });
        let names: BTreeMap<String, String> = renamed.collect::<Result<_, _>>()?;
        if names.is_empty() {
            return Err(CommandFailure::NoSuchMailbox);
        }
        self.ask(move |store, account| store.rename_mailboxes(account, names)).await?;
        Ok(Answer::Done)
    }

    pub(crate) async fn subscribe(
        &self,
        mailbox: MailboxName,
        subscription: Subscription,
    ) -> Result<Answer, CommandFailure> {
        let noted = self.ask(move |store, account| match subscription {
            Subscription::Unsubscribed => store.unsubscribe(account, mailbox.as_str()).map(|()| true),
            Subscription::Subscribed if store.subscriptions(account)?.len() >= MAILBOXES_LIMIT => Ok(false),
            Subscription::Subscribed => store.subscribe(account, mailbox.as_str()).map(|()| true),
        });
        if noted.await? { Ok(Answer::Done) } else { Err(CommandFailure::Limit) }
    }

    pub(crate) async fn status(&self, mailbox: MailboxName) -> Result<Answer, CommandFailure> {
        let found = self.find(&mailbox)?;
        let _reservation = self.services.memory.reserve(count(found.messages)).map_err(out_of_memory)?;
        let snapshot = self.snapshot(found.id).await?;
        let untold_from = self.services.recent.untold_from(found.id);
        let count = |wanted: &dyn Fn(&store::MessageEntry) -> bool| {
            u32::try_from(snapshot.messages.iter().filter(|message| wanted(message)).count())
                .unwrap_or(u32::MAX)
        };
        Ok(Answer::Status(MailboxStatus {
            messages: count(&|_| true),
            recent: count(&|message| message.uid >= untold_from),
            unseen: count(&|message| !message.flags.has(SystemFlag::Seen)),
            deleted: count(&|message| message.flags.has(SystemFlag::Deleted)),
            size: snapshot.messages.iter().map(|message| message.size).sum(),
            uid_next: snapshot.uid_next,
            uid_validity: snapshot.uid_validity,
            highest_modseq: snapshot.highest_modseq,
        }))
    }

    pub(crate) async fn open(
        &mut self,
        mailbox: MailboxName,
        access: Access,
    ) -> Result<Answer, CommandFailure> {
        self.opened = None;
        self.message = None;
        let store::MailboxInfo { id, messages, .. } = self.find(&mailbox)?;
        let mut reservation = self.services.memory.reserve(count(messages)).map_err(out_of_memory)?;
        // Watched before it is looked at: what comes in between is told twice rather than never.
        let changes = self.services.watchers.watch(id);
        let list = self.services.store.hold_list(id);
        let snapshot = self.snapshot(id).await?;
        reservation.resize(memory::units(&snapshot)).map_err(out_of_memory)?;
        self.opened = Some(Opened { name: mailbox, id, changes, memory: reservation, _list: list });
        let recent_from = self.services.recent.tell(id, access, snapshot.uid_next);
        Ok(Answer::Opened(convert::snapshot(&snapshot, recent_from)))
    }

    pub(crate) async fn changes(
        &mut self,
        mailbox: &MailboxName,
        access: Access,
        since: ModSeq,
    ) -> Result<Answer, CommandFailure> {
        let id = self.mailbox(mailbox)?;
        let changes = match self.look(|store, _| store.changes_at_hand(id, since))? {
            Some(changes) => changes,
            None => self.ask(move |store, _| store.changes_since(id, since)).await?,
        };
        if let Some(opened) = self.opened.as_mut().filter(|opened| opened.id == id) {
            opened.memory.resize(memory::units(&changes.snapshot)).map_err(out_of_memory)?;
        }
        let recent_from = self.services.recent.tell(id, access, changes.snapshot.uid_next);
        Ok(Answer::Changes(convert::changes(&changes, recent_from)))
    }
}

/// The new name of a mailbox when `from` is renamed to `to`; none if it is not concerned. One that gets too long or too deep
/// could not be named any more.
fn renamed(mailbox: &str, from: &MailboxName, to: &MailboxName) -> Option<Result<String, CommandFailure>> {
    let name = MailboxName::try_from(mailbox).ok()?;
    if name != *from && !name.is_below(from) {
        return None;
    }
    let new = format!("{to}{}", mailbox.get(from.as_str().len()..)?);
    Some(match MailboxName::try_from(new.as_str()) {
        Ok(_) => Ok(new),
        Err(_) => Err(CommandFailure::Limit),
    })
}

fn count(messages: u32) -> usize {
    usize::try_from(messages).unwrap_or(usize::MAX)
}

fn out_of_memory(error: MemoryExhausted) -> CommandFailure {
    tracing::debug!(%error, "a mailbox could not be opened");
    CommandFailure::Limit
}
