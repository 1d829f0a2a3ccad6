//! One client from the accepted socket to its end: TLS where it belongs, then the machine that the port, or ALPN, says.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use host::clock;
use rustls::ServerConfig;
use tls::{ALPN_IMAP, ALPN_SMTP};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::Instrument;

use crate::connections::driver::{self, Conversation, Desk, Ended, Event};
use crate::connections::limit::Place;
use crate::connections::listeners::Service;
use crate::imap::ImapDesk;
use crate::operation::metrics;
use crate::submission::SubmissionDesk;
use crate::web_backend::Server;

/// Bytes that TLS holds for a client that takes nothing, besides what the driver holds.
const TLS_BUFFER: usize = 32 * 1024;
/// A client that has not finished its handshake by then is gone.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves one client. Its place at the door is given back at the end.
pub(crate) async fn serve(
    server: Arc<Server>,
    service: Service,
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
) {
    let span = tracing::debug_span!("connection", ?service, id = server.next_connection_id());
    async {
        // Small answers must not wait for more; a socket that refuses this works all the same.
        let _ = stream.set_nodelay(true);
        if let Err(error) = route(&server, service, stream, peer).await {
            tracing::debug!(%error, "the connection broke");
        }
    }
    .instrument(span)
    .await;
    drop(place);
}

async fn route(
    server: &Arc<Server>,
    service: Service,
    stream: TcpStream,
    peer: SocketAddr,
) -> io::Result<()> {
    // Each boxed: a connection holds room for its own protocol only.
    match service {
        Service::Imaps => Box::pin(imap(server, handshake(&server.tls.mail, stream).await?)).await,
        Service::Submissions => {
            Box::pin(submission(server, handshake(&server.tls.mail, stream).await?)).await
        }
        Service::Imap => Box::pin(imap_in_clear(server, stream)).await,
        Service::Submission => Box::pin(submission_in_clear(server, stream)).await,
        Service::Https => {
            let stream = handshake(&server.tls.shared, stream).await?;
            match stream.get_ref().1.alpn_protocol() {
                Some(ALPN_IMAP) => Box::pin(imap(server, stream)).await,
                Some(ALPN_SMTP) => Box::pin(submission(server, stream)).await,
                _ => pages(server, stream, web::Door::Https, peer).await,
            }
        }
        Service::Metrics => {
            Box::pin(metrics::serve_connection(server, stream)).await;
            Ok(())
        }
        Service::Http => pages(server, stream, web::Door::Http, peer).await,
    }
}

/// The stream is boxed: it is large, and moves through several futures that would each hold room for it.
async fn handshake<S>(settings: &Arc<ServerConfig>, stream: S) -> io::Result<Box<TlsStream<S>>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let accept = TlsAcceptor::from(Arc::clone(settings)).accept(stream);
    // Boxed: a connection that waits holds no room for a handshake.
    let accepted = Box::pin(tokio::time::timeout(HANDSHAKE_TIMEOUT, accept)).await;
    let mut stream = accepted.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?.map(Box::new)?;
    stream.get_mut().1.set_buffer_limit(Some(TLS_BUFFER));
    Ok(stream)
}

fn imap_machine(server: &Server, transport: imap::Transport) -> imap::Session {
    imap::Session::new(Arc::clone(&server.imap), transport, clock::now())
}

fn submission_machine(server: &Server, transport: smtp::Transport) -> smtp::Session {
    smtp::Session::new(server.smtp.clone(), smtp::Role::Submission, transport)
}

async fn imap<S>(server: &Arc<Server>, stream: S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let _here = server.counters.imap.enter();
    let mut machine = imap_machine(server, imap::Transport::Tls);
    converse(server, stream, &mut machine, &mut ImapDesk::new(server)).await
}

async fn submission<S>(server: &Arc<Server>, stream: S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let _here = server.counters.submission.enter();
    let mut machine = submission_machine(server, smtp::Transport::Tls);
    converse(server, stream, &mut machine, &mut SubmissionDesk::new(server)).await
}

async fn imap_in_clear(server: &Arc<Server>, stream: TcpStream) -> io::Result<()> {
    let _here = server.counters.imap.enter();
    let mut machine = imap_machine(server, imap::Transport::Plain);
    converse_in_clear(server, stream, &mut machine, &mut ImapDesk::new(server)).await
}

async fn submission_in_clear(server: &Arc<Server>, stream: TcpStream) -> io::Result<()> {
    let _here = server.counters.submission.enter();
    let mut machine = submission_machine(server, smtp::Transport::Plain);
    converse_in_clear(server, stream, &mut machine, &mut SubmissionDesk::new(server)).await
}

async fn pages<S>(server: &Arc<Server>, stream: S, door: web::Door, peer: SocketAddr) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let _here = server.counters.web.enter();
    let office: Arc<dyn web::Office> = Arc::clone(server) as _;
    let peer = peer.ip().to_canonical();
    Box::pin(web::serve_connection(stream, door, peer, Arc::clone(&server.site), office)).await;
    Ok(())
}

/// Runs a machine that is not offered TLS any more.
async fn converse<S, C, D>(server: &Server, mut stream: S, machine: &mut C, desk: &mut D) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    C: Conversation,
    D: Desk<C>,
{
    match driver::run(&mut stream, machine, desk, &mut server.shutdown.clone()).await? {
        Ended::Closed => Ok(()),
        // The machines offer STARTTLS in clear text only.
        Ended::StartTls => Err(io::Error::other("TLS within TLS was asked for")),
    }
}

/// Runs a machine in clear text until it asks for TLS, and then within TLS. Bytes that came in clear text before the
/// handshake were taken by the machine, which throws them away.
async fn converse_in_clear<C, D>(
    server: &Server,
    mut stream: TcpStream,
    machine: &mut C,
    desk: &mut D,
) -> io::Result<()>
where
    C: Conversation,
    D: Desk<C>,
{
    match driver::run(&mut stream, machine, desk, &mut server.shutdown.clone()).await? {
        Ended::Closed => Ok(()),
        Ended::StartTls => {
            let stream = handshake(&server.tls.mail, stream).await?;
            machine.take(clock::now(), Event::TlsStarted);
            converse(server, stream, machine, desk).await
        }
    }
}
