//! The owner's `wireguard.conf`.

use network::dns::{Kind, question};
use network::wireguard::{Conf, Endpoint, TEXT_LIMIT, is_masked, mask_secrets, unmask};

/// Any text as a `wireguard.conf`.
pub(crate) fn conf(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let masked = mask_secrets(&text);
    assert_eq!(masked.len(), text.len(), "masked in place");
    assert_eq!(mask_secrets(&masked), masked);
    assert_eq!(unmask(&text, &masked), text, "there is nothing to take from a masked text");
    match Conf::parse(&text) {
        Ok((conf, remarks)) => {
            assert!(text.len() <= TEXT_LIMIT && !is_masked(&text));
            assert!(!conf.interface.addresses.is_empty());
            assert!(conf.peers.iter().any(|peer| peer.endpoint.is_some()));
            assert!(conf.peers.iter().all(|peer| peer.keepalive > 0 && !peer.allowed_ips.is_empty()));
            for peer in &conf.peers {
                if let Some(Endpoint::Name(name, _)) = &peer.endpoint {
                    assert!(question(0, name, Kind::A).is_some(), "{name:?} cannot be asked for");
                }
            }
            assert!(remarks.iter().all(|remark| remark.line.is_some()));
            assert_eq!(Conf::parse(&unmask(&masked, &text)).ok(), Some((conf, remarks)));
        }
        Err(remarks) => assert!(!remarks.is_empty()),
    }
}
