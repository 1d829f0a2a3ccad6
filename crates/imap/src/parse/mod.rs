//! Parsing: a framed command in, a [`Command`] out. Nothing is looked up and nothing is done here.

mod append;
mod cursor;
mod fetch;
mod list;
mod login;
mod mailboxes;
mod metadata;
mod search;
mod select;
mod sets;
mod store;

pub(crate) use append::append;
pub(crate) use cursor::{Cursor, Fault, Parsed, Syntax, is_atom_char};
pub(crate) use login::plain_response;

use crate::MailboxName;
use crate::command::{Command, ListKind, Originals};
use crate::mail::{Access, Subscription};
use crate::sequence::Numbering;

/// A command and its tag.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tagged {
    /// Chosen by the client, repeated in the reply.
    pub(crate) tag: String,
    /// The command.
    pub(crate) command: Command,
}

/// A command that cannot be carried out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// The tag, if at least that could be read.
    pub(crate) tag: Option<String>,
    /// What is wrong.
    pub(crate) fault: Fault,
}

/// The longest tag.
const TAG_LIMIT: usize = 64;

/// RFC 3501: command = tag SP (command-any / command-auth / command-nonauth / command-select) CRLF
pub(crate) fn command(bytes: &[u8]) -> Result<Tagged, Malformed> {
    let mut cursor = Cursor::new(bytes);
    let tag = tag(&mut cursor).map_err(|fault| Malformed { tag: None, fault })?;
    match untagged(&mut cursor) {
        Ok(command) => Ok(Tagged { tag, command }),
        Err(fault) => Err(Malformed { tag: Some(tag), fault }),
    }
}

/// RFC 3501: tag = 1*<any ASTRING-CHAR except "+">
pub(crate) fn tag(cursor: &mut Cursor<'_>) -> Parsed<String> {
    let tag =
        cursor.take_while(|byte| cursor::is_astring_char(byte) && byte != b'+', "the tag is missing")?;
    if tag.len() > TAG_LIMIT { Err(Syntax("the tag is too long")) } else { Ok(tag.to_owned()) }
}

fn untagged(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space()?;
    let name = cursor.atom()?.to_ascii_uppercase();
    let command = match name.as_str() {
        "CAPABILITY" => Command::Capability,
        "NOOP" | "CHECK" => Command::Noop,
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
        return Ok(Command::Expunge(Some(sets::sequence_set(cursor)?)));
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

/// RFC 3501: mailbox = "INBOX" / astring
pub(crate) fn mailbox(cursor: &mut Cursor<'_>) -> Parsed<MailboxName> {
    MailboxName::from_wire(&cursor.astring()?).map_err(|_| Fault::Name)
}

#[cfg(test)]
mod tests;
