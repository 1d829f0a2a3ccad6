//! Header clean-up: removes fields that tell more than a reader needs from a message's own header section, while it
//! streams by.
//!
//! Parts further down and everything after the first empty line stay as they are, byte for byte: what is signed or
//! encrypted there must not change.

use memchr::memchr;

/// The direction of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// From a local account, before it is signed and sent to other servers: no trace of the way it came, and a subject
    /// that says nothing.
    Submission,
    /// Into a mailbox, from another server: no trace of the way it came.
    LocalDelivery,
    /// From a local account into a local mailbox: both.
    SubmissionToLocal,
}

/// The treatment of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Drop,
    /// The subject is replaced by one that says nothing.
    Hide,
    Keep,
}

impl Purpose {
    fn rule(self, name: &[u8]) -> Rule {
        let (submitted, delivered) = match self {
            Self::Submission => (true, false),
            Self::LocalDelivery => (false, true),
            Self::SubmissionToLocal => (true, true),
        };
        let is = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        if submitted && is(&["Subject"]) {
            Rule::Hide
        } else if is(&["Received"])
            || submitted && is(&["X-Originating-IP", "X-Mailer", "User-Agent", "Bcc"])
            || delivered && is(&["DKIM-Signature", "Authentication-Results"])
        {
            Rule::Drop
        } else {
            Rule::Keep
        }
    }
}

/// The longest field name compared, in bytes; the names of removed fields are shorter.
const NAME_LIMIT: usize = 64;
const HIDDEN_SUBJECT: &[u8] = b"Subject: [...]\r\n";

/// The transformer: [`HeaderCleanup::push`] the message in pieces, then [`HeaderCleanup::finish`].
#[derive(Debug)]
pub struct HeaderCleanup {
    purpose: Purpose,
    at: At,
    /// The start of a line whose field is not known yet.
    held: Vec<u8>,
    /// The treatment of the current field and its continuation lines.
    rule: Rule,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Within the start of a line of the header section, up to the colon.
    Name,
    /// Behind that, up to the line's end.
    Value,
    Body,
}

impl HeaderCleanup {
    /// A transformer for one message.
    #[must_use]
    pub fn new(purpose: Purpose) -> Self {
        Self { purpose, at: At::Name, held: Vec::new(), rule: Rule::Keep }
    }

    /// Appends to `clean` what remains of these bytes.
    pub fn push(&mut self, bytes: &[u8], clean: &mut Vec<u8>) {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            match self.at {
                At::Body => return clean.extend_from_slice(rest),
                At::Value => {
                    let end = memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
                    let (value, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
                    if self.rule == Rule::Keep {
                        clean.extend_from_slice(value);
                    }
                    if value.ends_with(b"\n") {
                        self.at = At::Name;
                    }
                    rest = after;
                }
                At::Name => {
                    self.held.push(byte);
                    self.name(byte, clean);
                    rest = after;
                }
            }
        }
    }

    /// Appends what was held back, when the message is over.
    pub fn finish(mut self, clean: &mut Vec<u8>) {
        clean.append(&mut self.held);
    }

    /// Looks at the start of a line, which `byte` has just been added to.
    fn name(&mut self, byte: u8, clean: &mut Vec<u8>) {
        match (self.held.len(), byte) {
            // A continuation line shares the fate of its field.
            (1, b' ' | b'\t') => {}
            (_, b':') => {
                let name = self.held.strip_suffix(b":").unwrap_or(&self.held).trim_ascii_end();
                self.rule = self.purpose.rule(name);
                if self.rule == Rule::Hide {
                    clean.extend_from_slice(HIDDEN_SUBJECT);
                }
            }
            (1 | 2, b'\n') if matches!(&self.held[..], b"\n" | b"\r\n") => {
                self.at = At::Body;
                return clean.append(&mut self.held);
            }
            // A line that is no field: kept, as everything that is not known.
            (_, b'\n') => {
                self.rule = Rule::Keep;
                return clean.append(&mut self.held);
            }
            (NAME_LIMIT.., _) => self.rule = Rule::Keep,
            _ => return,
        }
        self.at = At::Value;
        if self.rule == Rule::Keep {
            clean.append(&mut self.held);
        }
        self.held.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{HeaderCleanup, Purpose};

    #[track_caller]
    fn check(purpose: Purpose, message: &str, expected: &str) {
        for chunk in [1, 2, 3, 10, message.len().max(1)] {
            let (mut cleanup, mut clean) = (HeaderCleanup::new(purpose), Vec::new());
            message.as_bytes().chunks(chunk).for_each(|bytes| cleanup.push(bytes, &mut clean));
            cleanup.finish(&mut clean);
            assert_eq!(String::from_utf8_lossy(&clean), expected, "in chunks of {chunk}");
        }
    }

    const MESSAGE: &str = "Received: from phone\r\n\tby box\r\nFrom: anna@box.test\r\nsubject: A very\r\n long one\r\n\
        X-Mailer: m\r\nUser-Agent : u\r\nX-Originating-IP: [192.0.2.1]\r\nDKIM-Signature: a\r\n b\r\n\
        Authentication-Results: x\r\nSubjects: kept\r\nDate: now\r\n\r\nReceived: body\r\nSubject: body\r\n";
    const BODY: &str = "\r\nReceived: body\r\nSubject: body\r\n";

    #[test]
    fn a_submission_tells_nothing_of_its_way() {
        check(
            Purpose::Submission,
            MESSAGE,
            &format!(
                "From: anna@box.test\r\nSubject: [...]\r\nDKIM-Signature: a\r\n b\r\nAuthentication-Results: x\r\n\
                 Subjects: kept\r\nDate: now\r\n{BODY}"
            ),
        );
    }

    #[test]
    fn what_goes_into_a_mailbox_keeps_its_subject() {
        check(
            Purpose::LocalDelivery,
            MESSAGE,
            &format!(
                "From: anna@box.test\r\nsubject: A very\r\n long one\r\nX-Mailer: m\r\nUser-Agent : u\r\n\
                 X-Originating-IP: [192.0.2.1]\r\nSubjects: kept\r\nDate: now\r\n{BODY}"
            ),
        );
        check(
            Purpose::SubmissionToLocal,
            MESSAGE,
            &format!("From: anna@box.test\r\nSubject: [...]\r\nSubjects: kept\r\nDate: now\r\n{BODY}"),
        );
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        let long = format!("{}: x\r\nno field\r\n y\r\n\r\nb", "N".repeat(200));
        for message in ["", "\r\n", "\r\nReceived: x\r\n", "Rece", "A: b", "A: b\r\n", &long] {
            check(Purpose::Submission, message, message);
        }
        check(Purpose::Submission, "Received: x", "");
        check(Purpose::Submission, "Subject:\r\n\r\n", "Subject: [...]\r\n\r\n");
    }
}
