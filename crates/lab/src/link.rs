//! The pairing link on the guest's console, and its rewriting to the ports forwarded to this host. Pure.

use std::net::Ipv4Addr;

use crate::error::{Error, Result};

/// The text before the link on the console.
const LABEL: &str = "Pairing link: ";
const SCHEME: &str = "dclogin:";

/// The link on a line of the console, if there is one that can be used: before the router has given the box an IPv4
/// address, its links name the box by a name that only the home network knows, and nothing can be forwarded to it.
pub(crate) fn in_line(line: &str) -> Option<&str> {
    let (_, link) = line.split_once(LABEL)?;
    let (_, query) = link.strip_prefix(SCHEME)?.split_once('?')?;
    let host = query.split('&').find_map(|field| field.strip_prefix("ih="))?;
    host.parse::<Ipv4Addr>().ok().map(|_| link.trim_end())
}

/// The link with its hosts and ports replaced by the forwarded ones: `port` maps a port of the guest to one of this host.
pub(crate) fn rewrite(link: &str, port: impl Fn(u16) -> Option<u16>) -> Result<String> {
    let (account, query) = link.split_once('?').ok_or(Error::Link)?;
    let mut seen = 0;
    let mut fields = Vec::new();
    for field in query.split('&') {
        let (key, value) = field.split_once('=').ok_or(Error::Link)?;
        fields.push(match key {
            "ih" | "sh" => format!("{key}=127.0.0.1"),
            "ip" | "sp" => {
                let forwarded = value.parse().ok().and_then(&port).ok_or(Error::Link)?;
                format!("{key}={forwarded}")
            }
            _ => field.to_owned(),
        });
        seen += usize::from(["ih", "sh", "ip", "sp"].contains(&key));
    }
    if seen != 4 {
        return Err(Error::Link);
    }
    Ok(format!("{account}?{}", fields.join("&")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "dclogin:ac1@hearth-1a2b.local?p=a%26b&v=1&ih=10.0.2.15&ip=993&is=ssl&sh=10.0.2.15&sp=465&ss=ssl&ic=3";

    fn port(guest: u16) -> Option<u16> {
        [(993, 40993), (465, 40465)].into_iter().find(|&(from, _)| from == guest).map(|(_, to)| to)
    }

    #[test]
    fn hosts_and_ports_become_the_forwarded_ones_and_nothing_else_changes() {
        assert_eq!(
            rewrite(LINK, port).unwrap(),
            "dclogin:ac1@hearth-1a2b.local?p=a%26b&v=1&ih=127.0.0.1&ip=40993&is=ssl&sh=127.0.0.1&sp=40465&ss=ssl&ic=3"
        );
    }

    #[test]
    fn a_link_that_cannot_be_made_to_work_is_refused() {
        for link in [
            "dclogin:ac1@h",
            "dclogin:ac1@h?p=x&v=1",
            &LINK.replace("993", "994"),
            &LINK.replace("ip=", "iq="),
        ] {
            assert!(rewrite(link, port).is_err(), "{link}");
        }
    }

    #[test]
    fn the_link_is_found_behind_its_label() {
        assert_eq!(in_line(&format!("Pairing link: {LINK} ")), Some(LINK));
        assert_eq!(in_line("Pairing link: https://example"), None);
        assert_eq!(
            in_line(&format!("Pairing link: {}", LINK.replace("10.0.2.15", "hearth-1a2b.local"))),
            None
        );
        assert_eq!(in_line(&format!("Pairing link: {}", LINK.replace("10.0.2.15", "fec0%3A%3A15"))), None);
        assert_eq!(in_line("no link"), None);
    }
}
