//! The report to a sender whose message could not be delivered (RFC 3464, RFC 3462).
//!
//! Clients recognise it by MAILER-DAEMON in From and map it to the message by the Message-ID in the quoted header
//! section; other relays let it in because it says Auto-Submitted. The driver signs it and sends it from `<>`.

use mail_types::{Address, Domain, UnixTime};
use message::date::write_date_time;
use smtp::Reply;

/// The longest quotation of the original header section, in bytes.
const QUOTE_LIMIT: usize = 64 * 1024;
/// The most bytes about recipients in the text, and as many in the status; further recipients are counted only.
const RECIPIENTS_LIMIT: usize = 64 * 1024;
/// More than the rest of a bounce takes.
const FRAME_SIZE: u64 = 4096;
/// More than one recipient takes in the text and in the status together: two replies, two addresses, field names.
const RECIPIENT_SIZE: u64 = 2048;

/// A recipient that was not reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedRecipient {
    /// The address.
    pub address: Address,
    /// The enhanced status code, such as `5.1.1`: class, subject, detail.
    pub status: (u8, u16, u16),
    /// The other server's reply, or a local failure.
    pub diagnostic: Reply,
}

/// A bounce to be written.
#[derive(Clone, Debug)]
pub struct Bounce<'a> {
    /// Our mail domain.
    pub domain: &'a Domain,
    /// The sender of the original message.
    pub to: &'a Address,
    /// The recipients that were not reached; at least one.
    pub failed: &'a [FailedRecipient],
    /// The start of the original message: at least its header section. The body is not quoted.
    pub original: &'a [u8],
    /// The time of writing.
    pub now: UnixTime,
    /// Chance for the Message-ID and the boundary.
    pub random: [u8; 16],
}

impl Bounce<'_> {
    /// The most bytes that a bounce takes which names so many recipients of a message of this size.
    #[must_use]
    pub fn size_limit(recipients: usize, original: u64) -> u64 {
        let recipients = u64::try_from(recipients).unwrap_or(u64::MAX).saturating_mul(RECIPIENT_SIZE);
        let named = recipients.min(2 * (RECIPIENTS_LIMIT as u64 + RECIPIENT_SIZE));
        FRAME_SIZE + named + original.min(QUOTE_LIMIT as u64)
    }

    /// The message, with CR LF line ends.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let Self { domain, to, .. } = self;
        let token = format!("{:032x}", u128::from_be_bytes(self.random));
        let date = write_date_time(self.now);
        let boundary = format!("hearth-{token}");
        let host = match domain {
            Domain::Name(name) => name.clone(),
            Domain::Ipv4(_) | Domain::Ipv6(_) => domain.to_string(),
        };
        let mut report = format!(
            "From: Mail Delivery System <MAILER-DAEMON@{host}>\r\n\
             To: <{to}>\r\n\
             Subject: Undelivered Mail Returned to Sender\r\n\
             Date: {date}\r\n\
             Message-ID: <{token}@{id_host}>\r\n\
             Auto-Submitted: auto-replied\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{boundary}\"\r\n\
             \r\n\
             --{boundary}\r\n\
             Content-Type: text/plain; charset=us-ascii\r\n\
             \r\n",
            id_host = host.trim_matches(['[', ']']).replace(':', "."),
        );
        report.push_str(&self.explanation());
        report.push_str(&format!("\r\n--{boundary}\r\nContent-Type: message/delivery-status\r\n\r\n"));
        report.push_str(&self.status(&host));
        report.push_str(&format!("\r\n--{boundary}\r\nContent-Type: text/rfc822-headers\r\n\r\n"));
        let mut report = report.into_bytes();
        quote_header(self.original, &mut report);
        report.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        report
    }

    /// The text for a human reader (RFC 3462 section 1, first part).
    fn explanation(&self) -> String {
        let mut text = "This is the mail delivery system of your relay.\r\n\r\n\
                        Your message could not be delivered to:\r\n"
            .to_owned();
        for (named, FailedRecipient { address, diagnostic, .. }) in self.failed.iter().enumerate() {
            if text.len() > RECIPIENTS_LIMIT {
                text.push_str(&format!("\r\nand to {} more.\r\n", self.failed.len() - named));
                break;
            }
            text.push_str(&format!("\r\n<{address}>: {diagnostic}\r\n"));
        }
        text
    }

    /// message/delivery-status (RFC 3464 section 2).
    fn status(&self, host: &str) -> String {
        let mut text = format!("Reporting-MTA: dns; {host}\r\n");
        for FailedRecipient { address, status: (class, subject, detail), diagnostic } in self.failed {
            if text.len() > RECIPIENTS_LIMIT {
                break;
            }
            text.push_str(&format!(
                "\r\nFinal-Recipient: rfc822; {address}\r\nAction: failed\r\n\
                 Status: {class}.{subject}.{detail}\r\nDiagnostic-Code: smtp; {diagnostic}\r\n"
            ));
        }
        text
    }
}

/// Appends the lines up to the first empty one, as far as the limit goes.
fn quote_header(original: &[u8], report: &mut Vec<u8>) {
    let limit = report.len().saturating_add(QUOTE_LIMIT);
    for line in original.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
        if line.is_empty() || report.len().saturating_add(line.len()) > limit {
            return;
        }
        report.extend_from_slice(line);
        report.extend_from_slice(b"\r\n");
    }
}
