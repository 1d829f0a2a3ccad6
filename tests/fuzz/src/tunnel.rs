//! The owner's `wireguard.conf`.

use ipc::appliance::OwnerFile;
use ipc::owner::{LINE_LIMIT, TEXT_LIMIT, TunnelVerdict};
use network::dns::{Kind, question};
use network::wireguard::{self, Conf, Endpoint, is_masked, mask_secrets, unmask};

/// A text that the box has, and behind a zero one that is found on the card.
pub(crate) fn import(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (kept, found) = text.split_once('\0').unwrap_or(("", &text));
    let found = OwnerFile { text: Some(found.to_owned()), problem: None }.bounded();
    let import = wireguard::import(&found, kept);
    assert_eq!(import.clone().bounded(), import);
    let line = ipc::lines::encode(&import).expect("an import has a form in JSON");
    assert!(line.len() <= LINE_LIMIT);
    if let Some(keep) = &import.keep {
        assert_eq!(import.verdict, TunnelVerdict::Taken);
        assert!(keep.is_empty() || Conf::parse(keep).is_ok());
    }
    if import.verdict != TunnelVerdict::Taken {
        return;
    }
    // Whatever the power does to the mask, the next start finds what is kept, and has nothing to write.
    let now = import.keep.as_deref().unwrap_or(kept);
    let masked = OwnerFile { text: found.text.as_deref().map(mask_secrets), problem: None };
    for card in [&found, &masked] {
        let again = wireguard::import(card, now);
        assert_eq!(again.keep, None);
        assert_ne!(again.verdict, TunnelVerdict::Refused);
    }
}

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
