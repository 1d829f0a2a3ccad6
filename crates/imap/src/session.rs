//! The session: takes input, runs one command at a time, says when to be woken. What a command does is in `act`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crate::act::{self, Context, Event, Job, Step, Writer};
use crate::command::{Command, Legal};
use crate::dialogue::{Answer, Input, Output, Refusal, Settings, Transport};
use crate::frame::{Announcement, Frame, Framer, LiteralKind};
use crate::limits;
use crate::parse;
use crate::respond::{Completion, Kind};

/// One IMAP connection.
///
/// The driver calls [`handle`](Self::handle) with whatever happens and then [`poll`](Self::poll) until it returns
/// `None`; work is done inside `poll`, a piece at a time, so that a slow client slows its own session down and
/// nothing piles up. While [`wants_input`](Self::wants_input) is false the driver leaves bytes in the socket.
/// After [`Output::Ask`] nothing more comes until the answer is there. After [`Output::Close`] the session is over.
#[derive(Debug)]
pub struct Session {
    settings: Arc<Settings>,
    transport: Transport,
    state: State,
    framer: Framer,
    doing: Doing,
    answer: Option<Answer>,
    out: Writer,
    outputs: VecDeque<Output>,
    clock: Clock,
    bad_commands: u32,
    failed_logins: u32,
}

/// RFC 3501 section 3.
#[derive(Debug)]
pub(crate) enum State {
    /// Nobody has logged in.
    NotAuthenticated,
    /// Logged in, no mailbox selected.
    Authenticated,
}

/// What the session is busy with.
#[derive(Debug)]
enum Doing {
    /// Waiting for a command.
    AwaitCommand,
    /// A command runs, and can go on.
    Ready(Running, Event),
    /// A command waits for the answer to its question.
    AwaitAnswer(Running),
    /// A command waits for more from the client.
    AwaitInput(Running),
    /// The driver is busy with the TLS handshake.
    AwaitTls,
    /// All is said.
    Over,
}

#[derive(Debug)]
struct Running {
    tag: String,
    job: Box<dyn Job>,
}

/// When things happened and are to happen.
#[derive(Debug)]
struct Clock {
    now: Instant,
    heard: Instant,
    /// The wake-up the driver knows of.
    wake: Option<Instant>,
}

impl Session {
    /// A session on a connection that has just been made. The greeting is its first output.
    #[must_use]
    pub fn new(settings: Arc<Settings>, transport: Transport, now: Instant) -> Self {
        let state = State::NotAuthenticated;
        let mut out = Writer::default();
        let capabilities = act::capabilities(&settings, transport, &state);
        out.text(&format!("* OK [CAPABILITY {capabilities}] {} ready.\r\n", settings.product));
        Self {
            settings,
            transport,
            state,
            framer: Framer::new(limits::COMMAND_BEFORE_LOGIN),
            doing: Doing::AwaitCommand,
            answer: None,
            out,
            outputs: VecDeque::new(),
            clock: Clock { now, heard: now, wake: None },
            bad_commands: 0,
            failed_logins: 0,
        }
    }

    /// Whether the driver may read from the client now.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        !matches!(self.doing, Doing::Over | Doing::AwaitTls) && self.framer.waiting() < limits::INPUT
    }

    /// Takes note of something that happened. Call [`poll`](Self::poll) afterwards.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.clock.now = now;
        match (input, &self.doing) {
            (_, Doing::Over) => {}
            (Input::Bytes(bytes), _) => {
                self.clock.heard = now;
                self.framer.push(bytes);
            }
            (Input::Answer(answer), _) => self.answer = Some(answer),
            (Input::TlsStarted, Doing::AwaitTls) => {
                self.transport = Transport::Tls;
                self.framer.clear();
                self.doing = Doing::AwaitCommand;
            }
            (Input::Tick, _) => self.tick(),
            (Input::ShuttingDown, _) => self.say_goodbye("[UNAVAILABLE] Server shutting down."),
            (Input::Closed, _) => self.close(),
            (Input::MailboxChanged | Input::TlsStarted, _) => {}
        }
    }

    /// The next thing to do, if there is any.
    pub fn poll(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            if self.out.len() >= limits::OUTPUT_CHUNK {
                return Some(Output::Send(self.out.take()));
            }
            if !self.advance() {
                break;
            }
        }
        if self.out.len() > 0 && !matches!(self.doing, Doing::AwaitAnswer(_)) {
            return Some(Output::Send(self.out.take()));
        }
        self.wake_up_call()
    }

    /// Does one piece of work; false when there is none.
    fn advance(&mut self) -> bool {
        match std::mem::replace(&mut self.doing, Doing::Over) {
            Doing::AwaitCommand => {
                self.doing = Doing::AwaitCommand;
                match self.framer.next_frame() {
                    Some(frame) => self.begin(frame),
                    None => return false,
                }
            }
            Doing::Ready(running, event) => self.step(running, event),
            Doing::AwaitAnswer(running) => match self.answer.take() {
                Some(answer) => self.step(running, Event::Answer(answer)),
                None => {
                    self.doing = Doing::AwaitAnswer(running);
                    return false;
                }
            },
            Doing::AwaitInput(running) => match self.framer.next_frame() {
                Some(frame) => self.step(running, Event::Frame(frame)),
                None => {
                    self.doing = Doing::AwaitInput(running);
                    return false;
                }
            },
            other @ (Doing::AwaitTls | Doing::Over) => {
                self.doing = other;
                return false;
            }
        }
        true
    }

    /// A frame has come in and no command is running.
    fn begin(&mut self, frame: Frame) {
        match frame {
            Frame::Command(bytes) => match parse::command(&bytes) {
                Ok(parse::Tagged { tag, command }) => self.start(tag, command),
                Err(parse::Malformed { tag, reason }) => {
                    self.complete_bad(tag.as_deref(), Completion::bad(reason));
                }
            },
            Frame::Literal(announcement) => self.decide_literal(announcement),
            Frame::TooLong(head) => {
                let tag = parse::tag(&mut parse::Cursor::new(&head)).ok();
                self.complete_bad(tag.as_deref(), Completion::bad("The command is too long."));
            }
            Frame::Chunk(_) => {}
        }
    }

    fn decide_literal(&mut self, announcement: Announcement) {
        if self.framer.accept().is_ok() {
            if announcement.kind == LiteralKind::Synchronising {
                self.out.text("+ OK\r\n");
            }
        } else {
            let tag = parse::tag(&mut parse::Cursor::new(self.framer.partial())).ok();
            self.framer.refuse();
            let refused = Completion::bad("The literal is too long.").code("TOOBIG");
            self.complete_bad(tag.as_deref(), refused);
        }
    }

    fn start(&mut self, tag: String, command: Command) {
        let legal = match (command.legal(), &self.state) {
            (Legal::Always, _)
            | (Legal::NotAuthenticated, State::NotAuthenticated)
            | (Legal::Authenticated, State::Authenticated) => Ok(()),
            (Legal::NotAuthenticated, _) => Err("You have logged in already."),
            (_, State::NotAuthenticated) => Err("Log in first."),
            (Legal::Selected, _) => Err("Select a mailbox first."),
        };
        match legal {
            Ok(()) => self.doing = Doing::Ready(Running { tag, job: act::job(command) }, Event::Go),
            Err(reason) => self.complete_bad(Some(&tag), Completion::bad(reason)),
        }
    }

    /// Runs the job one step further.
    fn step(&mut self, mut running: Running, event: Event) {
        let mut context = Context {
            settings: &self.settings,
            transport: self.transport,
            state: &mut self.state,
            out: &mut self.out,
        };
        match running.job.step(&mut context, event) {
            Step::Ask(question) => {
                self.outputs.push_back(Output::Ask(question));
                self.doing = Doing::AwaitAnswer(running);
            }
            Step::AwaitInput => self.doing = Doing::AwaitInput(running),
            Step::Done(completion) => {
                self.doing = Doing::AwaitCommand;
                self.complete(&running.tag, &completion);
            }
            Step::Logout(completion) => {
                self.complete(&running.tag, &completion);
                self.close();
            }
            Step::StartTls(completion) => {
                self.complete(&running.tag, &completion);
                self.flush();
                self.outputs.push_back(Output::StartTls);
                self.doing = Doing::AwaitTls;
            }
        }
    }

    fn complete(&mut self, tag: &str, completion: &Completion) {
        self.out.text(&completion.line(tag));
        if completion.kind == Kind::Bad {
            return self.count_bad();
        }
        self.bad_commands = 0;
        match self.state {
            State::NotAuthenticated if *completion == Refusal::WrongPassword.into() => {
                self.failed_logins += 1;
                if self.failed_logins >= limits::FAILED_LOGINS {
                    self.say_goodbye("Too many failed logins.");
                }
            }
            State::NotAuthenticated => {}
            State::Authenticated => self.framer.set_limit(limits::COMMAND),
        }
    }

    fn complete_bad(&mut self, tag: Option<&str>, completion: Completion) {
        self.out.text(&completion.line(tag.unwrap_or("*")));
        self.count_bad();
    }

    fn count_bad(&mut self) {
        self.bad_commands += 1;
        if self.bad_commands >= limits::BAD_COMMANDS {
            self.say_goodbye("Too many commands that make no sense.");
        }
    }

    /// Something that was to happen by now.
    fn tick(&mut self) {
        if self.clock.now >= self.deadline() {
            self.say_goodbye("Disconnected for inactivity.");
        }
    }

    /// When the client's silence ends the session.
    fn deadline(&self) -> Instant {
        let timeout = match self.state {
            State::NotAuthenticated => self.settings.login_timeout,
            State::Authenticated => self.settings.idle_timeout,
        };
        self.clock.heard + timeout
    }

    /// Tells the driver when to wake the session, if what it was told last would be too late, or is past.
    fn wake_up_call(&mut self) -> Option<Output> {
        if matches!(self.doing, Doing::Over) {
            return None;
        }
        let deadline = self.deadline();
        let known = self.clock.wake.is_some_and(|wake| wake > self.clock.now && wake <= deadline);
        if known {
            return None;
        }
        self.clock.wake = Some(deadline);
        Some(Output::WakeAt(deadline))
    }

    fn say_goodbye(&mut self, why: &str) {
        self.out.text(&format!("* BYE {why}\r\n"));
        self.close();
    }

    fn close(&mut self) {
        self.flush();
        self.outputs.push_back(Output::Close);
        self.doing = Doing::Over;
    }

    fn flush(&mut self) {
        if self.out.len() > 0 {
            self.outputs.push_back(Output::Send(self.out.take()));
        }
    }
}
