//! Parsing: a framed command in, a [`Command`] out. Nothing is looked up and nothing is done here.
//!
//! The grammar is our own because the one library for it, imap-codec 2, is an alpha version, and because the literal of
//! `APPEND` has to stream, quirks are let through by name, and a malformed command is answered with its tag.

mod append;
mod arguments;
mod cursor;
mod fetch;
mod list;
mod login;
mod mailboxes;
mod metadata;
mod search;
mod select;
mod store;
mod tag;

pub(crate) use append::append;
pub(crate) use cursor::{Cursor, is_atom_char};
pub(crate) use login::plain_response;
pub(crate) use tag::{Malformed, Tagged, tag};

use crate::command::{Command, ListKind, Originals};
use crate::mail::{Access, Subscription};
use crate::sequence::Numbering;
use cursor::{Parsed, Syntax};

/// RFC 3501: command = tag SP (command-any / command-auth / command-nonauth / command-select) CRLF
pub(crate) fn command(bytes: &[u8]) -> Result<Tagged, Malformed> {
    let mut cursor = Cursor::new(bytes);
    let tag = tag(&mut cursor).map_err(|fault| Malformed { tag: None, fault })?;
    match untagged(&mut cursor) {
        Ok(command) => Ok(Tagged { tag, command }),
        Err(fault) => Err(Malformed { tag: Some(tag), fault }),
    }
}

fn untagged(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space()?;
    let name = cursor.atom()?.to_ascii_uppercase();
    let command = match name.as_str() {
        "CAPABILITY" => Command::Capability,
        "NOOP" => Command::Noop,
        "CHECK" => Command::Check,
        "LOGOUT" => Command::Logout,
        "STARTTLS" => Command::StartTls,
        "ID" => login::id(cursor)?,
        "LOGIN" => login::login(cursor)?,
        "AUTHENTICATE" => login::authenticate(cursor)?,
        "ENABLE" => login::enable(cursor)?,
        "IDLE" => Command::Idle,
        "SELECT" => select::select(cursor, Access::ReadWrite)?,
        "EXAMINE" => select::select(cursor, Access::ReadOnly)?,
        "CREATE" => mailboxes::create(cursor)?,
        "DELETE" => mailboxes::delete(cursor)?,
        "RENAME" => mailboxes::rename(cursor)?,
        "SUBSCRIBE" => mailboxes::subscribe(cursor, Subscription::Subscribed)?,
        "UNSUBSCRIBE" => mailboxes::subscribe(cursor, Subscription::Unsubscribed)?,
        "LIST" => list::list(cursor, ListKind::List)?,
        "LSUB" => list::list(cursor, ListKind::Lsub)?,
        "NAMESPACE" => Command::Namespace,
        "STATUS" => mailboxes::status(cursor)?,
        "APPEND" => return Err(Syntax("APPEND takes a mailbox, flags, a date and a literal")),
        "GETQUOTAROOT" => metadata::quota_root(cursor)?,
        "GETQUOTA" => metadata::quota(cursor)?,
        "SETQUOTA" => metadata::set_quota(cursor)?,
        "GETMETADATA" => metadata::get(cursor)?,
        "SETMETADATA" => metadata::set(cursor)?,
        "CLOSE" => Command::Close,
        "UNSELECT" => Command::Unselect,
        "EXPUNGE" => Command::Expunge(None),
        "UID" => uid(cursor)?,
        other => on_messages(other, cursor, Numbering::Sequence)?,
    };
    cursor.end()?;
    Ok(command)
}

/// RFC 3501: uid = "UID" SP (copy / fetch / search / store); RFC 4315 and RFC 6851 add to that.
fn uid(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space()?;
    let name = cursor.atom()?.to_ascii_uppercase();
    if name == "EXPUNGE" {
        cursor.space()?;
        return Ok(Command::Expunge(Some(arguments::sequence_set(cursor)?)));
    }
    on_messages(&name, cursor, Numbering::Uid)
}

/// The commands that exist with and without `UID`.
fn on_messages(name: &str, cursor: &mut Cursor<'_>, numbering: Numbering) -> Parsed<Command> {
    match name {
        "FETCH" => fetch::fetch(cursor, numbering),
        "STORE" => store::store(cursor, numbering),
        "SEARCH" => search::search(cursor, numbering),
        "COPY" => store::copy(cursor, numbering, Originals::Keep),
        "MOVE" => store::copy(cursor, numbering, Originals::Remove),
        _ => Err(Syntax("unknown command")),
    }
}

#[cfg(test)]
mod tests;
