//! `STORE`, `COPY` and `MOVE`.

use mail_types::{Flags, ModSeq};

use super::arguments::{flag, flag_list, mailbox, sequence_set};
use super::cursor::{Cursor, Parsed, Syntax};
use crate::command::{Command, CopyMove, Originals, Store, StoreResponse};
use crate::mail::{FlagChange, FlagMode};
use crate::sequence::Numbering;

/// RFC 3501 and RFC 4466: store = "STORE" SP sequence-set [SP "(" store-modifier ")"] SP store-att-flags
pub(super) fn store(cursor: &mut Cursor<'_>, numbering: Numbering) -> Parsed<Command> {
    cursor.space()?;
    let set = sequence_set(cursor)?;
    cursor.space()?;
    let mut unchanged_since = None;
    if cursor.skip("(") {
        cursor.require("UNCHANGEDSINCE ", "unknown modifier of STORE")?;
        unchanged_since = Some(ModSeq(cursor.number64()?));
        if !cursor.close() {
            return Err(Syntax("unknown modifier of STORE"));
        }
        cursor.space()?;
    }
    let mode = match cursor.peek() {
        Some(b'+') => FlagMode::Add,
        Some(b'-') => FlagMode::Remove,
        _ => FlagMode::Replace,
    };
    let _ = cursor.skip("+") || cursor.skip("-");
    cursor.require("FLAGS", "STORE changes FLAGS only")?;
    let response = if cursor.skip(".SILENT") { StoreResponse::Silent } else { StoreResponse::Flags };
    cursor.space()?;
    let flags = flags(cursor)?;
    Ok(Command::Store(Store {
        set,
        numbering,
        change: FlagChange { mode, flags },
        response,
        unchanged_since,
    }))
}

/// RFC 3501: flag-list / (flag *(SP flag))
fn flags(cursor: &mut Cursor<'_>) -> Parsed<Flags> {
    if cursor.peek() == Some(b'(') {
        return flag_list(cursor);
    }
    let mut flags = Flags::default();
    flag(cursor, &mut flags)?;
    while cursor.skip(" ") {
        flag(cursor, &mut flags)?;
    }
    Ok(flags)
}

/// RFC 3501: copy = "COPY" SP sequence-set SP mailbox; RFC 6851: move is the same.
pub(super) fn copy(cursor: &mut Cursor<'_>, numbering: Numbering, originals: Originals) -> Parsed<Command> {
    cursor.space()?;
    let set = sequence_set(cursor)?;
    cursor.space()?;
    Ok(Command::CopyMove(CopyMove { set, numbering, to: mailbox(cursor)?, originals }))
}
