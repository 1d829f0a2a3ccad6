//! The envelope of an HTTPS delivery: an address in it is one that SMTP takes, and there are never more than allowed.

use mail_types::Address;
use smtp::Envelope;

/// The most recipients.
const LIMIT: usize = 3;

/// The values of the sender's fields, one a line, an empty line, and those of the recipients'.
pub(crate) fn envelope(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let senders: Vec<&[u8]> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let recipients: Vec<&[u8]> = lines.collect();
    let Ok(Envelope { sender, recipients: read }) =
        web::delivery::envelope(senders.iter().copied(), recipients.iter().copied(), LIMIT)
    else {
        return;
    };
    assert!(senders.len() < 2 && (1..=LIMIT).contains(&read.len()), "{read:?}");
    assert!(read.len() <= recipients.len());
    for address in sender.iter().chain(&read) {
        assert_eq!(Address::from_envelope(&address.to_string()).as_ref(), Ok(address));
    }
}
