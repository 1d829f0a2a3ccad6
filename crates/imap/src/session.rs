//! The session: takes input, runs one command at a time, and requests its wake-ups. Commands are carried out in `act`.

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
/// The driver calls [`handle`](Self::handle) with every event and then [`poll`](Self::poll) until it returns
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

/// The phase of the command loop, named for the event that it waits for.
#[derive(Debug)]
enum Phase {
    /// No command runs.
    AwaitCommand,
    /// A command runs, and its job takes the next step with this event.
    Ready(Running, Event),
    /// A command waits for the answer to its question.
    AwaitAnswer(Running),
    /// A command waits for more input from the client.
    AwaitInput(Running),
    /// `IDLE` waits for input, a change of the mailbox, or the time of the keep-alive.
    AwaitUpdates(Running),
    /// A command is done; changes of the mailbox are asked for, and reported before its completion.
    AwaitChanges(Finished),
    /// The driver does the TLS handshake.
    AwaitTls,
    /// The last output was queued.
    Over,
}

/// A command that is being carried out.
#[derive(Debug)]
struct Running {
    tag: String,
    job: Box<dyn Job>,
    allowed: AllowedUpdates,
}

/// A command whose completion waits for updates.
#[derive(Debug)]
struct Finished {
    tag: String,
    completion: Completion,
    allowed: AllowedUpdates,
}

/// The times that timeouts are counted from.
#[derive(Debug)]
struct Clock {
    now: Instant,
    /// The time at which the connection was accepted.
    accepted: Instant,
    /// The time of the last bytes from the client.
    last_received: Instant,
    /// The time of the last response.
    last_sent: Instant,
    /// The output since the last timeout: a slow line may take longer than that to carry a message.
    sending: Sending,
    /// The wake-up that was requested last, until it comes.
    wake: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    Nothing,
    Message,
}

impl Clock {
    fn new(now: Instant) -> Self {
        Self { now, accepted: now, last_received: now, last_sent: now, sending: Sending::Nothing, wake: None }
    }
}

impl Session {
    /// A session on a connection that was accepted at `now`. The greeting is its first output. A driver that has done the
    /// TLS handshake since then passes the time before it, so that the handshake counts as time without a login.
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
            framer: Framer::new(limits::COMMAND_BYTES_BEFORE_LOGIN),
            phase: Phase::AwaitCommand,
            answer: None,
            out,
            tracking: Tracking::Plain,
            freshness: Freshness::Fresh,
            clock: Clock::new(now),
            bad_commands: 0,
            failed_logins: 0,
        }
    }

    /// True if the driver may read from the client now.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        !matches!(self.phase, Phase::Over | Phase::AwaitTls) && self.framer.waiting() < limits::INPUT_BYTES
    }

    /// Records an event. Call [`poll`](Self::poll) afterwards.
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
            (Input::Tick, _) => {
                self.clock.wake = None;
                self.tick();
            }
            (Input::Shutdown, _) => self.send_bye("[UNAVAILABLE] Server shutting down."),
            (Input::MakeRoom, _) => self.send_bye("[UNAVAILABLE] Too many connections; try again later."),
            (Input::Closed, _) => self.close(),
            (Input::MailboxChanged, _) => self.freshness = Freshness::Stale,
            (Input::TlsStarted, _) => {}
        }
    }

    /// The next action for the driver, if there is any.
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
        // With a question open more text follows soon, and shares a system call with this.
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

    /// Does one piece of work; false if there is none.
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
                // `+ idling`, written just now, counts as a keep-alive.
                self.note_sent();
                if let Some(frame) = self.framer.next_frame() {
                    self.step(running, Event::Frame(frame));
                } else if self.freshness == Freshness::Stale && matches!(self.state, State::Selected(_)) {
                    self.step(running, Event::MailboxChanged);
                } else if self.clock.now >= self.clock.last_sent + self.settings.keep_alive {
                    self.clock.last_sent = self.clock.now;
                    // The mailbox could not be asked about: try again, once in each interval.
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

    /// Begins with a frame while no command runs.
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

    /// Decides on an announced literal: the message of an `APPEND`, which is streamed, or a string.
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

    /// Runs one step of the job.
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

    /// Ends a command: asks for changes of the mailbox if there may be any, then sends updates and completion.
    fn finish(&mut self, finished: Finished) {
        // A literal that the command did not read to its end is skipped.
        self.framer.refuse();
        self.framer.skip_stream();
        if finished.allowed != AllowedUpdates::Nothing {
            // Changes by others that precede the client's own must be reported before the completion: the client would
            // take the MODSEQ of its change for the state of the mailbox (RFC 7162 section 3.2).
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

    /// Sends the updates that the changes call for, then the completion.
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
            State::Authenticated | State::Selected(_) => self.framer.set_limit(limits::COMMAND_BYTES),
        }
    }

    /// Completes a command that was not begun.
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

    /// Ends the session if the timeout has passed. The keep-alive of `IDLE` is sent in `advance`.
    fn tick(&mut self) {
        if matches!(self.phase, Phase::AwaitUpdates(_)) || self.clock.now < self.deadline() {
            return;
        }
        match std::mem::replace(&mut self.clock.sending, Sending::Nothing) {
            // The client may have been busy receiving all the time: its silence counts from now.
            Sending::Message => self.clock.last_received = self.clock.now,
            Sending::Nothing if matches!(self.state, State::NotAuthenticated) => {
                self.send_bye("Too long without a login.");
            }
            Sending::Nothing => self.send_bye("Disconnected for inactivity."),
        }
    }

    /// The time of the next timeout or keep-alive. A client in `IDLE` may be silent for ever: a dead connection shows
    /// when keep-alives cannot be delivered.
    fn deadline(&self) -> Instant {
        match (&self.phase, &self.state) {
            (Phase::AwaitUpdates(_), _) => self.clock.last_sent + self.settings.keep_alive,
            (_, State::NotAuthenticated) => self.clock.accepted + self.settings.login_timeout,
            _ => self.clock.last_received + self.settings.idle_timeout,
        }
    }

    /// Requests a wake-up, unless the one requested last has not come yet and is early enough. A deadline that moves on
    /// with every byte thus costs no request; the early tick requests the next.
    fn next_wake_up(&mut self) -> Option<Output> {
        if matches!(self.phase, Phase::Over) {
            return None;
        }
        let deadline = self.deadline();
        if self.clock.wake.is_some_and(|wake| wake <= deadline) {
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
