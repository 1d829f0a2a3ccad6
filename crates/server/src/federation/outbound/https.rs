//! HTTPS delivery: `POST /mxdeliv`, as chatmail relays take it besides SMTP (`filtermail`).
//!
//! The envelope stands in header fields, the body is the message as SMTP's DATA has it, without the last dot. A 2xx
//! status accepts the message for all recipients; 400 with an SMTP reply refuses it for all. Any other answer says that
//! the way is not open, and SMTP is next.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use https_client::beginning;
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use smtp::{Reply, Stuffing};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::content::{Content, Envelope};
use super::smtp::{Trust, handshake};

/// The time for one message, as relays have it, and for each MiB on top.
const TIME: Duration = Duration::from_secs(60);
const TIME_PER_MEBIBYTE: Duration = Duration::from_secs(10);
/// The bytes that are read of an answer's body: an SMTP reply.
const ANSWER_LIMIT: usize = 2048;
/// The longest head of an answer, in bytes; hyper wants at least 8 KiB.
const HEAD_LIMIT: usize = 16 * 1024;
/// Pieces of a message between the disk and the socket.
const PIECES: usize = 2;

/// The answer of a host to HTTPS delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The message is taken for all recipients.
    Accepted,
    /// It is refused for all, for now (4xx) or for good (5xx).
    Refused(Reply),
    /// The host is a relay, and does not take this message this way: too large, as a rule.
    NotThisOne,
    /// The host has no such address: it is no relay.
    NoRelay,
    /// The whole message was sent, and no answer came: the host may have it.
    Lost(String),
}

/// A connection over which messages can be posted, one after the other.
pub(super) struct HttpsConnection {
    sender: SendRequest<BoxBody<Bytes, io::Error>>,
    host: HeaderValue,
    /// Whether the whole of the last message was given to the connection.
    sent: bool,
    /// The task that moves the connection's bytes.
    pump: AbortHandle,
}

impl Drop for HttpsConnection {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

impl HttpsConnection {
    /// TLS and HTTP/1.1 on a fresh connection; `host` is for the Host field (RFC 9110 section 7.2).
    pub(super) async fn open(stream: TcpStream, host: &str, trust: &Trust) -> io::Result<Self> {
        let stream = handshake(stream, trust).await?;
        let host = HeaderValue::from_str(host).map_err(io::Error::other)?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_LIMIT)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        let pump = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an HTTPS connection to another server ended");
            }
        });
        Ok(Self { sender, host, sent: false, pump: pump.abort_handle() })
    }

    /// Whether another message can be posted.
    pub(super) fn is_usable(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Gets a small text: its media type and its bytes up to a limit.
    ///
    /// # Errors
    ///
    /// When the connection breaks, or the status is not 200.
    pub(super) async fn get(&mut self, path: &str, limit: usize) -> io::Result<(String, Vec<u8>)> {
        let request = Request::builder().method(Method::GET).uri(path).header(HOST, &self.host);
        let empty = Full::default().map_err(never).boxed();
        let request = request.body(empty).map_err(io::Error::other)?;
        let response = self.sender.send_request(request).await.map_err(io::Error::other)?;
        if response.status() != StatusCode::OK {
            return Err(io::Error::other(format!("the answer is {}", response.status())));
        }
        let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = media_type.unwrap_or_default().to_owned();
        Ok((media_type, beginning(response.into_body(), limit).await))
    }

    /// Posts a message.
    ///
    /// # Errors
    ///
    /// When no answer comes in time, the connection breaks, or the message cannot be read.
    pub(super) async fn post(&mut self, envelope: &Envelope, content: &mut Content) -> io::Result<Answer> {
        let mebibytes = u32::try_from(content.size() >> 20).unwrap_or(u32::MAX);
        let time = TIME.saturating_add(TIME_PER_MEBIBYTE.saturating_mul(mebibytes));
        self.sent = false;
        let exchanged = tokio::time::timeout(time, self.exchange(envelope, content)).await;
        match exchanged.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Err(error) if self.sent => Ok(Answer::Lost(error.to_string())),
            answered => answered,
        }
    }

    async fn exchange(&mut self, envelope: &Envelope, content: &mut Content) -> io::Result<Answer> {
        self.sender.ready().await.map_err(io::Error::other)?;
        content.rewind()?;
        if content.is_in_memory() {
            let body = whole(content).await?;
            let request = self.request(envelope, Full::new(body.into()).map_err(never).boxed())?;
            self.sent = true;
            let sent = self.sender.send_request(request).await;
            // A request that the connection gave back was not sent.
            return answer(
                sent.inspect_err(|error| self.sent = !error.is_canceled()).map_err(io::Error::other)?,
            )
            .await;
        }
        let (pieces, receiver) = mpsc::channel(PIECES);
        let request = self.request(envelope, Pieces(receiver).boxed())?;
        let feeding = feed(content, pieces);
        tokio::pin!(feeding);
        let sending = self.sender.send_request(request);
        tokio::pin!(sending);
        // A relay may refuse before it has read all.
        let response = tokio::select! {
            response = &mut sending => response,
            fed = &mut feeding => {
                fed?;
                self.sent = true;
                sending.await
            }
        };
        answer(response.map_err(io::Error::other)?).await
    }

    fn request(
        &self,
        envelope: &Envelope,
        body: BoxBody<Bytes, io::Error>,
    ) -> io::Result<Request<BoxBody<Bytes, io::Error>>> {
        let mut request = Request::builder().method(Method::POST).uri("/mxdeliv").header(HOST, &self.host);
        if let Some(sender) = &envelope.sender {
            request = request.header("X-MAIL-FROM", sender.to_string());
        }
        for recipient in &envelope.recipients {
            request = request.header("X-MAIL-TO", recipient.to_string());
        }
        request.body(body).map_err(io::Error::other)
    }
}

fn never(never: Infallible) -> io::Error {
    match never {}
}

/// A small message in the form of DATA.
async fn whole(content: &mut Content) -> io::Result<Vec<u8>> {
    let (mut stuffing, mut escaped) = (Stuffing::new(), Vec::new());
    loop {
        let piece = content.next().await?;
        if piece.is_empty() {
            stuffing.finish().map_err(io::Error::other)?;
            return Ok(escaped);
        }
        stuffing.push(&piece, &mut escaped).map_err(io::Error::other)?;
    }
}

/// Reads a large message into the request's body. One that cannot be read to its end breaks the request off, so that no
/// half of it is delivered.
async fn feed(content: &mut Content, pieces: mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
    let mut stuffing = Stuffing::new();
    loop {
        let mut escaped = Vec::new();
        let read = match content.next().await {
            Ok(piece) if piece.is_empty() => match stuffing.finish() {
                Ok(()) => return Ok(()),
                Err(error) => Err(io::Error::other(error)),
            },
            Ok(piece) => stuffing.push(&piece, &mut escaped).map_err(io::Error::other),
            Err(error) => Err(error),
        };
        if let Err(error) = read {
            let copy = io::Error::new(error.kind(), error.to_string());
            let _ = pieces.send(Err(error)).await;
            return Err(copy);
        }
        if pieces.send(Ok(escaped.into())).await.is_err() {
            // The connection has gone, or the answer is there already; the request tells.
            return std::future::pending().await;
        }
    }
}

async fn answer(response: Response<Incoming>) -> io::Result<Answer> {
    let status = response.status();
    if status.is_success() {
        return Ok(Answer::Accepted);
    }
    let body = beginning(response.into_body(), ANSWER_LIMIT).await;
    let reply = str::from_utf8(&body).ok().and_then(read_reply);
    Ok(match (status, reply) {
        (StatusCode::BAD_REQUEST, Some(reply)) => Answer::Refused(reply),
        // This server says with a status of its own that the sender may come again.
        (StatusCode::SERVICE_UNAVAILABLE, Some(reply)) if reply.is_transient() => Answer::Refused(reply),
        // The head of a message to many, or the message, is too large for the web server in front of a relay.
        (
            StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            | StatusCode::TOO_MANY_REQUESTS,
            _,
        ) => Answer::NotThisOne,
        // A web server that is no relay redirects or forbids; a relay whose mail part is down has 502 from its proxy.
        (status, _) if status.is_server_error() => Answer::NotThisOne,
        _ => Answer::NoRelay,
    })
}

/// The SMTP reply in the first line of an answer's body, if it is a refusal.
fn read_reply(body: &str) -> Option<Reply> {
    let line = body.lines().next()?;
    let (code, text) = line.split_once(' ').unwrap_or((line, ""));
    let refusal = code.len() == 3 && code.starts_with(['4', '5']);
    let code = code.parse().ok().filter(|_| refusal)?;
    Some(Reply::new(code, text))
}

/// The body of a large message, of unknown length.
struct Pieces(mpsc::Receiver<io::Result<Bytes>>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

#[cfg(test)]
mod tests {
    use smtp::Reply;

    use super::read_reply;

    #[test]
    fn only_a_refusal_in_the_words_of_smtp_is_one() {
        let refused = |code, text| Some(Reply::new(code, text));
        for (body, expected) in [
            (
                "523 Encryption Needed: Invalid Unencrypted Mail",
                refused(523, "Encryption Needed: Invalid Unencrypted Mail"),
            ),
            ("554 5.7.1 No DKIM signature found\r\n", refused(554, "5.7.1 No DKIM signature found")),
            ("450", refused(450, "")),
            ("250 OK", None),
            ("<html>400 Bad Request</html>", None),
            ("5233 no", None),
            ("4xx no", None),
            ("", None),
        ] {
            assert_eq!(read_reply(body), expected, "{body:?}");
        }
    }
}
