//! A server that takes every message and keeps none.

use std::io;
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::taken::Taken;
use super::{SinkPlace, Way, post, smtp_sink};

/// Opens the sink; it is there until this program ends.
pub(super) async fn open(place: &SinkPlace, way: Way) -> Result<Arc<Taken>> {
    let listener =
        TcpListener::bind(place.address).await.with_context(|| format!("listening on {}", place.address))?;
    let acceptor = TlsAcceptor::from(Arc::new(settings(place)?));
    let taken = Arc::new(Taken::default());
    let counted = Arc::clone(&taken);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, taken) = (acceptor.clone(), Arc::clone(&counted));
            tokio::spawn(async move {
                // The end of a connection is nothing to tell anybody of: messages are counted.
                let _ = serve(stream, &acceptor, way, &taken).await;
            });
        }
    });
    Ok(taken)
}

async fn serve(stream: TcpStream, acceptor: &TlsAcceptor, way: Way, taken: &Taken) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match way {
        Way::Smtp => smtp_sink::serve(stream, acceptor, taken).await,
        Way::Https => post::serve(acceptor.accept(stream).await?, taken).await,
    }
}

fn settings(place: &SinkPlace) -> Result<ServerConfig> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(&place.certificate)
        .and_then(Iterator::collect)
        .with_context(|| format!("reading {}", place.certificate.display()))?;
    let key = PrivateKeyDer::from_pem_file(&place.key)
        .with_context(|| format!("reading {}", place.key.display()))?;
    let provider = Arc::new(ring::default_provider());
    Ok(ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?)
}
