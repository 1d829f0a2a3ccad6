//! The session: takes input, runs one command at a time, says when to be woken. What a command does is in `act`.

use std::sync::Arc;
use std::time::Instant;

use crate::act::{self, AllowedUpdates, Context, Event, Job, Step};
use crate::command::{Command, Legal};
use crate::dialogue::{Answer, CommandFailure, Input, Output};
use crate::frame::{Announcement, Frame, Framer, LiteralKind};
use crate::limits;
use crate::parse;
use crate::respond::{Completion, Kind};
use crate::settings::{Settings, Transport};
use crate::state::{Freshness, State, Tracking};
use crate::view::Updates;
use crate::writer::Writer;

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
    phase: Phase,
    answer: Option<Answer>,
    out: Writer,
    tracking: Tracking,
    freshness: Freshness,
    clock: Clock,
    bad_commands: u32,
    failed_logins: u32,
}

/// What the session is busy with.
#[derive(Debug)]
enum Phase {
    /// Waiting for a command.
    AwaitCommand,
    /// A command runs, and can go on.
    Ready(Running, Event),
    /// A command waits for the answer to its question.
    AwaitAnswer(Running),
    /// A command waits for more from the client.
    AwaitInput(Running),
    /// `IDLE` waits for whatever comes.
    AwaitUpdates(Running),
    /// A command is done; before that is said, the mailbox is looked at.
    AwaitChanges(Finished),
    /// The driver is busy with the TLS handshake.
    AwaitTls,
    /// All is said.
    Over,
}

#[derive(Debug)]
struct Running {
    tag: String,
    job: Box<dyn Job>,
    allowed: AllowedUpdates,
}

#[derive(Debug)]
struct Finished {
    tag: String,
    completion: Completion,
    allowed: AllowedUpdates,
}

/// When things happened and are to happen.
#[derive(Debug)]
struct Clock {
    now: Instant,
    /// When the client said something last.
    last_received: Instant,
    /// When it was told something last.
    last_sent: Instant,
    /// Whether a message was sent since this was last looked at: a slow line can take long to carry it.
    sending: Sending,
    /// The wake-up the driver knows of.
    wake: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    Nothing,
    Message,
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
            phase: Phase::AwaitCommand,
            answer: None,
            out,
            tracking: Tracking::Plain,
            freshness: Freshness::Fresh,
            clock: Clock { now, last_received: now, last_sent: now, sending: Sending::Nothing, wake: None },
            bad_commands: 0,
            failed_logins: 0,
        }
    }

    /// Whether the driver may read from the client now.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        !matches!(self.phase, Phase::Over | Phase::AwaitTls) && self.framer.waiting() < limits::INPUT
    }

    /// Takes note of something that happened. Call [`poll`](Self::poll) afterwards.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.clock.now = now;
        match (input, &self.phase) {
            (_, Phase::Over) => {}
            (Input::Bytes(bytes), _) => {
                self.clock.last_received = now;
                self.framer.push(bytes);
            }
            (Input::Answer(answer), _) => self.answer = Some(answer),
            (Input::TlsStarted, Phase::AwaitTls) => {
                self.transport = Transport::Tls;
                self.framer.clear();
                self.phase = Phase::AwaitCommand;
            }
            (Input::Tick, _) => self.tick(),
            (Input::Shutdown, _) => self.send_bye("[UNAVAILABLE] Server shutting down."),
            (Input::Closed, _) => self.close(),
            (Input::MailboxChanged, _) => self.freshness = Freshness::Stale,
            (Input::TlsStarted, _) => {}
        }
    }

    /// The next thing to do, if there is any.
    pub fn poll(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.out.next() {
                if matches!(output, Output::SendMessage(_)) {
                    self.clock.sending = Sending::Message;
                }
                return Some(output);
            }
            if !self.advance() {
                break;
            }
        }
        if !matches!(self.phase, Phase::AwaitAnswer(_) | Phase::AwaitChanges(_)) {
            self.out.flush();
        }
        self.note_sent();
        self.out.next().or_else(|| self.next_wake_up())
    }

    fn note_sent(&mut self) {
        if self.out.take_written() {
            self.clock.last_sent = self.clock.now;
        }
    }

    /// Does one piece of work; false when there is none.
    fn advance(&mut self) -> bool {
        match std::mem::replace(&mut self.phase, Phase::AwaitCommand) {
            Phase::AwaitCommand => match self.framer.next_frame() {
                Some(frame) => self.begin(frame),
                None => return false,
            },
            Phase::Ready(running, event) => self.step(running, event),
            Phase::AwaitAnswer(running) => match self.answer.take() {
                Some(answer) => self.step(running, Event::Answer(answer)),
                None => return self.keep_waiting(Phase::AwaitAnswer(running)),
            },
            Phase::AwaitInput(running) => match self.framer.next_frame() {
                Some(frame) => self.step(running, Event::Frame(frame)),
                None => return self.keep_waiting(Phase::AwaitInput(running)),
            },
            Phase::AwaitUpdates(running) => {
                // `+ idling`, said just now, is a sign of life.
                self.note_sent();
                if let Some(frame) = self.framer.next_frame() {
                    self.step(running, Event::Frame(frame));
                } else if self.freshness == Freshness::Stale && matches!(self.state, State::Selected(_)) {
                    self.step(running, Event::MailboxChanged);
                } else if self.clock.now >= self.clock.last_sent + self.settings.keep_alive {
                    self.clock.last_sent = self.clock.now;
                    if self.freshness == Freshness::Unreachable {
                        self.freshness = Freshness::Stale;
                    }
                    self.step(running, Event::KeepAlive);
                } else {
                    return self.keep_waiting(Phase::AwaitUpdates(running));
                }
            }
            Phase::AwaitChanges(finished) => match self.answer.take() {
                Some(answer) => self.apply_changes(finished, answer),
                None => return self.keep_waiting(Phase::AwaitChanges(finished)),
            },
            waiting @ (Phase::AwaitTls | Phase::Over) => return self.keep_waiting(waiting),
        }
        true
    }

    fn keep_waiting(&mut self, phase: Phase) -> bool {
        self.phase = phase;
        false
    }

    /// A frame has come in and no command is running.
    fn begin(&mut self, frame: Frame) {
        match frame {
            Frame::Command(bytes) => match parse::command(&bytes) {
                Ok(parse::Tagged { tag, command }) => self.start(tag, command),
                Err(parse::Malformed { tag, fault }) => self.refuse_command(tag.as_deref(), fault.into()),
            },
            Frame::Literal(announcement) => self.decide_literal(announcement),
            Frame::TooLong(head) => {
                let tag = parse::tag(&mut parse::Cursor::new(&head)).ok();
                self.refuse_command(tag.as_deref(), Completion::bad("The command is too long."));
            }
            Frame::Chunk(_) => {}
        }
    }

    /// A literal is announced: the message of an `APPEND`, or a string.
    fn decide_literal(&mut self, announcement: Announcement) {
        if let Some(parse::Tagged { tag, command }) = parse::append(self.framer.partial(), announcement) {
            return self.start(tag, command);
        }
        if self.framer.accept().is_ok() {
            self.ask_for_literal(announcement.kind);
        } else {
            let tag = parse::tag(&mut parse::Cursor::new(self.framer.partial())).ok();
            let refused = Completion::bad("The literal is too long.").code("TOOBIG");
            self.refuse_command(tag.as_deref(), refused);
        }
    }

    fn ask_for_literal(&mut self, kind: LiteralKind) {
        if kind == LiteralKind::Synchronising {
            self.out.text("+ OK\r\n");
        }
    }

    fn start(&mut self, tag: String, command: Command) {
        let legal = match (command.legal(), &self.state) {
            (Legal::Always, _)
            | (Legal::NotAuthenticated, State::NotAuthenticated)
            | (Legal::Authenticated, State::Authenticated | State::Selected(_))
            | (Legal::Selected, State::Selected(_)) => Ok(()),
            (Legal::NotAuthenticated, _) => Err("You have logged in already."),
            (_, State::NotAuthenticated) => Err("Log in first."),
            (Legal::Selected, _) => Err("Select a mailbox first."),
        };
        match legal {
            Ok(()) => {
                let allowed = AllowedUpdates::after(&command);
                self.phase = Phase::Ready(Running { tag, job: act::job(command), allowed }, Event::Go);
            }
            Err(reason) => self.refuse_command(Some(&tag), Completion::bad(reason)),
        }
    }

    /// Runs the job one step further.
    fn step(&mut self, mut running: Running, event: Event) {
        let step = running.job.step(&mut self.context(&running.tag), event);
        match step {
            Step::Again => self.phase = Phase::Ready(running, Event::Go),
            Step::Ask(question) => {
                self.out.ask(Output::Ask(question));
                self.phase = Phase::AwaitAnswer(running);
            }
            Step::AwaitInput => self.phase = Phase::AwaitInput(running),
            Step::AcceptLiteral(kind) => {
                self.framer.stream();
                self.ask_for_literal(kind);
                self.phase = Phase::AwaitInput(running);
            }
            Step::AwaitUpdates => self.phase = Phase::AwaitUpdates(running),
            Step::Done(completion) => {
                self.finish(Finished { tag: running.tag, completion, allowed: running.allowed });
            }
            Step::Logout(completion) => {
                self.complete(&running.tag, &completion);
                self.close();
            }
            Step::Bye(why) => self.send_bye(why),
            Step::StartTls(completion) => {
                self.complete(&running.tag, &completion);
                self.out.push(Output::StartTls);
                self.phase = Phase::AwaitTls;
            }
        }
    }

    fn context<'a>(&'a mut self, tag: &'a str) -> Context<'a> {
        Context {
            tag,
            settings: &self.settings,
            transport: self.transport,
            state: &mut self.state,
            tracking: &mut self.tracking,
            freshness: &mut self.freshness,
            out: &mut self.out,
        }
    }

    /// A command has done its work: look at the mailbox if something may have changed there, then say so.
    fn finish(&mut self, finished: Finished) {
        // What a command leaves unread of its literal is of no use to the next one.
        self.framer.refuse();
        self.framer.skip_stream();
        if finished.allowed != AllowedUpdates::Nothing {
            // What others did before the client's own last change must be told before that is.
            let behind = self.tracking == Tracking::Qresync
                && matches!(&self.state, State::Selected(view) if view.is_behind_own_change());
            if (behind || self.freshness != Freshness::Fresh)
                && let Some(question) = act::changes_question(&mut self.context(&finished.tag))
            {
                self.out.ask(Output::Ask(question));
                self.phase = Phase::AwaitChanges(finished);
                return;
            }
            if let State::Selected(view) = &mut self.state {
                act::emit_updates(&mut self.out, view, &Updates::default(), finished.allowed, self.tracking);
            }
        }
        self.complete(&finished.tag, &finished.completion);
    }

    /// What has changed is known now.
    fn apply_changes(&mut self, finished: Finished, answer: Answer) {
        let taken = act::apply_changes(&mut self.context(&finished.tag), answer, finished.allowed);
        self.complete(&finished.tag, &finished.completion);
        if taken == Err(CommandFailure::NoSuchMailbox) {
            self.send_bye(act::MAILBOX_DELETED);
        }
    }

    fn complete(&mut self, tag: &str, completion: &Completion) {
        self.out.text(&completion.line(tag));
        if completion.kind == Kind::Bad {
            return self.count_bad_command();
        }
        self.bad_commands = 0;
        match self.state {
            State::NotAuthenticated if completion.code.as_deref() == Some("AUTHENTICATIONFAILED") => {
                self.failed_logins += 1;
                if self.failed_logins >= limits::FAILED_LOGINS {
                    self.send_bye("Too many failed logins.");
                }
            }
            State::NotAuthenticated => {}
            State::Authenticated | State::Selected(_) => self.framer.set_limit(limits::COMMAND),
        }
    }

    /// Says why a command is not begun.
    fn refuse_command(&mut self, tag: Option<&str>, completion: Completion) {
        self.framer.refuse();
        self.out.text(&completion.line(tag.unwrap_or("*")));
        if completion.kind == Kind::Bad {
            self.count_bad_command();
        }
    }

    fn count_bad_command(&mut self) {
        self.bad_commands += 1;
        if self.bad_commands >= limits::BAD_COMMANDS {
            self.send_bye("Too many commands that make no sense.");
        }
    }

    /// Something that was to happen by now. What `IDLE` does about it is seen to in `advance`.
    fn tick(&mut self) {
        if matches!(self.phase, Phase::AwaitUpdates(_)) || self.clock.now < self.deadline() {
            return;
        }
        match std::mem::replace(&mut self.clock.sending, Sending::Nothing) {
            Sending::Message => self.clock.last_received = self.clock.now,
            Sending::Nothing => self.send_bye("Disconnected for inactivity."),
        }
    }

    /// When something is to happen if nothing happens before. A client in `IDLE` may be silent for ever: whether it
    /// is still there shows when the signs of life cannot be delivered.
    fn deadline(&self) -> Instant {
        match (&self.phase, &self.state) {
            (Phase::AwaitUpdates(_), _) => self.clock.last_sent + self.settings.keep_alive,
            (_, State::NotAuthenticated) => self.clock.last_received + self.settings.login_timeout,
            _ => self.clock.last_received + self.settings.idle_timeout,
        }
    }

    /// Tells the driver when to wake the session, if what it was told last would be too late, or is past.
    fn next_wake_up(&mut self) -> Option<Output> {
        if matches!(self.phase, Phase::Over) {
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

    fn send_bye(&mut self, why: &str) {
        self.out.text(&format!("* BYE {why}\r\n"));
        self.close();
    }

    fn close(&mut self) {
        self.out.push(Output::Close);
        self.phase = Phase::Over;
    }
}
