//! Pumps any protocol machine over any byte stream. It knows no protocol: a [`Machine`] says what to do, a
//! [`Backend`] answers its questions.

use std::future::Future;
use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

use host::clock;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use crate::runtime::until::until;

/// The read buffer in bytes; small, since every idle connection holds one, and commands are short.
const READ_BUFFER: usize = 1024;
/// The read buffer of a connection that keeps filling the small one: an attachment comes in, a TLS record at a time.
const READ_BUFFER_BUSY: usize = 16 * 1024;
/// The bytes of output that are collected before they are written.
const WRITE_BUFFER: usize = 32 * 1024;
/// The time that a client has to take a piece of output.
const WRITE_TIMEOUT: Duration = Duration::from_secs(120);

/// An input of a machine.
pub(crate) enum Event<'a, A> {
    /// Bytes from the client.
    Bytes(&'a [u8]),
    /// The answer to its question.
    Answer(A),
    /// The watched mailbox changed.
    Changed,
    /// The TLS handshake that it asked for is done.
    TlsStarted,
    /// The time it named has come.
    Tick,
    /// Others need the connection's place.
    MakeRoom,
    /// The server stops.
    Shutdown,
    /// The client has closed the connection.
    Closed,
}

/// An output of a machine.
pub(crate) enum Action<Q> {
    /// Send bytes to the client.
    Send(Vec<u8>),
    /// Send a part of the open message to the client.
    SendMessage(Range<u64>),
    /// Keep bytes of a message that is coming in.
    Spool(Vec<u8>),
    /// Discard the message that is coming in.
    DiscardSpool,
    /// Answer a question.
    Ask(Q),
    /// Give it a tick then.
    WakeAt(Instant),
    /// Start the TLS handshake.
    StartTls,
    /// Close the connection.
    Close,
}

/// A protocol machine as the driver sees it.
pub(crate) trait Machine: Send {
    /// Its questions.
    type Question: Send;
    /// Their answers.
    type Answer: Send;
    /// Takes in an event.
    fn take(&mut self, now: Instant, event: Event<'_, Self::Answer>);
    /// The next output, in order.
    fn next(&mut self) -> Option<Action<Self::Question>>;
    /// True while it takes bytes from the client.
    fn wants_input(&self) -> bool;
}

/// The backend of a machine: it answers the questions.
pub(crate) trait Backend<M: Machine>: Send {
    /// Answers one question.
    fn answer(&mut self, question: M::Question) -> impl Future<Output = M::Answer> + Send;
    /// Keeps bytes of a message; a failure is remembered, and told by a later answer.
    fn spool(&mut self, bytes: Vec<u8>) -> impl Future<Output = ()> + Send;
    /// Discards the message.
    fn discard_spool(&mut self) -> impl Future<Output = ()> + Send;
    /// Reads from the open message: at least one byte from the front of `range`.
    fn read_message(&mut self, range: Range<u64>) -> impl Future<Output = io::Result<Vec<u8>>> + Send;
    /// Waits until something changes in the watched mailbox; for ever if none is watched.
    fn changed(&mut self) -> impl Future<Output = ()> + Send;
}

/// The end of a [`run`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The connection is closed.
    Closed,
    /// The machine wants TLS: start it on the stream, then run again.
    StartTls,
}

/// The reasons of the server's own to end a connection.
pub(crate) struct Signals<'a> {
    /// The server stops.
    pub(crate) shutdown: &'a CancellationToken,
    /// Others need the connection's place.
    pub(crate) make_room: &'a CancellationToken,
}

/// The end of a wait.
enum Woken {
    Read(io::Result<usize>),
    Changed,
    Due,
    MakeRoom,
    Shutdown,
}

/// Runs the machine until its connection closes or it wants TLS. Call it again with the encrypted stream after
/// [`Ended::StartTls`] and an [`Event::TlsStarted`].
pub(crate) async fn run<S, M, B>(
    stream: &mut S,
    machine: &mut M,
    backend: &mut B,
    signals: &Signals<'_>,
) -> io::Result<Ended>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    M: Machine,
    B: Backend<M>,
{
    let mut buffer = vec![0; READ_BUFFER];
    let mut wake_at = None;
    // A machine that is told to end does so when it can.
    let mut told = false;
    machine.take(clock::now(), Event::Tick);
    loop {
        if let Some(ended) = act(stream, machine, backend, &mut wake_at).await? {
            return Ok(ended);
        }
        let listening = machine.wants_input();
        let woken = tokio::select! {
            read = stream.read(&mut buffer), if listening => Woken::Read(read),
            () = backend.changed() => Woken::Changed,
            () = until(wake_at) => Woken::Due,
            () = signals.shutdown.cancelled(), if !told => Woken::Shutdown,
            () = signals.make_room.cancelled(), if !told => Woken::MakeRoom,
        };
        let now = clock::now();
        match woken {
            Woken::Read(Ok(0)) | Woken::Read(Err(_)) => {
                machine.take(now, Event::Closed);
                return act(stream, machine, backend, &mut wake_at).await.map(|_| Ended::Closed);
            }
            Woken::Read(Ok(count)) => {
                machine.take(now, Event::Bytes(buffer.get(..count).unwrap_or_default()));
                let busy = count == buffer.len();
                let size = if busy { READ_BUFFER_BUSY } else { READ_BUFFER };
                if (buffer.len() < size) == busy {
                    buffer = vec![0; size];
                }
            }
            Woken::Changed => machine.take(now, Event::Changed),
            Woken::Due => {
                wake_at = None;
                machine.take(now, Event::Tick);
            }
            Woken::MakeRoom => {
                told = true;
                machine.take(now, Event::MakeRoom);
            }
            Woken::Shutdown => {
                told = true;
                machine.take(now, Event::Shutdown);
            }
        }
    }
}

/// Carries out all outputs of the machine.
async fn act<S, M, B>(
    stream: &mut S,
    machine: &mut M,
    backend: &mut B,
    wake_at: &mut Option<Instant>,
) -> io::Result<Option<Ended>>
where
    S: AsyncWrite + Unpin + Send,
    M: Machine,
    B: Backend<M>,
{
    let mut out = Vec::new();
    while let Some(action) = machine.next() {
        match action {
            Action::Send(bytes) => gather(&mut out, bytes),
            Action::SendMessage(range) => Box::pin(send_message(stream, backend, &mut out, range)).await?,
            Action::Spool(bytes) => Box::pin(backend.spool(bytes)).await,
            Action::DiscardSpool => Box::pin(backend.discard_spool()).await,
            Action::Ask(question) => {
                // Boxed, as everything that is rare: a waiting connection holds room for none of it.
                let answer = Box::pin(backend.answer(question)).await;
                machine.take(clock::now(), Event::Answer(answer));
            }
            Action::WakeAt(time) => *wake_at = Some(time),
            Action::StartTls => {
                write(stream, &mut out).await?;
                return Ok(Some(Ended::StartTls));
            }
            Action::Close => {
                write(stream, &mut out).await?;
                let _ = tokio::time::timeout(WRITE_TIMEOUT, stream.shutdown()).await;
                return Ok(Some(Ended::Closed));
            }
        }
        if out.len() >= WRITE_BUFFER {
            write(stream, &mut out).await?;
        }
    }
    write(stream, &mut out).await?;
    Ok(None)
}

/// Copies a part of a message file, a piece at a time: memory does not grow with the message.
async fn send_message<S, M, B>(
    stream: &mut S,
    backend: &mut B,
    out: &mut Vec<u8>,
    range: Range<u64>,
) -> io::Result<()>
where
    S: AsyncWrite + Unpin + Send,
    M: Machine,
    B: Backend<M>,
{
    let mut position = range.start;
    while position < range.end {
        let piece = backend.read_message(position..range.end).await?;
        if piece.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        position += piece.len() as u64;
        gather(out, piece);
        if out.len() >= WRITE_BUFFER {
            write(stream, out).await?;
        }
    }
    Ok(())
}

/// Adds to the output; a large piece that stands alone is not copied, since a slow client may keep it waiting.
fn gather(out: &mut Vec<u8>, bytes: Vec<u8>) {
    if out.is_empty() {
        *out = bytes;
    } else {
        out.extend_from_slice(&bytes);
    }
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, out: &mut Vec<u8>) -> io::Result<()> {
    for piece in out.chunks(WRITE_BUFFER) {
        let written = tokio::time::timeout(WRITE_TIMEOUT, stream.write_all(piece)).await;
        written.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    }
    if !out.is_empty() {
        let flushed = tokio::time::timeout(WRITE_TIMEOUT, stream.flush()).await;
        flushed.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        *out = Vec::new();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::ops::Range;
    use std::sync::Arc;
    use std::time::Duration;

    use host::clock;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_util::sync::CancellationToken;

    use super::{Backend, Ended, Signals, run};

    struct Nobody;

    impl Backend<imap::Session> for Nobody {
        async fn answer(&mut self, _: imap::Question) -> imap::Answer {
            imap::Answer::Failed(imap::CommandFailure::WrongPassword)
        }

        async fn spool(&mut self, _: Vec<u8>) {}

        async fn discard_spool(&mut self) {}

        async fn read_message(&mut self, _: Range<u64>) -> io::Result<Vec<u8>> {
            Err(io::ErrorKind::Unsupported.into())
        }

        async fn changed(&mut self) {
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn a_client_that_never_stops_to_talk_and_never_logs_in_is_closed() {
        let (client, mut stream) = tokio::io::duplex(1024);
        let settings =
            imap::Settings { login_timeout: Duration::from_millis(200), ..imap::Settings::default() };
        let server = async move {
            let mut machine = imap::Session::new(Arc::new(settings), imap::Transport::Tls, clock::now());
            let (shutdown, make_room) = (CancellationToken::new(), CancellationToken::new());
            let signals = Signals { shutdown: &shutdown, make_room: &make_room };
            let ended = run(&mut stream, &mut machine, &mut Nobody, &signals).await;
            drop(stream);
            ended
        };
        let (mut reader, mut writer) = tokio::io::split(client);
        let talk = async { while writer.write_all(b"a NOOP\r\n").await.is_ok() {} };
        let mut heard = Vec::new();
        let listen = reader.read_to_end(&mut heard);
        let ended = tokio::select! {
            (ended, _) = async { tokio::join!(server, listen) } => ended,
            () = async { talk.await; std::future::pending().await } => unreachable!("the talk has no end"),
        };
        assert_eq!(ended.unwrap(), Ended::Closed);
        let heard = String::from_utf8(heard).unwrap();
        assert!(heard.ends_with("* BYE Too long without a login.\r\n"), "{heard}");
    }
}
