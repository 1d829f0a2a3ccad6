//! IMAP sessions over a mailbox that is always the same.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use imap::{
    Answer, CommandFailure, Expunged, Input, MailboxChanges, MessageFlags, MessageInfo, Output, Question,
    QuotaUsage, Session, Settings, Snapshot, Transport,
};
use mail_types::{CompactFlags, ModSeq, SystemFlag, Uid, UidValidity, UnixTime};

use crate::message;

/// Delta Chat's commands from its connection to IDLE and out of it, with one new message (chatmail/core, `src/imap.rs`).
const PHONE: &str = "\
A1 LOGIN \"receiver@chat.test\" \"secret-secret\"\r
A2 ID (\"name\" \"Delta Chat\")\r
A3 GETQUOTAROOT \"INBOX\"\r
A4 GETMETADATA \"\" (/shared/comment /shared/admin /shared/vendor/deltachat/maxsmtprecipients)\r
A5 SELECT \"INBOX\"\r
A6 UID FETCH 1:500 (UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE X-MICROSOFT-ORIGINAL-MESSAGE-ID FROM \
CONTENT-TYPE SECURE-JOIN CHAT-VERSION CHAT-IS-POST-MESSAGE AUTOCRYPT-SETUP-MESSAGE)])\r
A7 UID FETCH 1 (FLAGS BODY.PEEK[])\r
A8 UID STORE 1 +FLAGS (\\Deleted)\r
A9 CLOSE\r
A10 SELECT \"INBOX\"\r
A11 IDLE\r
DONE\r
";
const LOGIN: &str = "A1 LOGIN \"receiver@chat.test\" \"secret-secret\"\r\nA2 SELECT \"INBOX\"\r\n";

pub(crate) fn phone(times: usize) -> Result<()> {
    let mut mailbox = Mailbox::new(1)?;
    for _ in 0..times {
        mailbox.connect();
        mailbox.say(PHONE);
        mailbox.expect("A11 OK")?;
    }
    Ok(())
}

pub(crate) fn list(times: usize) -> Result<()> {
    again(1000, "A3 FETCH 1:* (UID FLAGS RFC822.SIZE)\r\n", times)
}

pub(crate) fn search(times: usize) -> Result<()> {
    again(1000, "A3 UID SEARCH UNSEEN\r\n", times)
}

pub(crate) fn structure(times: usize) -> Result<()> {
    again(1, "A3 FETCH 1 (ENVELOPE BODYSTRUCTURE)\r\n", times)
}

/// The same command again and again in one session.
fn again(messages: u32, command: &str, times: usize) -> Result<()> {
    let mut mailbox = Mailbox::new(messages)?;
    mailbox.say(LOGIN);
    for _ in 0..times {
        mailbox.say(command);
        mailbox.expect("A3 OK")?;
    }
    Ok(())
}

/// A session, and the mailbox it asks about.
struct Mailbox {
    settings: Arc<Settings>,
    session: Session,
    now: Instant,
    snapshot: Snapshot,
    message: Vec<u8>,
    heard: Vec<u8>,
}

impl Mailbox {
    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made otherwise; it stands still")]
    fn new(messages: u32) -> Result<Self> {
        let (from, to) = ("sender@chat.test", "receiver@chat.test");
        let message = (message::header(from, to, 1) + &message::body(10_000)).into_bytes();
        let info = |number| {
            Some(MessageInfo {
                uid: Uid::new(number)?,
                flags: if number % 2 == 0 {
                    [SystemFlag::Seen].into_iter().collect()
                } else {
                    CompactFlags::default()
                },
                size: message.len() as u64,
                internal_date: UnixTime(1_700_000_000),
                modseq: ModSeq(u64::from(number)),
            })
        };
        let snapshot = Snapshot {
            uid_validity: UidValidity::new(1_700_000_000).context("a UIDVALIDITY is not 0")?,
            uid_next: Uid::new(messages + 1).context("a UID is not 0")?,
            highest_modseq: ModSeq(u64::from(messages)),
            recent_from: Uid::new(messages + 1).context("a UID is not 0")?,
            keywords: Arc::default(),
            messages: (1..=messages).filter_map(info).collect(),
        };
        let (now, settings) = (Instant::now(), Arc::new(Settings::default()));
        let session = Session::new(Arc::clone(&settings), Transport::Tls, now);
        Ok(Self { settings, session, now, snapshot, message, heard: Vec::new() })
    }

    /// A new connection.
    fn connect(&mut self) {
        self.session = Session::new(Arc::clone(&self.settings), Transport::Tls, self.now);
    }

    /// The client says something, and all that follows is done.
    fn say(&mut self, text: &str) {
        self.heard.clear();
        self.session.handle(self.now, Input::Bytes(text.as_bytes()));
        while let Some(output) = self.session.poll() {
            match output {
                Output::Send(bytes) => self.heard.extend_from_slice(&bytes),
                Output::Ask(question) => {
                    let answer = self.answer(question);
                    self.session.handle(self.now, Input::Answer(answer));
                }
                // The driver copies these bytes from a file.
                Output::SendMessage(_)
                | Output::Spool(_)
                | Output::DiscardSpool
                | Output::WakeAt(_)
                | Output::StartTls
                | Output::Close => {}
            }
        }
    }

    fn answer(&self, question: Question) -> Answer {
        match question {
            Question::Authenticate { .. } => Answer::Authenticated,
            Question::OpenMailbox { .. } => Answer::Opened(self.snapshot.clone()),
            Question::OpenMessage { head, .. } => Answer::Message {
                size: self.message.len() as u64,
                head: self.message.iter().copied().take(head as usize).collect(),
            },
            Question::ReadMessage(range) => {
                let range = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
                let bytes = range.and_then(|(start, end)| self.message.get(start..end));
                Answer::Bytes(bytes.unwrap_or_default().to_vec())
            }
            Question::StoreFlags { uids, change, .. } => {
                let flagged = |uid| MessageFlags {
                    uid,
                    flags: self.snapshot.keywords.compact(&change.flags),
                    modseq: self.snapshot.highest_modseq,
                };
                Answer::Stored {
                    keywords: Arc::default(),
                    messages: uids.into_iter().map(flagged).collect(),
                    modified: Vec::new(),
                }
            }
            Question::Expunge { uids, .. } => {
                Answer::Expunged { uids, highest_modseq: self.snapshot.highest_modseq }
            }
            Question::Changes { .. } => Answer::Changes(MailboxChanges {
                keywords: Arc::default(),
                changed: Vec::new(),
                expunged: Expunged::These(Vec::new()),
                uid_next: self.snapshot.uid_next,
                highest_modseq: self.snapshot.highest_modseq,
                recent_from: self.snapshot.uid_next,
            }),
            Question::Quota => Answer::Quota(QuotaUsage { used: 10_000, limit: Some(500_000_000) }),
            Question::ReadMetadata { .. } => Answer::Metadata(Vec::new()),
            Question::LeaveMailbox => Answer::Done,
            _ => Answer::Failed(CommandFailure::NotPossible),
        }
    }

    /// The last thing said was understood.
    fn expect(&self, reply: &str) -> Result<()> {
        let heard = String::from_utf8_lossy(&self.heard);
        let last = heard.lines().last().unwrap_or_default();
        ensure!(last.starts_with(reply), "instead of {reply:?} the session said {last:?}");
        Ok(())
    }
}
