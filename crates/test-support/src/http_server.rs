//! An HTTP server of the tests' own on a free port of this machine, which answers whatever a function says.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The lines of the header, in lower-case names.
    pub header: Vec<(String, String)>,
    /// The body, a text.
    pub body: String,
}

impl Request {
    /// The value of a header field, or an empty text.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        self.header.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value)
    }

    /// A parameter of the query, decoded as far as these tests need it.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.replace("%3A", ":").replace("%20", " "))
    }
}

/// The reaction to a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A status and a body.
    Answer(u16, String),
    /// The same with `Retry-After`.
    RetryAfter(u16, &'static str, String),
    /// These bytes for ever, after a head.
    Endless(&'static str),
    /// Bytes that are no HTTP.
    Noise,
    /// Nothing, and the connection stays open.
    Silence,
}

type Answers = Arc<dyn Fn(&Request) -> Reply + Send + Sync>;

/// A running server; it ends with the test.
pub struct Server {
    /// Its address.
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Starts one.
    pub async fn start(answers: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST, answers).await
    }

    /// Starts one at a free port of another address of this machine.
    pub async fn start_at(
        address: Ipv4Addr,
        answers: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (answers, requests): (Answers, _) = (Arc::new(answers), Arc::new(Mutex::new(Vec::new())));
        let log = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answers), Arc::clone(&log)));
            }
        });
        Self { address, requests }
    }

    /// The URL of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Takes the requests so far.
    pub fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }
}

async fn serve(stream: TcpStream, answers: Answers, log: Arc<Mutex<Vec<Request>>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let request = read(&mut stream).await?;
        let reply = answers(&request);
        log.lock().unwrap().push(request);
        let (status, field, body) = match reply {
            Reply::Answer(status, body) => (status, String::new(), body),
            Reply::RetryAfter(status, wait, body) => (status, format!("Retry-After: {wait}\r\n"), body),
            Reply::Endless(bytes) => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
                loop {
                    stream.write_all(bytes.repeat(1000).as_bytes()).await.ok()?;
                }
            }
            Reply::Noise => {
                stream.write_all(b"220 mail.example ESMTP\r\n").await.ok()?;
                return None;
            }
            Reply::Silence => std::future::pending().await,
        };
        let head = format!("HTTP/1.1 {status} Words\r\n{field}Content-Length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).await.ok()?;
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut request = Request { method, target, ..Request::default() };
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        request.header.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let mut body = vec![0; request.field("content-length").parse().unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    request.body = String::from_utf8(body).ok()?;
    Some(request)
}
