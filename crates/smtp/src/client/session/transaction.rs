//! One message on its way: commands, content, and a fate for each recipient.

use std::collections::VecDeque;
use std::time::Instant;

use mail_types::Address;

use super::{Client, State};
use crate::client::dialogue::{Body, Fate, Output, Transaction, Trouble};
use crate::client::replies::Heard;
use crate::reply::Reply;
use crate::stuffing::Stuffing;

/// A pipelined command whose reply has not come.
#[derive(Debug)]
pub(super) enum Asked {
    Mail,
    /// The index of the recipient.
    Recipient(usize),
    Data,
}

/// A transaction on its way.
#[derive(Debug)]
pub(super) struct Underway {
    pub(super) recipients: Vec<(Address, Option<Fate>)>,
    /// Commands that go out one by one to a server without PIPELINING.
    pub(super) unsent: VecDeque<(Vec<u8>, Asked)>,
}

/// What a reply that is no yes means. One that is no no either (3xx) makes no sense, and may make some next time.
pub(super) fn refused(heard: &Heard) -> Fate {
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

    pub(super) fn handle_transaction_reply(
        &mut self,
        now: Instant,
        mut asked: VecDeque<Asked>,
        heard: &Heard,
    ) {
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

    pub(super) fn handle_data_reply(&mut self, now: Instant, heard: &Heard) {
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
            .is_none_or(|underway| underway.recipients.iter().all(|(_, fate)| fate.is_some()))
    }

    /// Gives everybody who has none yet this fate.
    pub(super) fn settle(&mut self, fate: &Fate) {
        if let Some(underway) = &mut self.transaction {
            for (_, settled) in &mut underway.recipients {
                settled.get_or_insert_with(|| fate.clone());
            }
        }
    }

    /// Tells the fates; whoever has none is unsettled.
    pub(super) fn report(&mut self) {
        if let Some(underway) = self.transaction.take() {
            let unsettled = || Fate::Unsettled(Trouble::ConnectionLost);
            let fates = underway.recipients.into_iter();
            let fates = fates.map(|(address, fate)| (address, fate.unwrap_or_else(unsettled))).collect();
            self.outputs.push_back(Output::Done(fates));
        }
    }
}
