//! An authority that does as a test says: it issues to everybody, but for the answers that rules give in its place.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use host::locks::Mutex;
use https_client::HttpsClient;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};
use tls::CertificateKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The answers of one rule.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// A status, further header lines, and a body.
    Reply(u16, &'static str, String),
    /// A success with a body that never ends.
    Endless,
    /// Nothing, with the connection kept open.
    Silence,
    /// Nothing, with the connection closed.
    Cut,
}

impl Answer {
    /// A problem document of this type.
    pub(crate) fn problem(status: u16, header: &'static str, kind: &str, detail: &str) -> Self {
        let kind = format!("urn:ietf:params:acme:error:{kind}");
        let body = json!({ "type": kind, "detail": detail, "status": status });
        Self::Reply(status, header, body.to_string())
    }
}

/// An answer in the place of the ordinary one.
struct Rule {
    /// The beginning of the path, behind the slash.
    path: &'static str,
    left: u32,
    answer: Answer,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    /// The names of the last order.
    names: Vec<String>,
    /// The payloads of all requests for orders.
    orders: Vec<Value>,
    /// The paths of all requests.
    requests: Vec<String>,
    is_proven: bool,
    is_final: bool,
    key: Option<Vec<u8>>,
    nonces: u32,
}

pub(crate) struct ScriptedAuthority {
    state: Arc<Mutex<State>>,
    base: String,
    roots: RootCertStore,
    _server: JoinSet<()>,
}

impl ScriptedAuthority {
    /// One that issues for this key.
    pub(crate) async fn start(key: &CertificateKey) -> Self {
        let issuer = Arc::new(issuer());
        let pair = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let own = params.signed_by(&pair, &issuer.0).unwrap().der().clone();
        let settings = ServerConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own], PrivatePkcs8KeyDer::from(pair.serialize_der()).into())
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(issuer.1.der().clone()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("https://{}/", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { key: Some(key.to_pkcs8()), ..State::default() }));
        let mut server = JoinSet::new();
        let connection = Connection { state: Arc::clone(&state), base: base.clone(), issuer };
        server.spawn(connection.serve(listener, TlsAcceptor::from(Arc::new(settings))));
        Self { state, base, roots, _server: server }
    }

    /// The next `times` requests to paths that begin like this get this answer.
    pub(crate) fn rule(&self, path: &'static str, times: u32, answer: Answer) {
        self.state.lock().rules.push(Rule { path, left: times, answer });
    }

    /// Issues for another key from now on.
    pub(crate) fn issue_for(&self, key: &CertificateKey) {
        self.state.lock().key = Some(key.to_pkcs8());
    }

    /// No rules any more.
    pub(crate) fn behave(&self) {
        self.state.lock().rules.clear();
    }

    pub(crate) fn directory(&self) -> String {
        format!("{}directory", self.base)
    }

    pub(crate) fn client(&self) -> HttpsClient {
        HttpsClient::new(self.roots.clone()).unwrap()
    }

    /// The payloads of the requests for orders so far.
    pub(crate) fn orders(&self) -> Vec<Value> {
        self.state.lock().orders.clone()
    }

    /// The number of requests to paths that begin like this.
    pub(crate) fn requests(&self, path: &str) -> usize {
        self.state.lock().requests.iter().filter(|request| request.starts_with(path)).count()
    }
}

type Issuing = (Issuer<'static, KeyPair>, rcgen::Certificate);

fn issuer() -> Issuing {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::OrganizationName, "Scripted Authority");
    let key = KeyPair::generate().unwrap();
    let own = params.self_signed(&key).unwrap();
    (Issuer::new(params, key), own)
}

#[derive(Clone)]
struct Connection {
    state: Arc<Mutex<State>>,
    base: String,
    issuer: Arc<Issuing>,
}

impl Connection {
    async fn serve(self, listener: TcpListener, acceptor: TlsAcceptor) {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let (own, acceptor) = (self.clone(), acceptor.clone());
            connections.spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    own.answer_all(stream).await;
                }
            });
        }
    }

    async fn answer_all(&self, mut stream: TlsStream<TcpStream>) {
        while let Some((path, payload)) = request(&mut stream).await {
            let answer = self.ruled(&path).unwrap_or_else(|| self.ordinary(&path, &payload));
            let text = match answer {
                Answer::Reply(status, header, body) => self.head(status, header, &body),
                Answer::Endless => {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").await;
                    while stream.write_all(&[b'['; 1024]).await.is_ok() {}
                    return;
                }
                Answer::Silence => return std::future::pending().await,
                Answer::Cut => return,
            };
            if stream.write_all(text.as_bytes()).await.is_err() || stream.flush().await.is_err() {
                return;
            }
        }
    }

    fn ruled(&self, path: &str) -> Option<Answer> {
        let mut state = self.state.lock();
        state.requests.push(path.to_owned());
        let rule = state.rules.iter_mut().find(|rule| path.starts_with(rule.path) && rule.left > 0)?;
        rule.left -= 1;
        Some(rule.answer.clone())
    }

    /// A response; each has a fresh nonce, and the place of whatever was made.
    fn head(&self, status: u16, header: &str, body: &str) -> String {
        let mut state = self.state.lock();
        state.nonces += 1;
        let (nonce, length, base) = (state.nonces, body.len(), &self.base);
        let more = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
        format!(
            "HTTP/1.1 {status} Whatever\r\nReplay-Nonce: n{nonce}\r\nContent-Length: {length}\r\n\
             {}\r\n{body}",
            more.replace("BASE", base)
        )
    }

    fn ordinary(&self, path: &str, payload: &Value) -> Answer {
        let ok = |body: &Value| Answer::Reply(200, "", body.to_string());
        match path {
            "directory" => ok(&self.directory()),
            "nonce" => Answer::Reply(200, "", String::new()),
            "account" => Answer::Reply(201, "Location: BASEa/1", json!({ "status": "valid" }).to_string()),
            "new" => {
                let mut state = self.state.lock();
                state.orders.push(payload.clone());
                let names = payload["identifiers"].as_array().unwrap().iter();
                state.names = names.map(|name| name["value"].as_str().unwrap().to_owned()).collect();
                (state.is_proven, state.is_final) = (false, false);
                Answer::Reply(201, "Location: BASEorder", self.order(&state).to_string())
            }
            "order" => ok(&self.order(&self.state.lock())),
            "finalize" => {
                let mut state = self.state.lock();
                state.is_final = true;
                ok(&self.order(&state))
            }
            "certificate" => Answer::Reply(200, "", self.certificate()),
            _ if path.starts_with("renewal/") => Answer::Reply(
                200,
                "Retry-After: 7200",
                json!({ "suggestedWindow": { "start": "2027-01-01T00:00:00Z", "end": "2027-01-02T00:00:00Z" } })
                    .to_string(),
            ),
            _ => match path.split_once('-') {
                Some(("authorization", number)) => ok(&self.authorization(number.parse().unwrap())),
                Some(("challenge", number)) => {
                    self.state.lock().is_proven = true;
                    ok(&self.challenge(number.parse().unwrap()))
                }
                _ => Answer::problem(404, "", "malformed", "there is no such path"),
            },
        }
    }

    fn directory(&self) -> Value {
        let base = &self.base;
        json!({
            "newNonce": format!("{base}nonce"), "newAccount": format!("{base}account"),
            "newOrder": format!("{base}new"), "renewalInfo": format!("{base}renewal"),
            "meta": { "profiles": { "shortlived": "six days" } },
        })
    }

    fn order(&self, state: &State) -> Value {
        let base = &self.base;
        let status = match (state.is_proven, state.is_final) {
            (_, true) => "valid",
            (true, false) => "ready",
            (false, false) => "pending",
        };
        let authorizations =
            (0..state.names.len()).map(|number| format!("{base}authorization-{number}")).collect::<Vec<_>>();
        let last = state.orders.last().cloned().unwrap_or_default();
        json!({
            "status": status, "authorizations": authorizations, "finalize": format!("{base}finalize"),
            "certificate": format!("{base}certificate"), "replaces": last["replaces"],
        })
    }

    fn authorization(&self, number: usize) -> Value {
        let name = self.state.lock().names[number].clone();
        let kind = if name.parse::<std::net::IpAddr>().is_ok() { "ip" } else { "dns" };
        json!({
            "status": "pending", "identifier": { "type": kind, "value": name },
            "challenges": [self.challenge(number)],
        })
    }

    fn challenge(&self, number: usize) -> Value {
        let url = format!("{}challenge-{number}", self.base);
        json!({ "type": "http-01", "url": url, "token": format!("token-{number}"), "status": "pending" })
    }

    fn certificate(&self) -> String {
        let state = self.state.lock();
        let key = KeyPair::try_from(state.key.clone().unwrap()).unwrap();
        let params = CertificateParams::new(state.names.clone()).unwrap();
        let own = params.signed_by(&key, &self.issuer.0).unwrap();
        own.pem() + &self.issuer.1.pem()
    }
}

/// The next request's path, without the slash, and its payload.
async fn request(stream: &mut TlsStream<TcpStream>) -> Option<(String, Value)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
            break end + 4;
        }
        bytes.push(stream.read_u8().await.ok()?);
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    let path = head.split(' ').nth(1)?.trim_start_matches('/').to_owned();
    let signed: Value = serde_json::from_slice(&body).unwrap_or_default();
    let payload = URL_SAFE_NO_PAD.decode(signed["payload"].as_str().unwrap_or_default()).unwrap();
    Some((path, serde_json::from_slice(&payload).unwrap_or_default()))
}
