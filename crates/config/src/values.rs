//! Checks of single values. An error is a whole sentence, for a [`Finding`](crate::Finding).

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use http::Uri;
use mail_types::Domain;
use relay_policy::BlockList;
use tls::Roots;

/// A path that means the same wherever the server is started.
pub(crate) fn absolute_path(path: PathBuf) -> Result<PathBuf, String> {
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(format!("{path:?} is relative, so it would depend on where the server is started."))
    }
}

/// An absolute path; empty text is none.
pub(crate) fn optional_path(text: String) -> Result<Option<PathBuf>, String> {
    if text.is_empty() { Ok(None) } else { absolute_path(text.into()).map(Some) }
}

/// Root certificates: an absolute path of a PEM file, or the text of one; empty text is none.
pub(crate) fn optional_roots(text: String) -> Result<Option<Roots>, String> {
    if Roots::is_given(&text) {
        let roots = Roots::given(&text);
        return roots.map(Some).map_err(|error| format!("These certificates cannot be used: {error:#}."));
    }
    Ok(optional_path(text)?.map(Roots::File))
}

/// Addresses with a port each.
pub(crate) fn socket_addresses(texts: Vec<String>) -> Result<Vec<SocketAddr>, String> {
    let parse = |text: &String| {
        text.parse().map_err(|_| {
            format!("{text:?} is not an address with a port, as \"[::]:993\" or \"192.0.2.1:993\".")
        })
    };
    texts.iter().map(parse).collect()
}

/// Domains and addresses whose mail is refused.
pub(crate) fn block_list(texts: Vec<String>) -> Result<BlockList, String> {
    let mut list = BlockList::default();
    for text in texts {
        match (text.parse(), text.parse()) {
            (Ok(address), _) => list.add_address(address),
            (_, Ok(domain)) => list.add_domain(domain),
            _ => {
                return Err(format!(
                    "{text:?} is neither a domain (spam.example) nor an address (eve@chat.example)."
                ));
            }
        }
    }
    Ok(list)
}

/// Subject alternative names of a certificate (RFC 5280 section 4.2.1.6): host names and IP addresses.
pub(crate) fn certificate_names(names: Vec<String>) -> Result<Vec<String>, String> {
    for name in &names {
        host(name)?;
    }
    Ok(names)
}

/// A host name or an IP address; empty text is none.
pub(crate) fn optional_host(text: String) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    host(&text)?;
    Ok(Some(text))
}

/// A host name or an IP address.
pub(crate) fn host(name: &str) -> Result<(), String> {
    if name.parse::<IpAddr>().is_ok() || matches!(name.parse::<Domain>(), Ok(Domain::Name(_))) {
        Ok(())
    } else {
        Err(format!("{name:?} is neither a host name nor an IP address."))
    }
}

/// A lower bound, itself allowed.
pub(crate) fn at_least<T: PartialOrd + std::fmt::Display>(least: T) -> impl FnOnce(T) -> Result<T, String> {
    move |value| if value < least { Err(format!("{value} is less than {least}.")) } else { Ok(value) }
}

/// A port; 0 is none.
#[expect(clippy::unnecessary_wraps, reason = "it has the form of a check; u16 already holds only ports")]
pub(crate) fn optional_port(number: u16) -> Result<Option<u16>, String> {
    Ok((number != 0).then_some(number))
}

/// One line of text for an IMAP answer; empty text is none.
pub(crate) fn optional_line(text: String) -> Result<Option<String>, String> {
    if text.chars().any(char::is_control) {
        return Err("It must be one line without control characters.".to_owned());
    }
    Ok((!text.is_empty()).then_some(text))
}

/// The URI of a service that gets secrets: by HTTPS, or by HTTP on this machine. Empty text is none.
pub(crate) fn optional_service(text: String) -> Result<Option<Uri>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let uri: Uri = text.parse().map_err(|_| format!("{text:?} is not a web address."))?;
    let local = uri.host().is_some_and(is_this_machine);
    match uri.scheme_str() {
        Some("https") if uri.host().is_some() => Ok(Some(uri)),
        Some("http") if local => Ok(Some(uri)),
        Some("http") => Err(format!("{text:?} would send tokens through the network unencrypted.")),
        _ => Err(format!("{text:?} does not begin with https:// and a host.")),
    }
}

/// The URI of a web server, if it has one of these schemes and a host.
pub(crate) fn web_address(text: &str, schemes: &[&str]) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    let fits = uri.scheme_str().is_some_and(|scheme| schemes.contains(&scheme))
        && uri.host().is_some_and(|host| !host.is_empty());
    fits.then_some(uri)
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
