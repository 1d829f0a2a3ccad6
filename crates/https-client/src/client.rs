//! The client: it keeps connections for a while, and takes no longer and no more than each request's limits.

use std::time::Duration;

use anyhow::Context;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use tls::provider;

/// The time to connect, over all addresses of a server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// The time after which an idle connection is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// The number of idle connections kept to one server.
const IDLE_LIMIT: usize = 2;
/// The number of TLS sessions kept for resumption.
const SESSIONS_LIMIT: usize = 8;
/// The longest head of a response, in bytes; hyper wants at least 8 KiB.
const HEAD_LIMIT: usize = 16 * 1024;

/// Bounds of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// The time from the request to the end of its response.
    pub time: Duration,
    /// The number of bytes read of the response's body.
    pub bytes: usize,
}

/// An HTTPS client; clones share its connections.
#[derive(Clone, Debug)]
pub struct HttpsClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl HttpsClient {
    /// A client that trusts these roots. It speaks plain HTTP too, to URIs with that scheme.
    ///
    /// # Errors
    ///
    /// When the crypto provider has no TLS version.
    pub fn new(roots: RootCertStore) -> anyhow::Result<Self> {
        let mut settings = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .context("choosing TLS versions")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        settings.resumption = Resumption::in_memory_sessions(SESSIONS_LIMIT);
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_nodelay(true);
        // The connector around it passes on `https` URIs, which this one would refuse.
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(settings)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_LIMIT)
            .http1_max_buf_size(HEAD_LIMIT)
            .build(connector);
        Ok(Self { client })
    }

    /// Sends a request and returns the response, of any status. A body longer than the limit, or one that breaks off, is
    /// returned up to there.
    ///
    /// # Errors
    ///
    /// When no response comes in time: the name is not known, nothing listens, the certificate is not trusted, and so on.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
        limits: RequestLimits,
    ) -> anyhow::Result<Response<Vec<u8>>> {
        let asked = async {
            let (head, body) = self.client.request(request).await?.into_parts();
            let body = beginning(body, limits.bytes).await;
            Ok(Response::from_parts(head, body))
        };
        tokio::time::timeout(limits.time, asked)
            .await
            .with_context(|| format!("no answer within {:?}", limits.time))?
    }
}

/// The first bytes of a body, up to a limit. One that breaks off is given up to there.
pub async fn beginning(mut body: Incoming, limit: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        let data = frame.into_data().unwrap_or_default();
        let room = limit.saturating_sub(bytes.len());
        bytes.extend(data.iter().take(room));
        if data.len() > room {
            break;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::Full;
    use hyper::body::Bytes;
    use hyper::{Request, Uri};
    use rustls::RootCertStore;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::{HttpsClient, RequestLimits};

    /// A server that answers every request on every connection with these bytes, then with `more` for ever.
    async fn server(head: &'static str, more: &'static [u8]) -> Uri {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    while stream.read(&mut request).await.is_ok_and(|length| length > 0) {
                        stream.write_all(head.as_bytes()).await.unwrap();
                        // It ends when the client has had enough.
                        while !more.is_empty() && stream.write_all(more).await.is_ok() {}
                    }
                });
            }
        });
        uri
    }

    async fn ask(uri: &Uri, limits: RequestLimits) -> anyhow::Result<(u16, Vec<u8>)> {
        let client = HttpsClient::new(RootCertStore::empty()).unwrap();
        let mut request = Request::new(Full::<Bytes>::default());
        *request.uri_mut() = uri.clone();
        let answer = client.send(request, limits).await?;
        Ok((answer.status().as_u16(), answer.into_body()))
    }

    const GENEROUS: RequestLimits = RequestLimits { time: Duration::from_secs(30), bytes: 5 };

    #[tokio::test]
    async fn no_more_is_read_than_was_wanted() {
        let small = server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"").await;
        assert_eq!(ask(&small, GENEROUS).await.unwrap(), (200, b"hello".to_vec()));
        let endless = server("HTTP/1.1 410 Gone\r\nConnection: close\r\n\r\n", &[b'x'; 1024]).await;
        assert_eq!(ask(&endless, GENEROUS).await.unwrap(), (410, b"xxxxx".to_vec()));
        let endless_head = server("HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n").await;
        ask(&endless_head, GENEROUS).await.unwrap_err();
    }

    #[tokio::test]
    async fn nobody_is_waited_for_longer_than_was_wanted() {
        let silent = server("", b"").await;
        let short = RequestLimits { time: Duration::from_millis(50), ..GENEROUS };
        assert_eq!(ask(&silent, short).await.unwrap_err().to_string(), "no answer within 50ms");
        let stalling = server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", b"").await;
        ask(&stalling, short).await.unwrap_err();
    }

    #[tokio::test]
    async fn a_stranger_is_not_believed_and_an_absent_one_is_named() {
        let plain = server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"").await;
        let tls = plain.to_string().replace("http:", "https:").parse().unwrap();
        ask(&tls, GENEROUS).await.unwrap_err();
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let error = ask(&format!("http://{nobody}/").parse().unwrap(), GENEROUS).await.unwrap_err();
        assert!(format!("{error:#}").contains("refused"), "{error:#}");
    }
}
