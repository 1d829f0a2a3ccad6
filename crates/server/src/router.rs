//! The way of one connection: TLS where the port wants it, then the machine that port or ALPN names, run with its
//! backend.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use host::clock;
use rustls::server::Acceptor;
use tls::{ALPN_IMAP, ALPN_SMTP, Handshakes, Port443};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::connections::driver::{self, Backend, Ended, Event, Machine, Signals};
use crate::connections::places::{Crowd, Place};
use crate::connections::service::Service;
use crate::federation::inbound::{InboundBackend, Reception};
use crate::imap::ImapBackend;
use crate::mail_services::MailServices;
use crate::operation::observed::Observed;
use crate::submission::SubmissionBackend;

/// Bytes that TLS holds for a client that takes nothing, besides what the driver holds.
const TLS_BUFFER: usize = 32 * 1024;
/// From the accepted connection, or from STARTTLS, to the end of the handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// Everything a connection may turn into.
pub(crate) struct Router {
    pub(crate) imap: Arc<imap::Settings>,
    /// Of submission.
    pub(crate) smtp: smtp::Settings,
    /// Of port 25.
    pub(crate) inbound: smtp::Settings,
    pub(crate) reception: Arc<Reception>,
    pub(crate) mail: Arc<MailServices>,
    pub(crate) site: Arc<web::Site>,
    pub(crate) web: Arc<dyn web::Backend>,
    pub(crate) observed: Arc<Observed>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) connections_so_far: AtomicU64,
}

/// One connection.
struct Visit {
    accepted: Instant,
    place: Arc<Place>,
}

impl Router {
    /// Serves one client to its end.
    pub(crate) async fn serve(
        self: Arc<Self>,
        service: Service,
        stream: TcpStream,
        peer: SocketAddr,
        place: Arc<Place>,
    ) {
        // A number for the log, which must not hold the client's address.
        let id = self.connections_so_far.fetch_add(1, Ordering::Relaxed);
        let span = tracing::debug_span!("connection", ?service, id);
        async {
            // Small answers must not wait for more; a socket that refuses this works all the same.
            let _ = stream.set_nodelay(true);
            if let Err(error) = self.route(service, stream, peer, place).await {
                tracing::debug!(%error, "the connection broke");
            }
        }
        .instrument(span)
        .await;
    }

    async fn route(
        &self,
        service: Service,
        stream: TcpStream,
        peer: SocketAddr,
        place: Arc<Place>,
    ) -> io::Result<()> {
        // The time of the handshake counts as time without a login.
        let visit = &Visit { accepted: clock::now(), place };
        let client = self.client(&stream, peer)?;
        // Each boxed: a connection holds room for its own protocol only.
        match service {
            Service::Imaps => {
                let stream = visit.handshake(&self.observed.tls.mail, stream).await?;
                Box::pin(self.imap(stream, visit)).await
            }
            Service::Submissions => {
                let stream = visit.handshake(&self.observed.tls.mail, stream).await?;
                Box::pin(self.submission(stream, visit)).await
            }
            Service::Imap => Box::pin(self.imap_with_starttls(stream, visit)).await,
            Service::Submission => Box::pin(self.submission_with_starttls(stream, visit)).await,
            Service::Https => {
                let Some(stream) = self.handshake_on_443(stream, visit).await? else { return Ok(()) };
                match stream.get_ref().1.alpn_protocol() {
                    Some(ALPN_IMAP) => Box::pin(self.imap(stream, visit)).await,
                    Some(ALPN_SMTP) => Box::pin(self.submission(stream, visit)).await,
                    _ => self.pages(stream, web::Scheme::Https, client, visit).await,
                }
            }
            Service::Metrics => {
                let served = web::serve_metrics(stream, Arc::clone(&self.observed) as _);
                let served = visit.until_room_is_needed(served);
                Box::pin(self.shutdown.run_until_cancelled(served)).await;
                Ok(())
            }
            Service::Smtp => Box::pin(self.mail_from_elsewhere(stream, peer, visit)).await,
            Service::Http => self.pages(stream, web::Scheme::Http, client, visit).await,
        }
    }

    /// The handshake on port 443; none if it was an authority's about a challenge, which is over then (RFC 8737 section 4).
    async fn handshake_on_443(
        &self,
        stream: TcpStream,
        visit: &Visit,
    ) -> io::Result<Option<Box<TlsStream<TcpStream>>>> {
        let greeting = LazyConfigAcceptor::new(Acceptor::default(), stream);
        let tls = &self.observed.tls;
        let accept = async {
            let start = greeting.await?;
            let (settings, is_challenge) = match tls.port_443(&start.client_hello()) {
                Port443::Service(settings) => (settings, false),
                Port443::Challenge(settings) => (settings, true),
            };
            let mut stream = start.into_stream(settings).await?;
            if is_challenge {
                stream.shutdown().await?;
                return Ok(None);
            }
            Ok(Some(bounded(stream)))
        };
        visit.in_time(accept).await
    }

    fn client(&self, stream: &TcpStream, peer: SocketAddr) -> io::Result<web::Client> {
        let way = self.observed.tunnel.way_to(stream.local_addr()?);
        Ok(web::Client { address: peer.ip().to_canonical(), way })
    }

    fn signals<'a>(&'a self, visit: &'a Visit) -> Signals<'a> {
        Signals { shutdown: &self.shutdown, make_room: visit.place.make_room() }
    }

    fn imap_session(&self, transport: imap::Transport, accepted: Instant) -> imap::Session {
        imap::Session::new(Arc::clone(&self.imap), transport, accepted)
    }

    fn submission_session(&self, transport: smtp::Transport, accepted: Instant) -> smtp::Session {
        smtp::Session::new(self.smtp.clone(), smtp::Role::Submission, transport, accepted)
    }

    async fn imap<S: AsyncRead + AsyncWrite + Unpin + Send>(
        &self,
        stream: S,
        visit: &Visit,
    ) -> io::Result<()> {
        let _open = self.observed.counters.imap.enter();
        let mut machine = self.imap_session(imap::Transport::Tls, visit.accepted);
        self.run(stream, &mut machine, &mut ImapBackend::new(&self.mail, &visit.place), visit).await
    }

    async fn submission<S: AsyncRead + AsyncWrite + Unpin + Send>(
        &self,
        stream: S,
        visit: &Visit,
    ) -> io::Result<()> {
        let _open = self.observed.counters.submission.enter();
        let mut machine = self.submission_session(smtp::Transport::Tls, visit.accepted);
        self.run(stream, &mut machine, &mut SubmissionBackend::new(&self.mail, &visit.place), visit).await
    }

    async fn imap_with_starttls(&self, stream: TcpStream, visit: &Visit) -> io::Result<()> {
        let _open = self.observed.counters.imap.enter();
        let mut machine = self.imap_session(imap::Transport::Plain, visit.accepted);
        let tls = &self.observed.tls.mail;
        self.run_with_starttls(
            stream,
            tls,
            &mut machine,
            &mut ImapBackend::new(&self.mail, &visit.place),
            visit,
        )
        .await
    }

    async fn submission_with_starttls(&self, stream: TcpStream, visit: &Visit) -> io::Result<()> {
        let _open = self.observed.counters.submission.enter();
        let mut machine = self.submission_session(smtp::Transport::Plain, visit.accepted);
        let tls = &self.observed.tls.mail;
        self.run_with_starttls(
            stream,
            tls,
            &mut machine,
            &mut SubmissionBackend::new(&self.mail, &visit.place),
            visit,
        )
        .await
    }

    async fn mail_from_elsewhere(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        visit: &Visit,
    ) -> io::Result<()> {
        let _open = self.observed.counters.inbound.enter();
        let (role, transport) = (smtp::Role::Inbound, smtp::Transport::Plain);
        let mut machine = smtp::Session::new(self.inbound.clone(), role, transport, visit.accepted);
        let mut backend = InboundBackend::new(&self.reception, peer.ip());
        self.run_with_starttls(stream, &self.observed.tls.relay, &mut machine, &mut backend, visit).await
    }

    async fn pages<S>(
        &self,
        stream: S,
        scheme: web::Scheme,
        client: web::Client,
        visit: &Visit,
    ) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        if visit.place.join(Crowd::Web).is_err() {
            return Ok(());
        }
        let _open = self.observed.counters.web.enter();
        let (site, backend) = (Arc::clone(&self.site), Arc::clone(&self.web));
        let served = web::serve_connection(stream, scheme, client, site, backend);
        Box::pin(visit.until_room_is_needed(served)).await;
        Ok(())
    }

    /// Runs a machine that is not offered TLS any more.
    async fn run<S, M, B>(
        &self,
        mut stream: S,
        machine: &mut M,
        backend: &mut B,
        visit: &Visit,
    ) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
        M: Machine,
        B: Backend<M>,
    {
        match driver::run(&mut stream, machine, backend, &self.signals(visit)).await? {
            Ended::Closed => Ok(()),
            // The machines offer STARTTLS in clear text only.
            Ended::StartTls => Err(io::Error::other("TLS within TLS was asked for")),
        }
    }

    /// Runs a machine in clear text until it asks for TLS, and then within TLS. Bytes that came in clear text before the
    /// handshake were taken by the machine, which throws them away.
    async fn run_with_starttls<M, B>(
        &self,
        mut stream: TcpStream,
        tls: &Handshakes,
        machine: &mut M,
        backend: &mut B,
        visit: &Visit,
    ) -> io::Result<()>
    where
        M: Machine,
        B: Backend<M>,
    {
        match driver::run(&mut stream, machine, backend, &self.signals(visit)).await? {
            Ended::Closed => Ok(()),
            Ended::StartTls => {
                let stream = visit.handshake(tls, stream).await?;
                machine.take(clock::now(), Event::TlsStarted);
                self.run(stream, machine, backend, visit).await
            }
        }
    }
}

impl Visit {
    async fn handshake<S>(&self, settings: &Handshakes, stream: S) -> io::Result<Box<TlsStream<S>>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let accept = async {
            let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
            let settings = settings.answering(&start.client_hello());
            start.into_stream(settings).await
        };
        self.in_time(accept).await.map(bounded)
    }

    /// The result of a handshake that ends in time, and before others need the place.
    async fn in_time<T>(&self, handshake: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let in_time = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake);
        // Boxed: a connection that waits holds no room for a handshake.
        let ended = Box::pin(self.until_room_is_needed(in_time)).await;
        ended
            .ok_or(io::ErrorKind::ConnectionAborted)?
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    async fn until_room_is_needed<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.place.make_room().run_until_cancelled(work).await
    }
}

/// The stream after its handshake. It is boxed: it is large, and moves through several futures that would each hold room for
/// it.
fn bounded<S>(mut stream: TlsStream<S>) -> Box<TlsStream<S>> {
    stream.get_mut().1.set_buffer_limit(Some(TLS_BUFFER));
    Box::new(stream)
}
