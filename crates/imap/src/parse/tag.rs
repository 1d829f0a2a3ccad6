//! The tag (RFC 3501 section 2.2.1), and commands with and without a usable one.

use super::cursor::{Cursor, Parsed, Syntax, is_astring_char};
use crate::command::Command;
use crate::fault::Fault;

/// A command and its tag.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tagged {
    /// The tag, which the completion repeats.
    pub(crate) tag: String,
    pub(crate) command: Command,
}

/// A command that cannot be carried out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// The tag, if it could be read.
    pub(crate) tag: Option<String>,
    pub(crate) fault: Fault,
}

/// RFC 3501: tag = 1*<any ASTRING-CHAR except "+">
pub(crate) fn tag(cursor: &mut Cursor<'_>) -> Parsed<String> {
    let tag = cursor.take_while(|byte| is_astring_char(byte) && byte != b'+', "the tag is missing")?;
    if tag.len() > TAG_LIMIT { Err(Syntax("the tag is too long")) } else { Ok(tag.to_owned()) }
}

/// The longest tag, in bytes.
const TAG_LIMIT: usize = 64;
