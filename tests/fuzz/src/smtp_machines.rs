//! The SMTP machines: clients and servers that say anything, and content that could be read in two ways.
//!
//! In a session's bytes 0xff introduces something that the driver says, in turn or out of turn.

use std::fmt;
use std::time::{Duration, Instant};

use smtp::client::{self, Body, Client, Encryption, Transaction};
use smtp::{
    Answer, Content, ContentError, Input, Output, Progress, Question, Role, Session, Settings, Stuffing,
    Transport, table,
};

use test_support::{Random, pieces};

use crate::{split_first, texts_and_events};

/// The most that a message of the session may have, in bytes.
const MESSAGE_LIMIT: usize = 300;

/// The observable result of one dialogue.
#[derive(Debug, Default, PartialEq)]
struct Trace {
    sent: Vec<u8>,
    committed: Vec<u8>,
    /// The bytes spooled since the last message.
    spool: Vec<u8>,
    over_tls: bool,
    closed: bool,
}

impl Trace {
    fn has(&self, reply: &[u8]) -> bool {
        self.sent.windows(reply.len()).any(|part| part == reply)
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sent = String::from_utf8_lossy(&self.sent);
        write!(f, "{sent}{} bytes committed, closed: {}", self.committed.len(), self.closed)
    }
}

/// A client that says anything. However the network cuts it, the dialogue is the same, and what is committed is what
/// was spooled.
pub(crate) fn session(data: &[u8]) {
    let start = start();
    let whole = dialogue(data, 0, start);
    for seed in [1, 2] {
        let cut = dialogue(data, seed, start);
        // Whether something follows STARTTLS in the same packet does matter, and must; and patience with too large a
        // message ends somewhere in a packet.
        let may_differ = |trace: &Trace| trace.over_tls || trace.has(b"552 5.3.4");
        let same = cut == whole || may_differ(&cut) || may_differ(&whole);
        assert!(same, "cutting matters:\n{cut}\n{whole}");
    }
}

#[expect(clippy::disallowed_methods, reason = "an Instant cannot be made otherwise; only differences count")]
fn start() -> Instant {
    Instant::now()
}

/// An input from a driver that does not wait for its turn.
fn out_of_turn(event: u8) -> Input<'static> {
    match event & 3 {
        0 => Input::Tick,
        1 => Input::TlsStarted,
        2 => Input::MakeRoom,
        _ => Input::Answer(Answer::Accepted),
    }
}

fn dialogue(data: &[u8], cuts: u64, start: Instant) -> Trace {
    let (kind, data) = split_first(data);
    let role = if kind & 1 == 0 { Role::Submission } else { Role::Inbound };
    let transport = if kind & 2 == 0 { Transport::Tls } else { Transport::Plain };
    let settings =
        Settings { message_limit: MESSAGE_LIMIT as u64, recipient_limit: 3, ..Settings::new("box.test") };
    let mut session = Session::new(settings, role, transport, start);
    let mut trace = Trace::default();
    let mut answers = Random::new(u64::from(kind >> 2));
    run(&mut session, &mut trace, start, &mut answers);
    for (text, event) in texts_and_events(data) {
        for piece in pieces(text, cuts) {
            if !trace.closed && !trace.over_tls {
                session.handle(start, Input::Bytes(piece));
                run(&mut session, &mut trace, start, &mut answers);
            }
        }
        if let Some(event) = event.filter(|_| !trace.closed && !trace.over_tls) {
            session.handle(start, out_of_turn(event));
            run(&mut session, &mut trace, start, &mut answers);
        }
    }
    if !trace.over_tls {
        session.handle(start + Duration::from_secs(3_600), Input::Tick);
        run(&mut session, &mut trace, start, &mut answers);
    }
    // What was spooled of a message that never ended depends on where the bytes were cut.
    trace.spool.clear();
    trace
}

fn run(session: &mut Session, trace: &mut Trace, now: Instant, answers: &mut Random) {
    while let Some(output) = session.poll() {
        assert!(!trace.closed, "something after Close: {output:?}");
        match output {
            Output::Send(bytes) => {
                assert!(bytes.ends_with(b"\r\n"), "half a line");
                trace.sent.extend(bytes);
            }
            Output::Spool(bytes) => {
                trace.spool.extend(bytes);
                assert!(trace.spool.len() <= MESSAGE_LIMIT, "more is kept than a message may have");
            }
            Output::DiscardSpool => trace.spool.clear(),
            Output::Ask(question) => {
                if let Question::Commit { size, envelope, .. } = &question {
                    let spool = std::mem::take(&mut trace.spool);
                    assert_eq!(u64::try_from(spool.len()).ok(), Some(*size), "what is committed was spooled");
                    assert!(!envelope.recipients.is_empty() && spool.len() <= MESSAGE_LIMIT);
                    assert_eq!(
                        stuffed(&spool).map(drop),
                        Ok(()),
                        "what is committed can be read in one way only"
                    );
                    trace.committed.extend(spool);
                }
                session.handle(now, Input::Answer(answer(answers.below(16), &question)));
            }
            Output::StartTls => trace.over_tls = true,
            Output::Close(_) => trace.closed = true,
            Output::WakeAt(_) => {}
        }
    }
}

fn answer(chance: usize, question: &Question) -> Answer {
    match chance {
        0 | 1 => Answer::Refused(table::LOCAL_TROUBLE),
        2 => Answer::RefusedAtRecipients(table::LOCAL_TROUBLE),
        _ if matches!(question, Question::Authenticate { .. }) => {
            "anna@box.test".parse().map_or(Answer::Accepted, Answer::Authenticated)
        }
        _ => Answer::Accepted,
    }
}

fn stuffed(plain: &[u8]) -> Result<Vec<u8>, ContentError> {
    let (mut stuffing, mut escaped) = (Stuffing::new(), Vec::new());
    stuffing.push(plain, &mut escaped)?;
    stuffing.finish()?;
    Ok(escaped)
}

/// Reads content in pieces: the message and how many bytes of the input it took, or an error.
fn read(data: &[u8], cuts: u64) -> Result<(Vec<u8>, usize), ContentError> {
    let (mut content, mut plain, mut taken) = (Content::new(1 << 20), Vec::new(), 0);
    for piece in pieces(data, cuts) {
        match content.push(piece, &mut plain) {
            Progress::More => taken += piece.len(),
            Progress::End(used) => return content.finish().map(|_| (plain, taken + used)),
        }
    }
    content.finish().map(|_| (plain, taken))
}

/// Content in and out: what is read can be written and read back, in any pieces, and never hides a second message.
pub(crate) fn content(data: &[u8]) {
    let whole = read(data, 0);
    for seed in [1, 2] {
        assert_eq!(read(data, seed), whole, "cutting matters");
    }
    if let Ok((plain, _)) = &whole {
        let mut again =
            stuffed(plain).unwrap_or_else(|error| panic!("what was read cannot be written: {error:?}"));
        again.extend(b".\r\n");
        let length = again.len();
        assert_eq!(read(&again, 0), Ok((plain.clone(), length)), "not read back as it was written");
    }
    if let Ok(mut escaped) = stuffed(data) {
        escaped.extend(b".\r\n");
        if !data.is_empty() {
            assert_eq!(read(&escaped, 1), Ok((data.to_vec(), escaped.len())), "the message ends early");
        }
    }
}

/// A server that says anything, and a driver that does not wait for its turn: every message comes back with one fate per
/// recipient, once.
pub(crate) fn client(data: &[u8]) {
    let (kind, data) = split_first(data);
    let encryption = if kind & 1 == 0 { Encryption::Already } else { Encryption::IfOffered };
    let mut sender = Sender {
        client: Client::new(client::Settings { encryption, ..client::Settings::new("box.test") }),
        start: start(),
        given: 0,
        returned: 0,
    };
    for (text, event) in texts_and_events(data) {
        for piece in pieces(text, u64::from(kind >> 1)) {
            sender.handle(client::Input::Bytes(piece));
        }
        match event.map(|event| event % 5) {
            Some(0) => sender.handle(client::Input::Tick),
            Some(1) => sender.handle(client::Input::TlsStarted),
            Some(2) => sender.handle(client::Input::Content(b".x\r\n")),
            Some(3) => sender.handle(client::Input::ContentEnd),
            Some(_) => sender.handle(client::Input::Quit),
            None => {}
        }
    }
    sender.handle(client::Input::Closed);
    assert_eq!(sender.given, sender.returned, "every message comes back once");
}

/// A client with the messages that it was given.
struct Sender {
    client: Client,
    start: Instant,
    given: u32,
    returned: u32,
}

impl Sender {
    fn handle(&mut self, input: client::Input<'_>) {
        self.client.handle(self.start, input);
        while let Some(output) = self.client.poll() {
            self.act(output);
        }
    }

    fn act(&mut self, output: client::Output) {
        match output {
            client::Output::Ready if self.given < MESSAGES_LIMIT => {
                self.given += 1;
                let recipients =
                    ["a@b.test", "c@b.test"].iter().filter_map(|text| text.parse().ok()).collect();
                let transaction = Transaction { sender: None, recipients, size: 5, body: Body::SevenBit };
                self.client.handle(self.start, client::Input::Deliver(transaction));
            }
            client::Output::Ready => self.client.handle(self.start, client::Input::Quit),
            client::Output::Done(fates) => {
                self.returned += 1;
                assert_eq!(fates.len(), 2, "one fate per recipient");
            }
            client::Output::Send(bytes) => assert!(bytes.ends_with(b"\r\n"), "half a line"),
            client::Output::StartTls => self.client.handle(self.start, client::Input::TlsStarted),
            client::Output::WantContent => {
                self.client.handle(self.start, client::Input::Content(b".x\r\n"));
                self.client.handle(self.start, client::Input::ContentEnd);
            }
            _ => {}
        }
    }
}

/// The messages that a client is given in one run.
const MESSAGES_LIMIT: u32 = 60;
