//! One mail transaction: commands, content, and a fate for each recipient.

use std::collections::VecDeque;
use std::time::Instant;

use mail_types::Address;

use super::{Client, State};
use crate::client::dialogue::{Body, Fate, Output, Transaction, Trouble};
use crate::client::replies::ServerReply;
use crate::reply::Reply;
use crate::stuffing::Stuffing;

/// A pipelined command whose reply has not come.
#[derive(Debug)]
pub(super) enum Pipelined {
    Mail,
    /// The index of the recipient.
    Recipient(usize),
    Data,
}

/// A transaction in flight.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) recipients: Vec<(Address, Option<Fate>)>,
    /// Commands that go out one by one to a server without PIPELINING.
    pub(super) unsent: VecDeque<(Vec<u8>, Pipelined)>,
}

/// The outcome of a reply other than 2xx. A 3xx out of place breaks the protocol: to be tried again.
pub(super) fn refused(heard: &ServerReply) -> Fate {
    if heard.code >= 400 { Fate::Refused(heard.reply()) } else { Fate::Unsettled(Trouble::Protocol) }
}

impl Client {
    pub(super) fn handle_transaction(&mut self, now: Instant, transaction: Transaction) {
        let recipients = transaction.recipients.iter().map(|recipient| (recipient.clone(), None)).collect();
        if self.transaction.is_some() || !matches!(self.state, State::Ready) {
            // The connection broke in this moment, or the driver forgot that there is one message at a time: either
            // costs the message nothing but time.
            let unsettled = |recipient: Address| (recipient, Fate::Unsettled(Trouble::ConnectionLost));
            let fates = transaction.recipients.into_iter().map(unsettled).collect();
            return self.outputs.push_back(Output::Done(fates));
        }
        self.transaction = Some(InFlight { recipients, unsent: VecDeque::new() });
        if let Some(Some(limit)) = self.offered.size
            && transaction.size > limit
        {
            let text = format!("5.3.4 The other server takes at most {limit} bytes");
            self.settle(&Fate::Refused(Reply::new(552, &text)));
            self.report();
            return self.ready();
        }
        let mut unsent = VecDeque::from([(self.mail(&transaction), Pipelined::Mail)]);
        for (index, recipient) in transaction.recipients.iter().enumerate() {
            unsent
                .push_back((format!("RCPT TO:<{recipient}>\r\n").into_bytes(), Pipelined::Recipient(index)));
        }
        unsent.push_back((b"DATA\r\n".to_vec(), Pipelined::Data));
        if let Some(in_flight) = &mut self.transaction {
            in_flight.unsent = unsent;
        }
        self.state = State::ExpectReplies(VecDeque::new());
        self.send_commands();
        self.restart_clock(now);
    }

    pub(super) fn mail(&self, transaction: &Transaction) -> Vec<u8> {
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
    pub(super) fn send_commands(&mut self) {
        let (Some(in_flight), State::ExpectReplies(asked)) = (&mut self.transaction, &mut self.state) else {
            return;
        };
        let count = if self.offered.pipelining { in_flight.unsent.len() } else { 1 };
        let mut bytes = Vec::new();
        for (line, question) in in_flight.unsent.drain(..count.min(in_flight.unsent.len())) {
            bytes.extend(line);
            asked.push_back(question);
        }
        self.send(bytes);
    }

    pub(super) fn handle_transaction_reply(
        &mut self,
        now: Instant,
        mut asked: VecDeque<Pipelined>,
        heard: &ServerReply,
    ) {
        let Some(question) = asked.pop_front() else { return self.give_up(Trouble::Protocol) };
        self.state = State::ExpectReplies(asked);
        match question {
            Pipelined::Mail if !heard.is_positive() => self.settle(&refused(heard)),
            Pipelined::Recipient(index) if !heard.is_positive() => {
                let fate =
                    self.transaction.as_mut().and_then(|in_flight| in_flight.recipients.get_mut(index));
                if let Some((_, fate @ None)) = fate {
                    *fate = Some(refused(heard));
                }
            }
            Pipelined::Mail | Pipelined::Recipient(_) => {}
            Pipelined::Data => return self.handle_data_reply(now, heard),
        }
        let hopeless = self.all_settled();
        if let (State::ExpectReplies(asked), Some(in_flight)) = (&mut self.state, &mut self.transaction)
            && asked.is_empty()
        {
            // In lock-step nothing more need be asked once all is refused: a reset, and the next message.
            if hopeless {
                in_flight.unsent.clear();
                self.send(b"RSET\r\n".to_vec());
                self.state = State::ExpectNothing;
            } else {
                self.send_commands();
            }
        }
    }

    pub(super) fn handle_data_reply(&mut self, now: Instant, heard: &ServerReply) {
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

    pub(super) fn handle_content(&mut self, now: Instant, bytes: &[u8]) {
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

    pub(super) fn handle_content_end(&mut self, now: Instant) {
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

    pub(super) fn all_settled(&self) -> bool {
        self.transaction
            .as_ref()
            .is_none_or(|in_flight| in_flight.recipients.iter().all(|(_, fate)| fate.is_some()))
    }

    /// Sets the fate of every recipient that has none yet.
    pub(super) fn settle(&mut self, fate: &Fate) {
        if let Some(in_flight) = &mut self.transaction {
            for (_, settled) in &mut in_flight.recipients {
                settled.get_or_insert_with(|| fate.clone());
            }
        }
    }

    /// Ends the transaction and reports the fates; a recipient without one is unsettled.
    pub(super) fn report(&mut self) {
        if let Some(in_flight) = self.transaction.take() {
            let unsettled = || Fate::Unsettled(Trouble::ConnectionLost);
            let fates = in_flight.recipients.into_iter();
            let fates = fates.map(|(address, fate)| (address, fate.unwrap_or_else(unsettled))).collect();
            self.outputs.push_back(Output::Done(fates));
        }
    }
}
