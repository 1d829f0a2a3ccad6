//! The limits of a session: the input that waits while a question is open, and the time that a connection may take.

use std::time::{Duration, Instant};

use smtp::{Answer, CloseReason, Input, Output, Role, Session, Settings, Transport};

use crate::script::start;

#[test]
fn waiting_input_is_bounded() {
    let mut session = Session::new(Settings::new("box.test"), Role::Inbound, Transport::Tls, start());
    session.handle(start(), Input::Bytes(b"EHLO x\r\nMAIL FROM:<>\r\n"));
    assert!(session.wants_input());
    session.handle(start(), Input::Bytes(&[b'x'; 200_000]));
    assert!(!session.wants_input(), "a question is open and enough is waiting");
    session.handle(start(), Input::Bytes(&[b'x'; 2_000_000]));
    let outputs: Vec<Output> = std::iter::from_fn(|| session.poll()).collect();
    assert!(matches!(outputs.last(), Some(Output::Close(_))), "a driver that pushes on is cut off");
}

/// A session whose client is always heard, and whose questions all get `answer`.
struct Talk {
    session: Session,
    start: Instant,
    now: Instant,
    wake: Option<Instant>,
    answer: Answer,
    closed: Option<CloseReason>,
}

impl Talk {
    fn new(role: Role) -> Self {
        let (start, answer) = (start(), Answer::Accepted);
        let settings = Settings { message_timeout: Duration::from_secs(900), ..Settings::new("box.test") };
        let session = Session::new(settings, role, Transport::Tls, start);
        let mut talk = Self { session, start, now: start, wake: None, answer, closed: None };
        talk.handle(Input::Tick);
        talk
    }

    fn handle(&mut self, input: Input<'_>) {
        self.session.handle(self.now, input);
        while let Some(output) = self.session.poll() {
            match output {
                Output::Ask(_) => self.session.handle(self.now, Input::Answer(self.answer.clone())),
                Output::WakeAt(time) => self.wake = Some(time),
                Output::Close(why) => self.closed = Some(why),
                Output::Send(_) | Output::Spool(_) | Output::DiscardSpool | Output::StartTls => {}
            }
        }
    }

    fn say(&mut self, line: &str) {
        self.handle(Input::Bytes(format!("{line}\r\n").as_bytes()));
    }

    fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while let Some(wake) = self.wake.filter(|wake| *wake <= end) {
            self.wake = None;
            self.now = self.now.max(wake);
            self.handle(Input::Tick);
        }
        self.now = end;
    }

    /// Says the same again and again, ten seconds apart, until the connection is closed; the second of its end.
    fn repeat_to_the_end(&mut self, line: &str) -> u64 {
        while self.closed.is_none() {
            self.say(line);
            self.pass(10);
        }
        assert_eq!(self.closed, Some(CloseReason::TimedOut));
        (self.now - self.start).as_secs()
    }
}

#[test]
fn a_client_that_only_talks_has_a_minute_to_log_in() {
    assert_eq!(Talk::new(Role::Submission).repeat_to_the_end("NOOP"), 60);
}

#[test]
fn another_server_that_only_talks_has_five_minutes_for_each_message() {
    assert_eq!(Talk::new(Role::Inbound).repeat_to_the_end("NOOP"), 300);
    assert_eq!(Talk::new(Role::Inbound).repeat_to_the_end("EHLO x\r\nMAIL FROM:<>\r\nRSET"), 300);
    let message = "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<ben@box.test>\r\nDATA\r\na\r\n.";
    let mut accepted = Talk::new(Role::Inbound);
    accepted.pass(290);
    accepted.say(message);
    assert_eq!(accepted.repeat_to_the_end("NOOP"), 590);
    let mut refused = Talk::new(Role::Inbound);
    refused.say("EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<ben@box.test>\r\nDATA\r\na");
    refused.pass(150);
    refused.answer = Answer::Refused(smtp::table::LOCAL_TROUBLE);
    refused.say(".");
    assert_eq!(refused.repeat_to_the_end("NOOP"), 300, "a message that is refused buys no time");
}

#[test]
fn a_message_that_keeps_its_pace_is_given_up_at_its_limit() {
    let mut talk = Talk::new(Role::Inbound);
    talk.pass(100);
    talk.say("EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<ben@box.test>\r\nDATA");
    assert_eq!(talk.repeat_to_the_end(&"a".repeat(2_558)), 1_000, "256 bytes a second");
    let mut talk = Talk::new(Role::Inbound);
    talk.say("EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<ben@box.test>\r\nDATA");
    assert_eq!(talk.repeat_to_the_end(&"a".repeat(1_278)), 360, "half of that");
}
