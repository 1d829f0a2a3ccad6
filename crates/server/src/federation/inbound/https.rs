//! The other end of an HTTPS delivery: the envelope is looked at first, then the message comes in piece by piece.

use std::net::IpAddr;
use std::sync::Arc;

use smtp::{Envelope, Reply};
use web::{BoxFuture, MessageSink};

use super::message::IncomingMessage;
use super::reception::{Reception, Way};

/// A message on its way in.
struct Delivery {
    reception: Arc<Reception>,
    envelope: Envelope,
    message: IncomingMessage,
}

/// Begins a delivery by this peer. One recipient of another domain refuses it whole: one status answers for all.
pub(crate) async fn receive(
    reception: &Arc<Reception>,
    envelope: Envelope,
    peer: IpAddr,
) -> Result<Box<dyn MessageSink>, Reply> {
    reception.sender(peer, envelope.sender.as_ref()).await?;
    envelope.recipients.iter().try_for_each(|recipient| reception.recipient(recipient))?;
    let message = reception.begin(peer)?;
    Ok(Box::new(Delivery { reception: Arc::clone(reception), envelope, message }))
}

impl MessageSink for Delivery {
    fn push(&mut self, bytes: Vec<u8>) -> BoxFuture<'_, ()> {
        let Self { reception, message, .. } = self;
        Box::pin(reception.push(message, bytes))
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<(), Reply>> {
        let Self { reception, envelope, message } = *self;
        Box::pin(async move { reception.take(message, envelope, Way::Https).await })
    }
}
