//! A submission session from greeting to QUIT; whoever answers its questions says yes.

use std::time::Instant;

use anyhow::{Result, ensure};
use smtp::{Answer, Input, Output, Question, Role, Session, Settings, Transport};

use crate::message;

/// As the driver reads from a TLS record.
const PIECE: usize = 16 * 1024;

pub(crate) fn small(times: usize) -> Result<()> {
    many(10_000, times)
}

pub(crate) fn large(times: usize) -> Result<()> {
    many(1_000_000, times)
}

#[expect(clippy::disallowed_methods, reason = "an Instant cannot be made otherwise; it stands still")]
fn many(size: usize, times: usize) -> Result<()> {
    let (now, settings) = (Instant::now(), Settings::new("chat.test"));
    let (from, to) = ("sender@chat.test", "receiver@chat.test");
    let start = b"EHLO [127.0.0.1]\r\nAUTH PLAIN AHNlbmRlckBjaGF0LnRlc3QAc2VjcmV0LXNlY3JldA==\r\n";
    let envelope = format!("MAIL FROM:<{from}>\r\nRCPT TO:<{to}>\r\nDATA\r\n");
    let text = message::header(from, to, 1) + &message::body(size) + message::END + "QUIT\r\n";
    for _ in 0..times {
        let mut session = Session::new(settings.clone(), Role::Submission, Transport::Tls, now);
        let mut spooled = run(&mut session, now);
        for bytes in [start, envelope.as_bytes()].into_iter().chain(text.as_bytes().chunks(PIECE)) {
            session.handle(now, Input::Bytes(bytes));
            spooled += run(&mut session, now);
        }
        ensure!(spooled > size, "{spooled} bytes were spooled of a message of {size}");
    }
    Ok(())
}

/// Does what the session wants; gives how many bytes of the message it let through.
fn run(session: &mut Session, now: Instant) -> usize {
    let mut spooled = 0;
    while let Some(output) = session.poll() {
        match output {
            Output::Ask(question) => session.handle(now, Input::Answer(answer(question))),
            Output::Spool(bytes) => spooled += bytes.len(),
            Output::Send(_)
            | Output::WakeAt(_)
            | Output::DiscardSpool
            | Output::StartTls
            | Output::Close(_) => {}
        }
    }
    spooled
}

fn answer(question: Question) -> Answer {
    match question {
        Question::Authenticate { user, .. } => Answer::Authenticated(user),
        Question::Sender { .. } | Question::Recipient { .. } | Question::Commit { .. } => Answer::Accepted,
    }
}
