//! The client session: one state, and what each reply does to it.

use std::collections::VecDeque;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail_types::Address;

use super::dialogue::{Body, Encryption, Fate, Input, Output, Settings, Transaction, Trouble};
use super::replies::{Heard, Replies};
use crate::content::ContentError;
use crate::reply::Reply;
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
    transaction: Option<Underway>,
    deadline: Option<Instant>,
    /// The wake-up the driver knows of.
    announced: Option<Instant>,
    outputs: VecDeque<Output>,
}

/// What the session waits for.
#[derive(Debug)]
enum State {
    ExpectGreeting,
    ExpectEhlo,
    ExpectStartTls,
    AwaitTls,
    ExpectLogin,
    /// Nothing to do.
    Ready,
    /// The replies to MAIL, RCPT and DATA, in that order.
    ExpectReplies(VecDeque<Asked>),
    /// The driver's next piece of content.
    AwaitContent(Stuffing),
    ExpectVerdict,
    /// After a lone dot in answer to a DATA that should have been refused; its reply means nothing.
    ExpectNothing,
    ExpectBye,
    Closed,
}

/// A pipelined command whose reply has not come.
#[derive(Debug)]
enum Asked {
    Mail,
    /// The index of the recipient.
    Recipient(usize),
    Data,
}

/// What the last EHLO offered.
#[derive(Debug, Default)]
struct Offered {
    start_tls: bool,
    pipelining: bool,
    eight_bit: bool,
    plain: bool,
    /// SIZE: offered, with its limit if it names one.
    size: Option<Option<u64>>,
}

/// A transaction on its way.
#[derive(Debug)]
struct Underway {
    recipients: Vec<(Address, Option<Fate>)>,
    /// Commands that go out one by one to a server without PIPELINING.
    unsent: VecDeque<(Vec<u8>, Asked)>,
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

    /// Something happened at `now`. The first call may be a [`Input::Tick`]: it starts the clock.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        if matches!(self.state, State::Closed) {
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

    fn handle_reply(&mut self, now: Instant, heard: Heard) {
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

    fn handle_transaction(&mut self, now: Instant, transaction: Transaction) {
        let recipients = transaction.recipients.iter().map(|recipient| (recipient.clone(), None)).collect();
        if self.transaction.is_some() || !matches!(self.state, State::Ready) {
            // Only one at a time; the driver's mistake costs the message nothing but time.
            let unsettled = |recipient: Address| (recipient, Fate::Unsettled(Trouble::Protocol));
            let fates = transaction.recipients.into_iter().map(unsettled).collect();
            return self.outputs.push_back(Output::Done(fates));
        }
        self.transaction = Some(Underway { recipients, unsent: VecDeque::new() });
        if let Some(Some(limit)) = self.offered.size
            && transaction.size > limit
        {
            let text = format!("5.3.4 The other server takes at most {limit} bytes");
            self.settle(&Fate::Refused(Reply::new(552, &text)));
            self.report();
            return self.ready();
        }
        let mut unsent = VecDeque::from([(self.mail(&transaction), Asked::Mail)]);
        for (index, recipient) in transaction.recipients.iter().enumerate() {
            unsent.push_back((format!("RCPT TO:<{recipient}>\r\n").into_bytes(), Asked::Recipient(index)));
        }
        unsent.push_back((b"DATA\r\n".to_vec(), Asked::Data));
        if let Some(underway) = &mut self.transaction {
            underway.unsent = unsent;
        }
        self.state = State::ExpectReplies(VecDeque::new());
        self.send_commands();
        self.restart_clock(now);
    }

    fn mail(&self, transaction: &Transaction) -> Vec<u8> {
        let sender = transaction.sender.as_ref().map(Address::to_string).unwrap_or_default();
        let mut line = format!("MAIL FROM:<{sender}>");
        if self.offered.size.is_some() {
            line.push_str(&format!(" SIZE={}", transaction.size));
        }
        if self.offered.eight_bit && transaction.body == Body::EightBit {
            line.push_str(" BODY=8BITMIME");
        }
        line.push_str("\r\n");
        line.into_bytes()
    }

    /// Sends one more command, or all of them to a server that offers PIPELINING.
    fn send_commands(&mut self) {
        let (Some(underway), State::ExpectReplies(asked)) = (&mut self.transaction, &mut self.state) else {
            return;
        };
        let count = if self.offered.pipelining { underway.unsent.len() } else { 1 };
        let mut bytes = Vec::new();
        for (line, question) in underway.unsent.drain(..count.min(underway.unsent.len())) {
            bytes.extend(line);
            asked.push_back(question);
        }
        self.send(bytes);
    }

    fn handle_transaction_reply(&mut self, now: Instant, mut asked: VecDeque<Asked>, heard: &Heard) {
        let Some(question) = asked.pop_front() else { return self.give_up(Trouble::Protocol) };
        self.state = State::ExpectReplies(asked);
        match question {
            Asked::Mail if !heard.is_positive() => self.settle(&refused(heard)),
            Asked::Recipient(index) if !heard.is_positive() => {
                let fate = self.transaction.as_mut().and_then(|underway| underway.recipients.get_mut(index));
                if let Some((_, fate @ None)) = fate {
                    *fate = Some(refused(heard));
                }
            }
            Asked::Mail | Asked::Recipient(_) => {}
            Asked::Data => return self.handle_data_reply(now, heard),
        }
        let hopeless = self.all_settled();
        if let (State::ExpectReplies(asked), Some(underway)) = (&mut self.state, &mut self.transaction)
            && asked.is_empty()
        {
            // In lock-step nothing more need be asked once all is refused: a reset, and the next message.
            if hopeless {
                underway.unsent.clear();
                self.send(b"RSET\r\n".to_vec());
                self.state = State::ExpectNothing;
            } else {
                self.send_commands();
            }
        }
    }

    fn handle_data_reply(&mut self, now: Instant, heard: &Heard) {
        match (heard.code, self.all_settled()) {
            // RFC 2920 section 3.1: a server may say 354 though it refused every recipient.
            (354, true) => {
                self.send(b".\r\n".to_vec());
                self.state = State::ExpectNothing;
            }
            (354, false) => {
                self.state = State::AwaitContent(Stuffing::new());
                self.restart_clock(now);
                self.outputs.push_back(Output::WantContent);
            }
            _ => {
                self.settle(&refused(heard));
                self.send(b"RSET\r\n".to_vec());
                self.state = State::ExpectNothing;
            }
        }
    }

    fn handle_content(&mut self, now: Instant, bytes: &[u8]) {
        let State::AwaitContent(stuffing) = &mut self.state else { return };
        let mut escaped = Vec::with_capacity(bytes.len());
        match stuffing.push(bytes, &mut escaped) {
            Ok(()) => {
                self.send(escaped);
                self.outputs.push_back(Output::WantContent);
                self.restart_clock(now);
            }
            Err(error) => self.give_up(Trouble::Content(error)),
        }
    }

    fn handle_content_end(&mut self, now: Instant) {
        let State::AwaitContent(stuffing) = &self.state else { return };
        match stuffing.finish() {
            Ok(()) => {
                self.send(b".\r\n".to_vec());
                self.state = State::ExpectVerdict;
                self.restart_clock(now);
            }
            Err(error) => self.give_up(Trouble::Content(error)),
        }
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

    fn all_settled(&self) -> bool {
        self.transaction
            .as_ref()
            .is_none_or(|underway| underway.recipients.iter().all(|(_, fate)| fate.is_some()))
    }

    /// Gives everybody who has none yet this fate.
    fn settle(&mut self, fate: &Fate) {
        if let Some(underway) = &mut self.transaction {
            for (_, settled) in &mut underway.recipients {
                settled.get_or_insert_with(|| fate.clone());
            }
        }
    }

    /// Tells the fates; whoever has none is unsettled.
    fn report(&mut self) {
        if let Some(underway) = self.transaction.take() {
            let unsettled = || Fate::Unsettled(Trouble::ConnectionLost);
            let fates = underway.recipients.into_iter();
            let fates = fates.map(|(address, fate)| (address, fate.unwrap_or_else(unsettled))).collect();
            self.outputs.push_back(Output::Done(fates));
        }
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

/// What a reply that is no yes means. One that is no no either (3xx) makes no sense, and may make some next time.
fn refused(heard: &Heard) -> Fate {
    if heard.code >= 400 { Fate::Refused(heard.reply()) } else { Fate::Unsettled(Trouble::Protocol) }
}

impl Offered {
    /// ehlo-line = ehlo-keyword *( SP ehlo-param ), after a first line that is only a greeting
    fn read(heard: &Heard) -> Self {
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
