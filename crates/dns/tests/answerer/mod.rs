//! A name server of the tests' own, on a free port of this machine, by UDP and TCP: it answers whatever a function says.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dns::{NameServer, Resolver, RootKeys, Servers, Settings};
use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::SOA;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use rustls::RootCertStore;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// The reaction to a question.
pub(crate) enum Reply {
    /// These records.
    Records(Vec<Record>),
    /// This code without records, and with a SOA record whose minimum is a minute.
    Code(ResponseCode),
    /// The names of other servers.
    Referral,
    /// Nothing.
    Silence,
    /// These bytes.
    Raw(Vec<u8>),
    /// A forged answer with another ID, then these records.
    AfterForgery(Vec<Record>),
}

/// The transport of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Udp,
    Tcp,
}

/// A question: name without trailing dot, type, and whether recursion is desired.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) name: String,
    pub(crate) kind: RecordType,
    pub(crate) recursion: bool,
}

type Answer = Arc<dyn Fn(&Question) -> Reply + Send + Sync>;

/// The largest answer by UDP, in bytes; longer ones are truncated.
const UDP_LIMIT: usize = 1232;

/// A running name server; it ends with the test.
pub(crate) struct Answerer {
    pub(crate) address: SocketAddr,
    questions: Arc<AtomicUsize>,
}

impl Answerer {
    /// Starts a server that answers by this function.
    pub(crate) async fn start(answer: impl Fn(&Question) -> Reply + Send + Sync + 'static) -> Self {
        let answer: Answer = Arc::new(answer);
        let questions = Arc::new(AtomicUsize::new(0));
        let (udp, tcp) = sockets().await;
        let address = udp.local_addr().unwrap();
        tokio::spawn(serve_udp(udp, Arc::clone(&answer), Arc::clone(&questions)));
        let counted = Arc::clone(&questions);
        tokio::spawn(async move {
            while let Ok((stream, _)) = tcp.accept().await {
                tokio::spawn(serve_tcp(stream, Arc::clone(&answer), Arc::clone(&counted)));
            }
        });
        Self { address, questions }
    }

    /// The number of questions so far.
    pub(crate) fn questions(&self) -> usize {
        self.questions.load(Ordering::SeqCst)
    }

    /// A resolver that asks this server.
    pub(crate) fn resolver(&self) -> Resolver {
        resolver(&[self.address])
    }
}

/// A resolver that asks these servers.
pub(crate) fn resolver(addresses: &[SocketAddr]) -> Resolver {
    let servers = addresses.iter().map(|address| NameServer { address: *address, tls_name: None });
    Resolver::new(settings(Servers::Listed(servers.collect()))).unwrap()
}

/// The settings without DANE.
pub(crate) fn settings(servers: Servers) -> Settings {
    let tls_roots = RootCertStore::empty();
    Settings { servers, validating: Vec::new(), root_keys: RootKeys::Iana, tls_roots }
}

/// The same port for both transports; the second may be another's, then the next is tried.
async fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
}

async fn serve_udp(socket: UdpSocket, answer: Answer, questions: Arc<AtomicUsize>) {
    let mut packet = vec![0; 65_535];
    while let Ok((length, client)) = socket.recv_from(&mut packet).await {
        questions.fetch_add(1, Ordering::SeqCst);
        for message in replies(&packet[..length], Transport::Udp, &answer) {
            socket.send_to(&message, client).await.unwrap();
        }
    }
}

async fn serve_tcp(mut stream: TcpStream, answer: Answer, questions: Arc<AtomicUsize>) {
    while let Ok(length) = stream.read_u16().await {
        let mut question = vec![0; length.into()];
        stream.read_exact(&mut question).await.unwrap();
        questions.fetch_add(1, Ordering::SeqCst);
        for message in replies(&question, Transport::Tcp, &answer) {
            stream.write_u16(message.len().try_into().unwrap()).await.unwrap();
            stream.write_all(&message).await.unwrap();
        }
    }
}

fn replies(packet: &[u8], transport: Transport, answer: &Answer) -> Vec<Vec<u8>> {
    let asked = Message::from_vec(packet).unwrap();
    let query = &asked.queries[0];
    let question = Question {
        name: query.name().to_ascii().trim_end_matches('.').to_lowercase(),
        kind: query.query_type(),
        recursion: asked.metadata.recursion_desired,
    };
    let mut message = Message::response(asked.metadata.id, OpCode::Query);
    message.add_query(query.clone());
    match answer(&question) {
        Reply::Records(records) => vec![encode(message, records, transport)],
        Reply::Code(code) => {
            message.metadata.response_code = code;
            let zone = Name::from_ascii("test.").unwrap();
            let soa = SOA::new(zone.clone(), zone.clone(), 1, 60, 60, 60, 60);
            message.add_authority(Record::from_rdata(zone, 60, RData::SOA(soa)));
            vec![message.to_vec().unwrap()]
        }
        Reply::Referral => {
            message.add_authority(record("test", 60, "NS", "ns.elsewhere.test."));
            vec![message.to_vec().unwrap()]
        }
        Reply::Silence => Vec::new(),
        Reply::Raw(bytes) => vec![bytes],
        Reply::AfterForgery(records) => {
            let mut forged = Message::response(asked.metadata.id.wrapping_add(1), OpCode::Query);
            forged.add_query(query.clone());
            vec![forged.to_vec().unwrap(), encode(message, records, transport)]
        }
    }
}

fn encode(mut message: Message, records: Vec<Record>, transport: Transport) -> Vec<u8> {
    let mut truncated = message.clone();
    message.add_answers(records);
    let bytes = message.to_vec().unwrap();
    if transport == Transport::Udp && bytes.len() > UDP_LIMIT {
        truncated.metadata.truncation = true;
        return truncated.to_vec().unwrap();
    }
    bytes
}

/// A record, its data in a zone file's notation.
pub(crate) fn record(name: &str, ttl: u32, kind: &str, data: &str) -> Record {
    let kind: RecordType = kind.parse().unwrap();
    let data = RData::try_from_str(kind, data).unwrap();
    Record::from_rdata(Name::from_ascii(format!("{name}.")).unwrap(), ttl, data)
}
