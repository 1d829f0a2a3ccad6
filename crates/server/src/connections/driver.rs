//! Pumps any protocol machine over any byte stream. It knows no protocol: a [`Conversation`] says what to do, a
//! [`Desk`] knows the answers.

use std::future::Future;
use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

use host::clock;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;

/// What is read at once; small, since every idle connection holds such a buffer, and commands are short.
const READ_BUFFER: usize = 1024;
/// The buffer of a connection that keeps filling the small one: somebody sends an attachment, a TLS record at a time.
const READ_BUFFER_BUSY: usize = 16 * 1024;
/// Output is collected up to this size before it is written.
const WRITE_BUFFER: usize = 32 * 1024;
/// A client that takes nothing for this long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(120);

/// Something that happened to a machine.
pub(crate) enum Event<'a, A> {
    /// Bytes from the client.
    Bytes(&'a [u8]),
    /// The reply to its question.
    Answer(A),
    /// Something changed in the mailbox it watches.
    Changed,
    /// TLS has begun, as it asked.
    TlsStarted,
    /// The time it named has come.
    Tick,
    /// The server goes down.
    ShuttingDown,
    /// The client is gone.
    Closed,
}

/// Something a machine wants done.
pub(crate) enum Action<Q> {
    /// Send bytes to the client.
    Send(Vec<u8>),
    /// Send a part of the open message to the client.
    SendMessage(Range<u64>),
    /// Keep bytes of a message that is coming in.
    Spool(Vec<u8>),
    /// Forget the message that is coming in.
    DropSpool,
    /// Find an answer.
    Ask(Q),
    /// Wake it then.
    WakeAt(Instant),
    /// Begin TLS.
    StartTls,
    /// It is over.
    Close,
}

/// A protocol machine as the driver sees it.
pub(crate) trait Conversation: Send {
    /// What it asks.
    type Question: Send;
    /// What it is told.
    type Answer: Send;
    /// Takes in what happened.
    fn take(&mut self, now: Instant, event: Event<'_, Self::Answer>);
    /// The next thing to do.
    fn next(&mut self) -> Option<Action<Self::Question>>;
    /// Whether bytes from the client are welcome now.
    fn wants_input(&self) -> bool;
}

/// Who answers a machine's questions.
pub(crate) trait Desk<C: Conversation>: Send {
    /// Answers one question.
    fn answer(&mut self, question: C::Question) -> impl Future<Output = C::Answer> + Send;
    /// Keeps bytes of a message; trouble is remembered and told by a later answer.
    fn spool(&mut self, bytes: Vec<u8>) -> impl Future<Output = ()> + Send;
    /// Forgets the message.
    fn drop_spool(&mut self) -> impl Future<Output = ()> + Send;
    /// Reads from the open message: at least one byte from the front of `range`.
    fn read_message(&mut self, range: Range<u64>) -> impl Future<Output = io::Result<Vec<u8>>> + Send;
    /// Waits until something changes in the watched mailbox; for ever if none is watched.
    fn changed(&mut self) -> impl Future<Output = ()> + Send;
}

/// Why [`run`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The conversation is over.
    Closed,
    /// Begin TLS on the stream, then run again.
    StartTls,
}

/// What ended a wait.
enum Woken {
    Read(io::Result<usize>),
    Changed,
    Due,
    ShuttingDown,
}

/// Runs the conversation until it is over or wants TLS. Call it again with the encrypted stream after
/// [`Ended::StartTls`] and an [`Event::TlsStarted`].
pub(crate) async fn run<S, C, D>(
    stream: &mut S,
    machine: &mut C,
    desk: &mut D,
    shutdown: &mut watch::Receiver<bool>,
) -> io::Result<Ended>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    C: Conversation,
    D: Desk<C>,
{
    let mut buffer = vec![0; READ_BUFFER];
    let mut wake_at = None;
    let mut told_of_shutdown = false;
    machine.take(clock::now(), Event::Tick);
    loop {
        if let Some(ended) = act(stream, machine, desk, &mut wake_at).await? {
            return Ok(ended);
        }
        let listening = machine.wants_input();
        let woken = tokio::select! {
            read = stream.read(&mut buffer), if listening => Woken::Read(read),
            () = desk.changed() => Woken::Changed,
            () = until(wake_at) => Woken::Due,
            _ = shutdown.wait_for(|&stop| stop), if !told_of_shutdown => Woken::ShuttingDown,
        };
        let now = clock::now();
        match woken {
            Woken::Read(Ok(0)) | Woken::Read(Err(_)) => {
                machine.take(now, Event::Closed);
                return act(stream, machine, desk, &mut wake_at).await.map(|_| Ended::Closed);
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
            Woken::ShuttingDown => {
                told_of_shutdown = true;
                machine.take(now, Event::ShuttingDown);
            }
        }
    }
}

/// Does everything the machine wants done now.
async fn act<S, C, D>(
    stream: &mut S,
    machine: &mut C,
    desk: &mut D,
    wake_at: &mut Option<Instant>,
) -> io::Result<Option<Ended>>
where
    S: AsyncWrite + Unpin + Send,
    C: Conversation,
    D: Desk<C>,
{
    let mut out = Vec::new();
    while let Some(action) = machine.next() {
        match action {
            Action::Send(bytes) => gather(&mut out, bytes),
            Action::SendMessage(range) => Box::pin(send_message(stream, desk, &mut out, range)).await?,
            Action::Spool(bytes) => Box::pin(desk.spool(bytes)).await,
            Action::DropSpool => Box::pin(desk.drop_spool()).await,
            Action::Ask(question) => {
                // Boxed, as everything that is rare: a waiting connection holds room for none of it.
                let answer = Box::pin(desk.answer(question)).await;
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
async fn send_message<S, C, D>(
    stream: &mut S,
    desk: &mut D,
    out: &mut Vec<u8>,
    range: Range<u64>,
) -> io::Result<()>
where
    S: AsyncWrite + Unpin + Send,
    C: Conversation,
    D: Desk<C>,
{
    let mut position = range.start;
    while position < range.end {
        let piece = desk.read_message(position..range.end).await?;
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

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}
