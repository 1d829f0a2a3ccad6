//! Lines over TLS 1.3, any certificate accepted, no session ever resumed: every handshake costs its full price.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The longest line a server may send, in bytes.
const LINE_LIMIT: u64 = 64 * 1024;

/// Makes connections; cheap to clone.
#[derive(Clone)]
pub(crate) struct Connector {
    tls: TlsConnector,
}

impl Connector {
    pub(crate) fn new() -> Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AcceptAny(provider)))
            .with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)) })
    }

    pub(crate) async fn connect(&self, address: &str) -> Result<Lines> {
        let tcp = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from("bench.invalid")?;
        let stream = self.tls.connect(name, tcp).await.with_context(|| format!("TLS with {address}"))?;
        Ok(Lines { stream: BufReader::new(stream) })
    }
}

/// A connection that speaks in lines.
pub(crate) struct Lines {
    stream: BufReader<TlsStream<TcpStream>>,
}

impl Lines {
    pub(crate) async fn send(&mut self, text: &str) -> Result<()> {
        self.stream.get_mut().write_all(text.as_bytes()).await?;
        Ok(self.stream.get_mut().flush().await?)
    }

    pub(crate) async fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let read = (&mut self.stream).take(LINE_LIMIT).read_line(&mut line).await?;
        if read == 0 {
            bail!("the server closed the connection");
        }
        Ok(line)
    }

    pub(crate) async fn skip(&mut self, bytes: usize) -> Result<()> {
        let mut sink = tokio::io::sink();
        tokio::io::copy(&mut (&mut self.stream).take(bytes as u64), &mut sink).await?;
        Ok(())
    }
}

/// A benchmark proves nobody's identity.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
