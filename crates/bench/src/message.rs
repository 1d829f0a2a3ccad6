//! A message that every chatmail server takes: the shape of an encrypted one, around noise.

use test_support::message;

pub(crate) use test_support::message::body;

/// The end of a message's text in SMTP.
pub(crate) const END: &str = ".\r\n";

/// The header section, which differs from message to message.
pub(crate) fn header(from: &str, to: &str, number: usize) -> String {
    message::header(from, to, &format!("{number}.bench@{from}"))
}
