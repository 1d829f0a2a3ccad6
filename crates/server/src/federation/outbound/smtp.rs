//! One SMTP connection to another server: `smtp::client::Client` over a socket, with TLS.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use host::clock;
use mail_types::Address;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use smtp::client::{Client, Encryption, Fate, Input, Output, Settings, Transaction, Trouble};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::content::Content;
use crate::runtime::until::until;

/// The read buffer in bytes: replies are short.
const READ_BUFFER: usize = 2048;
/// The bytes to send that are collected: what is in one packet wakes both ends once.
const WRITE_BUFFER: usize = 16 * 1024;
/// The time for a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// The time that the server has to take a piece of a message.
const WRITE_TIMEOUT: Duration = Duration::from_secs(120);

/// The identity that the server's certificate must have, and the rules by which it is believed.
#[derive(Clone)]
pub(super) struct Trust {
    pub(super) name: ServerName<'static>,
    pub(super) settings: Arc<ClientConfig>,
}

/// A connection over which messages can be delivered, one after the other.
pub(super) struct SmtpConnection {
    client: Client,
    stream: Stream,
    /// Bytes that the session has said, and that are not sent yet.
    unsent: Vec<u8>,
    wake_at: Option<Instant>,
}

/// The end of a transaction.
pub(super) struct Delivery {
    /// One for each recipient.
    pub(super) fates: Vec<(Address, Fate)>,
    /// Whether the whole message was sent: if its fate is not known, the server may have it.
    pub(super) sent: bool,
    /// Whether the connection can deliver another message.
    pub(super) usable: bool,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// During a handshake, and after one that failed.
    None,
}

/// The end of a step of the dialogue.
enum Stop {
    Ready,
    WantContent,
    Done(Vec<(Address, Fate)>),
    Closed(Option<Trouble>),
}

impl SmtpConnection {
    /// Speaks SMTP on a fresh connection until a message may be delivered.
    ///
    /// # Errors
    ///
    /// The trouble for which the connection is of no use.
    pub(super) async fn open(stream: TcpStream, settings: Settings, trust: &Trust) -> Result<Self, Trouble> {
        let encrypted = settings.encryption == Encryption::Already;
        let client = Client::new(settings);
        let mut connection =
            Self { client, stream: Stream::Plain(stream), unsent: Vec::new(), wake_at: None };
        if encrypted {
            connection.start_tls(trust).await?;
        }
        connection.client.handle(clock::now(), Input::Tick);
        match connection.run(Some(trust)).await {
            Stop::Ready => Ok(connection),
            Stop::Closed(trouble) => Err(trouble.unwrap_or(Trouble::ConnectionLost)),
            Stop::WantContent | Stop::Done(_) => Err(Trouble::Protocol),
        }
    }

    /// Delivers a message.
    pub(super) async fn deliver(&mut self, transaction: Transaction, content: &mut Content) -> Delivery {
        let unsettled = |recipient: &Address| (recipient.clone(), Fate::Unsettled(Trouble::ConnectionLost));
        let none: Vec<(Address, Fate)> = transaction.recipients.iter().map(unsettled).collect();
        self.client.handle(clock::now(), Input::Deliver(transaction));
        let mut sent = false;
        let fates = loop {
            match self.run(None).await {
                Stop::WantContent => {
                    let piece = content.next().await;
                    let input = match &piece {
                        Ok(bytes) if bytes.is_empty() => {
                            sent = true;
                            Input::ContentEnd
                        }
                        Ok(bytes) => Input::Content(bytes),
                        Err(error) => {
                            tracing::error!(%error, "a queued message could not be read");
                            Input::ContentLost
                        }
                    };
                    self.client.handle(clock::now(), input);
                }
                Stop::Done(fates) => break fates,
                // The session says what became of the message before it closes.
                Stop::Closed(_) | Stop::Ready => break none,
            }
        };
        // A reply that nobody asked for, as 421, may have come with the last one: the session closes behind `Ready`.
        let usable = matches!(self.run(None).await, Stop::Ready) && self.client.poll().is_none();
        Delivery { fates, sent, usable }
    }

    /// Whether the server has neither closed the connection nor said anything since the last message.
    pub(super) fn is_quiet(&self) -> bool {
        let socket = match &self.stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => stream.get_ref().0,
            Stream::None => return false,
        };
        let mut byte = [0];
        // TLS would have bytes to say goodbye with, too.
        matches!(socket.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Says goodbye.
    pub(super) async fn quit(mut self) {
        self.client.handle(clock::now(), Input::Quit);
        let _ = self.run(None).await;
    }

    /// Carries out what the session says until it needs something else.
    async fn run(&mut self, trust: Option<&Trust>) -> Stop {
        loop {
            while let Some(output) = self.client.poll() {
                match output {
                    Output::Send(bytes) => {
                        if self.unsent.is_empty() {
                            self.unsent = bytes;
                        } else {
                            self.unsent.extend_from_slice(&bytes);
                        }
                        if self.unsent.len() >= WRITE_BUFFER {
                            self.send().await;
                        }
                    }
                    Output::StartTls => match trust {
                        Some(trust) => match self.start_tls(trust).await {
                            Ok(()) => self.client.handle(clock::now(), Input::TlsStarted),
                            Err(trouble) => return Stop::Closed(Some(trouble)),
                        },
                        None => return Stop::Closed(Some(Trouble::Protocol)),
                    },
                    Output::Ready => return Stop::Ready,
                    Output::WantContent => return Stop::WantContent,
                    Output::Done(fates) => return Stop::Done(fates),
                    Output::WakeAt(time) => self.wake_at = Some(time),
                    Output::Close(trouble) => {
                        self.close().await;
                        return Stop::Closed(trouble);
                    }
                }
            }
            if self.unsent.is_empty() {
                self.listen().await;
            } else {
                self.send().await;
            }
        }
    }

    /// Waits for bytes of the server, or for the session's time.
    async fn listen(&mut self) {
        let mut buffer = [0; READ_BUFFER];
        let wake_at = self.wake_at;
        let read = tokio::select! {
            read = self.stream.read(&mut buffer) => Some(read),
            () = until(wake_at) => None,
        };
        let now = clock::now();
        match read {
            None => {
                self.wake_at = None;
                self.client.handle(now, Input::Tick);
            }
            Some(Ok(0) | Err(_)) => self.client.handle(now, Input::Closed),
            Some(Ok(count)) => {
                self.client.handle(now, Input::Bytes(buffer.get(..count).unwrap_or_default()));
            }
        }
    }

    async fn start_tls(&mut self, trust: &Trust) -> Result<(), Trouble> {
        let Stream::Plain(socket) = std::mem::replace(&mut self.stream, Stream::None) else {
            return Err(Trouble::Protocol);
        };
        let stream = handshake(socket, trust).await.map_err(|error| {
            Trouble::NoConnection(match tls::certificate_flaw(&error) {
                Some(flaw) => format!("The other server's certificate proves nothing: {flaw}"),
                None => format!("TLS with the other server failed: {error}"),
            })
        })?;
        self.stream = Stream::Tls(Box::new(stream));
        Ok(())
    }

    /// Sends what was collected; the session hears of a failure.
    async fn send(&mut self) {
        let bytes = std::mem::take(&mut self.unsent);
        let written = tokio::time::timeout(WRITE_TIMEOUT, self.stream.write(&bytes)).await;
        if !matches!(written, Ok(Ok(()))) {
            self.client.handle(clock::now(), Input::Closed);
        }
    }

    async fn close(&mut self) {
        if let Stream::Tls(stream) = &mut self.stream {
            // A server that does not take the goodbye has not waited for it either.
            let _ = tokio::time::timeout(Duration::from_secs(1), stream.shutdown()).await;
        }
        self.stream = Stream::None;
    }
}

/// A TLS handshake as the client.
pub(super) async fn handshake<S>(socket: S, trust: &Trust) -> io::Result<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let connecting = TlsConnector::from(Arc::clone(&trust.settings)).connect(trust.name.clone(), socket);
    let connected = Box::pin(tokio::time::timeout(HANDSHAKE_TIMEOUT, connecting)).await;
    connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

impl Stream {
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer).await,
            Self::Tls(stream) => stream.read(buffer).await,
            Self::None => Ok(0),
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(bytes).await,
            Self::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
            Self::None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}
