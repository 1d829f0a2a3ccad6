//! Answers the questions of a session on port 25.

use std::io;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use mail_types::Address;
use smtp::{Answer, Envelope, Question, Reply, table};

use super::message::IncomingMessage;
use super::reception::{Reception, Way};
use crate::connections::driver::Backend;

/// The backend of one connection of another server.
pub(crate) struct InboundBackend {
    reception: Arc<Reception>,
    peer: IpAddr,
    /// The message that is coming in, or the reply to it, none of which is kept.
    message: Option<Result<IncomingMessage, Reply>>,
}

impl InboundBackend {
    /// A backend before the first message; `peer` is the other server's address.
    pub(crate) fn new(reception: &Arc<Reception>, peer: IpAddr) -> Self {
        Self { reception: Arc::clone(reception), peer, message: None }
    }

    /// Other servers expect refusals of a sender at RCPT.
    async fn sender(&self, sender: Option<&Address>) -> Answer {
        match self.reception.sender(self.peer, sender).await {
            Ok(()) => Answer::Accepted,
            Err(reply) => Answer::RefusedAtRecipients(reply),
        }
    }

    async fn commit(&mut self, envelope: Envelope) -> Result<(), Reply> {
        let message = self.message.take().ok_or(table::LOCAL_TROUBLE)??;
        self.reception.take(message, envelope, Way::Smtp).await
    }
}

impl Backend<smtp::Session> for InboundBackend {
    async fn answer(&mut self, question: Question) -> Answer {
        let done = match question {
            Question::Authenticate { .. } => Err(table::AUTH_NOT_OFFERED),
            Question::Sender { sender, .. } => return self.sender(sender.as_ref()).await,
            Question::Recipient { recipient, .. } => self.reception.recipient(&recipient),
            Question::Commit { envelope, .. } => self.commit(envelope).await,
        };
        done.map_or_else(Answer::Refused, |()| Answer::Accepted)
    }

    async fn spool(&mut self, bytes: Vec<u8>) {
        let (reception, peer) = (&self.reception, self.peer);
        if let Ok(message) = self.message.get_or_insert_with(|| reception.begin(peer)) {
            reception.push(message, bytes).await;
        }
    }

    async fn discard_spool(&mut self) {
        self.message = None;
    }

    async fn read_message(&mut self, _: Range<u64>) -> io::Result<Vec<u8>> {
        Err(io::Error::other("a session on port 25 has no message to send"))
    }

    async fn changed(&mut self) {
        std::future::pending().await
    }
}
