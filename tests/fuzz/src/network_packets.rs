//! Packets from the home network: multicast DNS, DHCP, and a router's answers about its ports.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use network::{dhcp, mdns};
use port_mapping::protocols::{nat_pmp, pcp};
use port_mapping::{Nonce, WantedPort};

use crate::split_first;

/// The longest answer: a packet that no network has to cut.
const PACKET_LIMIT: usize = 1_500;

/// Packets, each with its length in front, at a box that has its name.
pub(crate) fn multicast_dns(data: &[u8]) {
    let Some(mut responder) = mdns::Responder::new("hearth-1a2b") else { return };
    let address = IpAddr::from([192, 168, 1, 7]);
    responder.set_addresses(Duration::ZERO, &[address, IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 1])]);
    for second in 1..5 {
        responder.tick(Duration::from_secs(second));
    }
    let (mut now, mut rest) = (Duration::from_secs(10), data);
    while !rest.is_empty() {
        let (length, after) = split_first(rest);
        let (packet, after) = after.split_at(after.len().min(usize::from(length) * 2));
        rest = after;
        now += Duration::from_millis(700);
        let port = if length & 1 == 0 { 5353 } else { 40_000 };
        responder.handle(now, SocketAddr::from((Ipv4Addr::new(192, 168, 1, 9), port)), packet);
        while let Some(output) = responder.poll() {
            if let mdns::Output::Multicast(bytes) | mdns::Output::Unicast(_, bytes) = output {
                assert!(bytes.len() <= PACKET_LIMIT, "{} bytes of answer", bytes.len());
            }
        }
    }
}

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// The bytes of the transaction number in a DHCP message, and the offset of the message in a frame.
const NUMBER: std::ops::Range<usize> = 4..8;
const MESSAGE: usize = 14 + 20 + 8;

/// DHCP messages, each with its length in front, at a client that looks for an address. They come in frames whose
/// checksums are right and have the number of the client's own question, so that they are looked into.
pub(crate) fn dhcp(data: &[u8]) {
    let announcement = dhcp::RequestOptions::with_host_name("hearth-1a2b");
    let mut now = Duration::ZERO;
    let mut client = dhcp::Client::new(MAC, &announcement, 7, now);
    let mut number = [0; 4];
    client.handle(now, dhcp::Input::LinkUp);
    let mut rest = data;
    while !rest.is_empty() {
        let (length, after) = split_first(rest);
        let (message, after) = after.split_at(after.len().min(usize::from(length) * 2));
        rest = after;
        now += Duration::from_millis(u64::from(length) * 10);
        listen(&mut client, &mut number);
        client.handle(now, dhcp::Input::Frame(&frame(message, number)));
        if client.wake_at(now).is_some_and(|wake| wake <= now) {
            client.handle(now, dhcp::Input::Tick);
        }
    }
    if let Some(lease) = client.lease() {
        assert!(lease.prefix <= 32, "{lease:?}");
    }
}

fn listen(client: &mut dhcp::Client<'_>, number: &mut [u8; 4]) {
    while let Some(output) = client.poll() {
        if let dhcp::Output::Send(frame) = output
            && let Some(sent) = frame.get(MESSAGE..).and_then(|message| message.get(NUMBER))
            && let Ok(sent) = sent.try_into()
        {
            *number = sent;
        }
    }
}

/// A message of the router's in UDP (without checksum), IPv4 and Ethernet.
fn frame(message: &[u8], number: [u8; 4]) -> Vec<u8> {
    let mut message = message.to_vec();
    message.resize(message.len().max(NUMBER.end), 0);
    message.splice(NUMBER, number);
    let length = |more: usize| u16::try_from(message.len() + more).unwrap_or(u16::MAX).to_be_bytes();
    let mut header = vec![0x45, 0, length(28)[0], length(28)[1], 0, 0, 0, 0, 64, 17, 0, 0, 192, 168, 1, 1];
    header.extend([255; 4]);
    let sum: u32 = header.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    header.splice(10..12, (!u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap_or(0)).to_be_bytes());
    let udp = [0, 67, 0, 68, length(8)[0], length(8)[1], 0, 0];
    [&MAC[..], &[2, 0, 0, 0, 0, 2, 8, 0], &header, &udp, &message].concat()
}

/// A router's answer to a question for port 443 with a nonce of zeros, by PCP and by NAT-PMP.
pub(crate) fn port_mapping(data: &[u8]) {
    let (Some(tcp), Some(udp)) = (WantedPort::tcp(443), WantedPort::udp(443)) else { return };
    let nonce = Nonce::new([0; 12]);
    if let Some(pcp::Response::Mapped { lifetime, port, .. }) = pcp::map_response(data, tcp, nonce) {
        assert!(port != 0 || lifetime == 0, "a mapping of no port");
        assert!(data.len() >= 60 && data[0] == 2, "a mapping by {} bytes", data.len());
        assert_eq!(pcp::map_response(data, udp, nonce), None, "one answer to two questions");
    }
    if let Some(nat_pmp::Response::Done { answer, .. }) = nat_pmp::map_response(data, tcp) {
        assert!(answer.port != 0 || answer.lifetime == 0, "a mapping of no port");
        assert_eq!(nat_pmp::map_response(data, udp), None, "one answer to two questions");
        assert_eq!(nat_pmp::address_response(data), None, "one answer to two questions");
    }
    let _ = nat_pmp::address_response(data);
}
