//! A name server of this machine, and one that does not answer.

use std::net::{SocketAddr, UdpSocket};
use std::thread;

use super::look_up;
use crate::dns::tests::{NAME, reply};

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
