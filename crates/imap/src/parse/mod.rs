//! Parsing: a framed command in, a [`Command`] out. Nothing is looked up and nothing is done here.

mod cursor;
mod login;

pub(crate) use cursor::{Cursor, Parsed, Syntax};
pub(crate) use login::plain_response;

use crate::command::Command;

/// A command and its tag.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tagged {
    /// Chosen by the client, repeated in the reply.
    pub(crate) tag: String,
    /// The command.
    pub(crate) command: Command,
}

/// A command that cannot be understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// The tag, if at least that could be read.
    pub(crate) tag: Option<String>,
    /// What is wrong, for a human.
    pub(crate) reason: &'static str,
}

/// The longest tag.
const TAG_LIMIT: usize = 64;

/// RFC 3501: command = tag SP (command-any / command-auth / command-nonauth / command-select) CRLF
pub(crate) fn command(bytes: &[u8]) -> Result<Tagged, Malformed> {
    let mut cursor = Cursor::new(bytes);
    let tag = tag(&mut cursor).map_err(|Syntax(reason)| Malformed { tag: None, reason })?;
    match untagged(&mut cursor) {
        Ok(command) => Ok(Tagged { tag, command }),
        Err(Syntax(reason)) => Err(Malformed { tag: Some(tag), reason }),
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
        _ => return Err(Syntax("unknown command")),
    };
    cursor.end()?;
    Ok(command)
}

#[cfg(test)]
mod tests;
