//! Texts as providers hand them out, and what is wrong with others.

use super::{Conf, Endpoint, Network, Remark};

const KEYS: [&str; 3] = [
    "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=",
    "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=",
    "FpCyhws9cxwWoV4xELtfJvjJN+zQVRPISllRWgeopVE=",
];

/// A text as a provider hands it out.
fn provided() -> String {
    format!(
        "[Interface]\r\nPrivateKey = {}\r\nAddress = 203.0.113.7/32, 2001:db8::7/128\r\nDNS = 9.9.9.9\r\n\r\n\
         [Peer]\r\nPublicKey = {}\r\nPresharedKey = {} # ours\r\nEndpoint = vpn.example.org:51820\r\n\
         AllowedIPs = 0.0.0.0/0, ::/0\r\n",
        KEYS[0], KEYS[1], KEYS[2]
    )
}

fn errors(text: &str) -> Vec<(Option<usize>, String)> {
    let remarks = Conf::parse(text).unwrap_err();
    remarks.into_iter().map(|Remark { line, text }| (line, text)).collect()
}

#[test]
fn a_providers_text_is_read_and_says_what_is_not_used() {
    let (conf, remarks) = Conf::parse(&provided()).unwrap();
    assert_eq!(
        conf.interface.addresses,
        [("203.0.113.7".parse().unwrap(), 32), ("2001:db8::7".parse().unwrap(), 128)]
    );
    assert_eq!((conf.interface.mtu, conf.interface.listen_port), (1420, None));
    let [peer] = &conf.peers[..] else { panic!("{conf:?}") };
    assert_eq!(peer.endpoint, Some(Endpoint::Name("vpn.example.org".to_owned(), 51820)));
    assert_eq!(peer.keepalive, 25);
    assert!(peer.preshared_key.is_some());
    let all = |text: &str| Network { address: text.parse().unwrap(), prefix: 0 };
    assert_eq!(peer.allowed_ips, [all("0.0.0.0"), all("::")]);
    assert_eq!(conf.networks(), peer.allowed_ips);
    let (conf, _) = Conf::parse(&provided().replace(", 2001:db8::7/128", "")).unwrap();
    assert_eq!(conf.networks(), [all("0.0.0.0")], "no IPv6 without an address");
    let said: Vec<String> = remarks.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        ["wireguard.conf, line 4: DNS is not used: the box asks the name servers of the home network."]
    );
}

#[test]
fn words_are_read_without_regard_to_case_and_lists_may_be_split() {
    let text = format!(
        "\u{feff}# ours\n[INTERFACE]\nprivatekey={}\naddress=10.8.0.2/24\nADDRESS = 10.9.0.2\nMTU=1280\nListenPort=5\n\
         [peer]\npublicKEY={}\nEndpoint=[2001:db8::1]:443\nAllowedIPs=10.8.0.9/24\nallowedips=10.9.0.1\n\
         PersistentKeepalive = off\n[Peer]\nPublicKey={}\nAllowedIPs=192.0.2.0/24\nPersistentKeepalive=60",
        KEYS[0], KEYS[1], KEYS[2]
    );
    let (conf, remarks) = Conf::parse(&text).unwrap();
    assert_eq!(conf.interface.addresses.len(), 2);
    assert_eq!((conf.interface.mtu, conf.interface.listen_port), (1280, Some(5)));
    assert_eq!(conf.peers[0].allowed_ips[0], Network { address: "10.8.0.0".parse().unwrap(), prefix: 24 });
    assert!(matches!(conf.peers[0].endpoint, Some(Endpoint::Address(address)) if address.is_ipv6()));
    assert_eq!(conf.peers.iter().map(|peer| peer.keepalive).collect::<Vec<_>>(), [25, 60]);
    assert_eq!(remarks.iter().map(|remark| remark.line).collect::<Vec<_>>(), [Some(13)]);
}

#[test]
fn a_keepalive_of_no_seconds_is_not_followed_in_any_spelling() {
    for none in ["0", "00", "+0", "OFF"] {
        let line = format!("PersistentKeepalive = {none}\nAllowedIPs");
        let (conf, remarks) = Conf::parse(&provided().replacen("AllowedIPs", &line, 1)).unwrap();
        assert_eq!(conf.peers[0].keepalive, 25, "{none}");
        assert!(remarks.iter().any(|remark| remark.text.contains("the keepalive stays on")), "{remarks:?}");
    }
}

#[test]
fn each_bad_line_is_named_and_no_value_is_quoted() {
    for (good, bad) in [
        ("PrivateKey = ", "PrivateKey = x"),
        ("203.0.113.7/32", "203.0.113.7/33"),
        ("203.0.113.7/32", "127.0.0.1/8"),
        ("2001:db8::7/128", "2001:db8::7/128,"),
        ("DNS = 9.9.9.9", "MTU = 12"),
        ("DNS = 9.9.9.9", "ListenPort = 0"),
        ("DNS = 9.9.9.9", "PostUp = iptables"),
        ("DNS = 9.9.9.9", "Jc = 5"),
        ("DNS = 9.9.9.9", "secret"),
        ("DNS = 9.9.9.9", "[Secret]"),
        ("vpn.example.org:51820", "vpn.example.org"),
        ("vpn.example.org:51820", "192.0.2.300:1"),
        ("vpn.example.org:51820", "vpn.example.org:0"),
        ("vpn.example.org:51820", "vpn..org:1"),
        ("0.0.0.0/0, ::/0", "everything"),
        ("AllowedIPs", "PersistentKeepalive = soon\nAllowedIPs"),
        ("AllowedIPs", "Endpoint = other.example.org:1\nAllowedIPs"),
        ("[Interface]", "x = y\n[Interface]"),
    ] {
        let text = provided().replacen(good, bad, 1);
        assert_ne!(text, provided());
        let found = errors(&text);
        let wanted = text.split('\n').position(|line| line.contains(bad.split('\n').next().unwrap()));
        assert!(found.iter().any(|(line, _)| *line == wanted.map(|index| index + 1)), "{bad}: {found:?}");
        for (_, text) in &found {
            assert!(!text.contains("203.0") && !text.contains("vpn."), "{text}");
        }
    }
}

#[test]
fn what_is_missing_is_said() {
    let without = |word: &str| -> String {
        provided().split_inclusive('\n').filter(|line| !line.starts_with(word)).collect()
    };
    for (word, said) in [
        ("PrivateKey", "[Interface] has no PrivateKey."),
        ("Address", "[Interface] has no Address."),
        ("PublicKey", "this [Peer] has no PublicKey."),
        ("AllowedIPs", "this [Peer] has no AllowedIPs: 0.0.0.0/0, ::/0 means the whole internet."),
        ("Endpoint", "no [Peer] has an Endpoint: the box would not know where to call."),
    ] {
        let found = errors(&without(word));
        assert_eq!(found.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), [said]);
    }
    let twice = provided() + provided().split_once("\r\n\r\n").unwrap().1;
    assert_eq!(errors(&twice)[0].1, "this [Peer] has the PublicKey of another one.");
}

#[test]
fn everything_has_a_limit() {
    let long = provided() + &"#".repeat(super::TEXT_LIMIT);
    assert_eq!(errors(&long)[0].0, None);
    let many_peers = provided() + &"[Peer]\n".repeat(super::PEERS_LIMIT);
    assert!(errors(&many_peers).iter().any(|(_, text)| text == "there are more than 4 [Peer] sections."));
    let many = provided().replace("::/0", &vec!["::/0"; super::NETWORKS_LIMIT].join(","));
    assert_eq!(errors(&many), [(Some(10), "there are more than 256 entries.".to_owned())]);
}

#[test]
fn nothing_shows_a_key() {
    let (conf, _) = Conf::parse(&provided()).unwrap();
    let shown = format!("{conf:?}");
    assert!(KEYS.iter().all(|key| !shown.contains(key)) && shown.contains("Key(..)"), "{shown}");
}
