//! The content that one stream must have in the store after so many steps: a pure function of seed, stream and number.
//!
//! Every step is one transaction of the store, and no two numbers give the same content.

use std::collections::{BTreeMap, BTreeSet};

/// A name as the store knows it: account 0 or 1 of the stream, and the mailbox.
pub(crate) type MailboxName = (usize, String);

/// One stream's content.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    seed: u64,
    stream: u32,
    sequence: u64,
    /// Accounts that exist.
    pub(crate) accounts: usize,
    /// The last UIDVALIDITY of each account, as an offset.
    validity: [u32; 2],
    pub(crate) mailboxes: BTreeMap<MailboxName, Mailbox>,
    /// Metadata entries of account 0.
    pub(crate) metadata: BTreeMap<String, String>,
    /// Oldest first.
    pub(crate) queue: Vec<Queued>,
    /// The device of account 0, once it has one.
    pub(crate) device: Option<Device>,
}

/// A device that is to be notified, and of which step's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) pending: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    pub(crate) uid_validity: u32,
    pub(crate) uid_next: u32,
    pub(crate) modseq: u64,
    pub(crate) messages: BTreeMap<u32, Message>,
    /// The sum of the INBOXes' modification sequences when it was made.
    born: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) content: Content,
    pub(crate) modseq: u64,
    /// Bits: 1 seen, 2 flagged, 4 deleted, 8 the keyword `$Forwarded`.
    pub(crate) flags: u8,
}

/// A message's text: long and dull, or short and dull, but no two alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) id: u64,
    pub(crate) size: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Queued {
    pub(crate) content: Content,
    pub(crate) attempts: u32,
}

/// The change that a step makes.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    CreateAccount(usize),
    RegisterDevice,
    Deliver { content: Content, to: Vec<MailboxName>, queue: usize },
    Flag { mailbox: MailboxName, uids: Vec<u32>, flags: u8 },
    Expunge { mailbox: MailboxName, uids: Vec<u32> },
    Copy { from: MailboxName, uids: Vec<u32>, to: MailboxName },
    Move { from: MailboxName, uids: Vec<u32>, to: MailboxName },
    CreateMailbox(MailboxName),
    DeleteMailbox(MailboxName),
    RenameMailbox { from: MailboxName, to: MailboxName },
    SetMetadata { entry: String, value: String },
    Attempt,
    FinishQueued,
}

/// The UIDVALIDITY of the first mailbox of an account.
pub(crate) const FIRST_VALIDITY: u32 = 1_800_000_000;
/// Messages of a stream above which it rather deletes.
const CROWD: usize = 60;

impl Model {
    pub(crate) fn new(seed: u64, stream: u32) -> Self {
        Self {
            seed,
            stream,
            sequence: 0,
            accounts: 0,
            validity: [FIRST_VALIDITY - 1; 2],
            mailboxes: BTreeMap::new(),
            metadata: BTreeMap::new(),
            queue: Vec::new(),
            device: None,
        }
    }

    /// Steps done.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The address of one of the stream's accounts.
    pub(crate) fn address(&self, account: usize) -> String {
        format!("stream{}-{account}@box.test", self.stream)
    }

    /// Does the next step.
    pub(crate) fn step(&mut self) -> Step {
        self.sequence += 1;
        let mut chance = Chance(mix(self.seed ^ mix(self.sequence) ^ mix(u64::from(self.stream) << 40)));
        let step = self.choose(&mut chance);
        self.apply(&step);
        step
    }

    fn choose(&self, chance: &mut Chance) -> Step {
        if self.accounts < 2 {
            return Step::CreateAccount(self.accounts);
        }
        if self.device.is_none() {
            return Step::RegisterDevice;
        }
        let crowd: usize = self.mailboxes.values().map(|mailbox| mailbox.messages.len()).sum();
        let from = self.some_mailbox(chance);
        let uids = self.some_uids(chance, &from);
        let delete = if crowd > CROWD { 40 } else { 15 };
        match chance.below(100) {
            roll if roll < delete && !uids.is_empty() => Step::Expunge { mailbox: from, uids },
            40..60 if !uids.is_empty() => {
                let flags = 1 << u8::try_from(chance.below(4)).unwrap_or(0);
                let messages = self.messages(&from, &uids);
                // A step that changes nothing would give the content of the step before.
                let idle = messages.iter().all(|message| message.flags & flags != 0);
                if idle { self.deliver(chance) } else { Step::Flag { mailbox: from, uids, flags } }
            }
            60..64 if !uids.is_empty() => {
                let to = self.some_mailbox(chance);
                Step::Copy { from, uids, to }
            }
            64..68 if !uids.is_empty() => {
                let to = self.some_mailbox(chance);
                if to == from { self.deliver(chance) } else { Step::Move { from, uids, to } }
            }
            68..71 if self.mailboxes.len() < 6 => Step::CreateMailbox((0, format!("box{}", self.sequence))),
            71..73 => self.delete_mailbox(chance).unwrap_or_else(|| self.deliver(chance)),
            73..75 if from.1 != "INBOX" => {
                let to = (from.0, format!("renamed{}", self.sequence));
                Step::RenameMailbox { from, to }
            }
            75..79 => {
                let entry = format!("/private/entry{}", chance.below(5));
                Step::SetMetadata { entry, value: format!("value {}", self.sequence) }
            }
            79..83 if !self.queue.is_empty() => Step::Attempt,
            83..90 if !self.queue.is_empty() => Step::FinishQueued,
            _ => self.deliver(chance),
        }
    }

    fn deliver(&self, chance: &mut Chance) -> Step {
        let size = match chance.below(20) {
            0 => 0,
            1 | 2 => 16_000 + chance.below(60_000),
            3 => 200_000 + chance.below(200_000),
            _ => 200 + chance.below(4_000),
        };
        let id = self.sequence << 2 | u64::from(self.stream);
        let content = Content { id, size: usize::try_from(size).unwrap_or(0) };
        let mut to = BTreeSet::from([(usize::from(chance.below(2) == 0), "INBOX".to_owned())]);
        if chance.below(3) == 0 {
            to.insert(self.some_mailbox(chance));
        }
        let queue = if self.queue.len() < 8 && chance.below(4) == 0 { 1 } else { 0 };
        Step::Deliver { content, to: to.into_iter().collect(), queue }
    }

    /// Only what would not bring back an earlier content.
    fn delete_mailbox(&self, chance: &mut Chance) -> Option<Step> {
        let name = self.some_mailbox(chance);
        let mailbox = self.mailboxes.get(&name)?;
        (name.1 != "INBOX" && mailbox.born < self.age()).then_some(Step::DeleteMailbox(name))
    }

    fn age(&self) -> u64 {
        self.mailboxes.iter().filter(|((_, name), _)| name == "INBOX").map(|(_, inbox)| inbox.modseq).sum()
    }

    fn some_mailbox(&self, chance: &mut Chance) -> MailboxName {
        let number = chance.below(self.mailboxes.len() as u64);
        let name = self.mailboxes.keys().nth(usize::try_from(number).unwrap_or(0));
        name.cloned().unwrap_or((0, "INBOX".to_owned()))
    }

    fn some_uids(&self, chance: &mut Chance, mailbox: &MailboxName) -> Vec<u32> {
        let Some(mailbox) = self.mailboxes.get(mailbox) else { return Vec::new() };
        let keep = 1 + chance.below(4);
        mailbox.messages.keys().copied().filter(|_| chance.below(4) < keep).take(8).collect()
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::CreateAccount(account) => {
                self.accounts += 1;
                self.create_mailbox((*account, "INBOX".to_owned()));
            }
            Step::RegisterDevice => self.device = Some(Device { pending: None }),
            Step::CreateMailbox(name) => self.create_mailbox(name.clone()),
            Step::DeleteMailbox(name) => {
                self.mailboxes.remove(name);
            }
            Step::RenameMailbox { from, to } => {
                if let Some(mailbox) = self.mailboxes.remove(from) {
                    self.mailboxes.insert(to.clone(), mailbox);
                }
            }
            Step::Deliver { content, to, queue } => {
                for name in to {
                    self.change(name, |mailbox| mailbox.add(*content, 0));
                }
                if let Some(device) = &mut self.device
                    && to.iter().any(|(account, _)| *account == 0)
                {
                    device.pending = Some(self.sequence);
                }
                let queued = Queued { content: *content, attempts: 0 };
                self.queue.extend(std::iter::repeat_n(queued, *queue));
            }
            Step::Flag { mailbox, uids, flags } => self.flag(mailbox, uids, *flags),
            Step::Expunge { mailbox, uids } => {
                self.change(mailbox, |mailbox| mailbox.messages.retain(|uid, _| !uids.contains(uid)));
            }
            Step::Copy { from, uids, to } => {
                let copied = self.messages(from, uids);
                self.change(to, |to| {
                    copied.iter().for_each(|message| to.add(message.content, message.flags))
                });
            }
            Step::Move { from, uids, to } => {
                let moved = self.messages(from, uids);
                self.change(from, |from| from.messages.retain(|uid, _| !uids.contains(uid)));
                self.change(to, |to| moved.iter().for_each(|message| to.add(message.content, message.flags)));
            }
            Step::SetMetadata { entry, value } => {
                self.metadata.insert(entry.clone(), value.clone());
            }
            Step::Attempt => {
                if let Some(first) = self.queue.first_mut() {
                    first.attempts += 1;
                }
            }
            Step::FinishQueued => {
                self.queue.remove(0);
            }
        }
    }

    fn create_mailbox(&mut self, name: MailboxName) {
        let born = self.age();
        if let Some(validity) = self.validity.get_mut(name.0) {
            *validity += 1;
            let mailbox =
                Mailbox { uid_validity: *validity, uid_next: 1, modseq: 1, messages: BTreeMap::new(), born };
            self.mailboxes.insert(name, mailbox);
        }
    }

    fn flag(&mut self, name: &MailboxName, uids: &[u32], flags: u8) {
        let Some(mailbox) = self.mailboxes.get_mut(name) else { return };
        let modseq = mailbox.modseq + 1;
        for (uid, message) in &mut mailbox.messages {
            // Each bit is added where it is missing; a step that changes nothing changes no number.
            if uids.contains(uid) && message.flags & flags == 0 {
                message.flags |= flags;
                message.modseq = modseq;
                mailbox.modseq = modseq;
            }
        }
    }

    fn messages(&self, name: &MailboxName, uids: &[u32]) -> Vec<Message> {
        let mailbox = self.mailboxes.get(name);
        let messages = mailbox.into_iter().flat_map(|mailbox| &mailbox.messages);
        messages.filter(|(uid, _)| uids.contains(uid)).map(|(_, message)| message.clone()).collect()
    }

    fn change(&mut self, name: &MailboxName, change: impl FnOnce(&mut Mailbox)) {
        if let Some(mailbox) = self.mailboxes.get_mut(name) {
            mailbox.modseq += 1;
            change(mailbox);
        }
    }
}

impl Mailbox {
    fn add(&mut self, content: Content, flags: u8) {
        self.messages.insert(self.uid_next, Message { content, modseq: self.modseq, flags });
        self.uid_next += 1;
    }
}

impl Content {
    /// The text.
    pub(crate) fn bytes(self) -> Vec<u8> {
        let mut chance = Chance(mix(self.id));
        let mut bytes = format!("Message-ID: <{}@stream>\r\n\r\n", self.id).into_bytes();
        while bytes.len() < self.size {
            bytes.extend_from_slice(&chance.next().to_le_bytes());
        }
        bytes.truncate(self.size);
        bytes
    }
}

/// A deterministic source of numbers (splitmix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
