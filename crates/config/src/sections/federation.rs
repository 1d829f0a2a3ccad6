//! `[federation]`: mail from and to other servers.

use mail_types::{Domain, Secret};

use crate::finding::Severity;
use crate::model::{Federation, Outbound, Smarthost};
use crate::public;
use crate::reader::Reader;
use crate::values::{block_list, optional_roots};

/// The port of submission over TLS (RFC 8314).
const IMPLICIT_TLS_PORT: u16 = 465;

/// A box whose domain means nothing outside of the house would send what nobody can answer.
pub(crate) fn federation(table: &mut Reader, domain: &Domain) -> Federation {
    let usual = if public::is_public(domain) { Outbound::All } else { Outbound::Off };
    Federation {
        outbound: table.take_with("outbound", usual, |text: String| outbound(&text, usual)),
        smarthost: smarthost(table),
        private_networks: table.take("private_networks", false),
        roots: table.take_with("roots", None, optional_roots),
        blocked: table.take_with("blocked", Default::default(), block_list),
    }
}

fn outbound(text: &str, usual: Outbound) -> Result<Outbound, String> {
    match text {
        "" => Ok(usual),
        "all" => Ok(Outbound::All),
        "relays" => Ok(Outbound::Relays),
        "off" => Ok(Outbound::Off),
        _ => Err(format!("{text:?} is neither \"all\" nor \"relays\" nor \"off\".")),
    }
}

fn smarthost(table: &mut Reader) -> Option<Smarthost> {
    let server = table.take_with("smarthost", None, host_and_port);
    let user: String = table.take("smarthost_user", String::new());
    let password: String = table.take("smarthost_password", String::new());
    let for_relays = table.take_with("smarthost_for", false, |text: String| match text.as_str() {
        "classic" => Ok(false),
        "all" => Ok(true),
        _ => Err(format!("{text:?} is neither \"classic\" nor \"all\".")),
    });
    let Some((host, port)) = server else {
        if !user.is_empty() || !password.is_empty() {
            let advice = "Give smarthost = \"HOST:PORT\", or remove the line.";
            table.report("smarthost_user", Severity::Warning, "There is no smarthost to log in at.", advice);
        }
        return None;
    };
    if user.is_empty() != password.is_empty() {
        let advice = "Give both smarthost_user and smarthost_password, or neither.";
        table.report("smarthost_user", Severity::Error, "A login has a user and a password.", advice);
    }
    let login = (!user.is_empty()).then(|| (user, Secret::new(password.into_bytes())));
    Some(Smarthost { host, port, implicit_tls: port == IMPLICIT_TLS_PORT, login, for_relays })
}

/// A host name or address, and a port; empty text is none.
fn host_and_port(text: String) -> Result<Option<(String, u16)>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let (host, port) =
        parts.ok_or_else(|| format!("{text:?} is not a host and a port, as \"mail.example.org:465\"."))?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    crate::values::host(&host)?;
    Ok(Some((host, port)))
}
