//! The driver of the transcript tests: plays the lines of a script against a session and compares what comes back.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use mail_types::Address;
use smtp::{Answer, CloseReason, Envelope, Input, Output, Question, Role, Session, Settings, Transport};
use test_support::Random;

/// The random splits that each transcript is tried with.
const SEEDS: u64 = 20;

/// A dialogue, and the kind of session to hold it with.
pub(crate) struct Script {
    kind: Kind,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Client(Vec<u8>),
    Server(String),
    Asked(Question),
    Answer(Answer),
    Spooled(Vec<u8>),
    Discarded,
    MayDiscard,
    StartTls,
    TlsStarted,
    Wait(Duration),
    Shutdown,
    MakeRoom,
    Hangup,
    Closed(CloseReason),
}

/// The start of a session.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    role: Role,
    transport: Transport,
    logged_in: bool,
}

/// Port 465.
pub(crate) fn submission() -> Kind {
    Kind { role: Role::Submission, transport: Transport::Tls, logged_in: false }
}

/// Port 587, before STARTTLS.
pub(crate) fn submission_in_clear() -> Kind {
    Kind { role: Role::Submission, transport: Transport::Plain, logged_in: false }
}

/// Port 25, after STARTTLS.
pub(crate) fn inbound() -> Kind {
    Kind { role: Role::Inbound, transport: Transport::Tls, logged_in: false }
}

/// Port 25, before STARTTLS.
pub(crate) fn inbound_in_clear() -> Kind {
    Kind { role: Role::Inbound, transport: Transport::Plain, logged_in: false }
}

/// An address that is one.
pub(crate) fn address(text: &str) -> Address {
    text.parse().unwrap()
}

/// The authenticated account.
pub(crate) fn anna() -> Option<Address> {
    Some(address("anna@box.test"))
}

/// The question at the end of a message.
pub(crate) fn commit(
    login: Option<Address>,
    sender: Option<Address>,
    recipients: &[&str],
    size: u64,
) -> Question {
    let recipients = recipients.iter().map(|text| text.parse().unwrap()).collect();
    Question::Commit { login, envelope: Envelope { sender, recipients }, size }
}

impl Script {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, steps: Vec::new() }
    }

    /// A submission session in which anna@box.test has said EHLO and logged in.
    pub(crate) fn logged_in() -> Self {
        Self::new(Kind { logged_in: true, ..submission() })
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Anna sends to Ben up to the reply to DATA.
    pub(crate) fn sending() -> Self {
        Self::logged_in()
            .client("MAIL FROM:<anna@box.test>\r\nRCPT TO:<ben@box.test>\r\nDATA")
            .asked(Question::Sender { login: anna(), sender: anna(), size: None })
            .answer(Answer::Accepted)
            .asked(Question::Recipient { login: anna(), sender: anna(), recipient: address("ben@box.test") })
            .answer(Answer::Accepted)
            .server("250 2.1.0 Ok")
            .server("250 2.1.5 Ok")
            .server("354 End data with <CR><LF>.<CR><LF>")
    }

    /// The client says a line; CR LF is added.
    pub(crate) fn client(self, line: &str) -> Self {
        self.raw(format!("{line}\r\n").as_bytes())
    }

    /// The client sends bytes.
    pub(crate) fn raw(self, bytes: &[u8]) -> Self {
        self.step(Step::Client(bytes.to_vec()))
    }

    /// The server says a line.
    pub(crate) fn server(self, line: &str) -> Self {
        self.step(Step::Server(line.to_owned()))
    }

    pub(crate) fn asked(self, question: Question) -> Self {
        self.step(Step::Asked(question))
    }

    pub(crate) fn answer(self, answer: Answer) -> Self {
        self.step(Step::Answer(answer))
    }

    /// All that was spooled since the last commit.
    pub(crate) fn spooled(self, content: &str) -> Self {
        self.step(Step::Spooled(content.as_bytes().to_vec()))
    }

    pub(crate) fn discarded(self) -> Self {
        self.step(Step::Discarded)
    }

    /// The spool was discarded if it was ever opened, which depends on how the bytes came.
    pub(crate) fn may_discard(self) -> Self {
        self.step(Step::MayDiscard)
    }

    pub(crate) fn start_tls(self) -> Self {
        self.step(Step::StartTls)
    }

    pub(crate) fn tls_started(self) -> Self {
        self.step(Step::TlsStarted)
    }

    /// Time passes; the session is woken whenever it wished to be.
    pub(crate) fn wait(self, seconds: u64) -> Self {
        self.step(Step::Wait(Duration::from_secs(seconds)))
    }

    pub(crate) fn shutdown(self) -> Self {
        self.step(Step::Shutdown)
    }

    /// The server needs the connection's place.
    pub(crate) fn make_room(self) -> Self {
        self.step(Step::MakeRoom)
    }

    pub(crate) fn hangup(self) -> Self {
        self.step(Step::Hangup)
    }

    pub(crate) fn closed(self, why: CloseReason) -> Self {
        self.step(Step::Closed(why))
    }

    /// Plays the script whole, byte by byte, and split at random; afterwards nothing may be left unsaid.
    pub(crate) fn run(self) {
        self.play("whole", &mut |length| length);
        self.play("byte by byte", &mut |_| 1);
        for seed in 1..=SEEDS {
            let mut random = Random::new(seed);
            self.play(&format!("seed {seed}"), &mut |length| 1 + random.below(length));
        }
    }

    fn play(&self, how: &str, chunk: &mut dyn FnMut(usize) -> usize) {
        let mut player = Player::new(self.kind);
        for (number, step) in self.steps.iter().enumerate() {
            player.play(step, chunk, &format!("{how}, step {number}: {step:?}"));
        }
        assert!(player.said.is_empty(), "{how}: left unsaid: {:?}", player.said);
        assert!(player.events.is_empty(), "{how}: left undone: {:?}", player.events);
    }
}

/// A session with what it has said and not yet been asked about.
struct Player {
    session: Session,
    now: Instant,
    wake: Option<Instant>,
    said: VecDeque<String>,
    events: VecDeque<Step>,
    spool: Vec<u8>,
}

impl Player {
    fn new(kind: Kind) -> Self {
        let settings = Settings { message_limit: 1000, recipient_limit: 3, ..Settings::new("box.test") };
        let now = start();
        let mut player = Self {
            session: Session::new(settings, kind.role, kind.transport, now),
            now,
            wake: None,
            said: VecDeque::new(),
            events: VecDeque::new(),
            spool: Vec::new(),
        };
        player.handle(Input::Tick);
        if kind.logged_in {
            player
                .handle(Input::Bytes(b"EHLO [127.0.0.1]\r\nAUTH PLAIN AEFubmFAYm94LnRlc3QAcGEkJHdvcmQx\r\n"));
            player.handle(Input::Answer(Answer::Authenticated("anna@box.test".parse().unwrap())));
            player.said.clear();
            player.events.clear();
        }
        player
    }

    fn handle(&mut self, input: Input<'_>) {
        self.session.handle(self.now, input);
        while let Some(output) = self.session.poll() {
            match output {
                Output::Send(bytes) => {
                    let text = String::from_utf8(bytes).unwrap();
                    let text = text.strip_suffix("\r\n").expect("whole lines are sent");
                    self.said.extend(text.split("\r\n").map(str::to_owned));
                }
                Output::Ask(question) => self.events.push_back(Step::Asked(question)),
                Output::Spool(bytes) => {
                    assert!(!bytes.is_empty(), "nothing is worth no spool");
                    self.spool.extend(bytes);
                }
                Output::DiscardSpool => {
                    assert!(!self.spool.is_empty(), "there is something to discard");
                    self.spool.clear();
                    self.events.push_back(Step::Discarded);
                }
                Output::StartTls => self.events.push_back(Step::StartTls),
                Output::WakeAt(time) => self.wake = Some(time),
                Output::Close(why) => self.events.push_back(Step::Closed(why)),
            }
        }
    }

    fn play(&mut self, step: &Step, chunk: &mut dyn FnMut(usize) -> usize, place: &str) {
        match step {
            Step::Client(bytes) => {
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let (now, later) = rest.split_at(chunk(rest.len()).min(rest.len()));
                    self.handle(Input::Bytes(now));
                    rest = later;
                }
            }
            Step::Answer(answer) => self.handle(Input::Answer(answer.clone())),
            Step::TlsStarted => {
                // A driver may start anew with the encrypted stream, and then knows of no wake-up.
                self.wake = None;
                self.handle(Input::TlsStarted);
            }
            Step::Shutdown => self.handle(Input::Shutdown),
            Step::MakeRoom => self.handle(Input::MakeRoom),
            Step::Hangup => self.handle(Input::Closed),
            Step::Wait(time) => self.wait(*time),
            Step::Server(line) => assert_eq!(self.said.pop_front().as_ref(), Some(line), "{place}"),
            Step::Spooled(bytes) => {
                let spooled = std::mem::take(&mut self.spool);
                assert_eq!(String::from_utf8_lossy(&spooled), String::from_utf8_lossy(bytes), "{place}");
            }
            Step::MayDiscard => {
                if self.events.front() == Some(&Step::Discarded) {
                    self.events.pop_front();
                }
                assert!(self.spool.is_empty(), "{place}");
            }
            Step::Asked(_) | Step::Discarded | Step::StartTls | Step::Closed(_) => {
                let (event, expected) =
                    (format!("{:?}", self.events.pop_front()), format!("{:?}", Some(step)));
                assert_eq!(event, expected, "{place}");
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(wake) = self.wake.filter(|wake| *wake <= end) {
            self.wake = None;
            self.now = self.now.max(wake);
            self.handle(Input::Tick);
        }
        self.now = end;
    }
}

/// Some point in time: an `Instant` cannot be made from a number, and nothing depends on which it is.
#[expect(
    clippy::disallowed_methods,
    reason = "the machine gets its time as an argument; this is where it starts"
)]
pub(crate) fn start() -> Instant {
    Instant::now()
}
