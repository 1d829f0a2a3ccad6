//! Drives one submission session by hand: bytes and answers in, replies and questions out.
//!
//! `cargo run -p smtp --example smtp-session` prints the dialogue.

use std::io::{Result, Write, stdout};
use std::time::Instant;

use smtp::{Answer, Input, Output, Question, Role, Session, Settings, Transport};

const CLIENT: &[u8] = b"EHLO phone\r\nAUTH PLAIN AGFubmFAYm94LnRlc3QAc2VjcmV0\r\n\
    MAIL FROM:<anna@box.test>\r\nRCPT TO:<ben@box.test>\r\nDATA\r\nSubject: hello\r\n\r\n..dots\r\n.\r\nQUIT\r\n";

#[expect(clippy::disallowed_methods, reason = "an Instant cannot be made from a number")]
fn main() -> Result<()> {
    // Time is an argument: here it stands still.
    let now = Instant::now();
    let mut session = Session::new(Settings::new("box.test"), Role::Submission, Transport::Tls, now);
    session.handle(now, Input::Bytes(CLIENT));
    let mut out = stdout().lock();
    while let Some(output) = session.poll() {
        match output {
            Output::Send(replies) => out.write_all(&replies)?,
            Output::Ask(question) => {
                writeln!(out, "-- {question:?}")?;
                // The session reads on once its question is answered.
                let answer = match question {
                    Question::Authenticate { user, .. } => Answer::Authenticated(user),
                    _ => Answer::Accepted,
                };
                session.handle(now, Input::Answer(answer));
            }
            Output::Close(why) => return writeln!(out, "-- close: {why:?}"),
            other => writeln!(out, "-- {other:?}")?,
        }
    }
    Ok(())
}
