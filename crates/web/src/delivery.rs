//! HTTPS delivery: a relay posts a message to `/mxdeliv` of another one, with the envelope in two header fields and the
//! content in the form of SMTP's DATA. Pure: the envelope of a request, and the answer to it.

use mail_types::Address;
use smtp::{Envelope, Reply, table};

/// The path that relays post to.
pub(crate) const PATH: &str = "/mxdeliv";
/// The field with the envelope sender; without it the sender is null.
pub const SENDER_FIELD: &str = "x-mail-from";
/// The field with an envelope recipient, once for each.
pub const RECIPIENT_FIELD: &str = "x-mail-to";
/// The longest value that is parsed, in bytes: an address has at most 254.
const VALUE_LIMIT: usize = 256;

/// Reads an envelope from the values of its fields; at most `limit` recipients. One that is there twice counts once.
///
/// # Errors
///
/// The reply that SMTP has for a sender or a recipient that is no address, for too many recipients, and for none: a
/// message for nobody was meant for somebody.
pub fn envelope<'a>(
    senders: impl IntoIterator<Item = &'a [u8]>,
    recipients: impl IntoIterator<Item = &'a [u8]>,
    limit: usize,
) -> Result<Envelope, Reply> {
    let mut senders = senders.into_iter();
    let sender = match (senders.next(), senders.next()) {
        (None, _) => None,
        (Some(b"" | b"<>"), None) => None,
        (Some(value), None) => Some(address(value).ok_or(table::SENDER_SYNTAX)?),
        (Some(_), Some(_)) => return Err(table::SENDER_SYNTAX),
    };
    let mut envelope = Envelope { sender, recipients: Vec::new() };
    for value in recipients {
        let recipient = address(value).ok_or(table::RECIPIENT_SYNTAX)?;
        if envelope.recipients.contains(&recipient) {
            continue;
        }
        if envelope.recipients.len() >= limit {
            return Err(table::TOO_MANY_RECIPIENTS);
        }
        envelope.recipients.push(recipient);
    }
    if envelope.recipients.is_empty() { Err(table::NO_RECIPIENTS) } else { Ok(envelope) }
}

fn address(value: &[u8]) -> Option<Address> {
    let text = str::from_utf8(value).ok().filter(|text| text.len() <= VALUE_LIMIT)?;
    Address::from_envelope(text).ok()
}

/// The status and the body of the answer to a delivery: senders look at the status, and show the reply in the body to people.
pub(crate) fn answer(outcome: Result<(), Reply>) -> (u16, String) {
    match outcome {
        Ok(()) => (200, "250 OK".to_owned()),
        Err(reply) if reply == table::TOO_LARGE => (413, "552 Message exceeds maximum size".to_owned()),
        // Trouble that passes is told as such in HTTP's words, too (RFC 9110 section 15.6.4).
        Err(reply) if reply.is_transient() => (503, reply.to_string()),
        Err(reply) => (400, reply.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use mail_types::Address;
    use smtp::{Reply, table};

    use super::{answer, envelope};

    type Read = Result<(Option<String>, Vec<String>), Reply>;

    fn read(senders: &[&str], recipients: &[&str]) -> Read {
        let bytes = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>();
        let (senders, recipients) = (bytes(senders), bytes(recipients));
        let envelope = envelope(senders.iter().map(Vec::as_slice), recipients.iter().map(Vec::as_slice), 2)?;
        let text = |address: &Address| address.to_string();
        Ok((envelope.sender.as_ref().map(text), envelope.recipients.iter().map(text).collect()))
    }

    #[test]
    fn an_envelope_has_at_most_one_sender_and_at_least_one_recipient() {
        let (anna, ben) = ("anna@other.test", "ben@box.test");
        let to_ben = |sender: Option<&str>| Ok((sender.map(str::to_owned), vec![ben.to_owned()]));
        assert_eq!(read(&[anna], &[ben]), to_ben(Some(anna)));
        assert_eq!(read(&["Anna@Other.TEST"], &[ben, "Ben@box.test", ben]), to_ben(Some(anna)));
        for null in [&[][..], &[""], &["<>"]] {
            assert_eq!(read(null, &[ben]), to_ben(None));
        }
        assert_eq!(read(&["a@[192.0.2.1]"], &[ben]), to_ben(Some("a@[192.0.2.1]")));
        assert_eq!(read(&[anna, anna], &[ben]), Err(table::SENDER_SYNTAX));
        assert_eq!(read(&["<anna@other.test>"], &[ben]), Err(table::SENDER_SYNTAX));
        assert_eq!(read(&["anna"], &[ben]), Err(table::SENDER_SYNTAX));
        assert_eq!(read(&[anna], &[]), Err(table::NO_RECIPIENTS));
        for wrong in ["", "ben", "a@b, c@d", "\u{e9}@box.test", &format!("{}@box.test", "b".repeat(300))] {
            assert_eq!(read(&[anna], &[ben, wrong]), Err(table::RECIPIENT_SYNTAX), "{wrong}");
        }
        assert_eq!(read(&[anna], &["a@x.test", "b@x.test", "c@x.test"]), Err(table::TOO_MANY_RECIPIENTS));
    }

    #[test]
    fn answers_are_those_that_relays_know() {
        for (outcome, status, body) in [
            (Ok(()), 200, "250 OK"),
            (Err(table::TOO_LARGE), 413, "552 Message exceeds maximum size"),
            (Err(table::INVALID_DATA), 400, "500 Invalid DATA"),
            (Err(table::RELAY_DENIED), 400, "554 5.7.1 Relay access denied"),
            (Err(table::LOCAL_TROUBLE), 503, "451 4.3.0 Local trouble, please try again later"),
        ] {
            assert_eq!(answer(outcome), (status, body.to_owned()));
        }
    }
}
