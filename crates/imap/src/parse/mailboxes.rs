//! `CREATE`, `DELETE`, `RENAME`, `SUBSCRIBE`, `UNSUBSCRIBE` and `STATUS`.

use super::arguments::mailbox;
use super::cursor::{Cursor, Parsed, Syntax};
use crate::command::{Command, Create, StatusItem};
use crate::mail::{SpecialUse, Subscription};

/// RFC 3501 and RFC 6154: create = "CREATE" SP mailbox [SP "(" "USE" SP "(" [use-attr *(SP use-attr)] ")" ")"]
pub(super) fn create(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space()?;
    let mailbox = mailbox(cursor)?;
    let mut special_use = None;
    if cursor.skip(" (") {
        cursor.require("USE", "unknown parameter of CREATE")?;
        cursor.space()?;
        cursor.require("(", "an opening parenthesis is missing")?;
        while !cursor.close() {
            cursor.skip_spaces();
            let previous = special_use.replace(use_attribute(cursor)?);
            if previous.is_some() {
                return Err(Syntax("a mailbox has one special use at most"));
            }
        }
        if !cursor.close() {
            return Err(Syntax("a closing parenthesis is missing"));
        }
    }
    Ok(Command::Create(Create { mailbox, special_use }))
}

/// RFC 6154: use-attr
fn use_attribute(cursor: &mut Cursor<'_>) -> Parsed<SpecialUse> {
    cursor.require("\\", "a special use is missing")?;
    Ok(match cursor.atom()?.to_ascii_lowercase().as_str() {
        "all" => SpecialUse::All,
        "archive" => SpecialUse::Archive,
        "drafts" => SpecialUse::Drafts,
        "flagged" => SpecialUse::Flagged,
        "junk" => SpecialUse::Junk,
        "sent" => SpecialUse::Sent,
        "trash" => SpecialUse::Trash,
        _ => return Err(Syntax("there is no such special use")),
    })
}

/// RFC 3501: delete = "DELETE" SP mailbox
pub(super) fn delete(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space()?;
    Ok(Command::Delete(mailbox(cursor)?))
}

/// RFC 3501: rename = "RENAME" SP mailbox SP mailbox
pub(super) fn rename(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space()?;
    let from = mailbox(cursor)?;
    cursor.space()?;
    Ok(Command::Rename { from, to: mailbox(cursor)? })
}

/// RFC 3501: subscribe = "SUBSCRIBE" SP mailbox
pub(super) fn subscribe(cursor: &mut Cursor<'_>, subscription: Subscription) -> Parsed<Command> {
    cursor.space()?;
    Ok(Command::Subscribe(mailbox(cursor)?, subscription))
}

/// RFC 3501: status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")"
pub(super) fn status(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space()?;
    let mailbox = mailbox(cursor)?;
    cursor.space()?;
    Ok(Command::Status(mailbox, status_items(cursor)?))
}

/// RFC 3501: status-att, with those of RFC 7162 and RFC 8438
pub(super) fn status_items(cursor: &mut Cursor<'_>) -> Parsed<Vec<StatusItem>> {
    let mut items = cursor.list(|cursor| {
        Ok(match cursor.atom()?.to_ascii_uppercase().as_str() {
            "MESSAGES" => StatusItem::Messages,
            "RECENT" => StatusItem::Recent,
            "UIDNEXT" => StatusItem::UidNext,
            "UIDVALIDITY" => StatusItem::UidValidity,
            "UNSEEN" => StatusItem::Unseen,
            "DELETED" => StatusItem::Deleted,
            "SIZE" => StatusItem::Size,
            "HIGHESTMODSEQ" => StatusItem::HighestModSeq,
            _ => return Err(Syntax("there is no such status item")),
        })
    })?;
    items.sort_unstable();
    items.dedup();
    Ok(items)
}
