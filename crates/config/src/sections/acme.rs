//! `[acme]`: the authority that certificates are asked of (RFC 8555).

use mail_types::Domain;

use crate::model::{Acme, AcmeDirectory};
use crate::public;
use crate::reader::Reader;
use crate::values::{optional_roots, web_address};

/// Without a word of the owner a server asks for certificates if the internet can know it by its domain.
pub(crate) fn acme(table: &mut Reader, domain: &Domain) -> Option<Acme> {
    let usual = public::is_public(domain).then_some(AcmeDirectory::LetsEncrypt);
    let directory = table.take_with("directory", usual.clone(), |text: String| directory(&text, usual));
    let contact = table.take_with("contact", None, contact);
    let roots = table.take_with("roots", None, optional_roots);
    // No authority issues anything for names that every home may have.
    let directory = directory.filter(|_| !public::is_of_a_home(domain));
    directory.map(|directory| Acme { directory, contact, roots })
}

fn directory(text: &str, usual: Option<AcmeDirectory>) -> Result<Option<AcmeDirectory>, String> {
    match text {
        "" => Ok(usual),
        "off" => Ok(None),
        "letsencrypt" => Ok(Some(AcmeDirectory::LetsEncrypt)),
        "letsencrypt-staging" => Ok(Some(AcmeDirectory::LetsEncryptStaging)),
        _ if web_address(text, &["https"]).is_some() => Ok(Some(AcmeDirectory::Url(text.to_owned()))),
        _ => Err(format!(
            "{text:?} is neither \"letsencrypt\" nor \"letsencrypt-staging\" nor \"off\" nor an https:// address."
        )),
    }
}

fn contact(text: String) -> Result<Option<String>, String> {
    match text.strip_prefix("mailto:") {
        _ if text.is_empty() => Ok(None),
        Some(address) if address.contains('@') && !address.chars().any(|c| c.is_control() || c == ' ') => {
            Ok(Some(text))
        }
        _ => Err(format!("{text:?} is no contact, as \"mailto:owner@example.org\".")),
    }
}
