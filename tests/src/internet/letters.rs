//! Messages between servers without a real client: written, and waited for in an inbox.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::mail::Account;
use crate::waiting::poll;

/// The longest way of a message between two servers.
pub const LIMIT: Duration = Duration::from_secs(20);
/// The size of a [`message()`]'s body.
const BYTES: usize = 1000;

/// A message with the structure of an encrypted one.
#[must_use]
pub fn message(from: &str, to: &str, message_id: &str) -> String {
    test_support::message::header(from, to, message_id) + &test_support::message::body(BYTES)
}

/// Waits for a message in an inbox, and gives it byte for byte.
pub fn arrived(account: &Account, message_id: &str) -> Result<Vec<u8>> {
    let mut imap = account.log_in()?;
    poll(LIMIT, "the message arrives", || {
        let ids = imap.message_ids()?;
        let Some(place) = ids.iter().position(|id| id == message_id) else { return Ok(None) };
        let fetched = imap.command(&format!("FETCH {} (BODY.PEEK[])", place + 1))?;
        let literal = fetched.iter().flat_map(|response| &response.literals).next().context("a message")?;
        Ok(Some(literal.clone()))
    })
}

/// The Message-IDs in an inbox.
pub fn inbox(account: &Account) -> Result<Vec<String>> {
    account.log_in()?.message_ids()
}
