//! One account kept in memory, answering questions the way a store does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imap::{
    Access, Answer, CommandFailure, Existence, Expunged, FlagChange, FlagMode, Mailbox, MailboxChanges,
    MailboxName, MailboxStatus, MessageFlags, MessageInfo, MetadataDepth, MetadataOwner, Question,
    QuotaUsage, Snapshot, SpecialUse, Subscription,
};
use mail_types::{CompactFlags, Flags, KeywordDictionary, ModSeq, SystemFlag, Uid, UidValidity, UnixTime};

/// The account.
pub(crate) struct Toy {
    pub(crate) mailboxes: BTreeMap<MailboxName, ToyMailbox>,
    pub(crate) subscriptions: BTreeSet<MailboxName>,
    pub(crate) metadata: BTreeMap<String, Vec<u8>>,
    pub(crate) tokens: Vec<Vec<u8>>,
    pub(crate) modseq: u64,
    pub(crate) refuse: Option<CommandFailure>,
    /// True if `EXPUNGE` fails.
    pub(crate) read_only: bool,
    pub(crate) changed: BTreeSet<MailboxName>,
    /// True if changes list the remaining UIDs (`Expunged::AllBut`), not the expunged ones.
    pub(crate) lists_survivors: bool,
    /// True if messages are recent until a session is told of them; otherwise none ever is.
    pub(crate) keeps_recent: bool,
    pub(crate) asked: Vec<String>,
    next_validity: u32,
}

/// A mailbox.
#[derive(Clone)]
pub(crate) struct ToyMailbox {
    pub(crate) uid_validity: UidValidity,
    pub(crate) uid_next: Uid,
    /// The first UID that no session was told of.
    pub(crate) told: Uid,
    pub(crate) highest: u64,
    pub(crate) special_use: Option<SpecialUse>,
    pub(crate) keywords: KeywordDictionary,
    pub(crate) messages: BTreeMap<Uid, ToyMessage>,
    pub(crate) expunged: Vec<(u64, Uid)>,
}

/// A message.
#[derive(Clone)]
pub(crate) struct ToyMessage {
    pub(crate) flags: CompactFlags,
    pub(crate) date: UnixTime,
    pub(crate) modseq: u64,
    pub(crate) body: Vec<u8>,
}

impl Toy {
    pub(crate) fn new() -> Self {
        let mut toy = Self {
            mailboxes: BTreeMap::new(),
            subscriptions: BTreeSet::new(),
            metadata: BTreeMap::new(),
            tokens: Vec::new(),
            modseq: 10,
            refuse: None,
            read_only: false,
            changed: BTreeSet::new(),
            lists_survivors: false,
            keeps_recent: false,
            asked: Vec::new(),
            next_validity: 1_718_000_000,
        };
        toy.create(MailboxName::inbox(), None);
        toy.mailboxes.get_mut(&MailboxName::inbox()).unwrap().uid_next = Uid::new(42).unwrap();
        toy.metadata.insert("/shared/vendor/deltachat/maxsmtprecipients".to_owned(), b"1000".to_vec());
        toy
    }

    pub(crate) fn create(&mut self, name: MailboxName, special_use: Option<SpecialUse>) {
        let mailbox = ToyMailbox {
            uid_validity: UidValidity::new(self.next_validity).unwrap(),
            uid_next: Uid::FIRST,
            told: Uid::FIRST,
            highest: self.modseq,
            special_use,
            keywords: KeywordDictionary::default(),
            messages: BTreeMap::new(),
            expunged: Vec::new(),
        };
        self.next_validity += 1;
        self.mailboxes.insert(name, mailbox);
    }

    /// A message arrives in INBOX.
    pub(crate) fn deliver(&mut self, body: &str) -> Uid {
        let body = body.replace('\n', "\r\n").into_bytes();
        self.add(&MailboxName::inbox(), Flags::default(), UnixTime(1_795_356_513), body)
    }

    pub(crate) fn add(&mut self, name: &MailboxName, flags: Flags, date: UnixTime, body: Vec<u8>) -> Uid {
        self.modseq += 1;
        let modseq = self.modseq;
        let mailbox = self.mailboxes.get_mut(name).unwrap();
        let uid = mailbox.uid_next;
        mailbox.uid_next = uid.next().unwrap();
        mailbox.highest = modseq;
        let flags = mailbox.keywords.intern(&flags).unwrap();
        mailbox.messages.insert(uid, ToyMessage { flags, date, modseq, body });
        self.changed.insert(name.clone());
        uid
    }

    /// A message is expunged, whatever its flags are.
    pub(crate) fn remove(&mut self, name: &MailboxName, uid: u32) {
        self.modseq += 1;
        let mailbox = self.mailboxes.get_mut(name).unwrap();
        mailbox.messages.remove(&Uid::new(uid).unwrap()).unwrap();
        mailbox.expunged.push((self.modseq, Uid::new(uid).unwrap()));
        mailbox.highest = self.modseq;
        self.changed.insert(name.clone());
    }

    pub(crate) fn read(&self, name: &MailboxName, uid: Uid) -> Option<Vec<u8>> {
        Some(self.mailboxes.get(name)?.messages.get(&uid)?.body.clone())
    }

    pub(crate) fn may_append(&self, name: &MailboxName, size: u64) -> Answer {
        if !self.mailboxes.contains_key(name) {
            Answer::Failed(CommandFailure::NoSuchMailbox)
        } else if size > 1_000_000 {
            Answer::Failed(CommandFailure::OverQuota)
        } else {
            Answer::Done
        }
    }

    pub(crate) fn append(
        &mut self,
        name: &MailboxName,
        flags: Flags,
        date: Option<UnixTime>,
        body: Vec<u8>,
    ) -> Answer {
        let uid = self.add(name, flags, date.unwrap_or(UnixTime(1_795_356_513)), body);
        Answer::Appended { uid_validity: self.mailboxes[name].uid_validity, uid }
    }

    pub(crate) fn answer(&mut self, question: Question) -> Answer {
        let text = format!("{question:?}");
        self.asked.push(text.split([' ', '(']).next().unwrap().to_owned());
        if let Some(failure) = self.refuse.filter(|failure| {
            // What takes no room is not refused for want of room.
            *failure != CommandFailure::OverQuota
                || matches!(question, Question::StoreFlags { .. } | Question::Authenticate { .. })
        }) {
            return Answer::Failed(failure);
        }
        self.try_answer(question).unwrap_or_else(Answer::Failed)
    }

    /// Questions about the account and the list of its mailboxes.
    fn try_answer(&mut self, question: Question) -> Result<Answer, CommandFailure> {
        Ok(match question {
            Question::Authenticate { user, password } => {
                if user != "abc123xyz@chat.example" || password.expose() == b"wrong" {
                    return Err(CommandFailure::WrongPassword);
                }
                Answer::Authenticated
            }
            Question::ListMailboxes => Answer::Mailboxes(self.list()),
            Question::CreateMailbox { mailbox, special_use } => {
                if self.mailboxes.contains_key(&mailbox) {
                    return Err(CommandFailure::MailboxExists);
                }
                self.create(mailbox, special_use);
                Answer::Done
            }
            Question::DeleteMailbox(name) => {
                if name.is_inbox() {
                    return Err(CommandFailure::NotPossible);
                }
                self.mailboxes.remove(&name).ok_or(CommandFailure::NoSuchMailbox)?;
                Answer::Done
            }
            Question::RenameMailbox { from, to } => {
                if self.mailboxes.contains_key(&to) {
                    return Err(CommandFailure::MailboxExists);
                }
                if from.is_inbox() {
                    return Err(CommandFailure::NotPossible);
                }
                let mailbox = self.mailboxes.remove(&from).ok_or(CommandFailure::NoSuchMailbox)?;
                self.mailboxes.insert(to, mailbox);
                Answer::Done
            }
            Question::Subscribe { mailbox, subscription: Subscription::Subscribed } => {
                self.subscriptions.insert(mailbox);
                Answer::Done
            }
            Question::Subscribe { mailbox, subscription: Subscription::Unsubscribed } => {
                self.subscriptions.remove(&mailbox);
                Answer::Done
            }
            other => self.answer_about_messages(other)?,
        })
    }

    fn store_flags(
        &mut self,
        name: &MailboxName,
        uids: Vec<Uid>,
        change: &FlagChange,
        unchanged_since: Option<ModSeq>,
    ) -> Result<Answer, CommandFailure> {
        let (mut messages, mut modified) = (Vec::new(), Vec::new());
        let mailbox = self.mailboxes.get_mut(name).ok_or(CommandFailure::NoSuchMailbox)?;
        let own = match change.mode {
            FlagMode::Add | FlagMode::Replace => mailbox.keywords.intern(&change.flags),
            FlagMode::Remove => Ok(mailbox.keywords.compact(&change.flags)),
        };
        let own = own.map_err(|_| CommandFailure::Limit)?;
        for uid in uids {
            self.modseq += 1;
            let mailbox = self.mailboxes.get_mut(name).ok_or(CommandFailure::NoSuchMailbox)?;
            let Some(message) = mailbox.messages.get_mut(&uid) else { continue };
            if unchanged_since.is_some_and(|since| message.modseq > since.0) {
                modified.push(uid);
                continue;
            }
            let flags = match change.mode {
                FlagMode::Add => message.flags.with(own),
                FlagMode::Remove => message.flags.without(own),
                FlagMode::Replace => own,
            };
            if flags != message.flags {
                message.modseq = self.modseq;
                message.flags = flags;
                mailbox.highest = self.modseq;
            }
            let modseq = ModSeq(message.modseq);
            messages.push(MessageFlags { uid, flags: message.flags, modseq });
        }
        self.changed.insert(name.clone());
        let keywords = Arc::new(self.mailboxes[name].keywords.clone());
        Ok(Answer::Stored { keywords, messages, modified })
    }

    fn expunge(&mut self, name: &MailboxName, uids: Vec<Uid>) -> Result<Answer, CommandFailure> {
        let found = self.mailboxes.get(name).ok_or(CommandFailure::NoSuchMailbox)?;
        let deleted =
            |uid: &Uid| found.messages.get(uid).is_some_and(|message| message.flags.has(SystemFlag::Deleted));
        let uids: Vec<Uid> = uids.into_iter().filter(deleted).collect();
        for uid in &uids {
            self.remove(name, uid.get());
        }
        Ok(Answer::Expunged { uids, highest_modseq: ModSeq(self.mailboxes[name].highest) })
    }

    fn answer_about_messages(&mut self, question: Question) -> Result<Answer, CommandFailure> {
        Ok(match question {
            Question::Status(name) => Answer::Status(self.status(&name)?),
            Question::OpenMailbox { mailbox, access } => Answer::Opened(self.snapshot(&mailbox, access)?),
            Question::LeaveMailbox => Answer::Done,
            Question::Changes { mailbox, access, since } => {
                Answer::Changes(self.changes(&mailbox, access, since)?)
            }
            Question::StoreFlags { mailbox, uids, change, unchanged_since } => {
                self.store_flags(&mailbox, uids, &change, unchanged_since)?
            }
            Question::Expunge { .. } if self.read_only => return Err(CommandFailure::Unavailable),
            Question::Expunge { mailbox, uids } => self.expunge(&mailbox, uids)?,
            Question::Copy { mailbox, uids, to } => self.copy(&mailbox, &uids, &to)?,
            Question::Move { mailbox, uids, to } => {
                let answer = self.copy(&mailbox, &uids, &to)?;
                if let Answer::Copied { uids, .. } = &answer {
                    for (old, _) in uids {
                        self.remove(&mailbox, old.get());
                    }
                }
                answer
            }
            Question::Quota => Answer::Quota(QuotaUsage { used: 12_000, limit: Some(524_288_000) }),
            Question::ReadMetadata { of, entries, depth } => {
                Answer::Metadata(self.read_metadata(&of, &entries, depth))
            }
            Question::WriteMetadata { of, entries } => {
                for (name, value) in entries {
                    match (&of, value) {
                        (MetadataOwner::Mailbox(_), Some(value)) if name == "/private/devicetoken" => {
                            self.tokens.push(value);
                        }
                        _ => return Err(CommandFailure::NotPermitted),
                    }
                }
                Answer::Done
            }
            Question::OpenMessage { .. }
            | Question::ReadMessage(_)
            | Question::AppendBegin { .. }
            | Question::AppendCommit => unreachable!("answered by the world"),
            other => panic!("not about messages: {other:?}"),
        })
    }

    fn list(&self) -> Vec<Mailbox> {
        let names: BTreeSet<_> = self.mailboxes.keys().chain(&self.subscriptions).collect();
        let mailbox = |name: &&MailboxName| Mailbox {
            name: (*name).clone(),
            existence: match self.mailboxes.contains_key(*name) {
                true => Existence::Exists,
                false => Existence::NameOnly,
            },
            subscription: match self.subscriptions.contains(*name) {
                true => Subscription::Subscribed,
                false => Subscription::Unsubscribed,
            },
            special_use: self.mailboxes.get(*name).and_then(|mailbox| mailbox.special_use),
        };
        names.iter().map(mailbox).collect()
    }

    fn status(&self, name: &MailboxName) -> Result<MailboxStatus, CommandFailure> {
        let mailbox = self.mailboxes.get(name).ok_or(CommandFailure::NoSuchMailbox)?;
        let count = |test: &dyn Fn(&ToyMessage) -> bool| {
            u32::try_from(mailbox.messages.values().filter(|message| test(message)).count()).unwrap()
        };
        Ok(MailboxStatus {
            messages: count(&|_| true),
            recent: if self.keeps_recent { mailbox.uid_next.get() - mailbox.told.get() } else { 0 },
            unseen: count(&|message| !message.flags.has(SystemFlag::Seen)),
            deleted: count(&|message| message.flags.has(SystemFlag::Deleted)),
            size: mailbox.messages.values().map(|message| u64::try_from(message.body.len()).unwrap()).sum(),
            uid_next: mailbox.uid_next,
            uid_validity: mailbox.uid_validity,
            highest_modseq: ModSeq(mailbox.highest),
        })
    }

    fn snapshot(&mut self, name: &MailboxName, access: Access) -> Result<Snapshot, CommandFailure> {
        let recent_from = self.recent_from(name, access)?;
        let mailbox = self.mailboxes.get(name).ok_or(CommandFailure::NoSuchMailbox)?;
        Ok(Snapshot {
            uid_validity: mailbox.uid_validity,
            uid_next: mailbox.uid_next,
            highest_modseq: ModSeq(mailbox.highest),
            recent_from,
            keywords: Arc::new(mailbox.keywords.clone()),
            messages: mailbox.messages.iter().map(info).collect(),
        })
    }

    fn changes(
        &mut self,
        name: &MailboxName,
        access: Access,
        since: ModSeq,
    ) -> Result<MailboxChanges, CommandFailure> {
        let recent_from = self.recent_from(name, access)?;
        let mailbox = self.mailboxes.get(name).ok_or(CommandFailure::NoSuchMailbox)?;
        let expunged = mailbox.expunged.iter().filter(|(modseq, _)| *modseq > since.0);
        Ok(MailboxChanges {
            keywords: Arc::new(mailbox.keywords.clone()),
            changed: mailbox.messages.iter().map(info).filter(|message| message.modseq > since).collect(),
            expunged: match self.lists_survivors {
                true => Expunged::AllBut(mailbox.messages.keys().copied().collect()),
                false => Expunged::These(expunged.map(|(_, uid)| *uid).collect()),
            },
            uid_next: mailbox.uid_next,
            highest_modseq: ModSeq(mailbox.highest),
            recent_from,
        })
    }

    /// The first UID that no session was told of.
    fn recent_from(&mut self, name: &MailboxName, access: Access) -> Result<Uid, CommandFailure> {
        let keeps = self.keeps_recent;
        let mailbox = self.mailboxes.get_mut(name).ok_or(CommandFailure::NoSuchMailbox)?;
        let from = if keeps { mailbox.told } else { mailbox.uid_next };
        if access == Access::ReadWrite {
            mailbox.told = mailbox.uid_next;
        }
        Ok(from)
    }

    fn copy(&mut self, from: &MailboxName, uids: &[Uid], to: &MailboxName) -> Result<Answer, CommandFailure> {
        let uid_validity = self.mailboxes.get(to).ok_or(CommandFailure::NoSuchMailbox)?.uid_validity;
        let mut pairs = Vec::new();
        for &uid in uids {
            let Some(message) = self.mailboxes[from].messages.get(&uid).cloned() else { continue };
            let flags = self.mailboxes[from].keywords.expand(message.flags);
            pairs.push((uid, self.add(to, flags, message.date, message.body)));
        }
        Ok(Answer::Copied { uid_validity, uids: pairs })
    }

    fn read_metadata(
        &self,
        of: &MetadataOwner,
        entries: &[String],
        depth: MetadataDepth,
    ) -> Vec<(String, Option<Vec<u8>>)> {
        let mut values = Vec::new();
        for entry in entries {
            if *of != MetadataOwner::Server {
                let tokens = self.tokens.join(&b' ');
                values.push((entry.clone(), (!tokens.is_empty()).then_some(tokens)));
                continue;
            }
            for (name, value) in &self.metadata {
                let below = name.strip_prefix(entry.as_str()).and_then(|rest| rest.strip_prefix('/'));
                let wanted = match depth {
                    MetadataDepth::Zero => false,
                    MetadataDepth::One => below.is_some_and(|below| !below.contains('/')),
                    MetadataDepth::Infinity => below.is_some(),
                };
                if name == entry || wanted {
                    values.push((name.clone(), Some(value.clone())));
                }
            }
        }
        values
    }
}

fn info((uid, message): (&Uid, &ToyMessage)) -> MessageInfo {
    MessageInfo {
        uid: *uid,
        flags: message.flags,
        size: u64::try_from(message.body.len()).unwrap(),
        internal_date: message.date,
        modseq: ModSeq(message.modseq),
    }
}
