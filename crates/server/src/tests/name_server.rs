//! A name server with a few records that change as a test likes, by UDP: recursive and authoritative at once.

use std::net::SocketAddr;
use std::sync::Arc;

use host::locks::Mutex;
use tokio::net::UdpSocket;

/// The type numbers of records (RFC 1035 section 3.2.2, RFC 3596).
const KINDS: [(&str, u16); 6] = [("A", 1), ("NS", 2), ("CNAME", 5), ("MX", 15), ("TXT", 16), ("AAAA", 28)];

/// A record: name, type, data in a zone file's notation; of TXT records the text.
type Record = (String, &'static str, String);

/// The server; it ends with the test.
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    records: Arc<Mutex<Vec<Record>>>,
}

impl NameServer {
    /// Begins with these records.
    pub(crate) async fn start(records: &[(&str, &'static str, &str)]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let server = Self { address, records: Arc::default() };
        for (name, kind, data) in records {
            server.add(name, kind, data);
        }
        let records = Arc::clone(&server.records);
        tokio::spawn(async move {
            let mut packet = [0; 1500];
            while let Ok((length, client)) = socket.recv_from(&mut packet).await {
                let answer = answer(&packet[..length], &records.lock());
                socket.send_to(&answer, client).await.unwrap();
            }
        });
        server
    }

    pub(crate) fn add(&self, name: &str, kind: &'static str, data: &str) {
        self.records.lock().push((name.to_owned(), kind, data.to_owned()));
    }

    pub(crate) fn remove(&self, name: &str, kind: &str) {
        self.records.lock().retain(|record| (record.0.as_str(), record.1) != (name, kind));
    }
}

/// RFC 1035 section 4.1: the same header and question, then the records.
fn answer(question: &[u8], records: &[Record]) -> Vec<u8> {
    let (mut labels, mut at) = (Vec::new(), 12);
    while question[at] != 0 {
        let end = at + 1 + usize::from(question[at]);
        labels.push(String::from_utf8(question[at + 1..end].to_ascii_lowercase()).unwrap());
        at = end;
    }
    let name = labels.join(".");
    let kind = u16::from_be_bytes([question[at + 1], question[at + 2]]);
    let has = |record: &&Record, kind: u16| record.0 == name && KINDS.contains(&(record.1, kind));
    let mut found: Vec<&Record> = records.iter().filter(|record| has(record, kind)).collect();
    if let Some(alias) = records.iter().find(|record| kind != 5 && has(record, 5)) {
        // As a recursive server does: the alias, then the records of its target.
        let of_target =
            |record: &&Record| alias.2 == format!("{}.", record.0) && KINDS.contains(&(record.1, kind));
        found = std::iter::once(alias).chain(records.iter().filter(of_target)).collect();
    }
    let exists = records.iter().any(|record| record.0 == name || record.0.ends_with(&format!(".{name}")));
    let code = if exists { 0 } else { 3 };
    let mut answer = question[..2].to_vec();
    answer.extend([
        0x84 | question[2] & 1,
        0x80 | code,
        0,
        1,
        0,
        found.len().try_into().unwrap(),
        0,
        0,
        0,
        0,
    ]);
    answer.extend(&question[12..at + 5]);
    for (owner, kind, data) in found {
        let data = encode(kind, data);
        answer.extend(encode("NS", owner));
        answer.extend(KINDS.iter().find(|known| known.0 == *kind).unwrap().1.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 60]);
        answer.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        answer.extend(data);
    }
    answer
}

fn encode(kind: &str, data: &str) -> Vec<u8> {
    match kind {
        "A" => data.parse::<std::net::Ipv4Addr>().unwrap().octets().to_vec(),
        "AAAA" => data.parse::<std::net::Ipv6Addr>().unwrap().octets().to_vec(),
        "TXT" => data.as_bytes().chunks(255).flat_map(|part| [&[part.len() as u8], part].concat()).collect(),
        "MX" => {
            let (preference, host) = data.split_once(' ').unwrap();
            [preference.parse::<u16>().unwrap().to_be_bytes().to_vec(), encode("NS", host)].concat()
        }
        _ => {
            let labels = data.trim_end_matches('.').split('.').filter(|label| !label.is_empty());
            let mut name: Vec<u8> =
                labels.flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()).collect();
            name.push(0);
            name
        }
    }
}
