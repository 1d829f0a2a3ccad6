//! `[push]`: the service that wakes phones.

use std::net::IpAddr;
use std::path::PathBuf;

use http::Uri;

use super::defaults;
use super::finding::Severity;
use super::reader::Reader;

/// The service that wakes phones when a message comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// Where notifications are posted; nobody is notified when there is none.
    pub service: Option<Uri>,
    /// A PEM file with root certificates to trust besides the machine's.
    pub roots: Option<PathBuf>,
}

pub(super) fn push(table: &mut Reader) -> Push {
    let default = defaults::PUSH_URL.parse().ok();
    let push = Push {
        service: table.take_with("url", default, service),
        roots: table.take_with("roots", None, |text: String| {
            if text.is_empty() { Ok(None) } else { super::absolute(text.into()).map(Some) }
        }),
    };
    if push.service.is_none() && push.roots.is_some() {
        let advice = "Remove the line, or give a url.";
        table.report("roots", Severity::Warning, "Roots are of no use while push is off.", advice);
    }
    push
}

/// Tokens identify devices: they leave the machine encrypted only.
fn service(text: String) -> Result<Option<Uri>, String> {
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

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
