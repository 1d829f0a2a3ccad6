//! The client session: one state, and what each reply does to it. `transaction` has the way of one message.

mod transaction;

use std::collections::VecDeque;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use self::transaction::{InFlight, Pipelined, refused};
use super::dialogue::{Encryption, Fate, Input, Output, Settings, Trouble};
use super::replies::{Replies, ServerReply};
use crate::content::ContentError;
use crate::stuffing::Stuffing;

/// One connection to another server. Feed it with [`Client::handle`], then do everything [`Client::poll`] gives.
///
/// A transaction always ends with one [`Output::Done`], whatever happens to the connection.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    state: State,
    replies: Replies,
    offered: Offered,
    under_tls: bool,
    transaction: Option<InFlight>,
    deadline: Option<Instant>,
    /// The deadline last announced by [`Output::WakeAt`].
    announced: Option<Instant>,
    outputs: VecDeque<Output>,
}

/// The state of the dialogue, named for the event it waits for.
#[derive(Debug)]
enum State {
    ExpectGreeting,
    ExpectEhlo,
    ExpectStartTls,
    AwaitTls,
    ExpectLogin,
    /// Idle: a message may be delivered.
    Ready,
    /// The replies to MAIL, RCPT and DATA, in that order.
    ExpectReplies(VecDeque<Pipelined>),
    /// The driver's next piece of content.
    AwaitContent(Stuffing),
    ExpectVerdict,
    /// After a lone dot in answer to a DATA that should have been refused; its reply means nothing.
    ExpectNothing,
    ExpectBye,
    Closed,
}

/// The service extensions in the last reply to EHLO.
#[derive(Debug, Default)]
struct Offered {
    start_tls: bool,
    pipelining: bool,
    eight_bit: bool,
    plain: bool,
    /// SIZE: offered, with its limit if it names one.
    size: Option<Option<u64>>,
}

impl Client {
    /// A connection that was just made; the server speaks first.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let under_tls = settings.encryption == Encryption::Already;
        Self {
            settings,
            state: State::ExpectGreeting,
            replies: Replies::default(),
            offered: Offered::default(),
            under_tls,
            transaction: None,
            deadline: None,
            announced: None,
            outputs: VecDeque::new(),
        }
    }

    /// Processes an event at `now`. The first call may be a [`Input::Tick`]: it starts the clock.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        // A message given to a connection that broke in this moment comes back, too.
        if matches!(self.state, State::Closed) && !matches!(input, Input::Deliver(_)) {
            return;
        }
        match input {
            Input::Bytes(bytes) => {
                self.replies.push(bytes);
                self.read_replies(now);
            }
            Input::TlsStarted => self.handle_tls_started(now),
            Input::Deliver(transaction) => self.handle_transaction(now, transaction),
            Input::Content(bytes) => self.handle_content(now, bytes),
            Input::ContentEnd => self.handle_content_end(now),
            Input::ContentLost => self.give_up(Trouble::Content(ContentError::Invalid)),
            Input::Quit => self.quit(now),
            Input::Tick => self.handle_tick(now),
            Input::Closed => self.give_up(Trouble::ConnectionLost),
        }
        if let Some(deadline) = self.deadline
            && self.announced.is_none_or(|announced| announced > deadline)
        {
            self.announced = Some(deadline);
            self.outputs.push_back(Output::WakeAt(deadline));
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn read_replies(&mut self, now: Instant) {
        loop {
            if matches!(self.state, State::Closed) {
                return;
            }
            match self.replies.next() {
                Ok(Some(heard)) => self.handle_reply(now, heard),
                Ok(None) => return,
                Err(_) => return self.give_up(Trouble::Protocol),
            }
        }
    }

    fn handle_reply(&mut self, now: Instant, heard: ServerReply) {
        self.restart_clock(now);
        match std::mem::replace(&mut self.state, State::Closed) {
            State::ExpectGreeting if heard.code == 220 => self.ehlo(),
            State::ExpectEhlo if heard.is_positive() => {
                self.offered = Offered::read(&heard);
                self.after_ehlo();
            }
            State::ExpectStartTls if heard.code == 220 => {
                // RFC 3207 section 4.2: what came in clear text must not count as having come under TLS.
                if self.replies.is_empty() {
                    self.outputs.push_back(Output::StartTls);
                    self.state = State::AwaitTls;
                } else {
                    self.give_up(Trouble::Protocol);
                }
            }
            State::ExpectLogin if heard.code == 235 => self.ready(),
            State::ExpectGreeting | State::ExpectEhlo | State::ExpectStartTls | State::ExpectLogin => {
                self.give_up(Trouble::Unwilling(heard.reply()));
            }
            State::ExpectReplies(asked) => self.handle_transaction_reply(now, asked, &heard),
            // A verdict before the end: the rest of the message would be read as commands.
            State::AwaitContent(_) => {
                self.settle(&refused(&heard));
                self.report();
                self.give_up(Trouble::Unwilling(heard.reply()));
            }
            State::ExpectVerdict => {
                self.settle(&if heard.is_positive() { Fate::Delivered } else { refused(&heard) });
                self.report();
                self.ready();
            }
            State::ExpectNothing => {
                self.report();
                self.ready();
            }
            State::ExpectBye => self.close(None),
            // Usually 421: the server has had enough of waiting.
            State::Ready => self.give_up(Trouble::Unwilling(heard.reply())),
            State::AwaitTls | State::Closed => self.give_up(Trouble::Protocol),
        }
    }

    fn ehlo(&mut self) {
        let line = format!("EHLO {}\r\n", self.settings.host_name);
        self.send(line.into_bytes());
        self.state = State::ExpectEhlo;
    }

    fn after_ehlo(&mut self) {
        match (self.under_tls, self.settings.encryption, self.offered.start_tls) {
            (false, Encryption::Required | Encryption::IfOffered, true) => {
                self.send(b"STARTTLS\r\n".to_vec());
                self.state = State::ExpectStartTls;
            }
            (false, Encryption::Required, false) => self.give_up(Trouble::NoTls),
            _ => self.log_in(),
        }
    }

    fn handle_tls_started(&mut self, now: Instant) {
        if matches!(self.state, State::AwaitTls) {
            self.replies.clear();
            self.under_tls = true;
            self.announced = None;
            self.ehlo();
            self.restart_clock(now);
        }
    }

    /// AUTH PLAIN (RFC 4616), never in clear text.
    fn log_in(&mut self) {
        match &self.settings.login {
            None => self.ready(),
            Some((user, password)) if self.under_tls && self.offered.plain => {
                let message = [b"\0", user.as_bytes(), b"\0", password.expose()].concat();
                let line = format!("AUTH PLAIN {}\r\n", STANDARD.encode(message));
                self.send(line.into_bytes());
                self.state = State::ExpectLogin;
            }
            Some(_) => self.give_up(Trouble::NoLogin),
        }
    }

    fn ready(&mut self) {
        self.state = State::Ready;
        self.deadline = None;
        self.outputs.push_back(Output::Ready);
    }

    fn quit(&mut self, now: Instant) {
        if matches!(self.state, State::Ready) {
            self.send(b"QUIT\r\n".to_vec());
            self.state = State::ExpectBye;
            self.restart_clock(now);
        } else {
            self.give_up(Trouble::ConnectionLost);
        }
    }

    fn handle_tick(&mut self, now: Instant) {
        self.announced = None;
        match self.deadline {
            Some(deadline) if deadline <= now => self.give_up(Trouble::TimedOut),
            Some(_) => {}
            None => self.restart_clock(now),
        }
    }

    /// While nothing is asked of the server, its silence is no trouble.
    fn restart_clock(&mut self, now: Instant) {
        self.deadline = match self.state {
            State::Ready | State::Closed => None,
            State::ExpectVerdict => Some(now + self.settings.verdict_timeout),
            _ => Some(now + self.settings.reply_timeout),
        };
    }

    /// The connection is of no use any more.
    fn give_up(&mut self, trouble: Trouble) {
        if matches!(self.state, State::ExpectBye) {
            return self.close(None);
        }
        self.settle(&Fate::Unsettled(trouble.clone()));
        self.report();
        self.close(Some(trouble));
    }

    fn close(&mut self, trouble: Option<Trouble>) {
        self.state = State::Closed;
        self.replies.clear();
        self.deadline = None;
        self.outputs.push_back(Output::Close(trouble));
    }

    fn send(&mut self, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self.outputs.back_mut() {
            Some(Output::Send(waiting)) => waiting.extend_from_slice(&bytes),
            _ => self.outputs.push_back(Output::Send(bytes)),
        }
    }
}

impl Offered {
    /// ehlo-line = ehlo-keyword *( SP ehlo-param ), after a first line that is only a greeting
    fn read(heard: &ServerReply) -> Self {
        let mut offered = Self::default();
        for line in heard.lines.iter().skip(1) {
            let mut words = line.split_ascii_whitespace();
            let Some(keyword) = words.next() else { continue };
            match keyword.to_ascii_uppercase().as_str() {
                "STARTTLS" => offered.start_tls = true,
                "PIPELINING" => offered.pipelining = true,
                "8BITMIME" => offered.eight_bit = true,
                "AUTH" => offered.plain = words.any(|mechanism| mechanism.eq_ignore_ascii_case("PLAIN")),
                // RFC 1870: no number, or zero, means no fixed limit.
                "SIZE" => {
                    let limit = words.next().and_then(|number| number.parse().ok());
                    offered.size = Some(limit.filter(|limit| *limit > 0));
                }
                _ => {}
            }
        }
        offered
    }
}
