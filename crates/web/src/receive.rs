//! The body of an HTTPS delivery: read piece by piece, each passed on at once, so that no message is ever whole in
//! memory.

use std::net::IpAddr;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{EXPECT, HeaderMap};
use smtp::{Content, Envelope, Progress, Reply, table};

use crate::backend::{Backend, MessageSink};
use crate::delivery::{self, RECIPIENT_FIELD, SENDER_FIELD};

/// The longest silence within a message; relays have the same.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest transmission of a message: 30 MiB by a line of half a Mbit/s.
const TRANSFER_LIMIT: Duration = Duration::from_secs(600);
/// The most recipients of a delivery; the header fields of more would not fit. A sender with more comes by SMTP.
const RECIPIENT_LIMIT: usize = 250;

/// Receives a message. `Ok` means that it is on disk in every mailbox that it reaches. Otherwise what is still to come of
/// the body has been read, as far as that is sensible: a client that is cut off while it sends may miss the answer.
pub(crate) async fn receive(
    head: &HeaderMap,
    mut body: Incoming,
    peer: IpAddr,
    message_size: u64,
    backend: &dyn Backend,
) -> Result<(), Reply> {
    let mut left = escaped_size_limit(message_size);
    let transfer = async {
        let outcome = match begin(head, &body, peer, left, backend).await {
            Ok(sink) => transfer(&mut body, &mut left, message_size, sink).await,
            Err(reply) => Err(reply),
        };
        // A client that asked first has not sent anything, and is answered before it does (RFC 9110 section 10.1.1).
        if outcome.is_err() && !head.contains_key(EXPECT) {
            while let Ok(Some(_)) = next(&mut body, &mut left).await {}
        }
        outcome
    };
    tokio::time::timeout(TRANSFER_LIMIT, transfer).await.unwrap_or(Err(table::TIMED_OUT))
}

/// The most bytes that a message takes when each of its lines is an escaped dot: 4 for 3.
fn escaped_size_limit(message_size: u64) -> u64 {
    message_size.saturating_add(message_size / 3).saturating_add(1)
}

async fn begin(
    head: &HeaderMap,
    body: &Incoming,
    peer: IpAddr,
    limit: u64,
    backend: &dyn Backend,
) -> Result<Box<dyn MessageSink>, Reply> {
    let envelope = envelope(head)?;
    if body.size_hint().lower() > limit {
        return Err(table::TOO_LARGE);
    }
    backend.receive(envelope, peer).await
}

fn envelope(head: &HeaderMap) -> Result<Envelope, Reply> {
    let values = |name| head.get_all(name).iter().map(|value| value.as_bytes());
    delivery::envelope(values(SENDER_FIELD), values(RECIPIENT_FIELD), RECIPIENT_LIMIT)
}

async fn transfer(
    body: &mut Incoming,
    left: &mut u64,
    message_size: u64,
    mut sink: Box<dyn MessageSink>,
) -> Result<(), Reply> {
    let mut content = Content::new(message_size);
    while let Some(bytes) = next(body, left).await? {
        let mut plain = Vec::with_capacity(bytes.len());
        if let Progress::End(_) = content.push(&bytes, &mut plain) {
            return Err(table::INVALID_DATA);
        }
        if let Some(error) = content.error() {
            return Err(error.into());
        }
        drop(bytes);
        sink.push(plain).await;
    }
    content.finish_without_dot()?;
    sink.finish().await
}

/// The next bytes of the body; none at its end.
async fn next(body: &mut Incoming, left: &mut u64) -> Result<Option<Bytes>, Reply> {
    loop {
        let frame = tokio::time::timeout(READ_TIMEOUT, body.frame()).await;
        let frame = match frame.map_err(|_| table::TIMED_OUT)? {
            None => return Ok(None),
            // The client is gone, or breaks the framing: there is nobody to tell.
            Some(Err(_)) => return Err(table::INVALID_DATA),
            Some(Ok(frame)) => frame,
        };
        // Trailers say nothing here.
        let Ok(bytes) = frame.into_data() else { continue };
        *left = left.checked_sub(bytes.len() as u64).ok_or(table::TOO_LARGE)?;
        return Ok(Some(bytes));
    }
}
