//! `GETMETADATA`, `SETMETADATA` (RFC 5464) and the quota commands (RFC 2087).

use super::arguments::mailbox;
use super::cursor::{Cursor, Parsed, Syntax};
use crate::command::{Command, GetMetadata, SetMetadata};
use crate::fault::Fault;
use crate::mail::{MetadataDepth, MetadataOwner};
use crate::mailbox_name::MailboxName;

/// The most entries of one command.
const ENTRY_LIMIT: usize = 50;
/// The longest entry name, in bytes.
const NAME_LIMIT: usize = 200;

/// RFC 5464: getmetadata = "GETMETADATA" [SP getmetadata-options] SP mailbox SP entries. The erratum and some
/// clients put the options after the mailbox; both orders are taken.
pub(super) fn get(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    let mut get = GetMetadata {
        of: MetadataOwner::Server,
        name: Vec::new(),
        entries: Vec::new(),
        depth: MetadataDepth::Zero,
        max_size: None,
    };
    cursor.space()?;
    if cursor.peek() == Some(b'(') {
        options(cursor, &mut get)?;
        cursor.space()?;
    }
    get.name = cursor.astring()?;
    get.of = owner(&get.name)?;
    cursor.space()?;
    let mut ahead = *cursor;
    let is_list = ahead.skip("(");
    ahead.skip_spaces();
    if is_list && ahead.peek().is_some_and(|byte| byte.is_ascii_alphabetic()) {
        options(cursor, &mut get)?;
        cursor.space()?;
    }
    get.entries =
        if cursor.peek() == Some(b'(') { cursor.list(entry_name)? } else { vec![entry_name(cursor)?] };
    if get.entries.len() > ENTRY_LIMIT {
        Err(Syntax("too many entries"))
    } else {
        Ok(Command::GetMetadata(get))
    }
}

/// RFC 5464: "MAXSIZE" SP number / "DEPTH" SP ("0" / "1" / "infinity")
fn options(cursor: &mut Cursor<'_>, get: &mut GetMetadata) -> Parsed<()> {
    cursor.list(|cursor| {
        match cursor.atom()?.to_ascii_uppercase().as_str() {
            "MAXSIZE" => {
                cursor.space()?;
                get.max_size = Some(cursor.number()?);
            }
            "DEPTH" => {
                cursor.space()?;
                get.depth = match cursor.atom()?.to_ascii_lowercase().as_str() {
                    "0" => MetadataDepth::Zero,
                    "1" => MetadataDepth::One,
                    "infinity" => MetadataDepth::Infinity,
                    _ => return Err(Syntax("DEPTH is 0, 1 or infinity")),
                };
            }
            _ => return Err(Syntax("unknown option of GETMETADATA")),
        }
        Ok(())
    })?;
    Ok(())
}

/// RFC 5464: setmetadata = "SETMETADATA" SP mailbox SP "(" entry SP value *(SP entry SP value) ")"
pub(super) fn set(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space()?;
    let of = owner(&cursor.astring()?)?;
    cursor.space()?;
    let entries = cursor.list(|cursor| {
        let name = entry_name(cursor)?;
        cursor.space()?;
        Ok((name, cursor.nstring()?))
    })?;
    if entries.len() > ENTRY_LIMIT {
        return Err(Syntax("too many entries"));
    }
    Ok(Command::SetMetadata(SetMetadata { of, entries }))
}

/// The empty mailbox name stands for the server.
fn owner(name: &[u8]) -> Parsed<MetadataOwner> {
    if name.is_empty() {
        return Ok(MetadataOwner::Server);
    }
    let name = MailboxName::from_wire(name).map_err(|_| Syntax("the mailbox name is not valid"))?;
    Ok(MetadataOwner::Mailbox(name))
}

/// RFC 5464 section 3.2: begins with a slash, no two slashes in a row, none at the end, no wildcards.
fn entry_name(cursor: &mut Cursor<'_>) -> Parsed<String> {
    const WRONG: Fault = Syntax("an entry name is malformed");
    let name = cursor.text()?.to_ascii_lowercase();
    let levels = name.strip_prefix('/').ok_or(WRONG)?;
    let good = |level: &str| {
        !level.is_empty() && level.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'*' && byte != b'%')
    };
    if name.len() <= NAME_LIMIT && levels.split('/').all(good) { Ok(name) } else { Err(WRONG) }
}

/// RFC 2087: "GETQUOTAROOT" SP mailbox
pub(super) fn quota_root(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space()?;
    Ok(Command::QuotaRoot(mailbox(cursor)?))
}

/// RFC 2087: "GETQUOTA" SP astring
pub(super) fn quota(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space()?;
    Ok(Command::Quota(cursor.astring()?))
}

/// RFC 2087: "SETQUOTA" SP astring SP "(" [resource SP number *(SP resource SP number)] ")"
pub(super) fn set_quota(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space()?;
    cursor.astring()?;
    cursor.space()?;
    cursor.require("(", "an opening parenthesis is missing")?;
    while !cursor.close() {
        cursor.skip_spaces();
        cursor.atom()?;
        cursor.space()?;
        cursor.number64()?;
    }
    Ok(Command::SetQuota)
}
