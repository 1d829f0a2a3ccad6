//! `[dns]`: the name servers.

use std::net::{IpAddr, SocketAddr};

use crate::model::{Dns, NameServer};
use crate::reader::Reader;

/// The port of DNS (RFC 1035).
const PORT: u16 = 53;
/// The port of DNS over TLS (RFC 7858).
const TLS_PORT: u16 = 853;

pub(crate) fn dns(table: &mut Reader) -> Dns {
    Dns {
        servers: table.take_with("servers", Vec::new(), name_servers),
        validating: table.take_with("validating", Vec::new(), name_servers),
        root_keys: table.take_with("root_keys", None, root_keys),
    }
}

/// Whether they are keys is seen by who reads them.
fn root_keys(text: String) -> Result<Option<String>, String> {
    if text.is_empty() || text.contains("DNSKEY") {
        return Ok((!text.is_empty()).then_some(text));
    }
    Err("This holds no DNSKEY record, as \". 3600 IN DNSKEY 257 3 13 mdsswUyr3DPW…\".".to_owned())
}

fn name_servers(texts: Vec<String>) -> Result<Vec<NameServer>, String> {
    texts.iter().map(|text| name_server(text)).collect()
}

/// `ADDRESS`, `ADDRESS:PORT`, or `tls://NAME@ADDRESS[:PORT]`
fn name_server(text: &str) -> Result<NameServer, String> {
    let wrong = || {
        format!(
            "{text:?} is no name server, as \"192.0.2.1\", \"[2001:db8::1]:53\" or \"tls://dns.example@192.0.2.1\"."
        )
    };
    let (tls_name, address) = match text.strip_prefix("tls://") {
        Some(rest) => {
            let (name, address) = rest.split_once('@').ok_or_else(wrong)?;
            crate::values::host(name)?;
            (Some(name.to_owned()), address)
        }
        None => (None, text),
    };
    let port = if tls_name.is_some() { TLS_PORT } else { PORT };
    let bare = |address: &str| address.parse().ok().map(|ip: IpAddr| SocketAddr::new(ip, port));
    let address = address.parse().ok().or_else(|| bare(address)).ok_or_else(wrong)?;
    Ok(NameServer { address, tls_name })
}
