//! Does to the store what the model did: one call, one transaction.

use std::io::Write;

use mail_types::{Address, Flags, Keyword, Secret, SystemFlag, Uid, UnixTime};
use store::{Announce, FlagChange, FlagMode, MailboxId, MetadataScope, OutboundDraft, Store, Target};

use crate::Trouble;
use crate::model::{FIRST_VALIDITY, MailboxName, Model, Step};

/// When everything happens.
pub(crate) const NOW: UnixTime = UnixTime(FIRST_VALIDITY as u64);

/// The device's token.
const TOKEN: &str = "openpgp:device";

/// When a message comes, so that a pending push tells which message it is for.
pub(crate) fn time_of(sequence: u64) -> UnixTime {
    UnixTime(NOW.0 + sequence)
}

/// Performs a step that the model has done already.
pub(crate) fn perform(store: &Store, model: &Model, step: &Step) -> Result<(), Trouble> {
    let address = |account: usize| -> Result<Address, Trouble> { Ok(model.address(account).parse()?) };
    let find = |name: &MailboxName| find(store, &address(name.0)?, &name.1);
    match step {
        Step::CreateAccount(account) => {
            store.create_account(&address(*account)?, Secret::new("hash"), NOW)?
        }
        Step::RegisterDevice => store.register_push_token(&address(0)?, TOKEN, NOW)?,
        Step::Deliver { content, to, queue } => {
            let mut spool = store.spool(1 << 20);
            spool.write_all(&content.bytes())?;
            let target = |name| -> Result<Target, Trouble> {
                Ok(Target {
                    mailbox: find(name)?,
                    flags: Flags::default(),
                    internal_date: time_of(model.sequence()),
                    arrived: time_of(model.sequence()),
                    announce: Announce::ToDevices,
                })
            };
            let targets: Vec<Target> = to.iter().map(target).collect::<Result<_, _>>()?;
            let drafts: Vec<_> = (0..*queue).map(|_| draft(address(0), 0)).collect::<Result<_, _>>()?;
            store.submit(spool, &targets, &drafts)?;
        }
        Step::Flag { mailbox, uids, flags } => {
            let change = FlagChange { mode: FlagMode::Add, flags: flags_of(*flags)?, unchanged_since: None };
            store.change_flags(find(mailbox)?, &uids_of(uids), &change)?;
        }
        Step::Expunge { mailbox, uids } => {
            store.expunge(find(mailbox)?, &uids_of(uids))?;
        }
        Step::Copy { from, uids, to } => {
            store.copy(find(from)?, &uids_of(uids), find(to)?)?;
        }
        Step::Move { from, uids, to } => {
            store.move_messages(find(from)?, &uids_of(uids), find(to)?)?;
        }
        Step::CreateMailbox((account, name)) => {
            store.create_mailbox(&address(*account)?, name, None, NOW)?;
        }
        Step::DeleteMailbox((account, name)) => store.delete_mailbox(&address(*account)?, name)?,
        Step::RenameMailbox { from, to } => store.rename_mailbox(&address(from.0)?, &from.1, &to.1, NOW)?,
        Step::SetMetadata { entry, value } => {
            store.set_metadata(&address(0)?, MetadataScope::Account, entry, Some(value.as_bytes()))?;
        }
        Step::Attempt => {
            let first = queue(store, &address(0)?)?.into_iter().next().ok_or("the queue is empty")?;
            store.update_outbound(first.id, draft(address(0), first.draft.attempts + 1)?)?;
        }
        Step::FinishQueued => {
            let first = queue(store, &address(0)?)?.into_iter().next().ok_or("the queue is empty")?;
            store.finish_outbound(first.id)?;
        }
    }
    Ok(())
}

/// The queue entries of one stream.
pub(crate) fn queue(store: &Store, sender: &Address) -> Result<Vec<store::Outbound>, Trouble> {
    let mut queue = store.outbound()?;
    queue.retain(|entry| entry.draft.sender.as_ref() == Some(sender));
    Ok(queue)
}

/// The flags behind the model's bits.
pub(crate) fn flags_of(bits: u8) -> Result<Flags, Trouble> {
    let system = [(1, SystemFlag::Seen), (2, SystemFlag::Flagged), (4, SystemFlag::Deleted)];
    let mut flags: Flags =
        system.into_iter().filter(|(bit, _)| bits & bit != 0).map(|(_, flag)| flag).collect();
    if bits & 8 != 0 {
        flags.keywords.insert("$Forwarded".parse::<Keyword>()?);
    }
    Ok(flags)
}

fn find(store: &Store, address: &Address, name: &str) -> Result<MailboxId, Trouble> {
    Ok(store.mailbox(address, name)?.ok_or("a mailbox is missing")?.id)
}

fn uids_of(numbers: &[u32]) -> Vec<Uid> {
    numbers.iter().filter_map(|number| Uid::new(*number)).collect()
}

fn draft(sender: Result<Address, Trouble>, attempts: u32) -> Result<OutboundDraft, Trouble> {
    let recipients = vec!["far@away.test".parse()?];
    let last_reply = String::new();
    let (sender, prefix) = (Some(sender?), String::new());
    Ok(OutboundDraft { sender, recipients, created: NOW, due: NOW, attempts, last_reply, prefix })
}
