//! One IMAP session driven by hand: `cargo run -p imap --example imap-session` prints the dialogue.
//!
//! The client's lines are fixed, and the account is a toy with one empty mailbox. A driver for clients reads from a socket
//! while the session wants input, answers from a store, and gives a tick at the time of `WakeAt`.

use std::error::Error;
use std::io::{Write as _, stdout};
use std::sync::Arc;
use std::time::Instant;

use imap::{Answer, CommandFailure, Input, Output, Question, Session, Settings, Snapshot, Transport};
use mail_types::{ModSeq, Uid, UidValidity};

const CLIENT: [&str; 3] = ["a1 LOGIN tester@chat.example secret", "a2 SELECT INBOX", "a3 LOGOUT"];

#[expect(clippy::disallowed_methods, reason = "an Instant cannot be made otherwise; it stands still")]
fn main() -> Result<(), Box<dyn Error>> {
    let (now, mut stdout) = (Instant::now(), stdout().lock());
    let mut session = Session::new(Arc::new(Settings::default()), Transport::Tls, now);
    let mut lines = CLIENT.iter();
    loop {
        while let Some(output) = session.poll() {
            match output {
                Output::Send(bytes) => stdout.write_all(&bytes)?,
                Output::Ask(question) => session.handle(now, Input::Answer(answer(&question)?)),
                // No time passes here.
                Output::WakeAt(_) => {}
                Output::Close => return Ok(()),
                other => return Err(format!("beyond this example: {other:?}").into()),
            }
        }
        let line = lines.next().ok_or("the session is still open")?;
        writeln!(stdout, "> {line}")?;
        session.handle(now, Input::Bytes(format!("{line}\r\n").as_bytes()));
    }
}

/// The answer of the toy account, which takes every password.
fn answer(question: &Question) -> Result<Answer, &'static str> {
    Ok(match question {
        Question::Authenticate { .. } => Answer::Authenticated,
        Question::OpenMailbox { .. } => Answer::Opened(Snapshot {
            uid_validity: UidValidity::new(1).ok_or("UIDVALIDITY is never 0")?,
            uid_next: Uid::FIRST,
            highest_modseq: ModSeq(1),
            recent_from: Uid::FIRST,
            keywords: Arc::default(),
            messages: Vec::new(),
        }),
        _ => Answer::Failed(CommandFailure::Unavailable),
    })
}
