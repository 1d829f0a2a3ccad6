//! The bytes of WireGuard's messages, as the kernel's header describes them.

use super::{
    Key, WGDEVICE_A_PEERS, attribute, device_body, device_peers, endpoint_body, family_number, nested,
};
use crate::wireguard::Conf;

const PRIVATE: &str = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";
const PUBLIC: &str = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";

fn conf() -> Conf {
    let text = format!(
        "[Interface]\nPrivateKey={PRIVATE}\nAddress=203.0.113.7\nListenPort=7\n\
         [Peer]\nPublicKey={PUBLIC}\nEndpoint=192.0.2.1:51820\nAllowedIPs=10.0.0.0/8, ::/0"
    );
    Conf::parse(&text).unwrap().0
}

fn key(text: &str) -> Vec<u8> {
    Key::parse(text).unwrap().expose().to_vec()
}

#[test]
fn a_device_has_its_keys_port_mark_and_peers() {
    let bytes = device_body(9, &conf(), &[]);
    let mut allowed =
        vec![28, 0, 0, 0x80, 6, 0, 1, 0, 2, 0, 0, 0, 8, 0, 2, 0, 10, 0, 0, 0, 5, 0, 3, 0, 8, 0, 0, 0];
    allowed.extend([40, 0, 0, 0x80, 6, 0, 1, 0, 10, 0, 0, 0, 20, 0, 2, 0]);
    allowed.extend([0; 16]);
    allowed.extend([5, 0, 3, 0, 0, 0, 0, 0]);
    let peer = [
        &[36, 0, 1, 0][..],
        &key(PUBLIC),
        &[8, 0, 3, 0, 2, 0, 0, 0, 36, 0, 2, 0],
        &[0; 32],
        &[20, 0, 4, 0, 2, 0, 0xca, 0x6c, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        &[6, 0, 5, 0, 25, 0, 0, 0],
        &[72, 0, 9, 0x80],
        &allowed,
    ]
    .concat();
    let length = |more: usize| u16::try_from(peer.len() + more).unwrap().to_ne_bytes();
    let expected = [
        &[1, 1, 0, 0, 8, 0, 1, 0, 9, 0, 0, 0, 36, 0, 3, 0][..],
        &key(PRIVATE),
        &[8, 0, 7, 0, 0x6c, 0xca, 0, 0, 6, 0, 6, 0, 7, 0, 0, 0],
        &length(8),
        &[8, 0x80],
        &length(4),
        &[0, 0x80],
        &peer,
    ]
    .concat();
    assert_eq!(bytes, expected);
}

#[test]
fn a_stranger_is_removed_by_its_key() {
    let bytes = device_body(9, &conf(), &[Key::parse(PRIVATE).unwrap()]);
    let stranger = [&[48, 0, 0, 0x80, 36, 0, 1, 0][..], &key(PRIVATE), &[8, 0, 3, 0, 1, 0, 0, 0]].concat();
    assert!(bytes.windows(stranger.len()).any(|part| part == stranger));
}

#[test]
fn an_endpoint_is_set_with_a_fresh_keepalive() {
    let conf = conf();
    let bytes = endpoint_body(9, &conf.peers[0], "[2001:db8::1]:443".parse().unwrap());
    let ends = [
        &[32, 0, 4, 0, 10, 0, 1, 187, 0, 0, 0, 0, 0x20, 1, 0xd, 0xb8][..],
        &[0; 11],
        &[1, 0, 0, 0, 0],
        &[6, 0, 5, 0, 25, 0, 0, 0],
    ]
    .concat();
    assert!(bytes.ends_with(&ends), "{bytes:?}");
    assert!(bytes.windows(8).any(|part| part == [6, 0, 5, 0, 0, 0, 0, 0]), "off first");
}

#[test]
fn the_peers_of_a_device_are_read_with_their_numbers() {
    let mut peer = Vec::new();
    attribute(&mut peer, 1, &key(PUBLIC));
    attribute(&mut peer, 6, &[1000_u64.to_ne_bytes(), 5_u64.to_ne_bytes()].concat());
    attribute(&mut peer, 7, &70_u64.to_ne_bytes());
    attribute(&mut peer, 8, &80_u64.to_ne_bytes());
    let mut peers = Vec::new();
    nested(&mut peers, 0, &peer);
    let mut body = vec![0, 1, 0, 0];
    attribute(&mut body, 2, b"wg0\0");
    nested(&mut body, WGDEVICE_A_PEERS, &peers);
    let found = device_peers(&body).unwrap();
    let [(found_key, status)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(found_key.expose()[..], key(PUBLIC));
    assert_eq!((status.handshake, status.received, status.sent), ((1000, 5), 70, 80));
    for length in 5..body.len() {
        // Cut at the end of an attribute it is a list without peers.
        assert!(device_peers(&body[..length]).is_none_or(|found| found.is_empty()), "{length}");
    }
}

#[test]
fn the_number_of_the_family_is_found() {
    let mut body = vec![1, 2, 0, 0];
    attribute(&mut body, 2, b"wireguard\0");
    assert_eq!(family_number(&body), Some(None));
    attribute(&mut body, 1, &29_u16.to_ne_bytes());
    assert_eq!(family_number(&body), Some(Some(29)));
    assert_eq!(family_number(&body[..body.len() - 3]), None);
}
