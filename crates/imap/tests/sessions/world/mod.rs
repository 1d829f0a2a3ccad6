//! A world for transcripts: sessions that share one account kept in memory, a clock that only tests move, and a
//! network that cuts the client's bytes anywhere. Not for production: nothing here is durable or fast.

mod toy;

use std::sync::Arc;
use std::time::{Duration, Instant};

use imap::{Answer, Input, MailboxName, Output, PushOffer, Question, Session, Settings, Transport};
use test_support::Random;

pub(crate) use toy::Toy;

/// The sessions, the account, the clock.
pub(crate) struct World {
    pub(crate) toy: Toy,
    pub(crate) now: Instant,
    pub(crate) settings: Settings,
    connections: Vec<Connection>,
    random: Random,
    /// True if answers are withheld until `World::release`.
    pub(crate) holding: bool,
    /// True if changes of mailboxes are not reported to the sessions for now.
    pub(crate) slow: bool,
    /// The parser that must accept all that the sessions send.
    pub(crate) parser: Parser,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parser {
    /// The one in Delta Chat, which drops the connection at a line that it cannot parse.
    DeltaChat,
    /// None: the session uses extensions that Delta Chat's parser does not know.
    Any,
}

struct Connection {
    session: Session,
    open: Option<MailboxName>,
    message: Vec<u8>,
    spool: Vec<u8>,
    append: Option<Question>,
    held: Option<Question>,
    wake: Option<Instant>,
    heard: Vec<u8>,
    state: Wire,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Open,
    Tls,
    Closed,
}

impl World {
    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant cannot be made otherwise; only differences count"
    )]
    pub(crate) fn new(seed: u64) -> Self {
        let settings =
            Settings { push: PushOffer::Offered, version: "1.0".to_owned(), ..Settings::default() };
        Self {
            toy: Toy::new(),
            now: Instant::now(),
            settings,
            connections: Vec::new(),
            random: Random::new(seed),
            holding: false,
            slow: false,
            parser: Parser::DeltaChat,
        }
    }

    /// A new connection; its number.
    pub(crate) fn connect(&mut self, transport: Transport) -> usize {
        self.connections.push(Connection {
            session: Session::new(Arc::new(self.settings.clone()), transport, self.now),
            open: None,
            message: Vec::new(),
            spool: Vec::new(),
            append: None,
            held: None,
            wake: None,
            heard: Vec::new(),
            state: Wire::Open,
        });
        let number = self.connections.len() - 1;
        self.pump(number);
        number
    }

    /// A connection that has logged in, with the greetings over.
    pub(crate) fn login(&mut self) -> usize {
        let number = self.connect(Transport::Tls);
        self.send(number, b"login LOGIN abc123xyz@chat.example secret\r\n");
        self.heard(number);
        number
    }

    /// A connection that has selected INBOX.
    pub(crate) fn select(&mut self) -> usize {
        let number = self.login();
        self.send(number, b"select SELECT INBOX\r\n");
        self.heard(number);
        number
    }

    /// Sends bytes in pieces of random length, as far as the session wants them.
    pub(crate) fn send(&mut self, number: usize, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() && self.wire(number) != Wire::Closed {
            if !self.connections[number].session.wants_input() {
                // What comes behind STARTTLS in clear text is not read.
                assert_eq!(self.wire(number), Wire::Tls, "the session takes no more");
                break;
            }
            let longest = [1, 3, 17, 4_000][self.random.below(4)];
            let (piece, after) = rest.split_at(rest.len().min(1 + self.random.below(longest)));
            rest = after;
            self.input(number, Input::Bytes(piece));
        }
    }

    /// All that the client has heard since the last call.
    pub(crate) fn heard(&mut self, number: usize) -> String {
        String::from_utf8_lossy(&self.heard_bytes(number)).into_owned()
    }

    pub(crate) fn heard_bytes(&mut self, number: usize) -> Vec<u8> {
        let heard = std::mem::take(&mut self.connections[number].heard);
        if self.parser == Parser::DeltaChat {
            parses(&heard);
        }
        heard
    }

    pub(crate) fn wire(&self, number: usize) -> Wire {
        self.connections[number].state
    }

    pub(crate) fn wants_input(&self, number: usize) -> bool {
        self.connections[number].session.wants_input()
    }

    /// Something happens to a session.
    pub(crate) fn input(&mut self, number: usize, input: Input<'_>) {
        self.connections[number].session.handle(self.now, input);
        self.pump(number);
    }

    /// Time passes; sessions that want to be woken are.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let due = |connection: &Connection| connection.wake.filter(|_| connection.state != Wire::Closed);
            let next = self.connections.iter().enumerate().filter_map(|(n, c)| Some((due(c)?, n))).min();
            match next {
                Some((wake, number)) if wake <= end => {
                    self.now = self.now.max(wake);
                    self.connections[number].wake = None;
                    self.input(number, Input::Tick);
                }
                _ => break,
            }
        }
        self.now = end;
    }

    /// Another program changes the account.
    pub(crate) fn change<T>(&mut self, change: impl FnOnce(&mut Toy) -> T) -> T {
        let result = change(&mut self.toy);
        self.notify();
        result
    }

    /// Answers the question that was withheld longest, and withholds the next.
    pub(crate) fn release_one(&mut self, number: usize) {
        let question = self.connections[number].held.take().unwrap();
        self.answer(number, question);
        self.pump(number);
    }

    /// Answers what was withheld.
    pub(crate) fn release(&mut self) {
        self.holding = false;
        for number in 0..self.connections.len() {
            if let Some(question) = self.connections[number].held.take() {
                self.answer(number, question);
                self.pump(number);
            }
        }
    }

    /// Plays a transcript: `C: ` lines are sent, `S: ` lines are expected, completely and in order. A line that
    /// ends in `…` is compared up to there. `C: ` lines may end in `⏎` to send a bare LF.
    pub(crate) fn play(&mut self, number: usize, transcript: &str) {
        let mut expected = Vec::new();
        let lines: Vec<&str> =
            transcript.lines().map(str::trim_start).filter(|line| !line.is_empty()).collect();
        for line in lines {
            if let Some(line) = line.strip_prefix("S: ").or_else(|| line.strip_prefix("S:")) {
                expected.push(line.to_owned());
            } else if let Some(line) = line.strip_prefix("C: ").or_else(|| line.strip_prefix("C:")) {
                self.expect(number, &mut expected);
                match line.strip_suffix('⏎') {
                    Some(line) => self.send(number, format!("{line}\n").as_bytes()),
                    None => self.send(number, format!("{line}\r\n").as_bytes()),
                }
            } else {
                panic!("neither C: nor S: {line:?}");
            }
        }
        self.expect(number, &mut expected);
    }

    fn expect(&mut self, number: usize, expected: &mut Vec<String>) {
        let heard = self.heard(number);
        let mut found: Vec<&str> = heard.split("\r\n").collect();
        assert_eq!(found.pop(), Some(""), "output must end with a line end: {heard:?}");
        let matches = |(found, expected): (&&str, &String)| match expected.strip_suffix('…') {
            Some(beginning) => found.starts_with(beginning),
            None => found == expected,
        };
        let all = found.len() == expected.len() && found.iter().zip(expected.iter()).all(matches);
        assert!(all, "expected\n{}\nbut heard\n{}", expected.join("\n"), found.join("\n"));
        expected.clear();
    }

    fn pump(&mut self, number: usize) {
        while let Some(output) = self.connections[number].session.poll() {
            let connection = &mut self.connections[number];
            assert_ne!(connection.state, Wire::Closed, "something after Close: {output:?}");
            match output {
                Output::Send(bytes) => connection.heard.extend(bytes),
                Output::SendMessage(range) => {
                    let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
                    connection.heard.extend_from_slice(&connection.message[range]);
                }
                Output::Spool(bytes) => connection.spool.extend(bytes),
                Output::DiscardSpool => {
                    connection.spool.clear();
                    connection.append = None;
                }
                Output::Ask(question) if self.holding => connection.held = Some(question),
                Output::Ask(question) => self.answer(number, question),
                Output::WakeAt(wake) => connection.wake = Some(wake),
                Output::StartTls => connection.state = Wire::Tls,
                Output::Close => connection.state = Wire::Closed,
            }
        }
    }

    fn answer(&mut self, number: usize, question: Question) {
        let connection = &mut self.connections[number];
        match &question {
            Question::OpenMailbox { mailbox, .. } => connection.open = Some(mailbox.clone()),
            Question::LeaveMailbox => connection.open = None,
            _ => {}
        }
        let answer = match question {
            Question::OpenMessage { mailbox, uid, head } => match self.toy.read(&mailbox, uid) {
                Some(body) => {
                    connection.message = body;
                    let head = connection.message.len().min(usize::try_from(head).unwrap());
                    let size = u64::try_from(connection.message.len()).unwrap();
                    Answer::Message { size, head: connection.message[..head].to_vec() }
                }
                None => Answer::Failed(imap::CommandFailure::Gone),
            },
            Question::ReadMessage(range) => {
                let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
                Answer::Bytes(connection.message[range].to_vec())
            }
            Question::AppendBegin { ref size, ref mailbox, .. } => {
                let answer = self.toy.may_append(mailbox, *size);
                connection.append = Some(question);
                answer
            }
            Question::AppendCommit => match connection.append.take() {
                Some(Question::AppendBegin { mailbox, flags, date, size }) => {
                    let body = std::mem::take(&mut connection.spool);
                    assert_eq!(u64::try_from(body.len()).unwrap(), size);
                    self.toy.append(&mailbox, flags, date, body)
                }
                other => panic!("AppendCommit after {other:?}"),
            },
            question => self.toy.answer(question),
        };
        connection.session.handle(self.now, Input::Answer(answer));
        self.notify();
    }

    /// Tells the sessions about changes, as the driver's subscription does.
    fn notify(&mut self) {
        if self.slow {
            return;
        }
        let changed = std::mem::take(&mut self.toy.changed);
        for number in 0..self.connections.len() {
            let connection = &mut self.connections[number];
            let told = connection.open.as_ref().is_some_and(|open| changed.contains(open));
            if told && connection.state != Wire::Closed {
                connection.session.handle(self.now, Input::MailboxChanged);
                self.pump(number);
            }
        }
    }
}

/// Everything a session says must be understood.
fn parses(heard: &[u8]) {
    let mut rest = heard;
    while !rest.is_empty() {
        match imap_proto::Response::from_bytes(rest) {
            Ok((after, _)) => rest = after,
            Err(error) => panic!("not understood: {:?}: {error}", String::from_utf8_lossy(rest)),
        }
    }
}
