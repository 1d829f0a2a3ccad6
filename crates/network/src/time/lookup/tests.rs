//! Answers as name servers give them, and as they should not.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::thread;

use super::{Kind, answer, look_up, question};

/// An answer with these records of type, class and data, in a message with the question and a pointer to its name.
fn reply(question: &[u8], flags: u16, records: &[(u16, u16, &[u8])]) -> Vec<u8> {
    let mut bytes = question.to_vec();
    bytes[2..4].copy_from_slice(&flags.to_be_bytes());
    bytes[6..8].copy_from_slice(&u16::try_from(records.len()).unwrap().to_be_bytes());
    for (number, class, data) in records {
        bytes.extend([0xc0, 12]);
        bytes.extend(number.to_be_bytes());
        bytes.extend(class.to_be_bytes());
        bytes.extend(300_u32.to_be_bytes());
        bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        bytes.extend(*data);
    }
    bytes
}

const NAME: &str = "0.pool.test";

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn an_answer_has_the_addresses_of_its_type() {
    let asked = question(7, NAME, Kind::A).unwrap();
    let alias = [2, b'n', b's', 0xc0, 14];
    let good = reply(
        &asked,
        0x8180,
        &[(5, 1, &alias), (1, 1, &[192, 0, 2, 1]), (28, 1, &[0; 16]), (1, 1, &[192, 0, 2, 2])],
    );
    assert_eq!(answer(&good, 7, NAME, Kind::A), Some(addresses(&["192.0.2.1", "192.0.2.2"])));
    assert_eq!(answer(&good, 7, "0.POOL.test", Kind::A).map(|found| found.len()), Some(2));
    let none = reply(&asked, 0x8183, &[]);
    assert_eq!(answer(&none, 7, NAME, Kind::A), Some(Vec::new()), "there is no such name");
}

#[test]
fn a_message_that_answers_another_question_is_none() {
    let asked = question(7, NAME, Kind::A).unwrap();
    let good = reply(&asked, 0x8180, &[(1, 1, &[192, 0, 2, 1])]);
    assert_eq!(answer(&good, 8, NAME, Kind::A), None);
    assert_eq!(answer(&good, 7, "1.pool.test", Kind::A), None);
    assert_eq!(answer(&good, 7, "pool.test", Kind::A), None);
    assert_eq!(answer(&good, 7, NAME, Kind::Aaaa), None);
    assert_eq!(answer(&asked, 7, NAME, Kind::A), None, "a question");
    assert_eq!(answer(&good[..good.len() - 1], 7, NAME, Kind::A), None, "cut");
    assert_eq!(answer(&reply(&asked, 0x8180, &[(1, 1, &[1])]), 7, NAME, Kind::A), None, "no address");
}

#[test]
fn only_names_that_dns_can_have_are_asked_for() {
    for name in ["", "a..b", &"a".repeat(64)] {
        assert_eq!(question(1, name, Kind::A), None, "{name:?}");
    }
}

/// A name server that answers as many questions as told, after a message of a stranger's kind.
fn name_server(questions: usize) -> (SocketAddr, thread::JoinHandle<()>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let served = thread::spawn(move || {
        let mut buffer = [0; 512];
        for _ in 0..questions {
            let (length, client) = socket.recv_from(&mut buffer).unwrap();
            let question = &buffer[..length];
            let records: [(u16, u16, &[u8]); 1] = match question[length - 3] {
                1 => [(1, 1, &[127, 0, 0, 9])],
                _ => [(28, 1, &[0; 16])],
            };
            let mut forged = reply(question, 0x8180, &[(1, 1, &[192, 0, 2, 66])]);
            forged[0] ^= 0xff;
            socket.send_to(&forged, client).unwrap();
            socket.send_to(&reply(question, 0x8180, &records), client).unwrap();
        }
    });
    (address, served)
}

#[test]
fn the_next_name_server_is_asked_what_the_first_does_not_answer() {
    // The first one's port is closed.
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (address, served) = name_server(4);
    let mut seed = 0_u64;
    let random = || {
        seed += 1;
        seed
    };
    let names = [NAME.to_owned(), "1.pool.test".to_owned()];
    let found = look_up(&names, &[closed, address], random);
    served.join().unwrap();
    for name in &names {
        assert_eq!(found[name].first(), Some(&"127.0.0.9".parse().unwrap()), "{found:?}");
    }
}
